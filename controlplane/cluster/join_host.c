/* SPDX-License-Identifier: BSD-3-Clause */
/* join.h: the member's side. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/bufferevent.h>
#include <openssl/crypto.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/join_port.h"

#define SOURCES 64u

struct source {
    struct pn_addr network; /* /24 or /64 */
    uint64_t since_s;
    unsigned wrong; /* 0: slot free */
};

enum host_state { HOST_HELLO, HOST_REQUEST, HOST_REHEARSAL, HOST_DONE };

struct host_session {
    struct pn_join_hosts *hosts;
    struct pn_join_wire *wire;
    struct pn_addr from;
    enum host_state state;
    uint64_t number; /* in the order of coming */
    bool dry_run;
    uint8_t invite[PN_INVITE_ID_BYTES];
    uint8_t channel[PN_PROOF_BYTES];
    struct pn_join_port port;
};

struct pn_join_hosts {
    struct pn_join_host_config config;
    struct host_session *sessions[PN_JOIN_HOSTED_MAX];
    struct source sources[SOURCES];
    uint64_t taken;
};

/* ---- sources that guess ---- */

static struct pn_addr network_of(const struct pn_addr *a)
{
    return pn_addr_masked(a, pn_addr_is_v4(a) ? 120 : 64);
}

static struct source *source_of(struct pn_join_hosts *h, const struct pn_addr *from, bool make)
{
    struct pn_addr network = network_of(from);
    uint64_t now_s = h->config.now_s();
    struct source *oldest = &h->sources[0];

    for (unsigned i = 0; i < SOURCES; i++) {
        struct source *s = &h->sources[i];
        if (s->wrong && now_s - s->since_s >= PN_JOIN_WRONG_WINDOW_S)
            s->wrong = 0;
        if (s->wrong && pn_addr_equal(&s->network, &network))
            return s;
        if (!s->wrong || (oldest->wrong && s->since_s < oldest->since_s))
            oldest = s;
    }
    if (!make)
        return NULL;
    *oldest = (struct source){network, now_s, 0};
    return oldest;
}

static void source_wrong(struct host_session *s)
{
    struct source *source = source_of(s->hosts, &s->from, true);
    char text[PN_ADDR_TEXT_BYTES];

    source->wrong++;
    pn_log_limited(5000, PN_LOG_WARNING, "cluster: %s tried to join with a wrong token",
                   pn_addr_format(&s->from, text, sizeof(text)));
}

/* ---- a session ---- */

static void session_free(struct host_session *s)
{
    struct pn_join_hosts *h = s->hosts;

    for (unsigned i = 0; i < PN_JOIN_HOSTED_MAX; i++)
        if (h->sessions[i] == s)
            h->sessions[i] = NULL;
    pn_join_port_end(&s->port);
    pn_join_wire_free(s->wire);
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}

static void refuse(struct host_session *s, const char *text)
{
    s->state = HOST_DONE;
    pn_log_notice("cluster: a join was refused: %s", text);
    pn_join_wire_refuse(s->wire, text);
}

static void wrong(struct host_session *s, struct pn_invite *invite)
{
    struct pn_error err;

    source_wrong(s);
    if (invite && pn_invites_wrong(s->hosts->config.invites, invite, &err) < 0)
        pn_log_error("cluster: %s", err.text);
    refuse(s, "the token, or its passphrase, is wrong");
}

/* The invite is looked up again for each message: it may have expired or been used meanwhile. */
static struct pn_invite *invite_of(struct host_session *s)
{
    struct pn_invite *invite;
    enum pn_invite_verdict verdict =
        pn_invites_find(s->hosts->config.invites, s->invite, s->hosts->config.now_s(), &invite);

    if (verdict == PN_INVITE_OK)
        return invite;
    if (verdict == PN_INVITE_UNKNOWN)
        source_wrong(s);
    refuse(s, pn_invite_verdict_text[verdict]);
    return NULL;
}

static void take_hello(struct host_session *s, const Pnpb__JoinHello *m)
{
    const struct pn_join_host_config *c = &s->hosts->config;
    Pnpb__Join out = PNPB__JOIN__INIT;
    Pnpb__JoinWelcome welcome = PNPB__JOIN_WELCOME__INIT;
    uint8_t proof[PN_PROOF_BYTES];
    struct pn_invite *invite;
    char text[160], version[PN_MEMBER_VERSION_BYTES];

    if (m->proto_max < c->proto_min || m->proto_min > c->proto_max) {
        snprintf(text, sizeof(text), "protocol versions %u to %u are spoken here, %u to %u there (Postern %.20s)",
                 c->proto_min, c->proto_max, m->proto_min, m->proto_max,
                 pn_text_clean(m->version, version, sizeof(version)));
        refuse(s, text);
        return;
    }
    if (m->invite.len != PN_INVITE_ID_BYTES || m->proof.len != PN_PROOF_BYTES) {
        refuse(s, "a malformed hello");
        return;
    }
    memcpy(s->invite, m->invite.data, PN_INVITE_ID_BYTES);
    invite = invite_of(s);
    if (!invite)
        return;
    if (pn_join_channel(pn_join_wire_ssl(s->wire), s->channel) < 0 ||
        pn_join_prove(invite->verifier, s->channel, PN_JOIN_GUEST, proof) < 0) {
        refuse(s, "out of memory");
        return;
    }
    if (CRYPTO_memcmp(proof, m->proof.data, sizeof(proof)) != 0) {
        wrong(s, invite);
        return;
    }
    pn_join_prove(invite->verifier, s->channel, PN_JOIN_HOST, proof);
    welcome.proto = m->proto_max < c->proto_max ? m->proto_max : c->proto_max;
    welcome.cluster = (ProtobufCBinaryData){PN_ID_BYTES, (uint8_t *)(uintptr_t)c->cluster.b};
    welcome.cluster_name = (char *)(uintptr_t)c->cluster_name;
    welcome.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    out.welcome = &welcome;
    s->dry_run = m->dry_run;
    s->state = HOST_REQUEST;
    pn_join_wire_extend(s->wire, PN_JOIN_TIMEOUT_MS);
    pn_join_wire_limit(s->wire, 65536);
    pn_join_wire_send(s->wire, &out);
}

static struct pn_bytes secrets_seal(struct host_session *s, const uint8_t *whole, const struct pn_join_offer *offer)
{
    Pnpb__JoinSecrets secrets = PNPB__JOIN_SECRETS__INIT;
    Pnpb__Keyring *keyring;
    struct pn_bytes ring = pn_keyring_encode(offer->keyring), plain = {NULL, 0}, sealed = {NULL, 0};
    struct pn_pb_budget budget;

    keyring = ring.data ? pn_pb_unpack(&budget, &pnpb__keyring__descriptor, ring.data, ring.len, 65536) : NULL;
    if (keyring) {
        secrets.ca_key = (ProtobufCBinaryData){offer->ca_key.len, offer->ca_key.data};
        secrets.keyring = keyring;
        plain = pn_bytes_pack(&secrets.base);
        for (size_t i = 0; i < keyring->n_keys; i++)
            OPENSSL_cleanse(keyring->keys[i]->secret.data, keyring->keys[i]->secret.len);
        pn_pb_free(&budget, keyring);
    }
    if (plain.data)
        sealed = pn_join_seal(whole, s->channel, plain.data, plain.len);
    pn_bytes_free(&plain);
    pn_bytes_free(&ring);
    return sealed;
}

static void send_grant(struct host_session *s, const uint8_t *whole, struct pn_join_offer *offer)
{
    Pnpb__Join out = PNPB__JOIN__INIT;
    Pnpb__JoinGrant grant = PNPB__JOIN_GRANT__INIT;
    struct pn_bytes sealed = secrets_seal(s, whole, offer);
    struct pn_pb_budget budget;
    Pnpb__Membership *members = pn_pb_unpack(&budget, &pnpb__membership__descriptor, offer->members.data,
                                             offer->members.len, pn_pb_allowance(offer->members.len));

    grant.certificate = (ProtobufCBinaryData){offer->certificate.len, offer->certificate.data};
    grant.members = members;
    grant.sealed = (ProtobufCBinaryData){sealed.len, sealed.data};
    out.grant = &grant;
    s->state = HOST_DONE;
    if (!sealed.data || !members || pn_join_wire_send(s->wire, &out) < 0)
        refuse(s, "out of memory");
    else
        pn_join_wire_finish(s->wire);
    pn_pb_free(&budget, members);
    pn_bytes_free(&sealed);
}

static int request_read(const Pnpb__JoinRequest *m, struct pn_join_request *r, struct pn_error *err)
{
    memset(r, 0, sizeof(*r));
    if (!pn_node_name_valid(m->name))
        return pn_error_set(err, "\"%.40s\" is not a name for a node", m->name);
    memcpy(r->self.claim_name, m->name, strlen(m->name));
    if (pn_codec_endpoints(m->endpoints, m->n_endpoints, &r->self) < 0 ||
        pn_codec_networks(m->vips, m->n_vips, &r->self.vips) < 0 ||
        pn_codec_networks(m->extra, m->n_extra, &r->self.extra) < 0)
        return pn_error_set(err, "malformed addresses or networks");
    return pn_csr_key(m->csr.data, m->csr.len, r->key, err);
}

static void rehearse(struct host_session *s)
{
    const struct pn_join_host_config *c = &s->hosts->config;

    s->state = HOST_REHEARSAL;
    pn_join_wire_limit(s->wire, PN_FRAME_BYTES_MAX);
    pn_join_wire_extend(s->wire, PN_JOIN_REHEARSAL_MS);
    if (!pn_join_port_begin(&s->port, s->wire, PN_JOIN_HOST, c->rehearsal, c->rehearsal_arg))
        refuse(s, "this node cannot compare lists now");
}

static void take_request(struct host_session *s, const Pnpb__JoinRequest *m)
{
    const struct pn_join_host_config *c = &s->hosts->config;
    struct pn_invite *invite = invite_of(s);
    uint8_t verifier[PN_PROOF_BYTES];
    struct pn_join_request *r;
    struct pn_join_offer offer = {0};
    struct pn_error err;

    if (!invite)
        return;
    if (m->secret.len != PN_PROOF_BYTES) {
        wrong(s, invite);
        return;
    }
    pn_join_secret_verifier(m->secret.data, verifier);
    if (CRYPTO_memcmp(verifier, invite->verifier, sizeof(verifier)) != 0) {
        wrong(s, invite);
        return;
    }
    if (s->dry_run) {
        rehearse(s);
        return;
    }
    r = calloc(1, sizeof(*r));
    if (!r || request_read(m, r, &err) < 0 || c->check(c->arg, r, &err) < 0 ||
        pn_invites_use(c->invites, invite, &err) < 0) {
        refuse(s, r ? err.text : "out of memory");
    } else if (c->admit(c->arg, r, &offer, &err) < 0) {
        refuse(s, err.text);
    } else {
        send_grant(s, m->secret.data, &offer);
    }
    pn_bytes_free(&offer.certificate);
    pn_bytes_free(&offer.members);
    pn_bytes_free(&offer.ca_key);
    free(r);
}

static void on_message(void *arg, const Pnpb__Join *m)
{
    struct host_session *s = arg;

    if (s->state == HOST_HELLO && m->hello)
        take_hello(s, m->hello);
    else if (s->state == HOST_REQUEST && m->request)
        take_request(s, m->request);
    else if (s->state == HOST_REHEARSAL && m->exchange) {
        if (pn_join_port_take(&s->port, m->exchange) < 0)
            refuse(s, "too much to compare");
    } else
        refuse(s, "a message out of order");
}

static void on_end(void *arg, const char *reason)
{
    struct host_session *s = arg;

    if (reason && s->state != HOST_REHEARSAL)
        pn_log_info("cluster: a join ended: %s", reason);
    session_free(s);
}

static const struct pn_join_wire_ops wire_ops = {.message = on_message, .end = on_end};

/* ---- all of them ---- */

struct pn_join_hosts *pn_join_hosts_new(const struct pn_join_host_config *config)
{
    struct pn_join_hosts *h = calloc(1, sizeof(*h));

    if (h)
        h->config = *config;
    return h;
}

void pn_join_hosts_free(struct pn_join_hosts *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < PN_JOIN_HOSTED_MAX; i++)
        if (h->sessions[i])
            session_free(h->sessions[i]);
    free(h);
}

unsigned pn_join_hosts_active(const struct pn_join_hosts *h)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PN_JOIN_HOSTED_MAX; i++)
        n += h->sessions[i] != NULL;
    return n;
}

/*
 * A slot for one more. Strangers that hold all of them without having shown a proof make room, the one that came first
 * goes: a guest with a token shows it within a round trip, so they cannot keep it out by waiting.
 */
static struct host_session **slot_find(struct pn_join_hosts *h)
{
    struct host_session **oldest = NULL;

    for (unsigned i = 0; i < PN_JOIN_HOSTED_MAX; i++) {
        struct host_session **s = &h->sessions[i];
        if (!*s)
            return s;
        if ((*s)->state == HOST_HELLO && (!oldest || (*s)->number < (*oldest)->number))
            oldest = s;
    }
    if (oldest)
        session_free(*oldest);
    return oldest;
}

void pn_join_hosts_take(struct pn_join_hosts *h, struct bufferevent *bev, const struct sockaddr_storage *from)
{
    struct pn_addr addr = pn_addr_of_sockaddr(from);
    const struct source *source = source_of(h, &addr, false);
    bool welcome = !source || source->wrong < PN_JOIN_WRONG_PER_SOURCE;
    struct host_session **slot = welcome ? slot_find(h) : NULL;
    struct host_session *s = slot ? calloc(1, sizeof(*s)) : NULL;

    if (!s) {
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: too many tries to join; one is turned away");
        bufferevent_free(bev);
        return;
    }
    s->hosts = h;
    s->number = h->taken++;
    s->from = addr;
    s->wire = pn_join_wire_new(h->config.base, bev, false, h->config.hello_ms, &wire_ops, s);
    if (!s->wire) {
        free(s);
        return;
    }
    *slot = s;
}
