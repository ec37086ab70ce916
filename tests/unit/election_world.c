/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/election_world.h"

struct world w;

uint64_t world_random(void *arg)
{
    (void)arg;
    w.seed ^= w.seed << 13;
    w.seed ^= w.seed >> 7;
    w.seed ^= w.seed << 17;
    return w.seed;
}

uint64_t world_clock(const struct world_node *n)
{
    return n->clock_base + w.now + (uint64_t)((int64_t)(w.now / 1000000) * n->drift_ppm);
}

static void event(void *arg, const struct pn_election_vip *v, const char *text)
{
    struct world_node *n = arg;
    w.alarms += strncmp(text, "alarm", 5) == 0;
    w.rivals += strncmp(text, "another backup", 14) == 0;
    if (w.verbose)
        printf("%8.2f ms node %d %s: %s (%s)\n", (double)w.now / 1e6, (int)(n - w.nodes), v->name,
               pn_election_state_name[v->state], text);
}

const struct pn_election_times world_times = {.heartbeat = 10 * WORLD_MS,
                                              .lease = 25 * WORLD_MS,
                                              .takeover = 35 * WORLD_MS,
                                              .probe_lead = 8 * WORLD_MS,
                                              .alone_lease = 30000 * WORLD_MS};

void world_control_start(struct world_node *n, bool learn)
{
    uint8_t self = (uint8_t)(n - w.nodes);
    struct pn_seal_ring ring = {.n_keys = 1};
    ring.keys[0].id = 1;
    ring.keys[0].send = true;
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
    pn_peers_init(&n->peers, self, world_random, NULL);
    pn_peers_configure(&n->peers, (1u << w.n) - 1);
    n->sealer = pn_sealer_new(&ring, PN_SEAL_HEARTBEAT, self, world_random(NULL));
    n->opener = pn_opener_new(&ring, PN_SEAL_HEARTBEAT);
    pn_election_init(&n->election, &n->peers, self);
    n->election.event = event;
    n->election.arg = n;
    n->election.generation = 1;
    n->election.synced = true;
    n->election.grace_ns = 1000 * WORLD_MS;
    struct pn_election_want want[PN_MAX_VIPS];
    static const char *const names[] = {"out", "in", "web"};
    for (unsigned i = 0; i < w.n_vips; i++)
        want[i] = (struct pn_election_want){.name = names[i],
                                            .id = (uint16_t)i,
                                            .priority = (uint16_t)(self == i % w.n ? 200 : 100 - self),
                                            .group = PN_NO_GROUP,
                                            .exclusive = w.exclusive};
    struct pn_election_out out = {.n = 0};
    pn_election_configure(&n->election, &world_times, w.n, want, w.n_vips, world_clock(n), &out);
    world_obey(n, &out);
    n->counter = 0;
    n->due = n->wake = 0;
    n->stuck.n = 0;
    n->running = true;
    if (learn) {
        uint16_t ids[PN_MAX_VIPS];
        for (unsigned i = 0; i < w.n_vips; i++)
            ids[i] = (uint16_t)i;
        pn_election_installed(&n->election, ids, n->lease, w.n_vips, world_clock(n));
    }
}

void world_start(unsigned n, unsigned n_vips, bool exclusive, uint64_t seed)
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
        w.nodes[i].clock_base = (i + 1) * 1000000 * WORLD_MS;
        w.nodes[i].drift_ppm = (int)(world_random(NULL) % 2001) - 1000; /* 0.1 %: far worse than real clocks */
        world_control_start(&w.nodes[i], true);
    }
}

void world_end(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        pn_sealer_free(w.nodes[i].sealer);
        pn_opener_free(w.nodes[i].opener);
    }
}

static void transmit(unsigned from, unsigned to, const uint8_t *bytes, size_t n)
{
    if (w.cut[from][to] || !w.nodes[from].dataplane || world_random(NULL) % 100 < w.loss_percent)
        return;
    for (unsigned copies = 1 + (world_random(NULL) % 20 == 0); copies > 0; copies--) {
        for (unsigned i = 0; i < WORLD_WIRE; i++) {
            if (w.wire[i].there)
                continue;
            w.wire[i].there = true;
            w.wire[i].to = (uint8_t)to;
            w.wire[i].at_ns = w.now + world_random(NULL) % (w.delay_max_us * 1000 + 1);
            w.wire[i].n = n;
            memcpy(w.wire[i].bytes, bytes, n);
            break;
        }
    }
}

static void heartbeat(struct world_node *n);

void world_obey(struct world_node *n, const struct pn_election_out *out)
{
    bool send = false;
    for (unsigned i = 0; i < out->n; i++) {
        const struct pn_election_order *o = &out->orders[i];
        if (o->type == PN_ORDER_LEASE && n->dataplane) {
            if (o->deadline_ns == 0 || o->deadline_ns > world_clock(n))
                n->lease[o->vip] = o->deadline_ns;
        } else if (o->type == PN_ORDER_PROBE && n->dataplane) {
            n->probe_at[o->vip] = w.now + WORLD_MS;
            pn_election_probed(&n->election, o->vip, true, world_clock(n));
        } else if (o->type == PN_ORDER_HEARTBEAT) {
            send = true;
        }
    }
    if (send)
        heartbeat(n);
}

static void heartbeat(struct world_node *n)
{
    struct pn_election_out out = {.n = 0};
    struct pn_heartbeat hb = {0};
    uint8_t plain[PN_HEARTBEAT_MAX_BYTES], d[PN_SEAL_MAX_BYTES];
    uint64_t now = world_clock(n);
    pn_election_step(&n->election, now, true, &out, &n->wake);
    pn_peers_fill(&n->peers, now, world_times.takeover, &hb);
    pn_election_fill(&n->election, now, &hb);
    size_t len = pn_seal(n->sealer, plain, pn_heartbeat_encode(&hb, plain, sizeof(plain)), d, sizeof(d));
    assert_true(len > 0);
    pn_election_sent(&n->election, ++n->counter, now);
    for (unsigned i = 0; i < out.n; i++)
        if (out.orders[i].type == PN_ORDER_HEARTBEAT)
            out.orders[i--] = out.orders[--out.n]; /* this is the one */
    world_obey(n, &out);
    for (unsigned to = 0; to < w.n; to++)
        if (&w.nodes[to] != n)
            transmit((unsigned)(n - w.nodes), to, d, len);
}

bool world_responds(unsigned i, unsigned vip)
{
    return w.nodes[i].dataplane && w.nodes[i].lease[vip] > world_clock(&w.nodes[i]);
}

static void answers(struct world_node *n)
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
            if (world_responds(i, v)) {
                if (w.answer_lost_each && ++w.answers % w.answer_lost_each == 0)
                    continue;
                pn_election_answered(&n->election, (uint16_t)v, world_clock(n));
            } else if (w.nodes[i].running && w.nodes[i].dataplane) {
                pn_election_rival(&w.nodes[i].election, (uint16_t)v, self < i, world_clock(&w.nodes[i]), &out);
                world_obey(&w.nodes[i], &out);
            }
        }
    }
}

static void control(struct world_node *n)
{
    struct pn_election_out out = {.n = 0};
    unsigned self = (unsigned)(n - w.nodes);
    if (n->stuck.n) { /* the write that the stop had caught */
        out = n->stuck;
        n->stuck.n = 0;
        world_obey(n, &out);
        out.n = 0;
    }
    answers(n);
    for (unsigned i = 0; i < WORLD_WIRE; i++) {
        struct world_packet *p = &w.wire[i];
        if (!p->there || p->to != self || p->at_ns > w.now)
            continue;
        p->there = false;
        struct pn_peer *from;
        if (n->dataplane &&
            pn_peers_receive(&n->peers, n->opener, p->bytes, p->n, world_clock(n), &from) == PN_HB_ACCEPTED)
            pn_election_heard(&n->election, (uint8_t)(from - n->peers.peers), world_clock(n), &out);
    }
    world_obey(n, &out);
    out.n = 0;
    if (world_clock(n) >= n->wake) {
        pn_election_step(&n->election, world_clock(n), false, &out, &n->wake);
        world_obey(n, &out);
    }
    if (world_clock(n) >= n->due) {
        n->due = world_clock(n) + world_times.heartbeat;
        heartbeat(n);
    }
}

void world_run(unsigned ms, bool want_single)
{
    for (uint64_t end = w.now + ms * WORLD_MS; w.now < end; w.now += WORLD_STEP) {
        for (unsigned i = 0; i < w.n; i++)
            if (w.nodes[i].running)
                control(&w.nodes[i]);
        for (unsigned v = 0; v < w.n_vips; v++) {
            unsigned n = 0;
            for (unsigned i = 0; i < w.n; i++)
                n += world_responds(i, v);
            if (n > 1) {
                w.dual_ns += WORLD_STEP;
                if (want_single)
                    fail_msg("%u responders for VIP %u at %.2f ms", n, v, (double)w.now / 1e6);
            }
            if (v == 0) {
                w.gap_ns = n ? 0 : w.gap_ns + WORLD_STEP;
                if (w.gap_ns > w.worst_gap_ns)
                    w.worst_gap_ns = w.gap_ns;
            }
        }
    }
}

unsigned world_owner(unsigned vip)
{
    for (unsigned i = 0; i < w.n; i++)
        if (world_responds(i, vip))
            return i;
    return WORLD_NODES;
}

void world_control_stop(struct world_node *n, bool mid_write)
{
    n->running = false;
    if (mid_write)
        pn_election_step(&n->election, world_clock(n), true, &n->stuck, &n->wake);
}

void world_dataplane_kill(struct world_node *n)
{
    n->dataplane = false;
    memset(n->lease, 0, sizeof(n->lease));
    pn_election_installed(&n->election, NULL, NULL, 0, world_clock(n));
}

void world_dataplane_start(struct world_node *n)
{
    uint16_t ids[PN_MAX_VIPS];
    for (unsigned i = 0; i < w.n_vips; i++)
        ids[i] = (uint16_t)i;
    n->dataplane = true;
    pn_election_installed(&n->election, ids, n->lease, w.n_vips, world_clock(n));
    n->wake = 0;
}
