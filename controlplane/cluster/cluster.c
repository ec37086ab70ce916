/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/cluster_internal.h"
#include "controlplane/cluster/link_internal.h"

#define TICK_MS 500
#define MESH_RETRY_MS 5000

const char *const pn_cluster_state_name[3] = {"none", "active", "removed"};

static uint64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t pn_cluster_now_s(void)
{
    return wall_ms() / 1000;
}

void pn_cluster_event(struct pn_cluster *c, int level, const char *subject, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (c->ops->event)
        c->ops->event(c->arg, level, subject, text);
    else
        pn_log((enum pn_log_level)level, "cluster%s%s: %s", *subject ? " " : "", subject, text);
}

void pn_cluster_options_defaults(struct pn_cluster_options *o)
{
    memset(o, 0, sizeof(*o));
    o->proto_min = PN_CLUSTER_PROTO_MIN;
    o->proto_max = PN_CLUSTER_PROTO_MAX;
    o->cert_days = PN_CERT_DAYS;
    o->limits = pn_link_limits_default;
    o->timing = pn_mesh_timing_default;
    o->key_grace_ms = PN_KEYRING_GRACE_MS;
    o->mesh_retry_ms = MESH_RETRY_MS;
    o->handshakes_max = 32;
    o->handshakes_per_source = 8;
    o->wall_ms = wall_ms;
}

/* ---- start and stop of what runs only in a cluster ---- */

static void on_join(void *arg, struct bufferevent *bev, const struct sockaddr_storage *from)
{
    struct pn_cluster *c = arg;

    if (c->hosts && c->state == PN_CLUSTER_ACTIVE)
        pn_join_hosts_take(c->hosts, bev, from);
    else
        bufferevent_free(bev);
}

static void on_removed(void *arg, const struct pn_member *row)
{
    pn_cluster_take_removal(arg, row);
}

static void on_digests(void *arg, uint64_t *members, uint64_t *keyring)
{
    const struct pn_cluster *c = arg;

    *members = pn_members_digest64(&c->members);
    *keyring = c->keyring.epoch ? pn_keyring_digest64(&c->keyring) : 0;
}

static void on_peer_digests(void *arg, const struct pn_id *peer)
{
    pn_cluster_peer_digests(arg, peer);
}

/* What this node says of itself, with the port that it really listens on. */
static void describe(struct pn_cluster *c)
{
    struct pn_member self = c->opt.self;
    struct pn_error err;

    for (unsigned i = 0; i < self.n_endpoints; i++)
        if (self.endpoints[i].port == 0)
            self.endpoints[i].port = c->mesh ? pn_mesh_port(c->mesh) : PN_CLUSTER_PORT;
    memset(&self.id, 1, sizeof(self.id));
    self.joined = self.admin_stamp = 1;
    memset(self.claim_name, 0, sizeof(self.claim_name));
    self.claim_name[0] = 'x';
    if (pn_member_fault(&self)) { /* the others would refuse the whole list */
        pn_cluster_event(c, PN_LOG_ERROR, c->who.name, "addresses are not announced: %s", pn_member_fault(&self));
        return;
    }
    if (!pn_members_describe(&c->members, &c->who.node, c->opt.wall_ms(), &self))
        return;
    if (pn_cluster_save_members(c, &err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "members cannot be saved: %s", err.text);
    pn_cluster_members_changed(c, true);
}

static int mesh_start(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_mesh_config config = {.base = c->opt.base,
                                    .self = c->who.node,
                                    .members = &c->members,
                                    .n_listen = c->opt.n_listen,
                                    .proto_min = c->opt.proto_min,
                                    .proto_max = c->opt.proto_max,
                                    .limits = c->opt.limits,
                                    .timing = c->opt.timing,
                                    .handshakes_max = c->opt.handshakes_max,
                                    .handshakes_per_source = c->opt.handshakes_per_source,
                                    .arg = c,
                                    .admit = pn_cluster_admit_sponsored,
                                    .removed = on_removed,
                                    .join = on_join,
                                    .digests = on_digests,
                                    .peer_digests = on_peer_digests};

    memcpy(config.listen, c->opt.listen, sizeof(config.listen));
    memcpy(config.version, c->opt.self.version, sizeof(config.version));
    config.ctx = pn_cluster_tls(c, err);
    if (!config.ctx)
        return -1;
    c->mesh = pn_mesh_new(&config, err);
    SSL_CTX_free(config.ctx);
    if (!c->mesh)
        return -1;
    if (pn_cluster_hosts_start(c) < 0) {
        pn_mesh_free(c->mesh);
        c->mesh = NULL;
        return pn_error_set(err, "out of memory");
    }
    for (unsigned i = 1; i < PN_CHANNEL_MAX; i++)
        if (c->channels[i].ops)
            pn_transport_subscribe(pn_mesh_transport(c->mesh), (enum pn_channel)i, c->channels[i].ops,
                                   c->channels[i].arg);
    describe(c);
    return 0;
}

/* An address that is in use, or not there yet, is no reason to be without the cluster's keys: it is tried again. */
void pn_cluster_start(struct pn_cluster *c)
{
    struct pn_error err = {""};
    bool again = c->mesh_error[0];

    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (mesh_start(c, &err) < 0) {
        c->mesh_retry_ms = pn_link_now_ms() + c->opt.mesh_retry_ms;
        if (strncmp(c->mesh_error, err.text, sizeof(c->mesh_error) - 1) != 0)
            pn_cluster_event(c, PN_LOG_ERROR, "", "%.180s; tried again each %u s", err.text,
                             c->opt.mesh_retry_ms / 1000);
        snprintf(c->mesh_error, sizeof(c->mesh_error), "%.159s", err.text);
    } else {
        c->mesh_error[0] = '\0';
        if (again)
            pn_cluster_event(c, PN_LOG_NOTICE, "", "listens on port %u now", pn_mesh_port(c->mesh));
    }
    if (!again)
        pn_cluster_ring_tell(c);
}

void pn_cluster_stop(struct pn_cluster *c)
{
    pn_join_hosts_free(c->hosts);
    c->hosts = NULL;
    pn_mesh_free(c->mesh);
    c->mesh = NULL;
    c->held_since_ms = 0;
    memset(c->skewed, 0, sizeof(c->skewed));
    c->mesh_error[0] = '\0';
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct pn_cluster *c = arg;

    (void)fd;
    (void)what;
    if (c->state == PN_CLUSTER_REMOVED && c->mesh && pn_link_now_ms() >= c->stop_at_ms)
        pn_cluster_stop(c);
    if (c->state == PN_CLUSTER_ACTIVE && !c->mesh && pn_link_now_ms() >= c->mesh_retry_ms)
        pn_cluster_start(c);
    pn_cluster_sync_tick(c);
}

struct pn_cluster *pn_cluster_new(const struct pn_cluster_options *options, const struct pn_cluster_ops *ops, void *arg,
                                  struct pn_error *err)
{
    static const struct timeval every = {0, TICK_MS * 1000};
    static const struct pn_cluster_ops none;
    struct pn_cluster *c = calloc(1, sizeof(*c));

    if (!c) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    c->opt = *options;
    c->ops = ops ? ops : &none;
    c->arg = arg;
    c->tick = event_new(c->opt.base, -1, EV_PERSIST, on_tick, c);
    if (!c->tick || event_add(c->tick, &every) < 0 || pn_cluster_sync_subscribe(c) < 0) {
        pn_error_set(err, "out of memory");
        pn_cluster_free(c);
        return NULL;
    }
    if (pn_cluster_load(c, err) < 0) {
        pn_cluster_free(c);
        return NULL;
    }
    pn_cluster_start(c);
    return c;
}

void pn_cluster_free(struct pn_cluster *c)
{
    if (!c)
        return;
    pn_cluster_join_cancel(c);
    pn_cluster_stop(c);
    pn_cluster_unload(c);
    if (c->tick)
        event_free(c->tick);
    free(c);
}

/* ---- questions ---- */

enum pn_cluster_state pn_cluster_state(const struct pn_cluster *c)
{
    return c->state;
}

const char *pn_cluster_name(const struct pn_cluster *c)
{
    return c->cluster_name;
}

uint16_t pn_cluster_port(const struct pn_cluster *c)
{
    return c->mesh ? pn_mesh_port(c->mesh) : 0;
}

const struct pn_id *pn_cluster_self(const struct pn_cluster *c)
{
    return &c->who.node;
}

const struct pn_members *pn_cluster_members(const struct pn_cluster *c)
{
    return &c->members;
}

struct pn_transport *pn_cluster_transport(const struct pn_cluster *c)
{
    return c->mesh ? pn_mesh_transport(c->mesh) : NULL;
}

int pn_cluster_subscribe(struct pn_cluster *c, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg)
{
    if (channel == PN_CHANNEL_CONTROL || channel >= PN_CHANNEL_MAX || (ops && c->channels[channel].ops))
        return -1;
    c->channels[channel] = (struct cluster_subscription){ops, arg};
    return c->mesh ? pn_transport_subscribe(pn_mesh_transport(c->mesh), channel, ops, arg) : 0;
}

void pn_cluster_set_rehearsal(struct pn_cluster *c, const struct pn_join_rehearsal *rehearsal, void *arg)
{
    c->rehearsal = rehearsal;
    c->rehearsal_arg = arg;
    if (c->hosts) {
        pn_join_hosts_free(c->hosts);
        pn_cluster_hosts_start(c);
    }
}

void pn_cluster_reconfigure(struct pn_cluster *c, const struct pn_cluster_options *options)
{
    bool moved = c->opt.n_listen != options->n_listen ||
                 memcmp(c->opt.listen, options->listen, options->n_listen * sizeof(options->listen[0])) != 0;

    memcpy(c->opt.name, options->name, sizeof(c->opt.name));
    c->opt.n_listen = options->n_listen;
    memcpy(c->opt.listen, options->listen, sizeof(c->opt.listen));
    c->opt.self = options->self;
    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (moved) {
        pn_cluster_stop(c);
        pn_cluster_start(c);
    } else if (c->mesh) {
        describe(c);
    }
}

void pn_cluster_perimeter(const struct pn_cluster *c, struct pn_perimeter *out)
{
    pn_perimeter_make(out, &c->members);
}

void pn_cluster_status(const struct pn_cluster *c, struct pn_cluster_status *out)
{
    const struct pn_member *self = c->members.rows ? pn_members_find(&c->members, &c->who.node) : NULL;
    int64_t from_s;
    uint64_t now_s = pn_cluster_now_s();

    memset(out, 0, sizeof(*out));
    out->state = c->state;
    out->number = self ? self->number : -1;
    memcpy(out->version, c->opt.self.version, sizeof(out->version));
    if (c->state == PN_CLUSTER_NONE)
        return;
    memcpy(out->cluster_name, c->cluster_name, sizeof(out->cluster_name));
    pn_id_format(&c->who.cluster, out->cluster_id);
    pn_id_format(&c->who.node, out->id);
    memcpy(out->name, self ? self->name : c->who.name, sizeof(out->name));
    out->active = pn_members_active(&c->members);
    pn_cert_validity(c->cert, &from_s, &out->cert_until_s);
    out->ca_locked = c->ca_locked;
    out->keys_phase = c->keyring.phase;
    out->keys_epoch = c->keyring.epoch;
    for (unsigned i = 0; i < c->invites.n; i++)
        out->invites += !c->invites.list[i].used && c->invites.list[i].expires_s > now_s &&
                        c->invites.list[i].wrong < PN_INVITE_WRONG_MAX;
    memcpy(out->mesh_error, c->mesh_error, sizeof(out->mesh_error));
    out->port = pn_cluster_port(c);
    if (!c->mesh)
        return;
    out->counters = *pn_mesh_counters(c->mesh);
    out->n_peers = pn_transport_peers(pn_mesh_transport(c->mesh), out->peers, PN_MAX_NODES);
    for (unsigned i = 0; i < out->n_peers; i++)
        out->skewed[i] = out->peers[i].skew_known && llabs(out->peers[i].skew_us) > PN_CLUSTER_SKEW_ALARM_US;
}
