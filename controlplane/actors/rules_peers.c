/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One exchange of rules with each peer whose link is up. What a full link does not take waits here, in bounds; while much
 * does, what the peer says waits, too, and beyond the bound is lost: the next Hello finds what it was. A peer that
 * breaks the protocol is left alone for a while, longer each time; its link stays up, for others use it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "controlplane/actors/rules_internal.h"

static struct rules_peer *peer_of(struct pn_rules_actor *a, const struct pn_id *id)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (a->peers[i].used && pn_id_equal(&a->peers[i].id, id))
            return &a->peers[i];
    return NULL;
}

static void line_free(struct rules_line *l)
{
    for (struct rules_frame *f = l->first, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    *l = (struct rules_line){.last = &l->first};
}

static int line_add(struct rules_line *l, const uint8_t *bytes, size_t len)
{
    struct rules_frame *f = l->bytes + len <= RULES_QUEUE_MAX ? malloc(sizeof(*f) + len) : NULL;

    if (!f)
        return -1;
    f->next = NULL;
    f->len = len;
    memcpy(f->data, bytes, len);
    *l->last = f;
    l->last = &f->next;
    l->bytes += len;
    return 0;
}

/* The caller's to free. */
static struct rules_frame *line_take(struct rules_line *l)
{
    struct rules_frame *f = l->first;

    l->first = f->next;
    if (!l->first)
        l->last = &l->first;
    l->bytes -= f->len;
    return f;
}

static void exchange_end(struct rules_peer *p)
{
    struct pn_sync_status s = {0};

    if (p->busy)
        return; /* whoever is inside sees to it, or the next tick does */
    if (p->sync)
        pn_sync_status(p->sync, &s);
    if (s.equal_ms)
        p->equal_ms = s.equal_ms;
    pn_sync_free(p->sync);
    p->sync = NULL;
    line_free(&p->out);
    line_free(&p->in);
}

static void peer_forget(struct rules_peer *p)
{
    p->up = false;
    exchange_end(p);
    if (!p->sync)
        memset(p, 0, sizeof(*p));
}

/* ---- Frames out ---- */

static enum pn_send_result send_now(struct rules_peer *p, const uint8_t *bytes, size_t len)
{
    struct pn_transport *t = pn_cluster_transport(p->a->options.cluster);
    return t ? pn_transport_send(t, &p->id, PN_CHANNEL_RULES, bytes, len) : PN_SEND_DOWN;
}

static void on_out(void *arg, const uint8_t *bytes, size_t len)
{
    struct rules_peer *p = arg;
    enum pn_send_result result = p->out.first ? PN_SEND_FULL : send_now(p, bytes, len);

    if (result == PN_SEND_FULL) {
        p->dropped += line_add(&p->out, bytes, len) < 0;
        pn_sync_pause(p->sync, true);
    } else if (result == PN_SEND_TOO_LARGE) {
        pn_log_limited(10000, PN_LOG_ERROR, "rules: a frame of %zu bytes for %s is longer than the link takes", len,
                       p->name);
    }
}

/* The line moves on; whether it is empty. */
static bool line_moves(struct rules_peer *p)
{
    while (p->out.first) {
        if (send_now(p, p->out.first->data, p->out.first->len) == PN_SEND_FULL)
            return false;
        free(line_take(&p->out));
    }
    return true;
}

void rules_peers_push(void *actor, uint8_t kind, const uint8_t *frame, size_t len)
{
    struct pn_rules_actor *a = actor;

    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (a->peers[i].sync && a->peers[i].up)
            pn_sync_push(a->peers[i].sync, kind, frame, len);
}

/* ---- The exchange ---- */

static void exchange_begin(struct rules_peer *p)
{
    uint64_t now = rules_now_ms();

    if (p->sync || !p->up || !p->a->store || !p->a->joined || now < p->banned_until_ms)
        return;
    p->sync = pn_sync_new(p->a->store, p->name, on_out, p);
    if (!p->sync)
        return; /* with a later tick */
    p->since_ms = p->checked_ms = now;
    p->busy++;
    pn_sync_start(p->sync);
    p->busy--;
}

static void violation(struct rules_peer *p, const char *why)
{
    uint64_t now = rules_now_ms();

    if (now - p->since_ms > RULES_BAN_MAX_MS)
        p->ban_ms = 0; /* it was good for long */
    p->ban_ms = p->ban_ms == 0                     ? RULES_BAN_FIRST_MS
                : p->ban_ms * 4 < RULES_BAN_MAX_MS ? p->ban_ms * 4
                                                   : RULES_BAN_MAX_MS;
    p->banned_until_ms = now + p->ban_ms;
    p->violations++;
    snprintf(p->problem, sizeof(p->problem), "%s", why);
    rules_event(p->a, PN_LOG_WARNING, p->name,
                "does not keep to the protocol of the rules: %.160s; not listened to for %llu s", why,
                (unsigned long long)(p->ban_ms + 999) / 1000);
    exchange_end(p);
}

static void hear(struct rules_peer *p, const uint8_t *bytes, size_t len)
{
    struct pn_error err = {""};
    int rc;

    p->busy++;
    rc = pn_sync_input(p->sync, bytes, len, &err);
    p->busy--;
    if (rc < 0)
        violation(p, err.text);
    else if (!p->up)
        exchange_end(p);
}

static void on_message(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len)
{
    struct rules_peer *p = peer_of(arg, from);

    if (!p || !p->sync || !p->up)
        return;
    if (p->in.first || p->out.bytes > RULES_DEAF_ABOVE)
        p->dropped += line_add(&p->in, bytes, len) < 0;
    else
        hear(p, bytes, len);
}

/* What waited to be heard, as long as the answers find room. */
static void catch_up(struct rules_peer *p)
{
    while (p->sync && p->in.first && p->out.bytes <= RULES_DEAF_ABOVE) {
        struct rules_frame *f = line_take(&p->in);

        hear(p, f->data, f->len);
        free(f);
    }
}

static void on_up(void *arg, const struct pn_id *id)
{
    struct pn_rules_actor *a = arg;
    struct rules_peer *p;

    if (a->store)
        rules_peers_follow(a);
    p = peer_of(a, id);
    if (!p)
        return; /* not a member yet; it is with the news of its joining */
    p->up = true;
    exchange_begin(p);
}

static void on_down(void *arg, const struct pn_id *id)
{
    struct rules_peer *p = peer_of(arg, id);

    if (!p)
        return;
    p->up = false;
    exchange_end(p);
}

static void on_writable(void *arg, const struct pn_id *id)
{
    struct rules_peer *p = peer_of(arg, id);

    if (!p || !p->sync || p->busy || !p->out.first)
        return;
    p->busy++;
    if (line_moves(p))
        pn_sync_pause(p->sync, false);
    p->busy--;
    if (!p->up)
        exchange_end(p);
    else
        catch_up(p);
}

const struct pn_channel_ops rules_channel_ops = {
    .message = on_message, .peer_up = on_up, .peer_down = on_down, .writable = on_writable};

/* ---- Following the cluster ---- */

static void cluster_joined(struct pn_rules_actor *a, const struct pn_members *m)
{
    struct pn_error err = {""};
    uint64_t number;
    int rc;

    memcpy(&number, m->cluster.b, sizeof(number));
    rc = pn_rules_cluster_set(a->store, number ? number : 1, &err);
    a->joined = rc >= 0;
    if (rc > 0)
        rules_event(a, PN_LOG_NOTICE, "", "joins the rules of cluster %s: what this node has is added to them",
                    pn_cluster_name(a->options.cluster));
    else if (rc < 0)
        rules_event(a, PN_LOG_ERROR, "", "cannot join the cluster's rules: %s", err.text);
}

static void member_follow(struct pn_rules_actor *a, const struct pn_member *m)
{
    struct rules_peer *p = peer_of(a, &m->id);

    for (unsigned i = 0; !p && i < PN_MAX_NODES; i++) {
        if (a->peers[i].used)
            continue;
        p = &a->peers[i];
        *p = (struct rules_peer){
            .a = a,
            .used = true,
            .id = m->id,
        };
        p->out.last = &p->out.first;
        p->in.last = &p->in.first;
    }
    if (!p)
        return;
    if (strcmp(p->name, m->name) != 0) {
        snprintf(p->name, sizeof(p->name), "%s", m->name);
        exchange_end(p); /* begins again under the new name */
    }
}

void rules_peers_follow(struct pn_rules_actor *a)
{
    struct pn_cluster *c = a->options.cluster;
    const struct pn_members *m = c ? pn_cluster_members(c) : NULL;
    bool active = c && m && pn_cluster_state(c) == PN_CLUSTER_ACTIVE;
    const char *names[PN_RULES_MEMBERS_MAX], *self = a->options.node;
    struct pn_transport *t = active ? pn_cluster_transport(c) : NULL;
    struct pn_error err = {""};
    unsigned n = 0;

    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        const struct pn_member *row = a->peers[i].used && active ? pn_members_find(m, &a->peers[i].id) : NULL;
        if (a->peers[i].used && (!row || !pn_member_active(row)))
            peer_forget(&a->peers[i]);
    }
    for (unsigned i = 0; active && i < m->n && n < PN_RULES_MEMBERS_MAX; i++) {
        if (!pn_member_active(&m->rows[i]))
            continue;
        names[n++] = m->rows[i].name;
        if (pn_id_equal(&m->rows[i].id, pn_cluster_self(c)))
            self = m->rows[i].name;
        else
            member_follow(a, &m->rows[i]);
    }
    if (n == 0)
        names[n++] = self;
    if (strcmp(self, pn_rules_node(a->store)) != 0 && pn_rules_node_set(a->store, self, &err) < 0)
        rules_event(a, PN_LOG_ERROR, "", "%s", err.text);
    if (pn_rules_members_set(a->store, names, n, &err) < 0)
        rules_event(a, PN_LOG_ERROR, "", "%s", err.text);
    a->joined &= active;
    if (active && !a->joined)
        cluster_joined(a, m);
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        struct pn_transport_peer peer;

        if (!a->peers[i].used)
            continue;
        a->peers[i].up = t && pn_transport_peer(t, &a->peers[i].id, &peer) && peer.up;
        if (!a->peers[i].up)
            exchange_end(&a->peers[i]);
        else
            exchange_begin(&a->peers[i]);
    }
}

void pn_rules_actor_check(struct pn_rules_actor *a)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        struct rules_peer *p = &a->peers[i];

        if (!p->sync || p->busy)
            continue;
        p->checked_ms = rules_now_ms();
        p->busy++;
        pn_sync_check(p->sync);
        p->busy--;
    }
}

void rules_peers_tick(struct pn_rules_actor *a, uint64_t now_ms)
{
    struct pn_sync_status s;

    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        struct rules_peer *p = &a->peers[i];

        if (!p->used || p->busy)
            continue;
        if (p->sync && !p->up)
            exchange_end(p);
        if (!p->sync) {
            exchange_begin(p);
            continue;
        }
        p->busy++;
        pn_sync_tick(p->sync);
        pn_sync_status(p->sync, &s);
        /* What was changed a moment ago: does the peer have it? So the lag that is shown is true. */
        if (!s.equal && !s.running && !p->out.first && now_ms >= p->checked_ms + RULES_CHECK_MS) {
            p->checked_ms = now_ms;
            pn_sync_check(p->sync);
        }
        p->busy--;
    }
}

void rules_peers_end(struct pn_rules_actor *a)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (a->peers[i].used)
            exchange_end(&a->peers[i]);
    a->joined = false;
}

void rules_peers_free(struct pn_rules_actor *a)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        if (!a->peers[i].used)
            continue;
        a->peers[i].busy = 0;
        peer_forget(&a->peers[i]);
    }
}

void rules_peers_status(const struct pn_rules_actor *a, struct pn_rules_actor_status *out)
{
    uint64_t now = rules_now_ms(), wall = a->store ? pn_rules_wall_ms(a->store) : 0;

    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        const struct rules_peer *p = &a->peers[i];
        struct pn_rules_peer_status *s = &out->peers[out->n_peers];

        if (!p->used)
            continue;
        out->n_peers++;
        memcpy(s->id, p->id.b, sizeof(s->id));
        memcpy(s->name, p->name, sizeof(s->name));
        s->up = p->up;
        s->paused = p->out.first != NULL;
        s->waiting_bytes = p->out.bytes + p->in.bytes;
        s->dropped = p->dropped;
        s->violations = p->violations;
        s->retry_ms = p->banned_until_ms > now ? p->banned_until_ms - now : 0;
        memcpy(s->problem, p->problem, sizeof(s->problem));
        if (p->sync)
            pn_sync_status(p->sync, &s->sync);
        if (!s->sync.equal_ms)
            s->sync.equal_ms = p->equal_ms;
        if (!s->sync.equal && s->sync.equal_ms && wall > s->sync.equal_ms)
            s->lag_ms = wall - s->sync.equal_ms;
    }
}
