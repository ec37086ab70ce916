/* SPDX-License-Identifier: BSD-3-Clause */
/* The store on disk: what was acknowledged is there, what failed has left no trace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#include "tests/unit/rules_cluster.h"

static struct rc_cluster c;

static int setup(void **state)
{
    (void)state;
    memset(&c, 0, sizeof(c));
    rc_start(&c, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rc_stop(&c);
    return 0;
}

static void reopen(void)
{
    pn_rules_close(c.rules[0]);
    rc_open(&c, 0);
}

/* ---- Listing ---- */

struct gathered {
    char text[2000];
};

static int gather(void *arg, const struct pn_rule *rule)
{
    struct gathered *g = arg;
    snprintf(g->text + strlen(g->text), sizeof(g->text) - strlen(g->text), "%s ", rule->key.value);
    return 0;
}

static void test_lists_come_in_pages(void **state)
{
    struct pn_rules_query q = {.kind = PN_KIND_BLOCK, .limit = 3};
    struct pn_rules_page page = {0};
    struct gathered g = {""};
    struct pn_error err;
    char value[64];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(value, sizeof(value), "u%u@example.org", i);
        rc_change(&c, 0, "blocklist", NULL, value, i == 4 ? "100% Sp_am" : "", false);
    }
    rc_change(&c, 0, "blocklist", NULL, "u6@example.org", NULL, true);
    rc_change(&c, 0, "welcomelist", NULL, "u1@example.org", "", false);
    rc_change(&c, 0, "personal-blocklist", "o@example.net", "p@example.org", "", false);
    assert_int_equal(pn_rules_list(c.rules[0], &q, &page, gather, &g, &err), 3);
    rc_change(&c, 0, "blocklist", NULL, "a@example.org", "",
              false); /* before what was shown: does not move the pages */
    assert_int_equal(pn_rules_list(c.rules[0], &q, &page, gather, &g, &err), 3);
    assert_int_equal(pn_rules_list(c.rules[0], &q, &page, gather, &g, &err), 1);
    assert_int_equal(pn_rules_list(c.rules[0], &q, &page, gather, &g, &err), 0);
    assert_string_equal(g.text,
                        "u0@example.org u1@example.org u2@example.org u3@example.org u4@example.org u5@example.org "
                        "u7@example.org ");
    q = (struct pn_rules_query){.search = "100% sp_AM"};
    g.text[0] = '\0';
    assert_int_equal(pn_rules_list(c.rules[0], &q, NULL, gather, &g, &err), 1);
    assert_string_equal(g.text, "u4@example.org ");
    q.search = "1%sp"; /* signs are not wildcards */
    assert_int_equal(pn_rules_list(c.rules[0], &q, NULL, gather, &g, &err), 0);
    q = (struct pn_rules_query){.owner = "o@example.net"};
    assert_int_equal(pn_rules_list(c.rules[0], &q, NULL, gather, &g, &err), 1);
    q = (struct pn_rules_query){.kind = PN_KIND_BLOCK, .deleted = true};
    assert_int_equal(pn_rules_list(c.rules[0], &q, NULL, gather, &g, &err), 9);
}

/* Slices of any length give what a list gives, and stop behind the last row that was looked at. */
static void test_a_scan_in_slices_is_a_list(void **state)
{
    static const struct pn_rules_query queries[] = {
        {.search = "U1"},     {.kind = PN_KIND_BLOCK}, {.kind = PN_KIND_BLOCK, .deleted = true},
        {.search = "a note"}, {.search = "100%"},      {.kind = PN_KIND_WELCOME_IP}};
    struct gathered whole, parts;
    struct pn_error err;

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        char value[64];
        snprintf(value, sizeof(value), "u%u@example.org", i);
        rc_change(&c, 0, i % 2 ? "blocklist" : "welcomelist", NULL, value, i % 3 ? "" : "A Note", false);
        if (i % 5 == 0)
            rc_change(&c, 0, i % 2 ? "blocklist" : "welcomelist", NULL, value, "", true);
    }
    for (unsigned q = 0; q < sizeof(queries) / sizeof(queries[0]); q++) {
        whole.text[0] = '\0';
        assert_true(pn_rules_list(c.rules[0], &queries[q], NULL, gather, &whole, &err) >= 0);
        for (unsigned rows = 1; rows < 35; rows += 3) {
            struct pn_rules_page page = {0};
            bool end = false;
            unsigned slices = 0;

            parts.text[0] = '\0';
            while (!end) {
                assert_true(pn_rules_scan(c.rules[0], &queries[q], &page, rows, gather, &parts, &end, &err) >= 0);
                assert_true(++slices < 40);
            }
            assert_string_equal(parts.text, whole.text);
        }
    }
}

/* ---- Groups ---- */

static void test_a_group_is_all_or_nothing(void **state)
{
    struct pn_rule_key keys[3];
    struct pn_rules_change changes[3];
    struct pn_rules_result result;
    struct pn_error err;
    char long_text[400];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (unsigned i = 0; i < 3; i++) {
        char value[64];
        snprintf(value, sizeof(value), "u%u@example.org", i);
        pn_rule_key_make(&keys[i], pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
        changes[i] = (struct pn_rules_change){.key = &keys[i], .description = i == 2 ? long_text : "ok"};
    }
    struct pn_digest_sum before = pn_rules_digest(c.rules[0], PN_KIND_BLOCK), after;
    assert_int_equal(pn_rules_change(c.rules[0], changes, 3, &result, &err), -1);
    assert_non_null(strstr(err.text, "u2@example.org"));
    after = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    assert_true(pn_digest_sum_equal(&before, &after));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 0);
    changes[2].description = "with\nnewline";
    assert_int_equal(pn_rules_change(c.rules[0], changes, 3, &result, &err), -1);
    changes[2].description = "ok";
    assert_int_equal(pn_rules_change(c.rules[0], changes, 3, &result, &err), 0);
    assert_int_equal(result.added, 3);
    assert_int_equal(pn_rules_change(c.rules[0], changes, 3, &result, &err), 0);
    assert_int_equal(result.changed, 3); /* the same again has a newer stamp */
    changes[0].keep = changes[1].keep = true;
    changes[2].remove = true;
    assert_int_equal(pn_rules_change(c.rules[0], changes, 3, &result, &err), 0);
    assert_int_equal(result.unchanged, 2);
    assert_int_equal(result.removed, 1);
    assert_int_equal(pn_rules_change(c.rules[0], &changes[2], 1, &result, &err), 0);
    assert_int_equal(result.missing, 1);
    before = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    reopen();
    after = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    assert_true(pn_digest_sum_equal(&before, &after));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 2);
}

static void test_stamps_grow_over_a_restart_with_the_clock_behind(void **state)
{
    uint64_t before;

    (void)state;
    before = rc_change(&c, 0, "blocklist", NULL, "a@example.org", "", false);
    pn_rules_close(c.rules[0]);
    c.now_ms -= 3600000;
    rc_open(&c, 0);
    assert_true(rc_change(&c, 0, "blocklist", NULL, "b@example.org", "", false) > before);
    struct pn_rules_status st;
    struct pn_error err;
    pn_rules_status(c.rules[0], &st);
    assert_true(st.clock_ahead_ms >= 3600000);
    assert_int_equal(pn_rules_clock_reset(c.rules[0], &err), 0);
    assert_true(rc_change(&c, 0, "blocklist", NULL, "c@example.org", "", false) < before);
    assert_true(rc_change(&c, 0, "blocklist", NULL, "a@example.org", NULL, true) <
                before); /* says so of the group ... */
    assert_int_equal(rc_get(&c, 0, "blocklist", "a@example.org", NULL), 0); /* ... but the entry's is above its last */
}

static unsigned watched_present, watched_gone;
static void watch(void *arg, const struct pn_rule_key *key, bool present)
{
    (void)arg;
    assert_true(key == NULL || key->kind == PN_KIND_BLOCK_IP);
    *(present ? &watched_present : &watched_gone) += 1;
}

static void test_watchers_are_told(void **state)
{
    (void)state;
    watched_present = watched_gone = 0;
    assert_int_equal(pn_rules_watch_add(c.rules[0], watch, NULL), 0);
    rc_change(&c, 0, "blocklist", NULL, "192.0.2.1", "", false);
    rc_change(&c, 0, "blocklist", NULL, "192.0.2.0/24", "", false);
    rc_change(&c, 0, "blocklist", NULL, "192.0.2.1/32", NULL, true);
    assert_int_equal(watched_present, 2);
    assert_int_equal(watched_gone, 1);
}

/* ---- Faults ---- */

static void path_of(const char *end, char *path, size_t size)
{
    snprintf(path, size, "%s/n1.db%s", c.dir, end);
}

static struct pn_rules *try_open(struct pn_error *err)
{
    char path[128];
    path_of("", path, sizeof(path));
    const struct pn_rules_options o = {.path = path, .node = "n1"};
    return pn_rules_open(&o, err);
}

static void test_a_damaged_file_is_told(void **state)
{
    struct pn_error err;
    char path[128];
    struct stat st;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        char value[64];
        snprintf(value, sizeof(value), "user%u@example.org", i);
        rc_change(&c, 0, "blocklist", NULL, value, "some text to fill pages with", false);
    }
    pn_rules_close(c.rules[0]);
    c.rules[0] = NULL;
    path_of("", path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 65536);
    int fd = open(path, O_RDWR);
    static char junk[65536];
    memset(junk, 0x5a, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 16384), sizeof(junk));
    assert_null(try_open(&err));
    assert_non_null(strstr(err.text, "damaged"));
    assert_int_equal(pwrite(fd, junk, 4096, 0), 4096);
    assert_null(try_open(&err));
    assert_non_null(strstr(err.text, "damaged"));
    close(fd);
    assert_int_equal(unlink(path), 0);
    c.rules[0] = try_open(&err);
    assert_non_null(c.rules[0]);
}

static void test_a_newer_layout_is_left_alone(void **state)
{
    struct pn_error err;
    char command[256];

    (void)state;
    pn_rules_close(c.rules[0]);
    c.rules[0] = NULL;
    int fd;
    char path[128];
    path_of("", path, sizeof(path));
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "\0\0\0\x63", 4, 60), 4); /* user_version in the header */
    close(fd);
    assert_null(try_open(&err));
    assert_non_null(strstr(err.text, "newer Postern"));
    snprintf(command, sizeof(command), "%s/nowhere/x.db", c.dir);
    const struct pn_rules_options o = {.path = command, .node = "n1"};
    assert_null(pn_rules_open(&o, &err));
    assert_non_null(strstr(err.text, "nowhere"));
}

static void test_a_full_disk_changes_nothing(void **state)
{
    struct rlimit limit, low;
    struct pn_rule_key key;
    struct pn_error err;
    struct pn_rules_status st;
    unsigned added = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    low = limit;
    low.rlim_cur = 200000;
    setrlimit(RLIMIT_FSIZE, &low);
    for (unsigned i = 0; i < 400; i++) {
        char value[64];
        struct pn_rules_change change = {.key = &key, .description = "x"};
        snprintf(value, sizeof(value), "user%u@example.org", i);
        pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
        err.text[0] = '\0';
        if (pn_rules_change(c.rules[0], &change, 1, NULL, &err) == 0)
            added++;
        else
            assert_true(err.text[0] != '\0');
    }
    assert_true(added > 0 && added < 400);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), added);
    pn_rules_status(c.rules[0], &st);
    assert_int_equal(st.errors, 400 - added);
    assert_true(st.last_error[0] != '\0');
    setrlimit(RLIMIT_FSIZE, &limit);
    rc_change(&c, 0, "blocklist", NULL, "again@example.org", "", false); /* goes on when there is room */
    struct pn_digest_sum before = pn_rules_digest(c.rules[0], PN_KIND_BLOCK), after;
    reopen();
    after = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    assert_true(pn_digest_sum_equal(&before, &after));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), added + 1);
}

/* A small file system of its own, seen by this process alone. Memory for the shared index counts there, too. */
static void test_a_disk_that_is_full(void **state)
{
    char dir[128], fill[160];
    struct pn_rule_key key;
    struct pn_error err;
    unsigned added = 0;
    int failed = 0;

    (void)state;
    path_of("", dir, sizeof(dir));
    *strrchr(dir, '/') = '\0';
    pn_rules_close(c.rules[0]);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=12m") != 0) {
        rc_open(&c, 0);
        skip(); /* not root */
    }
    rc_open(&c, 0);
    snprintf(fill, sizeof(fill), "%s/fill", dir);
    int fd = open(fill, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 10000000), 0);
    close(fd);
    for (unsigned i = 0; i < 2000 && !failed; i++) {
        char value[64];
        struct pn_rules_change change = {.key = &key, .description = "x"};
        snprintf(value, sizeof(value), "user%u@example.org", i);
        pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
        if (pn_rules_change(c.rules[0], &change, 1, NULL, &err) == 0)
            added++;
        else
            failed = 1;
    }
    assert_true(failed && added > 0);
    assert_non_null(strstr(err.text, "full"));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), added);
    unlink(fill);
    for (unsigned i = 0; i < 300; i++) { /* more than the log has room for without what was freed */
        char value[64];
        snprintf(value, sizeof(value), "again%u@example.org", i);
        rc_change(&c, 0, "blocklist", NULL, value, "", false);
    }
    reopen();
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), added + 300);
    pn_rules_close(c.rules[0]);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
    rc_open(&c, 0);
}

static void test_the_log_goes_into_the_database(void **state)
{
    enum { N = 60000 };
    static struct pn_rule_key keys[N];
    static struct pn_rules_change changes[N];
    struct pn_error err;
    char path[128];
    struct stat st = {0};

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        char value[64];
        snprintf(value, sizeof(value), "user%u@example.org", i);
        pn_rule_key_make(&keys[i], pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
        changes[i] = (struct pn_rules_change){.key = &keys[i], .description = "x"};
    }
    assert_int_equal(pn_rules_change(c.rules[0], changes, N, NULL, &err), 0);
    path_of("", path, sizeof(path));
    for (unsigned i = 0; i < 500 && st.st_size < 1000000; i++) {
        usleep(10000);
        assert_int_equal(stat(path, &st), 0);
    }
    assert_true(st.st_size >= 1000000); /* while it is open */
}

/* Groups of three entries; each that was acknowledged is written to fd. */
static void child(int fd, unsigned first)
{
    for (unsigned i = first;; i++) {
        struct pn_rule_key keys[3];
        struct pn_rules_change changes[3];
        struct pn_error err;
        for (unsigned j = 0; j < 3; j++) {
            char value[64];
            snprintf(value, sizeof(value), "g%u.%u@example.org", i, j);
            pn_rule_key_make(&keys[j], pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
            changes[j] = (struct pn_rules_change){.key = &keys[j], .description = "of a group"};
        }
        if (pn_rules_change(c.rules[0], changes, 3, NULL, &err) != 0 || write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void test_kill_9_loses_nothing_acknowledged(void **state)
{
    unsigned next = 0;

    (void)state;
    for (unsigned round = 0; round < 15; round++) {
        int fds[2];
        unsigned acked = 0, i;

        pn_rules_close(c.rules[0]);
        c.rules[0] = NULL;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(fds[0]);
            rc_open(&c, 0);
            child(fds[1], next);
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &i, sizeof(i)), sizeof(i)); /* it runs */
        usleep(500 + 1777 * round % 9000);
        kill(pid, SIGKILL);
        acked = i + 1;
        while (read(fds[0], &i, sizeof(i)) == sizeof(i))
            acked = i + 1;
        close(fds[0]);
        waitpid(pid, NULL, 0);
        rc_open(&c, 0);
        for (unsigned g = next; g <= acked; g++) {
            unsigned there = 0;
            for (unsigned j = 0; j < 3; j++) {
                char value[64];
                snprintf(value, sizeof(value), "g%u.%u@example.org", g, j);
                there += rc_get(&c, 0, "blocklist", value, NULL) == 1;
            }
            if (g < acked && there != 3)
                fail_msg("round %u: group %u was acknowledged, %u of 3 are there", round, g, there);
            if (g == acked && there != 0 && there != 3)
                fail_msg("round %u: group %u is half there", round, g);
        }
        next = acked + 1;
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_scan_in_slices_is_a_list),
        T(test_lists_come_in_pages),
        T(test_a_group_is_all_or_nothing),
        T(test_stamps_grow_over_a_restart_with_the_clock_behind),
        T(test_watchers_are_told),
        T(test_a_damaged_file_is_told),
        T(test_a_newer_layout_is_left_alone),
        T(test_a_full_disk_changes_nothing),
        T(test_a_disk_that_is_full),
        T(test_the_log_goes_into_the_database),
        T(test_kill_9_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
