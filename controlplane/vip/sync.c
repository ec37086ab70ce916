/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/sync.h"

#include "controlplane/vip/node.h"

#define MS UINT64_C(1000000)
#define SECOND_NS 1e9
#define BUSY_NS (5 * MS)
#define WALK_MASK 0xffffffu /* a tag has room for so much */
#define BURST_SECONDS 0.1 /* of the rate, at once */

static struct pn_ownership *counts(struct pn_sync *s)
{
    return &s->node->show;
}

int pn_sync_init(struct pn_sync *s, struct pn_node *node)
{
    uint32_t number = s->next_number, walk = s->walk;
    pn_sync_release(s);
    memset(s, 0, sizeof(*s));
    s->next_number = number;
    s->walk = walk;
    s->sealer = pn_sealer_new(&node->conf.ring, PN_SEAL_FLOW_SYNC, node->conf.self, node->boot_id);
    s->opener = pn_opener_new(&node->conf.ring, PN_SEAL_FLOW_SYNC);
    if (!s->sealer || !s->opener) {
        pn_sync_release(s);
        return -1;
    }
    s->node = node;
    return 0;
}

int pn_sync_rekey(struct pn_sync *s, const struct pn_seal_ring *ring)
{
    return s->node && (pn_sealer_rekey(s->sealer, ring) < 0 || pn_opener_rekey(s->opener, ring) < 0) ? -1 : 0;
}

void pn_sync_release(struct pn_sync *s)
{
    pn_sealer_free(s->sealer);
    pn_opener_free(s->opener);
    s->sealer = NULL;
    s->opener = NULL;
    s->node = NULL;
}

/* ---- to the peers ---- */

static bool queue_add(struct pn_sync *s, const struct pn_flowsync *m)
{
    unsigned flows = m->type == PN_FLOWSYNC_FLOWS ? m->n : 0;
    struct pn_sync_item *item = &s->queue[(s->head + s->count) % PN_SYNC_QUEUE];
    if (s->count == PN_SYNC_QUEUE) {
        counts(s)->sync.dropped_out += flows;
        s->walk_lost += s->walking ? flows : 0;
        return false;
    }
    item->bytes = (uint16_t)pn_flowsync_encode(m, item->plain, sizeof(item->plain));
    item->n_flows = (uint8_t)flows;
    s->count += item->bytes > 0;
    return item->bytes > 0;
}

static const struct pn_sync_name *by_id(const struct pn_sync_name *names, unsigned n, uint16_t id)
{
    for (unsigned i = 0; i < n; i++)
        if (names[i].used && !names[i].clash && names[i].id == id)
            return &names[i];
    return NULL;
}

static const struct pn_sync_name *by_hash(const struct pn_sync_name *names, unsigned n, uint32_t hash)
{
    for (unsigned i = 0; i < n; i++)
        if (names[i].used && !names[i].clash && names[i].hash == hash)
            return &names[i];
    return NULL;
}

static bool anybody(const struct pn_sync *s)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (s->peers[i].boot_id)
            return true;
    return false;
}

static void walk_end(struct pn_sync *s)
{
    struct pn_flowsync m = {.type = PN_FLOWSYNC_END, .node = s->node->conf.self};
    for (uint8_t i = 0; i < PN_MAX_NODES; i++) {
        struct pn_sync_peer *p = &s->peers[i];
        if (!p->in_walk)
            continue;
        p->in_walk = false;
        m.marks[m.n++] = (struct pn_flowsync_mark){.node = i, .number = p->walk_number, .lost = s->walk_lost};
    }
    s->walking = false;
    if (m.n)
        queue_add(s, &m);
}

void pn_sync_flows_out(struct pn_sync *s, const struct pn_dp_flow *flows, unsigned n, uint64_t now_ns)
{
    const struct pn_sync_conf *conf = &s->node->conf.sync;
    struct pn_flowsync m = {.type = PN_FLOWSYNC_FLOWS, .node = s->node->conf.self};
    (void)now_ns;
    if (n == 0) {
        /* One that comes before the walk's own answer is of a walk before it (include/postern/dpapi.h). */
        if (s->walking && s->walk_taken)
            walk_end(s);
        else
            counts(s)->sync.ends_ignored++;
        return;
    }
    if (!conf->on || !anybody(s))
        return;
    for (unsigned i = 0; i < n; i++) {
        const struct pn_sync_name *service = by_id(conf->services, conf->n_services, flows[i].service);
        const struct pn_sync_name *gateway = by_id(conf->gateways, conf->n_gateways, flows[i].gateway);
        if (!service || !gateway || flows[i].client_port == 0)
            continue;
        m.flows[m.n++] = (struct pn_flowsync_flow){.client = flows[i].client,
                                                   .client_port = flows[i].client_port,
                                                   .state = flows[i].state,
                                                   .flags = flows[i].flags & PN_FLOW_F_SPILLED,
                                                   .service = service->hash,
                                                   .gateway = gateway->hash,
                                                   .expires_ms = flows[i].expires_ms};
        if (m.n == PN_FLOWSYNC_MAX_FLOWS) {
            queue_add(s, &m);
            m.n = 0;
        }
    }
    if (m.n)
        queue_add(s, &m);
}

static void send_one(struct pn_sync *s)
{
    struct pn_sync_item *item = &s->queue[s->head];
    uint8_t datagram[PN_SEAL_MAX_BYTES];
    size_t bytes = pn_seal(s->sealer, item->plain, item->bytes, datagram, sizeof(datagram));
    /* One path to each peer: two are for what must not be lost. */
    for (uint8_t i = 0; bytes && i < PN_MAX_NODES; i++)
        if (s->peers[i].boot_id)
            s->in_flight += pn_node_transmit(s->node, pn_node_path_to(s->node, i), i, datagram, bytes, PN_TAG_SYNC_TX);
    counts(s)->sync.flows_sent += item->n_flows;
    counts(s)->sync.datagrams_sent++;
    s->tokens -= item->n_flows;
    s->head = (s->head + 1) % PN_SYNC_QUEUE;
    s->count--;
}

static void send_due(struct pn_sync *s, uint64_t now_ns, uint64_t *wake_ns)
{
    double rate = s->node->conf.sync.rate, burst = rate * BURST_SECONDS + PN_FLOWSYNC_MAX_FLOWS;
    s->tokens += s->tokens_ns ? rate * (double)(now_ns - s->tokens_ns) / SECOND_NS : burst;
    s->tokens = s->tokens > burst ? burst : s->tokens;
    s->tokens_ns = now_ns;
    while (s->count && s->in_flight < PN_SYNC_IN_FLIGHT && s->tokens >= s->queue[s->head].n_flows)
        send_one(s);
    if (s->count && s->in_flight < PN_SYNC_IN_FLIGHT && now_ns + 2 * MS < *wake_ns)
        *wake_ns = now_ns + 2 * MS; /* the rate's next */
}

void pn_sync_sent(struct pn_sync *s)
{
    s->in_flight -= s->in_flight > 0;
}

/* ---- resync: asking ---- */

/* anew: what was begun, if anything, did not end well. Else the same question again, for the peer that did not hear it. */
static void ask(struct pn_sync *s, uint8_t node, bool anew, uint64_t now_ns)
{
    struct pn_sync_peer *p = &s->peers[node];
    struct pn_flowsync m = {.type = PN_FLOWSYNC_REQUEST, .node = s->node->conf.self, .n = 1};
    if (anew)
        p->number = ++s->next_number;
    p->begun = p->ended = false;
    p->ask_ns = now_ns;
    m.marks[0] = (struct pn_flowsync_mark){.node = node, .number = p->number};
    queue_add(s, &m);
}

static void wait_for(struct pn_sync *s, uint8_t node, uint64_t now_ns)
{
    struct pn_sync_peer *p = &s->peers[node];
    p->state = s->node->conf.sync.on ? PN_SYNC_WAITING : PN_SYNC_DONE;
    p->since_ns = now_ns;
    p->tries = 0;
    if (p->state == PN_SYNC_WAITING)
        ask(s, node, true, now_ns);
}

void pn_sync_peer(struct pn_sync *s, uint8_t node, uint64_t boot_id, uint64_t now_ns)
{
    struct pn_sync_peer *p = &s->peers[node];
    if (!s->node || p->boot_id == boot_id)
        return;
    p->boot_id = boot_id;
    p->state = PN_SYNC_OFF;
    p->begun = p->ended = p->asks = p->in_walk = false;
    p->walk_number = 0;
    memset(p->recent, 0, sizeof(p->recent)); /* its counters begin anew */
    if (boot_id == 0)
        return;
    if (p->replay_boot_id != boot_id) {
        memset(&p->replay, 0, sizeof(p->replay));
        p->replay_boot_id = boot_id;
    }
    wait_for(s, node, now_ns);
}

/* It has no end. again: whoever it was for still waits, and gets another. */
static void walk_stop(struct pn_sync *s, bool again)
{
    s->walking = false;
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        struct pn_sync_peer *p = &s->peers[i];
        if (p->in_walk && again)
            p->walk_number = 0, p->asks = true;
        p->in_walk = false;
    }
}

void pn_sync_dataplane(struct pn_sync *s, uint64_t now_ns)
{
    s->in_flight = 0;
    s->in_sent = false;
    s->in_count = 0;
    walk_stop(s, true);
    for (uint8_t i = 0; i < PN_MAX_NODES; i++)
        if (s->peers[i].boot_id)
            wait_for(s, i, now_ns);
}

static unsigned recent_between(const struct pn_sync_peer *p, uint64_t after, uint64_t before)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PN_SYNC_RECENT; i++)
        n += p->recent[i] > after && p->recent[i] < before;
    return n;
}

/* Whether the answer is whole, once its end is known. */
static void judge(struct pn_sync *s, uint8_t node, uint64_t now_ns)
{
    struct pn_sync_peer *p = &s->peers[node];
    if (p->state != PN_SYNC_WAITING || !p->ended || s->in_count)
        return; /* what has come is not in the dataplane yet */
    if (p->begun && p->seen == p->end_counter - p->begin_counter - 1 && p->end_lost == 0) {
        p->state = PN_SYNC_DONE;
        pn_node_say(s->node, PN_LOG_NOTICE, "sync", pn_node_name(s->node, node), "its flows are here");
    } else if (now_ns < p->end_ns + PN_SYNC_LINGER_NS) {
        return;
    } else if (++p->tries < PN_SYNC_TRIES) {
        ask(s, node, true, now_ns);
    } else {
        p->state = PN_SYNC_INCOMPLETE;
        pn_node_say(s->node, PN_LOG_WARNING, "sync", pn_node_name(s->node, node),
                    "alarm: its flows did not arrive whole, going on without the rest");
    }
}

static void on_begin(struct pn_sync_peer *p, uint64_t counter)
{
    p->begun = true;
    p->begin_counter = counter;
    p->seen = recent_between(p, counter, p->ended ? p->end_counter : UINT64_MAX);
}

static void on_end(struct pn_sync_peer *p, const struct pn_flowsync_mark *mark, uint64_t counter, uint64_t now_ns)
{
    p->ended = true;
    p->end_counter = counter;
    p->end_ns = now_ns;
    p->end_lost = mark->lost;
    if (p->begun)
        p->seen -= recent_between(p, counter, UINT64_MAX);
}

/* Each datagram of the peer that was taken. */
static void count_one(struct pn_sync_peer *p, uint64_t counter)
{
    if (p->begun && counter > p->begin_counter && (!p->ended || counter < p->end_counter))
        p->seen++;
    p->recent[p->recent_at++ % PN_SYNC_RECENT] = counter;
}

/* ---- resync: answering ---- */

static void walk_begin(struct pn_sync *s, uint64_t now_ns)
{
    struct pn_flowsync m = {.type = PN_FLOWSYNC_BEGIN, .node = s->node->conf.self};
    for (uint8_t i = 0; i < PN_MAX_NODES; i++) {
        struct pn_sync_peer *p = &s->peers[i];
        if (!p->asks || !p->boot_id)
            continue;
        m.marks[m.n++] = (struct pn_flowsync_mark){.node = i, .number = p->its_number};
        p->walk_number = p->its_number;
        p->asks = false;
        p->in_walk = true;
    }
    s->walking = true;
    s->walk_taken = false;
    s->walk = (s->walk + 1) & WALK_MASK;
    s->walk_lost = 0;
    s->walk_ns = now_ns + PN_SYNC_WALK_NS;
    s->walk_until_ns = now_ns + s->node->conf.sync.timeout_ns;
    counts(s)->sync.resyncs++;
    queue_add(s, &m);
    s->node->io.send(s->node->io.arg, PN_DP_FLOWS_RESYNC, NULL, 0, PN_TAG_RESYNC | PN_TAG_OF_PATH(s->walk));
}

void pn_sync_walk_answer(struct pn_sync *s, uint32_t walk, unsigned status, uint64_t now_ns)
{
    if (!s->walking || walk != s->walk)
        return;
    s->walk_taken = status == PN_DP_STATUS_OK;
    if (s->walk_taken)
        return;
    s->walk_ns = now_ns + PN_SYNC_WALK_NS;
    walk_stop(s, true);
}

/* ---- from the peers ---- */

/* false: there is no room. */
static bool take_flows(struct pn_sync *s, const struct pn_flowsync *m)
{
    const struct pn_sync_conf *conf = &s->node->conf.sync;
    struct pn_own_sync *c = &counts(s)->sync;
    struct pn_sync_batch *b = &s->in[(s->in_head + s->in_count) % PN_SYNC_IN_QUEUE];
    c->flows_received += m->n;
    if (s->in_count == PN_SYNC_IN_QUEUE) {
        c->dropped_in += m->n;
        return false;
    }
    b->n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        const struct pn_flowsync_flow *f = &m->flows[i];
        const struct pn_sync_name *service = by_hash(conf->services, conf->n_services, f->service);
        const struct pn_sync_name *gateway = by_hash(conf->gateways, conf->n_gateways, f->gateway);
        if (!service || !gateway) {
            c->unknown++;
            continue;
        }
        b->flows[b->n++] = (struct pn_dp_flow){.client = f->client,
                                               .client_port = f->client_port,
                                               .service = service->id,
                                               .gateway = gateway->id,
                                               .state = f->state,
                                               .flags = f->flags,
                                               .expires_ms = f->expires_ms};
    }
    s->in_count += b->n > 0;
    return true;
}

static void take_marks(struct pn_sync *s, const struct pn_flowsync *m, uint64_t counter, uint64_t now_ns)
{
    struct pn_sync_peer *p = &s->peers[m->node];
    for (unsigned i = 0; i < m->n; i++) {
        const struct pn_flowsync_mark *mark = &m->marks[i];
        if (mark->node != s->node->conf.self)
            continue;
        if (m->type == PN_FLOWSYNC_REQUEST) {
            p->asks |= !p->in_walk || mark->number != p->walk_number; /* else it is on its way */
            p->its_number = mark->number;
        } else if (m->type == PN_FLOWSYNC_BEGIN && mark->number == p->number) {
            on_begin(p, counter);
        } else if (m->type == PN_FLOWSYNC_END && mark->number == p->number) {
            on_end(p, mark, counter, now_ns);
        } else if (m->type == PN_FLOWSYNC_END) {
            counts(s)->sync.ends_ignored++;
        }
    }
}

void pn_sync_datagram(struct pn_sync *s, const uint8_t *datagram, size_t bytes, uint64_t now_ns)
{
    struct pn_seal_header h;
    struct pn_flowsync m;
    uint8_t plain[PN_SEAL_MAX_BYTES];
    const char *field;
    size_t n;
    struct pn_own_sync *c = &counts(s)->sync;
    if (pn_unseal(s->opener, datagram, bytes, &h, plain, &n) != PN_SEAL_OK || h.sender >= PN_MAX_NODES ||
        !s->peers[h.sender].boot_id || s->peers[h.sender].boot_id != h.boot_id ||
        pn_flowsync_decode(plain, n, &m, &field) < 0 || m.node != h.sender ||
        pn_replay_accept(&s->peers[h.sender].replay, h.counter) != PN_SEAL_OK) {
        c->refused++;
        return;
    }
    struct pn_sync_peer *p = &s->peers[h.sender];
    c->datagrams_received++;
    p->heard_ns = now_ns;
    bool taken = true;
    if (m.type == PN_FLOWSYNC_FLOWS && s->node->conf.sync.on)
        taken = take_flows(s, &m);
    else if (m.type != PN_FLOWSYNC_FLOWS)
        take_marks(s, &m, h.counter, now_ns);
    if (taken && m.type != PN_FLOWSYNC_END)
        count_one(p, h.counter);
    judge(s, h.sender, now_ns);
}

void pn_sync_taken(struct pn_sync *s, unsigned status, uint64_t now_ns)
{
    if (!s->in_sent)
        return;
    s->in_sent = false;
    if (status == PN_DP_STATUS_BUSY) {
        s->in_retry_ns = now_ns + BUSY_NS;
        return;
    }
    if (status != PN_DP_STATUS_OK)
        counts(s)->sync.dropped_in += s->in[s->in_head].n;
    s->in_head = (s->in_head + 1) % PN_SYNC_IN_QUEUE;
    s->in_count -= s->in_count > 0;
}

/* ---- time ---- */

bool pn_sync_complete(const struct pn_sync *s)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (s->peers[i].boot_id && s->peers[i].state == PN_SYNC_WAITING)
            return false;
    return true;
}

static void wake_at(uint64_t *wake_ns, uint64_t at_ns)
{
    *wake_ns = at_ns < *wake_ns ? at_ns : *wake_ns;
}

static void step_peer(struct pn_sync *s, uint8_t node, uint64_t now_ns, uint64_t *wake_ns)
{
    struct pn_sync_peer *p = &s->peers[node];
    uint64_t end_ns = p->since_ns + s->node->conf.sync.timeout_ns;
    judge(s, node, now_ns);
    if (p->state != PN_SYNC_WAITING)
        return;
    if (p->ended && !s->in_count) /* else the dataplane's answer wakes us */
        wake_at(wake_ns, p->end_ns + PN_SYNC_LINGER_NS);
    if (now_ns >= end_ns) {
        p->state = PN_SYNC_INCOMPLETE;
        pn_node_say(s->node, PN_LOG_WARNING, "sync", pn_node_name(s->node, node),
                    "alarm: its flows did not arrive in time, going on without them");
        return;
    }
    /* The answer has not begun, or stopped half-way; or its end was lost while other flows went on coming. */
    uint64_t last_ns = p->begun && p->heard_ns > p->ask_ns ? p->heard_ns : p->ask_ns;
    uint64_t limit_ns = p->ask_ns + s->node->conf.sync.timeout_ns / 3;
    uint64_t again_ns = last_ns + (p->begun ? PN_SYNC_SILENT_NS : PN_SYNC_ASK_NS);
    if (p->begun && again_ns > limit_ns)
        again_ns = limit_ns;
    if (now_ns >= again_ns) {
        ask(s, node, p->begun, now_ns);
        again_ns = now_ns + PN_SYNC_ASK_NS;
    }
    wake_at(wake_ns, end_ns < again_ns ? end_ns : again_ns);
}

void pn_sync_step(struct pn_sync *s, uint64_t now_ns, uint64_t *wake_ns)
{
    bool asked = false;
    for (uint8_t i = 0; i < PN_MAX_NODES; i++) {
        step_peer(s, i, now_ns, wake_ns);
        asked |= s->peers[i].asks && s->peers[i].boot_id;
    }
    if (s->walking && now_ns >= s->walk_until_ns)
        walk_stop(s, false); /* its end was lost on its way from the dataplane, or comes too late for all */
    if (asked && !s->walking) {
        if (now_ns >= s->walk_ns)
            walk_begin(s, now_ns);
        else
            wake_at(wake_ns, s->walk_ns);
    }
    if (s->in_count && !s->in_sent) {
        if (now_ns >= s->in_retry_ns) {
            const struct pn_sync_batch *b = &s->in[s->in_head];
            s->node->io.send(s->node->io.arg, PN_DP_FLOWS_IN, b->flows, b->n * sizeof(b->flows[0]), PN_TAG_FLOWS_IN);
            s->in_sent = true;
        } else {
            wake_at(wake_ns, s->in_retry_ns);
        }
    }
    send_due(s, now_ns, wake_ns);
}
