/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks: connects to gateways from the kernel's side, on the daemon's event loop. Results leave through the
 * callbacks; nothing here knows snapshots, the API or other modules.
 */
#ifndef POSTERN_HEALTH_H
#define POSTERN_HEALTH_H

#include "controlplane/conf/conf.h"
#include "controlplane/state/runtime.h"

struct event_base;
struct pn_health_engine;

struct pn_agent_report {
    bool up, down, drain, maint, ready; /* words seen */
    bool has_percent, has_maxconn, has_queue;
    uint8_t percent;
    uint32_t maxconn;
    int64_t queue;
};

struct pn_health_callbacks {
    /* A member's health changed (all its checks together). reason: for people, one line. */
    void (*member)(void *arg, const char *pool, const char *gateway, enum pn_health health, const char *reason);
    /*
     * An agent answered (report) or can no longer be reached (NULL: its load is unknown). When its check leaves the
     * configuration: a report that takes all orders back, then NULL. pn_agent_apply() keeps the account of it.
     */
    void (*agent)(void *arg, const char *gateway, const struct pn_agent_report *report);
    void *arg;
};

/* One check of one member, for status and metrics. */
struct pn_health_row {
    const char *pool, *gateway, *check;
    enum pn_check_type type;
    enum pn_health health;
    uint32_t last_ms; /* duration of the last check */
    uint64_t last_at_ms; /* CLOCK_BOOTTIME; 0 never */
    uint64_t done, failed;
    int32_t cert_days_left; /* INT32_MIN: no certificate seen */
    const char *reason;
};

/*
 * Callbacks come from the event loop, never from within these functions, and may call any of them, free included.
 * SIGPIPE is set to be ignored unless the process handles it.
 */
struct pn_health_engine *pn_health_engine_new(struct event_base *base, const struct pn_health_callbacks *cb);
void pn_health_engine_free(struct pn_health_engine *h);
/*
 * Checks of unchanged (pool, gateway, check) go on with their state and the run under way. conf is copied from. -1 and
 * err, with everything as it was: a CA file that cannot be read, a text that would break the protocol, memory.
 */
int pn_health_apply(struct pn_health_engine *h, const struct pn_conf *conf, struct pn_error *err);
/* The dataplane sees SYNs that no ACK follows: check now; one failure is then enough. */
void pn_health_suspect(struct pn_health_engine *h, const char *gateway);
/* fn must not apply or free. */
void pn_health_each(const struct pn_health_engine *h, void (*fn)(void *arg, const struct pn_health_row *row),
                    void *arg);

#endif
