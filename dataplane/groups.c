/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/groups.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/log.h"
#include "dataplane/builder.h"
#include "dataplane/core/control.h"
#include "dataplane/core/membership.h"
#include "dataplane/core/ndp.h"
#include "dataplane/runtime.h"

_Static_assert(PN_GROUPS_MAX >= 2 * PN_MAX_VIPS + PN_DP_CONTROL_NETWORKS * PN_DP_CONTROL_ADDRS,
               "solicited-node and VRRP's of each VIP, those of heartbeats on each network");

#define REPORTS_SOON 2u /* robustness: the first is said twice */
#define SOON_MS 1000u

void pn_groups_start(struct pn_dataplane *dp)
{
    /* Never bound: no packet is queued there. */
    dp->groups.fd_v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    dp->groups.fd_v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void pn_groups_stop(struct pn_dataplane *dp)
{
    struct pn_groups *g = &dp->groups;

    /* The kernel leaves with its socket, and says so. */
    if (g->fd_v4 > 0)
        close(g->fd_v4);
    if (g->fd_v6 > 0)
        close(g->fd_v6);
    g->fd_v4 = g->fd_v6 = -1;
    g->n = 0;
}

static int kernel_member(const struct pn_groups *g, const struct pn_group *group, bool join)
{
    bool v4 = pn_addr_is_v4(&group->addr);
    struct group_req req = {.gr_interface = (uint32_t)group->ifindex};

    if (v4) {
        struct sockaddr_in *sin = (void *)&req.gr_group;
        sin->sin_family = AF_INET;
        memcpy(&sin->sin_addr, group->addr.b + 12, 4);
    } else {
        struct sockaddr_in6 *sin6 = (void *)&req.gr_group;
        sin6->sin6_family = AF_INET6;
        memcpy(&sin6->sin6_addr, group->addr.b, 16);
    }
    return setsockopt(v4 ? g->fd_v4 : g->fd_v6, v4 ? IPPROTO_IP : IPPROTO_IPV6,
                      join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &req, sizeof(req));
}

/* Asked on the kernel's thread: the answer can wait for its RTNL lock. */
struct ask {
    struct pn_build_job job; /* first */
    struct pn_dataplane *dp;
    struct pn_group group; /* which */
    bool join;
    int error; /* 0: done */
};

static struct pn_group *find(struct pn_groups *g, const struct pn_addr *addr, uint16_t port, uint16_t vlan, int ifindex)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct pn_group *group = &g->group[i];
        if (group->port == port && group->vlan == vlan && group->ifindex == ifindex &&
            pn_addr_equal(&group->addr, addr))
            return group;
    }
    return NULL;
}

static void ask_run(struct pn_build_job *job)
{
    struct ask *a = (struct ask *)job;
    bool answer = a->job.done != NULL;
    a->error = kernel_member(&a->dp->groups, &a->group, a->join) == 0 || errno == EADDRINUSE ? 0 : errno;
    if (!answer)
        free(a);
}

static int ask(struct pn_dataplane *dp, const struct pn_group *group, bool join, void (*done)(struct pn_build_job *job))
{
    struct ask *a = calloc(1, sizeof(*a));
    if (!a)
        return -1;
    *a = (struct ask){.job = {.run = ask_run, .done = done}, .dp = dp, .group = *group, .join = join};
    pn_builder_put(dp->kernel, &a->job);
    return 0;
}

static void join_done(struct pn_build_job *job)
{
    struct ask *a = (struct ask *)job;
    struct pn_group *group = find(&a->dp->groups, &a->group.addr, a->group.port, a->group.vlan, a->group.ifindex);
    char text[PN_ADDR_TEXT_BYTES];

    if (group && !job->dropped) {
        group->asking = false;
        group->joined = a->error == 0;
        if (a->error && !group->failed)
            pn_log_warning("port %s: the kernel does not join %s, which a switch may need: %s",
                           a->dp->ports.port[group->port].name, pn_addr_format(&group->addr, text, sizeof(text)),
                           strerror(a->error));
        group->failed = a->error != 0;
    } else if (!job->dropped && a->error == 0) {
        ask(a->dp, &a->group, false, NULL); /* not wanted any more */
    }
    free(a);
}

static void want(struct pn_dataplane *dp, const struct pn_addr *addr, uint16_t port, uint16_t vlan)
{
    struct pn_groups *g = &dp->groups;
    struct pn_mac mac;

    if (!pn_control_group_mac(addr, &mac))
        return; /* an address of one station */
    if (port >= dp->ports.n_configured)
        return;
    int ifindex = pn_resolve_interface(dp, port, vlan);
    struct pn_group *group = find(g, addr, port, vlan, ifindex);
    if (group)
        group->wanted = true;
    else if (g->n < PN_GROUPS_MAX)
        g->group[g->n++] =
            (struct pn_group){.addr = *addr, .port = port, .vlan = vlan, .ifindex = ifindex, .wanted = true};
}

static void want_all(struct pn_dataplane *dp)
{
    const struct pn_dp_control *control = &dp->control[dp->control_current];
    static const struct pn_addr vrrp_v6 = {.b = {0xff, 0x02, [15] = 0x12}};
    struct pn_addr vrrp_v4 = pn_addr_from_v4(htobe32(0xe0000012));

    for (unsigned k = 0; k < control->n_networks; k++)
        for (unsigned i = 0; i < control->n_addrs; i++)
            want(dp, &control->addrs[i], control->networks[k].port, control->networks[k].vlan);
    for (unsigned v = 0; dp->snap && v < PN_MAX_VIPS; v++) {
        const struct pn_dp_vip *vip = &dp->snap->vips[v];
        if (!vip->used)
            continue;
        bool v4 = pn_addr_is_v4(&vip->addr);
        struct pn_addr node = pn_ndp_solicited_node(&vip->addr);
        if (!v4)
            want(dp, &node, vip->port, vip->vlan);
        if (control->vrrp)
            want(dp, v4 ? &vrrp_v4 : &vrrp_v6, vip->port, vip->vlan);
    }
}

static void report(struct pn_dataplane *dp, const struct pn_group *group, bool join)
{
    const struct pn_port *p = &dp->ports.port[group->port];
    uint8_t frame[PN_MEMBERSHIP_FRAME_MAX];
    struct pn_addr src = pn_addr_is_v4(&group->addr) ? p->args.address_v4 : pn_ndp_link_local(&p->mac);

    uint32_t n = pn_membership_report(frame, sizeof(frame), &p->mac, group->vlan, &src, &group->addr, join);
    pn_inject_frame(dp, group->port, PN_ID_NONE, frame, n, PN_C_GEN_MEMBERSHIP);
}

static void report_due(struct pn_dataplane *dp, struct pn_group *group)
{
    if (dp->now_ms < group->report_ms || !dp->ports.port[group->port].link_up)
        return;
    report(dp, group, true);
    group->report_ms = dp->now_ms + (++group->reports < REPORTS_SOON ? SOON_MS : PN_GROUPS_REPORT_MS);
}

static void leave(struct pn_dataplane *dp, struct pn_group *group)
{
    if (group->joined)
        ask(dp, group, false, NULL);
    else if (group->reports)
        report(dp, group, false);
}

void pn_groups_leave(struct pn_dataplane *dp)
{
    while (dp->groups.n)
        leave(dp, &dp->groups.group[--dp->groups.n]);
}

void pn_groups_tick(struct pn_dataplane *dp)
{
    struct pn_groups *g = &dp->groups;

    for (unsigned i = 0; i < g->n; i++)
        g->group[i].wanted = false;
    want_all(dp);
    for (unsigned i = g->n; i-- > 0;) {
        struct pn_group *group = &g->group[i];
        if (!group->wanted) {
            leave(dp, group);
            *group = g->group[--g->n];
            continue;
        }
        if (group->ifindex && !group->joined && !group->asking)
            group->asking = ask(dp, group, true, join_done) == 0;
        if (!group->joined && (group->failed || !group->ifindex))
            report_due(dp, group);
    }
}
