/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated dataplanes of node_world.h and the wire between them. */
#include "controlplane/vip/wire.h"
#include "tests/unit/node_world.h"

static void transmit_to(unsigned from, unsigned to, const uint64_t *payload, size_t bytes)
{
    const struct pn_dp_packet *p = (const void *)payload;
    if (to >= w.n || to == from || w.cut[from][to] || w.beats_cut >> p->port & 1 || w.nodes[to].deaf ||
        world_random(NULL) % 100 < w.loss_percent)
        return;
    const uint8_t *ip = (const uint8_t *)(p + 1);
    if (w.sync_cut && ip[0] == 0x45 && ip[9] == PN_IPPROTO_UDP && ip[31] == PN_SEAL_FLOW_SYNC)
        return;
    for (unsigned copies = 1 + (world_random(NULL) % 30 == 0); copies; copies--)
        world_push(&w.nodes[to].wire,
                   (struct world_message){
                       .type = PN_DP_PACKET_RX, .bytes = bytes, .at_ns = w.now + world_random(NULL) % (WORLD_MS / 2)},
                   payload);
}

static void transmit(unsigned from, const uint64_t *payload, size_t bytes)
{
    const struct pn_dp_packet *p = (const void *)payload;
    const uint8_t *ip = (const uint8_t *)(p + 1);
    struct world_node *n = &w.nodes[from];
    bool v4 = ip[0] >> 4 == 4;
    assert_int_equal(bytes, sizeof(*p) + p->bytes);
    if (v4 && ip[16] >> 4 != 0xe) {
        transmit_to(from, ip[19] - 1u, payload, bytes); /* 192.0.2.(node + 1) */
        return;
    }
    assert_true(p->bytes <= sizeof(n->group_tx.ip));
    n->group_tx.src_mac = p->src_mac;
    n->group_tx.port = p->port;
    n->group_tx.vlan = p->vlan;
    n->group_tx.bytes = p->bytes;
    n->group_tx.count++;
    memcpy(n->group_tx.ip, ip, p->bytes);
    for (unsigned to = 0; to < w.n; to++)
        transmit_to(from, to, payload, bytes);
}

static void take_leases(struct world_node *n, const struct pn_dp_lease *l, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (l[i].deadline_boottime_ns == 0) {
            n->lease[l[i].vip] = 0;
            n->forward[l[i].vip] = w.now + l[i].forward_ms * WORLD_MS;
        } else if (l[i].deadline_boottime_ns > n->lease[l[i].vip] || l[i].flags & PN_DP_LEASE_SHORTEN) {
            n->lease[l[i].vip] = l[i].deadline_boottime_ns;
        }
    }
}

static void take_flows(struct world_node *n, const struct pn_dp_flow *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(f[i].service < PN_MAX_SERVICES && f[i].gateway < PN_MAX_GATEWAYS);
        n->flows_in++;
    }
}

static void dp_take(unsigned i, const struct world_message *m)
{
    struct world_node *n = &w.nodes[i];
    unsigned status = PN_DP_STATUS_OK;
    struct pn_dp_listened listened;
    size_t answer_bytes = 0;
    switch (m->type) {
    case PN_DP_LEASE:
        if (n->leases_refused) {
            status = PN_DP_STATUS_REJECTED;
            break;
        }
        take_leases(n, (const void *)m->payload, m->bytes / sizeof(struct pn_dp_lease));
        break;
    case PN_DP_PACKET_TX:
        if (n->port_down >> ((const struct pn_dp_packet *)m->payload)->port & 1 ||
            (((const struct pn_dp_packet *)m->payload)->boottime_ns &&
             ((const struct pn_dp_packet *)m->payload)->boottime_ns < w.now)) {
            status = PN_DP_STATUS_REJECTED;
            n->rejected_tx++;
        } else {
            transmit(i, m->payload, m->bytes);
        }
        break;
    case PN_DP_PROBE:
        if (n->port_down >> w.confs[i].vips[((const struct pn_dp_vip_ref *)m->payload)->vip].port & 1) {
            status = PN_DP_STATUS_REJECTED;
            break;
        }
        n->probe_ns[((const struct pn_dp_vip_ref *)m->payload)->vip] = w.now + WORLD_MS / 2;
        break;
    case PN_DP_LISTEN:
        listened =
            (struct pn_dp_listened){.frames = n->frames, .port = ((const struct pn_dp_listen *)m->payload)->port};
        answer_bytes = sizeof(listened);
        n->listens++;
        if (((const struct pn_dp_listen *)m->payload)->ask) {
            listened.hosts = n->hosts_known;
            n->frames += n->deaf ? 0 : n->hosts_alive;
        }
        break;
    case PN_DP_CONTROL:
        if (n->control_busy) {
            n->control_busy--;
            status = n->control_refused ? PN_DP_STATUS_REJECTED : PN_DP_STATUS_BUSY;
            break;
        }
        n->control = *(const struct pn_dp_control *)m->payload;
        n->reads = true;
        break;
    case PN_DP_ANNOUNCE:
        n->announced[((const struct pn_dp_vip_ref *)m->payload)->vip]++;
        break;
    case PN_DP_FLOWS_IN:
        if (n->flows_busy)
            status = PN_DP_STATUS_BUSY;
        else
            take_flows(n, (const void *)m->payload, m->bytes / sizeof(struct pn_dp_flow));
        break;
    case PN_DP_FLOWS_RESYNC:
        n->resyncs++;
        n->walk = 1;
        break;
    default:
        break;
    }
    world_push(
        &n->from_dp,
        (struct world_message){.type = m->type, .tag = m->tag, .status = status, .answer = true, .bytes = answer_bytes},
        &listened);
}

static void dp_probe(unsigned i, unsigned vip)
{
    struct world_node *n = &w.nodes[i];
    struct pn_dp_probe_seen seen = {.vip = (uint16_t)vip};
    n->probe_ns[vip] = 0;
    for (unsigned o = 0; o < w.n; o++) {
        if (o == i || w.nodes[o].deaf || w.cut[i][o] || w.cut[o][i] || !w.nodes[o].dp_there || !w.nodes[o].dp_running)
            continue;
        if (world_responds(&w.nodes[o], vip) && !n->deaf) {
            seen.kind = PN_PROBE_ANSWER;
            seen.mac.b[5] = (uint8_t)(o + 1);
            world_unasked(n, PN_DP_PROBE_SEEN, &seen, sizeof(seen));
        } else if (!world_responds(&w.nodes[o], vip)) {
            seen.kind = PN_PROBE_RIVAL;
            seen.mac.b[5] = (uint8_t)(i + 1);
            world_unasked(&w.nodes[o], PN_DP_PROBE_SEEN, &seen, sizeof(seen));
        }
    }
}

void world_dp_run(unsigned i)
{
    struct world_node *n = &w.nodes[i];
    struct world_message m = {0};
    for (unsigned k = w.now < n->wire_ns ? 0 : n->wire.count; k; k--) {
        world_pop(&n->wire, &m);
        if (m.at_ns > w.now) {
            world_push(&n->wire, m, m.payload);
        } else {
            ((struct pn_dp_packet *)m.payload)->boottime_ns = w.now;
            n->frames++;
            world_unasked(n, PN_DP_PACKET_RX, m.payload, m.bytes);
        }
        free(m.payload);
    }
    while (world_pop(&n->to_dp, &m)) {
        dp_take(i, &m);
        free(m.payload);
    }
    for (unsigned v = 0; v < w.n_vips; v++)
        if (n->probe_ns[v] && n->probe_ns[v] <= w.now)
            dp_probe(i, v);
    if (n->walk && w.now >= n->walk_ns) {
        n->walk_ns = w.now + n->walk_every_ns;
        unsigned at = n->walk - 1, count = n->n_flows - at < 10 ? n->n_flows - at : 10;
        if (count || !n->walk_end_lost)
            world_unasked(n, PN_DP_FLOWS_OUT, &n->flows[at], count * sizeof(n->flows[0]));
        n->walk = count ? n->walk + count : 0;
    }
}
