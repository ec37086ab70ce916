/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host does: receives from all nodes, itself too, and keeps. On the keeper's loop; the reader's store is here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/view/clock.h"

#define RETRY_MIN_MS 1000u /* to open the store; doubled */
#define RETRY_MAX_MS 30000u
#define READER_RETRY_MS 5000u
#define PARTIAL_KEEP_MS (7 * 86400000ull) /* pieces of a message whose node does not come back */
#define PARTIAL_EVERY_MS 3600000u

/* ---- receiving ---- */

static void receive_add(struct pn_receive_stats *to, const struct pn_receive_stats *more)
{
    to->items += more->items;
    to->repeats += more->repeats;
    to->chunks += more->chunks;
    to->bytes += more->bytes;
    to->refused_later += more->refused_later;
    to->refused += more->refused;
    to->bad_frames += more->bad_frames;
    if (more->reason[0])
        memcpy(to->reason, more->reason, sizeof(to->reason));
}

/* What its node sent and was not committed yet is committed: the answers find nobody, and the node asks again. */
static void receive_end(struct pn_qa_guest *p)
{
    struct pn_receive_stats now;

    if (!p->receive)
        return;
    pn_host_commit(p->actor->host);
    pn_receive_stats(p->receive, &now);
    receive_add(&p->before, &now);
    pn_receive_free(p->receive);
    p->receive = NULL;
}

void pn_qa_host_answer(struct pn_quarantine_actor *a)
{
    for (unsigned i = 0; i < PN_QA_PEERS; i++)
        if (a->guests[i].receive)
            pn_receive_flush(a->guests[i].receive);
}

void pn_qa_host_commit(struct pn_quarantine_actor *a)
{
    if (!a->host)
        return;
    pn_host_commit_begin(a->host);
    pn_qa_host_answer(a);
}

/* One round for what comes within the time that a round takes. */
static void commit_follow(struct pn_quarantine_actor *a, uint32_t wait_ms)
{
    if (wait_ms == 0)
        pn_qa_after(a->host_commit, 0);
    else if (wait_ms != UINT32_MAX && !evtimer_pending(a->host_commit, NULL))
        pn_qa_after(a->host_commit, wait_ms);
}

static void on_round(evutil_socket_t fd, short what, void *arg)
{
    struct pn_quarantine_actor *a = arg;

    (void)fd;
    (void)what;
    pn_host_commit_poll(a->host);
    pn_qa_host_answer(a);
    commit_follow(a, pn_host_commit_wait_ms(a->host, pn_clock_ms()));
    pn_qa_host_changed(a);
}

bool pn_qa_host_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len)
{
    struct pn_qa_guest *p = &a->guests[peer];

    if (!p->receive)
        return false; /* we are not the host, or not yet: the node says Hello again */
    pn_receive_frame(p->receive, bytes, len);
    uint32_t wait_ms = pn_host_commit_wait_ms(a->host, pn_clock_ms());
    commit_follow(a, wait_ms == UINT32_MAX ? 0 : wait_ms); /* answers to repeats go at once */
    return true;
}

/* ---- the store ---- */

static void store_options(const struct pn_quarantine_actor *a, struct pn_host_options *o)
{
    const struct pn_conf_quarantine *c = &a->host_settings.conf;

    *o = (struct pn_host_options){
        .path = a->store_path, .keep_free_bytes = c->keep_free_bytes, .background = true, .end_by_ms = &a->end_by_ms};
    if (c->store == PN_CONF_STORE_POSTGRESQL) {
        o->database = "postgresql";
        o->where = c->database;
    }
}

struct reader_task {
    struct pn_quarantine_actor *actor;
    bool open;
    struct pn_host_options o;
    char where[PN_CONF_TEXT_BYTES];
};

static void reader_follow(void *arg)
{
    struct reader_task *t = arg;
    struct pn_quarantine_actor *a = t->actor;
    struct pn_error err;

    pn_host_close(a->store);
    a->store = NULL;
    t->o.where = t->o.where ? t->where : NULL;
    if (t->open && pn_host_open(&t->o, &a->store, &err) < 0) {
        a->store = NULL;
        if (!a->reader_error[0])
            pn_qa_event(a, PN_LOG_ERROR, "store", "cannot be read: %s", err.text);
        snprintf(a->reader_error, sizeof(a->reader_error), "%s", err.text);
    } else {
        a->reader_error[0] = '\0';
    }
    atomic_store(&a->reader_open, a->store != NULL);
    free(t);
}

static void reader_tell(struct pn_quarantine_actor *a, bool open)
{
    struct reader_task *t = calloc(1, sizeof(*t));

    if (!t)
        return;
    a->reader_retry_ms = pn_clock_ms() + READER_RETRY_MS;
    t->actor = a;
    t->open = open;
    store_options(a, &t->o);
    t->o.reader = true;
    if (t->o.where)
        snprintf(t->where, sizeof(t->where), "%s", t->o.where);
    if (pn_loop_call(a->reader, reader_follow, t) < 0)
        free(t);
}

/*
 * The host, or a node that once was: what it has stays readable. Not in a database of its own, which only one may have:
 * the new host needs it.
 */
static bool store_wanted(const struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->host_settings.conf;

    return c->host[0] &&
           (pn_qa_is_host(&a->host_settings) || (c->store == PN_CONF_STORE_SQLITE && access(a->store_path, F_OK) == 0));
}

static void store_open(struct pn_quarantine_actor *a)
{
    struct pn_host_options o;
    struct pn_error err;

    store_options(a, &o);
    if (pn_host_open(&o, &a->host, &err) < 0) {
        a->host = NULL;
        a->store_failures++;
        a->store_pause_ms = a->store_pause_ms == 0 ? RETRY_MIN_MS : 2 * a->store_pause_ms;
        if (a->store_pause_ms > RETRY_MAX_MS)
            a->store_pause_ms = RETRY_MAX_MS;
        a->store_retry_ms = pn_clock_ms() + a->store_pause_ms;
        if (strcmp(a->store_error, err.text) != 0)
            pn_qa_event(a, PN_LOG_ERROR, "store", "takes nothing, nodes keep what they have: %s", err.text);
        snprintf(a->store_error, sizeof(a->store_error), "%s", err.text);
        return;
    }
    a->store_pause_ms = 0;
    a->round = event_new(pn_loop_base(a->keeper), pn_host_commit_fd(a->host), EV_READ | EV_PERSIST, on_round, a);
    if (!a->round || event_add(a->round, NULL) != 0)
        pn_qa_event(a, PN_LOG_ERROR, "store", "no memory"); /* rounds then end when the next one begins */
    if (a->store_error[0])
        pn_qa_event(a, PN_LOG_NOTICE, "store", "open again");
    a->store_error[0] = '\0';
    a->store_mute = false;
    reader_tell(a, true);
}

struct pn_host *pn_quarantine_actor_host(struct pn_quarantine_actor *a, struct pn_error *err)
{
    if (!a->host)
        pn_error_set(err, "the host's store is not open: %s",
                     a->store_error[0] ? a->store_error
                     : store_wanted(a) ? "posternd is starting"
                                       : "this node is not the host");
    return a->host;
}

struct pn_host *pn_quarantine_actor_store(struct pn_quarantine_actor *a, struct pn_error *err)
{
    char why[sizeof(a->host_status.store_error)];

    if (a->store)
        return a->store;
    pthread_mutex_lock(&a->lock);
    snprintf(why, sizeof(why), "%s", a->reader_error[0] ? a->reader_error : a->host_status.store_error);
    pthread_mutex_unlock(&a->lock);
    pn_error_set(err, "the host's store is not open: %.200s", why[0] ? why : "posternd is starting");
    return NULL;
}

static void receives_follow(struct pn_quarantine_actor *a)
{
    bool host = a->host && pn_qa_is_host(&a->host_settings);

    a->guests[PN_QA_SELF].up = true;
    memcpy(a->guests[PN_QA_SELF].name, a->host_settings.node, sizeof(a->host_settings.node));
    for (unsigned i = 0; i < PN_QA_PEERS; i++) {
        struct pn_qa_guest *p = &a->guests[i];
        bool wanted = host && p->up;

        if (wanted && !p->receive)
            p->receive = pn_receive_new(a->host, p->name, pn_qa_send_as_host, p);
        else if (!wanted)
            receive_end(p);
    }
}

void pn_qa_host_follow(struct pn_quarantine_actor *a)
{
    if (!a->host_running)
        return;
    if (a->host && (a->store_other || !store_wanted(a))) {
        pn_qa_host_close(a);
        reader_tell(a, false);
    }
    a->store_other = false;
    if (!a->host && store_wanted(a) && pn_clock_ms() >= a->store_retry_ms)
        store_open(a);
    receives_follow(a);
    bool open = a->host && pn_qa_is_host(&a->host_settings);
    if (atomic_exchange(&a->host_open, open) != open)
        pn_qa_wire_follow(a);
}

static uint64_t failures(struct pn_quarantine_actor *a)
{
    struct pn_hostdb_health health = {.failures = 0};

    if (a->host)
        pn_host_health(a->host, &health);
    return health.failures;
}

void pn_qa_host_close(struct pn_quarantine_actor *a)
{
    for (unsigned i = 0; i < PN_QA_PEERS; i++)
        receive_end(&a->guests[i]);
    if (a->host)
        pn_host_commit(a->host);
    if (a->round)
        event_free(a->round);
    a->round = NULL;
    a->store_failures += failures(a);
    pn_host_close(a->host);
    a->host = NULL;
}

/* ---- each second ---- */

static void partials_purge(struct pn_quarantine_actor *a)
{
    uint64_t now_ms = pn_clock_ms();
    struct timespec now;

    if (now_ms < a->partials_ms)
        return;
    a->partials_ms = now_ms + PARTIAL_EVERY_MS;
    clock_gettime(CLOCK_REALTIME, &now);
    pn_qpartial_purge(pn_host_files(a->host), (uint64_t)now.tv_sec * 1000 - PARTIAL_KEEP_MS);
}

void pn_qa_host_second(struct pn_quarantine_actor *a)
{
    if (!a->host)
        return;
    if (!atomic_load(&a->reader_open) && pn_clock_ms() >= a->reader_retry_ms)
        reader_tell(a, true);
    partials_purge(a);
    if (a->store_mute) /* all of it would wait for the database */
        return;
    pn_qa_host_answer(a);
    pn_qa_keep_second(a); /* also of a node that once was the host: what it holds grows old, too */
    if (pn_qa_is_host(&a->host_settings))
        pn_qa_digest_second(a);
}

/* A database of its own may go and come, or say no. */
static void mute_follow(struct pn_quarantine_actor *a, bool answers)
{
    struct pn_hostdb_health health;

    pn_host_health(a->host, &health);
    bool mute = !answers || health.text[0];
    if (mute && strcmp(a->store_error, health.text) != 0)
        snprintf(a->store_error, sizeof(a->store_error), "%s", health.text[0] ? health.text : "it does not answer");
    if (mute == a->store_mute)
        return;
    a->store_mute = mute;
    if (mute) {
        pn_qa_event(a, PN_LOG_ERROR, "store", "takes nothing, nodes keep what they have: %s", a->store_error);
        return;
    }
    pn_qa_event(a, PN_LOG_NOTICE, "store", "takes items again");
    a->store_error[0] = '\0';
    for (unsigned i = 0; i < PN_QA_PEERS; i++)
        if (a->guests[i].receive)
            pn_receive_again(a->guests[i].receive);
}

static void store_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out)
{
    struct pn_hostdb_totals totals;
    bool answers = a->host && pn_host_totals(a->host, &totals) == 0;

    if (answers)
        a->totals = totals; /* while it is away: as it was */
    if (a->host)
        mute_follow(a, answers);
    out->store = a->totals;
    out->store_open = a->host && !a->store_mute;
    snprintf(out->store_error, sizeof(out->store_error), "%s",
             out->store_open || !store_wanted(a) ? ""
             : a->store_error[0]                 ? a->store_error
                                                 : "it is being opened");
    out->store_failures = a->store_failures + failures(a);
    if (out->store_open || !store_wanted(a))
        a->away_since_ms = 0;
    else if (a->away_since_ms == 0)
        a->away_since_ms = pn_clock_ms();
    out->store_away_since_ms = a->away_since_ms;
}

void pn_qa_host_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out)
{
    store_status(a, out);
    out->purged = a->purged;
    if (!a->host)
        return;
    out->store_full = pn_qa_is_host(&a->host_settings) && pn_host_full(a->host);
    if (out->store_full != a->store_full)
        pn_qa_event(a, out->store_full ? PN_LOG_ERROR : PN_LOG_NOTICE, "store", "%s",
                    out->store_full ? "the disk is full: nodes keep what they have" : "there is space again");
    a->store_full = out->store_full;
    for (unsigned i = 0; i < PN_QA_PEERS && out->n_peers < PN_MAX_NODES; i++) {
        const struct pn_qa_guest *p = &a->guests[i];
        struct pn_quarantine_peer *o = &out->peers[out->n_peers];
        struct pn_receive_stats now;

        if (!p->name[0] || !pn_qa_is_host(&a->host_settings))
            continue;
        snprintf(o->name, sizeof(o->name), "%s", p->name);
        o->up = p->up;
        o->receive = p->before;
        if (p->receive) {
            pn_receive_stats(p->receive, &now);
            receive_add(&o->receive, &now);
        }
        out->n_peers++;
    }
}
