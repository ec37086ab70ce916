/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/mesh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/link_internal.h"
#include "controlplane/cluster/mesh_internal.h"

const struct pn_mesh_timing pn_mesh_timing_default = {
    .backoff_min_ms = 200, .backoff_max_ms = 30000, .second_dialler_ms = 1500, .steady_ms = 5000};

static const struct pn_member *member_of(const struct pn_mesh *m, const struct pn_id *id)
{
    return pn_members_find(m->config.members, id);
}

static struct mesh_peer *peer_find(const struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned i = 0; i < m->n_peers; i++)
        if (pn_id_equal(&m->peers[i]->id, id))
            return m->peers[i];
    return NULL;
}

static const char *peer_name(const struct mesh_peer *p)
{
    const struct pn_member *row = member_of(p->mesh, &p->id);

    return row ? row->name : "?";
}

/* ---- dialling ---- */

/* Half of the time certain, half by chance: nodes that lost each other at once do not knock at once. */
static void dial_after(struct mesh_peer *p, uint32_t ms)
{
    uint32_t chance = 0;

    RAND_bytes((uint8_t *)&chance, sizeof(chance));
    ms = ms / 2 + (uint32_t)((uint64_t)chance * (ms / 2 + 1) >> 32);
    const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(p->timer, &tv);
}

static void dial_later(struct mesh_peer *p)
{
    const struct pn_mesh_timing *t = &p->mesh->config.timing;
    unsigned doublings = p->failures < 16 ? p->failures : 16;
    uint64_t ms = (uint64_t)t->backoff_min_ms << doublings;

    if (ms > t->backoff_max_ms)
        ms = t->backoff_max_ms;
    if (pn_id_compare(&p->mesh->config.self, &p->id) > 0)
        ms += t->second_dialler_ms;
    dial_after(p, (uint32_t)ms);
}

static void dial_failed(struct mesh_peer *p, const char *reason)
{
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    p->failures++;
    dial_later(p);
}

static void on_dial(evutil_socket_t fd, short what, void *arg)
{
    struct mesh_peer *p = arg;
    const struct pn_member *row = member_of(p->mesh, &p->id);

    (void)fd;
    (void)what;
    if (p->link || p->dialling || !row)
        return;
    if (row->n_endpoints == 0) {
        dial_failed(p, "it has told no address");
        return;
    }
    p->dialling = pn_link_dial(&p->mesh->request, &row->endpoints[p->turn++ % row->n_endpoints]);
    if (!p->dialling)
        dial_failed(p, strerror(errno));
}

/* ---- channels ---- */

static void tell_up(struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned c = 0; c < PN_CHANNEL_MAX; c++)
        if (m->channels[c].ops && m->channels[c].ops->peer_up)
            m->channels[c].ops->peer_up(m->channels[c].arg, id);
}

static void tell_down(struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned c = 0; c < PN_CHANNEL_MAX; c++)
        if (m->channels[c].ops && m->channels[c].ops->peer_down)
            m->channels[c].ops->peer_down(m->channels[c].arg, id);
}

static void peer_lost(struct mesh_peer *p, const char *reason)
{
    uint64_t now = pn_link_now_ms();
    struct pn_id id = p->id;

    p->link = NULL;
    p->failures = now - p->since_ms >= p->mesh->config.timing.steady_ms ? 0 : p->failures + 1;
    p->since_ms = now;
    p->digests_known = false;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    pn_log_notice("cluster: link to %s lost: %s", peer_name(p), reason);
    if (!p->dialling)
        dial_later(p);
    tell_down(p->mesh, &id);
}

/* ---- a link's callbacks ---- */

static bool young_remove(struct pn_mesh *m, const struct pn_link *l)
{
    for (unsigned i = 0; i < m->n_young; i++) {
        if (m->young[i] != l)
            continue;
        m->young[i] = m->young[--m->n_young];
        return true;
    }
    return false;
}

static struct mesh_peer *dialling_peer(const struct pn_mesh *m, const struct pn_link *l)
{
    for (unsigned i = 0; i < m->n_peers; i++)
        if (m->peers[i]->dialling == l)
            return m->peers[i];
    return NULL;
}

/* known: the row must be there, else it may still come with the hello. */
static const char *membership_fault(const struct pn_mesh *m, const struct pn_link *l, const struct pn_cert_name *who,
                                    bool known)
{
    const struct pn_member *row = member_of(m, &who->node);
    const struct mesh_peer *dialled = pn_link_accepted(l) ? NULL : dialling_peer(m, l);

    if (!pn_id_equal(&who->cluster, &m->config.members->cluster))
        return "its certificate is of another cluster";
    if (pn_id_equal(&who->node, &m->config.self))
        return "this is the node itself";
    if (!pn_link_accepted(l) && (!dialled || !pn_id_equal(&dialled->id, &who->node)))
        return "another node answers at this address";
    if (!row)
        return known ? "this node is not a member" : NULL;
    if (row->removed)
        return "this node was removed from the cluster";
    if (!pn_member_active(row))
        return "nine other members joined before this node";
    if (memcmp(row->key, who->key, PN_KEY_BYTES) != 0)
        return "its key is not the one that the cluster knows";
    if (!pn_member_answers_to(row, who->name))
        return "its certificate has a name that the cluster does not know";
    return NULL;
}

static const char *on_judge(void *arg, struct pn_link *l, const struct pn_cert_name *who, enum pn_bye *reason)
{
    struct pn_mesh *m = arg;
    const char *fault = membership_fault(m, l, who, false);

    if (fault) {
        m->counters.not_members++;
        *reason = PN_BYE_NOT_MEMBER;
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: node \"%s\" refused: %s", who->name, fault);
    }
    return fault;
}

static const char *on_hello(void *arg, struct pn_link *l, const struct pn_control *hello, enum pn_bye *reason)
{
    struct pn_mesh *m = arg;
    const struct pn_cert_name *who = pn_link_peer(l);
    const char *fault;

    if (!member_of(m, &who->node) && hello->hello.has_self && pn_id_equal(&hello->hello.self.id, &who->node) &&
        memcmp(hello->hello.self.key, who->key, PN_KEY_BYTES) == 0)
        m->config.admit(m->config.arg, &hello->hello.self);
    fault = membership_fault(m, l, who, true);
    if (fault) {
        m->counters.not_members++;
        *reason = PN_BYE_NOT_MEMBER;
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: node \"%s\" refused: %s", who->name, fault);
    }
    return fault;
}

/* Both ends decide alike: the lesser id's connection stays; of two from one end the later, the other is a leftover. */
static bool newcomer_wins(const struct pn_mesh *m, const struct mesh_peer *p, const struct pn_link *newcomer)
{
    bool ours_is_lesser = pn_id_compare(&m->config.self, &p->id) < 0;

    if (pn_link_accepted(newcomer) == pn_link_accepted(p->link))
        return true;
    return pn_link_accepted(newcomer) != ours_is_lesser;
}

static void on_up(void *arg, struct pn_link *l)
{
    struct pn_mesh *m = arg;
    struct mesh_peer *p = peer_find(m, &pn_link_peer(l)->node);
    struct pn_id id;

    young_remove(m, l);
    if (p && p->dialling == l)
        p->dialling = NULL;
    if (!p) { /* cannot be: membership_fault() was asked just now */
        pn_link_close(l, PN_BYE_NOT_MEMBER, NULL);
        return;
    }
    id = p->id;
    if (p->link) {
        m->counters.duplicates++;
        if (!newcomer_wins(m, p, l)) {
            pn_link_close(l, PN_BYE_DUPLICATE, NULL);
            return;
        }
        pn_link_close(p->link, PN_BYE_DUPLICATE, NULL);
        p->link = NULL;
        tell_down(m, &id);
        if (peer_find(m, &id) != p)
            return;
    }
    p->link = l;
    p->since_ms = pn_link_now_ms();
    p->connects++;
    p->digests_known = false;
    p->reason[0] = '\0';
    memcpy(p->version, pn_link_version(l), sizeof(p->version));
    evtimer_del(p->timer);
    pn_log_notice("cluster: link to %s is up (Postern %s, protocol %u)", peer_name(p), p->version, pn_link_proto(l));
    tell_up(m, &id);
}

static void on_message(void *arg, struct pn_link *l, unsigned channel, const uint8_t *bytes, size_t len)
{
    struct pn_mesh *m = arg;
    struct pn_id from = pn_link_peer(l)->node;

    if (channel < PN_CHANNEL_MAX && m->channels[channel].ops && m->channels[channel].ops->message)
        m->channels[channel].ops->message(m->channels[channel].arg, &from, bytes, len);
    else
        m->counters.unknown_channel++;
}

static void on_ping(void *arg, struct pn_link *l, uint64_t members_digest, uint64_t keyring_digest)
{
    struct pn_mesh *m = arg;
    struct mesh_peer *p = peer_find(m, &pn_link_peer(l)->node);
    uint64_t now = pn_link_now_ms();

    if (!p || p->link != l)
        return;
    p->members_digest = members_digest;
    p->keyring_digest = keyring_digest;
    p->digests_known = true;
    /* Whole lists go out for it: not more often than honest pings come. */
    if (now - p->reconciled_ms < m->config.limits.ping_ms / 2)
        return;
    p->reconciled_ms = now;
    m->config.peer_digests(m->config.arg, &p->id);
}

static void on_writable(void *arg, struct pn_link *l)
{
    struct pn_mesh *m = arg;
    struct pn_id id = pn_link_peer(l)->node;

    for (unsigned c = 0; c < PN_CHANNEL_MAX; c++)
        if (m->channels[c].ops && m->channels[c].ops->writable)
            m->channels[c].ops->writable(m->channels[c].arg, &id);
}

static void on_down(void *arg, struct pn_link *l, const char *reason)
{
    struct pn_mesh *m = arg;
    struct mesh_peer *p = dialling_peer(m, l);

    if (p) {
        p->dialling = NULL;
        m->counters.handshakes_failed++;
        if (!p->link)
            dial_failed(p, reason);
        return;
    }
    if (young_remove(m, l)) {
        if (strcmp(reason, "joins") != 0)
            m->counters.handshakes_failed++;
        p = peer_find(m, &pn_link_peer(l)->node);
        if (p && !p->link)
            snprintf(p->reason, sizeof(p->reason), "%s", reason);
        pn_log_debug("cluster: incoming connection: %s", reason);
        return;
    }
    p = peer_find(m, &pn_link_peer(l)->node);
    if (p && p->link == l)
        peer_lost(p, reason);
}

static void on_join(void *arg, struct bufferevent *bev, const struct sockaddr_storage *from)
{
    struct pn_mesh *m = arg;

    m->config.join(m->config.arg, bev, from);
}

static void on_removed(void *arg, struct pn_link *l, const struct pn_member *row)
{
    struct pn_mesh *m = arg;

    (void)l;
    if (row->removed && pn_id_equal(&row->id, &m->config.self))
        m->config.removed(m->config.arg, row);
}

/* One that was away when it was removed hears it here; nobody else tells it. */
static void fill_bye(void *arg, struct pn_link *l, struct pn_control *bye)
{
    struct pn_mesh *m = arg;
    const struct pn_cert_name *who = pn_link_peer(l);
    const struct pn_member *row = bye->bye.reason == PN_BYE_NOT_MEMBER ? member_of(m, &who->node) : NULL;

    bye->bye.has_row = row && row->removed && memcmp(row->key, who->key, PN_KEY_BYTES) == 0;
    if (bye->bye.has_row)
        bye->bye.row = *row;
}

static void fill_hello(void *arg, struct pn_control *hello)
{
    const struct pn_mesh *m = arg;
    const struct pn_member *self = member_of(m, &m->config.self);

    hello->hello.proto_min = m->config.proto_min;
    hello->hello.proto_max = m->config.proto_max;
    memcpy(hello->hello.version, m->config.version, sizeof(hello->hello.version));
    hello->hello.cluster = m->config.members->cluster;
    hello->hello.node = m->config.self;
    hello->hello.has_self = self && !self->removed;
    if (hello->hello.has_self)
        hello->hello.self = *self;
}

static void fill_ping(void *arg, struct pn_control *ping)
{
    const struct pn_mesh *m = arg;

    m->config.digests(m->config.arg, &ping->ping.members_digest, &ping->ping.keyring_digest);
}

static const struct pn_link_ops link_ops = {.judge = on_judge,
                                            .hello = on_hello,
                                            .up = on_up,
                                            .message = on_message,
                                            .ping = on_ping,
                                            .writable = on_writable,
                                            .down = on_down,
                                            .join = on_join,
                                            .removed = on_removed,
                                            .fill_bye = fill_bye,
                                            .fill_hello = fill_hello,
                                            .fill_ping = fill_ping};

/* ---- membership ---- */

static void peer_add(struct pn_mesh *m, const struct pn_member *row)
{
    struct mesh_peer *p = calloc(1, sizeof(*p));

    if (!p || !(p->timer = evtimer_new(m->config.base, on_dial, p))) {
        free(p);
        pn_log_error("cluster: out of memory");
        return;
    }
    p->mesh = m;
    p->id = row->id;
    m->peers[m->n_peers++] = p;
    dial_after(p, pn_id_compare(&m->config.self, &p->id) > 0 ? m->config.timing.second_dialler_ms : 0);
}

static void peer_drop(struct pn_mesh *m, unsigned at)
{
    struct mesh_peer *p = m->peers[at];
    struct pn_link *link = p->link;
    struct pn_id id = p->id;

    m->peers[at] = m->peers[--m->n_peers];
    if (p->dialling)
        pn_link_close(p->dialling, PN_BYE_NOT_MEMBER, NULL);
    if (link)
        pn_link_close(link, PN_BYE_NOT_MEMBER, "this node was removed from the cluster");
    event_free(p->timer);
    free(p);
    if (link)
        tell_down(m, &id);
}

void pn_mesh_members_changed(struct pn_mesh *m)
{
    const struct pn_members *members = m->config.members;
    const struct pn_member *self = member_of(m, &m->config.self);
    bool alone = !self || !pn_member_active(self); /* we are out: talk to nobody */

    for (unsigned i = m->n_peers; i-- > 0;) {
        const struct pn_member *row = i < m->n_peers ? member_of(m, &m->peers[i]->id) : NULL;
        if (i < m->n_peers && (alone || !row || !pn_member_active(row)))
            peer_drop(m, i);
    }
    for (unsigned i = 0; !alone && i < members->n; i++) {
        const struct pn_member *row = &members->rows[i];
        if (pn_member_active(row) && !pn_id_equal(&row->id, &m->config.self) && !peer_find(m, &row->id) &&
            m->n_peers < PN_MAX_NODES)
            peer_add(m, row);
    }
}

/* ---- transport ---- */

static struct pn_mesh *of(struct pn_transport *t)
{
    return (struct pn_mesh *)t;
}

static enum pn_send_result op_send(struct pn_transport *t, const struct pn_id *to, enum pn_channel channel,
                                   const void *bytes, size_t len)
{
    struct mesh_peer *p = peer_find(of(t), to);

    return p && p->link ? pn_link_send(p->link, channel, bytes, len) : PN_SEND_DOWN;
}

static unsigned op_broadcast(struct pn_transport *t, enum pn_channel channel, const void *bytes, size_t len)
{
    struct pn_mesh *m = of(t);
    unsigned refused = 0;

    for (unsigned i = 0; i < m->n_peers; i++)
        refused += m->peers[i]->link && pn_link_send(m->peers[i]->link, channel, bytes, len) != PN_SEND_OK;
    return refused;
}

static int op_subscribe(struct pn_transport *t, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg)
{
    struct pn_mesh *m = of(t);

    if (channel == PN_CHANNEL_CONTROL || channel >= PN_CHANNEL_MAX || (ops && m->channels[channel].ops))
        return -1;
    m->channels[channel] = (struct mesh_channel){ops, arg};
    return 0;
}

static void describe(const struct mesh_peer *p, struct pn_transport_peer *out)
{
    const struct pn_mesh *m = p->mesh;
    const struct pn_member *row = member_of(m, &p->id);
    uint64_t members = 0, keyring = 0;

    memset(out, 0, sizeof(*out));
    out->id = p->id;
    out->number = row ? row->number : -1;
    if (row)
        memcpy(out->name, row->name, sizeof(out->name));
    out->up = p->link != NULL;
    out->since_ms = p->since_ms;
    out->connects = p->connects;
    memcpy(out->version, p->version[0] || !row ? p->version : row->version, sizeof(out->version));
    memcpy(out->reason, p->reason, sizeof(out->reason));
    if (!p->link)
        return;
    const struct pn_link_stats *s = pn_link_stats(p->link);
    m->config.digests(m->config.arg, &members, &keyring);
    out->proto = pn_link_proto(p->link);
    out->rtt_us = s->rtt_us;
    out->skew_known = s->skew_known;
    out->skew_us = s->skew_us;
    out->queued_bytes = pn_link_queued(p->link);
    out->heard_ms = s->heard_ms;
    out->sent_messages = s->sent_messages;
    out->received_messages = s->received_messages;
    out->sent_bytes = s->sent_bytes;
    out->received_bytes = s->received_bytes;
    out->refused_sends = s->refused_sends;
    out->digests_known = p->digests_known;
    out->members_equal = p->digests_known && p->members_digest == members;
    out->keyring_equal = p->digests_known && p->keyring_digest == keyring;
}

static unsigned op_peers(const struct pn_transport *t, struct pn_transport_peer *out, unsigned max)
{
    const struct pn_mesh *m = (const struct pn_mesh *)t;
    unsigned n = m->n_peers < max ? m->n_peers : max;

    for (unsigned i = 0; i < n; i++)
        describe(m->peers[i], &out[i]);
    return n;
}

static bool op_peer(const struct pn_transport *t, const struct pn_id *id, struct pn_transport_peer *out)
{
    const struct mesh_peer *p = peer_find((const struct pn_mesh *)t, id);

    if (p)
        describe(p, out);
    return p != NULL;
}

static const struct pn_transport_ops transport_ops = {op_send, op_broadcast, op_subscribe, op_peers, op_peer};

bool pn_mesh_all_hold(const struct pn_mesh *m, bool keyring)
{
    uint64_t digests[2] = {0, 0};

    m->config.digests(m->config.arg, &digests[0], &digests[1]);
    for (unsigned i = 0; i < m->config.members->n; i++) {
        const struct pn_member *row = &m->config.members->rows[i];
        const struct mesh_peer *p;

        if (!pn_member_active(row) || pn_id_equal(&row->id, &m->config.self))
            continue;
        p = peer_find(m, &row->id);
        if (!p || !p->link || !p->digests_known ||
            (keyring ? p->keyring_digest : p->members_digest) != digests[keyring])
            return false;
    }
    return true;
}

/* ---- life ---- */

struct pn_mesh *pn_mesh_new(const struct pn_mesh_config *config, struct pn_error *err)
{
    struct pn_mesh *m = calloc(1, sizeof(*m));

    if (!m) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    m->transport.ops = &transport_ops;
    m->config = *config;
    SSL_CTX_up_ref(config->ctx);
    m->request = (struct pn_link_request){config->base, &m->config.limits, &link_ops, m, config->ctx, &m->links};
    if (pn_mesh_listen(m, err) < 0) {
        pn_mesh_free(m);
        return NULL;
    }
    pn_mesh_members_changed(m);
    return m;
}

void pn_mesh_free(struct pn_mesh *m)
{
    if (!m)
        return;
    pn_mesh_unlisten(m);
    while (m->links)
        pn_link_free(m->links);
    for (unsigned i = 0; i < m->n_peers; i++) {
        event_free(m->peers[i]->timer);
        free(m->peers[i]);
    }
    SSL_CTX_free(m->config.ctx);
    free(m);
}

struct pn_transport *pn_mesh_transport(struct pn_mesh *m)
{
    return &m->transport;
}

void pn_mesh_set_identity(struct pn_mesh *m, SSL_CTX *ctx)
{
    SSL_CTX_up_ref(ctx);
    SSL_CTX_free(m->config.ctx);
    m->config.ctx = m->request.ctx = ctx;
}

uint16_t pn_mesh_port(const struct pn_mesh *m)
{
    return m->port;
}

const struct pn_mesh_counters *pn_mesh_counters(const struct pn_mesh *m)
{
    return &m->counters;
}
