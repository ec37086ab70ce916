/* SPDX-License-Identifier: BSD-3-Clause */
/* The header section of a message, enough for a list and for search (RFC 5322 2.2). Pure and bounded. */
#ifndef POSTERN_QUARANTINE_HEADERS_H
#define POSTERN_QUARANTINE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes up to the empty line, at most len. */
size_t pn_q_headers_length(const uint8_t *head, size_t len);
/* Unfolded value of the first field of this name, cleaned, cut to size; false when there is none (out is ""). */
bool pn_q_headers_find(const uint8_t *head, size_t len, const char *name, char *out, size_t size);
/* Valid UTF-8 without control characters; others become '?' (TAB, CR, LF a space). Cut to size - 1. Returns length. */
size_t pn_q_text_clean(const uint8_t *in, size_t len, char *out, size_t size);

#endif
