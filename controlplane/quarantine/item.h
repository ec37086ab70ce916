/* SPDX-License-Identifier: BSD-3-Clause */
/* Reporting records and quarantined messages as all of the quarantine knows them, and the bounds they keep. Pure. */
#ifndef POSTERN_QUARANTINE_ITEM_H
#define POSTERN_QUARANTINE_ITEM_H

#include <stddef.h>

#include "common/pb.h"
#include "controlplane/quarantine/quarantine.pb-c.h"
#include "postern/types.h"

#define PN_Q_SHA_BYTES 32u
#define PN_Q_SHA_TEXT_BYTES 65u
#define PN_Q_ADDRESS_MAX 512u /* RFC 5321 4.5.3.1.3 says 256; SMTPUTF8 and odd senders get twice that */
#define PN_Q_TEXT_MAX 1024u /* reason, subject, from */
#define PN_Q_NAME_MAX 255u /* rule, gateway, about */
#define PN_Q_RECIPIENTS_MAX 1000u
#define PN_Q_ITEM_BYTES_MAX (640u << 10) /* encoded */
#define PN_Q_MESSAGE_BYTES_MAX (1ull << 30)

enum pn_q_kind { PN_Q_RECORD = 1, PN_Q_MESSAGE = 2 };

enum pn_q_event { /* numbers are stored and sent */
                  PN_Q_EVENT_QUARANTINED = 0,
                  PN_Q_EVENT_RECEIVED = 1,
                  PN_Q_EVENT_REJECTED = 2,
                  PN_Q_EVENT_RELEASED = 3,
                  PN_Q_EVENT_VIRUS = 4,
                  PN_Q_EVENT_SPAM = 5,
                  PN_Q_EVENT_EVICTED = 6, /* a spool that was full gave up its oldest message */
                  PN_Q_EVENT_COUNT
};

enum pn_q_direction { PN_Q_DIRECTION_UNKNOWN = 0, PN_Q_IN = 1, PN_Q_OUT = 2, PN_Q_DIRECTION_COUNT };

typedef Pn__Q__Item pn_q_item; /* start from PN__Q__ITEM__INIT; the text is the caller's */

struct pn_q_id {
    uint64_t sequence;
    uint8_t sha[PN_Q_SHA_BYTES];
};

#define PN_Q_EVENT_WORDS "quarantined, received, rejected, released, virus, spam, evicted" /* for messages */
const char *pn_q_event_name(unsigned event); /* "quarantined"; "?" when unknown */
int pn_q_event_parse(const char *name); /* -1: no such */
const char *pn_q_direction_name(unsigned direction); /* "in", "out", "unknown" */
int pn_q_direction_parse(const char *name);

/* All that items from outside must keep; complete: with node, sequence and sha256. 0, or -1 with err. */
int pn_q_item_check(const pn_q_item *item, bool complete, struct pn_error *err);
/* malloc()ed; NULL: no memory. */
uint8_t *pn_q_item_encode(const pn_q_item *item, size_t *len);
/* NULL with err when malformed or out of bounds. Free with pn_pb_free(budget, item). */
pn_q_item *pn_q_item_decode(struct pn_pb_budget *budget, const void *bytes, size_t len, struct pn_error *err);
/* A record's identity: SHA-256 of its encoding without it. -1: no memory. */
int pn_q_record_sha(const pn_q_item *item, uint8_t sha[PN_Q_SHA_BYTES]);

char *pn_q_sha_format(const uint8_t sha[PN_Q_SHA_BYTES], char buf[PN_Q_SHA_TEXT_BYTES]);
int pn_q_sha_parse(const char *text, uint8_t sha[PN_Q_SHA_BYTES]); /* -1: not 64 lower-case hex digits and the end */

static inline bool pn_q_id_equal(const struct pn_q_id *a, const struct pn_q_id *b)
{
    return a->sequence == b->sequence && memcmp(a->sha, b->sha, PN_Q_SHA_BYTES) == 0;
}

#endif
