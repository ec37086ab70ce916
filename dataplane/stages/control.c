/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are the control plane's own go to posternd, through the main lcore; and what other nodes do is told. */
#include "dataplane/stages/control.h"

#include <time.h>

#include <rte_ring_elem.h>

#include "dataplane/core/control.h"
#include "dataplane/core/parse.h"
#include "dataplane/stages/learn.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"

static uint64_t boottime_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts); /* read in user space, no system call */
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* To this port's MAC, or to a group. */
static bool mac_ours(const struct pn_ctx *c, const uint8_t *frame, const struct pn_pkt *k)
{
    return (frame[0] & 1) || memcmp(frame, c->shared->ports[k->in_port].mac.b, 6) == 0;
}

static void take(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_dp_control *control)
{
    static const enum pn_counter refused[] = {
        [PN_GUARD_REPEATED] = PN_C_CONTROL_REPEATED, [PN_GUARD_LIMITED] = PN_C_CONTROL_LIMITED};
    struct pn_pkt *k = &b->pkt[i];
    struct rte_mbuf *m = b->m[i];
    struct pn_control_msg msg = {.m = m,
                                 .boottime_ns = boottime_ns(),
                                 .vlan = k->vlan,
                                 .port = k->in_port,
                                 .vip = PN_ID_NONE,
                                 .l3_off = k->l3_off};

    if (m->nb_segs != 1 && rte_pktmbuf_linearize(m) != 0) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CONTROL_MALFORMED);
        return;
    }
    enum pn_guard_verdict verdict =
        pn_control_guard(&c->guard, control, rte_pktmbuf_mtod(m, const uint8_t *), k, c->tsc, c->shared->tsc_hz);
    if (verdict != PN_GUARD_TAKE) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, refused[verdict]);
        return;
    }
    if (rte_ring_sp_enqueue_elem(c->control, &msg, sizeof(msg)) != 0) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CONTROL_QUEUE_FULL);
        return;
    }
    c->wake = true;
    k->counter = PN_C_PUNT_CONTROL;
    pn_count(c, PN_C_PUNT_CONTROL, 1);
    pn_batch_move(b, i, PN_EDGE_FLOW, PN_EDGE_HELD);
}

void pn_stage_control(struct pn_ctx *c, struct pn_batch *b, uint64_t straight)
{
    const struct pn_dp_control *control = atomic_load_explicit(&c->shared->control, memory_order_acquire);
    uint64_t set = b->at[PN_EDGE_FLOW] & ~straight;
    unsigned i;

    if (control == NULL || set == 0)
        return;
    PN_BATCH_EACH(i, set) {
        struct pn_pkt *k = &b->pkt[i];
        const uint8_t *frame = pn_batch_frame(b, i);

        if (likely(k->ip_proto == PN_IP_TCP))
            continue;
        switch (pn_control_check(control, frame, k)) {
        case PN_CONTROL_OTHER:
            break;
        case PN_CONTROL_MALFORMED:
            pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CONTROL_MALFORMED);
            break;
        case PN_CONTROL_TAKE:
            if (mac_ours(c, frame, k))
                take(c, b, i, control);
            else
                pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CLASSIFY_OTHER_MAC);
            break;
        }
    }
}

void pn_control_seen(struct pn_ctx *c, const struct pn_pkt *k, enum pn_dp_probe_kind kind, const struct pn_mac *mac)
{
    static const enum pn_counter counters[PN_PROBE_KIND_COUNT] = {
        [PN_PROBE_ANSWER] = PN_C_PROBE_ANSWER,
        [PN_PROBE_RIVAL] = PN_C_PROBE_RIVAL,
        [PN_PROBE_CONFLICT] = PN_C_PROBE_CONFLICT,
    };
    uint64_t *last = &c->seen_tsc[k->vip][kind];
    const struct pn_control_msg msg = {
        .boottime_ns = boottime_ns(),
        .mac = *mac,
        .vip = k->vip,
        .vlan = k->vlan,
        .port = k->in_port,
        .kind = (uint8_t)kind,
    };

    pn_count(c, counters[kind], 1);
    if (*last != 0 && c->tsc - *last < c->shared->tsc_hz / 1000 * PN_CONTROL_SEEN_MS)
        return;
    /* A full ring is full of packets: the next one of these will be told. */
    if (rte_ring_sp_enqueue_elem(c->control, (void *)(uintptr_t)&msg, sizeof(msg)) != 0)
        return;
    *last = c->tsc;
    c->wake = true;
}

void pn_control_claimed(struct pn_ctx *c, const struct pn_pkt *k, const struct pn_mac *mac)
{
    if (!pn_lease_valid(c, k->vip))
        pn_control_seen(c, k, PN_PROBE_ANSWER, mac);
    else if (memcmp(mac, pn_vip_mac(c, k), sizeof(*mac)) != 0)
        pn_control_seen(c, k, PN_PROBE_CONFLICT, mac);
}
