/* SPDX-License-Identifier: BSD-3-Clause */
/* Clean UTF-8 into a mail: encoded words (RFC 2047), quoted-printable (RFC 2045 6.7), HTML. Pure. */
#ifndef POSTERN_QUARANTINE_DIGEST_MIME_H
#define POSTERN_QUARANTINE_DIGEST_MIME_H

#include <stddef.h>
#include <stdio.h>

/* A header's text, folded to lines below 76 bytes; as it is where it is short ASCII. at: bytes already on the line. */
void pn_mime_words(FILE *f, const char *text, size_t at);
/* A display name and a blank, or nothing for NULL and "". */
void pn_mime_name(FILE *f, const char *name);
/* Lines end with LF in text and CRLF in the mail. */
void pn_mime_qp(FILE *f, const char *text, size_t len);
void pn_mime_html(FILE *f, const char *text); /* for content and quoted attributes */

#endif
