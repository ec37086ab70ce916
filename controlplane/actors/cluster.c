/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/cluster.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <openssl/crypto.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/settings.h"

struct listener {
    pn_cluster_actor_members_fn *fn;
    void *arg;
};

struct pn_cluster_actor {
    struct pn_loop *loop, *main;
    struct pn_cluster *cluster;
    const struct pn_cluster_actor_ops *ops;
    void *arg;
    struct event *refresh;
    char version[PN_MEMBER_VERSION_BYTES];
    struct listener listeners[PN_CLUSTER_LISTENERS_MAX];
    unsigned n_listeners;
    struct pn_cluster_join join;
    bool making; /* the cluster is not ours yet */
    pthread_mutex_t lock; /* of the two below */
    struct pn_cluster_copy copy;
    struct pn_seal_ring ring;
};

/* ---- to the main loop ---- */

enum news_kind { NEWS_RING, NEWS_CHANGED, NEWS_EVENT };

struct news { /* may arrive when the actor is gone */
    enum news_kind kind;
    const struct pn_cluster_actor_ops *ops;
    void *arg;
    struct pn_seal_ring ring;
    int level;
    char subject[72], text[256];
};

static void news_free(struct news *n)
{
    OPENSSL_cleanse(&n->ring, sizeof(n->ring));
    free(n);
}

static void news_arrive(void *arg)
{
    struct news *n = arg;

    if (n->kind == NEWS_RING && n->ops->ring)
        n->ops->ring(n->arg, &n->ring);
    else if (n->kind == NEWS_CHANGED && n->ops->changed)
        n->ops->changed(n->arg);
    else if (n->kind == NEWS_EVENT && n->ops->event)
        n->ops->event(n->arg, n->level, n->subject, n->text);
    news_free(n);
}

static struct news *news_new(struct pn_cluster_actor *a, enum news_kind kind)
{
    struct news *n = calloc(1, sizeof(*n));

    if (n) {
        n->kind = kind;
        n->ops = a->ops;
        n->arg = a->arg;
    }
    return n;
}

static void news_send(struct pn_cluster_actor *a, struct news *n)
{
    if (pn_loop_call(a->main, news_arrive, n) < 0) {
        pn_log_warning("cluster: news for the main loop are lost: out of memory, or stopping");
        news_free(n);
    }
}

/* ---- the copy ---- */

static int by_number(const void *x, const void *y)
{
    const struct pn_cluster_seat *a = x, *b = y;

    unsigned x_at = (unsigned)a->number, y_at = (unsigned)b->number; /* -1 comes last */
    return (x_at > y_at) - (x_at < y_at);
}

static void seat_fill(struct pn_cluster_seat *s, const struct pn_member *row, bool self)
{
    memset(s, 0, sizeof(*s));
    s->id = row->id;
    memcpy(s->name, row->name, sizeof(s->name));
    memcpy(s->version, row->version, sizeof(s->version));
    s->number = row->number;
    s->self = self;
    s->joined_ms = (int64_t)(row->joined >> 16);
    memcpy(s->endpoints, row->endpoints, sizeof(s->endpoints));
    s->n_endpoints = row->n_endpoints;
    s->n_vips = row->vips.n;
    s->n_extra = row->extra.n;
}

void pn_cluster_actor_refresh(struct pn_cluster_actor *a)
{
    const struct pn_members *m = pn_cluster_members(a->cluster);
    const struct pn_id *self = pn_cluster_self(a->cluster);

    pthread_mutex_lock(&a->lock);
    pn_cluster_status(a->cluster, &a->copy.status);
    a->copy.n_seats = 0;
    for (unsigned i = 0; i < m->n && a->copy.n_seats < PN_CLUSTER_SEATS_MAX; i++)
        if (!m->rows[i].removed)
            seat_fill(&a->copy.seats[a->copy.n_seats++], &m->rows[i], pn_id_equal(&m->rows[i].id, self));
    qsort(a->copy.seats, a->copy.n_seats, sizeof(a->copy.seats[0]), by_number);
    pthread_mutex_unlock(&a->lock);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_cluster_actor_refresh(arg);
}

void pn_cluster_actor_copy(struct pn_cluster_actor *a, struct pn_cluster_copy *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->copy;
    pthread_mutex_unlock(&a->lock);
}

void pn_cluster_actor_status(struct pn_cluster_actor *a, struct pn_cluster_status *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->copy.status;
    pthread_mutex_unlock(&a->lock);
}

void pn_cluster_actor_ring(struct pn_cluster_actor *a, struct pn_seal_ring *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->ring;
    pthread_mutex_unlock(&a->lock);
}

/* ---- what the cluster says, on its own thread ---- */

static void ring_take(struct pn_cluster_actor *a, const struct pn_seal_ring *ring)
{
    struct news *n;
    bool same;

    pthread_mutex_lock(&a->lock);
    same = memcmp(&a->ring, ring, sizeof(a->ring)) == 0;
    a->ring = *ring;
    pthread_mutex_unlock(&a->lock);
    if (same || !(n = news_new(a, NEWS_RING)))
        return;
    n->ring = *ring;
    news_send(a, n);
}

static void on_ring(void *arg, const struct pn_seal_ring *ring)
{
    ring_take(arg, ring);
}

static void changed(struct pn_cluster_actor *a)
{
    static const struct pn_seal_ring none;
    enum pn_cluster_state state;
    struct news *n;

    if (a->making) /* within pn_cluster_new() */
        return;
    state = pn_cluster_state(a->cluster);
    if (state != PN_CLUSTER_ACTIVE)
        ring_take(a, &none);
    pn_cluster_actor_refresh(a);
    for (unsigned i = 0; i < a->n_listeners; i++)
        a->listeners[i].fn(a->listeners[i].arg, state, pn_cluster_members(a->cluster));
    n = news_new(a, NEWS_CHANGED);
    if (n)
        news_send(a, n);
}

static void on_state(void *arg, enum pn_cluster_state state)
{
    (void)state;
    changed(arg);
}

static void on_members(void *arg, const struct pn_members *members)
{
    (void)members;
    changed(arg);
}

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct pn_cluster_actor *a = arg;
    struct news *n = news_new(a, NEWS_EVENT);

    if (!n)
        return;
    n->level = level;
    snprintf(n->subject, sizeof(n->subject), "%s", subject);
    snprintf(n->text, sizeof(n->text), "%s", text);
    news_send(a, n);
}

int pn_cluster_actor_on_members(struct pn_cluster_actor *a, pn_cluster_actor_members_fn *fn, void *arg)
{
    if (a->n_listeners == PN_CLUSTER_LISTENERS_MAX)
        return -1;
    a->listeners[a->n_listeners++] = (struct listener){fn, arg};
    return 0;
}

/* ---- life ---- */

struct pn_cluster_actor *pn_cluster_actor_new(const struct pn_cluster_actor_options *o, struct pn_error *err)
{
    static const struct pn_cluster_ops ops = {
        .state = on_state, .ring = on_ring, .members = on_members, .event = on_event};
    static const struct pn_cluster_actor_ops none;
    static const struct timeval second = {1, 0};
    struct pn_cluster_actor *a = calloc(1, sizeof(*a));
    struct pn_cluster_options c;

    if (!a) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->main = o->main;
    a->ops = o->ops ? o->ops : &none;
    a->arg = o->arg;
    snprintf(a->version, sizeof(a->version), "%s", o->version);
    pn_cluster_options_defaults(&c);
    pn_cluster_settings(o->conf, o->node, a->version, &c);
    if (snprintf(c.dir, sizeof(c.dir), "%s/cluster", o->state_dir) >= (int)sizeof(c.dir)) {
        pn_error_set(err, "the state folder's name is too long");
    } else if ((a->loop = pn_loop_new(NULL, err))) {
        c.base = pn_loop_base(a->loop);
        a->refresh = event_new(c.base, -1, EV_PERSIST, on_second, a);
        a->making = true;
        if (!a->refresh || event_add(a->refresh, &second) < 0)
            pn_error_set(err, "out of memory");
        else
            a->cluster = pn_cluster_new(&c, &ops, a, err);
        a->making = false;
    }
    if (!a->cluster) {
        pn_cluster_actor_free(a);
        return NULL;
    }
    pn_cluster_actor_refresh(a);
    return a;
}

int pn_cluster_actor_start(struct pn_cluster_actor *a, struct pn_error *err)
{
    return pn_loop_start(a->loop, "cluster", NULL, NULL, err);
}

void pn_cluster_actor_stop(struct pn_cluster_actor *a)
{
    if (a && a->loop)
        pn_loop_stop(a->loop);
}

void pn_cluster_actor_free(struct pn_cluster_actor *a)
{
    if (!a)
        return;
    pn_cluster_actor_stop(a);
    pn_cluster_free(a->cluster);
    if (a->refresh)
        event_free(a->refresh);
    pn_loop_free(a->loop);
    OPENSSL_cleanse(&a->ring, sizeof(a->ring));
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct pn_loop *pn_cluster_actor_loop(struct pn_cluster_actor *a)
{
    return a ? a->loop : NULL;
}

struct pn_cluster *pn_cluster_actor_cluster(struct pn_cluster_actor *a)
{
    return a->cluster;
}

/* ---- joining ---- */

static void on_joined(void *arg, const struct pn_join_result *result)
{
    struct pn_cluster_join *j = &((struct pn_cluster_actor *)arg)->join;

    j->state = result->error ? PN_CLUSTER_JOIN_FAILED : PN_CLUSTER_JOIN_DONE;
    snprintf(j->error, sizeof(j->error), "%s", result->error ? result->error : "");
    memcpy(j->cluster_name, result->cluster_name, sizeof(j->cluster_name));
    j->n_rows = result->n_rows < PN_JOIN_ROWS_MAX ? result->n_rows : PN_JOIN_ROWS_MAX;
    memcpy(j->rows, result->rows, j->n_rows * sizeof(j->rows[0]));
}

int pn_cluster_actor_join(struct pn_cluster_actor *a, const struct pn_endpoint *host, const char *token,
                          const char *passphrase, bool dry_run, struct pn_error *err)
{
    struct pn_cluster_join before = a->join;

    a->join =
        (struct pn_cluster_join){.state = PN_CLUSTER_JOIN_RUNNING, .dry_run = dry_run, .began_ms = pn_link_now_ms()};
    if (pn_cluster_join(a->cluster, host, token, passphrase, dry_run, on_joined, a, err) == 0)
        return 0;
    a->join = before;
    return -1;
}

void pn_cluster_actor_join_cancel(struct pn_cluster_actor *a)
{
    if (a->join.state != PN_CLUSTER_JOIN_RUNNING)
        return;
    pn_cluster_join_cancel(a->cluster);
    a->join.state = PN_CLUSTER_JOIN_FAILED;
    snprintf(a->join.error, sizeof(a->join.error), "cancelled");
}

const struct pn_cluster_join *pn_cluster_actor_join_view(struct pn_cluster_actor *a)
{
    if (a->join.state == PN_CLUSTER_JOIN_RUNNING)
        pn_cluster_join_progress(a->cluster, &a->join.progress);
    return &a->join;
}

/* ---- reload ---- */

struct description {
    struct pn_cluster_actor *actor;
    struct pn_cluster_options options;
};

static void describe(void *arg)
{
    struct description *d = arg;

    pn_cluster_reconfigure(d->actor->cluster, &d->options);
    free(d);
}

void pn_cluster_actor_reconfigure(struct pn_cluster_actor *a, const struct pn_conf *conf, unsigned node)
{
    struct description *d = calloc(1, sizeof(*d));

    if (!d)
        return;
    d->actor = a;
    pn_cluster_settings(conf, node, a->version, &d->options);
    if (pn_loop_call(a->loop, describe, d) < 0)
        free(d);
}
