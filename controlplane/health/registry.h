/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine checks: members (a gateway in a pool) and their checks, and how they are made of a configuration. */
#ifndef POSTERN_HEALTH_REGISTRY_H
#define POSTERN_HEALTH_REGISTRY_H

#include <openssl/ssl.h>
#include <sys/queue.h>

#include "common/addr.h"
#include "common/log.h"
#include "controlplane/health/conn.h"
#include "controlplane/health/member_fsm.h"

struct event;
struct pn_health_member;

#define PN_HEALTH_REASON_BYTES 192

/* A check as configured, shared by all members that have it. */
struct pn_health_def {
    struct pn_conf_check conf;
    SSL_CTX *ctx; /* NULL: no TLS */
    unsigned refs;
};

struct pn_health_check {
    struct pn_health_engine *engine;
    struct pn_health_member *member;
    struct pn_health_def *def;
    struct pn_check_target target;
    struct pn_check_fsm fsm;
    struct event *timer; /* next start */
    struct pn_conn *conn; /* running */
    TAILQ_ENTRY(pn_health_check) wait_link; /* due, but too many run */
    TAILQ_ENTRY(pn_health_check) agent_link; /* a report to hand on */
    bool waiting, again, agent_due, agent_gone;
    uint64_t started_ms, suspect_at_ms;
    uint32_t last_ms;
    uint64_t last_at_ms, done, failed;
    int32_t cert_days_left;
    char reason[PN_HEALTH_REASON_BYTES]; /* "smtp port 25: ..." */
    struct pn_agent_report agent;
    char agent_unknown[32]; /* last unknown word that was logged */
    struct pn_log_limit agent_limit, local_limit;
};

struct pn_health_member {
    char pool[PN_NAME_BYTES], gateway[PN_NAME_BYTES];
    struct pn_addr addr;
    char addr_text[PN_ADDR_TEXT_BYTES];
    struct pn_health_check *checks[PN_CONF_MAX_CHECKS_PER_POOL];
    unsigned n_checks;
    enum pn_health health; /* worst of the checks */
    enum pn_health told; /* as the callback last had it */
    const char *reason; /* of the worst check, "" none */
    TAILQ_ENTRY(pn_health_member) dirty_link;
    bool dirty;
};

struct pn_health_registry {
    struct pn_health_member **members;
    unsigned n_members;
};

/* All members of conf with fresh checks (no timers, no state). helo: for checks that name none. -1 and err. */
int pn_health_registry_build(struct pn_health_registry *reg, struct pn_health_engine *engine,
                             const struct pn_conf *conf, const char *helo, struct pn_error *err);
/* Frees members and checks; stops what runs. */
void pn_health_registry_free(struct pn_health_registry *reg);
void pn_health_check_free(struct pn_health_check *c);

/* Does next ask the same of the same target as c does? Then its state goes on. */
bool pn_health_check_same(const struct pn_health_check *c, const struct pn_health_check *next);

/* Worst of a member's checks into health and reason. */
void pn_health_member_sum(struct pn_health_member *m);

#endif
