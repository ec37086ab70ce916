/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/courier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"

struct parcel {
    struct pn_courier *courier;
    struct parcel *next;
    unsigned peer;
    uint32_t link; /* that it came on */
    size_t len;
    uint8_t bytes[];
};

struct lane {
    atomic_size_t out_bytes, in_bytes; /* under way */
    atomic_bool wants_room;
    atomic_bool up; /* as the user was told */
    uint32_t told_link; /* the user's side */
    /* under the lock: the latest that the user has to hear */
    atomic_bool news; /* there may be some */
    bool there, room;
    uint32_t link; /* counts links; the cluster's side alone changes it */
    char name[PN_NAME_BYTES];
    /* the cluster's side */
    struct pn_id id;
    struct parcel *first, **last;
};

struct pn_courier {
    struct pn_cluster_actor *cluster;
    struct pn_loop *user;
    struct pn_courier_options o;
    struct lane lanes[PN_COURIER_PEERS_MAX];
    unsigned n_lanes; /* the cluster's side */
    atomic_uint_least64_t dropped;
    pthread_mutex_t lock;
};

/* ---- to the user ---- */

static void lane_look(struct pn_courier *c, unsigned peer)
{
    struct lane *l = &c->lanes[peer];
    const struct pn_courier_ops *ops = c->o.ops;
    char name[PN_NAME_BYTES];

    if (!atomic_exchange(&l->news, false))
        return;
    pthread_mutex_lock(&c->lock);
    bool there = l->there, room = l->room, other = l->link != l->told_link;
    l->room = false;
    l->told_link = l->link;
    memcpy(name, l->name, sizeof(name));
    pthread_mutex_unlock(&c->lock);
    bool up = atomic_load(&l->up);
    if (up && (!there || other)) {
        atomic_store(&l->up, false);
        if (ops->down)
            ops->down(c->o.arg, peer);
    }
    if (there && (!up || other)) {
        atomic_store(&l->up, true);
        if (ops->up)
            ops->up(c->o.arg, peer, name);
    }
    if (room && ops->room)
        ops->room(c->o.arg, peer);
}

void pn_courier_look(struct pn_courier *c)
{
    for (unsigned i = 0; c && i < PN_COURIER_PEERS_MAX; i++)
        lane_look(c, i);
}

static void news_arrive(void *arg)
{
    pn_courier_look(arg);
}

/* Without memory for the call the user hears of it when it looks by itself, or with the next message. */
static void news_tell(struct pn_courier *c, unsigned peer)
{
    atomic_store(&c->lanes[peer].news, true);
    pn_loop_call(c->user, news_arrive, c);
}

static void link_put(struct pn_courier *c, unsigned peer, const char *name) /* NULL: it is gone */
{
    struct lane *l = &c->lanes[peer];

    pthread_mutex_lock(&c->lock);
    l->there = name != NULL;
    if (name) {
        l->link++;
        snprintf(l->name, sizeof(l->name), "%s", name);
    }
    pthread_mutex_unlock(&c->lock);
    news_tell(c, peer);
}

static void room_put(struct pn_courier *c, unsigned peer)
{
    pthread_mutex_lock(&c->lock);
    c->lanes[peer].room = true;
    pthread_mutex_unlock(&c->lock);
    news_tell(c, peer);
}

static void parcel_arrive(void *arg)
{
    struct parcel *p = arg;
    struct pn_courier *c = p->courier;
    struct lane *l = &c->lanes[p->peer];

    /* What came before a link ended is heard before its end: it may be the answer to what was asked. */
    if (!atomic_load(&l->up) || l->told_link != p->link)
        lane_look(c, p->peer);
    if (atomic_load(&l->up) && l->told_link == p->link && c->o.ops->message)
        c->o.ops->message(c->o.arg, p->peer, p->bytes, p->len);
    atomic_fetch_sub(&l->in_bytes, p->len);
    free(p);
}

static struct parcel *parcel_new(struct pn_courier *c, unsigned peer, const void *bytes, size_t len)
{
    struct parcel *p = malloc(sizeof(*p) + len);

    if (!p)
        return NULL;
    *p = (struct parcel){.courier = c, .peer = peer, .len = len};
    memcpy(p->bytes, bytes, len);
    return p;
}

/* ---- the cluster's side ---- */

static int lane_of(struct pn_courier *c, const struct pn_id *id, bool add)
{
    for (unsigned i = 0; i < c->n_lanes; i++)
        if (pn_id_equal(&c->lanes[i].id, id))
            return (int)i;
    if (!add)
        return -1;
    if (c->n_lanes == PN_COURIER_PEERS_MAX) {
        pn_log_limited(60000, PN_LOG_ERROR, "cluster: more nodes than channel %d serves", (int)c->o.channel);
        return -1;
    }
    c->lanes[c->n_lanes].id = *id;
    return (int)c->n_lanes++;
}

/* Less is under way now; the user hears of it when it waits for that and half is free. */
static void lane_less(struct pn_courier *c, unsigned peer, size_t len)
{
    struct lane *l = &c->lanes[peer];

    if (atomic_fetch_sub(&l->out_bytes, len) - len <= c->o.out_bytes_max / 2 && atomic_exchange(&l->wants_room, false))
        room_put(c, peer);
}

static struct parcel *lane_take(struct lane *l)
{
    struct parcel *p = l->first;

    l->first = p->next;
    if (!l->first)
        l->last = &l->first;
    return p;
}

static void lane_flush(struct pn_courier *c, unsigned peer)
{
    struct lane *l = &c->lanes[peer];

    while (l->first) {
        struct pn_transport *t = pn_cluster_transport(pn_cluster_actor_cluster(c->cluster));
        if (t && pn_transport_send(t, &l->id, c->o.channel, l->first->bytes, l->first->len) == PN_SEND_FULL)
            return; /* on_writable() goes on */
        struct parcel *p = lane_take(l); /* gone, or there is nobody to have it */
        lane_less(c, peer, p->len);
        free(p);
    }
}

static void parcel_depart(void *arg)
{
    struct parcel *p = arg;
    struct lane *l = &p->courier->lanes[p->peer];

    *l->last = p;
    l->last = &p->next;
    lane_flush(p->courier, p->peer);
}

static void on_message(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len)
{
    struct pn_courier *c = arg;
    int peer = lane_of(c, from, false);
    struct parcel *p = NULL;

    if (peer < 0)
        return;
    if (atomic_load(&c->lanes[peer].in_bytes) + len <= c->o.in_bytes_max)
        p = parcel_new(c, (unsigned)peer, bytes, len);
    if (p) {
        p->link = c->lanes[peer].link;
        atomic_fetch_add(&c->lanes[peer].in_bytes, len);
        if (pn_loop_call(c->user, parcel_arrive, p) == 0)
            return;
        atomic_fetch_sub(&c->lanes[peer].in_bytes, len);
        free(p);
    }
    atomic_fetch_add(&c->dropped, 1);
}

static void on_up(void *arg, const struct pn_id *id)
{
    struct pn_courier *c = arg;
    struct pn_transport *t = pn_cluster_transport(pn_cluster_actor_cluster(c->cluster));
    struct pn_transport_peer row;
    int peer = lane_of(c, id, true);

    if (peer >= 0 && t && pn_transport_peer(t, id, &row))
        link_put(c, (unsigned)peer, row.name);
}

static void on_down(void *arg, const struct pn_id *id)
{
    struct pn_courier *c = arg;
    int peer = lane_of(c, id, false);

    if (peer < 0)
        return;
    while (c->lanes[peer].first) {
        struct parcel *p = lane_take(&c->lanes[peer]);
        lane_less(c, (unsigned)peer, p->len);
        free(p);
    }
    link_put(c, (unsigned)peer, NULL);
}

static void on_writable(void *arg, const struct pn_id *id)
{
    struct pn_courier *c = arg;
    int peer = lane_of(c, id, false);

    if (peer >= 0)
        lane_flush(c, (unsigned)peer);
}

/* Out of the cluster: the links end without a word. */
static void on_members(void *arg, enum pn_cluster_state state, const struct pn_members *members)
{
    struct pn_courier *c = arg;

    (void)members;
    for (unsigned i = 0; i < c->n_lanes && state != PN_CLUSTER_ACTIVE; i++)
        on_down(c, &c->lanes[i].id);
}

/* ---- the user's side ---- */

int pn_courier_send(struct pn_courier *c, unsigned peer, const void *bytes, size_t len)
{
    struct lane *l = &c->lanes[peer];
    struct parcel *p;

    if (!atomic_load(&l->up))
        return PN_COURIER_DOWN;
    if (atomic_load(&l->out_bytes) + len > c->o.out_bytes_max) {
        atomic_store(&l->wants_room, true);
        /* It may have drained in between, and then nobody would say so. */
        if (atomic_load(&l->out_bytes) > c->o.out_bytes_max / 2 || !atomic_exchange(&l->wants_room, false))
            return PN_COURIER_FULL;
    }
    p = parcel_new(c, peer, bytes, len);
    if (!p)
        return PN_COURIER_DOWN;
    atomic_fetch_add(&l->out_bytes, len);
    if (pn_loop_call(pn_cluster_actor_loop(c->cluster), parcel_depart, p) == 0)
        return PN_COURIER_OK;
    atomic_fetch_sub(&l->out_bytes, len);
    free(p);
    return PN_COURIER_DOWN;
}

uint64_t pn_courier_dropped(const struct pn_courier *c)
{
    return atomic_load(&c->dropped);
}

/* ---- life ---- */

struct pn_courier *pn_courier_new(struct pn_cluster_actor *cluster, struct pn_loop *user,
                                  const struct pn_courier_options *o, struct pn_error *err)
{
    static const struct pn_channel_ops ops = {on_message, on_up, on_down, on_writable};
    struct pn_courier *c = calloc(1, sizeof(*c));

    if (!c) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->cluster = cluster;
    c->user = user;
    c->o = *o;
    for (unsigned i = 0; i < PN_COURIER_PEERS_MAX; i++)
        c->lanes[i].last = &c->lanes[i].first;
    if (pn_cluster_subscribe(pn_cluster_actor_cluster(cluster), o->channel, &ops, c) < 0) {
        pn_error_set(err, "channel %d of the cluster is taken", (int)o->channel);
        pthread_mutex_destroy(&c->lock);
        free(c);
        return NULL;
    }
    if (pn_cluster_actor_on_members(cluster, on_members, c) < 0)
        pn_log_warning("cluster: channel %d does not hear of leaving it", (int)o->channel);
    return c;
}

void pn_courier_free(struct pn_courier *c)
{
    for (unsigned i = 0; c && i < PN_COURIER_PEERS_MAX; i++)
        while (c->lanes[i].first)
            free(lane_take(&c->lanes[i]));
    if (c)
        pthread_mutex_destroy(&c->lock);
    free(c);
}
