/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cluster_world.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "common/log.h"

int64_t world_wall_offset_ms;
struct pn_error world_error;

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t wall_ms(void)
{
    return (uint64_t)((int64_t)clock_ms(CLOCK_REALTIME) + world_wall_offset_ms);
}

/* ---- doors ---- */

struct door_pair {
    struct door *door;
    struct door_pair *next;
    struct bufferevent *ends[2];
};

static void pair_free(struct door_pair *p)
{
    struct door_pair **at = &p->door->pairs;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    bufferevent_free(p->ends[0]);
    bufferevent_free(p->ends[1]);
    free(p);
}

static void pair_read(struct bufferevent *bev, void *arg)
{
    struct door_pair *p = arg;

    bufferevent_write_buffer(p->ends[bev == p->ends[0]], bufferevent_get_input(bev));
}

static void pair_drained(struct bufferevent *bev, void *arg)
{
    (void)bev;
    pair_free(arg);
}

static void pair_event(struct bufferevent *bev, short what, void *arg)
{
    struct door_pair *p = arg;
    struct bufferevent *other = p->ends[bev == p->ends[0]];

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    bufferevent_write_buffer(other, bufferevent_get_input(bev));
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    bufferevent_setcb(other, NULL, pair_drained, pair_event, p);
    if (evbuffer_get_length(bufferevent_get_output(other)) == 0 || what & BEV_EVENT_ERROR)
        pair_free(p);
}

static void door_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
    struct door *d = arg;
    struct pn_endpoint to = world_endpoint(d->w, d->node);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(0x7f000001)};
    struct door_pair *p;

    (void)l;
    (void)from;
    (void)len;
    if (!d->open || !to.port) {
        close(fd);
        return;
    }
    p = calloc(1, sizeof(*p));
    p->door = d;
    p->next = d->pairs;
    d->pairs = p;
    p->ends[0] = bufferevent_socket_new(d->w->base, fd, BEV_OPT_CLOSE_ON_FREE);
    p->ends[1] = bufferevent_socket_new(d->w->base, -1, BEV_OPT_CLOSE_ON_FREE);
    for (int i = 0; i < 2; i++) {
        bufferevent_setcb(p->ends[i], pair_read, NULL, pair_event, p);
        bufferevent_enable(p->ends[i], EV_READ | EV_WRITE);
    }
    if (bufferevent_socket_connect(p->ends[1], (struct sockaddr *)&in, sizeof(in)) < 0)
        pair_free(p);
}

static void door_new(struct world *w, int node)
{
    struct door *d = &w->nodes[node].door;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t len = sizeof(in);

    *d = (struct door){.w = w, .node = node, .open = true};
    d->listener = evconnlistener_new_bind(w->base, door_accept, d, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 64,
                                          (struct sockaddr *)&in, sizeof(in));
    assert_non_null(d->listener);
    getsockname(evconnlistener_get_fd(d->listener), (struct sockaddr *)&in, &len);
    d->port = ntohs(in.sin_port);
}

void world_doors(struct world *w, bool open)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        w->nodes[i].door.open = open;
        while (!open && w->nodes[i].door.pairs)
            pair_free(w->nodes[i].door.pairs);
    }
}

/* ---- what nodes tell ---- */

static void on_ring(void *arg, const struct pn_seal_ring *ring)
{
    struct world_node *n = arg;

    n->ring = *ring;
    n->rings++;
}

static void on_state(void *arg, enum pn_cluster_state state)
{
    struct world_node *n = arg;

    (void)state;
    n->states++;
}

static void on_event_text(void *arg, int level, const char *subject, const char *text)
{
    struct world_node *n = arg;

    if (getenv("WORLD_VERBOSE"))
        print_message("[%d] %d %s: %s\n", (int)(n - n->w->nodes), level, subject, text);
}

static const struct pn_cluster_ops ops = {.ring = on_ring, .state = on_state, .event = on_event_text};

static void on_message(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len)
{
    struct world_node *n = arg;

    (void)from;
    n->got++;
    n->got_bytes += len;
    snprintf(n->last, sizeof(n->last), "%.*s", (int)(len < 60 ? len : 60), (const char *)bytes);
}

static void on_up(void *arg, const struct pn_id *peer)
{
    struct world_node *n = arg;

    (void)peer;
    n->ups++;
}

static void on_down(void *arg, const struct pn_id *peer)
{
    struct world_node *n = arg;

    (void)peer;
    n->downs++;
}

static const struct pn_channel_ops rules_ops = {.message = on_message, .peer_up = on_up, .peer_down = on_down};

/* ---- life ---- */

struct world *world_new(bool doors)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *tmp = getenv("TMPDIR");

    assert_non_null(w);
    w->base = event_base_new();
    w->doors = doors;
    world_wall_offset_ms = 0;
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    pn_log_set_level(getenv("WORLD_VERBOSE") ? PN_LOG_DEBUG : PN_LOG_ERROR);
    snprintf(w->root, sizeof(w->root), "%s/pncluster.XXXXXX", tmp && strlen(tmp) < 80 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        struct pn_cluster_options *o = &n->opt;

        n->w = w;
        snprintf(n->dir, sizeof(n->dir), "%s/n%d", w->root, i);
        pn_cluster_options_defaults(o);
        o->base = w->base;
        snprintf(o->dir, sizeof(o->dir), "%s", n->dir);
        snprintf(o->name, sizeof(o->name), "n%d", i);
        o->listen[0].addr = pn_addr_from_v4(htobe32(0x7f000001));
        o->n_listen = 1;
        o->self.endpoints[0].addr = o->listen[0].addr;
        o->self.n_endpoints = 1;
        o->self.vips.n = 1;
        o->self.vips.list[0] = (struct pn_prefix){pn_addr_from_v4(htobe32(0xc0000200u + (unsigned)i)), 128};
        snprintf(o->self.version, sizeof(o->self.version), "0.%d", i);
        o->limits.handshake_ms = 1500;
        o->limits.ping_ms = 60;
        o->limits.dead_ms = 600;
        o->limits.stall_ms = 700;
        o->limits.linger_ms = 100;
        o->timing = (struct pn_mesh_timing){20, 300, 80, 1000};
        o->key_grace_ms = 600;
        o->mesh_retry_ms = 600;
        o->wall_ms = wall_ms;
        if (doors) {
            door_new(w, i);
            o->self.endpoints[0].port = n->door.port;
        }
    }
    return w;
}

static void remove_tree(const char *dir)
{
    static const char *const names[] = {"ca.crt",  "ca.key",  "node.key", "node.crt",
                                        "members", "keyring", "invites",  "rotate"};
    char path[256];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

void world_free(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        pn_cluster_free(w->nodes[i].c);
        while (w->nodes[i].door.pairs)
            pair_free(w->nodes[i].door.pairs);
        if (w->nodes[i].door.listener)
            evconnlistener_free(w->nodes[i].door.listener);
    }
    event_base_loop(w->base, EVLOOP_NONBLOCK); /* what was deferred */
    event_base_free(w->base);
    for (int i = 0; i < WORLD_NODES; i++)
        remove_tree(w->nodes[i].dir);
    assert_int_equal(rmdir(w->root), 0);
    free(w);
}

void world_up(struct world *w, int node)
{
    struct world_node *n = &w->nodes[node];
    struct pn_error err;

    n->c = pn_cluster_new(&n->opt, &ops, n, &err);
    if (!n->c)
        fail_msg("n%d: %s", node, err.text);
    pn_cluster_subscribe(n->c, PN_CHANNEL_RULES, &rules_ops, n);
}

void world_down(struct world *w, int node)
{
    pn_cluster_free(w->nodes[node].c);
    w->nodes[node].c = NULL;
}

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void step(struct world *w)
{
    const struct timeval soon = {0, 3000};

    event_base_once(w->base, -1, EV_TIMEOUT, on_nothing, NULL, &soon);
    event_base_loop(w->base, EVLOOP_ONCE);
}

void world_run(struct world *w, int ms)
{
    uint64_t end = clock_ms(CLOCK_BOOTTIME) + (uint64_t)ms;

    while (clock_ms(CLOCK_BOOTTIME) < end)
        step(w);
}

void world_until(struct world *w, bool (*what)(struct world *w, int arg), int arg, int ms)
{
    uint64_t end = clock_ms(CLOCK_BOOTTIME) + (uint64_t)ms;

    while (!what(w, arg)) {
        if (clock_ms(CLOCK_BOOTTIME) >= end)
            fail_msg("not within %d ms", ms);
        step(w);
    }
}

void world_init(struct world *w, int node)
{
    world_up(w, node);
    WORLD_OK(pn_cluster_init(w->nodes[node].c, "test", NULL, &world_error));
}

static void on_join(void *arg, const struct pn_join_result *result)
{
    struct world_node *n = arg;

    n->join_done = true;
    snprintf(n->joined, sizeof(n->joined), "%s", result->error ? result->error : "");
    n->n_rows = result->n_rows < 4 ? result->n_rows : 4;
    memcpy(n->rows, result->rows, n->n_rows * sizeof(n->rows[0]));
}

bool world_joined(struct world *w, int node)
{
    return w->nodes[node].join_done;
}

void world_join_try(struct world *w, int node, const char *token, const char *passphrase, bool dry_run,
                    const struct pn_endpoint *at)
{
    struct world_node *n = &w->nodes[node];

    if (!n->c)
        world_up(w, node);
    n->join_done = false;
    WORLD_OK(pn_cluster_join(n->c, at, token, passphrase, dry_run, on_join, n, &world_error));
    world_until(w, world_joined, node, 8000);
}

void world_join(struct world *w, int node, int host)
{
    char token[PN_TOKEN_TEXT_BYTES];

    WORLD_OK(pn_cluster_invite(w->nodes[host].c, 600, NULL, NULL, token, &world_error));
    world_join_try(w, node, token, NULL, false, NULL);
    if (w->nodes[node].joined[0])
        fail_msg("n%d joins n%d: %s", node, host, w->nodes[node].joined);
}

void world_make(struct world *w, int n)
{
    world_init(w, 0);
    for (int i = 1; i < n; i++)
        world_join(w, i, i - 1);
    world_until(w, world_all_linked, n, 8000);
}

bool world_peer(struct world *w, int node, int of, struct pn_transport_peer *out)
{
    struct pn_transport *t = w->nodes[node].c ? pn_cluster_transport(w->nodes[node].c) : NULL;

    return t && w->nodes[of].c && pn_transport_peer(t, pn_cluster_self(w->nodes[of].c), out);
}

bool world_all_linked(struct world *w, int n)
{
    struct pn_transport_peer p;

    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            if (a != b && (!world_peer(w, a, b, &p) || !p.up || !p.members_equal || !p.keyring_equal))
                return false;
    return true;
}

struct pn_endpoint world_endpoint(struct world *w, int node)
{
    struct pn_endpoint e = {pn_addr_from_v4(htobe32(0x7f000001)), 0};

    if (w->nodes[node].c)
        e.port = pn_cluster_port(w->nodes[node].c);
    return e;
}
