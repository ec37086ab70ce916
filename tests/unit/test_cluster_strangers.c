/* SPDX-License-Identifier: BSD-3-Clause */
/* The mesh against strangers and impostors: who gets in, who may join, and how many of them there may be. */
#include "tests/unit/cluster_raw.h"

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
        cmocka_unit_test(test_forged_with_the_ca_key), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_bad_bytes_on_a_join),    cmocka_unit_test(test_strangers_in_all_join_places),
        cmocka_unit_test(test_a_thief_of_the_invites), cmocka_unit_test(test_a_storm_of_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
