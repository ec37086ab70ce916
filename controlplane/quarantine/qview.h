/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message as a person reads it: headers decoded (RFC 2047), the text, attachments listed. Made with GMime from bytes
 * that may be anything, within bounds on size, parts, depth, text and time; what a bound cut off is said in `cut`. All
 * text is valid UTF-8 without control characters but line feeds. Call it from one thread.
 */
#ifndef POSTERN_QUARANTINE_QVIEW_H
#define POSTERN_QUARANTINE_QVIEW_H

#include <stddef.h>

#include "controlplane/quarantine/files.h"
#include "postern/types.h"

struct pn_qview_limits { /* 0: the default */
    size_t message_bytes; /* 32 MiB; what lies beyond is not read */
    size_t text_bytes; /* 256 KiB */
    unsigned headers; /* 500 */
    unsigned parts; /* 200 */
    unsigned depth; /* 20 */
    uint32_t time_ms; /* 500 */
};

struct pn_qview_header {
    char *name, *value;
};
struct pn_qview_part {
    char *name; /* of the file, "" when none is said */
    char *type; /* "application/pdf" */
    uint64_t bytes; /* decoded */
    unsigned depth;
    bool attachment; /* to be saved rather than read */
};

struct pn_qview {
    struct pn_qview_header *headers;
    unsigned n_headers;
    char *text; /* "" when there is none */
    bool from_html; /* the text was made from HTML: links, images and scripts are not in it */
    struct pn_qview_part *parts; /* all leaves, in order */
    unsigned n_parts;
    const char *cut; /* NULL, or why this is not all */
};

/* NULL with err: no memory, or nothing that could be a message. limits may be NULL. */
struct pn_qview *pn_qview_make(const void *raw, size_t len, const struct pn_qview_limits *limits, struct pn_error *err);
void pn_qview_free(struct pn_qview *v); /* NULL is fine */
/* The decoded bytes of part `at` to sink. -1 with err: no such part, malformed, a bound. */
int pn_qview_part(const void *raw, size_t len, unsigned at, const struct pn_qview_limits *limits, pn_qsink *sink,
                  void *arg, struct pn_error *err);

/* Gathers what pn_host_raw() or pn_spool_raw() give, up to max; more stops them. Free bytes. */
struct pn_qgather {
    uint8_t *bytes;
    size_t len, size, max; /* max 0: 32 MiB */
    bool cut; /* there was more */
};
int pn_qgather_sink(void *arg, const uint8_t *bytes, size_t len);

/* HTML to text: tags, scripts and styles go, entities and line breaks stay readable. malloc()ed, NULL: no memory. */
char *pn_qhtml_text(const char *html, size_t len, size_t max);

#endif
