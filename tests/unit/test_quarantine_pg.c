/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PostgreSQL server that is restarted, and a line that breaks at the worst moment: with the answer to COMMIT. What was
 * committed is said to be, what was not is not, and neither is done twice.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/error.h"
#include "quarantine_pg.h"

/* Between client and server. Breaks the line at the COMMIT that `at` counts down to. */
enum breaks { BREAK_NEVER, BREAK_BEFORE, BREAK_AFTER, BREAK_SILENT };
static struct proxy {
    char dir[64];
    int listener;
    pthread_t thread;
    _Atomic int how, stop, broken;
    void (*on_break)(void); /* before the client hears of it */
} proxy;

static bool copy(int from, int to, const char *watch, bool *seen)
{
    char buf[65536];
    ssize_t n = read(from, buf, sizeof(buf));

    if (n <= 0)
        return false;
    *seen = watch && memmem(buf, (size_t)n, watch, strlen(watch)) != NULL;
    if (*seen && proxy.how == BREAK_BEFORE)
        return false;
    return send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve(int client)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    bool seen = false;

    snprintf(to.sun_path, sizeof(to.sun_path), "%s/.s.PGSQL.5432", store.dir);
    if (connect(server, (struct sockaddr *)&to, sizeof(to)) == 0) {
        struct pollfd p[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        while (!proxy.stop && poll(p, 2, 100) >= 0) {
            if (p[0].revents) {
                bool go = copy(client, server, proxy.how != BREAK_NEVER ? "COMMIT" : NULL, &seen);
                if (seen && proxy.how == BREAK_AFTER) { /* its answer does not arrive */
                    char answer[1000];
                    if (read(server, answer, sizeof(answer)) < 0)
                        go = false;
                    go = false;
                }
                while (seen && proxy.how == BREAK_SILENT && !proxy.stop) /* a network that swallows everything */
                    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
                if (seen) {
                    proxy.how = BREAK_NEVER;
                    proxy.broken++;
                }
                if (!go)
                    break;
            }
            if (p[1].revents && !copy(server, client, NULL, &seen))
                break;
        }
    }
    close(server);
    if (seen && proxy.on_break)
        proxy.on_break();
}

static void *proxy_run(void *arg)
{
    (void)arg;
    while (!proxy.stop) {
        struct pollfd p = {.fd = proxy.listener, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            continue;
        int client = accept(proxy.listener, NULL, NULL);
        serve(client);
        close(client);
    }
    return NULL;
}

static void proxy_start(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    memset(&proxy, 0, sizeof(proxy));
    fixture_dir(proxy.dir);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", proxy.dir);
    proxy.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(proxy.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(proxy.listener, 5), 0);
    assert_int_equal(pthread_create(&proxy.thread, NULL, proxy_run, NULL), 0);
    snprintf(store.where, sizeof(store.where), "host=%s user=postern dbname=postgres options='-c search_path=w%u'",
             proxy.dir, store.schema);
}

static void proxy_end(void)
{
    proxy.stop = 1;
    pthread_join(proxy.thread, NULL);
    close(proxy.listener);
    fixture_remove(proxy.dir);
}

static void test_commit_lost(void **state)
{
    struct pn_error err;

    (void)state;
    store_new();
    proxy_start();
    struct pn_hostdb *db = opened();
    uint64_t id = ops->store(db);
    assert_int_equal(insert(db, 1, &err), 1);
    proxy.how = BREAK_AFTER;
    if (insert(db, 2, &err) != 1) /* the server says that it is done */
        fail_msg("%s", err.text);
    assert_int_equal(proxy.broken, 1);
    proxy.how = BREAK_BEFORE;
    assert_int_equal(insert(db, 3, &err), -1);
    assert_non_null(strstr(err.text, "the change was not made"));
    assert_int_equal(proxy.broken, 2);
    assert_int_equal(items(db), 2);
    assert_int_equal(insert(db, 3, &err), 1);
    assert_int_equal(insert(db, 3, &err), 0); /* known */
    /* A release: it is done once, and this caller hears that it did it. */
    proxy.how = BREAK_AFTER;
    assert_int_equal(ops->begin(db, &err), 0);
    assert_int_equal(ops->state_set(db, 1, PN_HOST_RELEASED, 1, &err), 1);
    assert_int_equal(ops->commit(db, &err), 0);
    assert_int_equal(ops->begin(db, &err), 0);
    assert_int_equal(ops->state_set(db, 1, PN_HOST_RELEASED, 1, &err), 0);
    ops->rollback(db);
    assert_int_equal(ops->store(db), id);
    assert_int_equal(health(db).lapses, 0); /* nothing was lost */
    ops->close(db);
    proxy_end();
}

/* No answer to COMMIT, and none to who asks what became of it: that is said, in time, and nothing is there twice. */
static void test_commit_swallowed(void **state)
{
    struct timespec begun, end;
    struct pn_error err;

    (void)state;
    store_new();
    proxy_start();
    struct pn_hostdb *db = opened();
    proxy.how = BREAK_SILENT;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    assert_int_equal(insert(db, 1, &err), -1);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_in_range(end.tv_sec - begun.tv_sec, 3, 10);
    assert_non_null(strstr(err.text, "it is not known whether the change was made"));
    assert_non_null(strstr(health(db).text, "no answer within"));
    proxy.how = BREAK_NEVER;
    for (unsigned i = 0; i < 50 && insert(db, 1, &err) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_int_equal(insert(db, 1, &err), 0); /* known */
    assert_int_equal(items(db), 1);
    ops->close(db);
    proxy_end();
}

static void databases_swap(void)
{
    assert_int_equal(store_psql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'site'"),
                     0);
    assert_int_equal(store_psql("ALTER DATABASE site RENAME TO lost"), 0);
    assert_int_equal(store_psql("ALTER DATABASE backup RENAME TO site"), 0);
}

/* Committed, and lost with its server: where the store is now, the transaction's number says nothing about the change. */
static void test_commit_lost_elsewhere(void **state)
{
    struct pn_error err;

    (void)state;
    store_new();
    proxy_start();
    assert_int_equal(store_psql("CREATE DATABASE site"), 0);
    snprintf(store.where, sizeof(store.where), "host=%s user=postern dbname=site", proxy.dir);
    struct pn_hostdb *db = opened();
    assert_int_equal(insert(db, 1, &err), 1);
    ops->close(db);
    assert_int_equal(store_psql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'site'"),
                     0);
    assert_int_equal(store_psql("CREATE DATABASE backup TEMPLATE site"), 0);
    assert_int_equal(open_store(store.where, false, &db, &err), 0);
    proxy.on_break = databases_swap;
    proxy.how = BREAK_AFTER;
    assert_int_equal(insert(db, 2, &err), -1); /* never said to be stored */
    assert_string_equal(err.text, "PostgreSQL: the connection was lost, the change was not made");
    assert_int_equal(items(db), 1);
    assert_int_equal(insert(db, 2, &err), 1);
    ops->close(db);
    proxy_end();
}

/* In libpq's place: a COMMIT that cannot be sent, for want of memory. */
static bool commit_unsent;

int PQsendQueryParams(PGconn *c, const char *sql, int n, const Oid *types, const char *const *values,
                      const int *lengths, const int *formats, int format)
{
    static int (*real)(PGconn *, const char *, int, const Oid *, const char *const *, const int *, const int *, int);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "PQsendQueryParams");
    if (commit_unsent && strcmp(sql, "COMMIT") == 0) {
        commit_unsent = false;
        return 0;
    }
    return real(c, sql, n, types, values, lengths, formats, format);
}

/* What stayed open would be known to this session, and to nobody after it. */
static void test_commit_unsent(void **state)
{
    struct pn_error err;

    (void)state;
    store_new();
    struct pn_hostdb *db = opened();
    assert_int_equal(insert(db, 1, &err), 1);
    commit_unsent = true;
    assert_int_equal(insert(db, 2, &err), -1);
    assert_false(commit_unsent);
    struct pn_error why = err;
    assert_int_equal(items(db), 1);
    assert_int_equal(
        store_psql("DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in trans%')"
                   " THEN RAISE EXCEPTION 'a transaction is open'; END IF; END $$"),
        0);
    assert_int_equal(insert(db, 2, &err), 1);
    assert_string_equal(why.text, "PostgreSQL: the connection was lost, the change was not made");
    /* And one that only read. */
    commit_unsent = true;
    assert_int_equal(ops->begin(db, &err), 0);
    assert_int_equal(ops->commit(db, &err), 0);
    assert_false(commit_unsent);
    assert_int_equal(insert(db, 3, &err), 1);
    assert_int_equal(items(db), 3);
    ops->close(db);
}

static void test_restart(void **state)
{
    struct pn_hostdb *second;
    struct pn_error err;

    (void)state;
    store_new();
    struct pn_hostdb *db = opened();
    assert_int_equal(open_store(store.where, false, &second, &err), -1); /* one host a store */
    assert_string_equal(err.text, "quarantine.database: PostgreSQL: another process has this store");
    assert_int_equal(insert(db, 1, &err), 1);
    if (open_store(store.where, true, &second, &err) != 0) /* but a reader beside it */
        fail_msg("%s", err.text);
    assert_int_equal(items(second), 1);
    assert_int_equal(insert(second, 9, &err), -1);
    assert_int_equal(items(db), 1);
    ops->close(second);
    /* Restarted between two calls: nobody notices. */
    store_server_stop(SIGINT);
    store_server_start();
    assert_int_equal(items(db), 1);
    assert_int_equal(insert(db, 2, &err), 1);
    /* In the middle of a change: it fails whole, and the next one is fine. */
    assert_int_equal(ops->begin(db, &err), 0);
    assert_int_equal(ops->state_set(db, 1, PN_HOST_DELETED, 1, &err), 1);
    store_server_stop(SIGQUIT);
    assert_int_equal(ops->commit(db, &err), -1);
    assert_int_equal(insert(db, 3, &err), -1); /* it is away */
    store_server_start();
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL); /* the pause before connecting anew */
    for (unsigned i = 0; i < 20 && insert(db, 3, &err) != 1; i++)
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_int_equal(items(db), 3);
    assert_int_equal(ops->begin(db, &err), 0);
    assert_int_equal(ops->state_set(db, 1, PN_HOST_RELEASED, 1, &err), 1); /* it had not been deleted */
    assert_int_equal(ops->commit(db, &err), 0);
    ops->close(db);
}

static void test_wrong_servers(void **state)
{
    struct pn_hostdb *db;
    struct pn_error err;

    (void)state;
    assert_int_equal(open_store("host=/nowhere user=x password=secret", false, &db, &err), -1);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(open_store("nonsense=1", false, &db, &err), -1);
    store_new();
    assert_int_equal(store_psql("ALTER SYSTEM SET fsync = off"), 0);
    assert_int_equal(store_psql("SELECT pg_reload_conf()"), 0);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    assert_int_equal(open_store(store.where, false, &db, &err), -1);
    assert_non_null(strstr(err.text, "fsync"));
    assert_int_equal(store_psql("ALTER SYSTEM RESET fsync"), 0);
    assert_int_equal(store_psql("SELECT pg_reload_conf()"), 0);
    assert_int_equal(store_psql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"), 0);
    char where[300];
    snprintf(where, sizeof(where), "host=%s user=postern dbname=latin", store.dir);
    assert_int_equal(open_store(where, false, &db, &err), -1);
    assert_non_null(strstr(err.text, "LATIN1"));
    /* A newer version's tables are left alone. */
    assert_int_equal(open_store(store.where, false, &db, &err), 0);
    ops->close(db);
    char sql[80];
    snprintf(sql, sizeof(sql), "UPDATE w%u.pn_quarantine SET version = 99", store.schema);
    assert_int_equal(store_psql(sql), 0);
    assert_int_equal(open_store(store.where, false, &db, &err), -1);
    assert_non_null(strstr(err.text, "newer version"));
}

static void count_done(void *arg, const struct pn_q_id *id, bool ok, const char *reason)
{
    unsigned *bits = arg;

    (void)reason;
    if (ok)
        *bits |= 1u << id->sequence;
}

/* An item that the database will not take does not hold up those it came with. */
static void test_bad_item(void **state)
{
    char dir[64], path[80];
    struct pn_host_options o = {.path = path};
    struct pn_host *h;
    struct pn_error err;
    unsigned bits = 0;

    (void)state;
    snprintf(path, sizeof(path), "%s/host", fixture_dir(dir));
    store_new();
    store_options(&o);
    assert_int_equal(pn_host_open(&o, &h, &err), 0);
    for (unsigned i = 1; i <= 5; i++) {
        pn_q_item item = PN__Q__ITEM__INIT;
        uint8_t sha[PN_Q_SHA_BYTES];
        item.node = (char *)(uintptr_t)(i == 3 ? "\xff" : "mx1");
        item.sequence = i;
        item.kind = PN_Q_RECORD;
        assert_int_equal(pn_q_record_sha(&item, sha), 0);
        item.sha256 = (ProtobufCBinaryData){sizeof(sha), sha};
        assert_int_equal(pn_host_put(h, &item, NULL, count_done, &bits, &err), 0);
    }
    assert_int_equal(pn_host_commit(h), 4);
    assert_int_equal(bits, 0x36);
    pn_host_close(h);
    fixture_remove(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_lost),   cmocka_unit_test(test_commit_lost_elsewhere),
        cmocka_unit_test(test_commit_unsent), cmocka_unit_test(test_commit_swallowed),
        cmocka_unit_test(test_restart),       cmocka_unit_test(test_bad_item),
        cmocka_unit_test(test_wrong_servers)};
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
