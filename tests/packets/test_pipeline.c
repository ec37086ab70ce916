/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/packets/pipeline.h"

static bool seen[PN_C_COUNT]; /* over all scenarios */
static struct world *world; /* of the scenario under way: a failed one must not trip the next */

static void row_fails(const struct scenario *s, const struct row *r, const char *text)
{
    fail_msg("%s: %s: %s", s->name, r->what, text);
}

static void frame_in(const struct row *r, struct pn_fb *fb)
{
    if (r->make != NULL)
        r->make(fb);
    else
        pn_fb_make_tcp(fb, r->tcp.src, r->tcp.dst, r->tcp.src_port, r->tcp.dst_port, r->tcp.flags, r->tcp.vlan);
}

/* in: the frame as received; becomes what must leave. */
static void expected_out(const struct row *r, struct pn_fb *fb)
{
    uint8_t macs[12];
    bool tagged = fb->b[12] == 0x81 && fb->b[13] == 0;

    if (r->expect != NULL) {
        r->expect(fb);
        return;
    }
    memcpy(macs, fb->b, 12);
    if (r->to != NULL) {
        memcpy(macs, r->to->b, 6);
        if (!r->keep_source)
            memcpy(macs + 6, pn_fb_node_mac.b, 6);
    }
    if (r->to != NULL && tagged && r->out_vlan == 0) {
        memmove(fb->b + 12, fb->b + 16, fb->n - 16);
        fb->n -= 4;
    } else if (r->to != NULL && r->out_vlan != 0) {
        if (!tagged) {
            memmove(fb->b + 16, fb->b + 12, fb->n - 12);
            fb->n += 4;
        }
        const uint8_t tag[4] = {0x81, 0, (uint8_t)(r->out_vlan >> 8), (uint8_t)r->out_vlan};
        memcpy(fb->b + 12, tag, 4);
    }
    memcpy(fb->b, macs, 12);
}

static void check_out(struct world *w, const struct scenario *s, const struct row *r, struct pn_fb *fb)
{
    for (unsigned port = 0; port < WORLD_PORTS; port++) {
        struct rte_mbuf *m = world_sent(w, port);

        if ((int)port != r->out) {
            if (m != NULL)
                row_fails(s, r, "a frame left through another port");
            continue;
        }
        if (m == NULL)
            row_fails(s, r, "no frame left");
        const char *why = NULL;
        if (rte_mbuf_check(m, 1, &why) != 0)
            row_fails(s, r, why);
        expected_out(r, fb);
        uint8_t got[PN_FB_BYTES];
        const uint8_t *bytes = rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), got);
        if (rte_pktmbuf_pkt_len(m) != fb->n)
            fail_msg("%s: %s: %u bytes left, not %u", s->name, r->what, rte_pktmbuf_pkt_len(m), fb->n);
        for (unsigned i = 0; i < fb->n; i++) {
            if (bytes[i] != fb->b[i])
                fail_msg("%s: %s: byte %u of the frame out is 0x%02x, not 0x%02x", s->name, r->what, i, bytes[i],
                         fb->b[i]);
        }
        rte_pktmbuf_free(m);
        unsigned more = 0;
        while ((m = world_sent(w, port)) != NULL) {
            rte_pktmbuf_free(m);
            more++;
        }
        if (more != r->more_out)
            fail_msg("%s: %s: %u more frames left, not %u", s->name, r->what, more, r->more_out);
    }
}

static void check_counters(struct world *w, const struct scenario *s, const struct row *r, const uint64_t *before)
{
    uint64_t expected[PN_C_COUNT] = {0};
    char text[200];

    if (r->end != END_HELD)
        expected[r->end] = r->ends == 0 ? 1 : r->ends;
    for (unsigned i = 0; i < EVENTS_MAX && r->events[i] != 0; i++)
        expected[r->events[i]]++;
    for (unsigned i = 0; i < PN_C_COUNT; i++) {
        uint64_t grown = world_counter(w, (enum pn_counter)i) - before[i];

        seen[i] |= world_counter(w, (enum pn_counter)i) != 0;
        if (grown != expected[i])
            fail_msg("%s: %s: %s grew by %lu, not %lu", s->name, r->what, pn_counter_info[i].name, grown, expected[i]);
    }
    if (!world_identity(w, text))
        row_fails(s, r, text);
}

/* Gauges against the table itself: what each gateway has is what the entries say. */
static void check_gauges(struct world *w, const struct scenario *s, const struct row *r)
{
    int64_t active[PN_MAX_GATEWAYS] = {0}, half_open[PN_MAX_GATEWAYS] = {0};

    for (unsigned i = 0; i < w->shared.n_workers; i++) {
        struct pn_flow flows[64];
        uint64_t cursor = 0;

        do {
            unsigned n = pn_flow_walk(w->worker[i]->ctx.flows, &cursor, flows, 64, 4096, w->worker[i]->ctx.now);
            for (unsigned j = 0; j < n; j++) {
                if (flows[j].flags & PN_FLOW_F_SYNCED)
                    continue; /* its own node counts it */
                bool established = flows[j].state == PN_FLOW_ESTABLISHED;
                active[flows[j].gateway] += established && !flows[j].unproven;
                half_open[flows[j].gateway] +=
                    flows[j].state == PN_FLOW_HALF_OPEN || (established && flows[j].unproven);
            }
        } while (cursor != 0);
    }
    for (unsigned g = 0; g < PN_MAX_GATEWAYS; g++) {
        int64_t a = 0, h = 0, load = 0;

        for (unsigned i = 0; i < w->shared.n_workers; i++) {
            a += w->stats[i]->gateways[g].active;
            h += w->stats[i]->gateways[g].half_open;
            load += w->worker[i]->ctx.load[g];
        }
        if (a != active[g] || h != half_open[g] || load != a + h)
            fail_msg("%s: %s: gateway %u: gauges %ld active, %ld half-open, load %ld; the table has %ld and %ld",
                     s->name, r->what, g, a, h, load, active[g], half_open[g]);
    }
}

static void live_through(const struct scenario *s)
{
    struct world *w = world = world_new(&s->config);

    for (unsigned i = 0; i < s->n_rows; i++) {
        const struct row *r = &s->rows[i];
        uint64_t before[PN_C_COUNT];
        static struct pn_fb fb;

        if (r->before != NULL)
            r->before(w);
        world_drain(w);
        for (unsigned c = 0; c < PN_C_COUNT; c++)
            before[c] = world_counter(w, (enum pn_counter)c);
        frame_in(r, &fb);
        struct rte_mbuf *m = world_mbuf(w, fb.b, fb.n, r->segments);
        world_receive(w, r->worker, r->in_port, &m, 1);
        check_out(w, s, r, &fb);
        check_counters(w, s, r, before);
        check_gauges(w, s, r);
        if (r->after != NULL)
            r->after(w);
    }
    world_free(w);
    world = NULL;
}

static int teardown(void **state)
{
    (void)state;
    if (world != NULL)
        world_free(world);
    world = NULL;
    return 0;
}

static void live_through_all(const struct scenario *list)
{
    for (const struct scenario *s = list; s->name != NULL; s++) {
        unsigned free_before = rte_mempool_avail_count(world_pool());
        live_through(s);
        if (rte_mempool_avail_count(world_pool()) != free_before)
            fail_msg("%s: %u mbufs leaked", s->name, free_before - rte_mempool_avail_count(world_pool()));
    }
}

static void test_flow(void **state)
{
    (void)state;
    live_through_all(pipeline_flow);
}

static void test_answer(void **state)
{
    (void)state;
    live_through_all(pipeline_answer);
}

static void test_edge(void **state)
{
    (void)state;
    live_through_all(pipeline_edge);
}

static void test_fragment(void **state)
{
    (void)state;
    live_through_all(pipeline_fragment);
}

static void test_peer(void **state)
{
    (void)state;
    live_through_all(pipeline_peer);
}

static void test_filter(void **state)
{
    (void)state;
    live_through_all(pipeline_filter);
}

/* Every counter that a received packet can reach was reached above. */
static void test_every_counter(void **state)
{
    /* Only the main lcore sends or counts these; test_worker injects them or lacks room, test_sync sees to flows of peers. */
    static const enum pn_counter elsewhere[] = {
        PN_C_GEN_ARP_REQUEST, PN_C_GEN_NDP_SOLICIT, PN_C_GEN_GARP,      PN_C_GEN_UNSOLICITED_NA, PN_C_GEN_DROPPED,
        PN_C_LEASE_STARTED,   PN_C_LEASE_RELEASED,  PN_C_LEASE_EXPIRED, PN_C_CONTROL_SENT,       PN_C_CONTROL_UNREAD,
        PN_C_PROBE_SENT,      PN_C_SYNC_SENT,       PN_C_SYNC_DROPPED,  PN_C_SYNC_TAKEN,         PN_C_SYNC_REFUSED,
        PN_C_FLOW_TAKEN_OVER, PN_C_FLOW_SET_ASIDE,  PN_C_RX_MISSED,     PN_C_RX_NO_BUFFER,       PN_C_REWRITE_NO_ROOM,
        PN_C_GEN_MEMBERSHIP,
    };

    (void)state;
    for (unsigned i = 0; i < PN_C_COUNT; i++) {
        bool other = false;

        for (unsigned j = 0; j < RTE_DIM(elsewhere); j++)
            other |= elsewhere[j] == i;
        if (!seen[i] && !other)
            print_error("no row reaches %s\n", pn_counter_info[i].name);
        assert_true(seen[i] || other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_flow, teardown), cmocka_unit_test_teardown(test_answer, teardown),
        cmocka_unit_test_teardown(test_edge, teardown), cmocka_unit_test_teardown(test_fragment, teardown),
        cmocka_unit_test_teardown(test_peer, teardown), cmocka_unit_test_teardown(test_filter, teardown),
        cmocka_unit_test(test_every_counter),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
