/* SPDX-License-Identifier: BSD-3-Clause */
/* The SMTP client against a server that follows a script, on one event loop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "controlplane/quarantine/smtp_out_say.h"
#include "health_server.h"

#define EHLO "250-mx\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n"
#define CUT "<cut>" /* the server closes instead of answering */

struct script {
    const char *banner, *ehlo, *helo, *starttls, *mail, *rcpt[3], *data, *dot;
    bool cut_in_body; /* closes once it has seen some of the message */
    bool silent_dot;
    bool bad_tls; /* answers the handshake with text */
};

struct smtpd {
    struct event_base *base;
    struct evconnlistener *listener;
    uint16_t port;
    struct script script;
    SSL_CTX *ctx;
    struct bufferevent *bev;
    unsigned rcpts, sessions;
    bool in_data, tls;
    char got[8192], body[300000];
    size_t body_len;
};

static void smtpd_read(struct bufferevent *bev, void *arg);
static void smtpd_event(struct bufferevent *bev, short what, void *arg)
{
    struct smtpd *s = arg;

    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        bufferevent_free(bev);
        if (s->bev == bev)
            s->bev = NULL;
    }
}

static bool say(struct smtpd *s, const char *text)
{
    if (strcmp(text, CUT) == 0) {
        bufferevent_free(s->bev);
        s->bev = NULL;
        return false;
    }
    bufferevent_write(s->bev, text, strlen(text));
    return true;
}

static const char *first(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static bool line(struct smtpd *s, const char *l)
{
    snprintf(s->got + strlen(s->got), sizeof(s->got) - strlen(s->got), "%s|", l);
    if (strncmp(l, "EHLO ", 5) == 0)
        return say(s, first(s->script.ehlo, EHLO));
    if (strncmp(l, "HELO ", 5) == 0)
        return say(s, first(s->script.helo, "250 mx\r\n"));
    if (strcmp(l, "STARTTLS") == 0) {
        const char *reply = first(s->script.starttls, "220 go\r\n");
        if (s->script.bad_tls) {
            say(s, reply);
            return say(s, "this is no TLS at all, sorry for that\r\n");
        }
        if (s->ctx) {
            evutil_socket_t fd = bufferevent_getfd(s->bev);
            if (write(fd, reply, strlen(reply)) < 0)
                return false;
            bufferevent_setfd(s->bev, -1);
            bufferevent_free(s->bev);
            s->bev = bufferevent_openssl_socket_new(s->base, fd, SSL_new(s->ctx), BUFFEREVENT_SSL_ACCEPTING,
                                                    BEV_OPT_CLOSE_ON_FREE);
            s->tls = true;
            bufferevent_setcb(s->bev, smtpd_read, NULL, smtpd_event, s);
            bufferevent_enable(s->bev, EV_READ | EV_WRITE);
            return false;
        }
        return say(s, reply);
    }
    if (strncmp(l, "MAIL ", 5) == 0)
        return say(s, first(s->script.mail, "250 ok\r\n"));
    if (strncmp(l, "RCPT ", 5) == 0)
        return say(s, first(s->script.rcpt[s->rcpts++ % 3], "250 ok\r\n"));
    if (strcmp(l, "DATA") == 0) {
        s->in_data = s->script.data == NULL;
        return say(s, first(s->script.data, "354 go\r\n"));
    }
    if (strcmp(l, "QUIT") == 0)
        return say(s, "221 bye\r\n");
    return say(s, "500 what\r\n");
}

static void smtpd_read(struct bufferevent *bev, void *arg)
{
    struct smtpd *s = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char *l;
    size_t n;

    while (s->bev) {
        if (s->in_data) {
            n = (size_t)evbuffer_remove(in, s->body + s->body_len, sizeof(s->body) - 1 - s->body_len);
            s->body_len += n;
            if (s->script.cut_in_body && s->body_len > 100) {
                say(s, CUT);
                return;
            }
            char *end = s->body_len >= 3 && memcmp(s->body, ".\r\n", 3) == 0
                            ? s->body
                            : memmem(s->body, s->body_len, "\r\n.\r\n", 5);
            if (end == NULL)
                return;
            s->in_data = false;
            if (!s->script.silent_dot)
                say(s, first(s->script.dot, "250 2.0.0 Ok: queued as ABC123\r\n"));
            continue;
        }
        l = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF_STRICT);
        if (l == NULL)
            return;
        bool go = line(s, l);
        free(l);
        if (!go)
            return;
    }
}

static void smtpd_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
    struct smtpd *s = arg;

    (void)l, (void)a, (void)len;
    s->sessions++;
    s->in_data = s->tls = false;
    s->rcpts = 0;
    s->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(s->bev, smtpd_read, NULL, smtpd_event, s);
    bufferevent_enable(s->bev, EV_READ | EV_WRITE);
    say(s, first(s->script.banner, "220 mx ESMTP\r\n"));
}

struct outcome {
    struct event_base *base;
    unsigned calls;
    enum pn_smtp_out_status status;
    int code;
    bool tls;
    char text[256];
};
static void done(void *arg, const struct pn_smtp_out_result *r)
{
    struct outcome *o = arg;
    o->calls++;
    o->status = r->status;
    o->code = r->code;
    o->tls = r->tls;
    snprintf(o->text, sizeof(o->text), "%s", r->text);
    event_base_loopbreak(o->base);
}

static struct smtpd smtpd;

static struct outcome run(const struct script *script, struct pn_smtp_out_request rq, const char *message)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    static char *rcpts[] = {(char *)"b@example.net", (char *)"c@example.net", (char *)"d@example.net"};
    SSL_CTX *ctx = smtpd.ctx;
    struct outcome o = {.calls = 0};
    struct pn_error err;

    memset(&smtpd, 0, sizeof(smtpd));
    smtpd.ctx = ctx;
    smtpd.script = *script;
    smtpd.base = o.base = event_base_new();
    smtpd.listener = evconnlistener_new_bind(smtpd.base, smtpd_accept, &smtpd, LEV_OPT_CLOSE_ON_FREE, -1,
                                             (struct sockaddr *)&in, sizeof(in));
    getsockname(evconnlistener_get_fd(smtpd.listener), (struct sockaddr *)&in, &len);
    rq.addr = pn_addr_from_v4(htonl(INADDR_LOOPBACK));
    if (rq.port == 0)
        rq.port = ntohs(in.sin_port);
    rq.helo = "node.example.org";
    rq.sender = rq.sender ? rq.sender : "a@example.org";
    rq.recipients = rq.recipients ? rq.recipients : rcpts;
    rq.n_recipients = rq.n_recipients ? rq.n_recipients : 1;
    rq.message = (const uint8_t *)message;
    rq.message_len = strlen(message);
    rq.connect_ms = 400;
    rq.reply_ms = rq.reply_ms ? rq.reply_ms : 3000;
    rq.data_reply_ms = rq.data_reply_ms ? rq.data_reply_ms : 3000;
    if (pn_smtp_out_start(smtpd.base, &rq, done, &o, &err) == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(o.calls, 0);
    event_base_dispatch(smtpd.base);
    assert_int_equal(o.calls, 1);
    if (smtpd.bev)
        bufferevent_free(smtpd.bev);
    evconnlistener_free(smtpd.listener);
    event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
    event_base_free(smtpd.base);
    return o;
}

static void test_accepted(void **state)
{
    struct script plain = {.banner = NULL};
    struct pn_smtp_out_request rq = {.n_recipients = 2};

    (void)state;
    struct outcome o = run(&plain, rq, "Subject: x\r\n\r\n.dot\r\n..two\nbare\rcr\r\nend");
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_string_equal(o.text, "250 2.0.0 Ok: queued as ABC123");
    assert_string_equal(smtpd.got, "EHLO node.example.org|MAIL FROM:<a@example.org> SIZE=38|RCPT TO:<b@example.net>|"
                                   "RCPT TO:<c@example.net>|DATA|QUIT|");
    assert_string_equal(smtpd.body, "Subject: x\r\n\r\n..dot\r\n...two\r\nbare\r\ncr\r\nend\r\n.\r\n");
    /* Eight bits and a name that is not ASCII. */
    char *utf8[] = {(char *)"j\xc3\xb6rg@example.net"};
    rq = (struct pn_smtp_out_request){.recipients = utf8, .n_recipients = 1, .sender = ""};
    o = run(&plain, rq, "Subject: \xc3\xa9\r\n\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_non_null(strstr(smtpd.got, "MAIL FROM:<> SIZE=15 BODY=8BITMIME SMTPUTF8|"));
    assert_string_equal(smtpd.body, "Subject: \xc3\xa9\r\n\r\n.\r\n");
    /* Only HELO. */
    struct script old = {.ehlo = "502 no\r\n"};
    o = run(&old, (struct pn_smtp_out_request){.n_recipients = 1}, "");
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_string_equal(smtpd.got, "EHLO node.example.org|HELO node.example.org|MAIL FROM:<a@example.org>|"
                                   "RCPT TO:<b@example.net>|DATA|QUIT|");
    assert_string_equal(smtpd.body, ".\r\n");
}

static void test_large(void **state)
{
    struct script plain = {.banner = NULL};
    char *m = malloc(250001);

    (void)state;
    for (unsigned i = 0; i < 250000; i++)
        m[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : i % 50 == 0 ? '.' : 'x';
    m[250000] = '\0';
    struct outcome o = run(&plain, (struct pn_smtp_out_request){.n_recipients = 1}, m);
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_int_equal(smtpd.body_len, 250000 + 5000 + 3);
    free(m);
}

static void test_refused(void **state)
{
    static const struct {
        struct script script;
        enum pn_smtp_out_status status;
        int code;
        const char *text;
    } rows[] = {
        {{.banner = "554 go away\r\n"}, PN_SMTP_OUT_PERMANENT, 554, "banner: 554 go away"},
        {{.banner = "421 busy\r\n"}, PN_SMTP_OUT_TEMPORARY, 421, "banner: 421 busy"},
        {{.ehlo = "450 later\r\n"}, PN_SMTP_OUT_TEMPORARY, 450, NULL},
        {{.mail = "451-first\r\n451 second\r\n"}, PN_SMTP_OUT_TEMPORARY, 451, "MAIL FROM: 451-first"},
        {{.rcpt = {NULL, "550 no such user\r\n"}},
         PN_SMTP_OUT_PERMANENT,
         550,
         "recipient c@example.net: 550 no such user"},
        {{.rcpt = {"450 greylisted\r\n"}}, PN_SMTP_OUT_TEMPORARY, 450, NULL},
        {{.data = "554 no\r\n"}, PN_SMTP_OUT_PERMANENT, 554, NULL},
        {{.data = "250 odd\r\n"}, PN_SMTP_OUT_TEMPORARY, 250, NULL},
        {{.dot = "452 full\r\n"}, PN_SMTP_OUT_TEMPORARY, 452, "452 full"},
        {{.dot = "554 spam\r\n"}, PN_SMTP_OUT_PERMANENT, 554, NULL},
        {{.ehlo = "250-mx\r\n250 SIZE 10\r\n"},
         PN_SMTP_OUT_PERMANENT,
         0,
         "the message is larger than the server takes"},
        /* Lost before the final dot: nobody has it. After it: nobody knows. */
        {{.banner = CUT}, PN_SMTP_OUT_TEMPORARY, 0, NULL},
        {{.mail = CUT}, PN_SMTP_OUT_TEMPORARY, 0, NULL},
        {{.data = CUT}, PN_SMTP_OUT_TEMPORARY, 0, NULL},
        {{.dot = CUT}, PN_SMTP_OUT_UNKNOWN, 0, "the connection was lost: closed by the server"},
        {{.dot = "250 o\0k"}, PN_SMTP_OUT_UNKNOWN, 0, NULL},
        {{.dot = "hello\r\n"}, PN_SMTP_OUT_UNKNOWN, 0, "no SMTP reply code"},
        {{.banner = "SSH-2.0\r\n"}, PN_SMTP_OUT_TEMPORARY, 0, "no SMTP reply code"},
        {{.banner = "220 mx\r\n250 early\r\n"}, PN_SMTP_OUT_TEMPORARY, 0, "the server spoke out of turn"},
        {{.silent_dot = true}, PN_SMTP_OUT_UNKNOWN, 0, "the server did not answer in time"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_smtp_out_request rq = {.n_recipients = 2, .data_reply_ms = 300};
        struct outcome o = run(&rows[i].script, rq, "Subject: x\r\n\r\nlong enough\r\n");
        if (o.status != rows[i].status || o.code != rows[i].code || (rows[i].text && strcmp(o.text, rows[i].text) != 0))
            fail_msg("row %u: %s %d %s", i, pn_smtp_out_status_name(o.status), o.code, o.text);
    }
}

static void test_lost_in_body(void **state)
{
    struct script cut = {.cut_in_body = true};
    char *m = malloc(20000001);

    (void)state;
    memset(m, 'x', 20000000);
    m[20000000] = '\0';
    cut.ehlo = "250 mx\r\n";
    struct outcome o = run(&cut, (struct pn_smtp_out_request){.n_recipients = 1}, m);
    assert_int_equal(o.status, PN_SMTP_OUT_TEMPORARY);
    free(m);
    /* Nobody listens. */
    struct pn_smtp_out_request rq = {.n_recipients = 1, .port = 1};
    o = run(&cut, rq, "x");
    assert_int_equal(o.status, PN_SMTP_OUT_TEMPORARY);
    assert_string_equal(o.text, "connect: Connection refused");
}

static void test_envelopes(void **state)
{
    static char *bad[] = {(char *)"a@b>\r\nRCPT TO:<x@y", (char *)"a b@c", (char *)"", (char *)"a@b\x01",
                          (char *)"\xff@x"};
    struct event_base *base = event_base_new();
    struct pn_error err;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct pn_smtp_out_request rq = {.helo = "h", .sender = "", .recipients = &bad[i], .n_recipients = 1};
        assert_null(pn_smtp_out_start(base, &rq, done, NULL, &err));
        char *good[] = {(char *)"x@y"};
        rq.recipients = good;
        if (i == 2)
            continue; /* an empty sender is one */
        rq.sender = bad[i];
        assert_null(pn_smtp_out_start(base, &rq, done, NULL, &err));
    }
    event_base_free(base);
}

static void test_tls(void **state)
{
    struct script with = {.ehlo = "250-mx\r\n250 STARTTLS\r\n"}, without = {.ehlo = "250 mx\r\n"},
                  bad = {.ehlo = "250-mx\r\n250 STARTTLS\r\n", .bad_tls = true},
                  injected = {.ehlo = "250-mx\r\n250 STARTTLS\r\n", .starttls = "220 go\r\n250 injected\r\n"};
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct pn_smtp_out_request must = {.n_recipients = 1, .tls = PN_SMTP_OUT_STARTTLS_MUST, .tls_ctx = client},
                               may = {.n_recipients = 1, .tls = PN_SMTP_OUT_STARTTLS_MAY, .tls_ctx = client};

    (void)state;
    smtpd.ctx = server_ctx("mx.example.org", -1, 30, NULL);
    assert_non_null(smtpd.ctx);
    struct outcome o = run(&with, must, "x\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_true(o.tls);
    assert_non_null(strstr(smtpd.got, "STARTTLS|EHLO "));
    o = run(&without, must, "x\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_TEMPORARY);
    assert_null(strstr(smtpd.got, "MAIL"));
    o = run(&without, may, "x\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_false(o.tls);
    o = run(&bad, must, "x\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_TEMPORARY);
    assert_null(strstr(smtpd.got, "MAIL"));
    o = run(&bad, may, "x\r\n"); /* once more in clear */
    assert_int_equal(o.status, PN_SMTP_OUT_ACCEPTED);
    assert_int_equal(smtpd.sessions, 2);
    o = run(&injected, must, "x\r\n"); /* what came in clear is not read as if it came through TLS */
    assert_int_equal(o.status == PN_SMTP_OUT_ACCEPTED ? o.tls : true, true);
    /* A context that verifies: this certificate is its own. */
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    must.server_name = "mx.example.org";
    o = run(&with, must, "x\r\n");
    assert_int_equal(o.status, PN_SMTP_OUT_TEMPORARY);
    assert_non_null(strstr(o.text, "TLS"));
    SSL_CTX_free(client);
    SSL_CTX_free(smtpd.ctx);
}

/* Stuffed and taken apart again it is the same, however it is cut. */
static void test_stuffing(void **state)
{
    static const char alphabet[] = ".\r\nx";
    char in[12], out[64], whole[64];

    (void)state;
    for (unsigned n = 0; n < 4 * 4 * 4 * 4 * 4 * 4; n++) {
        for (unsigned i = 0; i < 6; i++)
            in[i] = alphabet[n >> 2 * i & 3];
        for (unsigned step = 1; step <= 6; step += 5) {
            struct pn_smtp_stuff st = {.cr = false};
            size_t len = 0, used;
            for (unsigned at = 0; at < 6; at += (unsigned)used) {
                unsigned part = 6 - at < step ? 6 - at : step;
                len += pn_smtp_stuff(&st, (const uint8_t *)in + at, part, &used, out + len, 4 + 2 * step);
                assert_true(used > 0);
            }
            strcpy(out + len, pn_smtp_stuff_end(&st));
            if (step == 1)
                strcpy(whole, out);
            assert_string_equal(out, whole);
            /* No bare CR or LF, and the end is the only line of a dot. */
            char *end = strncmp(out, ".\r\n", 3) == 0 ? out : strstr(out, "\r\n.\r\n");
            assert_non_null(end);
            assert_int_equal(strlen(end), end == out ? 3 : 5);
            for (char *p = out; *p; p++)
                assert_true((*p != '\r' || p[1] == '\n') && (*p != '\n' || p[-1] == '\r'));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_accepted),  cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_refused),   cmocka_unit_test(test_lost_in_body),
                                       cmocka_unit_test(test_envelopes), cmocka_unit_test(test_tls),
                                       cmocka_unit_test(test_stuffing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
