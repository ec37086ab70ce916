/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads, settings, status, and frames between this node and the others. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/view/clock.h"

#define SOON_MS 100u
#define OUT_BYTES_MAX (4u << 20)
#define IN_BYTES_MAX (48u << 20) /* waiting for the writer; more is dropped and comes again */

/* ---- events, on the main loop ---- */

struct event_text {
    void (*event)(void *arg, int log_level, const char *subject, const char *text);
    void *arg;
    int level;
    char subject[72], text[300];
};

static void event_arrive(void *arg)
{
    struct event_text *e = arg;

    e->event(e->arg, e->level, e->subject, e->text);
    free(e);
}

void pn_qa_event(struct pn_quarantine_actor *a, int log_level, const char *subject, const char *format, ...)
{
    struct event_text *e = calloc(1, sizeof(*e));
    va_list args;

    if (!e)
        return;
    e->event = a->event;
    e->arg = a->arg;
    e->level = log_level;
    snprintf(e->subject, sizeof(e->subject), "%s", subject);
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    if (!a->event || pn_loop_call(a->main, event_arrive, e) < 0)
        free(e);
}

/* ---- the writer's loop ---- */

void pn_qa_after(struct event *timer, uint64_t ms)
{
    struct timeval after = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(timer, &after);
}

bool pn_qa_is_host(const struct pn_quarantine_actor *a)
{
    return a->settings.conf.host[0] && strcmp(a->settings.conf.host, a->settings.node) == 0;
}

static void status_refresh(struct pn_quarantine_actor *a)
{
    struct pn_quarantine_status *now = calloc(1, sizeof(*now));

    if (!now)
        return;
    snprintf(now->host, sizeof(now->host), "%s", a->settings.conf.host);
    now->is_host = pn_qa_is_host(a);
    now->forward = a->settings.conf.forward;
    now->dropped_frames = a->courier ? pn_courier_dropped(a->courier) : 0;
    pn_qa_node_status(a, now);
    pn_qa_host_status(a, now);
    pthread_mutex_lock(&a->lock);
    a->status = *now;
    pthread_mutex_unlock(&a->lock);
    free(now);
}

static void follow(struct pn_quarantine_actor *a)
{
    pn_qa_host_follow(a); /* first: the node may be its own host */
    pn_qa_node_follow(a);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    follow(arg);
    pn_qa_node_second(arg);
    pn_qa_host_second(arg);
    status_refresh(arg);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    status_refresh(arg);
}

void pn_qa_changed(struct pn_quarantine_actor *a)
{
    if (!evtimer_pending(a->soon, NULL))
        pn_qa_after(a->soon, SOON_MS);
}

static void on_commit(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    if (a->spool && pn_spool_queued(a->spool) && pn_spool_commit(a->spool))
        pn_qa_node_pump(a);
    pn_qa_host_commit(a);
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
    follow(a);
    status_refresh(a);
}

/* ---- the cluster's side ---- */

static void on_up(void *arg, unsigned peer, const char *name)
{
    struct pn_quarantine_actor *a = arg;

    a->peers[peer].up = true;
    snprintf(a->peers[peer].name, sizeof(a->peers[peer].name), "%s", name);
    follow(a);
}

static void on_down(void *arg, unsigned peer)
{
    struct pn_quarantine_actor *a = arg;

    a->peers[peer].up = false;
    follow(a);
}

static void on_message(void *arg, unsigned peer, const uint8_t *bytes, size_t len)
{
    struct pn_quarantine_actor *a = arg;

    /* A host's answer or a node's frame: which, says who of us is the host. */
    if ((int)peer == a->target)
        pn_qa_node_frame(a, peer, bytes, len);
    else
        pn_qa_host_frame(a, peer, bytes, len);
}

static void on_room(void *arg, unsigned peer)
{
    struct pn_quarantine_actor *a = arg;

    if ((int)peer == a->target)
        pn_qa_node_pump(a);
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
    a->spool_retry_ms = a->store_retry_ms = 0;
    follow(a);
    status_refresh(a);
}

void pn_quarantine_actor_reconfigure(struct pn_quarantine_actor *a, const struct pn_conf *conf, unsigned node)
{
    struct change *c = calloc(1, sizeof(*c));

    if (!c)
        return;
    c->actor = a;
    settings_fill(&c->settings, conf, node);
    if (conf->quarantine.host[0] && conf->quarantine.listen[0] && strcmp(conf->quarantine.listen, a->listen) != 0)
        pn_qa_event(a, PN_LOG_WARNING, "", "listens at %s, not at %s, until posternd is restarted",
                    a->listen[0] ? a->listen : "no socket", conf->quarantine.listen);
    if (pn_loop_call(a->writer, change_arrive, c) < 0)
        free(c);
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
    a->to_host.last = &a->to_host.first;
    a->to_node.last = &a->to_node.first;
    for (unsigned i = 0; i < PN_QA_PEERS; i++) {
        a->peers[i].actor = a;
        a->peers[i].index = i;
    }
    settings_fill(&a->settings, o->conf, o->node);
    if (snprintf(a->spool_path, sizeof(a->spool_path), "%s/spool", o->state_dir) >= (int)sizeof(a->spool_path) ||
        snprintf(a->store_path, sizeof(a->store_path), "%s/quarantine", o->state_dir) >= (int)sizeof(a->store_path)) {
        pn_error_set(err, "the state folder's name is too long");
        goto fail;
    }
    if (!(a->writer = pn_loop_new(NULL, err)) || !(a->reader = pn_loop_new(NULL, err)))
        goto fail;
    a->second = event_new(pn_loop_base(a->writer), -1, EV_PERSIST, on_second, a);
    a->soon = evtimer_new(pn_loop_base(a->writer), on_soon, a);
    a->commit = evtimer_new(pn_loop_base(a->writer), on_commit, a);
    a->due = evtimer_new(pn_loop_base(a->writer), on_due, a);
    if (!a->second || !a->soon || !a->commit || !a->due || pn_qa_host_wire(a) < 0) {
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
    static const struct pn_courier_ops ops = {on_up, on_down, on_message, on_room};
    struct pn_courier_options o = {.channel = PN_CHANNEL_QUARANTINE,
                                   .out_bytes_max = OUT_BYTES_MAX,
                                   .in_bytes_max = IN_BYTES_MAX,
                                   .ops = &ops,
                                   .arg = a};

    a->courier = pn_courier_new(cluster, a->writer, &o, err);
    return a->courier ? 0 : -1;
}

int pn_quarantine_actor_start(struct pn_quarantine_actor *a, struct pn_error *err)
{
    if (pn_loop_start(a->reader, "quarantine-read", NULL, NULL, err) < 0)
        return -1;
    return pn_loop_start(a->writer, "quarantine", begin, a, err);
}

void pn_quarantine_actor_stop(struct pn_quarantine_actor *a)
{
    if (!a)
        return;
    if (a->reader)
        pn_loop_stop(a->reader);
    if (a->writer)
        pn_loop_stop(a->writer);
    a->running = false;
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
    struct event *events[] = {a->second, a->soon, a->commit, a->due, a->wire};
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    pn_courier_free(a->courier);
    pn_loop_free(a->reader);
    pn_loop_free(a->writer);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct pn_loop *pn_quarantine_actor_writer(struct pn_quarantine_actor *a)
{
    return a ? a->writer : NULL;
}

struct pn_loop *pn_quarantine_actor_reader(struct pn_quarantine_actor *a)
{
    return a ? a->reader : NULL;
}

void pn_quarantine_actor_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->status;
    pthread_mutex_unlock(&a->lock);
}

void pn_quarantine_actor_queued(struct pn_quarantine_actor *a)
{
    pn_qa_after(a->commit, 0); /* sooner than a round of the host that may be waited for */
}
