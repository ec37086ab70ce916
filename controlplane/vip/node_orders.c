/* SPDX-License-Identifier: BSD-3-Clause */
/* What people order of a node: one VIP, or all of it. */
#include "common/error.h"
#include "controlplane/vip/protocol.h"

#define MS UINT64_C(1000000)

static const struct pn_node_vip *find(const struct pn_node *n, const char *vip, struct pn_error *err)
{
    for (unsigned i = 0; i < n->conf.n_vips; i++)
        if (strcmp(n->conf.vips[i].name, vip) == 0)
            return &n->conf.vips[i];
    pn_error_set(err, "no VIP \"%s\" on this node", vip);
    return NULL;
}

int pn_node_move(struct pn_node *n, const char *vip, const char *to, uint64_t now_ns, struct pn_error *err)
{
    const struct pn_node_vip *v = find(n, vip, err);
    const struct pn_vip_protocol *p = v ? pn_vip_protocols[v->protocol] : NULL;
    if (!v)
        return -1;
    if (!p || !p->move)
        return pn_error_set(err, "VIP \"%s\": its protocol moves it only by standby or priority", vip);
    return p->move(n, v, to, now_ns, err);
}

int pn_node_force(struct pn_node *n, const char *vip, uint64_t now_ns, struct pn_error *err)
{
    const struct pn_node_vip *v = find(n, vip, err);
    if (!v)
        return -1;
    if (v->protocol != PN_VIP_SEALED)
        return pn_error_set(err, "VIP \"%s\": there are no votes in its protocol", vip);
    if (pn_election_force(&n->election, vip, now_ns, err) < 0)
        return -1;
    pn_node_say(n, PN_LOG_WARNING, "order", vip, "forced: owned without votes until a majority is heard again");
    return 0;
}

int pn_node_hold(struct pn_node *n, uint32_t ms, uint64_t now_ns, struct pn_error *err)
{
    if (ms > PN_HOLD_MAX_MS)
        return pn_error_set(err, "a hold lasts at most %u s", PN_HOLD_MAX_MS / 1000);
    pn_election_hold(&n->election, ms);
    n->hold_until_ns = ms ? now_ns + (ms + 1000) * MS : 0;
    n->hold_told = false;
    n->beat.again = true;
    return 0;
}

bool pn_node_aside(const struct pn_node *n)
{
    return n->show.standby || n->going;
}

void pn_node_standby(struct pn_node *n, bool standby, uint64_t now_ns)
{
    n->show.standby = standby;
    PN_EACH_VIP_PROTOCOL(p)
        p->standby(n, pn_node_aside(n), now_ns);
}

void pn_node_dataplane_leaves(struct pn_node *n, uint64_t now_ns)
{
    /* If no peer can take any, all are answered for until the end. */
    bool taken = pn_election_takeable(&n->election, now_ns);
    if (n->going)
        return;
    pn_node_say(n, PN_LOG_NOTICE, "dataplane", "", "is stopping: what another node can take is handed over");
    PN_EACH_VIP_PROTOCOL(p) {
        if (!taken && !(p->leaves_always && p->owns(n)))
            continue;
        n->going = true;
        p->standby(n, true, now_ns);
    }
}

static bool owns_any(const struct pn_node *n)
{
    bool any = false;
    PN_EACH_VIP_PROTOCOL(p)
        any |= p->owns(n);
    return any;
}

void pn_node_leave(struct pn_node *n, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    struct pn_error err;
    n->leaving = true;
    if (!n->configured || !n->linked)
        return;
    PN_EACH_VIP_PROTOCOL(p)
        if (p->leaves_always)
            p->standby(n, true, now_ns);
    if (n->conf.n_nodes <= 1 || n->election.hold_granted || !owns_any(n))
        return;
    bool left = pn_election_leave(&n->election, now_ns, &out);
    pn_node_obey(n, &out, false, now_ns);
    if (left) {
        PN_EACH_VIP_PROTOCOL(p)
            p->standby(n, true, now_ns);
    } else {
        /* What nobody could take: the leases last until we are back. A peer that comes asks the wire before it claims. */
        pn_node_hold(n, PN_NODE_LEAVE_HOLD_MS, now_ns, &err);
    }
}

bool pn_node_left(const struct pn_node *n, uint64_t now_ns)
{
    if (!n->configured || !n->linked)
        return true;
    PN_EACH_VIP_PROTOCOL(p)
        if (p->leaves_always && p->owns(n))
            return false;
    if (n->conf.n_nodes <= 1)
        return true;
    if (n->beat.unanswered || n->beat.again)
        return false;
    for (unsigned i = 0; i < n->election.n; i++)
        if (n->election.vips[i].release_left)
            return false;
    return pn_election_held(&n->election, now_ns) || !owns_any(n);
}
