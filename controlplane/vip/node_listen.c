/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that hear nothing: what deaf.h says becomes messages to the dataplane, and VIPs that are given up. */
#include "controlplane/vip/protocol.h"
#include "controlplane/vip/transition.h"

#define MS UINT64_C(1000000)

/*
 * No heartbeat came over any path of this port for takeover. A port without a path and without VRRP: never. An active router
 * hears nothing of the others (RFC 9568, 6.4.3), so VRRP itself says neither this nor that.
 */
static bool silent(const struct pn_node *n, unsigned port, uint64_t now_ns)
{
    bool watched = false, heard = false;
    for (unsigned v = 0; v < n->conf.n_vips; v++)
        watched |= n->conf.vips[v].port == port && n->conf.vips[v].protocol == PN_VIP_VRRP;
    for (unsigned i = 0; i < n->conf.n_paths && n->conf.n_nodes > 1; i++) {
        if (n->conf.paths[i].port != port)
            continue;
        watched = true;
        for (unsigned k = 0; k < PN_MAX_NODES; k++) {
            uint64_t heard_ns = n->watch[k].paths[i].heard_ns;
            heard |= k != n->conf.self && heard_ns && now_ns - heard_ns <= n->conf.times.takeover;
        }
    }
    return watched && !heard;
}

static void tell(struct pn_node *n, unsigned port, uint64_t silent_ns)
{
    for (unsigned v = 0; v < n->conf.n_vips; v++) {
        if (n->conf.vips[v].port != port)
            continue;
        if (n->deaf[port].deaf)
            pn_node_say(n, PN_LOG_WARNING, "vip", n->conf.vips[v].name,
                        "alarm: its port has received nothing for %llu ms, though hosts were asked: not owned here",
                        (unsigned long long)(silent_ns / MS));
        else
            pn_node_say(n, PN_LOG_NOTICE, "vip", n->conf.vips[v].name, "its port receives again");
    }
}

static void obey(struct pn_node *n, unsigned port, uint64_t now_ns)
{
    for (unsigned v = 0; v < n->conf.n_vips; v++)
        if (n->conf.vips[v].port == port)
            pn_election_cut(&n->election, n->conf.vips[v].want.id, PN_EL_CUT_DEAF, n->deaf[port].deaf, now_ns);
}

void pn_node_listen(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    for (unsigned port = 0; port < PN_MAX_PORTS; port++) {
        struct pn_deaf *d = &n->deaf[port];
        struct pn_dp_listen listen = {.port = (uint16_t)port};
        bool was = d->deaf, ask = false;
        if (pn_deaf_step(d, silent(n, port, now_ns), n->conf.times.takeover, now_ns, &ask)) {
            listen.ask = ask;
            n->io.send(n->io.arg, PN_DP_LISTEN, &listen, sizeof(listen), PN_TAG_LISTEN | PN_TAG_OF_PATH(port));
        }
        if (was != d->deaf)
            tell(n, port, 0);
        obey(n, port, now_ns);
        if (d->watching && !d->waiting && d->due_ns < *wake_ns)
            *wake_ns = d->due_ns;
    }
}

void pn_node_listened(struct pn_node *n, unsigned port, unsigned status, const void *payload, size_t bytes,
                      uint64_t now_ns)
{
    const struct pn_dp_listened *found = payload;
    if (port >= PN_MAX_PORTS)
        return;
    struct pn_deaf *d = &n->deaf[port];
    uint64_t silent_ns = now_ns - d->frame_ns;
    bool was = d->deaf;
    if (status == PN_DP_STATUS_OK && bytes == sizeof(*found))
        pn_deaf_answer(d, found->frames, found->hosts, n->conf.times.takeover, now_ns);
    else
        pn_deaf_unanswered(d, now_ns);
    if (was != d->deaf)
        tell(n, port, silent_ns);
}
