/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/rules_internal.h"

/* ---- The store ---- */

#define PATH_BYTES (sizeof(((struct pn_rules_actor_options *)0)->state_dir) + sizeof(PN_RULES_DB_NAME) + 1)

static const char *store_path(const struct pn_rules_actor *a, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", a->options.state_dir, PN_RULES_DB_NAME);
    return path;
}

static void store_open(struct pn_rules_actor *a)
{
    char path[PATH_BYTES];
    struct pn_rules_options options = {.path = store_path(a, path), .node = a->options.node};
    struct pn_error err = {""};
    struct pn_rules *r;
    struct stat st = {0};

    r = pn_rules_open(&options, &err);
    if (r && pn_rules_classes_set(r, a->options.classes, &err) < 0) {
        pn_rules_close(r);
        r = NULL;
    }
    if (!r) {
        a->reopen_ms = rules_now_ms() + RULES_REOPEN_MS;
        if (strcmp(a->problem, err.text) != 0) /* once, not with every attempt */
            rules_event(a, PN_LOG_ERROR, "", "no rules on this node: %s", err.text);
        snprintf(a->problem, sizeof(a->problem), "%s", err.text);
        return;
    }
    if (a->problem[0])
        rules_event(a, PN_LOG_NOTICE, "", "the rules can be read again");
    a->problem[0] = '\0';
    a->errors_told = 0;
    a->store = r;
    stat(path, &st);
    a->file_dev = st.st_dev;
    a->file_ino = st.st_ino;
    pn_rules_push_set(r, rules_peers_push, a);
    pn_rules_watch_add(r, rules_prefixes_watch, a);
    rules_prefixes_open(a);
    rules_peers_follow(a);
}

/* What is written to a file that was moved away, since it is damaged, would be lost; so the next one begins at once. */
static void store_leave_moved(struct pn_rules_actor *a)
{
    char path[PATH_BYTES];
    struct stat st;

    if (stat(store_path(a, path), &st) == 0 ? st.st_dev == a->file_dev && st.st_ino == a->file_ino : errno != ENOENT)
        return;
    snprintf(a->problem, sizeof(a->problem), "%s was moved away", path);
    rules_event(a, PN_LOG_WARNING, "", "%.200s: a new one is made, and filled by the other nodes", a->problem);
    rules_peers_end(a);
    pn_rules_close(a->store);
    a->store = NULL;
}

static void errors_tell(struct pn_rules_actor *a, const struct pn_rules_status *s)
{
    if (s->errors > a->errors_told)
        rules_event(a, PN_LOG_ERROR, "", "%llu failure%s of the database since the last word, the newest: %s",
                    (unsigned long long)(s->errors - a->errors_told), s->errors - a->errors_told == 1 ? "" : "s",
                    s->last_error);
    a->errors_told = s->errors;
}

void pn_rules_actor_refresh(struct pn_rules_actor *a)
{
    struct pn_rules_actor_status *s = a->work;

    memset(s, 0, sizeof(*s));
    s->open = a->store != NULL;
    snprintf(s->problem, sizeof(s->problem), "%s", a->problem);
    snprintf(s->node, sizeof(s->node), "%s", a->store ? pn_rules_node(a->store) : a->options.node);
    s->clustered = a->joined;
    for (unsigned k = 0; a->store && k < PN_KIND_LIMIT; k++) {
        struct pn_rules_class_status *c = &s->classes[k];

        c->digest = pn_rules_digest(a->store, (uint8_t)k);
        c->entries = pn_rules_count(a->store, (uint8_t)k);
        c->tombstones = c->digest.count - c->entries;
        c->on = (pn_rules_classes(a->store) & PN_KIND_BIT(k)) != 0;
    }
    if (a->store)
        pn_rules_status(a->store, &s->store);
    rules_peers_status(a, s);
    pthread_mutex_lock(&a->lock);
    a->status = *s;
    pthread_mutex_unlock(&a->lock);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct pn_rules_actor *a = arg;
    uint64_t now = rules_now_ms();

    (void)fd;
    (void)what;
    if (a->store)
        store_leave_moved(a);
    if (!a->store && now >= a->reopen_ms)
        store_open(a);
    if (a->store) {
        pn_rules_tick(a->store);
        rules_peers_tick(a, now);
    }
    pn_rules_actor_refresh(a);
    errors_tell(a, &a->work->store);
}

/* ---- The actor ---- */

struct pn_rules_actor *pn_rules_actor_new(const struct pn_rules_actor_options *options, struct pn_error *err)
{
    static const struct timeval every = {.tv_usec = RULES_TICK_MS * 1000};
    struct pn_rules_actor *a = calloc(1, sizeof(*a));

    if (!a) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    a->options = *options;
    pthread_mutex_init(&a->lock, NULL);
    a->own_loop = !options->loop;
    a->loop = options->loop ? options->loop : pn_loop_new(NULL, err);
    a->work = calloc(1, sizeof(*a->work));
    if (a->loop && a->work)
        a->tick = event_new(pn_loop_base(a->loop), -1, EV_PERSIST, on_tick, a);
    if (!a->tick || event_add(a->tick, &every) < 0) {
        if (a->loop)
            pn_error_set(err, "out of memory");
        pn_rules_actor_free(a);
        return NULL;
    }
    snprintf(a->status.problem, sizeof(a->status.problem), "the database is being read");
    if (options->cluster) {
        pn_cluster_subscribe(options->cluster, PN_CHANNEL_RULES, &rules_channel_ops, a);
        pn_cluster_set_rehearsal(options->cluster, &rules_rehearsal, a);
    }
    return a;
}

/* The first work that the loop gets, so whoever asks finds the store open, or knows why it is not. */
static void begin(void *arg)
{
    struct pn_rules_actor *a = arg;

    store_open(a);
    pn_rules_actor_refresh(a);
}

int pn_rules_actor_start(struct pn_rules_actor *a, struct pn_error *err)
{
    if (pn_loop_call(a->loop, begin, a) < 0)
        return pn_error_set(err, "out of memory");
    return a->own_loop ? pn_loop_start(a->loop, "rules", NULL, NULL, err) : 0;
}

void pn_rules_actor_stop(struct pn_rules_actor *a)
{
    if (a && a->own_loop)
        pn_loop_stop(a->loop);
}

void pn_rules_actor_free(struct pn_rules_actor *a)
{
    if (!a)
        return;
    pn_rules_actor_stop(a);
    if (a->options.cluster) {
        pn_cluster_subscribe(a->options.cluster, PN_CHANNEL_RULES, NULL, NULL);
        pn_cluster_set_rehearsal(a->options.cluster, NULL, NULL);
    }
    rules_peers_free(a);
    rules_prefixes_free(a);
    pn_rules_close(a->store);
    if (a->tick)
        event_free(a->tick);
    if (a->own_loop)
        pn_loop_free(a->loop);
    pthread_mutex_destroy(&a->lock);
    free(a->work);
    free(a);
}

struct reconfigure {
    struct pn_rules_actor *a;
    char node[PN_NAME_BYTES];
    uint64_t classes;
};

static void reconfigure(void *arg)
{
    struct reconfigure *c = arg;
    struct pn_rules_actor *a = c->a;
    struct pn_error err;

    memcpy(a->options.node, c->node, sizeof(a->options.node));
    a->options.classes = c->classes;
    free(c);
    if (!a->store)
        return;
    /* Not compared with the configuration before: what a full disk refused then is done now. */
    if (pn_rules_classes_set(a->store, a->options.classes, &err) < 0)
        rules_event(a, PN_LOG_ERROR, "", "what is synchronised stays as it was: %s", err.text);
    rules_peers_follow(a);
    pn_rules_actor_check(a);
}

void pn_rules_actor_reconfigure(struct pn_rules_actor *a, const char *node, uint64_t classes)
{
    struct reconfigure *c = malloc(sizeof(*c));

    if (c) {
        *c = (struct reconfigure){.a = a, .classes = classes};
        snprintf(c->node, sizeof(c->node), "%s", node);
        if (pn_loop_call(a->loop, reconfigure, c) == 0)
            return;
    }
    free(c);
    pn_log_error("rules: out of memory, the new configuration is not used");
}

struct pn_loop *pn_rules_actor_loop(struct pn_rules_actor *a)
{
    return a->loop;
}

struct pn_rules *pn_rules_actor_store(struct pn_rules_actor *a)
{
    return a->store;
}

const char *pn_rules_actor_problem(const struct pn_rules_actor *a)
{
    return a->problem;
}

void pn_rules_actor_members(struct pn_rules_actor *a)
{
    if (a->store)
        rules_peers_follow(a);
}

int pn_rules_actor_equal(struct pn_rules_actor *a, const struct pn_id *peer)
{
    int equal = -1;

    pthread_mutex_lock(&a->lock);
    for (unsigned i = 0; i < a->status.n_peers; i++)
        if (memcmp(a->status.peers[i].id, peer->b, PN_ID_BYTES) == 0 && a->status.peers[i].sync.greeted)
            equal = a->status.peers[i].sync.equal;
    pthread_mutex_unlock(&a->lock);
    return equal;
}

void pn_rules_actor_status(struct pn_rules_actor *a, struct pn_rules_actor_status *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->status;
    pthread_mutex_unlock(&a->lock);
}
