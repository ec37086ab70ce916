/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the mesh that says what the test tells it, with an identity as it lies on disk. */
#ifndef TESTS_UNIT_CLUSTER_RAW_H
#define TESTS_UNIT_CLUSTER_RAW_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "controlplane/cluster/cluster.pb-c.h"
#include "controlplane/cluster/envelope.h"
#include "controlplane/cluster/mtls.h"
#include "controlplane/cluster/store.h"
#include "tests/unit/cluster_world.h"

struct raw {
    struct bufferevent *bev;
    SSL_CTX *ctx;
    bool secured, closed, mute;
    size_t got;
};

static inline void raw_read(struct bufferevent *bev, void *arg)
{
    struct raw *r = arg;

    r->got += evbuffer_get_length(bufferevent_get_input(bev));
    evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

static inline void raw_event(struct bufferevent *bev, short what, void *arg)
{
    struct raw *r = arg;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        r->secured = true;
    else
        r->closed = true;
}

static inline void raw_dial(struct world *w, struct raw *r, SSL_CTX *ctx, int node)
{
    struct pn_endpoint at = world_endpoint(w, node);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(at.port), .sin_addr.s_addr = htonl(0x7f000001)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *r = (struct raw){.ctx = ctx};
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    evutil_make_socket_nonblocking(fd);
    r->bev = bufferevent_openssl_socket_new(w->base, fd, SSL_new(ctx), BUFFEREVENT_SSL_CONNECTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_openssl_set_allow_dirty_shutdown(r->bev, 1);
    bufferevent_setcb(r->bev, raw_read, NULL, raw_event, r);
    bufferevent_enable(r->bev, EV_READ | EV_WRITE);
}

static inline void raw_free(struct raw *r)
{
    bufferevent_free(r->bev);
    SSL_CTX_free(r->ctx);
}

static struct raw *watched;

static inline bool raw_closed(struct world *w, int arg)
{
    (void)w;
    (void)arg;
    return watched->closed;
}

static inline bool raw_secured(struct world *w, int arg)
{
    (void)w;
    (void)arg;
    return watched->secured || watched->closed;
}

struct identity {
    X509 *ca, *cert;
    EVP_PKEY *ca_key, *key;
    struct pn_cert_name who;
};

static inline struct pn_bytes load(struct world *w, int node, const char *name)
{
    struct pn_bytes b;

    assert_int_equal(pn_store_read(w->nodes[node].dir, name, 1 << 20, &b, NULL), 0);
    return b;
}

static inline void identity_load(struct world *w, int node, struct identity *id)
{
    struct pn_bytes ca = load(w, node, "ca.crt"), cert = load(w, node, "node.crt"), key = load(w, node, "node.key"),
                    ca_key = load(w, node, "ca.key");

    id->ca = pn_cert_from_pem(&ca);
    id->cert = pn_cert_from_pem(&cert);
    id->key = pn_key_from_pem(&key, NULL, NULL, NULL);
    id->ca_key = pn_key_from_pem(&ca_key, NULL, NULL, NULL);
    assert_true(id->ca && id->cert && id->key && id->ca_key);
    assert_int_equal(pn_cert_read(id->cert, &id->who, NULL), 0);
    pn_bytes_free(&ca);
    pn_bytes_free(&cert);
    pn_bytes_free(&key);
    pn_bytes_free(&ca_key);
}

static inline void identity_free(struct identity *id)
{
    X509_free(id->ca);
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    EVP_PKEY_free(id->ca_key);
}

static inline void put(struct raw *r, unsigned channel, const void *payload, size_t len)
{
    size_t body = pn_envelope_size(channel, len);
    uint8_t *frame = malloc(4 + body);

    pn_frame_head_put(frame, body);
    pn_envelope_encode(channel, payload, len, frame + 4);
    bufferevent_write(r->bev, frame, 4 + body);
    free(frame);
}

static inline void put_control(struct raw *r, const struct pn_control *c)
{
    struct pn_bytes b = pn_control_encode(c);

    put(r, PN_CHANNEL_CONTROL, b.data, b.len);
    pn_bytes_free(&b);
}

static inline void put_hello(struct raw *r, const struct identity *id)
{
    struct pn_control c = {.kind = PN_CONTROL_HELLO};

    c.hello.proto_min = c.hello.proto_max = 1;
    c.hello.cluster = id->who.cluster;
    c.hello.node = id->who.node;
    put_control(r, &c);
}

static inline bool n2_linked(struct world *w, int up)
{
    struct pn_transport_peer p;
    const struct pn_member *row = pn_members_named(pn_cluster_members(w->nodes[0].c), "n2");

    return row && pn_transport_peer(pn_cluster_transport(w->nodes[0].c), &row->id, &p) && p.up == (up != 0);
}

/* n0 and n1 live, n2 is played by the test with n2's own keys. */
static inline struct world *stage_with(struct identity *id, uint32_t dead_ms)
{
    struct world *w = world_new(false);

    for (int i = 0; i < 3; i++)
        w->nodes[i].opt.limits.dead_ms = dead_ms;
    world_make(w, 3);
    identity_load(w, 2, id);
    world_down(w, 2);
    world_until(w, n2_linked, 0, 3000);
    return w;
}

static inline struct world *stage(struct identity *id)
{
    return stage_with(id, 600);
}

static inline void leave(struct world *w, struct identity *id)
{
    world_until(w, world_all_linked, 2, 5000); /* the others are as well as ever */
    identity_free(id);
    world_free(w);
}

static inline void expect_closed(struct world *w, struct raw *r)
{
    watched = r;
    world_until(w, raw_closed, 0, 4000);
    raw_free(r);
}

#endif
