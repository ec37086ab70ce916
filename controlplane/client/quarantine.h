/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing a message to the quarantine from another process: a filter beside an MTA. Blocking, one thread a connection;
 * several messages may go one after the other. Success of pn_qclient_end() means: message and its row are on disk
 * (docs/quarantine.md). After any failure nothing was promised: the caller answers with a temporary failure.
 */
#ifndef POSTERN_CLIENT_QUARANTINE_H
#define POSTERN_CLIENT_QUARANTINE_H

#include "postern/types.h"

#define PN_QCLIENT_SHA_TEXT 65
#define PN_QCLIENT_PIECE_BYTES 42000u /* base64 of it stays below what a request may have */

struct pn_qclient_mail { /* NULL: not known */
    const char *sender; /* "" or NULL: the null path */
    const char *const *recipients;
    unsigned n_recipients; /* at least one */
    const char *reason, *rule, *gateway;
    const char *event; /* "quarantined", "virus", "spam" ...: words of docs/quarantine.md */
    const char *direction; /* "inbound", "outbound" */
    uint64_t size_bytes; /* 0: not known; otherwise room is looked for before the first byte */
};

struct pn_qclient_taken {
    uint64_t sequence; /* of this node's spool */
    char sha256[PN_QCLIENT_SHA_TEXT];
};

struct pn_qclient;
/* socket: posternd's. The caller is root or in group `postern`. NULL and err. */
struct pn_qclient *pn_qclient_open(const char *socket, unsigned patience_s, struct pn_error *err);
void pn_qclient_close(struct pn_qclient *q); /* an unfinished message is forgotten; NULL is fine */

/* Each 0, or -1 and err; after -1 begin anew, on the same connection object: it connects again by itself. */
int pn_qclient_begin(struct pn_qclient *q, const struct pn_qclient_mail *mail, struct pn_error *err);
int pn_qclient_data(struct pn_qclient *q, const void *bytes, size_t len,
                    struct pn_error *err); /* in pieces of any size */
int pn_qclient_end(struct pn_qclient *q, struct pn_qclient_taken *taken, struct pn_error *err);

#endif
