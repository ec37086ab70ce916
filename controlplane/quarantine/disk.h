/* SPDX-License-Identifier: BSD-3-Clause */
/* What a spool does as its disk or its quota fills. Pure. */
#ifndef POSTERN_QUARANTINE_DISK_H
#define POSTERN_QUARANTINE_DISK_H

#include "postern/types.h"

enum pn_q_policy { PN_Q_TEMPFAIL, PN_Q_OLDEST, PN_Q_DELIVER_TAGGED, PN_Q_POLICY_COUNT };

struct pn_q_limits {
    uint64_t quota_bytes; /* compressed; 0: none, only the disk counts */
    uint64_t keep_free_bytes; /* of the disk, never used by new mail */
    uint8_t warn_percent, high_percent; /* of what may be used; warn <= high; 0: 80 and 95 */
    enum pn_q_policy policy;
};

struct pn_q_usage {
    uint64_t used_bytes; /* by the spool's message files */
    uint64_t acked_bytes; /* of these, what the host has and the spool only keeps for a while */
    uint64_t disk_free_bytes;
};

enum pn_q_level { PN_Q_LEVEL_OK, PN_Q_LEVEL_WARN, PN_Q_LEVEL_HIGH, PN_Q_LEVEL_FULL };

enum pn_q_decision {
    PN_Q_TAKE, /* after evict_acked_bytes and evict_oldest_bytes are gone */
    PN_Q_REFUSE, /* temporary failure to the sender */
    PN_Q_PASS_TAGGED /* the caller delivers it, marked, instead of quarantining; nothing is stored */
};

struct pn_q_verdict {
    enum pn_q_decision decision;
    enum pn_q_level level; /* before the message */
    uint64_t evict_acked_bytes; /* at least so much that the host has already */
    uint64_t evict_oldest_bytes; /* policy `oldest`: at least so much of what nobody else has */
};

const char *pn_q_policy_name(enum pn_q_policy policy);
int pn_q_policy_parse(const char *name); /* -1: no such */
const char *pn_q_level_name(enum pn_q_level level);
enum pn_q_level pn_q_disk_level(const struct pn_q_limits *limits, const struct pn_q_usage *usage);
struct pn_q_verdict pn_q_disk_decide(const struct pn_q_limits *limits, const struct pn_q_usage *usage,
                                     uint64_t want_bytes);

#endif
