/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads, settings, status, and frames between this node and the others. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/view/clock.h"

#define STOP_MS 1500u /* a database that does not answer gets no more at the end */
#define OUT_BYTES_MAX (4u << 20)
#define IN_BYTES_MAX (48u << 20) /* waiting for the keeper; more is dropped and comes again */

/* ---- the writer's loop ---- */

/* Each thread's part of the status; the other's is left empty, and put together by who asks. */
static void status_refresh(struct pn_quarantine_actor *a, struct pn_quarantine_status *mine,
                           void (*fill)(struct pn_quarantine_actor *, struct pn_quarantine_status *))
{
    struct pn_quarantine_status *now = calloc(1, sizeof(*now));

    if (!now)
        return;
    fill(a, now);
    pthread_mutex_lock(&a->lock);
    *mine = *now;
    pthread_mutex_unlock(&a->lock);
    free(now);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    pn_qa_wire_second(a);
    pn_qa_node_follow(a);
    pn_qa_node_second(a);
    status_refresh(a, &a->node_status, pn_qa_node_status);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    status_refresh(a, &a->node_status, pn_qa_node_status);
}

static void on_commit(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    if (a->spool && pn_spool_queued(a->spool) && pn_spool_commit(a->spool))
        pn_qa_node_pump(a);
    pn_qa_changed(a);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_qa_node_pump(arg);
}

static void begin(void *arg)
{
    struct pn_quarantine_actor *a = arg;

    a->running = true;
    pn_qa_after(a->second, 1000);
    pn_qa_node_follow(a);
    status_refresh(a, &a->node_status, pn_qa_node_status);
}

/* ---- the keeper's loop ---- */

static void on_host_second(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    pn_courier_look(a->courier);
    pn_qa_host_follow(a);
    pn_qa_host_second(a);
    status_refresh(a, &a->host_status, pn_qa_host_status);
}

static void on_host_soon(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    status_refresh(a, &a->host_status, pn_qa_host_status);
}

static void on_host_commit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_qa_host_commit(arg);
    pn_qa_host_changed(arg);
}

static void host_begin(void *arg)
{
    struct pn_quarantine_actor *a = arg;

    a->host_running = true;
    pn_qa_after(a->host_second, 1000);
    status_refresh(a, &a->host_status, pn_qa_host_status); /* opening a database may take seconds */
    pn_qa_host_follow(a);
    status_refresh(a, &a->host_status, pn_qa_host_status);
}

/* ---- settings ---- */

static void settings_fill(struct pn_qa_settings *s, const struct pn_conf *conf, unsigned node)
{
    s->conf = conf->quarantine;
    memcpy(s->node, conf->nodes[node].name, sizeof(s->node));
    s->n_nodes = conf->n_nodes < PN_MAX_NODES ? conf->n_nodes : PN_MAX_NODES;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        memcpy(s->nodes[i].name, conf->nodes[i].name, sizeof(s->nodes[i].name));
        s->nodes[i].host_quota_bytes = conf->nodes[i].host_quota_bytes;
        memcpy(s->nodes[i].release_to, conf->nodes[i].release_to, sizeof(s->nodes[i].release_to));
    }
}

struct change {
    struct pn_quarantine_actor *actor;
    struct pn_qa_settings settings;
};

static void change_arrive(void *arg)
{
    struct change *c = arg;
    struct pn_quarantine_actor *a = c->actor;

    a->settings = c->settings;
    free(c);
    if (!a->running)
        return;
    a->spool_retry_ms = 0;
    pn_qa_node_follow(a);
    status_refresh(a, &a->node_status, pn_qa_node_status);
}

/* The store that is open stays: its reader, opened again, must not be another's. */
static void database_keep(struct pn_quarantine_actor *a, struct pn_conf_quarantine *to)
{
    const struct pn_conf_quarantine *now = &a->host_settings.conf;
    bool embedded = to->store == PN_CONF_STORE_SQLITE;

    if (!a->host || (to->store == now->store && (embedded || strcmp(to->database, now->database) == 0)))
        return;
    if (strcmp(to->host, now->host) != 0 || !pn_qa_is_host(&a->host_settings)) {
        a->store_other = true; /* at most it was kept for reading */
        return;
    }
    pn_qa_event(a, PN_LOG_WARNING, "store",
                "stays as it is until posternd is restarted: quarantine.store or "
                "quarantine.database has changed");
    to->store = now->store;
    memcpy(to->database, now->database, sizeof(to->database));
}

static void host_change_arrive(void *arg)
{
    struct change *c = arg;
    struct pn_quarantine_actor *a = c->actor;

    database_keep(a, &c->settings.conf);
    a->host_settings = c->settings;
    free(c);
    if (!a->host_running)
        return;
    a->store_retry_ms = a->reader_retry_ms = 0;
    pn_qa_host_follow(a);
    status_refresh(a, &a->host_status, pn_qa_host_status);
}

static void change_give(struct pn_quarantine_actor *a, struct pn_loop *to, pn_loop_fn *arrive,
                        const struct pn_conf *conf, unsigned node)
{
    struct change *c = calloc(1, sizeof(*c));

    if (!c)
        return;
    c->actor = a;
    settings_fill(&c->settings, conf, node);
    if (pn_loop_call(to, arrive, c) < 0)
        free(c);
}

void pn_quarantine_actor_reconfigure(struct pn_quarantine_actor *a, const struct pn_conf *conf, unsigned node)
{
    if (conf->quarantine.host[0] && conf->quarantine.listen[0] && strcmp(conf->quarantine.listen, a->listen) != 0)
        pn_qa_event(a, PN_LOG_WARNING, "", "listens at %s, not at %s, until posternd is restarted",
                    a->listen[0] ? a->listen : "no socket", conf->quarantine.listen);
    change_give(a, a->keeper, host_change_arrive, conf, node); /* first: the node may be its own host */
    change_give(a, a->writer, change_arrive, conf, node);
}

/* ---- life ---- */

struct pn_quarantine_actor *pn_quarantine_actor_new(const struct pn_quarantine_actor_options *o, struct pn_error *err)
{
    struct pn_quarantine_actor *a = calloc(1, sizeof(*a));

    if (!a) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->main = o->main;
    a->event = o->event;
    a->arg = o->arg;
    a->listen_fd = a->target = -1;
    for (unsigned i = 0; i < PN_QA_PEERS; i++) {
        a->peers[i].actor = a->guests[i].actor = a;
        a->peers[i].index = a->guests[i].index = i;
    }
    settings_fill(&a->settings, o->conf, o->node);
    a->host_settings = a->settings;
    if (pn_qa_wire_init(a) < 0) {
        pn_error_set(err, "out of memory");
        goto fail;
    }
    if (snprintf(a->spool_path, sizeof(a->spool_path), "%s/spool", o->state_dir) >= (int)sizeof(a->spool_path) ||
        snprintf(a->store_path, sizeof(a->store_path), "%s/quarantine", o->state_dir) >= (int)sizeof(a->store_path)) {
        pn_error_set(err, "the state folder's name is too long");
        goto fail;
    }
    if (!(a->writer = pn_loop_new(NULL, err)) || !(a->keeper = pn_loop_new(NULL, err)) ||
        !(a->reader = pn_loop_new(NULL, err)))
        goto fail;
    struct event_base *node = pn_loop_base(a->writer), *host = pn_loop_base(a->keeper);
    a->second = event_new(node, -1, EV_PERSIST, on_second, a);
    a->soon = evtimer_new(node, on_soon, a);
    a->commit = evtimer_new(node, on_commit, a);
    a->due = evtimer_new(node, on_due, a);
    a->host_second = event_new(host, -1, EV_PERSIST, on_host_second, a);
    a->host_soon = evtimer_new(host, on_host_soon, a);
    a->host_commit = evtimer_new(host, on_host_commit, a);
    if (!a->second || !a->soon || !a->commit || !a->due || !a->host_second || !a->host_soon || !a->host_commit) {
        pn_error_set(err, "out of memory");
        goto fail;
    }
    if (o->conf->quarantine.host[0])
        pn_qa_listen(a, &o->conf->quarantine);
    return a;
fail:
    pn_quarantine_actor_free(a);
    return NULL;
}

int pn_quarantine_actor_attach(struct pn_quarantine_actor *a, struct pn_cluster_actor *cluster, struct pn_error *err)
{
    struct pn_courier_options o = {.channel = PN_CHANNEL_QUARANTINE,
                                   .out_bytes_max = OUT_BYTES_MAX,
                                   .in_bytes_max = IN_BYTES_MAX,
                                   .ops = &pn_qa_wire_ops,
                                   .arg = a};

    a->courier = pn_courier_new(cluster, a->keeper, &o, err);
    return a->courier ? 0 : -1;
}

int pn_quarantine_actor_start(struct pn_quarantine_actor *a, struct pn_error *err)
{
    if (pn_loop_start(a->reader, "quarantine-read", NULL, NULL, err) < 0)
        return -1;
    if (pn_loop_start(a->keeper, "quarantine-host", host_begin, a, err) < 0)
        return -1;
    return pn_loop_start(a->writer, "quarantine", begin, a, err);
}

void pn_quarantine_actor_stop(struct pn_quarantine_actor *a)
{
    if (!a)
        return;
    atomic_store(&a->end_by_ms, pn_clock_ms() + STOP_MS);
    struct pn_loop *loops[] = {a->reader, a->writer, a->keeper};
    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
        if (loops[i])
            pn_loop_stop(loops[i]);
    a->running = a->host_running = false;
    pn_qa_mails_cancel(a);
    pn_qa_node_close(a);
    pn_qa_host_close(a);
    pn_host_close(a->store);
    a->store = NULL;
    if (a->listen_fd >= 0) {
        unlink(a->listen);
        close(a->listen_fd);
        a->listen_fd = -1;
    }
}

void pn_quarantine_actor_free(struct pn_quarantine_actor *a)
{
    if (!a)
        return;
    pn_quarantine_actor_stop(a);
    struct event *events[] = {a->second, a->soon, a->commit, a->due, a->host_second, a->host_soon, a->host_commit};
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    pn_courier_free(a->courier);
    pn_loop_free(a->reader);
    pn_loop_free(a->keeper);
    pn_loop_free(a->writer);
    pn_qa_wire_free(a);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct pn_loop *pn_quarantine_actor_writer(struct pn_quarantine_actor *a)
{
    return a ? a->writer : NULL;
}

struct pn_loop *pn_quarantine_actor_keeper(struct pn_quarantine_actor *a)
{
    return a ? a->keeper : NULL;
}

struct pn_loop *pn_quarantine_actor_reader(struct pn_quarantine_actor *a)
{
    return a ? a->reader : NULL;
}

void pn_quarantine_actor_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out)
{
    pthread_mutex_lock(&a->lock);
    const struct pn_quarantine_status *h = &a->host_status;
    *out = a->node_status;
    out->store_open = h->store_open;
    memcpy(out->store_error, h->store_error, sizeof(out->store_error));
    out->store_away_since_ms = h->store_away_since_ms;
    out->store_failures = h->store_failures;
    out->store = h->store;
    out->store_full = h->store_full;
    out->purged = h->purged;
    memcpy(out->peers, h->peers, sizeof(out->peers));
    out->n_peers = h->n_peers;
    pthread_mutex_unlock(&a->lock);
    out->dropped_frames = a->courier ? pn_courier_dropped(a->courier) : 0;
}

void pn_quarantine_actor_queued(struct pn_quarantine_actor *a)
{
    pn_qa_after(a->commit, 0);
}
