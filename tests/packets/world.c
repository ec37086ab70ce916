/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packets/world.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "common/addr.h"
#include "dataplane/core/filter.h"
#include "dataplane/stages/stages.h"

#define TSC_HZ 1000000000ull
#define TX_RING 256
#define POOL_MBUFS 4095
#define SEED_TSC (1000 * TSC_HZ) /* a clock that starts at 0 hides mistakes */

const char *const world_vip_text[WORLD_VIPS] = {"203.0.113.25", "2001:db8:25::25", "203.0.113.26", "203.0.113.27"};
const struct pn_mac world_gateway_mac[WORLD_GATEWAYS] = {
    {{2, 0, 0, 0, 1, 1}}, {{2, 0, 0, 0, 1, 2}}, {{2, 0, 0, 0, 1, 3}}, {{2, 0, 0, 0, 1, 4}},
    {{2, 0, 0, 0, 1, 5}}, {{2, 0, 0, 0, 1, 6}}, {{2, 0, 0, 0, 1, 7}},
};
const struct pn_mac world_vlan_vip_mac = {{2, 0, 0x5e, 0, 0, 0x1a}};
const struct pn_mac world_tap_mac = {{2, 0, 0, 0, 2, 1}};
const struct pn_mac world_local_mac = {{2, 0, 0, 0, 2, 2}};

/* Devices live as long as the process: DPDK has no use for so many. */
static struct rte_mempool *pool;
static struct rte_ring *tx_ring[WORLD_PORTS];
static uint16_t eth_port[WORLD_PORTS];

static void die(const char *what)
{
    fprintf(stderr, "world: %s: %s\n", what, rte_strerror(rte_errno));
    abort();
}

static void make_port(unsigned i)
{
    char name[32];
    struct rte_ring *queues[WORLD_WORKERS], *rx;

    snprintf(name, sizeof(name), "world_tx%u", i);
    tx_ring[i] = rte_ring_create(name, TX_RING, SOCKET_ID_ANY, 0);
    snprintf(name, sizeof(name), "world_rx%u", i);
    rx = rte_ring_create(name, 2, SOCKET_ID_ANY, 0); /* never used, but the driver wants one */
    if (tx_ring[i] == NULL || rx == NULL)
        die("ring");
    for (unsigned q = 0; q < WORLD_WORKERS; q++)
        queues[q] = tx_ring[i];
    snprintf(name, sizeof(name), "world%u", i);
    int port = rte_eth_from_rings(name, &rx, 1, queues, WORLD_WORKERS, 0);
    if (port < 0)
        die("port");
    const struct rte_eth_conf conf = {0};
    if (rte_eth_dev_configure((uint16_t)port, 1, WORLD_WORKERS, &conf) != 0 ||
        rte_eth_rx_queue_setup((uint16_t)port, 0, 2, 0, NULL, pool) != 0)
        die("configure");
    for (uint16_t q = 0; q < WORLD_WORKERS; q++) {
        if (rte_eth_tx_queue_setup((uint16_t)port, q, TX_RING, 0, NULL) != 0)
            die("queue");
    }
    if (rte_eth_dev_start((uint16_t)port) != 0)
        die("start");
    eth_port[i] = (uint16_t)port;
}

void world_eal(void)
{
    char arg[][24] = {"postern-test", "--no-huge",      "--no-pci", "--no-shconf", "-m",
                      "256",          "--no-telemetry", "-l",       "0",           "--log-level=error"};
    char *argv[RTE_DIM(arg) + 1] = {NULL};

    for (unsigned i = 0; i < RTE_DIM(arg); i++)
        argv[i] = arg[i];
    if (rte_eal_init(RTE_DIM(arg), argv) < 0)
        die("EAL");
    pool = rte_pktmbuf_pool_create("world", POOL_MBUFS, 0, 0, 128 + 10240, SOCKET_ID_ANY);
    if (pool == NULL)
        die("pool");
    for (unsigned i = 0; i < WORLD_PORTS; i++)
        make_port(i);
}

struct rte_mempool *world_pool(void)
{
    return pool;
}

static struct pn_addr address(const char *text)
{
    struct pn_addr a;

    if (pn_addr_parse(text, &a, NULL) != 0)
        die(text);
    return a;
}

static void fill_services(struct world_message *m)
{
    static const struct {
        const char *name;
        uint16_t vip, l4_port, tier_first, tier_count;
    } rows[WORLD_SERVICES] = {
        {"smtp", WORLD_VIP4, 25, WORLD_T_PRIMARY, 2},          {"smtp6", WORLD_VIP6, 25, WORLD_T_PRIMARY, 2},
        {"smtps", WORLD_VIP4, 465, WORLD_T_PAIR, 1},           {"submission", WORLD_VIP4, 587, WORLD_T_SELF, 1},
        {"vlan-gw", WORLD_VIP4, 2525, WORLD_T_VLAN, 1},        {"far", WORLD_VIP4, 2526, WORLD_T_FAR, 1},
        {"dead", WORLD_VIP4, 2527, WORLD_T_DEAD, 1},           {"down", WORLD_VIP4, 2528, WORLD_T_DOWN, 1},
        {"smtp-vlan", WORLD_VIP_VLAN, 25, WORLD_T_PRIMARY, 2}, {"smtp-mute", WORLD_VIP_MUTE, 25, WORLD_T_PRIMARY, 2},
        {"submission6", WORLD_VIP6, 587, WORLD_T_SELF, 1},
    };

    for (unsigned i = 0; i < WORLD_SERVICES; i++) {
        struct pn_snap_service *s = &m->services[i];

        snprintf(s->name, sizeof(s->name), "%s", rows[i].name);
        snprintf(s->pool, sizeof(s->pool), "pool%u", rows[i].tier_first);
        s->id = (uint16_t)i;
        s->vip = rows[i].vip;
        s->l4_port = rows[i].l4_port;
        s->ip_proto = 6;
        s->affinity = PN_AFFINITY_NONE;
        s->v4_prefix = 24;
        s->v6_prefix = 64;
        s->tier_first = rows[i].tier_first;
        s->tier_count = rows[i].tier_count;
        s->established_s = 660;
        s->half_open_s = 30;
        s->closing_s = 20;
    }
}

static void fill_pools(struct world_message *m)
{
    static const uint16_t gateways[WORLD_TIERS + 1] = {WORLD_MX1,    WORLD_MX2,     WORLD_MX1,
                                                       WORLD_MX2,    WORLD_SELF,    WORLD_MX_VLAN,
                                                       WORLD_MX_FAR, WORLD_MX_DEAD, WORLD_MX_DOWN};
    unsigned member = 0;

    for (unsigned i = 0; i < WORLD_TIERS; i++) {
        struct pn_snap_tier *t = &m->tiers[i];

        snprintf(t->name, sizeof(t->name), "tier%u", i);
        t->id = (uint16_t)(i + 10); /* ids are no positions */
        t->rank = i == WORLD_T_SECONDARY;
        t->member_first = (uint16_t)member;
        t->member_count = i == WORLD_T_PAIR ? 2 : 1;
        t->flags = i == WORLD_T_SECONDARY ? PN_SNAP_TIER_ACCEPTS_SPILL : 0;
        for (unsigned j = 0; j < t->member_count; j++, member++)
            m->members[member] = (struct pn_snap_member){.gateway = gateways[member], .weight = 100};
    }
    m->members[WORLD_TIERS].flags = PN_SNAP_MEMBER_DOWN;
    for (unsigned i = 0; i < WORLD_GATEWAYS; i++) {
        struct pn_snap_gateway *g = &m->gateways[i];
        char text[32];

        snprintf(g->name, sizeof(g->name), "mx%u", i + 1);
        snprintf(text, sizeof(text), "192.0.2.%u", i + 1);
        g->addr = address(text);
        g->id = (uint16_t)i;
        g->port = WORLD_WAN;
        g->vlan = i == WORLD_MX_VLAN ? 200 : 0;
        g->mode = i == WORLD_SELF ? PN_FWD_LOCAL : PN_FWD_L2DSR;
    }
}

static void fill_message(struct world_message *m)
{
    m->header = (struct pn_snap_header){
        .magic = PN_SNAPSHOT_MAGIC,
        .version = PN_SNAPSHOT_VERSION,
        .steering_seed = 0x5eed,
        .total_bytes = sizeof(*m),
        .n_vips = WORLD_VIPS,
        .n_services = WORLD_SERVICES,
        .n_tiers = WORLD_TIERS,
        .n_gateways = WORLD_GATEWAYS,
        .n_members = WORLD_TIERS + 1,
    };
    for (unsigned i = 0; i < WORLD_VIPS; i++) {
        struct pn_snap_vip *v = &m->vips[i];

        snprintf(v->name, sizeof(v->name), "vip%u", i);
        v->addr = address(world_vip_text[i]);
        v->id = (uint16_t)i;
        v->port = WORLD_WAN;
        v->vlan = i == WORLD_VIP_VLAN ? 100 : 0;
        v->flags = i == WORLD_VIP_MUTE ? 0 : PN_SNAP_VIP_ECHO;
        v->grace_ms = 2000;
    }
    m->vips[WORLD_VIP_VLAN].mac = world_vlan_vip_mac;
    fill_services(m);
    fill_pools(m);
}

void world_publish(struct world *w)
{
    struct pn_error err = {""};
    struct pn_dpsnap *old = w->snap;

    w->message.header.generation++;
    w->snap = pn_dpsnap_build(&w->message, sizeof(w->message), 0, &err);
    if (w->snap == NULL)
        die(err.text);
    atomic_store(&w->shared.snap, w->snap);
    for (unsigned i = 0; i < w->shared.n_workers; i++)
        pn_worker_round_begin(w->worker[i], w->tsc);
    pn_dpsnap_free(old);
}

static struct world *the_world;

static uint64_t world_clock(void)
{
    return the_world->tsc + the_world->late_tsc;
}

static void fill_ports(struct pn_shared *s)
{
    static const struct pn_mac *const macs[WORLD_PORTS] = {&pn_fb_node_mac, &world_tap_mac, &world_local_mac};

    for (unsigned i = 0; i < WORLD_PORTS; i++) {
        s->ports[i] = (struct pn_port_rt){
            .port_id = eth_port[i],
            .kind = i == WORLD_WAN ? PN_PORT_DPDK : PN_PORT_TAP,
            .used = 1,
            .exception = i == WORLD_WAN ? WORLD_TAP : PN_PORT_NONE,
            .peer = i == WORLD_TAP ? WORLD_WAN : PN_PORT_NONE,
            .mac = *macs[i],
            .mtu = 1500,
        };
        for (unsigned q = 0; q < PN_MAX_WORKERS; q++)
            s->ports[i].txq[q] = (uint16_t)q;
    }
    s->n_ports = WORLD_PORTS;
    s->local_port = WORLD_LOCAL;
}

struct world *world_new(const struct world_config *config)
{
    struct world *w = rte_zmalloc("world", sizeof(*w), 64);
    struct pn_error err = {""};

    if (w == NULL)
        die("memory");
    w->pool = pool;
    w->tsc = SEED_TSC;
    memcpy(w->tx, tx_ring, sizeof(w->tx));
    the_world = w;
    w->shared.clock = world_clock;
    w->shared.n_workers = (uint16_t)config->workers;
    w->shared.tsc_hz = TSC_HZ;
    w->shared.hash_seed[0] = 1;
    w->shared.hash_seed[1] = 2;
    fill_ports(&w->shared);
    for (unsigned i = 0; i < WORLD_GATEWAYS; i++) {
        uint64_t v = PN_NEIGH_VALID;

        memcpy(&v, world_gateway_mac[i].b, 6);
        w->shared.neigh.mac[i] = i == WORLD_MX_FAR ? 0 : i == WORLD_MX_DEAD ? PN_NEIGH_DEAD : v;
    }
    for (unsigned i = 0; i < config->workers; i++) {
        w->stats[i] = rte_zmalloc("stats", sizeof(*w->stats[i]), 128);
        const struct pn_worker_config wc = {
            .shared = &w->shared,
            .stats = w->stats[i],
            .id = (uint16_t)i,
            .socket = SOCKET_ID_ANY,
            .flows_max = config->flows_max == 0 ? 1024 : config->flows_max,
        };
        w->worker[i] = pn_worker_new(&wc, &err);
        if (w->worker[i] == NULL)
            die(err.text);
        w->worker[i]->age_tsc = w->tsc;
        pn_worker_round_begin(w->worker[i], w->tsc);
    }
    fill_message(&w->message);
    if (!config->no_snapshot)
        world_publish(w);
    if (!config->no_leases)
        world_leases(w, 30000);
    return w;
}

void world_free(struct world *w)
{
    world_drain(w);
    for (unsigned i = 0; i < w->shared.n_workers; i++) {
        pn_worker_free(w->worker[i]);
        rte_free(w->stats[i]);
    }
    pn_dpsnap_free(w->snap);
    pn_filter_free(w->filter);
    rte_free(w);
}

void world_filter(struct world *w, uint8_t block_action, const char *const *list)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {{0}};
    struct pn_error err;
    unsigned n = 0;

    while (list[n] != NULL)
        n++;
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++)
        set[i].e = calloc(n + 1, sizeof(*set[i].e));
    for (unsigned i = 0; i < n; i++) {
        struct pn_dp_prefix p = {.list = list[i][0] == '+' ? PN_FILTER_WELCOME : PN_FILTER_BLOCK};
        struct pn_prefix text;
        unsigned family;

        if (pn_prefix_parse(list[i] + 1, &text, &err) != 0)
            die(err.text);
        p.addr = text.addr;
        p.prefix_len = text.len;
        struct pn_filter_entry e = pn_filter_entry_of(&p, &family);
        set[family].e[set[family].n++] = e;
    }
    pn_filter_free(w->filter);
    w->filter = pn_filter_make(set, 1, block_action, &err);
    if (w->filter == NULL)
        die(err.text);
    atomic_store(&w->shared.filter, w->filter->empty ? NULL : w->filter);
}

void world_lease(struct world *w, unsigned vip, int64_t ms)
{
    atomic_store(&w->shared.lease_tsc[vip], w->tsc + (uint64_t)(ms * (int64_t)(TSC_HZ / 1000)));
}

void world_leases(struct world *w, int64_t ms)
{
    for (unsigned i = 0; i < WORLD_VIPS; i++)
        world_lease(w, i, ms);
}

static void side_work(struct world *w)
{
    unsigned n;

    do {
        n = 0;
        for (unsigned i = 0; i < w->shared.n_workers; i++) {
            pn_worker_round_begin(w->worker[i], w->tsc);
            n += pn_worker_side_work(w->worker[i]);
        }
    } while (n != 0);
}

void world_wait_ms(struct world *w, uint64_t ms)
{
    w->tsc += ms * (TSC_HZ / 1000);
    side_work(w);
}

struct rte_mbuf *world_mbuf(struct world *w, const void *bytes, uint32_t n, uint32_t segment_bytes)
{
    struct rte_mbuf *head = rte_pktmbuf_alloc(w->pool);
    uint32_t part = segment_bytes == 0 || segment_bytes > n ? n : segment_bytes;

    if (head == NULL)
        die("mbuf");
    memset(pn_mbuf_meta(head), 0x5a, sizeof(struct pn_mbuf_meta)); /* a driver leaves there what was */
    char *to = rte_pktmbuf_append(head, (uint16_t)part);
    if (to == NULL)
        die("frame too long");
    memcpy(to, bytes, part);
    for (uint32_t at = part; at < n; at += part) {
        struct rte_mbuf *next = rte_pktmbuf_alloc(w->pool);
        uint32_t here = n - at < part ? n - at : part;

        if (next == NULL)
            die("mbuf");
        memcpy(rte_pktmbuf_append(next, (uint16_t)here), (const uint8_t *)bytes + at, here);
        if (rte_pktmbuf_chain(head, next) != 0)
            die("chain");
    }
    return head;
}

void world_receive(struct world *w, unsigned worker, unsigned port, struct rte_mbuf **mbufs, unsigned n)
{
    pn_worker_round_begin(w->worker[worker], w->tsc);
    pn_worker_burst(w->worker[worker], (uint8_t)port, mbufs, n);
    side_work(w);
}

void world_receive_fb(struct world *w, unsigned worker, unsigned port, const struct pn_fb *fb)
{
    struct rte_mbuf *m = world_mbuf(w, fb->b, fb->n, 0);

    world_receive(w, worker, port, &m, 1);
}

struct rte_mbuf *world_sent(struct world *w, unsigned port)
{
    void *m = NULL;

    return rte_ring_dequeue(w->tx[port], &m) == 0 ? m : NULL;
}

unsigned world_drain(struct world *w)
{
    unsigned n = 0;
    struct rte_mbuf *m;

    for (unsigned i = 0; i < WORLD_PORTS; i++) {
        while ((m = world_sent(w, i)) != NULL) {
            rte_pktmbuf_free(m);
            n++;
        }
    }
    return n;
}

uint64_t world_counter(const struct world *w, enum pn_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < w->shared.n_workers; i++)
        sum += w->stats[i]->counters[counter];
    return sum;
}

int64_t world_held(const struct world *w)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < w->shared.n_workers; i++)
        sum += w->stats[i]->held;
    return sum;
}

bool world_identity(const struct world *w, char text[200])
{
    uint64_t rx = 0, ends[256] = {0}, sum;

    for (unsigned i = 0; i < w->shared.n_workers; i++) {
        for (unsigned p = 0; p < WORLD_PORTS; p++)
            rx += w->stats[i]->ports[p].rx_packets;
    }
    for (unsigned i = 0; i < PN_C_COUNT; i++)
        ends[(uint8_t)pn_counter_info[i].kind] += world_counter(w, (enum pn_counter)i);
    sum = ends['T'] + ends['D'] + ends['P'] + (uint64_t)world_held(w);
    snprintf(text, 200, "rx %lu, T %lu, D %lu, P %lu, held %ld", rx, ends['T'], ends['D'], ends['P'], world_held(w));
    return rx == sum;
}
