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
#include "controlplane/quarantine/syncdir.h"

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
    struct pn_hostdb_options db = {.where = o->where ? o->where : path, .reader = o->reader, .end_by_ms = o->end_by_ms};
    if (h->ops->open(&db, &h->db, err) != 0)
        goto fail;
    db.reader = true;
    if (o->background && !o->reader && h->ops == databases[0] && h->ops->open(&db, &h->look, err) != 0)
        goto fail;
    if (o->background && !o->reader && pn_host_background(h, err) != 0)
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

void pn_host_close(struct pn_host *h)
{
    if (h == NULL)
        return;
    pn_host_queue_close(h);
    if (h->look)
        h->ops->close(h->look);
    if (h->db)
        h->ops->close(h->db);
    pn_qfiles_close(h->files);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    free(h);
}

void pn_host_health(struct pn_host *h, struct pn_hostdb_health *out)
{
    *out = (struct pn_hostdb_health){.failures = 0};
    if (h->ops->health)
        h->ops->health(pn_host_db(h), out);
}

int pn_host_known(struct pn_host *h, const char *node, const struct pn_q_id *id)
{
    return h->ops->known(h->look ? h->look : pn_host_db(h), node, id);
}

bool pn_host_full(struct pn_host *h)
{
    uint64_t left, size;

    return h->keep_free_bytes && pn_qfiles_free_bytes(h->files, &left, &size) == 0 && left < h->keep_free_bytes;
}

uint64_t pn_host_store(struct pn_host *h)
{
    return h->ops->store(pn_host_db(h));
}

int pn_host_accepted(struct pn_host *h, const char *node, uint64_t *count)
{
    return h->ops->accepted(h->look ? h->look : pn_host_db(h), node, count);
}

struct pn_qfiles *pn_host_files(struct pn_host *h)
{
    return h->files;
}

int pn_host_find(struct pn_host *h, const struct pn_host_query *q, pn_host_each *each, void *arg, struct pn_error *err)
{
    return h->ops->find(pn_host_db(h), q, each, arg, err);
}

int pn_host_get(struct pn_host *h, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err)
{
    return h->ops->get(pn_host_db(h), number, each, arg, err);
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
    int rc = h->ops->get(pn_host_db(h), number, note_where, &w, err);

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
    if (h->ops->begin(pn_host_db(h), err) != 0)
        return -1;
    int rc = h->ops->state_set(pn_host_db(h), number, state, now_ms(), err);
    if (rc == 1 && h->ops->audit(pn_host_db(h), number, state == PN_HOST_RELEASED ? "released" : "deleted", who, detail,
                                 now_ms(), err) != 0)
        rc = -1;
    if (rc != 1) {
        h->ops->rollback(pn_host_db(h));
        return rc;
    }
    return h->ops->commit(pn_host_db(h), err) == 0 ? 1 : -1;
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

    if (h->ops->begin(pn_host_db(h), err) != 0)
        return -1;
    int rc = h->ops->get(pn_host_db(h), number, note_release, &how, err) < 0 ? -1 : 0;
    bool go = how == PN_HOST_RELEASE_BEGUN || (how == PN_HOST_RELEASE_OPEN && again);
    if (rc == 0 && go &&
        (h->ops->flag_set(pn_host_db(h), number, PN_HOST_RELEASING, true, err) < 0 ||
         h->ops->audit(pn_host_db(h), number, "release begun", who, detail, now_ms(), err) != 0))
        rc = -1;
    if (rc != 0 || !go) {
        h->ops->rollback(pn_host_db(h));
        return rc != 0 ? -1 : (int)how;
    }
    return h->ops->commit(pn_host_db(h), err) == 0 ? PN_HOST_RELEASE_BEGUN : -1;
}

int pn_host_release_end(struct pn_host *h, uint64_t number, enum pn_host_released how, const char *who,
                        const char *detail, struct pn_error *err)
{
    static const char *const what[] = {"released", "release failed", "release unknown", PN_HOST_RELEASED_PART_WHAT};

    if (h->ops->begin(pn_host_db(h), err) != 0)
        return -1;
    int rc = h->ops->audit(pn_host_db(h), number, what[how], who, detail, now_ms(), err);
    if (rc == 0 && how != PN_HOST_RELEASED_UNKNOWN &&
        h->ops->flag_set(pn_host_db(h), number, PN_HOST_RELEASING, false, err) < 0)
        rc = -1;
    if (rc == 0 && how == PN_HOST_RELEASED_DONE &&
        h->ops->state_set(pn_host_db(h), number, PN_HOST_RELEASED, now_ms(), err) < 0)
        rc = -1;
    if (rc != 0) {
        h->ops->rollback(pn_host_db(h));
        return -1;
    }
    return h->ops->commit(pn_host_db(h), err);
}

int pn_host_flag_set(struct pn_host *h, uint64_t number, enum pn_host_flag flag, bool on, const char *who,
                     struct pn_error *err)
{
    if (flag != PN_HOST_SEEN && flag != PN_HOST_HOLD)
        return pn_error_set(err, "no such flag");
    if (h->ops->begin(pn_host_db(h), err) != 0)
        return -1;
    int rc = h->ops->flag_set(pn_host_db(h), number, flag, on, err);
    if (rc == 1 && flag == PN_HOST_HOLD &&
        h->ops->audit(pn_host_db(h), number, on ? "held" : "hold lifted", who, "", now_ms(), err) != 0)
        rc = -1;
    if (rc != 1) {
        h->ops->rollback(pn_host_db(h));
        return rc;
    }
    return h->ops->commit(pn_host_db(h), err) == 0 ? 1 : -1;
}

int pn_host_totals(struct pn_host *h, struct pn_hostdb_totals *out)
{
    return h->ops->totals(pn_host_db(h), out);
}

int pn_host_node_totals(struct pn_host *h, pn_host_node_each *each, void *arg)
{
    return h->ops->node_totals(pn_host_db(h), each, arg);
}

int pn_host_audit_list(struct pn_host *h, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err)
{
    return h->ops->audit_list(pn_host_db(h), number, each, arg, err);
}
