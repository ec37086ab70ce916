/* SPDX-License-Identifier: BSD-3-Clause */
/* Digest mails, their signed links, the formats of reports, and what retention says is next. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <expat.h>

#include "controlplane/quarantine/digest.h"
#include "controlplane/quarantine/digest_mime.h"
#include "controlplane/quarantine/qview.h"
#include "controlplane/quarantine/retention.h"
#include "quarantine_fixture.h"

#define NOW 1763769600000ull /* 2025-11-22 00:00 UTC */
#define DAY 86400000ull

static char dir[64], key_path[80];

static int setup(void **state)
{
    (void)state;
    fixture_dir(dir);
    snprintf(key_path, sizeof(key_path), "%s/keys", dir);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    fixture_remove(dir);
    return 0;
}

static struct pn_qlink a_link(void)
{
    return (struct pn_qlink){.store = 0x1234567890abcdefull,
                             .number = 42,
                             .action = PN_QLINK_RELEASE,
                             .expiry_ms = NOW + DAY,
                             .recipient = "j\xc3\xb6rg.b+x@example.org"};
}

static void test_link(void **state)
{
    struct pn_qlink_keys keys;
    struct pn_qlink l = a_link(), out;
    char token[PN_QLINK_TOKEN_BYTES], bent[PN_QLINK_TOKEN_BYTES + 8];
    struct pn_error err;

    (void)state;
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &keys, &err), 0);
    assert_int_equal(pn_qlink_sign(&keys, &l, token, &err), 0);
    assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."), strlen(token));
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, token, &out, &err), 0);
    assert_int_equal(out.number, 42);
    assert_int_equal(out.action, PN_QLINK_RELEASE);
    assert_string_equal(out.recipient, l.recipient);
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW + DAY, token, &out, &err), -1);
    assert_string_equal(err.text, "This link has expired.");
    assert_int_equal(out.number, 0);
    assert_int_equal(pn_qlink_verify(&keys, l.store + 1, NOW, token, &out, &err), -1);
    /* Any change of one character. */
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++)
        for (const char *c = "0aZ_.-+ "; *c; c++) {
            memcpy(bent, token, len + 1);
            if (bent[i] == *c)
                continue;
            bent[i] = *c;
            if (pn_qlink_verify(&keys, l.store, NOW, bent, &out, &err) == 0)
                fail_msg("%s is taken", bent);
        }
    for (size_t i = 0; i < len; i++) {
        memcpy(bent, token, len + 1);
        bent[i] = '\0';
        assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, bent, &out, &err), -1);
    }
    snprintf(bent, sizeof(bent), "%sA", token);
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, bent, &out, &err), -1);
    memset(bent, 'a', sizeof(bent));
    bent[sizeof(bent) - 1] = '\0';
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, bent, &out, &err), -1);
    /* The longest address there may be. */
    memset(l.recipient, 'x', PN_Q_ADDRESS_MAX);
    l.number = l.expiry_ms = INT64_MAX;
    assert_int_equal(pn_qlink_sign(&keys, &l, token, &err), 0);
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, token, &out, &err), 0);
}

static void test_keys(void **state)
{
    struct pn_qlink_keys keys, again;
    struct pn_qlink l = a_link(), out;
    char token[PN_QLINK_TOKEN_BYTES];
    struct pn_error err;
    struct stat st;

    (void)state;
    unlink(key_path);
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &keys, &err), 0);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    pn_qlink_sign(&keys, &l, token, &err);
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &again, &err), 0);
    assert_memory_equal(&keys, &again, sizeof(keys));
    assert_int_equal(pn_qlink_keys_rotate(key_path, NOW + 1, DAY, &keys, &err), 0);
    l.expiry_ms = NOW + 10 * DAY;
    pn_qlink_sign(&keys, &l, token, &err);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, token, &out, &err), 0);
        assert_int_equal(pn_qlink_keys_rotate(key_path, NOW + i * DAY, DAY, &keys, &err), 1);
    }
    assert_int_equal(pn_qlink_verify(&keys, l.store, NOW, token, &out, &err), -1); /* three keys later */
    assert_string_equal(err.text, "This link is too old.");
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &again, &err), 0);
    assert_memory_equal(&keys, &again, sizeof(keys));
    chmod(key_path, 0640);
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &again, &err), -1);
    chmod(key_path, 0600);
    FILE *f = fopen(key_path, "a");
    fputs("xyz\n", f);
    fclose(f);
    assert_int_equal(pn_qlink_keys_load(key_path, NOW, &again, &err), -1);
    assert_int_equal(again.keys[0].id, 0);
}

static struct pn_qdigest_options options(void)
{
    return (struct pn_qdigest_options){.recipient = "you@example.org",
                                       .sender = "quarantine@example.org",
                                       .from_name = "Mail \"Quarantine\"",
                                       .base_url = "https://q.example.org/r/",
                                       .message_id_domain = "example.org",
                                       .store = 7,
                                       .now_ms = NOW,
                                       .expiry_ms = NOW + 7 * DAY,
                                       .offset_ms = 3600000,
                                       .release_whitelist = true};
}

static void check_lines(const char *text, size_t len)
{
    for (size_t i = 0, start = 0; i < len; i++) {
        if (text[i] == '\n') {
            assert_true(i > 0 && text[i - 1] == '\r');
            if (i - start > 78 + 1)
                fail_msg("a line of %zu bytes: %.100s", i - start, text + start);
            start = i + 1;
        }
        assert_true(text[i] != '\r' || text[i + 1] == '\n');
        assert_in_range((unsigned char)text[i], 9, 126);
    }
    assert_memory_equal(text + len - 2, "\r\n", 2);
}

static void test_digest(void **state)
{
    struct pn_qlink_keys keys = {.keys = {{.id = 1, .key = "k"}}};
    struct pn_qdigest_options o = options();
    struct pn_error err;
    size_t len;

    (void)state;
    o.subject = "Zur\xc3\xbc"
                "ckgehaltene E-Mail, und ein Betreff, der so lang ist, dass er gefaltet werden muss \xe2\x82\xac";
    struct pn_qdigest *d = pn_qdigest_new(&o, &keys, &err);
    if (d == NULL)
        fail_msg("%s", err.text);
    struct pn_qdigest_item evil = {.number = 9,
                                   .received_ms = NOW,
                                   .size_bytes = 20500,
                                   .sender = "<script>@x",
                                   .subject = "a\r\nBcc: x@y\r\n\r\n<img src=http://e/> & \"q\" =?utf-8?q?x?=",
                                   .reason = "R\xc3\xa9"};
    struct pn_qdigest_item plain = {.number = 8, .received_ms = NOW - DAY};
    assert_int_equal(pn_qdigest_add(d, &evil, &err), 0);
    assert_int_equal(pn_qdigest_add(d, &plain, &err), 0);
    char *text = pn_qdigest_text(d, &len, &err);
    check_lines(text, len);
    assert_int_equal(strlen(text), len);
    struct pn_qview *v = pn_qview_make(text, len, NULL, &err);
    assert_null(v->cut);
    assert_int_equal(v->n_parts, 2);
    assert_int_equal(v->n_headers, 8);
    for (unsigned i = 0; i < v->n_headers; i++)
        if (strcmp(v->headers[i].name, "Subject") == 0)
            assert_string_equal(v->headers[i].value, o.subject);
        else if (strcmp(v->headers[i].name, "From") == 0)
            assert_string_equal(v->headers[i].value, "\"Mail \\\"Quarantine\\\"\" <quarantine@example.org>");
        else if (strcmp(v->headers[i].name, "Date") == 0)
            assert_string_equal(v->headers[i].value, "Sat, 22 Nov 2025 01:00:00 +0100");
        else
            assert_string_not_equal(v->headers[i].name, "Bcc");
    assert_non_null(strstr(v->text, "2 messages to you@example.org are held back in quarantine."));
    assert_non_null(strstr(v->text, "2025-11-22 01:00  <script>@x\n"));
    assert_non_null(strstr(v->text, "Size: 20.5 kB"));
    assert_non_null(strstr(v->text, "Subject: a  Bcc: x@y    <img"));
    /* The link in the text is genuine, and for this recipient. */
    char *link = strstr(v->text, "https://q.example.org/r/") + strlen("https://q.example.org/r/");
    struct pn_qlink out;
    *strchr(link, '\n') = '\0';
    assert_int_equal(pn_qlink_verify(&keys, 7, NOW, link, &out, &err), 0);
    assert_int_equal(out.number, 9);
    assert_string_equal(out.recipient, "you@example.org");
    struct pn_qgather g = {0};
    assert_int_equal(pn_qview_part(text, len, 1, NULL, pn_qgather_sink, &g, &err), 0);
    g.bytes = realloc(g.bytes, g.len + 1);
    g.bytes[g.len] = '\0';
    const char *html = (char *)g.bytes;
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<img"));
    assert_non_null(strstr(html, "&lt;img src=http://e/&gt; &amp; &quot;q&quot;"));
    free(g.bytes);
    pn_qview_free(v);
    /* The same again has the same Message-ID. */
    char *again = pn_qdigest_text(d, &len, &err);
    assert_string_equal(text, again);
    free(again);
    free(text);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(pn_qdigest_add(d, &plain, &err), 0);
    assert_int_equal(pn_qdigest_items(d), 302);
    text = pn_qdigest_text(d, &len, &err);
    check_lines(text, len);
    assert_non_null(strstr(text, "And 102 more"));
    free(text);
    pn_qdigest_free(d);
}

static void test_digest_refuses(void **state)
{
    static const char *const bad[] = {"", "x", "@x", "a@", "a b@x", "a@x>\r\nBcc: <c@d", "a,b@x", "\xff@x", "a@x\x01"};
    static const char *const urls[] = {
        "", "q.example.org", "javascript:x", "https://a b", "https://a\"b", "http://a\r\nb"};
    struct pn_qlink_keys keys = {.keys = {{.id = 1, .key = "k"}}};
    struct pn_error err;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pn_qdigest_options o = options();
        o.recipient = bad[i];
        assert_null(pn_qdigest_new(&o, &keys, &err));
        o = options();
        o.sender = bad[i];
        assert_null(pn_qdigest_new(&o, &keys, &err));
    }
    for (unsigned i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct pn_qdigest_options o = options();
        o.base_url = urls[i];
        assert_null(pn_qdigest_new(&o, &keys, &err));
    }
    struct pn_qdigest_options o = options();
    assert_null(pn_qdigest_new(&o, NULL, &err)); /* links without a key */
}

static void test_due(void **state)
{
    (void)state;
    /* 06:30 in UTC+1 is 05:30 UTC. */
    uint64_t at = NOW + (5 * 60 + 30) * 60000;
    assert_int_equal(pn_qdigest_due_ms(NOW - DAY, NOW, 390, 3600000), at - DAY); /* yesterday's was left out */
    assert_int_equal(pn_qdigest_due_ms(at - DAY, NOW, 390, 3600000), at);
    assert_int_equal(pn_qdigest_due_ms(at, at + 1, 390, 3600000), at + DAY);
    assert_int_equal(pn_qdigest_due_ms(0, NOW, 390, 3600000), at);
    assert_int_equal(pn_qdigest_due_ms(at + 10 * DAY, NOW, 390, 3600000), at); /* the clock was put back */
}

static void test_mime(void **state)
{
    char *out = NULL;
    size_t len;

    (void)state;
    for (unsigned n = 0; n < 200; n++) { /* whole characters, bounded words, whatever the length */
        char in[700] = "";
        for (unsigned i = 0; i < n; i++)
            strcat(in, i % 3 ? "\xe2\x82\xac" : "a");
        FILE *f = open_memstream(&out, &len);
        fputs("Subject: ", f);
        pn_mime_words(f, in, 9);
        fputs("\r\n\r\n", f);
        fclose(f);
        check_lines(out, len);
        struct pn_qview *v = pn_qview_make(out, len, NULL, NULL);
        assert_string_equal(v->headers[0].value, in);
        pn_qview_free(v);
        free(out);
        f = open_memstream(&out, &len);
        fputs("Content-Transfer-Encoding: quoted-printable\r\n\r\n", f);
        in[n] = ' ';
        pn_mime_qp(f, in, strlen(in));
        fputs("\r\n", f);
        fclose(f);
        check_lines(out, len);
        free(out);
    }
}

static int cell_count(void *arg, const char *const *cells, unsigned n)
{
    unsigned *rows = arg;
    (void)cells;
    assert_in_range(n, 3, 15);
    (*rows)++;
    return 0;
}

static void test_report_formats(void **state)
{
    struct pn_report_ask ask = {.from_ms = NOW, .to_ms = NOW + 3 * DAY, .offset_ms = 3600000};
    struct pn_error err;
    unsigned rows = 0;

    (void)state;
    struct pn_report *r = pn_report_new(&ask, &err);
    assert_int_equal(r->n_points, 4); /* days begin at 23:00 UTC: a part of one before */
    pn_report_count(r, NOW, "mx1", PN_Q_EVENT_SPAM, 5, 500);
    pn_report_count(r, NOW + 23 * PN_REPORT_HOUR_MS, "mx0", PN_Q_EVENT_SPAM, 7, 700);
    pn_report_count(r, NOW - 1, "mx0", PN_Q_EVENT_SPAM, 7, 700);
    pn_report_count(r, NOW, "mx0", 99, 7, 700);
    pn_report_name(r, PN_REPORT_SENDERS, "=cmd|' /C calc'!A0", 1, 10);
    pn_report_name(r, PN_REPORT_SENDERS, "a,\"b\"@x", 3, 30);
    pn_report_name(r, PN_REPORT_SENDERS, "\xff<b>&", 2, 20);
    assert_int_equal(r->total.event[PN_Q_EVENT_SPAM].count, 12);
    assert_int_equal(r->points[0].event[PN_Q_EVENT_SPAM].count, 5);
    assert_int_equal(r->points[1].event[PN_Q_EVENT_SPAM].count, 7);
    assert_string_equal(r->nodes[0].node, "mx0");
    assert_int_equal(pn_report_rows(r, "time", cell_count, &rows), 0);
    assert_int_equal(rows, 1 + 4 + 1);
    assert_int_equal(pn_report_rows(r, "bogus", cell_count, &rows), -1);
    char *csv = pn_report_csv(r, "senders");
    assert_string_equal(
        csv, "name,count,bytes\r\n\"a,\"\"b\"\"@x\",3,30\r\n\xff<b>&,2,20\r\n\"'=cmd|' /C calc'!A0\",1,10\r\n");
    free(csv);
    csv = pn_report_csv(r, "time");
    assert_non_null(strstr(csv, "\r\n2025-11-22,"));
    free(csv);
    assert_null(pn_report_csv(r, "bogus"));
    json_t *j = pn_report_json(r);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(j, "total"), "spam"), "count")),
                     12);
    assert_int_equal(json_array_size(json_object_get(j, "time")), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(j, "senders"), 1), "name")),
                        "?");
    json_decref(j);
    char *svg = pn_report_svg(r, "Report <of> & \"mx\" \xff\xef\xbf\xbf");
    XML_Parser p = XML_ParserCreate(NULL);
    if (XML_Parse(p, svg, (int)strlen(svg), 1) != XML_STATUS_OK)
        fail_msg("%s", XML_ErrorString(XML_GetErrorCode(p)));
    XML_ParserFree(p);
    assert_null(strstr(svg, "nan"));
    free(svg);
    pn_report_free(r);
    ask.to_ms = ask.from_ms;
    assert_null(pn_report_new(&ask, &err));
    ask.to_ms = ask.from_ms + DAY, ask.step_ms = 1000;
    assert_null(pn_report_new(&ask, &err));
}

static void test_retention(void **state)
{
    struct pn_retention_config c = {.age_ms = {[PN_RETENTION_RECORDS] = DAY, [PN_RETENTION_DELETED] = 7 * DAY},
                                    .counts_age_ms = 400 * DAY,
                                    .max_bytes = 1000,
                                    .quotas = {{"mx1", 500}, {"mx2", 0}},
                                    .n_quotas = 2,
                                    .every_ms = 60000,
                                    .batch = 10};
    struct pn_retention r = {.at = 0};
    struct pn_retention_step s;
    struct pn_error err;

    (void)state;
    assert_int_equal(pn_retention_check(&c, &err), 0);
    pn_retention_init(&r, &c);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_PURGE);
    assert_int_equal(s.purge.kind, PN_Q_RECORD);
    assert_int_equal(s.purge.received_before_ms, NOW - DAY);
    assert_int_equal(s.purge.max, 10);
    pn_retention_done(&r, &s, 10); /* a full batch: the same again */
    s = pn_retention_next(&r, NOW + 1000);
    assert_int_equal(s.purge.kind, PN_Q_RECORD);
    assert_int_equal(s.purge.received_before_ms, NOW - DAY);
    pn_retention_done(&r, &s, 3);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.purge.state, PN_HOST_DELETED);
    pn_retention_done(&r, &s, 0);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_COUNTS);
    assert_int_equal(s.before_ms, NOW - 400 * DAY);
    pn_retention_done(&r, &s, 0);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_NODE);
    assert_string_equal(s.node, "mx1");
    pn_retention_done(&r, &s, 0);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_SIZE);
    pn_retention_done(&r, &s, 5);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_SIZE);
    pn_retention_done(&r, &s, 0);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_WAIT);
    s = pn_retention_next(&r, NOW + 20000);
    assert_int_equal(s.act, PN_RETENTION_WAIT);
    assert_int_equal(s.wait_ms, 40000);
    s = pn_retention_next(&r, NOW + 60000);
    assert_int_equal(s.act, PN_RETENTION_PURGE);
    pn_retention_done(&r, &s, -1); /* failed: not before the next round */
    s = pn_retention_next(&r, NOW + 61000);
    assert_int_equal(s.act, PN_RETENTION_WAIT);
    s = pn_retention_next(&r, NOW); /* the clock was put back */
    assert_int_equal(s.act, PN_RETENTION_PURGE);
    c.quotas[1] = c.quotas[0];
    assert_int_equal(pn_retention_check(&c, &err), -1);
    c.n_quotas = 0, c.age_ms[0] = 60000;
    assert_int_equal(pn_retention_check(&c, &err), -1);
    /* Nothing configured: nothing goes. */
    memset(&c, 0, sizeof(c));
    memset(&r, 0, sizeof(r));
    pn_retention_init(&r, &c);
    s = pn_retention_next(&r, NOW);
    assert_int_equal(s.act, PN_RETENTION_WAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link),           cmocka_unit_test(test_keys),     cmocka_unit_test(test_digest),
        cmocka_unit_test(test_digest_refuses), cmocka_unit_test(test_due),      cmocka_unit_test(test_mime),
        cmocka_unit_test(test_report_formats), cmocka_unit_test(test_retention)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
