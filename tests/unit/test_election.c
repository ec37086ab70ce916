/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The election against a simulated world: nodes with clocks of their own, a wire that loses, delays, doubles and reorders,
 * processes that stop, continue, die and come back. Real seals and peers; only sockets and dataplanes are simulated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/election.h"

#define MS UINT64_C(1000000)
#define STEP (MS / 4)
#define WIRE 512
#define NODES 3

struct packet {
    bool there;
    uint8_t to;
    uint64_t at_ns; /* arrival, world's time */
    size_t n;
    uint8_t bytes[PN_SEAL_MAX_BYTES];
};

struct node {
    bool configured, running, dataplane;
    uint64_t clock_base; /* its clock when the world's is 0 */
    int drift_ppm;
    struct pn_peers peers;
    struct pn_election election;
    struct pn_sealer *sealer;
    struct pn_opener *opener;
    uint64_t due, wake, counter;
    uint64_t lease[PN_MAX_VIPS]; /* in the dataplane: deadline, its clock */
    struct pn_election_out stuck; /* orders written after a stop: computed before it */
    uint64_t probe_at[PN_MAX_VIPS]; /* world's time at which the answer to a probe comes; 0 none */
    uint64_t wake_at_stop;
};

static struct {
    struct node nodes[NODES];
    unsigned n;
    uint64_t now;
    struct packet wire[WIRE];
    unsigned loss_percent, delay_max_us;
    bool cut[NODES][NODES]; /* heartbeats from, to */
    bool arp_cut[NODES][NODES];
    unsigned alarms, rivals;
    unsigned answer_lost_each, answers; /* every so many-th answer to a probe does not come; 0: all come */
    unsigned n_vips;
    bool exclusive;
    uint64_t dual_ns, unanswered_ns, worst_gap_ns, gap_ns;
    uint64_t seed;
    bool verbose;
} w;

static uint64_t rnd(void *arg)
{
    (void)arg;
    w.seed ^= w.seed << 13;
    w.seed ^= w.seed >> 7;
    w.seed ^= w.seed << 17;
    return w.seed;
}

static uint64_t clock_of(const struct node *n)
{
    return n->clock_base + w.now + (uint64_t)((int64_t)(w.now / 1000000) * n->drift_ppm);
}

static void event(void *arg, const struct pn_election_vip *v, const char *text)
{
    struct node *n = arg;
    w.alarms += strncmp(text, "alarm", 5) == 0;
    w.rivals += strncmp(text, "another backup", 14) == 0;
    if (w.verbose)
        printf("%8.2f ms node %d %s: %s (%s)\n", (double)w.now / 1e6, (int)(n - w.nodes), v->name,
               pn_election_state_name[v->state], text);
}

static const struct pn_election_times times = {
    .heartbeat = 10 * MS, .lease = 25 * MS, .takeover = 35 * MS, .probe_lead = 8 * MS, .alone_lease = 30000 * MS};

static void obey(struct node *n, const struct pn_election_out *out);

static void control_start(struct node *n, bool learn)
{
    uint8_t self = (uint8_t)(n - w.nodes);
    struct pn_seal_ring ring = {.n_keys = 1};
    ring.keys[0].id = 1;
    ring.keys[0].send = true;
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
    pn_peers_init(&n->peers, self, rnd, NULL);
    pn_peers_configure(&n->peers, (1u << w.n) - 1);
    n->sealer = pn_sealer_new(&ring, PN_SEAL_HEARTBEAT, self, rnd(NULL));
    n->opener = pn_opener_new(&ring, PN_SEAL_HEARTBEAT);
    pn_election_init(&n->election, &n->peers, self);
    n->election.event = event;
    n->election.arg = n;
    n->election.generation = 1;
    n->election.synced = true;
    n->election.grace_ns = 1000 * MS;
    struct pn_election_want want[PN_MAX_VIPS];
    static const char *const names[] = {"out", "in", "web"};
    for (unsigned i = 0; i < w.n_vips; i++)
        want[i] = (struct pn_election_want){.name = names[i],
                                            .id = (uint16_t)i,
                                            .priority = (uint16_t)(self == i % w.n ? 200 : 100 - self),
                                            .group = PN_NO_GROUP,
                                            .exclusive = w.exclusive};
    struct pn_election_out out = {.n = 0};
    pn_election_configure(&n->election, &times, w.n, want, w.n_vips, clock_of(n), &out);
    obey(n, &out);
    n->counter = 0;
    n->due = n->wake = 0;
    n->stuck.n = 0;
    n->running = true;
    if (learn) {
        uint16_t ids[PN_MAX_VIPS];
        for (unsigned i = 0; i < w.n_vips; i++)
            ids[i] = (uint16_t)i;
        pn_election_installed(&n->election, ids, n->lease, w.n_vips, clock_of(n));
    }
}

static void world_start(unsigned n, unsigned n_vips, bool exclusive, uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    w.n = n;
    w.n_vips = n_vips;
    w.exclusive = exclusive;
    w.seed = seed;
    w.delay_max_us = 500;
    w.verbose = getenv("PN_TEST_VERBOSE") != NULL;
    for (unsigned i = 0; i < n; i++) {
        w.nodes[i].configured = w.nodes[i].dataplane = true;
        w.nodes[i].clock_base = (i + 1) * 1000000 * MS;
        w.nodes[i].drift_ppm = (int)(rnd(NULL) % 2001) - 1000; /* 0.1 %: far worse than real clocks */
        control_start(&w.nodes[i], true);
    }
}

static void world_end(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        pn_sealer_free(w.nodes[i].sealer);
        pn_opener_free(w.nodes[i].opener);
    }
}

static void transmit(unsigned from, unsigned to, const uint8_t *bytes, size_t n)
{
    if (w.cut[from][to] || !w.nodes[from].dataplane || rnd(NULL) % 100 < w.loss_percent)
        return;
    for (unsigned copies = 1 + (rnd(NULL) % 20 == 0); copies > 0; copies--) {
        for (unsigned i = 0; i < WIRE; i++) {
            if (w.wire[i].there)
                continue;
            w.wire[i].there = true;
            w.wire[i].to = (uint8_t)to;
            w.wire[i].at_ns = w.now + rnd(NULL) % (w.delay_max_us * 1000 + 1);
            w.wire[i].n = n;
            memcpy(w.wire[i].bytes, bytes, n);
            break;
        }
    }
}

static void heartbeat(struct node *n);

static void obey(struct node *n, const struct pn_election_out *out)
{
    bool send = false;
    for (unsigned i = 0; i < out->n; i++) {
        const struct pn_election_order *o = &out->orders[i];
        if (o->type == PN_ORDER_LEASE && n->dataplane) {
            if (o->deadline_ns == 0 || o->deadline_ns > clock_of(n))
                n->lease[o->vip] = o->deadline_ns;
        } else if (o->type == PN_ORDER_PROBE && n->dataplane) {
            n->probe_at[o->vip] = w.now + MS;
        } else if (o->type == PN_ORDER_HEARTBEAT) {
            send = true;
        }
    }
    if (send)
        heartbeat(n);
}

static void heartbeat(struct node *n)
{
    struct pn_election_out out = {.n = 0};
    struct pn_heartbeat hb = {0};
    uint8_t plain[PN_HEARTBEAT_MAX_BYTES], d[PN_SEAL_MAX_BYTES];
    uint64_t now = clock_of(n);
    pn_election_step(&n->election, now, true, &out, &n->wake);
    pn_peers_fill(&n->peers, now, times.takeover, &hb);
    pn_election_fill(&n->election, now, &hb);
    size_t len = pn_seal(n->sealer, plain, pn_heartbeat_encode(&hb, plain, sizeof(plain)), d, sizeof(d));
    assert_true(len > 0);
    pn_election_sent(&n->election, ++n->counter, now);
    for (unsigned i = 0; i < out.n; i++)
        if (out.orders[i].type == PN_ORDER_HEARTBEAT)
            out.orders[i--] = out.orders[--out.n]; /* this is the one */
    obey(n, &out);
    for (unsigned to = 0; to < w.n; to++)
        if (&w.nodes[to] != n)
            transmit((unsigned)(n - w.nodes), to, d, len);
}

static bool responds(unsigned i, unsigned vip)
{
    return w.nodes[i].dataplane && w.nodes[i].lease[vip] > clock_of(&w.nodes[i]);
}

static void answers(struct node *n)
{
    unsigned self = (unsigned)(n - w.nodes);
    for (unsigned v = 0; v < w.n_vips; v++) {
        if (!n->probe_at[v] || n->probe_at[v] > w.now)
            continue;
        n->probe_at[v] = 0;
        for (unsigned i = 0; i < w.n; i++) {
            if (i == self || w.arp_cut[self][i] || w.arp_cut[i][self])
                continue;
            struct pn_election_out out = {.n = 0};
            if (responds(i, v)) {
                if (w.answer_lost_each && ++w.answers % w.answer_lost_each == 0)
                    continue;
                pn_election_answered(&n->election, (uint16_t)v, clock_of(n));
            } else if (w.nodes[i].running && w.nodes[i].dataplane) {
                pn_election_rival(&w.nodes[i].election, (uint16_t)v, self < i, clock_of(&w.nodes[i]), &out);
                obey(&w.nodes[i], &out);
            }
        }
    }
}

static void control(struct node *n)
{
    struct pn_election_out out = {.n = 0};
    unsigned self = (unsigned)(n - w.nodes);
    if (n->stuck.n) { /* the write that the stop had caught */
        out = n->stuck;
        n->stuck.n = 0;
        obey(n, &out);
        out.n = 0;
    }
    answers(n);
    for (unsigned i = 0; i < WIRE; i++) {
        struct packet *p = &w.wire[i];
        if (!p->there || p->to != self || p->at_ns > w.now)
            continue;
        p->there = false;
        struct pn_peer *from;
        if (n->dataplane &&
            pn_peers_receive(&n->peers, n->opener, p->bytes, p->n, clock_of(n), &from) == PN_HB_ACCEPTED)
            pn_election_heard(&n->election, (uint8_t)(from - n->peers.peers), clock_of(n), &out);
    }
    obey(n, &out);
    out.n = 0;
    if (clock_of(n) >= n->wake) {
        pn_election_step(&n->election, clock_of(n), false, &out, &n->wake);
        obey(n, &out);
    }
    if (clock_of(n) >= n->due) {
        n->due = clock_of(n) + times.heartbeat;
        heartbeat(n);
    }
}

static void run_ms(unsigned ms, bool want_single)
{
    for (uint64_t end = w.now + ms * MS; w.now < end; w.now += STEP) {
        for (unsigned i = 0; i < w.n; i++)
            if (w.nodes[i].running)
                control(&w.nodes[i]);
        for (unsigned v = 0; v < w.n_vips; v++) {
            unsigned n = 0;
            for (unsigned i = 0; i < w.n; i++)
                n += responds(i, v);
            if (n > 1) {
                w.dual_ns += STEP;
                if (want_single)
                    fail_msg("%u responders for VIP %u at %.2f ms", n, v, (double)w.now / 1e6);
            }
            if (v == 0) {
                w.gap_ns = n ? 0 : w.gap_ns + STEP;
                if (w.gap_ns > w.worst_gap_ns)
                    w.worst_gap_ns = w.gap_ns;
            }
        }
    }
}

static unsigned owner_of(unsigned vip)
{
    for (unsigned i = 0; i < w.n; i++)
        if (responds(i, vip))
            return i;
    return NODES;
}

static void stop_control(struct node *n, bool mid_write)
{
    n->running = false;
    if (mid_write)
        pn_election_step(&n->election, clock_of(n), true, &n->stuck, &n->wake);
}

static void kill_dataplane(struct node *n)
{
    n->dataplane = false;
    memset(n->lease, 0, sizeof(n->lease));
    pn_election_installed(&n->election, NULL, NULL, 0, clock_of(n));
}

static void start_dataplane(struct node *n)
{
    uint16_t ids[PN_MAX_VIPS];
    for (unsigned i = 0; i < w.n_vips; i++)
        ids[i] = (uint16_t)i;
    n->dataplane = true;
    pn_election_installed(&n->election, ids, n->lease, w.n_vips, clock_of(n));
    n->wake = 0;
}

static void test_opposite_priorities(void **state)
{
    (void)state;
    world_start(2, 3, false, 1);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    assert_int_equal(owner_of(1), 1);
    assert_int_equal(owner_of(2), 0);
    world_end();
}

/* The figure of the failover table, without the machine's own noise: death at every phase of the heartbeat. */
static void test_silent_death(void **state)
{
    (void)state;
    uint64_t worst = 0, sum = 0;
    for (unsigned phase = 0; phase < 40; phase++) {
        world_start(2, 1, false, 7 + phase);
        run_ms(300, true);
        assert_int_equal(owner_of(0), 0);
        for (uint64_t until = w.now + phase * STEP; w.now < until;)
            run_ms(1, true);
        w.worst_gap_ns = w.gap_ns = 0;
        w.nodes[0].running = false;
        kill_dataplane(&w.nodes[0]);
        run_ms(200, true);
        assert_int_equal(owner_of(0), 1);
        sum += w.worst_gap_ns;
        worst = w.worst_gap_ns > worst ? w.worst_gap_ns : worst;
        world_end();
    }
    assert_true(worst <= 40 * MS);
    assert_true(sum / 40 <= 36 * MS);
}

static void test_stopped_owner_never_answers_twice(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        world_start(2, 1, false, seed);
        run_ms(300, true);
        stop_control(&w.nodes[0], seed & 1);
        run_ms(5 + seed * 4, true);
        w.nodes[0].running = true; /* SIGCONT: it still believes to be owner */
        run_ms(400, true);
        assert_int_equal(owner_of(0), 0); /* preempts back, and nobody ever saw two */
        world_end();
    }
}

static void test_restart_within_the_lease_goes_on(void **state)
{
    (void)state;
    world_start(2, 1, false, 5);
    run_ms(300, true);
    w.nodes[0].running = false;
    run_ms(12, true);
    w.worst_gap_ns = w.gap_ns = 0;
    control_start(&w.nodes[0], true);
    run_ms(300, true);
    assert_int_equal(owner_of(0), 0);
    assert_true(w.worst_gap_ns == 0);
    world_end();
}

static void test_planned_move(void **state)
{
    (void)state;
    world_start(2, 1, false, 9);
    w.loss_percent = 1;
    run_ms(300, true);
    struct pn_election_out out = {.n = 0};
    struct pn_error err;
    assert_int_equal(pn_election_move(&w.nodes[1].election, "out", 0, clock_of(&w.nodes[1]), &out, &err), -1);
    assert_int_equal(pn_election_move(&w.nodes[0].election, "nil", 1, clock_of(&w.nodes[0]), &out, &err), -1);
    w.worst_gap_ns = w.gap_ns = 0;
    assert_int_equal(pn_election_move(&w.nodes[0].election, "out", 1, clock_of(&w.nodes[0]), &out, &err), 0);
    obey(&w.nodes[0], &out);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 1); /* and it stays there although node 0 has the higher priority */
    assert_true(w.worst_gap_ns <= 12 * MS);
    kill_dataplane(&w.nodes[1]);
    run_ms(200, true);
    assert_int_equal(owner_of(0), 0);
    world_end();
}

static void test_standby_and_back(void **state)
{
    (void)state;
    world_start(2, 3, false, 11);
    run_ms(300, true);
    struct pn_election_out out = {.n = 0};
    pn_election_standby(&w.nodes[0].election, true, clock_of(&w.nodes[0]), &out);
    obey(&w.nodes[0], &out);
    run_ms(300, true);
    for (unsigned v = 0; v < 3; v++)
        assert_int_equal(owner_of(v), 1);
    out.n = 0;
    pn_election_standby(&w.nodes[0].election, false, clock_of(&w.nodes[0]), &out);
    run_ms(300, true);
    assert_int_equal(owner_of(0), 0);
    assert_int_equal(owner_of(1), 1);
    assert_int_equal(owner_of(2), 0);
    world_end();
}

static void test_hold_covers_a_restart(void **state)
{
    (void)state;
    world_start(2, 1, false, 13);
    run_ms(300, true);
    pn_election_hold(&w.nodes[0].election, 2000);
    /* Stopped the very moment that it says so: the leases must be long by then. */
    for (unsigned ms = 0; ms < 60 && !pn_election_held(&w.nodes[0].election, clock_of(&w.nodes[0])); ms++)
        run_ms(1, true);
    assert_true(pn_election_held(&w.nodes[0].election, clock_of(&w.nodes[0])));
    assert_true(w.nodes[0].lease[0] >= clock_of(&w.nodes[0]) + 1900 * MS);
    w.worst_gap_ns = w.gap_ns = 0;
    w.nodes[0].running = false;
    run_ms(1500, true);
    control_start(&w.nodes[0], true);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(w.nodes[1].election.vips[0].transitions, 0);
    world_end();
}

/* Heartbeats cut one way or both, ARP not: the answered probe keeps the backup where it is. */
/* The wait for a hold is long enough for clocks to run apart: nobody asks for the VIP while it is leased. */
static void test_a_long_hold_allows_for_clocks(void **state)
{
    (void)state;
    world_start(2, 1, false, 16);
    w.nodes[0].drift_ppm = -10000;
    w.nodes[1].drift_ppm = 10000;
    run_ms(300, true);
    pn_election_hold(&w.nodes[0].election, 10000);
    run_ms(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, clock_of(&w.nodes[0])));
    stop_control(&w.nodes[0], false);
    for (unsigned ms = 0; ms < 10000 || responds(0, 0); ms++) {
        run_ms(1, true);
        assert_true(w.nodes[1].election.vips[0].state == PN_EL_BACKUP || !responds(0, 0));
    }
    run_ms(500, true);
    assert_int_equal(owner_of(0), 1);
    world_end();
}

/* Rivals that somebody makes up keep a backup back, but fill no log; when they end, it claims. */
static void test_rivals_are_told_of_once(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 2; round++) {
        if (round == 1)
            world_start(2, 1, false, 17);
        run_ms(300, true);
        assert_int_equal(owner_of(0), 0);
        kill_dataplane(&w.nodes[0]);
        w.nodes[0].running = false;
        for (unsigned ms = 0; ms < 500; ms++) {
            struct pn_election_out out = {.n = 0};
            run_ms(1, true);
            pn_election_rival(&w.nodes[1].election, 0, true, clock_of(&w.nodes[1]), &out);
            assert_int_equal(out.n, 0);
            assert_int_equal(owner_of(0), NODES);
        }
        assert_int_equal(w.rivals, round);
        run_ms(100, true);
        assert_int_equal(owner_of(0), 1);
        start_dataplane(&w.nodes[0]);
        control_start(&w.nodes[0], true);
    }
    world_end();
}

/* Peers that have agreed to a short wait have not agreed to a long one. */
static void test_a_longer_hold_is_asked_for_anew(void **state)
{
    (void)state;
    world_start(2, 1, false, 14);
    run_ms(300, true);
    pn_election_hold(&w.nodes[0].election, 100);
    run_ms(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, clock_of(&w.nodes[0])));
    w.cut[0][1] = true; /* it does not hear of the other */
    pn_election_hold(&w.nodes[0].election, 2000);
    for (unsigned ms = 0; ms < 30; ms++) {
        run_ms(1, true);
        assert_false(w.nodes[0].election.hold_granted);
        assert_true(w.nodes[0].lease[0] < clock_of(&w.nodes[0]) + 200 * MS);
    }
    w.cut[0][1] = false;
    run_ms(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, clock_of(&w.nodes[0])));
    assert_true(w.nodes[0].lease[0] > clock_of(&w.nodes[0]) + 1900 * MS);
    world_end();
}

/* Its vote bound the process before, too: a voter that starts anew waits until that is over. */
static void test_a_voter_that_starts_anew_waits(void **state)
{
    (void)state;
    world_start(3, 1, true, 15);
    run_ms(300, true);
    assert_int_equal(w.nodes[2].election.vips[0].vote, 0);
    control_start(&w.nodes[2], true);
    for (unsigned ms = 0; ms < 34; ms++) {
        run_ms(1, true);
        assert_int_equal(w.nodes[2].election.vips[0].vote, PN_HB_NO_NODE);
    }
    run_ms(60, true);
    assert_int_equal(w.nodes[2].election.vips[0].vote, 0);
    assert_int_equal(owner_of(0), 0);
    world_end();
}

/* A node that comes back takes nothing before it knows what its peer knows, and says what it waits for. */
static void test_what_preemption_waits_for(void **state)
{
    (void)state;
    for (enum pn_el_wait wait = PN_EL_WAIT_PREEMPT; wait < PN_EL_WAIT_COUNT; wait++) {
        struct pn_election *e = &w.nodes[0].election;
        struct pn_election_vip *v = &e->vips[0];
        world_start(2, 1, false, 40 + (unsigned)wait);
        run_ms(300, true);
        assert_int_equal(owner_of(0), 0);
        assert_int_equal(v->wait, PN_EL_WAIT_NONE);
        w.nodes[0].running = false;
        kill_dataplane(&w.nodes[0]);
        run_ms(100, true);
        assert_int_equal(owner_of(0), 1);
        w.nodes[0].dataplane = true;
        control_start(&w.nodes[0], true);
        e->generation = wait == PN_EL_WAIT_CONF ? 2 : 1;
        e->synced = wait != PN_EL_WAIT_SYNC;
        v->yielded = wait == PN_EL_WAIT_ORDER;
        v->preempt = wait == PN_EL_WAIT_PREEMPT ? PN_PREEMPT_NO
                     : wait == PN_EL_WAIT_DELAY ? PN_PREEMPT_DELAY
                                                : PN_PREEMPT_YES;
        v->preempt_delay_ns = 500 * MS;
        run_ms(400, true);
        assert_int_equal(owner_of(0), 1);
        assert_int_equal(v->wait, wait);
        assert_true(pn_el_wait_name[wait][0]);
        assert_false(v->want);
        if (wait == PN_EL_WAIT_DELAY)
            run_ms(200, true);
        e->generation = 1;
        e->synced = true;
        v->yielded = false;
        v->preempt = PN_PREEMPT_YES;
        run_ms(100, true);
        assert_int_equal(owner_of(0), 0);
        assert_int_equal(v->wait, PN_EL_WAIT_NONE);
        world_end();
    }
}

static void test_heartbeat_path_alone_fails(void **state)
{
    (void)state;
    for (unsigned ways = 1; ways <= 3; ways++) {
        world_start(2, 1, false, 17 + ways);
        run_ms(300, true);
        w.cut[0][1] = ways & 1;
        w.cut[1][0] = ways & 2;
        w.worst_gap_ns = w.gap_ns = 0;
        run_ms(80, true);
        assert_int_equal(w.nodes[1].election.vips[0].path_failed, ways & 1);
        assert_int_equal(w.alarms, 0); /* a few may be lost, nobody needs to know */
        run_ms(920, true);
        assert_int_equal(w.alarms, ways & 1);
        assert_int_equal(owner_of(0), 0);
        assert_int_equal(w.nodes[1].election.vips[0].path_failed, ways & 1);
        w.cut[0][1] = w.cut[1][0] = false;
        run_ms(300, true);
        assert_true(w.worst_gap_ns == 0);
        world_end();
    }
}

/* The heartbeats' path is known to be broken: a lost answer is no sign of death, but silence is. */
static void test_lost_answers_are_no_death(void **state)
{
    (void)state;
    world_start(2, 1, false, 29);
    run_ms(300, true);
    w.cut[0][1] = w.cut[1][0] = true;
    w.answer_lost_each = 2;
    run_ms(2000, true);
    assert_int_equal(owner_of(0), 0);
    assert_true(w.answers > 50);
    assert_true(w.nodes[1].election.vips[0].path_failed);
    kill_dataplane(&w.nodes[0]);
    w.nodes[0].running = false;
    w.worst_gap_ns = w.gap_ns = 0;
    run_ms(300, true);
    assert_int_equal(owner_of(0), 1);
    assert_true(w.worst_gap_ns <= times.takeover + 2 * times.heartbeat);
    world_end();
}

static void set_cut(bool on)
{
    for (unsigned i = 0; i < w.n; i++)
        for (unsigned j = 0; j < w.n; j++)
            w.cut[i][j] = w.arp_cut[i][j] = on && i != j && (i == 0 || j == 0);
}

static void test_partition_heals_at_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        world_start(2, 1, false, seed);
        run_ms(300, true);
        set_cut(true);
        run_ms(300, false);
        assert_true(w.dual_ns > 0); /* available: each side answers its own */
        w.dual_ns = 0;
        set_cut(false);
        w.worst_gap_ns = w.gap_ns = 0;
        run_ms(500, false);
        assert_true(w.dual_ns <= 2 * 11 * MS); /* until each hears the other's next heartbeat, and proves its boot */
        assert_true(w.worst_gap_ns == 0);
        assert_int_equal(owner_of(0), 0);
        world_end();
    }
}

static void test_exclusive_keeps_one_side(void **state)
{
    (void)state;
    world_start(3, 1, true, 23);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    set_cut(true); /* the owner alone on its side */
    run_ms(500, true);
    assert_true(owner_of(0) == 1 || owner_of(0) == 2);
    set_cut(false);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    kill_dataplane(&w.nodes[0]);
    w.nodes[0].running = false;
    run_ms(300, true);
    assert_int_not_equal(owner_of(0), NODES);
    world_end();
}

static void test_exclusive_pair_stays_silent(void **state)
{
    (void)state;
    world_start(2, 1, true, 29);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    set_cut(true);
    run_ms(500, true);
    assert_int_equal(owner_of(0), NODES);
    set_cut(false);
    run_ms(500, true);
    assert_int_equal(owner_of(0), 0);
    world_end();
}

/* Anything, at any time, in any order; never two responders, and within a second of calm exactly one. */
static void chaos(unsigned n, bool exclusive, uint64_t seed)
{
    world_start(n, 2, exclusive, seed);
    run_ms(300, true);
    for (unsigned round = 0; round < 12; round++) {
        struct node *victim = &w.nodes[rnd(NULL) % n];
        w.loss_percent = rnd(NULL) % 30;
        w.delay_max_us = 100 + rnd(NULL) % 3000;
        switch (rnd(NULL) % 6) {
        case 0:
            stop_control(victim, rnd(NULL) & 1);
            break;
        case 1:
            victim->running = false;
            kill_dataplane(victim);
            break;
        case 2:
            kill_dataplane(victim);
            break;
        case 3:
            if (victim->dataplane)
                control_start(victim, true);
            break;
        case 4:
            w.cut[rnd(NULL) % n][rnd(NULL) % n] = true;
            break;
        default:
            if (exclusive)
                set_cut(true); /* with votes even a whole partition leaves one */
            break;
        }
        run_ms(20 + rnd(NULL) % 120, true);
        for (unsigned i = 0; i < n; i++) {
            if (!w.nodes[i].running && rnd(NULL) & 1)
                w.nodes[i].running = true;
            if (!w.nodes[i].dataplane && rnd(NULL) & 1)
                start_dataplane(&w.nodes[i]);
        }
        if (rnd(NULL) & 1)
            set_cut(false);
        run_ms(rnd(NULL) % 60, true);
    }
    memset(w.cut, 0, sizeof(w.cut));
    set_cut(false);
    w.loss_percent = 1;
    w.delay_max_us = 300;
    for (unsigned i = 0; i < n; i++) {
        w.nodes[i].running = true;
        if (!w.nodes[i].dataplane)
            start_dataplane(&w.nodes[i]);
    }
    run_ms(1000, true);
    for (unsigned v = 0; v < 2; v++)
        assert_int_equal(owner_of(v), v % n);
    world_end();
}

static void test_chaos(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        chaos(2 + seed % 2, false, seed * 0x9e3779b97f4a7c15ull);
    for (uint64_t seed = 1; seed <= 40; seed++)
        chaos(3, true, seed * 0xd1342543de82ef95ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opposite_priorities),
        cmocka_unit_test(test_silent_death),
        cmocka_unit_test(test_stopped_owner_never_answers_twice),
        cmocka_unit_test(test_restart_within_the_lease_goes_on),
        cmocka_unit_test(test_planned_move),
        cmocka_unit_test(test_standby_and_back),
        cmocka_unit_test(test_hold_covers_a_restart),
        cmocka_unit_test(test_a_long_hold_allows_for_clocks),
        cmocka_unit_test(test_rivals_are_told_of_once),
        cmocka_unit_test(test_a_longer_hold_is_asked_for_anew),
        cmocka_unit_test(test_a_voter_that_starts_anew_waits),
        cmocka_unit_test(test_what_preemption_waits_for),
        cmocka_unit_test(test_heartbeat_path_alone_fails),
        cmocka_unit_test(test_lost_answers_are_no_death),
        cmocka_unit_test(test_partition_heals_at_once),
        cmocka_unit_test(test_exclusive_keeps_one_side),
        cmocka_unit_test(test_exclusive_pair_stays_silent),
        cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
