/* SPDX-License-Identifier: BSD-3-Clause */
/* The spool: intake, group commit, recovery, acknowledgement, full disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "controlplane/quarantine/headers.h"
#include "quarantine_fixture.h"

static struct pn_spool *open_at(const char *path, struct pn_spool_options *o, struct pn_spool_recovery *rec)
{
    struct pn_spool *s = NULL;
    struct pn_error err;

    o->path = path;
    o->node = "mx1";
    if (pn_spool_open(o, &s, rec, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

struct sum {
    size_t len;
    char *want;
};
static int compare(void *arg, const uint8_t *bytes, size_t len)
{
    struct sum *m = arg;
    assert_memory_equal(m->want + m->len, bytes, len);
    m->len += len;
    return 0;
}

static void test_intake(void **state)
{
    static const size_t sizes[] = {200, 20000, 262144, 262145, 3000000};
    struct pn_spool_options o = {.ballast_bytes = 65536};
    struct pn_spool_recovery rec;
    struct fixture_result r[5] = {0};
    struct pn_spool_row row;
    struct pn_error err;
    char dir[64];

    (void)state;
    struct pn_spool *s = open_at(fixture_dir(dir), &o, &rec);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(fixture_intake(s, i, sizes[i], fixture_done, &r[i]), 0);
    assert_int_equal(r[0].calls, 0);
    assert_int_equal(pn_spool_commit(s), 5);
    pn_spool_close(s);
    s = open_at(dir, &o, &rec);
    assert_int_equal(rec.pending, 5);
    assert_int_equal(rec.orphans_removed, 0);
    for (unsigned i = 0; i < 5; i++) {
        struct pn_pb_budget b;
        struct sum sum = {0, fixture_message(i, sizes[i])};
        assert_int_equal(r[i].calls, 1);
        assert_true(r[i].last.ok);
        assert_int_equal(r[i].last.sequence, i + 1);
        assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, i, &row), 1);
        assert_int_equal(row.id.sequence, i + 1);
        pn_q_item *item = pn_q_item_decode(&b, row.item, row.item_len, &err);
        assert_non_null(item);
        char subject[32];
        snprintf(subject, sizeof(subject), "message %u", i);
        assert_string_equal(item->subject, subject);
        assert_string_equal(item->node, "mx1");
        assert_int_equal(item->size_bytes, strlen(sum.want));
        assert_int_equal(pn_spool_raw(s, &row.id, compare, &sum, &err), 0);
        assert_int_equal(sum.len, strlen(sum.want));
        pn_pb_free(&b, item);
        free(sum.want);
    }
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 5, &row), 0);
    struct pn_spool *second = NULL; /* one process a spool */
    o.path = dir;
    assert_int_equal(pn_spool_open(&o, &second, NULL, &err), -1);
    assert_non_null(strstr(err.text, "another process"));
    pn_spool_close(s);
    fixture_remove(dir);
}

static void test_records_and_acks(void **state)
{
    struct pn_spool_options o = {.keep_acked_ms = 1000};
    struct fixture_result r = {0};
    struct pn_spool_totals t;
    struct pn_spool_row row;
    struct pn_error err;
    char dir[64];
    pn_q_item rec = PN__Q__ITEM__INIT;

    (void)state;
    struct pn_spool *s = open_at(fixture_dir(dir), &o, NULL);
    fixture_intake(s, 1, 5000, NULL, NULL);
    fixture_intake(s, 1, 5000, NULL, NULL); /* same bytes, so one file */
    rec.event = PN_Q_EVENT_REJECTED;
    assert_int_equal(pn_spool_record(s, &rec, fixture_done, &r, &err), 0);
    rec.event = PN_Q_EVENT_COUNT;
    assert_int_equal(pn_spool_record(s, &rec, fixture_done, &r, &err), -1);
    assert_int_equal(pn_spool_commit(s), 3);
    assert_int_equal(r.calls, 1);
    pn_spool_totals(s, &t);
    assert_int_equal(t.pending_messages, 2);
    assert_int_equal(t.pending_records, 1);
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 0, &row), 1);
    struct pn_q_id id = row.id, wrong = row.id;
    wrong.sha[0] ^= 1;
    assert_int_equal(pn_spool_acked(s, &wrong, 1, &err), 0);
    assert_int_equal(pn_spool_get(s, id.sequence, &row), 1);
    assert_int_equal(row.state, PN_SPOOL_STORED); /* another identity's ack means nothing */
    assert_int_equal(pn_spool_acked(s, &id, 1, &err), 0);
    assert_int_equal(pn_spool_acked(s, &id, 1, &err), 0); /* twice is once */
    pn_spool_totals(s, &t);
    assert_int_equal(t.pending_messages, 1);
    assert_int_equal(pn_spool_purge(s, 1700000000000ull, 100, &err), 0); /* kept for keep_acked_ms */
    assert_int_equal(pn_spool_purge(s, 9000000000000ull, 100, &err), 1);
    assert_int_equal(pn_spool_get(s, id.sequence, &row), 0);
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 0, &row), 1); /* the other one still has its file */
    char byte;
    assert_int_equal(pn_spool_read(s, &row.id, 0, &byte, 1), 1);
    id = row.id;
    assert_int_equal(pn_spool_refused(s, &id, "no", &err), 0);
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 0, &row), 0);
    assert_int_equal(pn_spool_offer_again(s, false, true, &err), 0);
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 0, &row), 1);
    assert_int_equal(pn_spool_acked(s, &id, 1, &err), 0);
    assert_int_equal(pn_spool_purge(s, 9000000000000ull, 100, &err), 1);
    assert_int_equal(pn_spool_read(s, &id, 0, &byte, 1), -1);
    pn_spool_totals(s, &t);
    assert_int_equal(t.stored_bytes, 0);
    assert_int_equal(t.acked_bytes, 0);
    assert_int_equal(t.pending_records, 1);
    assert_int_equal(pn_spool_last(s), 3);
    pn_spool_close(s);
    s = open_at(dir, &o, NULL);
    fixture_intake(s, 9, 100, fixture_done, &r);
    pn_spool_commit(s);
    assert_int_equal(r.last.sequence, 4); /* numbers are never given twice */
    pn_spool_close(s);
    fixture_remove(dir);
}

static void test_recovery(void **state)
{
    static const char orphan[] = "/mail/0/0000000000000000000000000000000000000000000000000000000000000000.zst";
    struct pn_spool_options o = {0};
    struct pn_spool_recovery rec;
    struct fixture_result r = {0};
    struct pn_spool_row row;
    char dir[64], path[256], sha[PN_Q_SHA_TEXT_BYTES];

    (void)state;
    struct pn_spool *s = open_at(fixture_dir(dir), &o, NULL);
    fixture_intake(s, 1, 1000, fixture_done, &r);
    pn_spool_commit(s);
    fixture_intake(s, 2, 1000, fixture_done, &r); /* closed before the commit */
    pn_spool_close(s);
    assert_int_equal(r.calls, 2);
    assert_false(r.last.ok);
    snprintf(path, sizeof(path), "%s%s", dir, orphan);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof(path), "%s/mail/tmp/17", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    s = open_at(dir, &o, &rec);
    assert_int_equal(rec.orphans_removed, 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rec.files_missing, 0);
    assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, 0, &row), 1);
    pn_q_sha_format(row.id.sha, sha);
    pn_spool_close(s);
    snprintf(path, sizeof(path), "%s/mail/%.1s/%s.zst", dir, sha, sha);
    assert_int_equal(unlink(path), 0);
    s = open_at(dir, &o, &rec);
    assert_int_equal(rec.files_missing, 1);
    assert_int_equal(rec.pending, 0);
    assert_int_equal(pn_spool_get(s, 1, &row), 1);
    assert_int_equal(row.state, PN_SPOOL_REFUSED);
    pn_spool_close(s);
    fixture_remove(dir);
}

static void test_full(void **state)
{
    struct pn_spool_options o = {.limits = {.quota_bytes = 40000, .policy = PN_Q_TEMPFAIL}};
    struct pn_spool_totals t;
    struct pn_spool_row row;
    struct pn_error err;
    char dir[64];
    bool full;

    (void)state;
    struct pn_spool *s = open_at(fixture_dir(dir), &o, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(fixture_intake(s, i, 12000, NULL, NULL), 0);
        pn_spool_commit(s);
    }
    assert_null(pn_spool_begin(s, 12000, &full, &err));
    assert_true(full);
    pn_spool_next(s, PN_Q_MESSAGE, 0, &row);
    struct pn_q_id id = row.id;
    assert_int_equal(pn_spool_acked(s, &id, 1, &err), 0); /* what the host has makes room */
    assert_int_equal(fixture_intake(s, 5, 12000, NULL, NULL), 0);
    pn_spool_commit(s);
    assert_int_equal(pn_spool_get(s, id.sequence, &row), 0);
    pn_spool_close(s);
    o.limits.policy = PN_Q_OLDEST;
    s = open_at(dir, &o, NULL);
    assert_int_equal(fixture_intake(s, 6, 12000, NULL, NULL), 0);
    pn_spool_commit(s);
    pn_spool_totals(s, &t);
    assert_true(t.evicted >= 1);
    assert_int_equal(t.pending_records, t.evicted); /* each left its trace */
    assert_int_equal(pn_spool_get(s, 2, &row), 0);
    pn_spool_close(s);
    fixture_remove(dir);
}

static void test_decide(void **state)
{
    struct pn_q_limits l = {.quota_bytes = 1000, .keep_free_bytes = 100, .policy = PN_Q_TEMPFAIL};
    struct pn_q_usage u = {.used_bytes = 0, .disk_free_bytes = 100000};

    (void)state;
    assert_int_equal(pn_q_disk_level(&l, &u), PN_Q_LEVEL_OK);
    u.used_bytes = 810;
    assert_int_equal(pn_q_disk_level(&l, &u), PN_Q_LEVEL_WARN);
    u.used_bytes = 960;
    assert_int_equal(pn_q_disk_level(&l, &u), PN_Q_LEVEL_HIGH);
    u.used_bytes = 1000;
    assert_int_equal(pn_q_disk_level(&l, &u), PN_Q_LEVEL_FULL);
    assert_int_equal(pn_q_disk_decide(&l, &u, 1).decision, PN_Q_REFUSE);
    u.acked_bytes = 500;
    struct pn_q_verdict v = pn_q_disk_decide(&l, &u, 200);
    assert_int_equal(v.decision, PN_Q_TAKE);
    assert_int_equal(v.evict_acked_bytes, 200);
    assert_int_equal(v.evict_oldest_bytes, 0);
    l.policy = PN_Q_OLDEST;
    v = pn_q_disk_decide(&l, &u, 700);
    assert_int_equal(v.evict_acked_bytes, 500);
    assert_int_equal(v.evict_oldest_bytes, 200);
    assert_int_equal(pn_q_disk_decide(&l, &u, 2000).decision, PN_Q_REFUSE);
    l.policy = PN_Q_DELIVER_TAGGED;
    assert_int_equal(pn_q_disk_decide(&l, &u, 700).decision, PN_Q_PASS_TAGGED);
    l.quota_bytes = 0;
    u.acked_bytes = 0;
    u.disk_free_bytes = 99; /* below what stays free */
    assert_int_equal(pn_q_disk_decide(&l, &u, 1).decision, PN_Q_PASS_TAGGED);
    assert_int_equal(pn_q_policy_parse("deliver-tagged"), PN_Q_DELIVER_TAGGED);
    assert_int_equal(pn_q_policy_parse("x"), -1);
}

static void test_headers(void **state)
{
    static const char m[] =
        "Received: x\r\nSUBJECT : folded\r\n\tline\x01 \xff\xc3\xa9\r\nFrom: a\r\n\r\nSubject: body\r\n";
    const uint8_t *p = (const uint8_t *)m;
    char out[64];

    (void)state;
    assert_true(pn_q_headers_find(p, sizeof(m) - 1, "Subject", out, sizeof(out)));
    assert_string_equal(out, "folded line? ?\xc3\xa9");
    assert_true(pn_q_headers_find(p, sizeof(m) - 1, "From", out, sizeof(out)));
    assert_false(pn_q_headers_find(p, sizeof(m) - 1, "To", out, sizeof(out)));
    assert_true(pn_q_headers_find(p, sizeof(m) - 1, "Received", out, 2));
    assert_string_equal(out, "x");
    assert_false(pn_q_headers_find((const uint8_t *)"\n\nFrom: x\n", 10, "From", out, sizeof(out)));
    assert_int_equal(pn_q_text_clean((const uint8_t *)"\xc3\xa9\xc3\xa9", 4, out, 4), 2); /* whole characters only */
}

static void test_encoded_words(void **state)
{
    static const struct {
        const char *raw, *want;
    } rows[] = {
        {"=?utf-8?B?R3LDvMOfZQ==?= plain", "Gr\xc3\xbc\xc3\x9f"
                                           "e plain"},
        {"=?UTF-8?q?a_=C3=A9?=\r\n =?utf-8?q?t=C3=A9?=", "a \xc3\xa9t\xc3\xa9"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"},
        {"=?utf-8?q?a=0D=0ABcc:=1Bx=7F?=", "a  Bcc:?x?"}, /* no line, no control character comes out of it */
        {"=?utf-8?x?abc?= =?utf-8?q?abc", "=?utf-8?x?abc?= =?utf-8?q?abc"},
        {"=?", "=?"},
        {"=?=?=?=?", "=?=?=?=?"},
        {"=?no-such-charset?q?abc?=", "abc"},
        {"=?utf-8?q?=ff=fe?= x", "?? x"},
        {"=?utf-8?q?a=00b?= c", "a?b c"},
        {"=?utf-8?b?YQBi?= c", "a?b c"},
    };
    struct pn_spool_options o = {.keep_acked_ms = 1000};
    char dir[64];

    (void)state;
    struct pn_spool *s = open_at(fixture_dir(dir), &o, NULL);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pn_q_item about = PN__Q__ITEM__INIT;
        char raw[400], from[100], *rcpts[] = {(char *)(uintptr_t) "r@example.net"};
        struct sum sum = {0, raw};
        struct pn_pb_budget b;
        struct pn_spool_row row;
        struct pn_error err;
        bool full;

        snprintf(raw, sizeof(raw), "Subject: %s\r\nFrom: %s <a@example.org>\r\n\r\ntext", rows[i].raw, rows[i].raw);
        snprintf(from, sizeof(from), "%s <a@example.org>", rows[i].want);
        about.n_recipients = 1;
        about.recipients = rcpts;
        struct pn_intake *in = pn_spool_begin(s, strlen(raw), &full, &err);
        assert_int_equal(pn_spool_append(in, raw, strlen(raw), &err), 0);
        assert_int_equal(pn_spool_end(in, &about, NULL, NULL, &err), 0);
        assert_int_equal(pn_spool_commit(s), 1);
        assert_int_equal(pn_spool_next(s, PN_Q_MESSAGE, i, &row), 1);
        pn_q_item *item = pn_q_item_decode(&b, row.item, row.item_len, &err);
        assert_string_equal(item->subject, rows[i].want);
        assert_string_equal(item->from, from);
        assert_int_equal(pn_spool_raw(s, &row.id, compare, &sum, &err), 0); /* as it came */
        assert_int_equal(sum.len, strlen(raw));
        pn_pb_free(&b, item);
    }
    pn_spool_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_intake),       cmocka_unit_test(test_records_and_acks),
                                       cmocka_unit_test(test_recovery),     cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_decide),       cmocka_unit_test(test_headers),
                                       cmocka_unit_test(test_encoded_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
