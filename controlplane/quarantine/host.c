/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/host_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/syncdir.h"

#define COMMIT_ITEMS 256u /* each message holds a descriptor until then */
#define COMMIT_MS 4u
#define COMMIT_MAX_MS 60u
#define FAILED_IN_A_ROW 8u

static const struct pn_hostdb_ops *const databases[] = {
    &pn_hostdb_sqlite,
#ifdef PN_HAVE_POSTGRESQL
    &pn_hostdb_postgresql,
#endif
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t steady_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool keep_file(void *arg, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t file_bytes)
{
    struct pn_host *h = arg;

    (void)file_bytes;
    return h->ops->sha_used(h->db, sha) != 0;
}

int pn_host_open(const struct pn_host_options *o, struct pn_host **out, struct pn_error *err)
{
    struct pn_host *h = calloc(1, sizeof(*h));
    char path[288];

    if (h == NULL)
        return pn_error_set(err, "no memory");
    h->lock_fd = -1;
    h->keep_free_bytes = o->keep_free_bytes;
    for (unsigned i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
        if (o->database == NULL || strcmp(o->database, databases[i]->name) == 0) {
            h->ops = databases[i];
            break;
        }
    if (h->ops == NULL || strlen(o->path) >= sizeof(h->path)) {
        pn_error_set(err, "quarantine host: %s", h->ops ? "the path is too long" : "no such database");
        goto fail;
    }
    snprintf(h->path, sizeof(h->path), "%s", o->path);
    if (mkdir(h->path, 0700) != 0 && errno != EEXIST) {
        pn_error_set(err, "%s: %s", h->path, strerror(errno));
        goto fail;
    }
    if (pn_qsync_folder_of(h->path, err) != 0) /* without its own name, all in it is lost */
        goto fail;
    snprintf(path, sizeof(path), "%s/lock", h->path);
    if (!o->reader)
        h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o->reader) {
        ; /* the writer has it */
    } else if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        pn_error_set(err, "%s: %s", path, errno == EWOULDBLOCK ? "another process has this store" : strerror(errno));
        goto fail;
    }
    snprintf(path, sizeof(path), "%s/mail", h->path);
    if ((o->reader ? pn_qfiles_open_reader : pn_qfiles_open)(path, &h->files, err) != 0)
        goto fail;
    snprintf(path, sizeof(path), "%s/host.db", h->path);
    if (o->where == NULL && h->ops != databases[0]) {
        pn_error_set(err, "quarantine host: %s needs to be told how to connect", h->ops->name);
        goto fail;
    }
    if (h->ops->open(o->where ? o->where : path, o->reader, &h->db, err) != 0)
        goto fail;
    if (!o->reader && pn_qfiles_sweep(h->files, keep_file, h) < 0) {
        pn_error_set(err, "%s: reading the folders: %s", h->path, strerror(errno));
        goto fail;
    }
    *out = h;
    return 0;
fail:
    pn_host_close(h);
    return -1;
}

static void put_free(struct pn_host_put *p)
{
    pn_qtmp_drop(p->tmp);
    free(p->item);
}

void pn_host_close(struct pn_host *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < h->n_queue; i++) {
        h->queue[i].done(h->queue[i].arg, &h->queue[i].id, false, "the store was closed");
        put_free(&h->queue[i]);
    }
    free(h->queue);
    if (h->db)
        h->ops->close(h->db);
    pn_qfiles_close(h->files);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    free(h);
}

int pn_host_known(struct pn_host *h, const char *node, const struct pn_q_id *id)
{
    return h->ops->known(h->db, node, id);
}

bool pn_host_full(struct pn_host *h)
{
    uint64_t left, size;

    return h->keep_free_bytes && pn_qfiles_free_bytes(h->files, &left, &size) == 0 && left < h->keep_free_bytes;
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
    if (h->n_queue >= COMMIT_ITEMS || now_ms - h->queued_ms >= wait)
        return 0;
    return wait - (uint32_t)(now_ms - h->queued_ms);
}

static int insert(struct pn_host *h, struct pn_host_put *p, struct pn_error *err)
{
    static char headers[2 * PN_QTMP_HEAD_MAX];
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
    int rc = h->ops->insert(h->db, item, p->tmp ? pn_qtmp_file_bytes(p->tmp) : 0, headers, now_ms(), err);
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

unsigned pn_host_commit(struct pn_host *h)
{
    struct pn_host_put *queue = h->queue;
    unsigned n = h->n_queue, n_tmps = 0, durable = 0;
    struct pn_error file_err = {""}, row_err = {""};

    if (n == 0)
        return 0;
    struct pn_qtmp **tmps = calloc(n, sizeof(*tmps));
    bool *ok = calloc(2 * (size_t)n, sizeof(*ok)), *file_ok = ok + n;
    if (tmps == NULL || ok == NULL) {
        free(tmps);
        free(ok);
        return 0;
    }
    h->queue = NULL;
    h->n_queue = h->queue_size = 0;
    h->queued_known = false;
    uint64_t begun_ms = steady_ms();
    for (unsigned i = 0; i < n; i++)
        if (queue[i].tmp)
            tmps[n_tmps++] = queue[i].tmp;
    pn_qfiles_publish(h->files, tmps, n_tmps, file_ok, &file_err);
    for (unsigned i = 0, t = 0; i < n; i++)
        ok[i] = queue[i].tmp == NULL || file_ok[t++];
    int rc = commit_rows(h, queue, n, ok, &row_err);
    if (rc != 0 && n > 1) { /* one bad item must not hold up the others for ever */
        commit_each(h, queue, n, ok, &row_err);
        rc = 0;
    }
    for (unsigned i = 0; i < n; i++) {
        bool good = ok[i] && rc == 0;
        durable += good;
        if (queue[i].tmp && good && queue[i].known && h->ops->sha_used(h->db, queue[i].id.sha) == 0)
            pn_qfiles_remove(h->files, queue[i].id.sha); /* known, and purged long ago */
        queue[i].done(queue[i].arg, &queue[i].id, good, good ? NULL : row_err.text[0] ? row_err.text : file_err.text);
        put_free(&queue[i]);
    }
    free(queue);
    free(tmps);
    free(ok);
    uint64_t took = steady_ms() - begun_ms;
    h->took_ms = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    return durable;
}

uint64_t pn_host_store(struct pn_host *h)
{
    return h->ops->store(h->db);
}

int pn_host_accepted(struct pn_host *h, const char *node, uint64_t *count)
{
    return h->ops->accepted(h->db, node, count);
}

struct pn_qfiles *pn_host_files(struct pn_host *h)
{
    return h->files;
}

int pn_host_find(struct pn_host *h, const struct pn_host_query *q, pn_host_each *each, void *arg, struct pn_error *err)
{
    return h->ops->find(h->db, q, each, arg, err);
}

int pn_host_get(struct pn_host *h, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err)
{
    return h->ops->get(h->db, number, each, arg, err);
}

struct where {
    uint8_t sha[PN_Q_SHA_BYTES];
    bool message, purged;
};

static int note_where(void *arg, const struct pn_host_row *row)
{
    struct where *w = arg;

    w->message = row->item->kind == PN_Q_MESSAGE;
    w->purged = row->flags & PN_HOST_PURGED;
    memcpy(w->sha, row->item->sha256.data, PN_Q_SHA_BYTES);
    return 0;
}

int pn_host_raw(struct pn_host *h, uint64_t number, pn_qsink *sink, void *arg, struct pn_error *err)
{
    struct where w = {.message = false};
    int rc = h->ops->get(h->db, number, note_where, &w, err);

    if (rc < 0)
        return -1;
    if (rc == 0 || !w.message || w.purged)
        return pn_error_set(err, "%llu: %s", (unsigned long long)number,
                            rc == 0    ? "no such item"
                            : w.purged ? "the message is gone, its time was over"
                                       : "a record has no message");
    return pn_qfiles_raw(h->files, w.sha, true, sink, arg, err);
}

int pn_host_state_set(struct pn_host *h, uint64_t number, enum pn_host_state state, const char *who, const char *detail,
                      struct pn_error *err)
{
    if (state != PN_HOST_RELEASED && state != PN_HOST_DELETED)
        return pn_error_set(err, "an item cannot become new again");
    if (h->ops->begin(h->db, err) != 0)
        return -1;
    int rc = h->ops->state_set(h->db, number, state, now_ms(), err);
    if (rc == 1 && h->ops->audit(h->db, number, state == PN_HOST_RELEASED ? "released" : "deleted", who, detail,
                                 now_ms(), err) != 0)
        rc = -1;
    if (rc != 1) {
        h->ops->rollback(h->db);
        return rc;
    }
    return h->ops->commit(h->db, err) == 0 ? 1 : -1;
}

static int note_release(void *arg, const struct pn_host_row *row)
{
    enum pn_host_release *how = arg;

    if (row->item->kind == PN_Q_MESSAGE && !(row->flags & PN_HOST_PURGED))
        *how = row->state != PN_HOST_NEW          ? PN_HOST_RELEASE_FINAL
               : (row->flags & PN_HOST_RELEASING) ? PN_HOST_RELEASE_OPEN
                                                  : PN_HOST_RELEASE_BEGUN;
    return 0;
}

int pn_host_release_begin(struct pn_host *h, uint64_t number, bool again, const char *who, const char *detail,
                          struct pn_error *err)
{
    enum pn_host_release how = PN_HOST_RELEASE_NOT_THERE;

    if (h->ops->begin(h->db, err) != 0)
        return -1;
    int rc = h->ops->get(h->db, number, note_release, &how, err) < 0 ? -1 : 0;
    bool go = how == PN_HOST_RELEASE_BEGUN || (how == PN_HOST_RELEASE_OPEN && again);
    if (rc == 0 && go &&
        (h->ops->flag_set(h->db, number, PN_HOST_RELEASING, true, err) < 0 ||
         h->ops->audit(h->db, number, "release begun", who, detail, now_ms(), err) != 0))
        rc = -1;
    if (rc != 0 || !go) {
        h->ops->rollback(h->db);
        return rc != 0 ? -1 : (int)how;
    }
    return h->ops->commit(h->db, err) == 0 ? PN_HOST_RELEASE_BEGUN : -1;
}

int pn_host_release_end(struct pn_host *h, uint64_t number, enum pn_host_released how, const char *who,
                        const char *detail, struct pn_error *err)
{
    static const char *const what[] = {"released", "release failed", "release unknown", PN_HOST_RELEASED_PART_WHAT};

    if (h->ops->begin(h->db, err) != 0)
        return -1;
    int rc = h->ops->audit(h->db, number, what[how], who, detail, now_ms(), err);
    if (rc == 0 && how != PN_HOST_RELEASED_UNKNOWN &&
        h->ops->flag_set(h->db, number, PN_HOST_RELEASING, false, err) < 0)
        rc = -1;
    if (rc == 0 && how == PN_HOST_RELEASED_DONE &&
        h->ops->state_set(h->db, number, PN_HOST_RELEASED, now_ms(), err) < 0)
        rc = -1;
    if (rc != 0) {
        h->ops->rollback(h->db);
        return -1;
    }
    return h->ops->commit(h->db, err);
}

int pn_host_flag_set(struct pn_host *h, uint64_t number, enum pn_host_flag flag, bool on, const char *who,
                     struct pn_error *err)
{
    if (flag != PN_HOST_SEEN && flag != PN_HOST_HOLD)
        return pn_error_set(err, "no such flag");
    if (h->ops->begin(h->db, err) != 0)
        return -1;
    int rc = h->ops->flag_set(h->db, number, flag, on, err);
    if (rc == 1 && flag == PN_HOST_HOLD &&
        h->ops->audit(h->db, number, on ? "held" : "hold lifted", who, "", now_ms(), err) != 0)
        rc = -1;
    if (rc != 1) {
        h->ops->rollback(h->db);
        return rc;
    }
    return h->ops->commit(h->db, err) == 0 ? 1 : -1;
}

int pn_host_totals(struct pn_host *h, struct pn_hostdb_totals *out)
{
    return h->ops->totals(h->db, out);
}

int pn_host_node_totals(struct pn_host *h, pn_host_node_each *each, void *arg)
{
    return h->ops->node_totals(h->db, each, arg);
}

int pn_host_audit_list(struct pn_host *h, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err)
{
    return h->ops->audit_list(h->db, number, each, arg, err);
}
