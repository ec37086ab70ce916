/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/control_guard.h"

#include "common/seal.h"
#include "dataplane/core/parse.h"

#define UDP_BYTES 8u

/* A token bucket, kept as the time at which it is full again. */
static enum pn_guard_verdict limited(uint64_t *full_tsc, uint32_t rate, uint32_t burst, uint64_t now_tsc,
                                     uint64_t tsc_hz)
{
    uint64_t step = tsc_hz / rate, full = *full_tsc > now_tsc ? *full_tsc : now_tsc;

    if (full - now_tsc > (burst - 1) * step)
        return PN_GUARD_LIMITED;
    *full_tsc = full + step;
    return PN_GUARD_TAKE;
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* The sealed datagram if this looks like one (common/seal.h). */
static const uint8_t *sealed(const uint8_t *frame, const struct pn_pkt *p, uint32_t *bytes)
{
    uint32_t end = p->l3_off + pn_pkt_ip_bytes(frame, p), begin = p->l4_off + UDP_BYTES;
    const uint8_t *d = frame + begin;

    if (end < begin + PN_SEAL_OVERHEAD || end > begin + PN_SEAL_MAX_BYTES)
        return NULL;
    *bytes = end - begin;
    bool ours = d[0] == 'P' && d[1] == 'N' && d[2] == 1 && (d[3] == PN_SEAL_HEARTBEAT || d[3] == PN_SEAL_FLOW_SYNC) &&
                d[6] == 0 && d[7] == 0;
    return ours ? d : NULL;
}

/* By the last half of the tag: two datagrams that share it are one, or one of them is forged. */
static bool repeated(struct pn_control_guard *g, const uint8_t *datagram, uint32_t bytes)
{
    uint64_t tag = load64(datagram + bytes - 8), *slot = &g->seen[tag & (PN_GUARD_SEEN - 1)];

    if (*slot == tag)
        return true;
    *slot = tag;
    return false;
}

enum pn_guard_verdict pn_control_guard(struct pn_control_guard *g, const struct pn_dp_control *control,
                                       const uint8_t *frame, const struct pn_pkt *p, uint64_t now_tsc, uint64_t tsc_hz)
{
    uint32_t bytes;

    if (p->ip_proto != PN_IP_UDP)
        return limited(&g->vrrp_tsc, PN_GUARD_VRRP_RATE, PN_GUARD_BURST, now_tsc, tsc_hz);
    if (control->n_peers == 0)
        return PN_GUARD_TAKE; /* nobody has said who they are */
    struct pn_addr src = pn_pkt_src(frame, p);
    const uint8_t *datagram = sealed(frame, p, &bytes);
    for (uint32_t i = 0; i < control->n_peers && i < PN_DP_CONTROL_PEERS; i++) {
        const struct pn_dp_control_peer *peer = &control->peers[i];
        if (!pn_addr_equal(&peer->addr, &src))
            continue;
        if (!datagram || datagram[5] != peer->sender || peer->boot_id == 0 ||
            be64toh(load64(datagram + 8)) != peer->boot_id)
            return limited(&g->claimed_tsc[i], PN_GUARD_CLAIMED_RATE, PN_GUARD_BURST, now_tsc, tsc_hz);
        if (repeated(g, datagram, bytes))
            return PN_GUARD_REPEATED;
        return limited(&g->peer_tsc[i], PN_GUARD_PEER_RATE, PN_GUARD_PEER_BURST, now_tsc, tsc_hz);
    }
    return limited(&g->stranger_tsc, PN_GUARD_STRANGER_RATE, PN_GUARD_BURST, now_tsc, tsc_hz);
}
