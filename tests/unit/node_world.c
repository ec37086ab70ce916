/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/node_world.h"

struct world w;

uint64_t world_random(void *arg)
{
    (void)arg;
    w.seed ^= w.seed << 13;
    w.seed ^= w.seed >> 7;
    w.seed ^= w.seed << 17;
    return w.seed;
}

void world_push(struct world_queue *q, struct world_message m, const void *payload)
{
    if (q->count == WORLD_QUEUE)
        fail_msg("queue of %u messages is full (type %d)", WORLD_QUEUE, m.type);
    m.payload = malloc(m.bytes + 8);
    if (payload && m.bytes)
        memcpy(m.payload, payload, m.bytes);
    q->m[(q->head + q->count++) % WORLD_QUEUE] = m;
}

bool world_pop(struct world_queue *q, struct world_message *m)
{
    if (!q->count)
        return false;
    *m = q->m[q->head];
    q->head = (q->head + 1) % WORLD_QUEUE;
    q->count--;
    return true;
}

static void drain(struct world_queue *q)
{
    struct world_message m;
    while (world_pop(q, &m))
        free(m.payload);
}

/* ---- what a node asks of its socket ---- */

static void io_send(void *arg, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag)
{
    struct world_node *n = arg;
    n->written = true;
    if (n->dp_there)
        world_push(&n->to_dp, (struct world_message){.type = type, .tag = tag, .bytes = bytes}, payload);
}

static bool io_clear(void *arg)
{
    const struct world_node *n = arg;
    return !n->written; /* a stopped dataplane's socket takes a lot */
}

static void io_event(void *arg, enum pn_log_level level, const char *kind, const char *subject, const char *text)
{
    struct world_node *n = arg;
    n->events++;
    n->alarms += level <= PN_LOG_WARNING;
    snprintf(n->last_event, sizeof(n->last_event), "%s %s: %s", kind, subject, text);
    if (w.verbose)
        printf("%9.2f ms node %d %s\n", (double)w.now / 1e6, (int)(n - w.nodes), n->last_event);
}

/* ---- the dataplane ---- */

bool world_responds(const struct world_node *n, unsigned vip)
{
    return n->dp_there && n->dp_running && n->lease[vip] > w.now;
}

void world_unasked(struct world_node *n, enum pn_dp_type type, const void *payload, size_t bytes)
{
    if (n->reads)
        world_push(&n->from_dp, (struct world_message){.type = type, .bytes = bytes}, payload);
}

/* ---- the process ---- */

static void node_run(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    struct world_message m;
    bool input = n->from_dp.count > 0;
    while (world_pop(&n->from_dp, &m)) {
        if (m.answer)
            pn_node_answer(&n->node, m.tag, m.status, m.payload, m.bytes, w.now);
        else
            pn_node_message(&n->node, m.type, m.payload, m.bytes, w.now);
        free(m.payload);
    }
    if (!input && w.now < n->wake_ns)
        return;
    n->written = false;
    pn_node_step(&n->node, w.now, &n->wake_ns);
    /* It sleeps until then. A time that has passed already, again and again, is a thread that takes a CPU for itself. */
    n->restless = n->wake_ns <= w.now ? n->restless + 1 : 0;
    assert_in_range(n->restless, 0, WORLD_RESTLESS_MAX);
}

static void installed(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    uint16_t ids[PN_MAX_VIPS];
    for (unsigned v = 0; v < w.n_vips; v++)
        ids[v] = (uint16_t)v;
    if (!n->read_first)
        pn_node_linked(&n->node, n->dp_there, n->dataplane, w.now);
    pn_node_installed(&n->node, n->dataplane, ids, n->lease, n->dp_there ? w.n_vips : 0, w.now);
    if (n->read_first)
        pn_node_linked(&n->node, n->dp_there, n->dataplane, w.now);
    n->wake_ns = 0;
}

void world_node_relink(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    pn_node_linked(&n->node, false, n->dataplane, w.now);
    n->reads = false;
    drain(&n->to_dp);
    drain(&n->from_dp);
    pn_node_linked(&n->node, true, n->dataplane, w.now);
    n->wake_ns = 0;
}

void world_node_start(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    struct pn_node_io io = {.send = io_send, .clear = io_clear, .event = io_event, .random64 = world_random, .arg = n};
    struct pn_error err;
    n->reads = false;
    drain(&n->to_dp);
    drain(&n->from_dp);
    pn_node_release(&n->node);
    pn_node_init(&n->node, &io);
    assert_int_equal(pn_node_configure(&n->node, &w.confs[i], w.now, &err), 0);
    pn_node_port_mac(&n->node, 0, &(struct pn_mac){{0, 0, 0, 0, 0, (uint8_t)(i + 1)}});
    n->running = true;
    installed(i);
}

void world_node_kill(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    n->running = n->reads = false;
    drain(&n->from_dp);
    pn_node_release(&n->node);
}

void world_dp_kill(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    n->dp_there = n->reads = false;
    memset(n->lease, 0, sizeof(n->lease));
    memset(n->probe_ns, 0, sizeof(n->probe_ns));
    drain(&n->to_dp);
    drain(&n->from_dp);
    drain(&n->wire);
    if (n->running)
        installed(i);
}

void world_dp_start(unsigned i)
{
    w.nodes[i].dp_there = w.nodes[i].dp_running = true;
    w.nodes[i].dataplane = w.now + i + 1;
    if (w.nodes[i].running)
        installed(i);
}

void world_both_kill(unsigned i)
{
    world_node_kill(i);
    world_dp_kill(i);
}

void world_both_start(unsigned i)
{
    world_dp_start(i);
    world_node_start(i);
}

void world_recover(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        struct world_node *n = &w.nodes[i];
        if (!n->dp_there)
            world_dp_start(i);
        n->dp_running = true;
        if (!n->node.configured || !n->node.sealer)
            world_node_start(i);
        n->running = true;
    }
}

void world_wake(unsigned i)
{
    w.nodes[i].wake_ns = 0;
}

void world_gap_reset(void)
{
    w.worst_gap_ns = w.gap_ns = w.dual_ns = 0;
}

void world_show(unsigned i, struct pn_ownership *out)
{
    pn_node_show(&w.nodes[i].node, w.now, out);
}

static void make_conf(unsigned i)
{
    static const char *const names[] = {"out", "in", "web"};
    struct pn_node_conf *c = &w.confs[i];
    memset(c, 0, sizeof(*c));
    c->self = (uint8_t)i;
    c->n_nodes = w.n;
    c->times = (struct pn_election_times){.heartbeat = 10 * WORLD_MS,
                                          .lease = 25 * WORLD_MS,
                                          .takeover = 35 * WORLD_MS,
                                          .probe_lead = 8 * WORLD_MS,
                                          .alone_lease = 30000 * WORLD_MS};
    c->grace_ns = 1000 * WORLD_MS;
    c->generation = 7;
    c->udp_port = 24625;
    c->n_paths = 1;
    for (unsigned o = 0; o < w.n; o++) {
        snprintf(c->names[o], sizeof(c->names[o]), "n%u", o);
        c->paths[0].peers[o].v4 = pn_addr_from_v4(0x000200c0u | (o + 1) << 24);
    }
    c->paths[0].v4 = c->paths[0].peers[i].v4;
    c->n_vips = w.n_vips;
    for (unsigned v = 0; v < w.n_vips; v++) {
        struct pn_node_vip *vip = &c->vips[v];
        snprintf(vip->name, sizeof(vip->name), "%s", names[v]);
        vip->addr = pn_addr_from_v4(0x190200c0u + (v << 24));
        vip->want = (struct pn_election_want){
            .id = (uint16_t)v, .priority = (uint16_t)(i == v % w.n ? 200 : 100 - i), .group = PN_NO_GROUP};
    }
    c->ring = (struct pn_seal_ring){.n_keys = 1, .keys = {{.id = 1, .send = true}}};
    c->sync = (struct pn_sync_conf){.on = true,
                                    .rate = 100000,
                                    .timeout_ns = 30000 * WORLD_MS,
                                    .n_services = 1,
                                    .n_gateways = 2,
                                    .services = {{.hash = 11, .id = (uint16_t)(i + 3), .used = true}},
                                    .gateways = {{.hash = 21, .id = (uint16_t)i, .used = true},
                                                 {.hash = 22, .id = (uint16_t)(i + 7), .used = true}}};
}

void world_start(unsigned n, unsigned n_vips, void (*tune)(struct pn_node_conf *conf, unsigned node))
{
    memset(&w, 0, sizeof(w));
    w.n = n;
    w.n_vips = n_vips;
    w.seed = 88172645463325252ull + n;
    w.now = 1000 * WORLD_MS;
    w.verbose = getenv("PN_TEST_VERBOSE") != NULL;
    for (unsigned i = 0; i < n; i++) {
        make_conf(i);
        if (tune)
            tune(&w.confs[i], i);
        w.nodes[i].dp_there = w.nodes[i].dp_running = true;
        w.nodes[i].dataplane = i + 1;
        world_node_start(i);
    }
}

void world_end(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        pn_node_release(&w.nodes[i].node);
        drain(&w.nodes[i].to_dp);
        drain(&w.nodes[i].from_dp);
        drain(&w.nodes[i].wire);
    }
}

void world_step(bool want_single)
{
    for (unsigned i = 0; i < w.n; i++) {
        if (w.nodes[i].dp_there && w.nodes[i].dp_running)
            world_dp_run(i);
        if (w.nodes[i].running)
            node_run(i);
    }
    for (unsigned v = 0; v < w.n_vips; v++) {
        unsigned n = 0;
        for (unsigned i = 0; i < w.n; i++)
            n += world_responds(&w.nodes[i], v);
        if (n > 1) {
            w.dual_ns += WORLD_STEP;
            if (want_single)
                fail_msg("%u responders for VIP %u at %.2f ms", n, v, (double)w.now / 1e6);
        }
        if (v == 0) {
            w.gap_ns = n ? 0 : w.gap_ns + WORLD_STEP;
            w.worst_gap_ns = w.gap_ns > w.worst_gap_ns ? w.gap_ns : w.worst_gap_ns;
        }
    }
    w.now += WORLD_STEP;
}

void world_run(unsigned ms, bool want_single)
{
    for (uint64_t end = w.now + ms * WORLD_MS; w.now < end;)
        world_step(want_single);
}

void world_steps(unsigned n, bool want_single)
{
    for (unsigned i = 0; i < n; i++)
        world_step(want_single);
}

void world_move(unsigned i, const char *to)
{
    struct pn_error err;
    assert_int_equal(pn_node_move(&w.nodes[i].node, "out", to, w.now, &err), 0);
    world_wake(i);
}

unsigned world_owner(unsigned vip)
{
    for (unsigned i = 0; i < w.n; i++)
        if (world_responds(&w.nodes[i], vip))
            return i;
    return WORLD_NODES;
}

void world_inject(unsigned to, const uint8_t *packet, size_t bytes)
{
    uint64_t payload[300] = {0};
    struct pn_dp_packet *p = (void *)payload;
    p->bytes = (uint32_t)bytes;
    memcpy(p + 1, packet, bytes);
    world_unasked(&w.nodes[to], PN_DP_PACKET_RX, payload, sizeof(*p) + bytes);
}
