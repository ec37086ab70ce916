/* SPDX-License-Identifier: BSD-3-Clause */
/* The door: who may begin a handshake, and how many at a time. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/mesh_internal.h"
#include "controlplane/loop/listener.h"

static bool of_member(const struct pn_mesh *m, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < m->config.members->n; i++) {
        const struct pn_member *row = &m->config.members->rows[i];
        for (unsigned e = 0; pn_member_active(row) && e < row->n_endpoints; e++)
            if (pn_addr_equal(&row->endpoints[e].addr, addr))
                return true;
    }
    return false;
}

/* An attacker's network counts as one source: /24 and /64. */
static bool same_source(const struct pn_addr *a, const struct pn_addr *b)
{
    unsigned len = pn_addr_is_v4(a) ? 120 : 64;
    struct pn_addr x = pn_addr_masked(a, len), y = pn_addr_masked(b, len);

    return pn_addr_is_v4(a) == pn_addr_is_v4(b) && pn_addr_equal(&x, &y);
}

/* Strangers cannot take the places of members: those have their own, and a bound of their own. */
static bool has_room(struct pn_mesh *m, const struct pn_addr *addr)
{
    bool member = of_member(m, addr);
    unsigned strangers = 0, same = 0;

    for (unsigned i = 0; i < m->n_young; i++) {
        struct pn_addr other = pn_addr_of_sockaddr(pn_link_address(m->young[i]));
        bool other_member = of_member(m, &other);

        strangers += !other_member;
        same += member ? pn_addr_equal(&other, addr) : !other_member && same_source(&other, addr);
    }
    if (same >= m->config.handshakes_per_source) {
        m->counters.refused_source++;
        return false;
    }
    if ((!member && strangers >= m->config.handshakes_max) || m->n_young >= MESH_YOUNG_MAX) {
        m->counters.refused_full++;
        return false;
    }
    return true;
}

static void on_accept(void *arg, int fd, const struct sockaddr *from, socklen_t from_len)
{
    struct pn_mesh *m = arg;
    struct sockaddr_storage ss = {0};
    struct pn_addr addr;
    struct pn_link *l;

    memcpy(&ss, from, from_len < sizeof(ss) ? from_len : sizeof(ss));
    addr = pn_addr_of_sockaddr(&ss);
    if (!has_room(m, &addr)) {
        char text[PN_ADDR_TEXT_BYTES];
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: too many handshakes under way, %s is turned away",
                       pn_addr_format(&addr, text, sizeof(text)));
        close(fd);
        return;
    }
    m->counters.accepted++;
    l = pn_link_new(&m->request, fd, true, &ss);
    if (l)
        m->young[m->n_young++] = l;
}

static int listen_one(struct pn_mesh *m, const struct pn_endpoint *at, struct pn_error *err)
{
    char text[PN_ADDR_TEXT_BYTES];
    struct sockaddr_storage ss;
    socklen_t len = pn_addr_sockaddr(&at->addr, at->port, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (ss.ss_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
        setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)); /* the address may come up after us */
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 || getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return pn_error_set(err, "cluster: cannot listen on %s port %u: %s",
                            pn_addr_format(&at->addr, text, sizeof(text)), at->port, strerror(saved));
    }
    struct pn_listener *listener = pn_listener_new(m->config.base, fd, 128, "cluster", on_accept, m);
    if (!listener) {
        int saved = errno;
        close(fd);
        return pn_error_set(err, "cluster: cannot listen on %s port %u: %s",
                            pn_addr_format(&at->addr, text, sizeof(text)), at->port, strerror(saved));
    }
    m->listeners[m->n_listeners++] = listener;
    if (m->port == 0)
        m->port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                                : ((struct sockaddr_in6 *)&ss)->sin6_port);
    return 0;
}

int pn_mesh_listen(struct pn_mesh *m, struct pn_error *err)
{
    for (unsigned i = 0; i < m->config.n_listen; i++)
        if (listen_one(m, &m->config.listen[i], err) < 0)
            return -1;
    return 0;
}

void pn_mesh_unlisten(struct pn_mesh *m)
{
    for (unsigned i = 0; i < m->n_listeners; i++)
        pn_listener_free(m->listeners[i]);
    m->n_listeners = 0;
}
