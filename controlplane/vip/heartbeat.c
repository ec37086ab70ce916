/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/heartbeat.h"

#define STATES 4u /* INIT, BACKUP, PROBE, OWNER: enum pn_election_state stands above this file */

/* One place for the order of the bytes: the same walk writes and reads. */
struct writer {
    uint8_t *p;
};
struct reader {
    const uint8_t *p;
};

static void put(struct writer *w, uint64_t v, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        w->p[i] = (uint8_t)v;
    w->p += bytes;
}

static uint64_t get(struct reader *r, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | r->p[i];
    r->p += bytes;
    return v;
}

static size_t body_bytes(unsigned n_peers, unsigned n_vips)
{
    return PN_HEARTBEAT_HEAD_BYTES + n_peers * PN_HEARTBEAT_PEER_BYTES + n_vips * PN_HEARTBEAT_VIP_BYTES;
}

size_t pn_heartbeat_encode(const struct pn_heartbeat *hb, uint8_t *out, size_t cap)
{
    if (hb->n_peers > PN_MAX_NODES - 1 || hb->n_vips > PN_HEARTBEAT_MAX_VIPS)
        return 0;
    size_t total = body_bytes(hb->n_peers, hb->n_vips);
    if (total > cap)
        return 0;
    struct writer w = {out};
    put(&w, PN_HEARTBEAT_VERSION, 1);
    put(&w, hb->node, 1);
    put(&w, hb->flags, 1);
    put(&w, hb->n_peers, 1);
    put(&w, hb->n_vips, 1);
    put(&w, 0, 3);
    put(&w, hb->generation, 8);
    put(&w, hb->challenge, 8);
    put(&w, hb->hold_ms, 4);
    put(&w, hb->interval_us, 4);
    for (unsigned i = 0; i < hb->n_peers; i++) {
        const struct pn_hb_peer *p = &hb->peers[i];
        put(&w, p->node, 1);
        put(&w, p->flags, 1);
        put(&w, 0, 6);
        put(&w, p->echo, 8);
        put(&w, p->counter, 8);
    }
    for (unsigned i = 0; i < hb->n_vips; i++) {
        const struct pn_hb_vip *v = &hb->vips[i];
        put(&w, v->name_hash, 4);
        put(&w, v->state, 1);
        put(&w, v->flags, 1);
        put(&w, v->successor, 1);
        put(&w, v->vote, 1);
        put(&w, v->priority, 2);
        put(&w, v->load, 2);
        put(&w, v->lease_ms, 4);
        put(&w, v->vote_counter, 8);
    }
    return total;
}

static bool node_valid(uint8_t node)
{
    return node < PN_MAX_NODES;
}

static const char *decode_peers(struct reader *r, struct pn_heartbeat *hb)
{
    uint32_t seen = 1u << hb->node;
    for (unsigned i = 0; i < hb->n_peers; i++) {
        struct pn_hb_peer *p = &hb->peers[i];
        p->node = (uint8_t)get(r, 1);
        p->flags = (uint8_t)get(r, 1);
        if (get(r, 6) != 0)
            return "peer.reserved";
        p->echo = get(r, 8);
        p->counter = get(r, 8);
        if (!node_valid(p->node) || seen & 1u << p->node)
            return "peer.node";
        seen |= 1u << p->node;
    }
    return NULL;
}

static const char *decode_vips(struct reader *r, struct pn_heartbeat *hb)
{
    for (unsigned i = 0; i < hb->n_vips; i++) {
        struct pn_hb_vip *v = &hb->vips[i];
        v->name_hash = (uint32_t)get(r, 4);
        v->state = (uint8_t)get(r, 1);
        v->flags = (uint8_t)get(r, 1);
        v->successor = (uint8_t)get(r, 1);
        v->vote = (uint8_t)get(r, 1);
        v->priority = (uint16_t)get(r, 2);
        v->load = (uint16_t)get(r, 2);
        v->lease_ms = (uint32_t)get(r, 4);
        v->vote_counter = get(r, 8);
        if (v->state >= STATES)
            return "vip.state";
        if (v->successor != PN_HB_NO_NODE && !node_valid(v->successor))
            return "vip.successor";
        if (v->vote != PN_HB_NO_NODE && !node_valid(v->vote))
            return "vip.vote";
        for (unsigned j = 0; j < i; j++)
            if (hb->vips[j].name_hash == v->name_hash)
                return "vip.name";
    }
    return NULL;
}

int pn_heartbeat_decode(const uint8_t *bytes, size_t n, struct pn_heartbeat *hb, const char **field)
{
    struct reader r = {bytes};
    *field = "length";
    if (n < PN_HEARTBEAT_HEAD_BYTES)
        return -1;
    *field = "version";
    if (get(&r, 1) != PN_HEARTBEAT_VERSION)
        return -1;
    hb->node = (uint8_t)get(&r, 1);
    hb->flags = (uint8_t)get(&r, 1);
    hb->n_peers = (uint8_t)get(&r, 1);
    hb->n_vips = (uint8_t)get(&r, 1);
    *field = "reserved";
    if (get(&r, 3) != 0)
        return -1;
    *field = "node";
    if (!node_valid(hb->node))
        return -1;
    *field = "counts";
    if (hb->n_peers > PN_MAX_NODES - 1 || hb->n_vips > PN_HEARTBEAT_MAX_VIPS)
        return -1;
    *field = "length";
    if (n != body_bytes(hb->n_peers, hb->n_vips))
        return -1;
    hb->generation = get(&r, 8);
    hb->challenge = get(&r, 8);
    hb->hold_ms = (uint32_t)get(&r, 4);
    hb->interval_us = (uint32_t)get(&r, 4);
    *field = "interval";
    if (hb->interval_us == 0)
        return -1;
    *field = decode_peers(&r, hb);
    if (!*field)
        *field = decode_vips(&r, hb);
    return *field ? -1 : 0;
}

uint32_t pn_heartbeat_name_hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}
