/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages as a person reads them: headers, text, attachments, and bounds on what may be asked of the reader. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controlplane/quarantine/qview.h"
#include "controlplane/quarantine/qview_text.h"

static struct pn_qview *view(const char *raw, const struct pn_qview_limits *limits)
{
    struct pn_error err;
    struct pn_qview *v = pn_qview_make(raw, strlen(raw), limits, &err);

    if (v == NULL)
        fail_msg("%s", err.text);
    return v;
}

static const char mixed[] =
    "Received: from a\r\n\tby b\r\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\nSubject: "
    "=?iso-8859-1?b?R3L832U=?=\r\n"
    "X-Odd: a\x1b[31mred\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n"
    "--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"
    "--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <b>html</b></p>\r\n"
    "--b2\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Gr=FC=DFe\r\nzwei\x07\r\n--b2--\r\n"
    "--b1\r\nContent-Type: application/pdf; name=\"x.pdf\"\r\nContent-Disposition: attachment;\r\n"
    " filename*=utf-8''Re%C3%A7u.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n"
    "--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b1--\r\n";

static void test_mixed(void **state)
{
    (void)state;
    struct pn_qview *v = view(mixed, NULL);

    assert_int_equal(v->n_headers, 6);
    assert_string_equal(v->headers[0].name, "Received");
    assert_string_equal(v->headers[0].value, "from a by b");
    assert_string_equal(v->headers[1].value, "J\xc3\xb6rg <j@example.org>");
    assert_string_equal(v->headers[2].value, "Gr\xc3\xbc\xc3\x9f"
                                             "e");
    assert_string_equal(v->headers[3].value, "a?[31mred");
    assert_string_equal(v->text, "Gr\xc3\xbc\xc3\x9f"
                                 "e\nzwei?");
    assert_false(v->from_html);
    assert_null(v->cut);
    assert_int_equal(v->n_parts, 5);
    assert_string_equal(v->parts[0].type, "text/html");
    assert_false(v->parts[0].attachment);
    assert_string_equal(v->parts[2].type, "application/pdf");
    assert_string_equal(v->parts[2].name, "Re\xc3\xa7u.pdf");
    assert_int_equal(v->parts[2].bytes, 11);
    assert_true(v->parts[2].attachment);
    assert_string_equal(v->parts[3].type, "message/rfc822");
    pn_qview_free(v);
}

static void test_part(void **state)
{
    struct pn_qgather g = {0}, small = {.max = 5};
    struct pn_error err;

    (void)state;
    assert_int_equal(pn_qview_part(mixed, strlen(mixed), 2, NULL, pn_qgather_sink, &g, &err), 0);
    assert_int_equal(g.len, 11);
    assert_memory_equal(g.bytes, "hello world", 11);
    assert_int_equal(pn_qview_part(mixed, strlen(mixed), 2, NULL, pn_qgather_sink, &small, &err), -1);
    assert_int_equal(small.len, 5);
    assert_int_equal(pn_qview_part(mixed, strlen(mixed), 9, NULL, pn_qgather_sink, &g, &err), -1);
    assert_string_equal(err.text, "the message has no such part");
    free(g.bytes);
    free(small.bytes);
}

static void test_plain(void **state)
{
    (void)state;
    struct pn_qview *v = view("Subject: caf\xe9\n\nline one\nline two\n", NULL);

    assert_string_equal(v->headers[0].value, "caf\xc3\xa9");
    assert_string_equal(v->text, "line one\nline two\n");
    assert_int_equal(v->n_parts, 1);
    pn_qview_free(v);
    v = view("Content-Type: text/html\n\n<html><head><title>no</title><style>p{}</style></head><body><script>x</script>"
             "<p>A &amp; B&nbsp;&#8364; &bogus; &#0;</p><!-- <p>hidden</p> --><ul><li>one<li>two</ul>tail",
             NULL);
    assert_true(v->from_html);
    assert_string_equal(v->text, "A & B \xe2\x82\xac &bogus; ?\none\ntwotail");
    pn_qview_free(v);
    struct pn_error err;
    assert_null(pn_qview_make("", 0, NULL, &err));
    v = view("no header at all", NULL);
    pn_qview_free(v);
}

static char *repeat(const char *head, const char *text, size_t times, const char *tail)
{
    size_t n = strlen(text), at = strlen(head);
    char *out = malloc(at + n * times + strlen(tail) + 1);

    memcpy(out, head, at);
    for (size_t i = 0; i < times; i++, at += n)
        memcpy(out + at, text, n);
    strcpy(out + at, tail);
    return out;
}

static void bounded(const char *raw, const struct pn_qview_limits *limits, const char *why)
{
    struct pn_qview_limits patient = limits ? *limits : (struct pn_qview_limits){.time_ms = 0};
    struct timespec a, b;

    if (!patient.time_ms)
        patient.time_ms = 15000; /* on a busy machine time would be the first bound that is met */
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct pn_qview *v = view(raw, &patient);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (v->cut == NULL || strcmp(v->cut, why) != 0)
        fail_msg("cut is \"%s\", not \"%s\"", v->cut ? v->cut : "(none)", why);
    /* Valgrind and sanitizers are slow; without any bound these take minutes or gigabytes. */
    assert_true(b.tv_sec - a.tv_sec < 20);
    pn_qview_free(v);
}

static void test_bounds(void **state)
{
    struct pn_qview_limits parts = {.parts = 10}, headers = {.headers = 3}, text = {.text_bytes = 100},
                           size = {.message_bytes = 50}, depth = {.depth = 5};
    char *m;

    (void)state;
    m = repeat("Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\n", 100000, "");
    bounded(m, NULL, "it has too many parts or fields");
    free(m);
    m = repeat("Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", 100, "--b--\n");
    bounded(m, &parts, "it has more parts than are shown");
    free(m);
    m = repeat("Subject: a\n", "a: b\n", 10, "\ntext");
    bounded(m, &headers, "it has more header fields than are shown");
    free(m);
    m = repeat("Subject: a\n", "a: b\n", 200000, "\ntext");
    bounded(m, NULL, "it has too many parts or fields");
    free(m);
    m = repeat("Subject: a\n\n", "\xc3\xa9", 300, "");
    bounded(m, &text, "its text is longer than what is shown");
    free(m);
    m = repeat("Subject: a\n\n", "word ", 300, "");
    bounded(m, &size, "the message is larger than what is looked at");
    free(m);
    m = repeat("", "Content-Type: message/rfc822\n\n", 900, "text");
    bounded(m, &depth, "its parts are nested deeper than is shown");
    free(m);
}

static void test_late(void **state)
{
    struct pn_qview_limits soon = {.time_ms = 1};
    char *m = repeat("Subject: a\n\n", "word word word word\n", 1500000, "");

    (void)state;
    bounded(m, &soon, "looking at it took too long");
    free(m);
}

static void test_charsets(void **state)
{
    static const struct {
        const char *charset, *in, *out;
    } rows[] = {
        {"utf-8", "\xc3\xa4", "\xc3\xa4"},
        {"UTF-8", "\xe4 x y", "\xc3\xa4 x y"}, /* says so and is not */
        {NULL, "\x93x\x94", "\xe2\x80\x9cx\xe2\x80\x9d"},
        {"koi8-r", "\xc1", "\xd0\xb0"},
        {"no-such", "\xe4 x y", "\xc3\xa4 x y"},
        {"UTF-8//TRANSLIT", "a", "a"},
        {"../../x", "a", "a"},
        {"utf-16le", "a\0b", "a"},
        {"iso-2022-jp", "\x1b$B\x1b", "?"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out = pn_qtext_utf8(rows[i].charset, rows[i].in, strlen(rows[i].in) + (i == 7));
        if (i != 8)
            assert_string_equal(out, rows[i].out);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixed), cmocka_unit_test(test_part),
                                       cmocka_unit_test(test_plain), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_late),  cmocka_unit_test(test_charsets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
