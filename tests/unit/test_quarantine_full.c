/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk that is really full: a small tmpfs in a mount namespace of the test's own (skipped where that is not allowed).
 * New mail is refused, acknowledging and removing go on with the reserve's space, and nothing that was taken is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <sys/mount.h>

#include "quarantine_ends.h"

struct tally {
    unsigned ok, failed;
};
static void tally(void *arg, const struct pn_spool_result *r)
{
    struct tally *t = arg;
    t->ok += r->ok;
    t->failed += !r->ok;
}

static bool small_disk(const char *dir)
{
    static bool apart;

    if (!apart && unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    apart = true;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("tmpfs", dir, "tmpfs", 0, "size=6m") == 0;
}

static void test_full_disk(void **state)
{
    struct pn_spool_recovery rec;
    struct pn_spool_row row;
    struct pn_spool_totals t;
    struct tally n = {0, 0};
    struct pn_spool *s;
    struct pn_error err;
    char dir[64], path[80];
    unsigned refused = 0, acked = 0;

    (void)state;
    if (!small_disk(fixture_dir(dir))) {
        fixture_remove(dir);
        skip();
    }
    snprintf(path, sizeof(path), "%s/spool", dir);
    struct pn_spool_options o = {.path = path, .node = "mx1", .ballast_bytes = 1 << 20};
    assert_int_equal(pn_spool_open(&o, &s, &rec, &err), 0);
    for (unsigned i = 0; i < 3000 && refused < 5; i++) {
        refused += fixture_intake(s, i, 20000, tally, &n) != 0;
        if (i % 8 == 7)
            pn_spool_commit(s);
    }
    pn_spool_commit(s);
    assert_int_equal(refused, 5);
    assert_true(n.ok > 100);
    while (acked < 20 && pn_spool_next(s, PN_Q_MESSAGE, 0, &row) == 1) {
        struct pn_q_id id = row.id;
        if (pn_spool_acked(s, &id, 1, &err) != 0)
            fail_msg("%s", err.text);
        acked++;
    }
    assert_int_equal(acked, 20);
    if (pn_spool_purge(s, INT64_MAX, 100, &err) != 20)
        fail_msg("%s", err.text);
    pn_spool_totals(s, &t);
    assert_int_equal(t.pending_messages, n.ok - 20);
    pn_spool_close(s);
    assert_int_equal(pn_spool_open(&o, &s, &rec, &err), 0);
    assert_int_equal(rec.pending, n.ok - 20);
    assert_int_equal(rec.files_missing, 0);
    pn_spool_close(s);
    umount2(dir, MNT_DETACH);
    fixture_remove(dir);
}

/* The host's disk is full in the middle: nothing is acknowledged that is not there, and later all comes through. */
static void test_full_host(void **state)
{
    char dir[64], path[80], filler[96];
    static char block[16384];
    struct pn_spool_totals t;
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct ends_shown shown = {.n = 0};
    struct tally n = {0, 0};
    struct pn_error err;
    uint8_t told[60];
    struct ends e;

    (void)state;
    snprintf(path, sizeof(path), "%s/host", fixture_dir(dir));
    assert_int_equal(mkdir(path, 0700), 0);
    if (!small_disk(path)) {
        fixture_remove(dir);
        skip();
    }
    assert_int_equal(ends_open(&e, dir), 0);
    for (unsigned i = 1; i <= 60; i++) {
        assert_int_equal(fixture_intake(e.spool, i, 20000, tally, &n), 0);
        told[i - 1] = (uint8_t)i;
    }
    pn_spool_commit(e.spool);
    snprintf(filler, sizeof(filler), "%s/filler", path);
    FILE *f = fopen(filler, "w");
    setvbuf(f, NULL, _IONBF, 0);
    while (fwrite(block, sizeof(block), 1, f) == 1)
        ;
    fclose(f);
    assert_int_equal(truncate(filler, 4 << 20), 0); /* room for a few */
    ends_carry(&e);
    f = fopen(filler, "a");
    setvbuf(f, NULL, _IONBF, 0);
    while (fwrite(block, sizeof(block), 1, f) == 1)
        ;
    fclose(f);
    for (unsigned i = 61; i <= 80; i++)
        fixture_intake(e.spool, i, 20000, tally, &n);
    pn_spool_commit(e.spool);
    assert_int_equal(n.ok, 80);
    ends_carry(&e);
    pn_spool_totals(e.spool, &t);
    assert_true(t.pending_messages > 0);
    assert_int_equal(t.refused, 0);
    q.limit = 1000;
    assert_int_equal(pn_host_find(e.host, &q, ends_show, &shown, &err), 0);
    assert_int_equal(shown.n, 80 - t.pending_messages); /* what was acknowledged, and only that */
    ends_close(&e);
    unlink(filler);
    ends_check(dir, "after the full disk", told, 60);
    umount2(path, MNT_DETACH);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_disk), cmocka_unit_test(test_full_host)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
