/* SPDX-License-Identifier: BSD-3-Clause */
/* LMTP: the dialogue as a table, in one piece and byte by byte; then the server with a spool behind it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <event2/event.h>

#include "controlplane/quarantine/lmtp.h"
#include "controlplane/quarantine/lmtp_server.h"
#include "quarantine_fixture.h"

struct seen {
    struct pn_lmtp *l;
    char replies[8192], text[8192], envelope[2048];
    size_t n_replies, n_text;
    unsigned begun, ended, aborted;
    enum pn_lmtp_result begin_result, data_result, end_result;
};

static void on_reply(void *arg, const char *text, size_t len)
{
    struct seen *s = arg;
    for (size_t i = 0; i < len && s->n_replies + 1 < sizeof(s->replies); i++)
        if (text[i] != '\r')
            s->replies[s->n_replies++] = text[i];
}
static enum pn_lmtp_result on_begin(void *arg, uint64_t hint)
{
    struct seen *s = arg;
    (void)hint;
    s->begun++;
    return s->begin_result;
}
static enum pn_lmtp_result on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct seen *s = arg;
    assert_true(s->n_text + len < sizeof(s->text));
    memcpy(s->text + s->n_text, bytes, len);
    s->n_text += len;
    return s->data_result;
}
static enum pn_lmtp_result on_end(void *arg, const char *sender, char *const *rcpt, unsigned n)
{
    struct seen *s = arg;
    size_t at = (size_t)snprintf(s->envelope, sizeof(s->envelope), "%s", sender);
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(s->envelope + at, sizeof(s->envelope) - at, " %s", rcpt[i]);
    s->ended++;
    return s->end_result;
}
static void on_abort(void *arg)
{
    ((struct seen *)arg)->aborted++;
}
static const struct pn_lmtp_ops ops = {on_reply, on_begin, on_data, on_end, on_abort};

/* Replies' codes in a row: "220 250 ...", continuation lines left out. */
static void codes(const struct seen *s, char *out)
{
    *out = '\0';
    for (const char *p = s->replies; *p; p = strchr(p, '\n') + 1)
        if (p[3] == ' ')
            sprintf(out + strlen(out), "%s%.3s", *out ? " " : "", p);
}

static void talk(struct seen *s, const char *in, size_t step)
{
    static const struct pn_lmtp_options o = {"mx.example", 3, 4000};
    size_t len = strlen(in);

    s->l = pn_lmtp_new(&o, &ops, s);
    for (size_t at = 0; at < len && !pn_lmtp_closed(s->l);) {
        size_t n = len - at < step ? len - at : step;
        at += pn_lmtp_feed(s->l, (const uint8_t *)in + at, n);
        if (pn_lmtp_waiting(s->l))
            pn_lmtp_done(s->l, PN_LMTP_STORED);
    }
}

#define HEAD "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\n"
static const struct {
    const char *in, *codes, *text, *envelope;
    enum pn_lmtp_result begin, data, end;
} cases[] = {
    {.in = HEAD "RCPT TO:<z@y>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n",
     "220 250 250 250 250 354 250 250 221",
     "hi\r\n",
     "a@b x@y z@y"},
    {.in = HEAD "DATA\r\n..dot\r\n.x\r\n.\r\n", "220 250 250 250 354 250", ".dot\r\nx\r\n", "a@b x@y"},
    {.in = HEAD "DATA\r\n.\r\n" HEAD "DATA\r\ntwo\r\n.\r\n",
     "220 250 250 250 354 250 250 250 250 354 250",
     "two\r\n",
     "a@b x@y"},
    /* Only CRLF.CRLF ends a message: what follows other ends is text, not commands. */
    {.in = HEAD "DATA\r\na\n.\nMAIL FROM:<e@e>\r\n.\nb\n.\r\nc\r\n.\rd\r\n.\r\n",
     "220 250 250 250 354 250",
     "a\n.\nMAIL FROM:<e@e>\r\n\nb\n.\r\nc\r\n\rd\r\n",
     "a@b x@y"},
    {.in = "EHLO c\r\nMAIL FROM:<a@b>\r\nNOOP\r\nXYZ\r\n", "220 500 503 250 500", "", ""},
    {.in = "LHLO c\r\nDATA\r\nRCPT TO:<x@y>\r\nMAIL FROM:<>\r\nDATA\r\n", "220 250 503 503 250 503", "", ""},
    {.in = "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\nq\r\n.\r\n", "220 250 250 250 354 250", "q\r\n", " x@y"},
    {.in = "LHLO c\nNOOP\r\n", "220 500 250", "", ""},
    {.in = "LHLO c\r\nMAIL FROM:<a@b> SIZE=5000\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b> size=10 BODY=8BITMIME "
           "SMTPUTF8\r\n"
           "RSET\r\nMAIL FROM:<a@b> FOO=1\r\n",
     "220 250 552 501 250 250 555",
     "",
     ""},
    {.in = HEAD "RCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nRCPT TO:<d@y>\r\nRCPT TO:<>\r\nRCPT TO:x\r\n",
     "220 250 250 250 250 250 452 501 501",
     "",
     ""},
    {.in = HEAD "DATA\r\nhi\r\n.\r\nNOOP\r\n", "220 250 250 250 452 500 500 250", "", "", PN_LMTP_FULL},
    {.in = HEAD "DATA\r\nhi\r\n.\r\nNOOP\r\n", "220 250 250 250 354 452 250", NULL, "", PN_LMTP_STORED, PN_LMTP_FULL},
    {.in = HEAD "DATA\r\nhi\r\n.\r\nNOOP\r\n",
     "220 250 250 250 354 451 250",
     "hi\r\n",
     "a@b x@y",
     PN_LMTP_STORED,
     PN_LMTP_STORED,
     PN_LMTP_FAILED},
    {.in = "LHLO c\r\nMAIL FROM:<@r,@s:\"a >b\"@c>\r\nRCPT TO:<x@y>\r\nDATA\r\n.\r\n",
     "220 250 250 250 354 250",
     "",
     "\"a >b\"@c x@y"},
    {.in = "LHLO c\r\nMAIL FROM:<a\x01@b>\r\nMAIL FROM:<a b>\r\nMAIL FROM:<a@b\r\nMAIL FROM:a@b\r\n",
     "220 250 501 501 501 501",
     "",
     ""},
};

static void test_dialogue(void **state)
{
    static const size_t steps[] = {100000, 1, 3};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned k = 0; k < 3; k++) {
            struct seen s = {.begin_result = cases[i].begin, .data_result = cases[i].data, .end_result = cases[i].end};
            char got[1024];
            talk(&s, cases[i].in, steps[k]);
            codes(&s, got);
            if (strcmp(got, cases[i].codes) != 0)
                fail_msg("case %u: %s\nexpected %s", i, got, cases[i].codes);
            if (cases[i].text)
                assert_string_equal(s.text, cases[i].text);
            assert_string_equal(s.envelope, cases[i].envelope);
            pn_lmtp_free(s.l);
            assert_int_equal(s.begun >= s.ended + s.aborted, 1);
        }
}

static void test_limits(void **state)
{
    struct seen s = {.begin_result = PN_LMTP_STORED};
    char in[9000], got[1024];
    size_t n;

    (void)state;
    n = (size_t)sprintf(in, HEAD "DATA\r\n");
    memset(in + n, 'x', 4100); /* above message_bytes_max */
    strcpy(in + n + 4100, "\r\n.\r\nNOOP\r\n");
    talk(&s, in, 500);
    codes(&s, got);
    assert_string_equal(got, "220 250 250 250 354 552 250");
    assert_int_equal(s.aborted, 1);
    assert_int_equal(s.ended, 0);
    pn_lmtp_free(s.l);
    memset(&s, 0, sizeof(s));
    memset(in, 'y', 3000); /* above a line's length */
    strcpy(in + 3000, "\r\nNOOP\r\n");
    talk(&s, in, 700);
    codes(&s, got);
    assert_string_equal(got, "220 500 250");
    pn_lmtp_free(s.l);
    memset(&s, 0, sizeof(s));
    in[0] = '\0';
    for (unsigned i = 0; i < 30; i++)
        strcat(in, "BAD\r\n");
    talk(&s, in, 100);
    assert_true(pn_lmtp_closed(s.l));
    assert_non_null(strstr(s.replies, "\n421 "));
    pn_lmtp_free(s.l);
    memset(&s, 0, sizeof(s));
    talk(&s, HEAD "DATA\r\nhalf", 100); /* gone in the middle */
    pn_lmtp_free(s.l);
    assert_int_equal(s.aborted, 1);
}

static int dial(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(sa.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* Turns the loop until the answer holds `want`. */
static void expect(struct event_base *base, int fd, const char *want)
{
    char got[4096];
    size_t n = 0;

    for (unsigned i = 0; i < 2000; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t r = read(fd, got + n, sizeof(got) - 1 - n);
        if (r > 0)
            n += (size_t)r;
        got[n] = '\0';
        if (strstr(got, want))
            return;
        usleep(500);
    }
    fail_msg("got: %s\nexpected: %s", got, want);
}

static void test_server(void **state)
{
    static const char one[] =
        "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nSubject: s\r\n\r\nhi\r\n.\r\n";
    struct pn_lmtp_server_options o = {.hostname = "mx", .connections_max = 2, .reason = "test", .idle_ms = 5000};
    struct event_base *base = event_base_new();
    struct pn_spool_options so = {.node = "mx1"};
    struct pn_lmtp_server_stats st;
    struct pn_spool_row row;
    struct pn_spool *spool;
    struct pn_error err;
    char dir[64], path[96], spath[96];

    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as every daemon of ours does */
    snprintf(path, sizeof(path), "%s/lmtp", fixture_dir(dir));
    snprintf(spath, sizeof(spath), "%s/spool", dir);
    so.path = spath;
    so.limits.quota_bytes = 200;
    assert_int_equal(pn_spool_open(&so, &spool, NULL, &err), 0);
    struct pn_lmtp_server *s = pn_lmtp_server_new(base, pn_lmtp_listen_unix(path, 0660, &err), spool, &o, &err);
    assert_non_null(s);
    int a = dial(path), b = dial(path), c = dial(path);
    expect(base, c, "421 ");
    assert_int_equal(write(a, one, sizeof(one) - 1), sizeof(one) - 1);
    assert_int_equal(write(b, one, sizeof(one) - 1), sizeof(one) - 1);
    expect(base, a, "250 2.0.0 stored for <x@y>\r\n250 2.0.0 stored for <z@y>\r\n");
    expect(base, b, "stored for <z@y>");
    assert_int_equal(pn_spool_next(spool, PN_Q_MESSAGE, 0, &row), 1); /* what was answered is there */
    assert_int_equal(pn_spool_next(spool, PN_Q_MESSAGE, row.id.sequence, &row), 1);
    struct pn_pb_budget budget;
    pn_q_item *item = pn_q_item_decode(&budget, row.item, row.item_len, &err);
    assert_string_equal(item->sender, "a@b");
    assert_string_equal(item->reason, "test");
    assert_string_equal(item->subject, "s");
    assert_int_equal(item->n_recipients, 2);
    pn_pb_free(&budget, item);
    static const char more[] = "MAIL FROM:<a@b> SIZE=1000\r\nRCPT TO:<x@y>\r\nDATA\r\n";
    assert_int_equal(write(a, more, sizeof(more) - 1), sizeof(more) - 1);
    expect(base, a, "452 4.3.1"); /* above the quota */
    static const char half[] = "RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\nDATA\r\nhalf";
    assert_int_equal(write(b, half, sizeof(half) - 1), sizeof(half) - 1);
    expect(base, b, "354");
    close(b);
    assert_int_equal(write(a, one, sizeof(one) - 1), sizeof(one) - 1);
    assert_int_equal(write(a, "QUIT\r\n", 6), 6);
    close(a); /* does not wait for the answer */
    for (unsigned i = 0; i < 50; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(500);
    }
    pn_lmtp_server_stats(s, &st);
    assert_int_equal(st.open, 0);
    assert_int_equal(st.turned_away, 1);
    close(c);
    pn_lmtp_server_free(s);
    pn_spool_close(spool);
    event_base_free(base);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dialogue), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_server)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
