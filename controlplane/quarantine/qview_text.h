/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of a message's parts to clean UTF-8. Pure. */
#ifndef POSTERN_QUARANTINE_QVIEW_TEXT_H
#define POSTERN_QUARANTINE_QVIEW_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* From charset (NULL, unknown: UTF-8 where it is, else Windows-1252). malloc()ed, NUL-terminated; NULL: no memory. */
char *pn_qtext_utf8(const char *charset, const void *bytes, size_t len);
/* Lines end with LF; other control characters and bad bytes become '?'. malloc()ed; NULL: no memory. */
char *pn_qtext_clean(const char *text, size_t len);

#endif
