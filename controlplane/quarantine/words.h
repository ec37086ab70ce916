/* SPDX-License-Identifier: BSD-3-Clause */
/* Encoded words (RFC 2047) to UTF-8, so that lists and searches have what people read. Any thread. */
#ifndef POSTERN_QUARANTINE_WORDS_H
#define POSTERN_QUARANTINE_WORDS_H

#include "controlplane/quarantine/item.h"

/* Before the first call of GMime. */
void pn_q_mime_init(void);
/* A field's value with its encoded words decoded, then as pn_q_text_clean() leaves it; words that cannot be decoded stay as they
 * are. Only the first 4096 bytes of text are looked at. Returns the length. */
size_t pn_q_words_decode(const char *text, char *out, size_t size);

struct pn_q_words {
    char subject[PN_Q_TEXT_MAX + 1], from[PN_Q_TEXT_MAX + 1];
};
/* Subject and From of the item are decoded where they have encoded words; they then live in w. */
void pn_q_item_words(pn_q_item *item, struct pn_q_words *w);

#endif
