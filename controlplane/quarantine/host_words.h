/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words of a text as the embedded store's full text search sees them (FTS5, unicode61: letters and digits, folded, without
 * diacritics), so that another database finds the same. One thread.
 */
#ifndef POSTERN_QUARANTINE_HOST_WORDS_H
#define POSTERN_QUARANTINE_HOST_WORDS_H

#include <stddef.h>

#include "postern/types.h"

#define PN_QWORD_BYTES_MAX 1000u /* longer ones are cut */

struct pn_qwords;
struct pn_qwords *pn_qwords_new(struct pn_error *err);
void pn_qwords_free(struct pn_qwords *w);

/* Texts for PostgreSQL, malloc()ed; NULL: no memory. A document: subject has weight A, reason B, headers C. */
char *pn_qwords_vector(struct pn_qwords *w, const char *subject, const char *reason, const char *headers);
/* All words of each text, NULL is none; one typed word of several parts is a phrase. *none: nothing can match; "" and
 * not *none: everything does. text: subject or headers. */
char *pn_qwords_query(struct pn_qwords *w, const char *subject, const char *reason, const char *text, bool *none);

#endif
