/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/disk.h"

static const char *const policies[PN_Q_POLICY_COUNT] = {"tempfail", "oldest", "deliver-tagged"};

const char *pn_q_policy_name(enum pn_q_policy policy)
{
    return policy < PN_Q_POLICY_COUNT ? policies[policy] : "?";
}

int pn_q_policy_parse(const char *name)
{
    for (int i = 0; i < PN_Q_POLICY_COUNT; i++)
        if (strcmp(policies[i], name) == 0)
            return i;
    return -1;
}

const char *pn_q_level_name(enum pn_q_level level)
{
    static const char *const names[] = {"ok", "warn", "high", "full"};
    return level <= PN_Q_LEVEL_FULL ? names[level] : "?";
}

/* What new mail may still take. */
static uint64_t room(const struct pn_q_limits *l, const struct pn_q_usage *u)
{
    uint64_t disk = u->disk_free_bytes > l->keep_free_bytes ? u->disk_free_bytes - l->keep_free_bytes : 0;

    if (l->quota_bytes == 0)
        return disk;
    uint64_t quota = l->quota_bytes > u->used_bytes ? l->quota_bytes - u->used_bytes : 0;
    return quota < disk ? quota : disk;
}

enum pn_q_level pn_q_disk_level(const struct pn_q_limits *l, const struct pn_q_usage *u)
{
    uint64_t left = room(l, u);
    /* Mail that the host has is in nobody's way. */
    uint64_t used = u->used_bytes > u->acked_bytes ? u->used_bytes - u->acked_bytes : 0;
    double share = 100.0 * (double)used / ((double)used + (double)left + (double)(u->used_bytes - used) + 1);

    if (left == 0 && u->acked_bytes == 0)
        return PN_Q_LEVEL_FULL;
    if (share >= (l->high_percent ? l->high_percent : 95))
        return PN_Q_LEVEL_HIGH;
    return share >= (l->warn_percent ? l->warn_percent : 80) ? PN_Q_LEVEL_WARN : PN_Q_LEVEL_OK;
}

struct pn_q_verdict pn_q_disk_decide(const struct pn_q_limits *l, const struct pn_q_usage *u, uint64_t want_bytes)
{
    struct pn_q_verdict v = {.decision = PN_Q_TAKE, .level = pn_q_disk_level(l, u)};
    uint64_t left = room(l, u);

    if (want_bytes <= left)
        return v;
    /* What lies below keep_free must come free as well before the message fits. */
    uint64_t debt = u->disk_free_bytes < l->keep_free_bytes ? l->keep_free_bytes - u->disk_free_bytes : 0;
    uint64_t over = l->quota_bytes && u->used_bytes > l->quota_bytes ? u->used_bytes - l->quota_bytes : 0;
    uint64_t missing = want_bytes - left + (debt > over ? debt : over);
    if (missing <= u->acked_bytes) {
        v.evict_acked_bytes = missing;
        return v;
    }
    switch (l->policy) {
    case PN_Q_OLDEST:
        if (missing <= u->used_bytes) {
            v.evict_acked_bytes = u->acked_bytes;
            v.evict_oldest_bytes = missing - u->acked_bytes;
            return v;
        }
        break; /* even an empty spool would not hold it */
    case PN_Q_DELIVER_TAGGED:
        v.decision = PN_Q_PASS_TAGGED;
        return v;
    default:
        break;
    }
    v.decision = PN_Q_REFUSE;
    return v;
}
