/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a host may forget, and when: by age and class, by size, by quota of a node. Pure: it says the next step, the caller
 * purges (host.h) and tells how many went. Held items never go, the store sees to that; items that nodes still keep are
 * here for good before they are acknowledged, so nothing unacknowledged is ever touched.
 */
#ifndef POSTERN_QUARANTINE_RETENTION_H
#define POSTERN_QUARANTINE_RETENTION_H

#include "controlplane/quarantine/hostdb.h"

enum pn_retention_class { /* ages are looked up in this order: an item belongs to the first that fits */
                          PN_RETENTION_RECORDS, /* reporting records */
                          PN_RETENTION_DELETED, /* messages a person deleted */
                          PN_RETENTION_RELEASED,
                          PN_RETENTION_VIRUS, /* messages by their event */
                          PN_RETENTION_SPAM,
                          PN_RETENTION_OTHER,
                          PN_RETENTION_CLASS_COUNT
};
const char *pn_retention_class_name(enum pn_retention_class c); /* "records" */

struct pn_retention_quota {
    char node[PN_NAME_BYTES];
    uint64_t bytes; /* of compressed files on the host */
};
struct pn_retention_config {
    uint64_t age_ms[PN_RETENTION_CLASS_COUNT]; /* 0: for ever */
    uint64_t counts_age_ms; /* of the reports' counts and names; 0: for ever */
    uint64_t max_bytes; /* of all files; 0: only the disk says */
    struct pn_retention_quota quotas[PN_MAX_NODES]; /* who wants one for all nodes lists them */
    unsigned n_quotas;
    uint64_t every_ms; /* between rounds; 0: 10 minutes */
    unsigned batch; /* items a step; 0: 200 */
};

enum pn_retention_act {
    PN_RETENTION_WAIT,
    PN_RETENTION_PURGE,
    PN_RETENTION_SIZE,
    PN_RETENTION_NODE,
    PN_RETENTION_COUNTS
};
struct pn_retention_step {
    enum pn_retention_act act;
    struct pn_host_purge purge; /* PURGE: pn_host_purge() */
    uint64_t max_bytes; /* SIZE: pn_host_purge_size(), NODE: pn_host_purge_node() */
    const char *node; /* NODE; until the next call */
    uint64_t before_ms; /* COUNTS: pn_host_report_purge() */
    uint64_t wait_ms; /* WAIT: until the next round */
};

struct pn_retention { /* zeroes, then pn_retention_init(), which also takes a new configuration */
    struct pn_retention_config config;
    uint64_t round_ms; /* the round under way or the last one began */
    unsigned at; /* how far the round is */
    bool running;
};
void pn_retention_init(struct pn_retention *r, const struct pn_retention_config *config);
/* Refuses what cannot be meant: ages below an hour, two quotas for a node. -1 with err. */
int pn_retention_check(const struct pn_retention_config *config, struct pn_error *err);
/* What to do now. Small steps, one after the other; between two the caller may do other things. now: CLOCK_REALTIME. */
struct pn_retention_step pn_retention_next(struct pn_retention *r, uint64_t now_ms);
/* The step is done: how many went, -1: it failed, the rest of the round waits for the next. */
void pn_retention_done(struct pn_retention *r, const struct pn_retention_step *step, int gone);
#endif
