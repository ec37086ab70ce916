/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds of the host's store: files, then rows, then the answers. With a thread for it the next round comes in while one
 * goes to disk; the thread has the database and the round's files until then, and nothing else.
 */
#include "controlplane/quarantine/host_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/words.h"

#define COMMIT_ITEMS 256u /* each message holds a descriptor until then */
#define COMMIT_MS 4u
#define COMMIT_MAX_MS 60u
#define FAILED_IN_A_ROW 8u

static uint64_t clock_ms(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int pn_host_put(struct pn_host *h, const pn_q_item *item, struct pn_qtmp *tmp, pn_host_done *done, void *arg,
                struct pn_error *err)
{
    struct pn_host_put p = {.tmp = tmp, .done = done, .arg = arg};

    int wrong = pn_q_item_check(item, true, err);
    if (wrong == 0 && ((item->kind == PN_Q_MESSAGE) != (tmp != NULL) ||
                       (tmp && memcmp(pn_qtmp_sha(tmp), item->sha256.data, PN_Q_SHA_BYTES) != 0)))
        wrong = pn_error_set(err, "quarantine host: item and file do not belong together");
    if (wrong) {
        pn_qtmp_drop(tmp);
        return -1;
    }
    if (h->n_queue == h->queue_size) {
        unsigned want = h->queue_size ? 2 * h->queue_size : 64;
        struct pn_host_put *grown = realloc(h->queue, want * sizeof(*grown));
        if (grown) {
            h->queue = grown;
            h->queue_size = want;
        }
    }
    if (h->n_queue < h->queue_size)
        p.item = pn_q_item_encode(item, &p.item_len);
    if (p.item == NULL) {
        pn_qtmp_drop(tmp);
        return pn_error_set(err, "no memory");
    }
    p.id.sequence = item->sequence;
    memcpy(p.id.sha, item->sha256.data, PN_Q_SHA_BYTES);
    h->queue[h->n_queue++] = p;
    return 0;
}

unsigned pn_host_queued(const struct pn_host *h)
{
    return h->n_queue;
}

uint32_t pn_host_commit_wait_ms(struct pn_host *h, uint64_t now_ms)
{
    if (h->n_queue == 0) {
        h->queued_known = false;
        return UINT32_MAX;
    }
    if (!h->queued_known) {
        h->queued_known = true;
        h->queued_ms = now_ms;
    }
    /* As long as a commit takes lately, so that about half of the time goes into commits and batches grow with load. */
    uint32_t wait = h->took_ms < COMMIT_MS ? COMMIT_MS : h->took_ms > COMMIT_MAX_MS ? COMMIT_MAX_MS : h->took_ms;
    if (h->n_queue >= COMMIT_ITEMS)
        return 0;
    if (now_ms - h->queued_ms >= wait)
        return h->round.puts ? COMMIT_MS : 0; /* the end of the one under way comes first */
    return wait - (uint32_t)(now_ms - h->queued_ms);
}

static int insert(struct pn_host *h, struct pn_host_put *p, struct pn_error *err)
{
    static char headers[2 * PN_QTMP_HEAD_MAX];
    struct pn_q_words words;
    struct pn_pb_budget budget;
    size_t len;

    pn_q_item *item = pn_q_item_decode(&budget, p->item, p->item_len, err);
    if (item == NULL)
        return -1;
    headers[0] = '\0';
    if (p->tmp) {
        const uint8_t *head = pn_qtmp_head(p->tmp, &len);
        if (head)
            pn_q_text_clean(head, pn_q_headers_length(head, len), headers, sizeof(headers));
    }
    pn_q_item readable = *item;
    pn_q_item_words(&readable, &words); /* nodes of older versions leave them encoded */
    int rc = h->ops->insert(h->db, &readable, p->tmp ? pn_qtmp_file_bytes(p->tmp) : 0, headers,
                            clock_ms(CLOCK_REALTIME), err);
    pn_pb_free(&budget, item);
    p->known = rc == 0;
    return rc < 0 ? -1 : 0;
}

static int commit_rows(struct pn_host *h, struct pn_host_put *queue, unsigned n, const bool *ok, struct pn_error *err)
{
    if (h->ops->begin(h->db, err) != 0)
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (ok[i] && insert(h, &queue[i], err) != 0) {
            h->ops->rollback(h->db);
            return -1;
        }
    return h->ops->commit(h->db, err);
}

/* After a change with all of them failed: each by itself, as long as it does not look like the store's own fault. */
static void commit_each(struct pn_host *h, struct pn_host_put *queue, unsigned n, bool *ok, struct pn_error *err)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!ok[i])
            continue;
        bool good = failed < FAILED_IN_A_ROW && commit_rows(h, &queue[i], 1, &ok[i], err) == 0;
        failed = good ? 0 : failed + 1;
        ok[i] = good;
    }
}

static void put_free(struct pn_host_put *p)
{
    pn_qtmp_drop(p->tmp);
    free(p->item);
}

static int round_take(struct pn_host *h)
{
    struct pn_host_round r = {.puts = h->queue, .n = h->n_queue};

    r.tmps = calloc(r.n, sizeof(*r.tmps));
    r.ok = calloc(2 * (size_t)r.n, sizeof(*r.ok));
    if (r.n == 0 || r.tmps == NULL || r.ok == NULL) { /* all stay queued */
        free(r.tmps);
        free(r.ok);
        return -1;
    }
    r.file_ok = r.ok + r.n;
    h->round = r;
    h->queue = NULL; /* the answers may queue anew */
    h->n_queue = h->queue_size = 0;
    h->queued_known = false;
    return 0;
}

static uint64_t lapses(struct pn_host *h)
{
    struct pn_hostdb_health health = {.lapses = 0};

    if (h->ops->health)
        h->ops->health(h->db, &health);
    return health.lapses;
}

static void round_run(struct pn_host *h)
{
    struct pn_host_round *r = &h->round;
    uint64_t begun_ms = clock_ms(CLOCK_MONOTONIC);
    unsigned n_tmps = 0;

    r->lapses = lapses(h);
    for (unsigned i = 0; i < r->n; i++)
        if (r->puts[i].tmp)
            r->tmps[n_tmps++] = r->puts[i].tmp;
    pn_qfiles_publish(h->files, r->tmps, n_tmps, r->file_ok, &r->file_err);
    for (unsigned i = 0, t = 0; i < r->n; i++)
        r->ok[i] = r->puts[i].tmp == NULL || r->file_ok[t++];
    r->rc = commit_rows(h, r->puts, r->n, r->ok, &r->row_err);
    if (r->rc != 0 && r->n > 1) { /* one bad item must not hold up the others for ever */
        commit_each(h, r->puts, r->n, r->ok, &r->row_err);
        r->rc = 0;
    }
    uint64_t took = clock_ms(CLOCK_MONOTONIC) - begun_ms;
    r->took_ms = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

static unsigned round_end(struct pn_host *h)
{
    struct pn_host_round r = h->round;
    unsigned durable = 0;

    h->round = (struct pn_host_round){.puts = NULL};
    h->took_ms = r.took_ms;
    if (r.rc == 0 && lapses(h) != r.lapses)
        r.rc = pn_error_set(&r.row_err, "the store came back without its last change");
    for (unsigned i = 0; i < r.n; i++) {
        struct pn_host_put *p = &r.puts[i];
        bool good = r.ok[i] && r.rc == 0;
        durable += good;
        if (p->tmp && good && p->known && h->ops->sha_used(h->db, p->id.sha) == 0)
            pn_qfiles_remove(h->files, p->id.sha); /* known, and purged long ago */
        p->done(p->arg, &p->id, good, good ? NULL : r.row_err.text[0] ? r.row_err.text : r.file_err.text);
        put_free(p);
    }
    free(r.puts);
    free(r.tmps);
    free(r.ok);
    return durable;
}

static void *work(void *arg)
{
    struct pn_host *h = arg;

    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        if (!h->busy) {
            pthread_cond_wait(&h->change, &h->lock);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        round_run(h);
        pthread_mutex_lock(&h->lock);
        h->busy = false;
        pthread_cond_broadcast(&h->change);
        eventfd_write(h->ready_fd, 1);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static bool is_busy(struct pn_host *h)
{
    pthread_mutex_lock(&h->lock);
    bool busy = h->busy;
    pthread_mutex_unlock(&h->lock);
    return busy;
}

static void wait_idle(struct pn_host *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->busy)
        pthread_cond_wait(&h->change, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

struct pn_hostdb *pn_host_db(struct pn_host *h)
{
    if (h->round.puts && h->background)
        wait_idle(h);
    return h->db;
}

int pn_host_background(struct pn_host *h, struct pn_error *err)
{
    h->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->ready_fd < 0)
        return pn_error_set(err, "eventfd: %s", strerror(errno));
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->change, NULL);
    int rc = pthread_create(&h->thread, NULL, work, h);
    if (rc != 0) {
        pthread_cond_destroy(&h->change);
        pthread_mutex_destroy(&h->lock);
        close(h->ready_fd);
        return pn_error_set(err, "a thread: %s", strerror(rc));
    }
    h->background = true;
    return 0;
}

int pn_host_commit_fd(const struct pn_host *h)
{
    return h->background ? h->ready_fd : -1;
}

/* Waits for a round under way. */
static unsigned commit_end(struct pn_host *h)
{
    eventfd_t count;

    if (h->round.puts == NULL)
        return 0;
    wait_idle(h);
    eventfd_read(h->ready_fd, &count);
    return round_end(h);
}

unsigned pn_host_commit_poll(struct pn_host *h)
{
    eventfd_t count;

    if (!h->background)
        return 0;
    if (h->round.puts && !is_busy(h))
        return commit_end(h);
    eventfd_read(h->ready_fd, &count); /* of a round that was waited for meanwhile */
    return 0;
}

unsigned pn_host_commit(struct pn_host *h)
{
    unsigned durable = commit_end(h);

    if (round_take(h) != 0)
        return durable;
    round_run(h);
    return durable + round_end(h);
}

void pn_host_commit_begin(struct pn_host *h)
{
    if (!h->background) {
        pn_host_commit(h);
        return;
    }
    if (h->round.puts && h->n_queue < COMMIT_ITEMS && is_busy(h))
        return;
    commit_end(h);
    if (round_take(h) != 0)
        return;
    pthread_mutex_lock(&h->lock);
    h->busy = true;
    pthread_cond_broadcast(&h->change);
    pthread_mutex_unlock(&h->lock);
}

void pn_host_queue_close(struct pn_host *h)
{
    commit_end(h);
    if (h->background) {
        pthread_mutex_lock(&h->lock);
        h->stop = true;
        pthread_cond_broadcast(&h->change);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
        pthread_cond_destroy(&h->change);
        pthread_mutex_destroy(&h->lock);
        close(h->ready_fd);
    }
    for (unsigned i = 0; i < h->n_queue; i++) {
        h->queue[i].done(h->queue[i].arg, &h->queue[i].id, false, "the store was closed");
        put_free(&h->queue[i]);
    }
    free(h->queue);
}
