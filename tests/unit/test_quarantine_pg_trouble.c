/* SPDX-License-Identifier: BSD-3-Clause */
/* A PostgreSQL server that is silent, or says no: no call waits for long, and what is said names the setting and the reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "quarantine_pg.h"

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
    struct pn_error err;

    (void)state;
    store_new();
    struct pn_hostdb *db = opened();
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
    assert_in_range(again_ms, 0, 900); /* within the pause: at once */
    assert_string_equal(why.text, "quarantine.database: PostgreSQL: asking: the server does not answer (for 4.0 s)");
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
    static const char setting[] = "quarantine.database: PostgreSQL: ";
    if (strncmp(err.text, setting, sizeof(setting) - 1) != 0 || !strstr(err.text, words) || !strstr(err.text, hint))
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
    /* Somebody else's table in the way: nothing is left half made. */
    char sql[80];
    snprintf(sql, sizeof(sql), "CREATE TABLE w%u.audit(id int)", store.schema);
    assert_int_equal(store_psql(sql), 0);
    refused_with(store.where, "making the tables: relation \"audit\" already exists", "");
    snprintf(sql, sizeof(sql), "DROP TABLE w%u.audit", store.schema);
    assert_int_equal(store_psql(sql), 0);
    struct pn_hostdb *db = opened();
    ops->close(db);
}

/* A full disk, as the server says it: items are not taken, it is known why, and it is over with the next that is. */
static void test_full(void **state)
{
    struct pn_error err;
    char sql[400];

    (void)state;
    store_new();
    struct pn_hostdb *db = opened();
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_silent), cmocka_unit_test(test_silent_from_the_start),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_full)};
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
