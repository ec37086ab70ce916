/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves the write-ahead log into the database from a thread and connection of its own, so that no change waits for it:
 * a checkpoint syncs twice and writes many pages, a change writes a few and syncs once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/rules/store.h"

#define WAL_PAGES 1000
#define WAL_PAGES_MAX 65536 /* 256 MiB: then the writer itself waits for a checkpoint */
#define REST_S 2 /* between two: what changes often is copied once */

struct pn_wal {
    sqlite3 *db;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool due, stop;
    bool full; /* the writer's own */
};

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct pn_wal *wal = arg;

    (void)db;
    (void)name;
    wal->full = pages >= WAL_PAGES_MAX;
    if (pages < WAL_PAGES)
        return SQLITE_OK;
    pthread_mutex_lock(&wal->lock);
    wal->due = true;
    pthread_cond_signal(&wal->wake);
    pthread_mutex_unlock(&wal->lock);
    return SQLITE_OK;
}

static void *run(void *arg)
{
    struct pn_wal *wal = arg;

    pthread_mutex_lock(&wal->lock);
    while (!wal->stop) {
        if (!wal->due) {
            pthread_cond_wait(&wal->wake, &wal->lock);
            continue;
        }
        wal->due = false;
        pthread_mutex_unlock(&wal->lock);
        int rc = sqlite3_wal_checkpoint_v2(wal->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (rc != SQLITE_OK && rc != SQLITE_BUSY)
            pn_log_limited(60000, PN_LOG_WARNING, "rules: the log could not be moved into the database: %s",
                           sqlite3_errmsg(wal->db));
        pthread_mutex_lock(&wal->lock);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += REST_S;
        while (!wal->stop && pthread_cond_timedwait(&wal->wake, &wal->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&wal->lock);
    return NULL;
}

void pn_wal_limit(struct pn_wal *wal, sqlite3 *db)
{
    if (wal == NULL || !wal->full)
        return;
    wal->full = false;
    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL); /* busy: with the next commit */
}

struct pn_wal *pn_wal_start(sqlite3 *db, const char *path, struct pn_error *err)
{
    struct pn_wal *wal = calloc(1, sizeof(*wal));

    if (wal == NULL ||
        sqlite3_open_v2(path, &wal->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        pn_error_set(err, "%s: %s", path, wal && wal->db ? sqlite3_errmsg(wal->db) : "no memory");
        if (wal)
            sqlite3_close(wal->db);
        free(wal);
        return NULL;
    }
    sqlite3_busy_timeout(wal->db, 5000);
    /* A connection that has read nothing does not know that there is a log, and checkpoints nothing. */
    if (sqlite3_exec(wal->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK) {
        pn_error_set(err, "%s: %s", path, sqlite3_errmsg(wal->db));
        sqlite3_close(wal->db);
        free(wal);
        return NULL;
    }
    pthread_mutex_init(&wal->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&wal->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&wal->thread, NULL, run, wal) != 0) {
        pn_error_set(err, "%s: no thread to be had", path);
        sqlite3_close(wal->db);
        free(wal);
        return NULL;
    }
    sqlite3_wal_hook(db, on_commit, wal);
    return wal;
}

void pn_wal_stop(struct pn_wal *wal)
{
    if (wal == NULL)
        return;
    pthread_mutex_lock(&wal->lock);
    wal->stop = true;
    pthread_cond_signal(&wal->wake);
    pthread_mutex_unlock(&wal->lock);
    pthread_join(wal->thread, NULL);
    sqlite3_close(wal->db);
    pthread_cond_destroy(&wal->wake);
    pthread_mutex_destroy(&wal->lock);
    free(wal);
}
