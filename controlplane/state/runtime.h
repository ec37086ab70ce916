/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is true now, beside what is configured: health, administrators' orders, agents' reports, spill. Arrays run
 * parallel to struct pn_conf. The daemon's event loop owns it; health and load hand their results in through their
 * callbacks, the compiler reads it.
 */
#ifndef POSTERN_RUNTIME_H
#define POSTERN_RUNTIME_H

#include "controlplane/conf/conf.h"

enum pn_health {
    PN_HEALTH_UNKNOWN = 0, /* no check has finished yet: takes flows, the first result decides at once */
    PN_HEALTH_UP,
    PN_HEALTH_BUSY, /* answers 421/4xx: alive, takes no new flows while another member does */
    PN_HEALTH_DOWN,
    PN_HEALTH_COUNT
};

struct pn_rt_member {
    enum pn_health health;
    uint64_t since_ms; /* CLOCK_BOOTTIME */
    char reason[128]; /* "smtp: timeout after 5 s waiting for the banner" */
};

struct pn_rt_gateway {
    bool drain, disabled; /* by the administrator; survive a restart of posternd */
    uint64_t ordered_ms; /* CLOCK_BOOTTIME: when one of these changed last; 0: not since posternd's start */
    int32_t weight_override; /* -1: configured */
    bool agent_known; /* an agent check answers */
    bool agent_drain, agent_maint, agent_down;
    bool node_gone; /* of mode local on another node, whose dataplane is not there to deliver: as good as down */
    uint8_t agent_percent; /* 0..100, 100 without an agent */
    uint32_t agent_maxconn; /* 0: not said */
    bool agent_full; /* as many active flows as agent_maxconn: weight 0 until it has dropped (pn_load_maxconn_full) */
    int64_t agent_queue; /* -1: not said */
};

struct pn_rt_tier {
    bool in_spill;
    bool accepts_spill; /* as far as load goes: pn_rt_tier_takes_spill() */
    uint16_t share; /* of 65535 */
    uint32_t above_active;
    uint64_t since_ms;
    char reason[128]; /* "active-flows 412 >= 400 for 2 s" */
};

struct pn_runtime {
    struct pn_rt_gateway *gateways; /* [conf.n_gateways] */
    /* [pool][tier][position in tier.gateways], through pn_rt_member() */
    struct pn_rt_member *members;
    struct pn_rt_tier *tiers; /* [pool][tier], through pn_rt_tier() */
    const struct pn_conf *conf;
    unsigned *member_base; /* [pool * PN_MAX_TIERS_PER_POOL + tier] */
};

struct pn_runtime *pn_runtime_new(const struct pn_conf *conf);
void pn_runtime_free(struct pn_runtime *rt);
/* Takes over from old what still has the same name in the new configuration. */
void pn_runtime_carry(struct pn_runtime *rt, const struct pn_runtime *old);

struct pn_rt_member *pn_rt_member(const struct pn_runtime *rt, unsigned pool, unsigned tier, unsigned i);
struct pn_rt_tier *pn_rt_tier(const struct pn_runtime *rt, unsigned pool, unsigned tier);

/* Effective weight, 0..256: by order or configured, as far as its agent allows. Rounded up: only 0 is 0. */
unsigned pn_rt_gateway_weight(const struct pn_runtime *rt, unsigned gateway);
/* Why it takes no new flows in any pool: "disabled", "maint", "drain", "down", "weight 0"; NULL: it does. */
const char *pn_rt_gateway_refuses(const struct pn_runtime *rt, unsigned gateway);

/* Some check of the pool tells its members' health: an agent's tells load only. Without one it stays UNKNOWN for ever. */
bool pn_rt_pool_is_judged(const struct pn_conf *conf, unsigned pool);

/*
 * What an earlier tier passes on, this one takes: its load allows it, and a gateway is there that is well and takes new
 * flows. Where nothing is judged nobody is known to be ill.
 */
bool pn_rt_tier_takes_spill(const struct pn_runtime *rt, unsigned pool, unsigned tier);

/* No member of the pool would take new flows but those that say busy: then a busy answer is better than none. */
bool pn_rt_pool_is_only_busy(const struct pn_runtime *rt, unsigned pool);

/* Names that keep their ids over snapshots, reloads and (read back from the dataplane) restarts. */
struct pn_id_row {
    char key[3 * PN_NAME_BYTES]; /* "vip/in4", "service/smtp-in/in4", "gateway/mx1", "tier/mx/primary" */
    uint16_t id; /* the row's position */
    bool used;
    bool live; /* in the last compiled snapshot; others are given away only when no row is free */
    uint32_t idle; /* compilations since it was live */
};
struct pn_ids {
    struct pn_id_row vips[PN_MAX_VIPS], services[PN_MAX_SERVICES], tiers[PN_MAX_TIERS], gateways[PN_MAX_GATEWAYS];
};
/* Id of key in rows[n], given out anew if need be; PN_ID_NONE: all taken. */
uint16_t pn_id_get(struct pn_id_row *rows, unsigned n, const char *key);
/* The same without giving one out; PN_ID_NONE: key has none. */
uint16_t pn_id_find(const struct pn_id_row *rows, unsigned n, const char *key);
/* Before a compilation: all rows idle; pn_id_keep() then marks those whose key is still wanted. */
void pn_ids_begin(struct pn_ids *ids);
void pn_id_keep(struct pn_id_row *rows, unsigned n, const char *key);
/* Writes "vip/in4" or "service/smtp-in/in4" (b NULL: only one name). */
void pn_id_key(char key[3 * PN_NAME_BYTES], const char *kind, const char *a, const char *b);
/* Learns the ids in a running dataplane's snapshot. */
void pn_ids_learn(struct pn_ids *ids, const struct pn_snapshot *running);

/*
 * Configuration and runtime to the message for this node's dataplane. buf: 8-byte aligned. *len set. -1 and err when
 * a limit is passed. Pure.
 */
int pn_compile_snapshot(const struct pn_conf *conf, unsigned node, const struct pn_runtime *rt, struct pn_ids *ids,
                        uint64_t generation, void *buf, size_t cap, size_t *len, struct pn_error *err);

#endif
