/* SPDX-License-Identifier: BSD-3-Clause */
/* SMTP replies and the dialogue of the smtp checks, each script whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_script.h"

static const char *const bad_lines = "no SMTP reply code";

static void replies(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        enum pn_smtp_reply_status status;
        unsigned code, lines, rest;
        const char *text;
    } rows[] = {
        {"220 mx ESMTP\r\n", PN_SMTP_REPLY_DONE, 220, 1, 0, "220 mx ESMTP"},
        {"220 mx ESMTP\n", PN_SMTP_REPLY_DONE, 220, 1, 0, "220 mx ESMTP"},
        {"220\r\n", PN_SMTP_REPLY_DONE, 220, 1, 0, "220"},
        {"220 \r\n", PN_SMTP_REPLY_DONE, 220, 1, 0, "220 "},
        {"220-a\r\n220-b\r\n220 c\r\nrest", PN_SMTP_REPLY_DONE, 220, 3, 4, "220-a"},
        {"220-a\r\n220\r\n", PN_SMTP_REPLY_DONE, 220, 2, 0, "220-a"},
        {"220 mx", PN_SMTP_REPLY_MORE, 0, 0, 0, NULL},
        {"220-a\r\n", PN_SMTP_REPLY_MORE, 220, 1, 0, NULL},
        {"", PN_SMTP_REPLY_MORE, 0, 0, 0, NULL},
        {"220-a\r\n250 b\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, "lines of one reply with different codes"},
        {"SSH-2.0-OpenSSH\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, bad_lines},
        {"\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, bad_lines},
        {"\n", PN_SMTP_REPLY_BAD, 0, 0, 0, bad_lines},
        {"22\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, bad_lines},
        {"2 20 x\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, bad_lines},
        {"2200 x\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, "no blank or hyphen after the reply code"},
        {"220\tx\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, "no blank or hyphen after the reply code"},
        {"199 x\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, "reply code that SMTP does not have"},
        {"600 x\r\n", PN_SMTP_REPLY_BAD, 0, 0, 0, "reply code that SMTP does not have"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t chunk = 1; chunk <= 64; chunk *= 8) {
            struct pn_smtp_reply r = {0};
            size_t len = strlen(rows[i].in), at = 0, used;
            enum pn_smtp_reply_status status = PN_SMTP_REPLY_MORE;
            while (at < len && status == PN_SMTP_REPLY_MORE) {
                size_t n = len - at < chunk ? len - at : chunk;
                status = pn_smtp_reply_feed(&r, (const uint8_t *)rows[i].in + at, n, &used);
                at += used;
            }
            if (status != rows[i].status)
                fail_msg("%s: status %d", rows[i].in, status);
            if (status == PN_SMTP_REPLY_BAD) {
                assert_string_equal(r.bad, rows[i].text);
                continue;
            }
            assert_int_equal(r.code, rows[i].code);
            assert_int_equal(r.lines, rows[i].lines);
            assert_int_equal(len - at, rows[i].rest);
            if (rows[i].text)
                assert_string_equal(r.text, rows[i].text);
        }
    }
}

static void reply_limits(void **state)
{
    (void)state;
    static uint8_t big[PN_SMTP_LINE_BYTES + 8];
    struct pn_smtp_reply r = {0};
    size_t used;

    memset(big, 'x', sizeof(big));
    memcpy(big, "220 ", 4);
    assert_int_equal(pn_smtp_reply_feed(&r, big, PN_SMTP_LINE_BYTES, &used), PN_SMTP_REPLY_MORE);
    assert_int_equal(pn_smtp_reply_feed(&r, big + 4, 1, &used), PN_SMTP_REPLY_BAD);
    assert_string_equal(r.bad, "reply line too long");
    /* exactly as long is a line */
    memset(&r, 0, sizeof(r));
    big[PN_SMTP_LINE_BYTES] = '\n';
    assert_int_equal(pn_smtp_reply_feed(&r, big, sizeof(big), &used), PN_SMTP_REPLY_DONE);
    assert_int_equal(used, PN_SMTP_LINE_BYTES + 1);
    assert_int_equal(strlen(r.text), sizeof(r.text) - 1);

    memset(&r, 0, sizeof(r));
    for (unsigned i = 1; i < PN_SMTP_REPLY_LINES; i++)
        assert_int_equal(pn_smtp_reply_feed(&r, (const uint8_t *)"220-\r\n", 6, &used), PN_SMTP_REPLY_MORE);
    assert_int_equal(pn_smtp_reply_feed(&r, (const uint8_t *)"220-\r\n", 6, &used), PN_SMTP_REPLY_BAD);

    memset(&r, 0, sizeof(r));
    assert_int_equal(pn_smtp_reply_feed(&r, (const uint8_t *)"220 a\0b\r\n", 9, &used), PN_SMTP_REPLY_BAD);
    assert_string_equal(r.bad, "NUL byte in a reply");
}

static void starttls_keyword(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool offered;
    } rows[] = {
        {"250-mx\r\n250 STARTTLS\r\n", true},
        {"250-mx\r\n250-starttls\r\n250 X\r\n", true},
        {"250-mx\r\n250 STARTTLS x\r\n", true},
        {"250-mx\r\n250 STARTTLSX\r\n", false},
        {"250 STARTTLS\r\n", false},
        {"250-STARTTLS\r\n250 mx\r\n", false},
        {"250-mx\r\n250 XSTARTTLS\r\n", false},
        {"250-mx\r\n250 STARTTL\r\n", false},
        {"250-mx\r\n250\r\n", false},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_smtp_reply r = {0};
        size_t used;
        assert_int_equal(pn_smtp_reply_feed(&r, (const uint8_t *)rows[i].in, strlen(rows[i].in), &used),
                         PN_SMTP_REPLY_DONE);
        if (r.starttls != rows[i].offered)
            fail_msg("%s", rows[i].in);
    }
}

struct dialogue {
    enum pn_check_type type;
    const char *parts[8];
    bool eof;
    const char *tls_error;
    enum pn_health verdict;
    const char *reason;
    const char *sent;
};

#define EHLO "EHLO lb.example\r\n"
#define HELO "HELO lb.example\r\n"
#define QUIT "QUIT\r\n"
#define TLS_EHLO_REPLY "250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n"

static const struct dialogue dialogues[] = {
    {PN_CHECK_SMTP,
     {"220 mx ESMTP\r\n", "250-mx\r\n250 SIZE 1\r\n", "221 bye\r\n"},
     false,
     NULL,
     PN_HEALTH_UP,
     "250-mx",
     EHLO QUIT},
    /* postscreen: a teaser line, and much later the rest of the banner */
    {PN_CHECK_SMTP,
     {"220-mx ESMTP\r\n", "220 mx ESMTP\r\n", "250 mx\r\n", "221 bye\r\n"},
     false,
     NULL,
     PN_HEALTH_UP,
     "250 mx",
     EHLO QUIT},
    {PN_CHECK_SMTP,
     {"220 mx\r\n", "502 what\r\n", "250 mx\r\n", "221 bye\r\n"},
     false,
     NULL,
     PN_HEALTH_UP,
     "250 mx",
     EHLO HELO QUIT},
    {PN_CHECK_SMTP,
     {"220 mx\r\n", "502 what\r\n", "550 no\r\n", "221 bye\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "HELO refused: 550 no",
     EHLO HELO QUIT},
    /* the goodbye does not come, or comes in pieces: the verdict stands */
    {PN_CHECK_SMTP, {"220 mx\r\n", "250 mx\r\n"}, true, NULL, PN_HEALTH_UP, "250 mx", EHLO QUIT},
    {PN_CHECK_SMTP, {"220 mx\r\n", "250 mx\r\n"}, false, NULL, PN_HEALTH_UP, "250 mx", EHLO QUIT},
    {PN_CHECK_SMTP, {"220 mx\r\n", "250 mx\r\n", "garbage\r\n"}, false, NULL, PN_HEALTH_UP, "250 mx", EHLO QUIT},
    /* busy */
    {PN_CHECK_SMTP, {"421 too many\r\n"}, true, NULL, PN_HEALTH_BUSY, "421 too many", ""},
    {PN_CHECK_SMTP, {"450 later\r\n", "221 bye\r\n"}, true, NULL, PN_HEALTH_BUSY, "450 later", QUIT},
    {PN_CHECK_SMTP, {"220 mx\r\n", "421 stopping\r\n"}, true, NULL, PN_HEALTH_BUSY, "421 stopping", EHLO},
    {PN_CHECK_SMTP, {"220 mx\r\n", "451 later\r\n", "221 bye\r\n"}, true, NULL, PN_HEALTH_BUSY, "451 later", EHLO QUIT},
    {PN_CHECK_SMTP, {"220 mx\r\n421 stopping\r\n"}, true, NULL, PN_HEALTH_BUSY, "421 stopping", NULL},
    /* down */
    {PN_CHECK_SMTP, {"554 go away\r\n", "221 bye\r\n"}, true, NULL, PN_HEALTH_DOWN, "banner: 554 go away", QUIT},
    {PN_CHECK_SMTP, {"250 mx\r\n", "221 bye\r\n"}, true, NULL, PN_HEALTH_DOWN, "banner: 250 mx", QUIT},
    {PN_CHECK_SMTP, {NULL}, true, NULL, PN_HEALTH_DOWN, "connection closed waiting for the banner", ""},
    {PN_CHECK_SMTP, {NULL}, false, NULL, PN_HEALTH_DOWN, "timeout after 5 s waiting for the banner", ""},
    {PN_CHECK_SMTP, {"220 mx"}, true, NULL, PN_HEALTH_DOWN, "connection closed waiting for the banner", ""},
    {PN_CHECK_SMTP,
     {"220 mx\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "timeout after 5 s waiting for the reply to EHLO",
     EHLO},
    {PN_CHECK_SMTP, {"SSH-2.0\r\n"}, true, NULL, PN_HEALTH_DOWN, "no SMTP reply code waiting for the banner", ""},
    {PN_CHECK_SMTP,
     {"220 mx\r\n", "354 go\r\n", "221\r\n"},
     true,
     NULL,
     PN_HEALTH_DOWN,
     "EHLO refused: 354 go",
     EHLO QUIT},
    {PN_CHECK_SMTP, {"554 \x1b[2Jx\x7f\xff\r\n", "221\r\n"}, true, NULL, PN_HEALTH_DOWN, "banner: 554 ?[2Jx??", QUIT},
    /* STARTTLS */
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", TLS_EHLO_REPLY, "220 go\r\n", "250 mx\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_UP,
     "250 mx",
     EHLO "STARTTLS\r\n<TLS>" EHLO QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", "250 mx\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "STARTTLS not offered: 250 mx",
     EHLO QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", "502 no\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "EHLO refused: 502 no",
     EHLO QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", TLS_EHLO_REPLY, "454 later\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_BUSY,
     "454 later",
     EHLO "STARTTLS\r\n" QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", TLS_EHLO_REPLY, "501 no\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "STARTTLS refused: 501 no",
     EHLO "STARTTLS\r\n" QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", TLS_EHLO_REPLY, "220 go\r\n", "221\r\n"},
     false,
     "certificate has expired",
     PN_HEALTH_DOWN,
     "TLS: certificate has expired",
     EHLO "STARTTLS\r\n<TLS>" QUIT},
    {PN_CHECK_SMTP_STARTTLS,
     {"220 mx\r\n", TLS_EHLO_REPLY, "220 go\r\n", "550 no\r\n", "221\r\n"},
     false,
     NULL,
     PN_HEALTH_DOWN,
     "EHLO refused after STARTTLS: 550 no",
     EHLO "STARTTLS\r\n<TLS>" EHLO QUIT},
    /* smtps */
    {PN_CHECK_SMTPS, {"220 mx\r\n", "250 mx\r\n", "221\r\n"}, false, NULL, PN_HEALTH_UP, "250 mx", EHLO QUIT},
    {PN_CHECK_SMTPS,
     {"220 mx\r\n", "221\r\n"},
     false,
     "self-signed certificate",
     PN_HEALTH_DOWN,
     "TLS: self-signed certificate",
     QUIT},
    {PN_CHECK_SMTPS, {NULL}, true, "self-signed certificate", PN_HEALTH_DOWN, "TLS: self-signed certificate", ""},
};

static void scripts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
        const struct dialogue *d = &dialogues[i];
        struct pn_conf_check conf = {.type = d->type, .port = 25, .timeout_ms = 5000};
        for (size_t chunk = 0; chunk <= 3; chunk++) {
            struct script_result r = script_run(&conf, d->parts, chunk, d->eof, d->tls_error);
            if (r.verdict != d->verdict || (d->reason && strcmp(r.reason, d->reason) != 0) ||
                (d->sent && strcmp(r.sent, d->sent) != 0))
                fail_msg("dialogue %u, chunk %zu: verdict %d reason \"%s\" sent \"%s\"", i, chunk, r.verdict, r.reason,
                         r.sent);
        }
    }
}

/* What arrives together with a reply was sent before our command was read. */
static void out_of_turn(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_SMTP, .port = 25, .timeout_ms = 5000};
    struct script_result r =
        script_run(&conf, (const char *const[]){"220 mx\r\n250 mx\r\n221 bye\r\n", NULL}, 0, false, NULL);

    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_string_equal(r.reason, "the server spoke before the reply to EHLO was due");
    r = script_run(&conf, (const char *const[]){"220 mx\r\n", "250 mx\r\n250 again\r\n", NULL}, 0, false, NULL);
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    r = script_run(&conf, (const char *const[]){"220 mx\r\n421 stopping\r\n", NULL}, 0, false, NULL);
    assert_int_equal(r.verdict, PN_HEALTH_BUSY);

    /* Before TLS it is thrown away, and never taken for the reply to the EHLO inside. */
    conf.type = PN_CHECK_SMTP_STARTTLS;
    r = script_run(
        &conf, (const char *const[]){"220 mx\r\n", TLS_EHLO_REPLY, "220 go\r\n250 injected\r\n", "550 no\r\n", NULL}, 0,
        false, NULL);
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_string_equal(r.reason, "EHLO refused after STARTTLS: 550 no");
}

static void endless_banner(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_SMTP, .port = 25, .timeout_ms = 5000};
    struct pn_check_target target = {.conf = &conf, .addr = "x", .helo = "x", .host = "x"};
    static struct pn_check_run r;
    enum pn_check_act act;
    size_t used, total = 0;

    pn_check_init(&r, &target);
    act = pn_check_start(&r, NULL);
    while (act == PN_CHECK_MORE && total < 10 * PN_CHECK_MAX_BYTES) {
        char line[1024];
        memset(line, 'a', sizeof(line));
        memcpy(line, "220-", 4);
        memcpy(line + sizeof(line) - 2, "\r\n", 2);
        act = pn_check_input(&r, (const uint8_t *)line, sizeof(line), &used);
        total += used;
    }
    assert_int_equal(act, PN_CHECK_DONE);
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_true(total <= PN_CHECK_MAX_BYTES + 1024);
}

static void banner_delay(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_SMTP, .port = 25, .timeout_ms = 5000, .banner_delay_ms = 700};
    struct pn_check_target target = {.conf = &conf, .addr = "x", .helo = "x", .host = "x"};
    static struct pn_check_run r;
    size_t used;

    pn_check_init(&r, &target);
    pn_check_start(&r, NULL);
    assert_int_equal(r.wait_ms, 700);
    assert_int_equal(pn_check_input(&r, (const uint8_t *)"220 x\r\n", 7, &used), PN_CHECK_SEND);
    assert_int_equal(r.wait_ms, 0);
}

static void configuration_cannot_inject(void **state)
{
    (void)state;
    struct pn_conf_check good = {.name = "c", .type = PN_CHECK_SMTP, .port = 25, .timeout_ms = 1, .interval_ms = 1};
    struct pn_conf_check bad;
    struct pn_error err;

    assert_int_equal(pn_check_conf_valid(&good, &err), 0);
    bad = good;
    strcpy(bad.helo, "a\r\nMAIL FROM:<x>");
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    assert_non_null(strstr(err.text, "helo"));
    bad = good;
    strcpy(bad.host, "a b");
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    bad = good;
    strcpy(bad.path, "relative");
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    bad = good;
    memset(bad.path, '/', sizeof(bad.path));
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    bad = good;
    bad.type = PN_CHECK_TYPE_COUNT;
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    bad = good;
    bad.port = 0;
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
    bad = good;
    bad.interval_ms = 0;
    assert_int_equal(pn_check_conf_valid(&bad, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),          cmocka_unit_test(reply_limits),
        cmocka_unit_test(starttls_keyword), cmocka_unit_test(scripts),
        cmocka_unit_test(out_of_turn),      cmocka_unit_test(endless_banner),
        cmocka_unit_test(banner_delay),     cmocka_unit_test(configuration_cannot_inject),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
