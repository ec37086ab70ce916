/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/neigh_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/builder.h"
#include "dataplane/loop.h"

#define REPLY_SEQ 1u /* of our questions; events carry 0 */
#define WAITING_MAX 1024u /* questions that have not left */
#define CONFIRMED_LATELY 300u /* hundredths of a second; the kernel itself trusts a neighbour for up to 45 s */

struct pn_neigh_link {
    struct pn_loop_source source; /* first */
    struct mnl_socket *nl;
    int loop;
    struct pn_builder *kernel;
    _Atomic unsigned waiting;
    pn_neigh_heard_fn *heard;
    void *arg;
};

struct question {
    struct pn_build_job job; /* first */
    struct pn_neigh_link *link;
    bool quiet; /* its failure means nothing */
    char buf[256] __attribute__((aligned(8)));
};

/* On the thread for what may block. */
static void question_run(struct pn_build_job *job)
{
    struct question *q = (struct question *)job;
    struct pn_neigh_link *l = q->link;
    if (mnl_socket_sendto(l->nl, q->buf, ((struct nlmsghdr *)q->buf)->nlmsg_len) < 0 && !q->quiet)
        pn_log_limited(10000, PN_LOG_WARNING, "netlink: neighbour request: %s", strerror(errno));
    atomic_fetch_sub(&l->waiting, 1);
    free(q);
}

static struct question *question_new(struct pn_neigh_link *l)
{
    struct question *q = atomic_load(&l->waiting) < WAITING_MAX ? calloc(1, sizeof(*q)) : NULL;
    if (!q) {
        pn_log_limited(10000, PN_LOG_WARNING, "netlink: neighbour requests wait for the kernel, some are left out");
        return NULL;
    }
    q->job.run = question_run;
    q->link = l;
    return q;
}

static void question_put(struct question *q)
{
    atomic_fetch_add(&q->link->waiting, 1);
    pn_builder_put(q->link->kernel, &q->job);
}

static struct nlmsghdr *message(char *buf, uint16_t type, uint16_t flags, int ifindex, const struct pn_addr *addr,
                                uint16_t state, uint8_t ndm_flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = REPLY_SEQ;
    struct ndmsg *ndm = mnl_nlmsg_put_extra_header(h, sizeof(*ndm));
    ndm->ndm_ifindex = ifindex;
    ndm->ndm_state = state;
    ndm->ndm_flags = ndm_flags;
    if (pn_addr_is_v4(addr)) {
        ndm->ndm_family = AF_INET;
        mnl_attr_put(h, NDA_DST, 4, &addr->b[12]);
    } else {
        ndm->ndm_family = AF_INET6;
        mnl_attr_put(h, NDA_DST, 16, addr->b);
    }
    return h;
}

void pn_neigh_link_ask(struct pn_neigh_link *l, int ifindex, const struct pn_addr *addr, bool anew)
{
    /*
     * NEWNEIGH starts resolution of an unknown or failed entry. NTF_EXT_MANAGED would leave entries behind that the kernel
     * goes on probing after we are gone; the refresh timers are ours anyway. GETNEIGH asks for what is known now: an entry
     * that is reachable already causes no event.
     */
    static const struct {
        uint16_t type, flags;
        uint8_t ndm_flags;
    } steps[] = {{RTM_DELNEIGH, 0, 0}, {RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE}, {RTM_GETNEIGH, 0, 0}};
    for (unsigned i = anew ? 0 : 1; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct question *q = question_new(l);
        if (!q)
            return;
        q->quiet = steps[i].type == RTM_DELNEIGH;
        message(q->buf, steps[i].type, steps[i].flags, ifindex, addr, 0, steps[i].ndm_flags);
        question_put(q);
    }
}

/* The kernel would wait seconds for traffic of its own before it verifies; this makes it ask now. */
static void probe_now(struct pn_neigh_link *l, int ifindex, const struct pn_addr *addr, const struct pn_mac *mac)
{
    struct question *q = question_new(l);
    if (!q)
        return;
    q->quiet = true;
    struct nlmsghdr *h = message(q->buf, RTM_NEWNEIGH, NLM_F_REPLACE, ifindex, addr, NUD_PROBE, 0);
    mnl_attr_put(h, NDA_LLADDR, sizeof(mac->b), mac->b);
    question_put(q);
}

struct heard {
    struct pn_addr addr;
    struct pn_mac mac;
    bool has_addr, has_mac;
    uint32_t confirmed_ago; /* hundredths of a second */
};

static int neigh_parse(const struct nlmsghdr *h, struct heard *n)
{
    const struct ndmsg *ndm = mnl_nlmsg_get_payload(h);
    memset(n, 0, sizeof(*n));
    const struct nlattr *attr;
    mnl_attr_for_each(attr, h, sizeof(*ndm))
    {
        const uint8_t *data = mnl_attr_get_payload(attr);
        size_t len = mnl_attr_get_payload_len(attr);
        if (mnl_attr_get_type(attr) == NDA_DST && ndm->ndm_family == AF_INET && len == 4) {
            uint32_t v4_be;
            memcpy(&v4_be, data, 4);
            n->addr = pn_addr_from_v4(v4_be);
            n->has_addr = true;
        } else if (mnl_attr_get_type(attr) == NDA_DST && ndm->ndm_family == AF_INET6 && len == 16) {
            memcpy(n->addr.b, data, 16);
            n->has_addr = true;
        } else if (mnl_attr_get_type(attr) == NDA_LLADDR && len == 6) {
            memcpy(n->mac.b, data, 6);
            n->has_mac = true;
        } else if (mnl_attr_get_type(attr) == NDA_CACHEINFO && len >= sizeof(struct nda_cacheinfo)) {
            memcpy(&n->confirmed_ago, data + offsetof(struct nda_cacheinfo, ndm_confirmed), 4);
        }
    }
    return n->has_addr ? 0 : -1;
}

static void neigh_heard(struct pn_neigh_link *l, const struct nlmsghdr *h)
{
    const struct ndmsg *ndm = mnl_nlmsg_get_payload(h);
    struct heard n;
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*ndm) || neigh_parse(h, &n))
        return;
    bool reply = h->nlmsg_seq == REPLY_SEQ;
    enum pn_neigh_heard what;
    if (ndm->ndm_state & NUD_FAILED)
        what = PN_NEIGH_HEARD_FAILED;
    else if (!n.has_mac || !(ndm->ndm_state & (NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)))
        return;
    else if ((ndm->ndm_state & NUD_PERMANENT) ||
             ((ndm->ndm_state & NUD_REACHABLE) && (!reply || n.confirmed_ago <= CONFIRMED_LATELY)))
        what = PN_NEIGH_HEARD_CONFIRMED;
    else
        what = PN_NEIGH_HEARD_UNSURE;
    if (reply && what == PN_NEIGH_HEARD_UNSURE && !(ndm->ndm_state & NUD_PROBE))
        probe_now(l, ndm->ndm_ifindex, &n.addr, &n.mac);
    l->heard(l->arg, ndm->ndm_ifindex, &n.addr, what, &n.mac);
}

static void link_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    struct pn_neigh_link *l = (struct pn_neigh_link *)source;
    char buf[16384];
    /* Errors (ENOBUFS: events lost) are made good by the table's timers, which ask again. */
    int n = (int)mnl_socket_recvfrom(l->nl, buf, sizeof(buf));
    for (struct nlmsghdr *h = (struct nlmsghdr *)buf; n > 0 && mnl_nlmsg_ok(h, n); h = mnl_nlmsg_next(h, &n)) {
        if (h->nlmsg_type == RTM_NEWNEIGH) {
            neigh_heard(l, h);
        } else if (h->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
            if (e->error && e->error != -ENOENT)
                pn_log_limited(10000, PN_LOG_WARNING, "netlink: neighbour table: %s", strerror(-e->error));
        }
    }
}

struct pn_neigh_link *pn_neigh_link_new(int loop, struct pn_builder *kernel, pn_neigh_heard_fn *heard, void *arg,
                                        struct pn_error *err)
{
    struct pn_neigh_link *l = calloc(1, sizeof(*l));
    if (!l) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    l->loop = loop;
    l->kernel = kernel;
    l->heard = heard;
    l->arg = arg;
    l->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!l->nl || mnl_socket_bind(l->nl, RTMGRP_NEIGH, MNL_SOCKET_AUTOPID)) {
        pn_error_set(err, "netlink: %s", strerror(errno));
        pn_neigh_link_free(l);
        return NULL;
    }
    l->source = (struct pn_loop_source){.fd = mnl_socket_get_fd(l->nl), .ready = link_ready};
    if (pn_loop_add(loop, &l->source, EPOLLIN)) {
        pn_error_set(err, "netlink: %s", strerror(errno));
        pn_neigh_link_free(l);
        return NULL;
    }
    return l;
}

void pn_neigh_link_free(struct pn_neigh_link *l)
{
    if (!l)
        return;
    if (l->nl) {
        if (l->source.fd > 0)
            pn_loop_remove(l->loop, &l->source);
        mnl_socket_close(l->nl);
    }
    free(l);
}

int pn_neigh_link_vlan(const char *ifname, uint16_t vlan)
{
    FILE *f = fopen("/proc/net/vlan/config", "re");
    char line[256];
    int found = 0;
    while (f && !found && fgets(line, sizeof(line), f)) {
        char name[32], lower[32];
        unsigned vid;
        if (sscanf(line, " %31[^| ] | %u | %31s", name, &vid, lower) == 3 && vid == vlan && !strcmp(lower, ifname))
            found = (int)if_nametoindex(name);
    }
    if (f)
        fclose(f);
    return found;
}
