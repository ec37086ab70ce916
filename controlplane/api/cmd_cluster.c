/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster as it is: from the copy that its thread leaves for us. What changes it is in cmd_cluster_do.c. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/addr.h"
#include "controlplane/actors/roster.h"
#include "controlplane/api/handlers.h"

#define CERTIFICATE_ALARM_DAYS 14

struct look {
    struct pn_cluster_copy copy;
    struct pn_roster_row rows[PN_ROSTER_MAX];
    unsigned n;
};

/* NULL after answering. */
static struct look *look_new(struct pn_api_call *call)
{
    struct look *l;

    if (!call->view->cluster) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "the cluster's part of posternd does not run; postern log says why");
        return NULL;
    }
    l = malloc(sizeof(*l));
    if (!l) {
        pn_api_fail(call, PN_API_BUSY, "posternd is out of memory");
        return NULL;
    }
    pn_cluster_actor_copy(call->view->cluster, &l->copy);
    l->n = pn_roster_make(call->view->conf, &l->copy, l->rows);
    return l;
}

static json_t *ago(const struct pn_view *v, uint64_t at_ms)
{
    uint64_t now = v->now_ms();
    return at_ms ? json_integer((json_int_t)(now > at_ms ? now - at_ms : 0)) : json_null();
}

static json_t *maybe(bool known, bool value)
{
    return known ? json_boolean(value) : json_null();
}

static json_t *rules_equal(const struct pn_view *v, const struct pn_id *peer)
{
    int equal = v->rules && v->rules_equal ? v->rules_equal(v->rules, peer) : -1;
    return maybe(equal >= 0, equal > 0);
}

static json_t *peer_json(const struct pn_view *v, const struct pn_roster_row *row)
{
    const struct pn_transport_peer *p = row->peer;
    char id[PN_ID_TEXT_BYTES];
    json_t *out =
        json_pack("{s:s, s:s, s:i, s:b, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o}", "name", row->name, "id",
                  pn_id_format(&p->id, id), "number", p->number, "configured", row->node >= 0, "link",
                  p->up             ? "up"
                  : p->connects > 0 ? "down"
                                    : "never",
                  "since_ms", ago(v, p->since_ms), "version", pn_json_text(p->version), "protocol", (int)p->proto,
                  "members_equal", maybe(p->digests_known, p->members_equal), "keys_equal",
                  maybe(p->digests_known, p->keyring_equal), "rules_equal",
                  p->up ? rules_equal(v, &p->id) : json_null(), "reason", pn_json_text(p->up ? "" : p->reason));

    if (out)
        json_object_update_new(
            out, json_pack("{s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "heard_ago_ms",
                           ago(v, p->up ? p->heard_ms : 0), "rtt_us", p->rtt_us ? pn_json_u64(p->rtt_us) : json_null(),
                           "skew_us", p->skew_known ? json_integer(p->skew_us) : json_null(), "skewed", row->skewed,
                           "queued_bytes", (json_int_t)p->queued_bytes, "connects", (json_int_t)p->connects,
                           "sent_messages", (json_int_t)p->sent_messages, "sent_bytes", (json_int_t)p->sent_bytes,
                           "received_messages", (json_int_t)p->received_messages, "received_bytes",
                           (json_int_t)p->received_bytes, "refused_sends", (json_int_t)p->refused_sends));
    return out;
}

static json_t *peers_json(const struct pn_view *v, const struct look *l)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < l->n; i++)
        if (l->rows[i].peer)
            json_array_append_new(list, peer_json(v, &l->rows[i]));
    return list;
}

/* Names of one side that the other does not have. */
static json_t *strays(const struct look *l, bool members)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < l->n; i++)
        if (members ? l->rows[i].seat && l->rows[i].node < 0 : !l->rows[i].seat)
            json_array_append_new(list, json_string(l->rows[i].name));
    return list;
}

static int days_left(const struct pn_cluster_status *s)
{
    int64_t left_s = s->cert_until_s - (int64_t)time(NULL);
    return left_s > 0 ? (int)(left_s / 86400) : 0;
}

static const char *sender(const struct pn_view *v)
{
    const struct pn_key_sources *k = v->keys;

    return !k || v->conf->n_nodes < 2 ? "not needed" : k->cluster_sends ? "cluster" : k->file ? "file" : "none";
}

static json_t *counters_json(const struct pn_mesh_counters *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "accepted", pn_json_u64(c->accepted), "refused_full",
                     pn_json_u64(c->refused_full), "refused_source", pn_json_u64(c->refused_source),
                     "handshakes_failed", pn_json_u64(c->handshakes_failed), "not_members", pn_json_u64(c->not_members),
                     "duplicates", pn_json_u64(c->duplicates), "unknown_channel", pn_json_u64(c->unknown_channel));
}

static json_t *keys_json(const struct pn_view *v, const struct pn_cluster_status *s)
{
    return json_pack("{s:o, s:I, s:s, s:b, s:b}", "phase",
                     s->keys_epoch ? json_string(pn_keyring_phase_name[s->keys_phase]) : json_null(), "epoch",
                     (json_int_t)s->keys_epoch, "heartbeats", sender(v), "file", v->keys && v->keys->file, "cluster",
                     v->keys && v->keys->cluster);
}

void pn_cmd_cluster_status(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    struct look *l = look_new(call);
    const struct pn_cluster_status *s;
    json_t *out;

    if (!l)
        return;
    s = &l->copy.status;
    out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:i, s:o, s:i, s:o, s:o, s:o}", "state",
                    pn_cluster_state_name[s->state], "cluster", s->cluster_name, "cluster_id", s->cluster_id, "node",
                    s->state == PN_CLUSTER_NONE && v->node >= 0 ? v->conf->nodes[v->node].name : s->name, "node_id",
                    s->id, "number", s->number, "port", s->port ? json_integer(s->port) : json_null(), "members",
                    (int)s->active, "keys", keys_json(v, s), "invites", (int)s->invites, "peers", peers_json(v, l),
                    "not_members", s->state == PN_CLUSTER_ACTIVE ? strays(l, false) : json_array(), "not_configured",
                    strays(l, true));
    if (out)
        json_object_update_new(out, json_pack("{s:o, s:s, s:o, s:I}", "certificate",
                                              s->state == PN_CLUSTER_NONE
                                                  ? json_null()
                                                  : json_pack("{s:I, s:i, s:b}", "until_s", (json_int_t)s->cert_until_s,
                                                              "days_left", days_left(s), "passphrase", s->ca_locked),
                                              "problem", s->mesh_error, "counters", counters_json(&s->counters),
                                              "at_ms", (json_int_t)v->now_ms()));
    free(l);
    pn_api_ok(call, out);
}

static json_t *seat_json(const struct pn_roster_row *row)
{
    const struct pn_cluster_seat *seat = row->seat;
    json_t *addresses = json_array();
    char id[PN_ID_TEXT_BYTES], text[PN_ADDR_TEXT_BYTES + 10], addr[PN_ADDR_TEXT_BYTES];

    for (unsigned i = 0; seat && i < seat->n_endpoints; i++) {
        bool v4 = pn_addr_is_v4(&seat->endpoints[i].addr);
        snprintf(text, sizeof(text), "%s%s%s:%u", v4 ? "" : "[",
                 pn_addr_format(&seat->endpoints[i].addr, addr, sizeof(addr)), v4 ? "" : "]", seat->endpoints[i].port);
        json_array_append_new(addresses, json_string(text));
    }
    if (!seat)
        return json_pack("{s:s, s:b, s:b, s:n, s:n, s:b, s:s, s:o, s:i, s:i, s:n, s:s}", "name", row->name, "member", 0,
                         "configured", 1, "number", "id", "self", 0, "link", "", "addresses", addresses, "vips", 0,
                         "perimeter", 0, "joined_ms", "version", "");
    return json_pack("{s:s, s:b, s:b, s:i, s:s, s:b, s:s, s:o, s:i, s:i, s:I, s:o}", "name", row->name, "member", 1,
                     "configured", row->node >= 0, "number", seat->number, "id", pn_id_format(&seat->id, id), "self",
                     seat->self, "link",
                     !row->peer            ? ""
                     : row->peer->up       ? "up"
                     : row->peer->connects ? "down"
                                           : "never",
                     "addresses", addresses, "vips", (int)seat->n_vips, "perimeter", (int)seat->n_extra, "joined_ms",
                     (json_int_t)seat->joined_ms, "version", pn_json_text(seat->version));
}

void pn_cmd_cluster_members(struct pn_api_call *call)
{
    struct look *l = look_new(call);
    json_t *list;

    if (!l)
        return;
    list = json_array();
    for (unsigned i = 0; i < l->n; i++)
        json_array_append_new(list, seat_json(&l->rows[i]));
    pn_api_ok(call, json_pack("{s:s, s:s, s:o}", "state", pn_cluster_state_name[l->copy.status.state], "cluster",
                              l->copy.status.cluster_name, "members", list));
    free(l);
}

/* What of it belongs at the top of `postern status`. */
static json_t *alarms(const struct pn_view *v, const struct look *l)
{
    const struct pn_cluster_status *s = &l->copy.status;
    json_t *list = json_array();
    char text[320], age[48];

    if (s->state == PN_CLUSTER_REMOVED)
        json_array_append_new(list, json_string("this node was removed from the cluster (postern cluster join)"));
    if (s->mesh_error[0])
        json_array_append_new(list, pn_json_text(s->mesh_error));
    for (unsigned i = 0; i < l->n; i++) {
        const struct pn_roster_row *row = &l->rows[i];

        if (row->peer && !row->peer->up) {
            uint64_t down_s = (v->now_ms() - row->peer->since_ms) / 1000;
            snprintf(age, sizeof(age), " for %llu s", (unsigned long long)down_s);
            snprintf(text, sizeof(text), "cluster: no link to %s%s: %s", row->name, row->peer->since_ms ? age : "",
                     row->peer->reason[0] ? row->peer->reason : "not tried yet");
            json_array_append_new(list, pn_json_text(text));
        } else if (row->skewed) {
            snprintf(text, sizeof(text), "cluster: the clock of %s is %+.1f s off this node's", row->name,
                     (double)row->peer->skew_us / 1e6);
            json_array_append_new(list, json_string(text));
        }
        if (!row->seat && s->state == PN_CLUSTER_ACTIVE) {
            snprintf(text, sizeof(text), "cluster: node %s is configured, but not a member (postern cluster invite)",
                     row->name);
            json_array_append_new(list, json_string(text));
        }
    }
    if (s->state == PN_CLUSTER_ACTIVE && days_left(s) < CERTIFICATE_ALARM_DAYS) {
        snprintf(text, sizeof(text), "cluster: this node's certificate ends in %d days (postern cluster renew)",
                 days_left(s));
        json_array_append_new(list, json_string(text));
    }
    return list;
}

json_t *pn_show_cluster(const struct pn_view *v)
{
    struct look *l = v->cluster ? malloc(sizeof(*l)) : NULL;
    unsigned up = 0;
    json_t *out;

    if (!l)
        return json_null();
    pn_cluster_actor_copy(v->cluster, &l->copy);
    l->n = pn_roster_make(v->conf, &l->copy, l->rows);
    for (unsigned i = 0; i < l->copy.status.n_peers; i++)
        up += l->copy.status.peers[i].up;
    out = json_pack("{s:s, s:s, s:i, s:i, s:s, s:o}", "state", pn_cluster_state_name[l->copy.status.state], "cluster",
                    l->copy.status.cluster_name, "members", (int)l->copy.status.active, "connected",
                    l->copy.status.state == PN_CLUSTER_ACTIVE ? (int)up + 1 : 0, "heartbeat_keys", sender(v), "alarms",
                    alarms(v, l));
    free(l);
    return out;
}
