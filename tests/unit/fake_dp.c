/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_dp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "controlplane/view/clock.h"

#define WORKERS 1u

static void reply(struct fake_dp *f, struct bufferevent *bev, const struct pn_dp_header *ask, unsigned status,
                  const void *a, size_t a_len, const void *b, size_t b_len)
{
    struct pn_dp_header h = *ask;

    h.status = (uint16_t)status;
    h.bytes = (uint32_t)(sizeof(h) + a_len + b_len);
    if (f->bad_seq)
        h.seq += 7;
    if (f->bad_length)
        h.bytes = 3;
    f->bad_seq = f->bad_length = false;
    bufferevent_write(bev, &h, sizeof(h));
    if (a_len)
        bufferevent_write(bev, a, a_len);
    if (b_len)
        bufferevent_write(bev, b, b_len);
}

void fake_dp_tell(struct fake_dp *f, enum pn_dp_type type, const void *payload, size_t len)
{
    struct pn_dp_header h = {.bytes = (uint32_t)(sizeof(h) + len), .type = (uint16_t)type};
    uint64_t now = pn_clock_ns();

    if (!f->control)
        return;
    bufferevent_write(f->control, &h, sizeof(h));
    if (type == PN_DP_PACKET_RX) {
        struct pn_dp_packet p = *(const struct pn_dp_packet *)payload;

        p.boottime_ns = now;
        bufferevent_write(f->control, &p, sizeof(p));
        bufferevent_write(f->control, (const char *)payload + sizeof(p), len - sizeof(p));
    } else if (len) {
        bufferevent_write(f->control, payload, len);
    }
}

static void answer(struct fake_dp *f, struct bufferevent *bev, const struct pn_dp_header *h, const void *payload,
                   size_t len)
{
    static const char text[] = "fake refusal";
    struct pn_dp_port port = {.name = "lan", .device = "net_fake0", .mtu = 1500, .rx_queues = 1, .link_up = 1};

    switch (h->type) {
    case PN_DP_HELLO: {
        struct pn_dp_hello hello = {.api_version = PN_DPAPI_VERSION,
                                    .pid = f->pid,
                                    .started_boottime_ns = f->started_ns,
                                    .n_workers = WORKERS,
                                    .n_ports = 1,
                                    .flows_max = 1000};
        snprintf(hello.stats_path, sizeof(hello.stats_path), "%s", f->stats_path);
        snprintf(hello.version, sizeof(hello.version), "0.1.0");
        reply(f, bev, h, PN_DP_STATUS_OK, &hello, sizeof(hello), NULL, 0);
        return;
    }
    case PN_DP_SNAPSHOT_PUT:
        if (f->put_status != PN_DP_STATUS_OK) {
            reply(f, bev, h, f->put_status, text, strlen(text), NULL, 0);
            return;
        }
        memcpy(f->snapshot, payload, len);
        f->snapshot_len = len;
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    case PN_DP_SNAPSHOT_GET:
        reply(f, bev, h, PN_DP_STATUS_OK, f->snapshot, f->snapshot_len, NULL, 0);
        return;
    case PN_DP_LEASE: {
        const struct pn_dp_lease *l = payload;
        for (size_t i = 0; i < len / sizeof(*l); i++) {
            f->leases[l[i].vip % PN_MAX_VIPS] = l[i];
            f->stats->lease_deadline_boottime_ns[l[i].vip % PN_MAX_VIPS] = l[i].deadline_boottime_ns;
        }
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    }
    case PN_DP_FLOWS: {
        const struct pn_dp_flows_query *q = payload;
        /* One a batch, so that cursors are used. */
        struct pn_dp_flows_head head = {.count = q->cursor < f->n_flows,
                                        .cursor = q->cursor + 1 < f->n_flows ? q->cursor + 1 : 0};
        reply(f, bev, h, PN_DP_STATUS_OK, &head, sizeof(head), &f->flows[q->cursor],
              head.count * sizeof(struct pn_dp_flow));
        return;
    }
    case PN_DP_EXPLAIN:
        reply(f, bev, h, PN_DP_STATUS_OK, &f->explain, sizeof(f->explain), NULL, 0);
        return;
    case PN_DP_FILTER_ASK:
        reply(f, bev, h, PN_DP_STATUS_OK, &f->filter, sizeof(f->filter), NULL, 0);
        return;
    case PN_DP_TRACE_START:
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    case PN_DP_TRACE_READ:
        reply(f, bev, h, PN_DP_STATUS_OK, f->trace, f->n_trace * sizeof(f->trace[0]), NULL, 0);
        return;
    case PN_DP_NEIGHBOURS:
        reply(f, bev, h, PN_DP_STATUS_OK, f->neighbours, f->n_neighbours * sizeof(f->neighbours[0]), NULL, 0);
        return;
    case PN_DP_PORTS:
        reply(f, bev, h, PN_DP_STATUS_OK, &port, sizeof(port), NULL, 0);
        return;
    case PN_DP_CONTROL:
        f->control = bev;
        memcpy(&f->control_says, payload, sizeof(f->control_says));
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    case PN_DP_PACKET_TX:
        if (f->wire)
            fake_dp_tell(f->wire, PN_DP_PACKET_RX, payload, len);
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    case PN_DP_PROBE:
    case PN_DP_ANNOUNCE:
    case PN_DP_FLOWS_IN:
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        return;
    case PN_DP_FLOWS_RESYNC:
        reply(f, bev, h, PN_DP_STATUS_OK, NULL, 0, NULL, 0);
        fake_dp_tell(f, PN_DP_FLOWS_OUT, NULL, 0);
        return;
    default:
        reply(f, bev, h, PN_DP_STATUS_BAD_MESSAGE, text, strlen(text), NULL, 0);
    }
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct fake_dp *f = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct pn_dp_header h;

    while (evbuffer_copyout(in, &h, sizeof(h)) == (ev_ssize_t)sizeof(h) && evbuffer_get_length(in) >= h.bytes) {
        uint64_t *payload = malloc(h.bytes);

        evbuffer_drain(in, sizeof(h));
        evbuffer_remove(in, payload, h.bytes - sizeof(h));
        if (h.type < PN_DP_TYPE_COUNT)
            f->asked[h.type]++;
        if (!f->mute)
            answer(f, bev, &h, payload, h.bytes - sizeof(h));
        free(payload);
    }
}

static void hang_up_one(struct fake_dp *f, struct bufferevent *bev)
{
    for (unsigned i = 0; i < FAKE_DP_CONNS; i++) {
        if (f->conns[i] != bev)
            continue;
        f->conns[i] = NULL;
        if (f->control == bev)
            f->control = NULL;
        bufferevent_free(bev);
        return;
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct fake_dp *f = arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        hang_up_one(f, bev);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    struct fake_dp *f = arg;

    (void)l;
    (void)sa;
    (void)len;
    unsigned i = 0;

    while (i < FAKE_DP_CONNS && f->conns[i])
        i++;
    if (i == FAKE_DP_CONNS)
        abort();
    f->conns[i] = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(f->conns[i], on_readable, NULL, on_event, f);
    bufferevent_enable(f->conns[i], EV_READ | EV_WRITE);
}

static void make_stats(struct fake_dp *f)
{
    size_t bytes = sizeof(struct pn_stats_header) + (WORKERS + 1) * sizeof(struct pn_stats_worker);
    int fd = open(f->stats_path, O_RDWR | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        abort();
    f->stats = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    f->stats->magic = PN_STATS_MAGIC;
    f->stats->version = PN_STATS_VERSION;
    f->stats->n_workers = WORKERS;
    f->stats->worker_offset = sizeof(struct pn_stats_header);
    f->stats->worker_bytes = sizeof(struct pn_stats_worker);
    f->stats->n_counters = PN_C_COUNT;
    f->stats->boot_id = f->pid;
    f->stats->tsc_hz = 1000000000;
}

struct pn_stats_worker *fake_dp_worker(struct fake_dp *f, unsigned i)
{
    return (struct pn_stats_worker *)((char *)f->stats + f->stats->worker_offset) + i;
}

void fake_dp_start(struct fake_dp *f, struct event_base *base, const char *dir)
{
    static uint32_t starts = 4000;
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    memset(f, 0, sizeof(*f));
    f->base = base;
    f->pid = ++starts;
    f->started_ns = pn_clock_ns();
    snprintf(f->socket, sizeof(f->socket), "%s/dp.sock", dir);
    snprintf(f->stats_path, sizeof(f->stats_path), "%s/stats", dir);
    unlink(f->socket);
    unlink(f->stats_path);
    make_stats(f);
    memcpy(sun.sun_path, f->socket, sizeof(f->socket));
    f->listener =
        evconnlistener_new_bind(base, on_accept, f, LEV_OPT_CLOSE_ON_FREE, 4, (struct sockaddr *)&sun, sizeof(sun));
    if (!f->listener)
        abort();
}

void fake_dp_hang_up(struct fake_dp *f)
{
    for (unsigned i = 0; i < FAKE_DP_CONNS; i++)
        if (f->conns[i])
            hang_up_one(f, f->conns[i]);
}

void fake_dp_hang_up_daemon(struct fake_dp *f)
{
    for (unsigned i = 0; i < FAKE_DP_CONNS; i++)
        if (f->conns[i] && f->conns[i] != f->control)
            hang_up_one(f, f->conns[i]);
}

void fake_dp_stop(struct fake_dp *f)
{
    fake_dp_hang_up(f);
    evconnlistener_free(f->listener);
    f->listener = NULL;
    munmap(f->stats, sizeof(struct pn_stats_header) + (WORKERS + 1) * sizeof(struct pn_stats_worker));
    unlink(f->socket);
    unlink(f->stats_path);
}

void fake_dp_run(struct event_base *base, unsigned ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    event_base_loopexit(base, &tv);
    event_base_dispatch(base);
}

bool fake_dp_wait(struct event_base *base, const unsigned *n, unsigned want, unsigned ms)
{
    for (unsigned t = 0; *n < want && t < ms; t += 5)
        fake_dp_run(base, 5);
    return *n >= want;
}
