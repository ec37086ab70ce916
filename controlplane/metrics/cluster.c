/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster: its links, clocks, keys and certificate. Names of peers are members' names, nothing of strangers. */
#include <stdlib.h>
#include <time.h>

#include "controlplane/actors/roster.h"
#include "controlplane/metrics/families.h"

#define END (const char *)NULL

struct look {
    struct pn_cluster_copy copy;
    const struct pn_view *v;
};

static double up(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return p->up;
}
static double rtt(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return p->rtt_us / 1e6;
}
static double skew(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return (double)p->skew_us / 1e6;
}
static double queued(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return (double)p->queued_bytes;
}
static double heard(const struct look *l, const struct pn_transport_peer *p)
{
    uint64_t now = l->v->now_ms();
    return now > p->heard_ms ? (double)(now - p->heard_ms) / 1e3 : 0;
}
static double members_equal(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return p->members_equal;
}
static double keys_equal(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return p->keyring_equal;
}
static double connects(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return p->connects;
}
static double sent(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return (double)p->sent_bytes;
}
static double received(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return (double)p->received_bytes;
}
static double refused_sends(const struct look *l, const struct pn_transport_peer *p)
{
    (void)l;
    return (double)p->refused_sends;
}

static bool always(const struct pn_transport_peer *p)
{
    (void)p;
    return true;
}
static bool is_up(const struct pn_transport_peer *p)
{
    return p->up;
}
static bool has_rtt(const struct pn_transport_peer *p)
{
    return p->up && p->rtt_us;
}
static bool has_skew(const struct pn_transport_peer *p)
{
    return p->up && p->skew_known;
}
static bool has_digests(const struct pn_transport_peer *p)
{
    return p->up && p->digests_known;
}

static const struct {
    const char *name, *type, *help;
    bool (*there)(const struct pn_transport_peer *p);
    double (*value)(const struct look *l, const struct pn_transport_peer *p);
} peer_families[] = {
    {"postern_cluster_peer_up", "gauge", "1: the link to this member is up.", always, up},
    {"postern_cluster_peer_rtt_seconds", "gauge", "Round-trip time of the last ping.", has_rtt, rtt},
    {"postern_cluster_peer_clock_skew_seconds", "gauge", "Its clock minus this node's.", has_skew, skew},
    {"postern_cluster_peer_heard_seconds", "gauge", "Time since its last message.", is_up, heard},
    {"postern_cluster_peer_queued_bytes", "gauge", "Bytes that wait to be sent to it.", is_up, queued},
    {"postern_cluster_peer_members_equal", "gauge", "1: it has the same list of members.", has_digests, members_equal},
    {"postern_cluster_peer_keys_equal", "gauge", "1: it has the same keys.", has_digests, keys_equal},
    {"postern_cluster_peer_connects_total", "counter", "Links to it that came up.", always, connects},
    {"postern_cluster_peer_sent_bytes_total", "counter", "Bytes given to the present link.", is_up, sent},
    {"postern_cluster_peer_received_bytes_total", "counter", "Bytes received on the present link.", is_up, received},
    {"postern_cluster_peer_refused_sends_total", "counter", "Messages not queued because the queue was full.", is_up,
     refused_sends},
};

static void peers(struct pn_expo *e, const struct look *l)
{
    const struct pn_cluster_status *s = &l->copy.status;

    for (unsigned f = 0; f < sizeof(peer_families) / sizeof(peer_families[0]); f++) {
        pn_expo_family(e, peer_families[f].name, peer_families[f].type, peer_families[f].help);
        for (unsigned i = 0; i < s->n_peers; i++)
            if (peer_families[f].there(&s->peers[i]))
                pn_expo_double(e, peer_families[f].value(l, &s->peers[i]), "peer", s->peers[i].name, END);
    }
}

static void connections(struct pn_expo *e, const struct pn_mesh_counters *c)
{
    pn_expo_family(e, "postern_cluster_connections_total", "counter", "Connections that came in on the mesh's port.");
    pn_expo_u64(e, c->accepted, END);
    pn_expo_family(e, "postern_cluster_refused_total", "counter", "Connections that were turned away, by reason.");
    pn_expo_u64(e, c->refused_full, "reason", "full", END);
    pn_expo_u64(e, c->refused_source, "reason", "source", END);
    pn_expo_u64(e, c->handshakes_failed, "reason", "handshake", END);
    pn_expo_u64(e, c->not_members, "reason", "not-a-member", END);
}

void pn_metrics_cluster(struct pn_expo *e, const struct pn_view *v)
{
    struct look *l = v->cluster ? malloc(sizeof(*l)) : NULL;
    const struct pn_cluster_status *s;
    const struct pn_key_sources *k = v->keys;

    if (!l)
        return;
    l->v = v;
    pn_cluster_actor_copy(v->cluster, &l->copy);
    s = &l->copy.status;
    pn_expo_family(e, "postern_cluster_member", "gauge", "1: this node is a member of a cluster.");
    pn_expo_u64(e, s->state == PN_CLUSTER_ACTIVE, "cluster", s->cluster_name, END);
    pn_expo_family(e, "postern_heartbeat_keys", "gauge", "1: where the keys come from that heartbeats are sent with.");
    pn_expo_u64(e, k && k->cluster_sends, "source", "cluster", END);
    pn_expo_u64(e, k && !k->cluster_sends && k->file, "source", "file", END);
    if (s->state == PN_CLUSTER_ACTIVE) {
        pn_expo_family(e, "postern_cluster_members", "gauge", "Members of the cluster, this node too.");
        pn_expo_u64(e, s->active, END);
        pn_expo_family(e, "postern_cluster_complete", "gauge", "1: every node of the configuration is a member.");
        pn_expo_u64(e, v->node >= 0 && pn_roster_complete(v->conf, (unsigned)v->node, &l->copy), END);
        pn_expo_family(e, "postern_cluster_listening", "gauge", "1: other members can connect to this node.");
        pn_expo_u64(e, s->port != 0, END);
        pn_expo_family(e, "postern_cluster_certificate_expiry_seconds", "gauge",
                       "Time left of this node's certificate.");
        pn_expo_double(e, (double)(s->cert_until_s - (int64_t)time(NULL)), END);
        pn_expo_family(e, "postern_cluster_keys_epoch", "gauge", "Number of the keys of heartbeats and flow sync.");
        pn_expo_u64(e, s->keys_epoch, END);
        pn_expo_family(e, "postern_cluster_keys_rotating", "gauge", "1: a change of the keys is under way.");
        pn_expo_u64(e, s->keys_phase != PN_KEYRING_STABLE, END);
        pn_expo_family(e, "postern_cluster_tokens", "gauge", "Tokens given out here that wait to be used.");
        pn_expo_u64(e, s->invites, END);
        peers(e, l);
        connections(e, &s->counters);
    }
    free(l);
}
