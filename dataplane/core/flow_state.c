/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP as the client's side shows it: what a segment does to its flow's entry. */
#include "dataplane/core/flow_internal.h"
#include "dataplane/core/pkt.h"

#define AFTER_FIN 0u
#define AFTER_RST 1u

/* Writes only when it is worth a dirty line. */
static void touch(struct pn_flow *f, struct pn_now now)
{
    if (now.ms - f->seen_ms >= PN_FLOW_SEEN_STEP_MS)
        f->seen_ms = now.ms;
}

static enum pn_flow_event close_by(struct pn_flow *f, uint8_t tcp_flags, struct pn_now now)
{
    f->state = PN_FLOW_CLOSING;
    f->aux = tcp_flags & PN_TCP_RST ? AFTER_RST : AFTER_FIN;
    f->seen_ms = now.ms;
    return PN_FLOW_EV_CLOSING;
}

void pn_flow_reopen(struct pn_flow_table *t, struct pn_flow *flow, struct pn_now now)
{
    flow->state = PN_FLOW_HALF_OPEN;
    flow->flags = 0;
    flow->aux = now.us;
    flow->seen_ms = now.ms;
    pn_flow_unproven_set(t, flow);
}

static enum pn_flow_event when_half_open(struct pn_flow_table *t, struct pn_flow *f, uint8_t tcp_flags,
                                         struct pn_now now, uint32_t *handshake_us)
{
    if (tcp_flags & (PN_TCP_RST | PN_TCP_FIN)) /* stays unproven: SYN and RST together prove nobody there */
        return close_by(f, tcp_flags, now);
    if (tcp_flags & PN_TCP_SYN) {
        if (tcp_flags & PN_TCP_ACK)
            return PN_FLOW_EV_NONE;
        touch(f, now); /* aux stays: waiting for the answer began with the first SYN */
        return PN_FLOW_EV_SYN_RETRY;
    }
    if (!(tcp_flags & PN_TCP_ACK))
        return PN_FLOW_EV_NONE;
    *handshake_us = now.us - f->aux;
    pn_flow_unproven_clear(t, f);
    f->state = PN_FLOW_ESTABLISHED;
    f->aux = 0;
    touch(f, now);
    return PN_FLOW_EV_ESTABLISHED;
}

static enum pn_flow_event when_established(struct pn_flow_table *t, struct pn_flow *f, uint8_t tcp_flags,
                                           struct pn_now now)
{
    if (tcp_flags & (PN_TCP_RST | PN_TCP_FIN))
        return close_by(f, tcp_flags, now);
    if (tcp_flags & PN_TCP_SYN) {
        if ((tcp_flags & PN_TCP_ACK) || now.ms - f->seen_ms < pn_flow_limit_ms(t, f) / 2)
            return PN_FLOW_EV_NONE;
        pn_flow_reopen(t, f, now);
        return PN_FLOW_EV_REOPENED;
    }
    if (f->unproven)
        pn_flow_unproven_clear(t, f);
    touch(f, now);
    return PN_FLOW_EV_NONE;
}

static enum pn_flow_event when_closing(struct pn_flow_table *t, struct pn_flow *f, uint8_t tcp_flags, struct pn_now now)
{
    if ((tcp_flags & (PN_TCP_SYN | PN_TCP_ACK | PN_TCP_RST | PN_TCP_FIN)) == PN_TCP_SYN) {
        pn_flow_reopen(t, f, now);
        return PN_FLOW_EV_REOPENED;
    }
    if (tcp_flags & (PN_TCP_SYN | PN_TCP_RST))
        return PN_FLOW_EV_NONE;
    touch(f, now);
    if (f->aux != AFTER_RST || (tcp_flags & PN_TCP_FIN) || !(tcp_flags & PN_TCP_ACK))
        return PN_FLOW_EV_NONE;
    if (f->unproven)
        pn_flow_unproven_clear(t, f);
    f->state = PN_FLOW_ESTABLISHED;
    f->aux = 0;
    return PN_FLOW_EV_RESUMED;
}

enum pn_flow_event pn_flow_segment_slow(struct pn_flow_table *t, struct pn_flow *flow, uint8_t tcp_flags,
                                        struct pn_now now, uint32_t *handshake_us)
{
    if (flow->flags & PN_FLOW_F_SYNCED) {
        flow->flags &= (uint8_t)~PN_FLOW_F_SYNCED;
        return PN_FLOW_EV_TAKEN_OVER;
    }
    switch (flow->state) {
    case PN_FLOW_HALF_OPEN:
        return when_half_open(t, flow, tcp_flags, now, handshake_us);
    case PN_FLOW_ESTABLISHED:
        return when_established(t, flow, tcp_flags, now);
    case PN_FLOW_CLOSING:
        return when_closing(t, flow, tcp_flags, now);
    default:
        return PN_FLOW_EV_NONE;
    }
}
