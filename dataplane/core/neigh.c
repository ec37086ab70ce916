/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/neigh.h"

#include <stdlib.h>

#include "common/addr.h"
#include "common/error.h"
#include "dataplane/core/rewrite.h"

struct neigh {
    struct pn_addr addr;
    struct pn_mac mac;
    uint16_t port, vlan;
    bool wanted;
    bool flush; /* the queue's fate is decided: the next tick says RELEASE or DROP */
    uint8_t state; /* enum pn_neigh_state */
    uint8_t source; /* enum pn_neigh_source */
    uint8_t asked; /* requests sent in this state */
    uint32_t next_ms; /* when the state's timer is due */
    uint32_t confirmed_ms;
    uint32_t head, count; /* ring of held handles */
    uint64_t held[PN_NEIGH_QUEUE];
};

struct pn_neigh_table {
    struct pn_neigh_timers timers;
    struct pn_neigh_published *pub;
    uint32_t held;
    struct neigh n[PN_MAX_GATEWAYS];
};

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

struct pn_neigh_table *pn_neigh_table_new(const struct pn_neigh_timers *timers, struct pn_neigh_published *pub,
                                          struct pn_error *err)
{
    struct pn_neigh_table *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        pn_error_set(err, "no memory for the neighbour table");
        return NULL;
    }
    t->timers.retrans_ms = or_default(timers->retrans_ms, 500);
    t->timers.probes = or_default(timers->probes, 3);
    t->timers.reachable_ms = or_default(timers->reachable_ms, 30000);
    t->timers.stale_ms = or_default(timers->stale_ms, 1000);
    t->timers.failed_ms = or_default(timers->failed_ms, 1000);
    if (t->timers.probes > 100)
        t->timers.probes = 100;
    t->pub = pub;
    memset(pub, 0, sizeof(*pub));
    return t;
}

void pn_neigh_table_free(struct pn_neigh_table *t)
{
    free(t);
}

static bool resolved(const struct neigh *n)
{
    return n->state == PN_NEIGH_REACHABLE || n->state == PN_NEIGH_STALE || n->state == PN_NEIGH_PROBE ||
           n->state == PN_NEIGH_STATIC;
}

static bool same_link(const struct neigh *n, const struct pn_addr *addr, uint16_t port, uint16_t vlan)
{
    return n->wanted && pn_addr_equal(&n->addr, addr) && n->port == port && n->vlan == vlan;
}

static void publish(struct pn_neigh_table *t, const struct neigh *n)
{
    uint64_t value = 0;

    if (n->wanted && resolved(n))
        value = PN_NEIGH_VALID | pn_mac_u48(&n->mac);
    else if (!n->wanted || n->state == PN_NEIGH_FAILED)
        value = PN_NEIGH_DEAD;
    __atomic_store_n(&t->pub->mac[n - t->n], value, __ATOMIC_RELEASE);
}

static void enter(struct pn_neigh_table *t, struct neigh *n, enum pn_neigh_state state, uint32_t now_ms)
{
    n->state = (uint8_t)state;
    n->asked = 0;
    n->next_ms = now_ms;
    if (state == PN_NEIGH_REACHABLE) {
        n->confirmed_ms = now_ms;
        n->next_ms += t->timers.reachable_ms;
    } else if (state == PN_NEIGH_STALE) {
        n->next_ms += t->timers.stale_ms;
    } else if (state == PN_NEIGH_FAILED) {
        n->next_ms += t->timers.failed_ms;
    }
    n->flush = n->count > 0 && state != PN_NEIGH_INCOMPLETE;
    publish(t, n);
}

static const struct neigh *twin(const struct pn_neigh_table *t, const struct neigh *n)
{
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++)
        if (&t->n[i] != n && t->n[i].state != PN_NEIGH_STATIC && same_link(&t->n[i], &n->addr, n->port, n->vlan))
            return &t->n[i];
    return NULL;
}

void pn_neigh_want(struct pn_neigh_table *t, uint16_t gateway, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                   const struct pn_mac *static_mac, uint32_t now_ms)
{
    if (gateway >= PN_MAX_GATEWAYS)
        return;
    struct neigh *n = &t->n[gateway];
    bool was_static = n->state == PN_NEIGH_STATIC;
    bool same = same_link(n, addr, port, vlan) && was_static == (static_mac != NULL);

    if (same && (static_mac == NULL || memcmp(&n->mac, static_mac, sizeof(n->mac)) == 0))
        return;
    n->addr = *addr;
    n->port = port;
    n->vlan = vlan;
    n->wanted = true;
    if (static_mac != NULL) {
        n->mac = *static_mac;
        n->source = PN_NEIGH_CONFIGURED;
        n->confirmed_ms = now_ms;
        enter(t, n, PN_NEIGH_STATIC, now_ms);
        return;
    }
    n->source = PN_NEIGH_WIRE;
    memset(&n->mac, 0, sizeof(n->mac));
    enter(t, n, PN_NEIGH_INCOMPLETE, now_ms);
    const struct neigh *other = twin(t, n);
    if (other == NULL)
        return;
    /* The same machine under another name: what is known of it holds, and its timers go on together. */
    n->mac = other->mac;
    n->source = other->source;
    enter(t, n, (enum pn_neigh_state)other->state, now_ms);
    n->asked = other->asked;
    n->next_ms = other->next_ms;
    n->confirmed_ms = other->confirmed_ms;
}

void pn_neigh_forget(struct pn_neigh_table *t, uint16_t gateway)
{
    if (gateway >= PN_MAX_GATEWAYS || !t->n[gateway].wanted)
        return;
    struct neigh *n = &t->n[gateway];
    n->wanted = false;
    n->state = PN_NEIGH_FAILED;
    n->flush = n->count > 0;
    publish(t, n);
}

static void learned_one(struct pn_neigh_table *t, struct neigh *n, const struct pn_mac *mac, bool confirmed,
                        bool override, enum pn_neigh_source source, uint32_t now_ms)
{
    bool known = resolved(n);
    bool other_mac = !known || memcmp(&n->mac, mac, sizeof(*mac)) != 0;

    if (known && !other_mac) {
        if (confirmed) {
            n->source = (uint8_t)source;
            enter(t, n, PN_NEIGH_REACHABLE, now_ms);
        }
        return; /* hearing it again proves nothing about the way there (RFC 4861 7.3.1) */
    }
    if (known && !override) {
        if (n->state == PN_NEIGH_REACHABLE)
            enter(t, n, PN_NEIGH_STALE, now_ms); /* two claim it: keep the old one, but ask */
        return;
    }
    n->mac = *mac;
    n->source = (uint8_t)source;
    enter(t, n, confirmed ? PN_NEIGH_REACHABLE : PN_NEIGH_STALE, now_ms);
}

unsigned pn_neigh_learned(struct pn_neigh_table *t, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                          const struct pn_mac *mac, bool confirmed, bool override, enum pn_neigh_source source,
                          uint32_t now_ms)
{
    unsigned to_release = 0;

    if (pn_mac_is_multicast(mac) || pn_mac_is_zero(mac))
        return 0;
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++) {
        struct neigh *n = &t->n[i];
        if (n->state == PN_NEIGH_STATIC || !same_link(n, addr, port, vlan))
            continue;
        learned_one(t, n, mac, confirmed, override, source, now_ms);
        to_release += n->flush;
    }
    return to_release;
}

void pn_neigh_kernel_failed(struct pn_neigh_table *t, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                            uint32_t now_ms)
{
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++) {
        struct neigh *n = &t->n[i];
        if (same_link(n, addr, port, vlan) && resolved(n) && n->source == PN_NEIGH_KERNEL)
            enter(t, n, PN_NEIGH_FAILED, now_ms);
    }
}

enum pn_neigh_hold pn_neigh_hold(struct pn_neigh_table *t, uint16_t gateway, uint64_t handle, uint64_t *pushed_out)
{
    *pushed_out = 0;
    if (gateway >= PN_MAX_GATEWAYS || !t->n[gateway].wanted)
        return PN_NEIGH_HOLD_DROP;
    struct neigh *n = &t->n[gateway];
    if (resolved(n))
        return PN_NEIGH_HOLD_SEND;
    if (n->state == PN_NEIGH_FAILED)
        return PN_NEIGH_HOLD_DROP;
    bool full = t->held >= PN_NEIGH_HELD_MAX;
    if (full && n->count == 0)
        return PN_NEIGH_HOLD_FULL;
    if (full || n->count == PN_NEIGH_QUEUE) { /* RFC 4861 7.2.2: the newest stay */
        *pushed_out = n->held[n->head];
        n->head = (n->head + 1) % PN_NEIGH_QUEUE;
        n->count--;
        t->held--;
    }
    n->held[(n->head + n->count) % PN_NEIGH_QUEUE] = handle;
    n->count++;
    t->held++;
    return PN_NEIGH_HOLD_KEPT;
}

unsigned pn_neigh_take(struct pn_neigh_table *t, uint16_t gateway, uint64_t *handles, unsigned max)
{
    unsigned taken = 0;

    if (gateway >= PN_MAX_GATEWAYS)
        return 0;
    struct neigh *n = &t->n[gateway];
    while (taken < max && n->count > 0) {
        handles[taken++] = n->held[n->head];
        n->head = (n->head + 1) % PN_NEIGH_QUEUE;
        n->count--;
        t->held--;
    }
    return taken;
}

/* The next request of a neighbour whose timer is due: 1 and *act, or 0 when it only changed its state. */
static unsigned ask(struct pn_neigh_table *t, struct neigh *n, uint32_t now_ms, uint8_t *act)
{
    const struct pn_neigh_timers *tm = &t->timers;

    if (n->state == PN_NEIGH_REACHABLE || n->state == PN_NEIGH_STALE)
        enter(t, n, PN_NEIGH_PROBE, now_ms); /* gateways are always wanted: no waiting for traffic */
    uint32_t tries = n->state == PN_NEIGH_PROBE ? 2 * tm->probes : tm->probes;
    if (n->state != PN_NEIGH_FAILED && n->asked >= tries) {
        enter(t, n, PN_NEIGH_FAILED, now_ms);
        return 0;
    }
    *act = n->state == PN_NEIGH_PROBE && n->asked < tm->probes ? PN_NEIGH_ACT_PROBE : PN_NEIGH_ACT_SOLICIT;
    n->asked += n->asked < UINT8_MAX;
    n->next_ms = now_ms + (n->state == PN_NEIGH_FAILED ? tm->failed_ms : tm->retrans_ms);
    return 1;
}

static void say(const struct pn_neigh_table *t, const struct neigh *n, uint8_t act, struct pn_neigh_action *out)
{
    *out = (struct pn_neigh_action){
        .addr = n->addr,
        .mac = n->mac,
        .gateway = (uint16_t)(n - t->n),
        .port = n->port,
        .vlan = n->vlan,
        .act = act,
    };
}

/* Whether an earlier entry on the same link asks for this one too; their timers run together. */
static bool asked_by_twin(const struct pn_neigh_table *t, const struct neigh *n)
{
    const struct neigh *first = twin(t, n);

    return first != NULL && first < n;
}

unsigned pn_neigh_tick(struct pn_neigh_table *t, uint32_t now_ms, struct pn_neigh_action *actions, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++) {
        struct neigh *n = &t->n[i];
        uint8_t act;
        if (count + 2 > max)
            break; /* the rest stays due */
        bool due = n->wanted && n->state != PN_NEIGH_STATIC && (int32_t)(now_ms - n->next_ms) >= 0;
        if (due && ask(t, n, now_ms, &act) && !asked_by_twin(t, n))
            say(t, n, act, &actions[count++]);
        if (n->flush) {
            n->flush = false;
            say(t, n, n->wanted && resolved(n) ? PN_NEIGH_ACT_RELEASE : PN_NEIGH_ACT_DROP, &actions[count++]);
        }
    }
    return count;
}

bool pn_neigh_get(const struct pn_neigh_table *t, uint16_t gateway, uint32_t now_ms, struct pn_dp_neighbour *out)
{
    if (gateway >= PN_MAX_GATEWAYS || !t->n[gateway].wanted)
        return false;
    const struct neigh *n = &t->n[gateway];
    memset(out, 0, sizeof(*out));
    out->addr = n->addr;
    out->gateway = gateway;
    out->port = n->port;
    out->mac = n->mac;
    out->state = n->state;
    out->source = n->source;
    out->queued = n->count;
    out->age_ms = now_ms - n->confirmed_ms;
    return true;
}

uint32_t pn_neigh_held(const struct pn_neigh_table *t)
{
    return t->held;
}
