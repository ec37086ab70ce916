/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/peers.h"

const char *const pn_hb_verdict_name[PN_HB_VERDICT_COUNT] = {
    "accepted", "late", "handshake", "unknown-sender", "malformed", "replayed", "seal",
};

static void challenge_renew(struct pn_peers *p)
{
    uint64_t c;
    do
        c = p->random64(p->random_arg);
    while (c == 0); /* 0 says "none" on the wire */
    p->challenges[++p->challenge_number % PN_PEER_CHALLENGES] = c;
    p->challenge_due = false;
}

void pn_peers_init(struct pn_peers *p, uint8_t self, uint64_t (*random64)(void *arg), void *arg)
{
    memset(p, 0, sizeof(*p));
    p->self = self;
    p->random64 = random64;
    p->random_arg = arg;
    challenge_renew(p);
}

void pn_peers_configure(struct pn_peers *p, uint32_t node_bits)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        bool wanted = node_bits >> i & 1 && i != p->self;
        if (wanted != p->peers[i].configured) {
            memset(&p->peers[i], 0, sizeof(p->peers[i]));
            p->peers[i].configured = wanted;
        }
    }
}

static uint64_t echo_for(const struct pn_heartbeat *hb, uint8_t node)
{
    for (unsigned i = 0; i < hb->n_peers; i++)
        if (hb->peers[i].node == node)
            return hb->peers[i].echo;
    return 0;
}

/* Whether echo is a challenge of ours with this number or a later one. */
static bool echo_fits(const struct pn_peers *p, uint64_t echo, uint64_t asked)
{
    for (uint64_t n = p->challenge_number; n >= asked && n + PN_PEER_CHALLENGES > p->challenge_number; n--)
        if (p->challenges[n % PN_PEER_CHALLENGES] == echo)
            return echo != 0;
    return false;
}

static struct pn_peer_candidate *candidate_get(struct pn_peers *p, struct pn_peer *peer, uint64_t boot_id)
{
    struct pn_peer_candidate *slot = &peer->candidates[0];
    for (unsigned i = 0; i < PN_PEER_CANDIDATES; i++) {
        struct pn_peer_candidate *c = &peer->candidates[i];
        if (c->used && c->boot_id == boot_id)
            return c;
        if (c->used < slot->used)
            slot = c;
    }
    *slot = (struct pn_peer_candidate){.boot_id = boot_id, .asked = p->challenge_number + 1};
    p->challenge_due = true;
    return slot;
}

/* A boot not known yet: found proved, or asked for proof. */
static bool boot_proved(struct pn_peers *p, struct pn_peer *peer, const struct pn_seal_header *h,
                        const struct pn_heartbeat *hb)
{
    struct pn_peer_candidate *c = candidate_get(p, peer, h->boot_id);
    if (h->counter <= c->counter)
        return false;
    c->counter = h->counter;
    c->challenge = hb->challenge;
    c->used = ++p->clock;
    if (!echo_fits(p, echo_for(hb, p->self), c->asked))
        return false;
    peer->known = true;
    peer->boot_id = h->boot_id;
    peer->counter = 0;
    memset(&peer->replay, 0, sizeof(peer->replay));
    memset(peer->candidates, 0, sizeof(peer->candidates));
    return true;
}

static enum pn_hb_verdict judge(struct pn_peers *p, const struct pn_seal_header *h, const uint8_t *plain, size_t n,
                                uint64_t now_ns, struct pn_peer **from)
{
    if (h->sender >= PN_MAX_NODES || !p->peers[h->sender].configured)
        return PN_HB_UNKNOWN_SENDER;
    struct pn_peer *peer = &p->peers[h->sender];
    struct pn_heartbeat hb;
    const char *field;
    *from = peer;
    if (pn_heartbeat_decode(plain, n, &hb, &field) != 0 || hb.node != h->sender)
        return PN_HB_MALFORMED;
    if ((!peer->known || peer->boot_id != h->boot_id) && !boot_proved(p, peer, h, &hb))
        return PN_HB_HANDSHAKE;
    if (pn_replay_accept(&peer->replay, h->counter) != PN_SEAL_OK)
        return PN_HB_REPLAYED;
    if (h->counter < peer->counter)
        return PN_HB_LATE;
    peer->counter = h->counter;
    peer->challenge = hb.challenge;
    peer->heard_ns = now_ns;
    peer->last = hb;
    return PN_HB_ACCEPTED;
}

enum pn_hb_verdict pn_peers_receive(struct pn_peers *p, struct pn_opener *opener, const uint8_t *datagram, size_t bytes,
                                    uint64_t now_ns, struct pn_peer **from)
{
    struct pn_seal_header h;
    uint8_t plain[PN_SEAL_MAX_BYTES];
    size_t n;
    *from = NULL;
    enum pn_seal_verdict seal = pn_unseal(opener, datagram, bytes, &h, plain, &n);
    p->seal_counts[seal]++;
    enum pn_hb_verdict verdict = seal == PN_SEAL_OK ? judge(p, &h, plain, n, now_ns, from) : PN_HB_SEAL;
    p->counts[verdict]++;
    return verdict;
}

/* The proved boot and the candidates in turn: whoever is real sees its challenge echoed within a few heartbeats. */
static uint64_t next_echo(struct pn_peer *peer)
{
    for (unsigned tries = 0; tries <= PN_PEER_CANDIDATES; tries++) {
        unsigned turn = peer->echo_turn++ % (PN_PEER_CANDIDATES + 1);
        if (turn == PN_PEER_CANDIDATES && peer->known)
            return peer->challenge;
        if (turn < PN_PEER_CANDIDATES && peer->candidates[turn].used)
            return peer->candidates[turn].challenge;
    }
    return 0;
}

void pn_peers_fill(struct pn_peers *p, uint64_t now_ns, uint64_t takeover_ns, struct pn_heartbeat *out)
{
    if (p->challenge_due)
        challenge_renew(p);
    out->node = p->self;
    out->challenge = p->challenges[p->challenge_number % PN_PEER_CHALLENGES];
    out->n_peers = 0;
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        struct pn_peer *peer = &p->peers[i];
        if (!peer->configured)
            continue;
        bool heard = peer->known && peer->heard_ns && now_ns - peer->heard_ns <= takeover_ns;
        out->peers[out->n_peers++] = (struct pn_hb_peer){
            .node = (uint8_t)i,
            .flags = heard ? PN_HB_PEER_HEARD : 0,
            .echo = next_echo(peer),
            .counter = peer->counter,
        };
    }
}
