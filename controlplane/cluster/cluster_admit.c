/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: inviting and admitting. */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/cluster_internal.h"

int pn_cluster_invite(struct pn_cluster *c, uint32_t ttl_s, const char *invite_passphrase, const char *ca_passphrase,
                      char token[PN_TOKEN_TEXT_BYTES], struct pn_error *err)
{
    const struct pn_member *self = pn_members_find(&c->members, &c->who.node);
    struct pn_token t = {.passphrase = invite_passphrase != NULL};
    struct pn_join_secret secret;
    struct pn_invite invite = {.wrong = 0};
    uint64_t now_s = pn_cluster_now_s();
    EVP_PKEY *ca_key;
    int rc;

    if (c->state != PN_CLUSTER_ACTIVE)
        return pn_error_set(err, "this node is not in a cluster");
    if (ttl_s < PN_INVITE_TTL_MIN_S || ttl_s > PN_INVITE_TTL_MAX_S)
        return pn_error_set(err, "a token is good for %u s to %u s", PN_INVITE_TTL_MIN_S, PN_INVITE_TTL_MAX_S);
    if (pn_members_free_number(&c->members) < 0)
        return pn_error_set(err, "the cluster has %d members already", PN_MAX_NODES);
    ca_key = pn_cluster_ca_key(c, ca_passphrase, err);
    if (!ca_key)
        return -1;
    if (RAND_bytes(t.invite, sizeof(t.invite)) != 1 || RAND_bytes(t.secret, sizeof(t.secret)) != 1 ||
        pn_cert_fingerprint(c->ca, t.ca) < 0 || pn_join_secret_make(&secret, &t, invite_passphrase) < 0) {
        EVP_PKEY_free(ca_key);
        return pn_error_set(err, "no randomness, or out of memory");
    }
    for (unsigned i = 0; i < self->n_endpoints && i < PN_TOKEN_ENDPOINTS_MAX; i++)
        t.endpoints[t.n_endpoints++] = self->endpoints[i];
    memcpy(invite.id, t.invite, sizeof(invite.id));
    memcpy(invite.verifier, secret.verifier, sizeof(invite.verifier));
    invite.expires_s = now_s + ttl_s;
    rc = pn_invites_add(&c->invites, &invite, now_s, err);
    if (rc == 0)
        pn_token_format(&t, token);
    if (rc == 0 && c->ca_locked) { /* the guest comes later than the passphrase */
        EVP_PKEY_free(c->ca_key);
        c->ca_key = ca_key;
        c->ca_key_until_s = c->ca_key_until_s > invite.expires_s ? c->ca_key_until_s : invite.expires_s;
    } else {
        EVP_PKEY_free(ca_key);
    }
    pn_token_wipe(&t);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return rc;
}

static int admit_check(void *arg, const struct pn_join_request *r, struct pn_error *err)
{
    struct pn_cluster *c = arg;
    EVP_PKEY *ca_key;

    if (c->state != PN_CLUSTER_ACTIVE)
        return pn_error_set(err, "this node is not in a cluster");
    if (pn_members_named(&c->members, r->self.claim_name))
        return pn_error_set(
            err, "a member is called \"%s\" already (if it is gone for good: postern cluster remove %s, there)",
            r->self.claim_name, r->self.claim_name);
    if (pn_members_free_number(&c->members) < 0)
        return pn_error_set(err, "the cluster has %d members already", PN_MAX_NODES);
    for (unsigned i = 0; i < c->members.n; i++)
        if (memcmp(c->members.rows[i].key, r->key, PN_KEY_BYTES) == 0)
            return pn_error_set(err, "this key belongs to a member");
    ca_key = pn_cluster_ca_key(c, NULL, err);
    EVP_PKEY_free(ca_key);
    return ca_key ? 0 : -1;
}

static int admit(void *arg, const struct pn_join_request *r, struct pn_join_offer *offer, struct pn_error *err)
{
    struct pn_cluster *c = arg;
    struct pn_member row = r->self;
    struct pn_cert_name who = {.cluster = c->who.cluster};
    EVP_PKEY *ca_key;
    X509 *cert;
    int number = pn_members_free_number(&c->members);

    if (number < 0 || pn_id_random(&row.id) < 0)
        return pn_error_set(err, "no seat, or no randomness");
    row.joined = row.admin_stamp = row.own_stamp = pn_stamp_next(c->members.highest_stamp, c->opt.wall_ms());
    memcpy(row.key, r->key, sizeof(row.key));
    row.admin_author = row.sponsor = c->who.node;
    row.claim_number = (uint8_t)number;
    if (pn_sponsor_sign(c->key, &c->who.cluster, &row) < 0 || pn_member_fault(&row))
        return pn_error_set(err, "the new member's row is impossible: %s", pn_member_fault(&row));
    who.node = row.id;
    memcpy(who.name, row.claim_name, sizeof(who.name));
    memcpy(who.key, row.key, sizeof(who.key));
    ca_key = pn_cluster_ca_key(c, NULL, err);
    cert = ca_key ? pn_ca_issue(c->ca, ca_key, &who, (int64_t)(c->opt.wall_ms() / 1000), c->opt.cert_days, err) : NULL;
    EVP_PKEY_free(ca_key);
    if (!cert)
        return -1;
    offer->certificate = pn_cert_to_der(cert);
    X509_free(cert);
    if (pn_store_read(c->opt.dir, PN_STORE_CA_KEY, 16384, &offer->ca_key, err) < 0)
        return -1;
    if (pn_members_merge(&c->members, &row) != PN_MERGE_CHANGED)
        return pn_error_set(err, "the membership list is full");
    if (pn_cluster_save_members(c, err) < 0) {
        pn_members_forget(&c->members, &row.id); /* nobody has heard of it */
        return -1;
    }
    offer->members = pn_members_encode(&c->members);
    offer->keyring = &c->keyring;
    pn_cluster_event(c, PN_LOG_NOTICE, row.claim_name, "joined the cluster through this node, number %d", number);
    pn_cluster_members_changed(c, true);
    return offer->certificate.data && offer->members.data ? 0 : pn_error_set(err, "out of memory");
}

int pn_cluster_hosts_start(struct pn_cluster *c)
{
    struct pn_join_host_config config = {.base = c->opt.base,
                                         .cluster = c->who.cluster,
                                         .cluster_name = c->cluster_name,
                                         .proto_min = c->opt.proto_min,
                                         .proto_max = c->opt.proto_max,
                                         .hello_ms = c->opt.limits.handshake_ms,
                                         .invites = &c->invites,
                                         .now_s = pn_cluster_now_s,
                                         .check = admit_check,
                                         .admit = admit,
                                         .rehearsal = c->rehearsal,
                                         .rehearsal_arg = c->rehearsal_arg,
                                         .arg = c};

    c->hosts = pn_join_hosts_new(&config);
    return c->hosts ? 0 : -1;
}

/*
 * A member that joined elsewhere while this node was away shows the signature of the member that admitted it. Only an
 * active member's word counts, so one that was removed cannot bring itself or others back.
 */
bool pn_cluster_admit_sponsored(void *arg, const struct pn_member *row)
{
    struct pn_cluster *c = arg;
    const struct pn_member *sponsor = pn_members_find(&c->members, &row->sponsor);
    struct pn_error err;

    if (c->state != PN_CLUSTER_ACTIVE || row->removed || !sponsor || !pn_member_active(sponsor) ||
        !pn_sponsor_verify(sponsor->key, &c->who.cluster, row))
        return false;
    if (pn_members_merge(&c->members, row) != PN_MERGE_CHANGED)
        return false;
    pn_cluster_event(c, PN_LOG_NOTICE, row->claim_name, "joined the cluster through %s", sponsor->name);
    if (pn_cluster_save_members(c, &err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "members cannot be saved: %s", err.text);
    pn_cluster_members_changed(c, true);
    return true;
}
