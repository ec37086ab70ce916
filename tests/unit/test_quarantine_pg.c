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
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/error.h"
#include "quarantine_store.h"

/* Between client and server. Breaks the line at the COMMIT that `at` counts down to. */
enum breaks { BREAK_NEVER, BREAK_BEFORE, BREAK_AFTER };
static struct proxy {
    char dir[64];
    int listener;
    pthread_t thread;
    _Atomic int how, stop, broken;
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
    return write(to, buf, (size_t)n) == n;
}

static void serve(int client)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    bool seen;

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

static const struct pn_hostdb_ops *ops = &pn_hostdb_postgresql;

static int open_store(const char *where, bool reader, struct pn_hostdb **out, struct pn_error *err)
{
    struct pn_hostdb_options o = {.where = where, .reader = reader};

    return ops->open(&o, out, err);
}

static struct pn_hostdb_health health(struct pn_hostdb *db)
{
    struct pn_hostdb_health h;

    ops->health(db, &h);
    return h;
}

static int insert(struct pn_hostdb *db, uint64_t sequence, struct pn_error *err)
{
    pn_q_item item = PN__Q__ITEM__INIT;
    uint8_t sha[PN_Q_SHA_BYTES] = {1};

    item.node = (char *)"mx1";
    item.sequence = sequence;
    item.kind = PN_Q_MESSAGE;
    item.received_ms = 1700000000000ull;
    item.sha256 = (ProtobufCBinaryData){sizeof(sha), sha};
    if (ops->begin(db, err) != 0)
        return -1;
    int rc = ops->insert(db, &item, 100, "", 1, err);
    if (rc < 0) {
        ops->rollback(db);
        return -1;
    }
    return ops->commit(db, err) == 0 ? rc : -1;
}

static uint64_t items(struct pn_hostdb *db)
{
    struct pn_hostdb_totals t;
    assert_int_equal(ops->totals(db, &t), 0);
    return t.items;
}

static void test_commit_lost(void **state)
{
    struct pn_hostdb *db;
    struct pn_error err;

    (void)state;
    store_new();
    proxy_start();
    if (open_store(store.where, false, &db, &err) != 0)
        fail_msg("%s", err.text);
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
    ops->close(db);
    proxy_end();
}

static void test_restart(void **state)
{
    struct pn_hostdb *db, *second;
    struct pn_error err;

    (void)state;
    store_new();
    if (open_store(store.where, false, &db, &err) != 0)
        fail_msg("%s", err.text);
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

/* ---- a server that is silent ---- */

#define SOON_MS 6000u /* the bound of a call, and some time of a busy machine */

static uint64_t clock_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The server with all of its sessions. */
static void server_signal(int how)
{
    char path[64], pids[4000] = "";

    kill(store.server, how); /* first: it starts no more */
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)store.server, (int)store.server);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    pids[fread(pids, 1, sizeof(pids) - 1, f)] = '\0';
    fclose(f);
    for (char *p = pids; *p;) {
        char *end;
        long pid = strtol(p, &end, 10);
        if (end == p)
            break;
        kill((pid_t)pid, how);
        p = end;
    }
}

/* Stopped, it costs one wait, and then none for a while; what was asked is said to have failed, and why. */
static void test_silent(void **state)
{
    struct pn_hostdb_totals t;
    struct pn_hostdb *db;
    struct pn_error err;

    (void)state;
    store_new();
    if (open_store(store.where, false, &db, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(insert(db, 1, &err), 1);
    assert_string_equal(health(db).text, "");
    server_signal(SIGSTOP);
    uint64_t begun_ms = clock_now_ms();
    int first = insert(db, 2, &err);
    uint64_t took_ms = clock_now_ms() - begun_ms;
    struct pn_error why = err;
    begun_ms = clock_now_ms();
    int second = ops->totals(db, &t), third = insert(db, 2, &err);
    uint64_t again_ms = clock_now_ms() - begun_ms;
    struct pn_hostdb_health sick = health(db);
    server_signal(SIGCONT);
    assert_int_equal(first, -1);
    assert_int_equal(second, -1);
    assert_int_equal(third, -1);
    assert_in_range(took_ms, 3000, SOON_MS);
    assert_in_range(again_ms, 0, 400); /* within the pause: at once */
    assert_non_null(strstr(why.text, "does not answer"));
    assert_non_null(strstr(err.text, "quarantine.database: "));
    assert_non_null(strstr(err.text, "next try in "));
    assert_non_null(strstr(sick.text, "does not answer"));
    assert_true(sick.failures >= 1);
    for (unsigned i = 0; i < 50 && insert(db, 2, &err) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_int_equal(items(db), 2);
    assert_string_equal(health(db).text, "");
    ops->close(db);
}

static void *end_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    atomic_store((atomic_uint_least64_t *)arg, clock_now_ms());
    return NULL;
}

/* One that takes connections and says nothing; and who is to stop does not wait for it. */
static void test_silent_from_the_start(void **state)
{
    atomic_uint_least64_t end_by_ms = 0;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char dir[64], where[128];
    struct pn_hostdb *db;
    struct pn_error err;
    pthread_t thread;

    (void)state;
    fixture_dir(dir);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(where, sizeof(where), "host=%s user=postern dbname=postgres", dir);
    uint64_t begun_ms = clock_now_ms();
    assert_int_equal(open_store(where, false, &db, &err), -1);
    assert_in_range(clock_now_ms() - begun_ms, 2500, SOON_MS);
    assert_string_equal(err.text, "quarantine.database: PostgreSQL: connecting: no answer within 3 s");
    struct pn_hostdb_options o = {.where = where, .end_by_ms = &end_by_ms};
    assert_int_equal(pthread_create(&thread, NULL, end_soon, &end_by_ms), 0);
    begun_ms = clock_now_ms();
    assert_int_equal(ops->open(&o, &db, &err), -1);
    assert_in_range(clock_now_ms() - begun_ms, 400, 2000);
    pthread_join(thread, NULL);
    close(fd);
    fixture_remove(dir);
}

/* ---- a server that says no ---- */

static void refused_with(const char *where, const char *words, const char *hint)
{
    struct pn_hostdb *db;
    struct pn_error err;

    assert_int_equal(open_store(where, false, &db, &err), -1);
    if (strncmp(err.text, "quarantine.database: PostgreSQL: ", 33) != 0 || !strstr(err.text, words) ||
        !strstr(err.text, hint))
        fail_msg("\"%s\", expected \"%s\" and \"%s\"", err.text, words, hint);
    assert_null(strstr(err.text, "secret"));
}

static void file_write(const char *name, const char *text)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", store.data, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The server's own words, the field that they are about, and what to do. */
static void test_refused(void **state)
{
    char where[300];

    (void)state;
    store_new();
    snprintf(where, sizeof(where), "host=%s user=postern dbname=nowhere", store.dir);
    refused_with(where, "database \"nowhere\" does not exist", "createdb");
    snprintf(where, sizeof(where), "host=%s user=nobody_here dbname=postgres", store.dir);
    refused_with(where, "role \"nobody_here\" does not exist", "createuser");
    refused_with("host=/nonexistent user=x password=secret", "No such file or directory", "");
    refused_with("host=/nonexistent password=top secret", "no connection string", "quotes");
    refused_with("nonsense=1", "invalid connection option \"nonsense\"", "");
    /* A password that is wrong, or not given. */
    assert_int_equal(store_psql("CREATE ROLE locked LOGIN PASSWORD 'right'"), 0);
    file_write("pg_hba.conf", "local all locked scram-sha-256\nlocal all all trust\n");
    assert_int_equal(store_psql("SELECT pg_reload_conf()"), 0);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    snprintf(where, sizeof(where), "host=%s user=locked password=secret dbname=postgres", store.dir);
    refused_with(where, "password authentication failed for user \"locked\"", "passfile");
    snprintf(where, sizeof(where), "host=%s user=locked passfile=/nonexistent dbname=postgres", store.dir);
    refused_with(where, "no password supplied", "passfile");
    file_write("pg_hba.conf", "local all all trust\n");
    assert_int_equal(store_psql("SELECT pg_reload_conf()"), 0);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    /* A role that may not make tables; one that may only read. */
    assert_int_equal(store_psql("REVOKE CREATE ON SCHEMA public FROM PUBLIC"), 0);
    snprintf(where, sizeof(where), "host=%s user=locked dbname=postgres", store.dir);
    refused_with(where, "permission denied for schema public", "CREATE");
    snprintf(where, sizeof(where),
             "host=%s user=postern dbname=postgres options='-c search_path=w%u -c default_transaction_read_only=on'",
             store.dir, store.schema);
    refused_with(where, "cannot execute CREATE TABLE in a read-only transaction", "standby");
    snprintf(where, sizeof(where), "host=%s user=postern dbname=postgres options='-c search_path=missing'", store.dir);
    refused_with(where, "no schema has been selected", "search_path");
}

/* A full disk, as the server says it: items are not taken, it is known why, and it is over with the next that is. */
static void test_full(void **state)
{
    struct pn_hostdb *db;
    struct pn_error err;
    char sql[400];

    (void)state;
    store_new();
    if (open_store(store.where, false, &db, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(insert(db, 1, &err), 1);
    snprintf(
        sql, sizeof(sql),
        "CREATE FUNCTION w%u.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend"
        " file: No space left on device' USING ERRCODE = '53100'; END $$; CREATE TRIGGER no_room BEFORE INSERT ON"
        " w%u.item FOR EACH ROW EXECUTE FUNCTION w%u.no_room()",
        store.schema, store.schema, store.schema);
    assert_int_equal(store_psql(sql), 0);
    assert_int_equal(insert(db, 2, &err), -1);
    assert_non_null(strstr(err.text, "No space left on device"));
    assert_int_equal(items(db), 1);
    assert_non_null(strstr(health(db).text, "No space left on device")); /* though it answers */
    assert_int_equal(health(db).failures, 1);
    snprintf(sql, sizeof(sql), "DROP TRIGGER no_room ON w%u.item", store.schema);
    assert_int_equal(store_psql(sql), 0);
    assert_int_equal(insert(db, 2, &err), 1);
    assert_string_equal(health(db).text, "");
    ops->close(db);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_commit_lost),
                                       cmocka_unit_test(test_restart),
                                       cmocka_unit_test(test_bad_item),
                                       cmocka_unit_test(test_silent),
                                       cmocka_unit_test(test_silent_from_the_start),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_wrong_servers)};
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
