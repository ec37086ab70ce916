/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP to services: life of a flow, leases, spill, drain, gateways that go away, full tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/packets/pipeline.h"

#define T(port, flag) .tcp = {CLIENT4, VIP4, port, 25, flag, 0}
#define T_TO(src_port, dst_port_, flag) .tcp = {CLIENT4, VIP4, src_port, dst_port_, flag, 0}
#define T6(port, flag) .tcp = {CLIENT6, VIP6, port, 25, flag, 0}
#define TO(gateway) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = PN_C_TX_FORWARD
#define GONE(counter) .out = OUT_NONE, .end = counter
#define SYN PN_FB_SYN
#define ACK PN_FB_ACK
#define FIN (PN_FB_FIN | PN_FB_ACK)
#define RST PN_FB_RST

static void lifecycle_stats(struct world *w)
{
    const struct pn_stats_gateway *g = &w->stats[0]->gateways[WORLD_MX1];
    const struct pn_stats_service *s = &w->stats[0]->services[WORLD_SMTP];

    assert_int_equal(g->flows_new, 2);
    assert_int_equal(g->flows_established, 1);
    assert_int_equal(g->flows_closed, 2);
    assert_int_equal(g->syn_retries, 1);
    assert_int_equal(g->handshake_count, 1);
    assert_int_equal(g->handshake_us_sum, 40000);
    assert_int_equal(g->tx_packets, 8);
    assert_int_equal(g->tx_bytes, 8 * 60);
    assert_int_equal(g->active, 0);
    assert_int_equal(g->half_open, 0);
    assert_int_equal(s->rx_packets, 8);
    assert_int_equal(s->rx_bytes, 8 * 60);
    assert_int_equal(s->flows_new, 2);
    assert_int_equal(w->stats[0]->vips[WORLD_VIP4].rx_packets, 8);
    assert_int_equal(w->stats[0]->tiers[10 + WORLD_T_PRIMARY].flows_new, 2);
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].rx_packets, 8);
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].tx_packets, 8);
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].tx_bytes, 8 * 60);
}

static void wait_40ms(struct world *w)
{
    world_wait_ms(w, 40);
}

static const struct row lifecycle[] = {
    {"SYN makes a flow", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"SYN again", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_SYN_RETRY}},
    {"ACK establishes it", .before = wait_40ms, T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"data", T(4000, ACK | PN_FB_PSH), TO(WORLD_MX1)},
    {"FIN", T(4000, FIN), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
    {"last ACK", T(4000, ACK), TO(WORLD_MX1)},
    {"SYN on the same tuple is a new connection", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"RST ends it", T(4000, RST), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}, .after = lifecycle_stats},
};

static const struct row lifecycle6[] = {
    {"SYN makes a flow", T6(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"ACK establishes it", T6(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"another port is another flow", T6(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"RST", T6(4000, RST | ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
    {"ACK shows that the RST was not the client's", T6(4000, ACK), TO(WORLD_MX1)},
};

static void counts_as_one_packet(struct world *w)
{
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].active, 0);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].half_open, 1);
}

static void counts_as_session(struct world *w)
{
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].active, 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].half_open, 0);
}

static const struct row unknown[] = {
    {"RST of nothing", T(4000, RST), GONE(PN_C_STEER_NOT_SYN)},
    {"RST+ACK of nothing", T(4000, RST | ACK), GONE(PN_C_STEER_NOT_SYN)},
    {"ACK is taken up", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP}},
    {"and known then", .before = counts_as_one_packet, T(4000, ACK), TO(WORLD_MX1)},
    {"a session from its second packet on", .before = counts_as_session, T(4000, ACK), TO(WORLD_MX1)},
    {"FIN is taken up and closes", T(4001, FIN), TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP, PN_C_FLOW_CLOSED}},
    {"SYN+ACK goes on without an entry", T(4002, SYN | ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
    {"and again", T(4002, SYN | ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
};

static void lease_ended(struct world *w)
{
    world_leases(w, -1);
}

static void grace_over(struct world *w)
{
    world_wait_ms(w, 1999);
}

static void lease_again(struct world *w)
{
    world_leases(w, 30000);
}

static void lease_never(struct world *w)
{
    atomic_store(&w->shared.lease_tsc[WORLD_VIP4], 0);
}

static const struct row leases[] = {
    {"no new flow without a lease", T(4000, SYN), GONE(PN_C_STEER_NO_LEASE)},
    {"none in the middle either", T(4000, ACK), GONE(PN_C_STEER_NO_LEASE)},
    {"with one", .before = lease_again, T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"lease over: a known flow goes on", .before = lease_ended, T(4000, ACK), TO(WORLD_MX1),
     .events = {PN_C_FLOW_ESTABLISHED}},
    {"but no new one", T(4001, SYN), GONE(PN_C_STEER_NO_LEASE)},
    {"grace over too", .before = grace_over, T(4000, ACK), GONE(PN_C_STEER_NO_LEASE)},
    {"back again", .before = lease_again, T(4000, FIN), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
    {"lease over: the same tuple anew is a new flow", .before = lease_ended, T(4000, SYN), GONE(PN_C_STEER_NO_LEASE)},
    {"a lease never held has no grace", .before = lease_never, T(4000, ACK), GONE(PN_C_STEER_NO_LEASE)},
};

static void wait_31s(struct world *w)
{
    world_wait_ms(w, 31000);
    world_leases(w, 30000);
}

static void wait_661s(struct world *w)
{
    world_wait_ms(w, 661000);
    world_leases(w, 30000);
}

static void wait_650s(struct world *w)
{
    world_wait_ms(w, 650000);
    world_leases(w, 30000);
}

static void syn_expired(struct world *w)
{
    assert_int_equal(world_counter(w, PN_C_FLOW_SYN_EXPIRED), 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].syn_expired, 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].half_open, 1);
}

static void expired(struct world *w)
{
    assert_int_equal(world_counter(w, PN_C_FLOW_EXPIRED), 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].flows_closed, 1);
}

static const struct row timers[] = {
    {"SYN", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"half-open too long", .before = wait_31s, T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW},
     .after = syn_expired},
    {"established", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"idle for nearly 11 minutes", .before = wait_650s, T(4000, ACK), TO(WORLD_MX1)},
    {"idle for more", .before = wait_661s, T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP},
     .after = expired},
};

static void spill_all(struct world *w)
{
    w->message.tiers[WORLD_T_PRIMARY].spill_share = 65535;
    world_publish(w);
}

static void spill_none(struct world *w)
{
    w->message.tiers[WORLD_T_PRIMARY].spill_share = 0;
    world_publish(w);
}

static void spill_refused(struct world *w)
{
    w->message.tiers[WORLD_T_SECONDARY].flags = 0;
    spill_all(w);
}

static void spill_stats(struct world *w)
{
    assert_int_equal(w->stats[0]->tiers[10 + WORLD_T_PRIMARY].spilled_from, 1);
    assert_int_equal(w->stats[0]->tiers[10 + WORLD_T_SECONDARY].spilled_into, 1);
    assert_int_equal(w->stats[0]->tiers[10 + WORLD_T_SECONDARY].flows_new, 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX2].half_open, 1);
}

static const struct row spill[] = {
    {"below the mark", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"in spill, new flows go to the second tier", .before = spill_all, T(4001, SYN), TO(WORLD_MX2),
     .events = {PN_C_FLOW_NEW, PN_C_STEER_SPILLED}, .after = spill_stats},
    {"old ones stay", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"taken up in the middle: by the default, not by load", T(4002, ACK), TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP}},
    {"spill over: new flows return", .before = spill_none, T(4003, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"a spilled flow is never spilled back", T(4001, ACK), TO(WORLD_MX2), .events = {PN_C_FLOW_ESTABLISHED}},
    {"nobody takes spill", .before = spill_refused, T(4004, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
};

static void overflow_above_2(struct world *w)
{
    w->message.tiers[WORLD_T_PRIMARY].spill_above_active = 2;
    world_publish(w);
    /* As the main lcore does it: one flow was here when it last looked. */
    struct pn_worker *const workers[] = {w->worker[0]};
    pn_workers_load(workers, 1, &w->load);
    atomic_store(&w->shared.load, &w->load);
}

static const struct row overflow[] = {
    {"first", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"second reaches the limit", .before = overflow_above_2, T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"third is above it, though nothing was published since", T(4002, SYN), TO(WORLD_MX2),
     .events = {PN_C_FLOW_NEW, PN_C_STEER_SPILLED}},
    {"first ends", T(4000, RST), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
    {"so there is room again", T(4003, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
};

static void drain_mx1(struct world *w)
{
    w->message.gateways[WORLD_MX1].flags = PN_SNAP_GW_DRAIN;
    world_publish(w);
}

static void disable_mx1(struct world *w)
{
    w->message.gateways[WORLD_MX1].flags = PN_SNAP_GW_DISABLED;
    world_publish(w);
}

static void mx1_down(struct world *w)
{
    w->message.gateways[WORLD_MX1].flags = 0;
    for (unsigned i = 0; i < RTE_DIM(w->message.members); i++) {
        if (w->message.members[i].gateway == WORLD_MX1)
            w->message.members[i].flags = PN_SNAP_MEMBER_DOWN;
    }
    world_publish(w);
}

static void resteered_stats(struct world *w)
{
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].half_open, 0);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX2].half_open, 2);
}

static const struct row drain[] = {
    {"SYN", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"established", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"another SYN", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"drained: a half-open flow stays", .before = drain_mx1, T(4001, SYN), TO(WORLD_MX1),
     .events = {PN_C_FLOW_SYN_RETRY}},
    {"an established one too", T(4000, ACK), TO(WORLD_MX1)},
    {"new ones go elsewhere", T(4002, SYN), TO(WORLD_MX2), .events = {PN_C_FLOW_NEW}},
    {"down: the half-open flow moves when it tries again", .before = mx1_down, T(4001, SYN), TO(WORLD_MX2),
     .events = {PN_C_FLOW_SYN_RETRY, PN_C_FLOW_RESTEERED}, .after = resteered_stats},
    {"the established one still does not", T(4000, ACK), TO(WORLD_MX1)},
    {"its client begins anew, though", T(4000, SYN), TO(WORLD_MX2), .events = {PN_C_FLOW_CLOSED, PN_C_FLOW_NEW}},
};

static const struct row disabled[] = {
    {"SYN", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"disabled: SYN again moves", .before = disable_mx1, T(4000, SYN), TO(WORLD_MX2),
     .events = {PN_C_FLOW_SYN_RETRY, PN_C_FLOW_RESTEERED}},
    {"then stays", T(4000, SYN), TO(WORLD_MX2), .events = {PN_C_FLOW_SYN_RETRY}},
    {"ACK", T(4000, ACK), TO(WORLD_MX2), .events = {PN_C_FLOW_ESTABLISHED}},
};

static void all_down(struct world *w)
{
    for (unsigned i = 0; i < RTE_DIM(w->message.members); i++)
        w->message.members[i].flags = PN_SNAP_MEMBER_DOWN;
    world_publish(w);
}

static void no_gateway_stats(struct world *w)
{
    assert_int_equal(w->stats[0]->services[WORLD_SMTP].no_gateway, 1);
}

static const struct row no_gateway[] = {
    {"none healthy", T_TO(4000, 2528, SYN), GONE(PN_C_STEER_NO_GATEWAY)},
    {"SYN to a healthy one", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"all down: SYN again has nowhere to go", .before = all_down, T(4000, SYN), GONE(PN_C_STEER_NO_GATEWAY),
     .events = {PN_C_FLOW_SYN_RETRY}, .after = no_gateway_stats},
};

/* mx1 leaves the configuration, a gateway with another id takes its place. */
static void replace_mx1(struct world *w)
{
    w->message.gateways[WORLD_MX1].id = 50;
    for (unsigned i = 0; i < RTE_DIM(w->message.members); i++) {
        if (w->message.members[i].gateway == WORLD_MX1)
            w->message.members[i].gateway = 50;
    }
    w->shared.neigh.mac[50] = w->shared.neigh.mac[WORLD_MX_VLAN];
    world_publish(w);
}

static const struct row removed[] = {
    {"SYN", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"ACK", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"another SYN", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"removed: even an established flow has to go", .before = replace_mx1, T(4000, ACK), TO(WORLD_MX_VLAN),
     .events = {PN_C_FLOW_CLOSED, PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP}},
    {"the half-open one moves with its next SYN", T(4001, SYN), TO(WORLD_MX_VLAN),
     .events = {PN_C_FLOW_SYN_RETRY, PN_C_FLOW_RESTEERED}},
};

static void half_open_at_most_2(struct world *w)
{
    w->message.services[WORLD_SMTP].half_open_max = 2;
    world_publish(w);
}

static const struct row evicted[] = {
    {"first", .before = half_open_at_most_2, T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"established", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"half-open", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"half-open", T(4002, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"one more pushes the oldest half-open out", T(4003, SYN), TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW, PN_C_FLOW_EVICTED}},
    {"the established one stays", T(4000, FIN), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
};

static const struct row full[] = {
    {"SYN", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"ACK", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"no room: steered without an entry", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
    {"in the middle too, the same way", T(4001, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
    {"in spill as well: without an entry only the default is met again", .before = spill_all, T(4002, SYN),
     TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
    {"the known flow is untouched", T(4000, FIN), TO(WORLD_MX1), .events = {PN_C_FLOW_CLOSED}},
};

static void one_waits(struct world *w)
{
    struct rte_mbuf *m = NULL;

    assert_int_equal(world_held(w), 1);
    assert_int_equal(rte_ring_dequeue(w->worker[0]->ctx.neigh_wait, (void **)&m), 0);
    assert_int_equal(pn_mbuf_meta(m)->gateway, WORLD_MX_FAR);
    /* As the main lcore does once the gateway has answered. */
    uint64_t v = PN_NEIGH_VALID;
    memcpy(&v, world_gateway_mac[WORLD_MX_FAR].b, 6);
    w->shared.neigh.mac[WORLD_MX_FAR] = v;
    assert_int_equal(rte_ring_enqueue(w->worker[0]->inject, m), 0);
    world_wait_ms(w, 0);
    assert_int_equal(world_held(w), 0);
    assert_int_equal(world_counter(w, PN_C_TX_FORWARD), 1);
    m = world_sent(w, WORLD_WAN);
    assert_non_null(m);
    assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), world_gateway_mac[WORLD_MX_FAR].b, 6);
    rte_pktmbuf_free(m);
}

static const struct row neighbour[] = {
    {"MAC could not be resolved", T_TO(4000, 2527, SYN), GONE(PN_C_REWRITE_NO_NEIGHBOUR), .events = {PN_C_FLOW_NEW}},
    {"MAC not known yet", T_TO(4000, 2526, SYN), GONE(END_HELD), .events = {PN_C_FLOW_NEW, PN_C_NEIGHBOUR_QUEUED},
     .after = one_waits},
    {"now it is", T_TO(4000, 2526, ACK), TO(WORLD_MX_FAR), .events = {PN_C_FLOW_ESTABLISHED}},
};

static void fill_queue(struct world *w)
{
    static struct pn_fb fb;

    pn_fb_make_tcp(&fb, CLIENT4, VIP4, 4000, 2526, SYN, 0);
    for (unsigned i = 1; i < PN_WORKER_NEIGH_WAIT; i++)
        world_receive_fb(w, 0, WORLD_WAN, &fb);
    assert_int_equal(world_held(w), PN_WORKER_NEIGH_WAIT - 1);
}

static const struct row neighbour_queue[] = {
    {"nobody empties the queue", .before = fill_queue, T_TO(4000, 2526, SYN), GONE(PN_C_REWRITE_QUEUE_FULL),
     .events = {PN_C_FLOW_SYN_RETRY}},
};

#define LOCAL .out = WORLD_LOCAL, .to = &world_local_mac, .keep_source = true, .end = PN_C_TX_LOCAL
static void no_local_port(struct world *w)
{
    w->shared.local_port = PN_PORT_NONE;
}

static const struct row local[] = {
    {"SYN", T_TO(4000, 587, SYN), LOCAL, .events = {PN_C_FLOW_NEW}},
    {"ACK", T_TO(4000, 587, ACK), LOCAL, .events = {PN_C_FLOW_ESTABLISHED}},
    {"IPv6", .tcp = {CLIENT6, VIP6, 4000, 587, SYN, 0}, LOCAL, .events = {PN_C_FLOW_NEW}},
    {"no port for it", .before = no_local_port, T_TO(4000, 587, ACK), GONE(PN_C_REWRITE_NO_LOCAL)},
};

const struct scenario pipeline_flow[] = {
    SCENARIO("life of a flow", lifecycle, .workers = 1),
    SCENARIO("life of a flow, IPv6", lifecycle6, .workers = 1),
    SCENARIO("unknown flows", unknown, .workers = 1),
    SCENARIO("leases", leases, .workers = 1, .no_leases = true),
    SCENARIO("timers", timers, .workers = 1),
    SCENARIO("spill", spill, .workers = 1),
    SCENARIO("overflow", overflow, .workers = 1),
    SCENARIO("drain and down", drain, .workers = 1),
    SCENARIO("disabled", disabled, .workers = 1),
    SCENARIO("no gateway", no_gateway, .workers = 1),
    SCENARIO("gateway removed", removed, .workers = 1),
    SCENARIO("half-open share", evicted, .workers = 1),
    SCENARIO("full table", full, .workers = 1, .flows_max = 1),
    SCENARIO("neighbours", neighbour, .workers = 1),
    SCENARIO("neighbour queue", neighbour_queue, .workers = 1),
    SCENARIO("local delivery", local, .workers = 1),
    {.name = NULL},
};
