/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens on links: who is let in, which of two connections stays, what is told to the channels. */
#include <stdio.h>

#include <event2/event.h>

#include "common/log.h"
#include "controlplane/cluster/mesh_internal.h"

static void peer_lost(struct mesh_peer *p, const char *reason)
{
    uint64_t now = pn_link_now_ms();
    struct pn_id id = p->id;

    p->link = NULL;
    p->failures = now - p->since_ms >= p->mesh->config.timing.steady_ms ? 0 : p->failures + 1;
    p->since_ms = now;
    p->digests_known = false;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    pn_log_notice("cluster: link to %s lost: %s", pn_mesh_peer_name(p), reason);
    if (!p->dialling)
        pn_mesh_dial_later(p);
    pn_mesh_tell_down(p->mesh, &id);
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
    const struct pn_member *row = pn_mesh_member(m, &who->node);
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

    if (!pn_mesh_member(m, &who->node) && hello->hello.has_self && pn_id_equal(&hello->hello.self.id, &who->node) &&
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
    struct mesh_peer *p = pn_mesh_peer(m, &pn_link_peer(l)->node);
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
        pn_mesh_tell_down(m, &id);
        if (pn_mesh_peer(m, &id) != p)
            return;
    }
    p->link = l;
    p->since_ms = pn_link_now_ms();
    p->connects++;
    p->digests_known = false;
    p->reason[0] = '\0';
    memcpy(p->version, pn_link_version(l), sizeof(p->version));
    evtimer_del(p->timer);
    pn_log_notice("cluster: link to %s is up (Postern %s, protocol %u)", pn_mesh_peer_name(p), p->version,
                  pn_link_proto(l));
    pn_mesh_tell_up(m, &id);
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
    struct mesh_peer *p = pn_mesh_peer(m, &pn_link_peer(l)->node);
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
            pn_mesh_dial_failed(p, reason);
        return;
    }
    if (young_remove(m, l)) {
        if (strcmp(reason, "joins") != 0)
            m->counters.handshakes_failed++;
        p = pn_mesh_peer(m, &pn_link_peer(l)->node);
        if (p && !p->link)
            snprintf(p->reason, sizeof(p->reason), "%s", reason);
        pn_log_debug("cluster: incoming connection: %s", reason);
        return;
    }
    p = pn_mesh_peer(m, &pn_link_peer(l)->node);
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
    const struct pn_member *row = bye->bye.reason == PN_BYE_NOT_MEMBER ? pn_mesh_member(m, &who->node) : NULL;

    bye->bye.has_row = row && row->removed && memcmp(row->key, who->key, PN_KEY_BYTES) == 0;
    if (bye->bye.has_row)
        bye->bye.row = *row;
}

static void fill_hello(void *arg, struct pn_control *hello)
{
    const struct pn_mesh *m = arg;
    const struct pn_member *self = pn_mesh_member(m, &m->config.self);

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

void pn_mesh_links_init(struct pn_mesh *m)
{
    m->request = (struct pn_link_request){m->config.base, &m->config.limits, &link_ops, m, m->config.ctx, &m->links};
}
