/* SPDX-License-Identifier: BSD-3-Clause */
/* join.h: the newcomer's side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/crypto.h>

#include "common/addr.h"
#include "common/error.h"
#include "controlplane/cluster/join_port.h"
#include "controlplane/cluster/mtls.h"

enum guest_state { GUEST_CONNECTING, GUEST_WELCOME, GUEST_GRANT, GUEST_REHEARSAL };

struct pn_join_guest {
    struct pn_join_guest_config config;
    struct pn_token token;
    struct pn_join_secret secret;
    struct pn_endpoint endpoints[PN_MEMBER_ENDPOINTS_MAX];
    unsigned n_endpoints, turn;
    struct pn_member self;
    SSL_CTX *ctx;
    EVP_PKEY *key;
    X509 *ca;
    struct pn_id cluster;
    char cluster_name[PN_NAME_BYTES];
    enum guest_state state;
    struct pn_join_wire *wire;
    struct event *later; /* to go on, or to end, from the loop */
    uint8_t channel[PN_PROOF_BYTES];
    struct pn_join_port port;
    char error[256];
};

static void guest_free(struct pn_join_guest *g)
{
    pn_join_port_end(&g->port);
    pn_join_wire_free(g->wire);
    if (g->later)
        event_free(g->later);
    SSL_CTX_free(g->ctx);
    EVP_PKEY_free(g->key);
    X509_free(g->ca);
    OPENSSL_cleanse(g, sizeof(*g));
    free(g);
}

void pn_join_guest_cancel(struct pn_join_guest *g)
{
    if (g)
        guest_free(g);
}

void pn_join_guest_progress(const struct pn_join_guest *g, struct pn_join_progress *out)
{
    static const char *const steps[] = {[GUEST_CONNECTING] = "connecting",
                                        [GUEST_WELCOME] = "showing the token",
                                        [GUEST_GRANT] = "asking for a certificate",
                                        [GUEST_REHEARSAL] = "comparing lists"};

    *out = (struct pn_join_progress){.step = steps[g->state],
                                     .to = g->endpoints[g->turn ? g->turn - 1 : 0],
                                     .sent_bytes = g->port.sent_bytes,
                                     .received_bytes = g->port.received_bytes};
}

static void finish(struct pn_join_guest *g, struct pn_join_grant *grant)
{
    struct pn_join_result result = {.grant = grant, .rows = g->port.rows, .n_rows = g->port.n_rows};
    char error[sizeof(g->error)];

    memcpy(error, g->error, sizeof(error));
    memcpy(result.cluster_name, g->cluster_name, sizeof(result.cluster_name));
    result.error = error[0] ? error : NULL;
    g->config.done(g->config.arg, &result);
    guest_free(g);
}

static void fail(struct pn_join_guest *g, const char *text)
{
    const struct pn_endpoint *to = &g->endpoints[g->turn ? g->turn - 1 : 0];
    char addr[PN_ADDR_TEXT_BYTES];

    if (g->state == GUEST_CONNECTING && g->n_endpoints)
        snprintf(g->error, sizeof(g->error), "%s port %u: %s", pn_addr_format(&to->addr, addr, sizeof(addr)), to->port,
                 text);
    else
        snprintf(g->error, sizeof(g->error), "%s", text);
    finish(g, NULL);
}

static void soon(struct pn_join_guest *g)
{
    event_active(g->later, EV_TIMEOUT, 0);
}

/* ---- messages ---- */

static void send_request(struct pn_join_guest *g)
{
    Pnpb__Join out = PNPB__JOIN__INIT;
    Pnpb__JoinRequest request = PNPB__JOIN_REQUEST__INIT;
    struct pn_member_pb *self = pn_member_pb_new(&g->self);
    struct pn_bytes csr = pn_csr_new(g->key);
    int rc = -1;

    if (self && csr.data) {
        Pnpb__Member *pb = pn_member_pb_get(self);
        request.secret = (ProtobufCBinaryData){PN_PROOF_BYTES, g->secret.whole};
        request.name = g->self.claim_name;
        if (!g->config.dry_run) {
            request.csr = (ProtobufCBinaryData){csr.len, csr.data};
            request.n_endpoints = pb->n_endpoints;
            request.endpoints = pb->endpoints;
            request.n_vips = pb->n_vips;
            request.vips = pb->vips;
            request.n_extra = pb->n_extra;
            request.extra = pb->extra;
        }
        out.request = &request;
        rc = pn_join_wire_send(g->wire, &out);
    }
    pn_member_pb_free(self);
    pn_bytes_free(&csr);
    if (rc < 0) {
        fail(g, "out of memory");
        return;
    }
    pn_join_wire_limit(g->wire, PN_FRAME_BYTES_MAX);
    g->state = g->config.dry_run ? GUEST_REHEARSAL : GUEST_GRANT;
    if (!g->config.dry_run)
        return;
    pn_join_wire_extend(g->wire, PN_JOIN_REHEARSAL_MS);
    if (!pn_join_port_begin(&g->port, g->wire, PN_JOIN_GUEST, g->config.rehearsal, g->config.rehearsal_arg))
        fail(g, "this node cannot compare lists now");
    else if (g->port.done)
        soon(g);
}

static void take_welcome(struct pn_join_guest *g, const Pnpb__JoinWelcome *m)
{
    uint8_t proof[PN_PROOF_BYTES];
    struct pn_error err;

    if (m->proof.len != PN_PROOF_BYTES || pn_join_prove(g->secret.verifier, g->channel, PN_JOIN_HOST, proof) < 0 ||
        CRYPTO_memcmp(proof, m->proof.data, sizeof(proof)) != 0) {
        fail(g, "the other side does not know this token: it did not prove that it gave it out");
        return;
    }
    if (m->proto < g->config.proto_min || m->proto > g->config.proto_max) {
        fail(g, "the other side chose a protocol version that this node does not speak");
        return;
    }
    if (!g->ca || pn_ca_cert_read(g->ca, &g->cluster, g->cluster_name, &err) < 0 || m->cluster.len != PN_ID_BYTES ||
        memcmp(m->cluster.data, g->cluster.b, PN_ID_BYTES) != 0) {
        fail(g, "the cluster's CA names another cluster than the other side");
        return;
    }
    send_request(g);
}

static int grant_read(struct pn_join_guest *g, const Pnpb__JoinGrant *m, struct pn_join_grant *grant,
                      struct pn_error *err)
{
    struct pn_pb_budget budget;
    struct pn_bytes plain;
    Pnpb__JoinSecrets *secrets;
    int rc = 0;

    grant->certificate = pn_cert_from_der(m->certificate.data, m->certificate.len);
    if (!grant->certificate || X509_verify(grant->certificate, X509_get0_pubkey(g->ca)) != 1 ||
        pn_cert_read(grant->certificate, &grant->who, err) < 0 || !pn_id_equal(&grant->who.cluster, &g->cluster))
        return pn_error_set(err, "the certificate given is not one of this cluster");
    if (X509_check_private_key(grant->certificate, g->key) != 1)
        return pn_error_set(err, "the certificate given is over another key");
    if (!m->members)
        return pn_error_set(err, "no members were given");
    grant->members = pn_bytes_pack(&m->members->base);
    plain = pn_join_unseal(g->secret.whole, g->channel, m->sealed.data, m->sealed.len);
    if (!grant->members.data || !plain.data)
        return pn_error_set(err, "the secrets given cannot be opened");
    secrets = pn_pb_unpack(&budget, &pnpb__join_secrets__descriptor, plain.data, plain.len, pn_pb_allowance(plain.len));
    pn_bytes_free(&plain);
    if (!secrets || !secrets->keyring || secrets->ca_key.len > 8192)
        rc = pn_error_set(err, "the secrets given are malformed");
    else
        rc = pn_codec_keyring(secrets->keyring, &grant->keyring, err);
    if (rc == 0 && secrets->ca_key.len) {
        grant->ca_key.data = malloc(secrets->ca_key.len + 1);
        grant->ca_key.len = secrets->ca_key.len;
        if (grant->ca_key.data) {
            memcpy(grant->ca_key.data, secrets->ca_key.data, secrets->ca_key.len);
            grant->ca_key.data[grant->ca_key.len] = '\0';
        }
    }
    if (secrets) {
        OPENSSL_cleanse(secrets->ca_key.data, secrets->ca_key.len);
        for (size_t i = 0; secrets->keyring && i < secrets->keyring->n_keys; i++)
            OPENSSL_cleanse(secrets->keyring->keys[i]->secret.data, secrets->keyring->keys[i]->secret.len);
        pn_pb_free(&budget, secrets);
    }
    return rc;
}

static void take_grant(struct pn_join_guest *g, const Pnpb__JoinGrant *m)
{
    struct pn_join_grant grant = {.ca = g->ca, .key = g->key};
    struct pn_error err;

    memcpy(grant.cluster_name, g->cluster_name, sizeof(grant.cluster_name));
    if (grant_read(g, m, &grant, &err) < 0)
        snprintf(g->error, sizeof(g->error), "%s", err.text);
    finish(g, g->error[0] ? NULL : &grant);
    X509_free(grant.certificate);
    pn_bytes_free(&grant.members);
    pn_bytes_free(&grant.ca_key);
    pn_keyring_wipe(&grant.keyring);
}

static void on_message(void *arg, const Pnpb__Join *m)
{
    struct pn_join_guest *g = arg;
    char text[240], said[224];

    if (m->refusal) {
        snprintf(text, sizeof(text), "refused: %.220s", pn_text_clean(m->refusal->text, said, sizeof(said)));
        fail(g, text);
    } else if (g->state == GUEST_WELCOME && m->welcome) {
        take_welcome(g, m->welcome);
    } else if (g->state == GUEST_GRANT && m->grant) {
        take_grant(g, m->grant);
    } else if (g->state == GUEST_REHEARSAL && m->exchange) {
        if (pn_join_port_take(&g->port, m->exchange) < 0)
            fail(g, "too much to compare");
        else if (g->port.done)
            soon(g);
    } else {
        fail(g, "the other side sent a message out of order");
    }
}

/* ---- connection ---- */

static void on_secured(void *arg, SSL *ssl)
{
    struct pn_join_guest *g = arg;
    Pnpb__Join out = PNPB__JOIN__INIT;
    Pnpb__JoinHello hello = PNPB__JOIN_HELLO__INIT;
    uint8_t proof[PN_PROOF_BYTES];

    g->ca = pn_mtls_peer_ca(ssl);
    if (pn_mtls_alpn(ssl) != PN_ALPN_JOIN || !g->ca) {
        fail(g, "the other side is not a Postern cluster");
        return;
    }
    if (pn_join_channel(ssl, g->channel) < 0 ||
        pn_join_prove(g->secret.verifier, g->channel, PN_JOIN_GUEST, proof) < 0) {
        fail(g, "out of memory");
        return;
    }
    hello.proto_min = g->config.proto_min;
    hello.proto_max = g->config.proto_max;
    hello.invite = (ProtobufCBinaryData){PN_INVITE_ID_BYTES, g->token.invite};
    hello.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    hello.dry_run = g->config.dry_run;
    hello.version = g->self.version;
    out.hello = &hello;
    g->state = GUEST_WELCOME;
    if (pn_join_wire_send(g->wire, &out) < 0)
        fail(g, "out of memory");
}

static void on_end(void *arg, const char *reason)
{
    struct pn_join_guest *g = arg;

    pn_join_wire_free(g->wire);
    g->wire = NULL;
    if (g->state == GUEST_CONNECTING && g->turn < g->n_endpoints) { /* the next address */
        soon(g);
        return;
    }
    fail(g, reason ? reason : "the connection was closed");
}

static const struct pn_join_wire_ops wire_ops = {on_secured, on_message, on_end};

/* NULL or why not. */
static const char *dial(struct pn_join_guest *g, const struct pn_endpoint *to)
{
    struct sockaddr_storage ss;
    socklen_t len = pn_addr_sockaddr(&to->addr, to->port, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct bufferevent *bev = NULL;
    SSL *ssl;

    if (fd < 0)
        return strerror(errno);
    if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        return strerror(saved);
    }
    ssl = SSL_new(g->ctx);
    if (ssl)
        bev = bufferevent_openssl_socket_new(g->config.base, fd, ssl, BUFFEREVENT_SSL_CONNECTING,
                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!bev) {
        SSL_free(ssl);
        close(fd);
        return "out of memory";
    }
    g->wire = pn_join_wire_new(g->config.base, bev, true, PN_JOIN_TIMEOUT_MS, &wire_ops, g);
    return g->wire ? NULL : "out of memory";
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct pn_join_guest *g = arg;
    const char *why = "no address to join";

    (void)fd;
    (void)what;
    if (g->state == GUEST_REHEARSAL) {
        finish(g, NULL);
        return;
    }
    while (g->turn < g->n_endpoints) {
        why = dial(g, &g->endpoints[g->turn++]);
        if (!why)
            return;
    }
    fail(g, why);
}

struct pn_join_guest *pn_join_guest_start(const struct pn_join_guest_config *config, struct pn_error *err)
{
    struct pn_join_guest *g = calloc(1, sizeof(*g));

    if (!g) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    g->config = *config;
    g->token = *config->token;
    g->self = *config->self;
    g->n_endpoints = config->n_endpoints < PN_MEMBER_ENDPOINTS_MAX ? config->n_endpoints : PN_MEMBER_ENDPOINTS_MAX;
    memcpy(g->endpoints, config->endpoints, g->n_endpoints * sizeof(g->endpoints[0]));
    g->later = evtimer_new(config->base, on_later, g);
    g->ctx = pn_mtls_guest_new(g->token.ca, err);
    g->key = pn_key_new(err);
    if (!g->later || !g->ctx || !g->key || pn_join_secret_make(&g->secret, &g->token, config->passphrase) < 0) {
        if (g->ctx && g->key)
            pn_error_set(err, "out of memory");
        guest_free(g);
        return NULL;
    }
    g->config.passphrase = NULL;
    g->config.token = &g->token;
    g->config.self = &g->self;
    soon(g);
    return g;
}
