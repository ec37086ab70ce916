/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/words.h"

#include <pthread.h>
#include <string.h>

#include <gmime/gmime.h>

#include "controlplane/quarantine/headers.h"

#define LOOKED_AT_BYTES 4096u

static void init(void)
{
    g_mime_init();
}

void pn_q_mime_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* writer, reader and the store's thread */

    pthread_once(&once, init);
}

size_t pn_q_words_decode(const char *text, char *out, size_t size)
{
    char head[LOOKED_AT_BYTES + 1];
    char *decoded = NULL;

    if (strstr(text, "=?")) {
        size_t len = strnlen(text, LOOKED_AT_BYTES);
        memcpy(head, text, len);
        head[len] = '\0';
        pn_q_mime_init();
        decoded = g_mime_utils_header_decode_text(NULL, head);
    }
    const char *from = decoded ? decoded : text;
    size_t n = pn_q_text_clean((const uint8_t *)from, strlen(from), out, size);
    g_free(decoded);
    return n;
}

void pn_q_item_words(pn_q_item *item, struct pn_q_words *w)
{
    if (strstr(item->subject, "=?")) {
        pn_q_words_decode(item->subject, w->subject, sizeof(w->subject));
        item->subject = w->subject;
    }
    if (strstr(item->from, "=?")) {
        pn_q_words_decode(item->from, w->from, sizeof(w->from));
        item->from = w->from;
    }
}
