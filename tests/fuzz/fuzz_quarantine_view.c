/* SPDX-License-Identifier: BSD-3-Clause */
/* Any mail that a stranger sends, shown to an operator: bounds hold, all text is clean. */
#include <stdlib.h>
#include <string.h>

#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/qview.h"

static void clean(const char *text, int lines)
{
    char buf[20000];
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 && !(lines && text[i] == '\n'))
            abort();
    if (!lines && len < sizeof(buf) &&
        (pn_q_text_clean((const uint8_t *)text, len, buf, sizeof(buf)) != len || memcmp(text, buf, len) != 0))
        abort();
}

static int count(void *arg, const uint8_t *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return *(size_t *)arg > 100000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pn_qview_limits limits = {.text_bytes = 500, .headers = 20, .parts = 10, .depth = 4};
    struct pn_qview *v = pn_qview_make(data, size, &limits, NULL);
    size_t n = 0;

    if (v == NULL)
        return 0;
    if (v->n_headers > 20 || v->n_parts > 10 || strlen(v->text) > 500)
        abort();
    for (unsigned i = 0; i < v->n_headers; i++) {
        clean(v->headers[i].name, 0);
        clean(v->headers[i].value, 0);
    }
    for (unsigned i = 0; i < v->n_parts; i++) {
        clean(v->parts[i].name, 0);
        clean(v->parts[i].type, 0);
        if (v->parts[i].depth > 4)
            abort();
    }
    clean(v->text, 1);
    pn_qview_free(v);
    pn_qview_part(data, size, size % 5, &limits, count, &n, NULL);
    return 0;
}
