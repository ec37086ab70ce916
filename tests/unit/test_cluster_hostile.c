/* SPDX-License-Identifier: BSD-3-Clause */
/* The mesh against strangers, impostors and members gone bad: who gets in, and what one who is in can do. */
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

/* ---- a client that says what the test tells it ---- */

struct raw {
    struct bufferevent *bev;
    SSL_CTX *ctx;
    bool secured, closed, mute;
    size_t got;
};

static void raw_read(struct bufferevent *bev, void *arg)
{
    struct raw *r = arg;

    r->got += evbuffer_get_length(bufferevent_get_input(bev));
    evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

static void raw_event(struct bufferevent *bev, short what, void *arg)
{
    struct raw *r = arg;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        r->secured = true;
    else
        r->closed = true;
}

static void raw_dial(struct world *w, struct raw *r, SSL_CTX *ctx, int node)
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

static void raw_free(struct raw *r)
{
    bufferevent_free(r->bev);
    SSL_CTX_free(r->ctx);
}

static struct raw *watched;

static bool raw_closed(struct world *w, int arg)
{
    (void)w;
    (void)arg;
    return watched->closed;
}

static bool raw_secured(struct world *w, int arg)
{
    (void)w;
    (void)arg;
    return watched->secured || watched->closed;
}

/* ---- identities, as they lie on disk ---- */

struct identity {
    X509 *ca, *cert;
    EVP_PKEY *ca_key, *key;
    struct pn_cert_name who;
};

static struct pn_bytes load(struct world *w, int node, const char *name)
{
    struct pn_bytes b;

    assert_int_equal(pn_store_read(w->nodes[node].dir, name, 1 << 20, &b, NULL), 0);
    return b;
}

static void identity_load(struct world *w, int node, struct identity *id)
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

static void identity_free(struct identity *id)
{
    X509_free(id->ca);
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    EVP_PKEY_free(id->ca_key);
}

static void put(struct raw *r, unsigned channel, const void *payload, size_t len)
{
    size_t body = pn_envelope_size(channel, len);
    uint8_t *frame = malloc(4 + body);

    pn_frame_head_put(frame, body);
    pn_envelope_encode(channel, payload, len, frame + 4);
    bufferevent_write(r->bev, frame, 4 + body);
    free(frame);
}

static void put_control(struct raw *r, const struct pn_control *c)
{
    struct pn_bytes b = pn_control_encode(c);

    put(r, PN_CHANNEL_CONTROL, b.data, b.len);
    pn_bytes_free(&b);
}

static void put_hello(struct raw *r, const struct identity *id)
{
    struct pn_control c = {.kind = PN_CONTROL_HELLO};

    c.hello.proto_min = c.hello.proto_max = 1;
    c.hello.cluster = id->who.cluster;
    c.hello.node = id->who.node;
    put_control(r, &c);
}

static bool n2_linked(struct world *w, int up)
{
    struct pn_transport_peer p;
    const struct pn_member *row = pn_members_named(pn_cluster_members(w->nodes[0].c), "n2");

    return row && pn_transport_peer(pn_cluster_transport(w->nodes[0].c), &row->id, &p) && p.up == (up != 0);
}

/* n0 and n1 live, n2 is played by the test with n2's own keys. */
static struct world *stage_with(struct identity *id, uint32_t dead_ms)
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

static struct world *stage(struct identity *id)
{
    return stage_with(id, 600);
}

static void play(struct world *w, struct raw *r, const struct identity *id)
{
    raw_dial(w, r, pn_mtls_member_new(id->ca, id->cert, id->key, NULL), 0);
    watched = r;
    world_until(w, raw_secured, 0, 3000);
    assert_true(r->secured);
}

static void leave(struct world *w, struct identity *id)
{
    world_until(w, world_all_linked, 2, 5000); /* the others are as well as ever */
    identity_free(id);
    world_free(w);
}

/* ---- bytes ---- */

static void expect_closed(struct world *w, struct raw *r)
{
    watched = r;
    world_until(w, raw_closed, 0, 4000);
    raw_free(r);
}

static void test_bad_bytes_instead_of_a_hello(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\xff\xff\xff\xff", 4}, /* 4 GB */
        {"\x00\x00\x00\x00", 4},
        {"\x00\x00\x20\x01", 4}, /* more than a hello may have */
        {"\x00\x00\x00\x05hello", 9},
        {"\x00\x00\x00\x02\x08\x08", 6}, /* an empty message of the rules, before the hello */
        {"\x00\x00\x00\x02\x08\x00", 6}, /* an empty control message */
        {"\x00\x00\x00\x40\x12", 5}, /* begins, and never ends */
        {"", 0}, /* says nothing */
    };
    struct identity id;
    struct world *w = stage(&id);
    (void)state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct raw r;
        play(w, &r, &id);
        bufferevent_write(r.bev, cases[i].bytes, cases[i].len);
        expect_closed(w, &r);
        assert_true(n2_linked(w, 0));
        assert_int_equal(w->nodes[0].got, 0);
    }
    leave(w, &id);
}

static void hello_and_up(struct world *w, struct raw *r, const struct identity *id)
{
    play(w, r, id);
    put_hello(r, id);
    world_until(w, n2_linked, 1, 3000);
}

static void test_a_member_gone_bad(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PONG};
    struct identity id;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    put_hello(&r, &id); /* once is enough */
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\xff\xff\xff\xff", 4);
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x10\x00\x01", 4); /* one above 1 MiB */
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x08\x00\x00half", 8); /* half a message, then silence */
    watched = &r;
    world_until(w, raw_closed, 0, 2000);
    raw_free(&r);
    world_until(w, n2_linked, 0, 3000);

    /* What is only nonsense in a channel does not end the link, and changes nothing. */
    uint64_t digest = pn_members_digest64(pn_cluster_members(w->nodes[0].c));
    struct pn_seal_ring ring = w->nodes[0].ring;
    hello_and_up(w, &r, &id);
    put(&r, PN_CHANNEL_MEMBERS, "nonsense", 8);
    put(&r, PN_CHANNEL_KEYRING, "nonsense", 8);
    put(&r, PN_CHANNEL_KEYRING, "", 0);
    put(&r, 31, "who?", 4);
    put(&r, 4000000, "who?", 4);
    c.pong.sent_us = UINT64_MAX;
    c.pong.wall_us = UINT64_MAX;
    put_control(&r, &c);
    world_run(w, 150);
    assert_true(n2_linked(w, 1));
    assert_int_equal(pn_members_digest64(pn_cluster_members(w->nodes[0].c)), digest);
    assert_memory_equal(&ring, &w->nodes[0].ring, sizeof(ring));
    raw_free(&r);
    leave(w, &id);
}

static bool n2_skewed(struct world *w, int yes)
{
    struct pn_cluster_status s;
    bool skewed = false;

    pn_cluster_status(w->nodes[0].c, &s);
    for (unsigned i = 0; i < s.n_peers; i++)
        skewed |= s.skewed[i] && strcmp(s.peers[i].name, "n2") == 0;
    return skewed == (yes != 0);
}

/* A clock ten seconds off is an alarm, nothing more. */
static void test_clock_alarm(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PONG};
    struct identity id;
    struct world *w = stage(&id);
    struct timespec wall;
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    assert_true(n2_skewed(w, 0));
    clock_gettime(CLOCK_REALTIME, &wall);
    c.pong.sent_us = pn_link_now_ms() * 1000;
    c.pong.wall_us = (uint64_t)(wall.tv_sec + 10) * 1000000u;
    put_control(&r, &c);
    world_until(w, n2_skewed, 1, 2000);
    assert_true(n2_linked(w, 1));
    raw_free(&r);
    leave(w, &id);
}

/* Pings that lie about what it holds: it does not get the whole membership for each of them. */
static void test_pings_that_lie(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PING};
    struct identity id;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    world_run(w, 100);
    size_t before = r.got;
    for (unsigned i = 0; i < 500; i++) {
        c.ping.members_digest = i;
        put_control(&r, &c);
    }
    world_run(w, 150);
    assert_true(n2_linked(w, 1));
    assert_in_range(r.got - before, 500, 40000); /* answers, and a few lists */
    raw_free(&r);
    leave(w, &id);
}

/* One byte now and then keeps a link for a while, since large messages take time, not for ever. */
static void test_a_message_that_never_ends(void **state)
{
    struct identity id;
    struct world *w = stage_with(&id, 250);
    struct raw r;
    unsigned bytes = 0;
    (void)state;

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x08\x00\x00", 4);
    while (!r.closed && bytes < 200) {
        bufferevent_write(r.bev, "x", 1);
        bytes++;
        world_run(w, 30);
    }
    assert_true(bytes > 500 / 30 && bytes < 4000 / 30);
    raw_free(&r);
    leave(w, &id);
}

static void test_hello_of_another(void **state)
{
    struct identity id, other;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    unsigned ups = w->nodes[0].ups;
    other = id;
    other.who.node = *pn_cluster_self(w->nodes[1].c);
    play(w, &r, &id);
    put_hello(&r, &other);
    expect_closed(w, &r);
    assert_true(n2_linked(w, 0));
    other = id;
    other.who.cluster.b[0] ^= 1;
    play(w, &r, &id);
    put_hello(&r, &other);
    expect_closed(w, &r);
    assert_int_equal(w->nodes[0].ups, ups);
    leave(w, &id);
}

/* ---- who gets in ---- */

/* With the CA's key in hand (each member has it, so has each former one). */
static void forged(struct world *w, const struct identity *id, const struct pn_cert_name *who, EVP_PKEY *key,
                   const struct pn_member *self)
{
    struct pn_cert_name name = *who;
    struct pn_control c = {.kind = PN_CONTROL_HELLO};
    struct raw r;
    X509 *cert;

    assert_int_equal(pn_key_public(key, name.key), 0);
    cert = pn_ca_issue(id->ca, id->ca_key, &name, (int64_t)(w->nodes[0].opt.wall_ms() / 1000), 90, NULL);
    assert_non_null(cert);
    unsigned ups = w->nodes[0].ups;
    raw_dial(w, &r, pn_mtls_member_new(id->ca, cert, key, NULL), 0);
    watched = &r;
    world_until(w, raw_secured, 0, 3000);
    c.hello.proto_min = c.hello.proto_max = 1;
    c.hello.cluster = name.cluster;
    c.hello.node = name.node;
    c.hello.has_self = self != NULL;
    if (self)
        c.hello.self = *self;
    put_control(&r, &c);
    expect_closed(w, &r);
    assert_int_equal(w->nodes[0].ups, ups);
    X509_free(cert);
}

static void test_forged_with_the_ca_key(void **state)
{
    struct identity id;
    struct world *w = stage(&id);
    EVP_PKEY *key = pn_key_new(NULL);
    struct pn_cert_name who = id.who;
    struct pn_member row;
    (void)state;

    memset(&row, 0, sizeof(row));
    forged(w, &id, &who, key, NULL); /* a member's name and id over a key of one's own */
    memcpy(who.name, "n9", 3);
    forged(w, &id, &who, id.key, NULL); /* its own key, a name that nobody knows */
    who = id.who;
    who.cluster.b[3] ^= 1;
    forged(w, &id, &who, id.key, NULL);
    who = id.who;
    who.node = *pn_cluster_self(w->nodes[0].c);
    forged(w, &id, &who, key, NULL); /* the node itself */

    /* A new member out of nothing: sponsored by nobody, by itself, by one that was removed. */
    who = id.who;
    assert_int_equal(pn_id_random(&who.node), 0);
    row.id = who.node;
    row.joined = row.admin_stamp = row.own_stamp = 77;
    memcpy(row.claim_name, "n9", 3);
    memcpy(who.name, "n9", 3);
    assert_int_equal(pn_key_public(key, row.key), 0);
    forged(w, &id, &who, key, NULL);
    forged(w, &id, &who, key, &row);
    row.sponsor = row.id;
    assert_int_equal(pn_sponsor_sign(key, &id.who.cluster, &row), 0);
    forged(w, &id, &who, key, &row);
    row.sponsor = *pn_cluster_self(w->nodes[1].c);
    forged(w, &id, &who, key, &row); /* n1's word, which n1 has not given */
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n2", &world_error));
    row.sponsor = id.who.node;
    assert_int_equal(pn_sponsor_sign(id.key, &id.who.cluster, &row), 0);
    forged(w, &id, &who, key, &row);
    forged(w, &id, &id.who, id.key, NULL); /* the removed one itself */
    assert_int_equal(pn_members_active(pn_cluster_members(w->nodes[0].c)), 2);
    EVP_PKEY_free(key);
    leave(w, &id);
}

/* One that does not care for what it is told: it is cut off, and not heard any more. */
static void test_removed_while_linked(void **state)
{
    struct identity id;
    struct world *w = stage_with(&id, 5000);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    put(&r, PN_CHANNEL_RULES, "a", 1);
    world_run(w, 50);
    assert_int_equal(w->nodes[0].got, 1);
    put(&r, PN_CHANNEL_RULES, "b", 1); /* on its way */
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n2", &world_error));
    put(&r, PN_CHANNEL_RULES, "c", 1);
    watched = &r;
    world_until(w, raw_closed, 0, 500);
    assert_int_equal(w->nodes[0].got, 1);
    raw_free(&r);
    leave(w, &id);
}

/* who: says hello where it can, as the one who was refused would. */
static void refused(struct world *w, SSL_CTX *ctx, const struct identity *who)
{
    unsigned ups = w->nodes[0].ups;
    struct raw r;

    assert_non_null(ctx);
    raw_dial(w, &r, ctx, 0);
    watched = &r;
    world_until(w, raw_secured, 0, 3000);
    if (r.secured)
        put_hello(&r, who);
    expect_closed(w, &r);
    assert_int_equal(w->nodes[0].ups, ups);
}

static SSL_CTX *plain_ctx(const char *alpn, bool tls12, const struct identity *id)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    if (alpn)
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (tls12)
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    if (id) {
        SSL_CTX_use_certificate(ctx, id->cert);
        SSL_CTX_use_PrivateKey(ctx, id->key);
    }
    return ctx;
}

static void test_strangers(void **state)
{
    static const char mesh[] = "\x0epostern-mesh/1";
    struct identity id, foreign;
    struct world *w = stage(&id);
    (void)state;

    refused(w, plain_ctx(mesh, false, NULL), &id); /* no certificate */
    refused(w, plain_ctx(mesh, true, &id), &id); /* TLS 1.2 */
    refused(w, plain_ctx("\x02h2", false, &id), &id);
    refused(w, plain_ctx(NULL, false, &id), &id);
    refused(w, plain_ctx("\x0epostern-join/1", false, &id), &id); /* joining is no way around */

    world_init(w, 4); /* another cluster */
    identity_load(w, 4, &foreign);
    refused(w, pn_mtls_member_new(foreign.ca, foreign.cert, foreign.key, NULL), &foreign);
    refused(w, plain_ctx(mesh, false, &foreign), &foreign);
    identity_free(&foreign);

    X509 *expired = pn_ca_issue(id.ca, id.ca_key, &id.who, (int64_t)(w->nodes[0].opt.wall_ms() / 1000), -1, NULL);
    X509_free(id.cert);
    id.cert = expired;
    refused(w, plain_ctx(mesh, false, &id), &id);
    leave(w, &id);
}

/* ---- join's connection ---- */

static void test_bad_bytes_on_a_join(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {{"\xff\xff\xff\xff", 4},
                 {"\x00\x00\x00\x00", 4},
                 {"\x00\x00\x00\x05hello", 9},
                 {"\x00\x00\x00\x02\x1a\x00", 6} /* a request first */};
    struct identity id;
    struct world *w = stage(&id);
    (void)state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct raw r;
        raw_dial(w, &r, plain_ctx("\x0epostern-join/1", false, NULL), 0);
        watched = &r;
        world_until(w, raw_secured, 0, 3000);
        bufferevent_write(r.bev, cases[i].bytes, cases[i].len);
        expect_closed(w, &r);
    }
    leave(w, &id);
}

/* Strangers that sit in every place for joins and say nothing do not keep out who has a token. */
static void test_strangers_in_all_join_places(void **state)
{
    struct identity id;
    struct world *w = stage(&id);
    struct raw sitting[2 * PN_JOIN_HOSTED_MAX];
    char token[PN_TOKEN_TEXT_BYTES];
    (void)state;

    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    for (unsigned i = 0; i < 2 * PN_JOIN_HOSTED_MAX; i++) {
        raw_dial(w, &sitting[i], plain_ctx("\x0epostern-join/1", false, NULL), 0);
        watched = &sitting[i];
        world_until(w, raw_secured, 0, 3000);
        world_run(w, 20);
    }
    world_up(w, 3);
    world_join_try(w, 3, token, NULL, false, NULL);
    assert_string_equal(w->nodes[3].joined, "");
    for (unsigned i = 0; i < 2 * PN_JOIN_HOSTED_MAX; i++)
        raw_free(&sitting[i]);
    identity_free(&id);
    world_free(w);
}

static void put_join(struct raw *r, const Pnpb__Join *m)
{
    struct pn_bytes b = pn_bytes_pack(&m->base);
    uint8_t head[PN_FRAME_HEAD_BYTES];

    pn_frame_head_put(head, b.len);
    bufferevent_write(r->bev, head, sizeof(head));
    bufferevent_write(r->bev, b.data, b.len);
    pn_bytes_free(&b);
}

static bool raw_answered(struct world *w, int bytes)
{
    (void)w;
    return watched->closed || watched->got > (size_t)bytes;
}

/* Who can read the member's files knows the verifier, and gets through the proofs; the secret itself is not there. */
static void test_a_thief_of_the_invites(void **state)
{
    struct identity id;
    struct world *w = stage(&id);
    Pnpb__Join m = PNPB__JOIN__INIT;
    Pnpb__JoinHello hello = PNPB__JOIN_HELLO__INIT;
    Pnpb__JoinRequest request = PNPB__JOIN_REQUEST__INIT;
    char token[PN_TOKEN_TEXT_BYTES];
    uint8_t channel[PN_PROOF_BYTES], proof[PN_PROOF_BYTES];
    struct pn_invites invites;
    struct raw r;
    (void)state;

    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    assert_int_equal(pn_invites_load(&invites, w->nodes[0].dir, NULL), 0);
    const struct pn_invite *stolen = &invites.list[invites.n - 1];
    raw_dial(w, &r, plain_ctx("\x0epostern-join/1", false, NULL), 0);
    watched = &r;
    world_until(w, raw_secured, 0, 3000);
    assert_int_equal(pn_join_channel(bufferevent_openssl_get_ssl(r.bev), channel), 0);
    pn_join_prove(stolen->verifier, channel, PN_JOIN_GUEST, proof);
    hello.proto_min = hello.proto_max = 1;
    hello.invite = (ProtobufCBinaryData){PN_INVITE_ID_BYTES, (uint8_t *)(uintptr_t)stolen->id};
    hello.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    m.hello = &hello;
    put_join(&r, &m);
    world_until(w, raw_answered, 0, 3000);
    assert_false(r.closed); /* welcomed */
    EVP_PKEY *key = pn_key_new(NULL);
    struct pn_bytes csr = pn_csr_new(key);
    request.secret = (ProtobufCBinaryData){PN_PROOF_BYTES, (uint8_t *)(uintptr_t)stolen->verifier};
    request.csr = (ProtobufCBinaryData){csr.len, csr.data};
    request.name = (char *)(uintptr_t) "thief";
    m.hello = NULL;
    m.request = &request;
    put_join(&r, &m);
    expect_closed(w, &r);
    assert_int_equal(pn_members_active(pn_cluster_members(w->nodes[0].c)), 3);
    EVP_PKEY_free(key);
    pn_bytes_free(&csr);
    world_join_try(w, 3, token, NULL, false, NULL); /* whom it was meant for */
    assert_string_equal(w->nodes[3].joined, "");
    leave(w, &id);
}

/* ---- load ---- */

static bool n2_gone(struct world *w, int arg)
{
    (void)arg;
    return n2_linked(w, 0);
}

static void test_one_that_does_not_read(void **state)
{
    enum { PART = 256 * 1024 };
    struct identity id;
    struct world *w = stage_with(&id, 5000); /* it does not ping either */
    struct pn_transport *t = pn_cluster_transport(w->nodes[0].c);
    struct pn_transport_peer p;
    struct raw r;
    uint8_t *bytes = calloc(1, PN_TRANSPORT_MESSAGE_MAX + 1);
    unsigned taken = 0;
    (void)state;

    hello_and_up(w, &r, &id);
    bufferevent_disable(r.bev, EV_READ);
    assert_int_equal(pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, PN_TRANSPORT_MESSAGE_MAX + 1),
                     PN_SEND_TOO_LARGE);
    for (unsigned i = 0; i < 400; i++) {
        taken += pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, PART) == PN_SEND_OK;
        assert_int_equal(pn_transport_send(t, pn_cluster_self(w->nodes[1].c), PN_CHANNEL_RULES, bytes, 100),
                         PN_SEND_OK);
        assert_true(pn_transport_peer(t, &id.who.node, &p));
        assert_true(p.queued_bytes < (4u << 20) + (1u << 20));
        if (i % 20 == 0)
            world_run(w, 2);
    }
    assert_true(taken >= 16 && taken < 200);
    assert_true(p.refused_sends > 100);
    world_until(w, n2_gone, 0, 4000); /* given up after stall_ms */
    assert_int_equal(pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, 1), PN_SEND_DOWN);
    assert_true(pn_transport_peer(t, &id.who.node, &p));
    assert_non_null(strstr(p.reason, "taken nothing"));
    world_run(w, 50);
    assert_int_equal(w->nodes[1].got, 400);
    free(bytes);
    raw_free(&r);
    leave(w, &id);
}

static unsigned writables;

static void count_writable(void *arg, const struct pn_id *peer)
{
    (void)arg;
    (void)peer;
    writables++;
}

static bool drained(struct world *w, int bytes)
{
    return writables > 0 && w->nodes[1].got_bytes == (size_t)bytes;
}

static void test_back_pressure_and_large_messages(void **state)
{
    static const struct pn_channel_ops ops = {.writable = count_writable};
    struct world *w = world_new(false);
    uint8_t *bytes = calloc(1, PN_TRANSPORT_MESSAGE_MAX);
    size_t sent = 0;
    (void)state;

    world_make(w, 2);
    writables = 0;
    pn_cluster_subscribe(w->nodes[0].c, PN_CHANNEL_STATUS, &ops, NULL);
    struct pn_transport *t = pn_cluster_transport(w->nodes[0].c);
    const struct pn_id *to = pn_cluster_self(w->nodes[1].c);
    memset(bytes, 'x', PN_TRANSPORT_MESSAGE_MAX);
    w->nodes[1].got_bytes = 0;
    while (pn_transport_send(t, to, PN_CHANNEL_RULES, bytes, PN_TRANSPORT_MESSAGE_MAX) == PN_SEND_OK)
        sent += PN_TRANSPORT_MESSAGE_MAX;
    assert_true(sent >= 4 * PN_TRANSPORT_MESSAGE_MAX && sent <= 8 * PN_TRANSPORT_MESSAGE_MAX);
    assert_int_equal(writables, 0);
    world_until(w, drained, (int)sent, 5000);
    assert_int_equal(writables, 1);
    assert_true(world_all_linked(w, 2));
    free(bytes);
    world_free(w);
}

static int connect_from(const char *source, uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

static unsigned open_ones(const int *fds, unsigned n)
{
    unsigned open = 0;
    char c;

    for (unsigned i = 0; i < n; i++) {
        ssize_t got = recv(fds[i], &c, 1, MSG_DONTWAIT);
        open += got < 0 && (errno == EAGAIN || errno == ENOTCONN);
    }
    return open;
}

static void test_a_storm_of_connections(void **state)
{
    enum { STORM = 240 };
    struct world *w = world_new(false);
    int fds[STORM];
    char source[32];
    (void)state;

    for (int i = 0; i < 3; i++)
        w->nodes[i].opt.limits.handshake_ms = 20000; /* the attacker holds on */
    world_make(w, 3);
    uint16_t port = world_endpoint(w, 0).port;
    for (int i = 0; i < 40; i++) /* one network */
        fds[i] = connect_from("127.9.9.9", port);
    world_run(w, 150);
    assert_int_equal(open_ones(fds, 40), w->nodes[0].opt.handshakes_per_source);
    for (int i = 40; i < STORM; i++) { /* many networks */
        snprintf(source, sizeof(source), "127.8.%d.7", i);
        fds[i] = connect_from(source, port);
        if (i % 40 == 0)
            world_run(w, 20);
    }
    world_run(w, 200);
    assert_int_equal(open_ones(fds, STORM), w->nodes[0].opt.handshakes_max);
    /* A member still finds its way in. */
    world_down(w, 2);
    world_up(w, 2);
    world_until(w, world_all_linked, 3, 5000);
    struct pn_cluster_status s;
    pn_cluster_status(w->nodes[0].c, &s);
    assert_true(s.counters.refused_source >= 32 && s.counters.refused_full >= 100);
    for (int i = 0; i < STORM; i++)
        close(fds[i]);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_bytes_instead_of_a_hello),
        cmocka_unit_test(test_a_member_gone_bad),
        cmocka_unit_test(test_clock_alarm),
        cmocka_unit_test(test_pings_that_lie),
        cmocka_unit_test(test_a_message_that_never_ends),
        cmocka_unit_test(test_hello_of_another),
        cmocka_unit_test(test_forged_with_the_ca_key),
        cmocka_unit_test(test_removed_while_linked),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_bad_bytes_on_a_join),
        cmocka_unit_test(test_strangers_in_all_join_places),
        cmocka_unit_test(test_a_thief_of_the_invites),
        cmocka_unit_test(test_one_that_does_not_read),
        cmocka_unit_test(test_back_pressure_and_large_messages),
        cmocka_unit_test(test_a_storm_of_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
