/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daily mail to a recipient: what of theirs is in quarantine and new, with signed links. multipart/alternative, plain
 * text and HTML, without scripts or anything from elsewhere; lines within RFC 5322's bounds. What it shows of messages is
 * their senders' text and goes through escaping and encoding. Pure. See host.h for who is due.
 */
#ifndef POSTERN_QUARANTINE_DIGEST_H
#define POSTERN_QUARANTINE_DIGEST_H

#include "controlplane/quarantine/hostdb.h"
#include "controlplane/quarantine/link.h"

#define PN_QDIGEST_ITEMS_MAX 200u /* of one mail; more are counted */

struct pn_qdigest_item {
    uint64_t number, received_ms, size_bytes;
    const char *sender, *subject, *reason; /* copied; NULL is "" */
};

struct pn_qdigest_options {
    const char *recipient, *sender; /* addresses: To, and From with from_name */
    const char *from_name; /* may be NULL */
    const char *subject; /* NULL: "Mail held back for you" */
    const char *base_url; /* "https://quarantine.example.org/q/"; the token follows. NULL: no links */
    const char *message_id_domain;
    const char *footer; /* a line of the operator's, may be NULL */
    const char *note; /* why there are no links, or NULL: a line about releasing is left out */
    uint64_t store, now_ms, expiry_ms; /* expiry: of the links, since 1970 */
    int64_t offset_ms; /* local time of the recipients against UTC */
    bool release_whitelist; /* a second link with each message */
};

/* May it stand in a header field, between < and >? What may not, is nobody's to be mailed. */
bool pn_qdigest_address_ok(const char *address);

struct pn_qdigest;
struct pn_qdigest *pn_qdigest_new(const struct pn_qdigest_options *o, const struct pn_qlink_keys *keys,
                                  struct pn_error *err); /* NULL with err: an address or URL that cannot be */
int pn_qdigest_add(struct pn_qdigest *d, const struct pn_qdigest_item *item, struct pn_error *err);
/* With pn_host_find(): a pn_host_each for each row. */
int pn_qdigest_add_row(void *digest, const struct pn_host_row *row);
unsigned pn_qdigest_items(const struct pn_qdigest *d); /* added, the shown and the merely counted */
/* The whole message, CRLF, 7-bit, ready for SMTP; malloc()ed. NULL with err. */
char *pn_qdigest_text(struct pn_qdigest *d, size_t *len, struct pn_error *err);
void pn_qdigest_free(struct pn_qdigest *d);

/* When the next round is due: the first time of day at_minutes (0..1439, local) after last_ms. last 0: today's or the
 * next; so a host that was off at the time sends late rather than not at all. */
uint64_t pn_qdigest_due_ms(uint64_t last_ms, uint64_t now_ms, unsigned at_minutes, int64_t offset_ms);

#endif
