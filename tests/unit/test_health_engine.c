/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker against small servers on loopback: what it concludes, and what the servers see of it. */
#include "tests/unit/health_world.h"

static void tcp_up_then_refused(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "127.0.0.1");

    apply(f);
    expect(f, PN_HEALTH_UP, "connected");
    server_close(&f->server);
    f->member_calls = 0;
    uint64_t begin = mono_ms();
    expect(f, PN_HEALTH_DOWN, "connect: Connection refused");
    assert_true(mono_ms() - begin >= 50); /* not before three failures */
    rows_read(f);
    assert_int_equal(f->rows, 1);
    assert_true(f->row.failed >= 3 && f->row.done > f->row.failed);
    assert_int_equal(f->row.health, PN_HEALTH_DOWN);
    assert_int_equal(f->row.cert_days_left, INT32_MIN);
    assert_true(f->row.last_at_ms > 0);
    assert_string_equal(f->row.check, "c1");
    /* back after rise */
    assert_true(server_open(&f->server, f->base, "127.0.0.1", f->checks[0].port));
    f->member_calls = 0;
    expect(f, PN_HEALTH_UP, "connected");
    assert_int_equal(f->member_calls, 1);
    teardown(f);
}

static void smtp_late_banner_and_quit(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting = "220-late\r\n220 late\r\n";
    f->server.greeting_ms = 150;
    f->server.ehlo = "250-x\r\n250-PIPELINING\r\n250 SIZE 1\r\n";
    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    pn_health_suspect(f->engine, "mx1"); /* at once, not after the spread */
    expect(f, PN_HEALTH_UP, "250-x");
    RUN_UNTIL(f, 5000, f->server.open == 0);
    assert_string_equal(f->server.got, "EHLO lb.example\r\nQUIT\r\n");
    assert_int_equal(f->server.ended_clean, 1);
    assert_int_equal(f->server.ended_reset, 0);
    rows_read(f);
    assert_true(f->row.last_ms >= 140 && f->row.last_ms < 1000);
    teardown(f);
}

static void smtp_over_ipv6(void **state)
{
    (void)state;
    struct server probe = {0};
    struct event_base *base = event_base_new();
    bool has_ipv6 = server_open(&probe, base, "::1", 0);

    server_close(&probe);
    event_base_free(base);
    if (!has_ipv6)
        skip();
    struct fixture *f = setup(PN_CHECK_SMTP, "::1");
    f->server.greeting = "220 six\r\n";
    apply(f);
    expect(f, PN_HEALTH_UP, "250 x");
    teardown(f);
}

static void smtp_silence(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->checks[0].timeout_ms = 200;
    apply(f);
    expect(f, PN_HEALTH_DOWN, "timeout after 200 ms waiting for the banner");
    teardown(f);

    f = setup(PN_CHECK_SMTP, "127.0.0.1");
    f->checks[0].banner_delay_ms = 100;
    uint64_t begin = mono_ms();
    apply(f);
    expect(f, PN_HEALTH_DOWN, "timeout after 100 ms waiting for the banner");
    assert_true(mono_ms() - begin < 1900);
    teardown(f);
}

static void smtp_busy_and_back(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    apply(f);
    expect(f, PN_HEALTH_UP, "250 x");
    f->server.greeting = "421 too many\r\n";
    f->member_calls = 0;
    expect(f, PN_HEALTH_BUSY, "421 too many");
    f->server.greeting = "220 x\r\n";
    f->member_calls = 0;
    expect(f, PN_HEALTH_UP, "250 x");
    teardown(f);
}

static void smtp_bad_servers(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");
    f->server.greeting = "SSH-2.0-x\r\n";
    apply(f);
    expect(f, PN_HEALTH_DOWN, "no SMTP reply code waiting for the banner");
    teardown(f);

    f = setup(PN_CHECK_SMTP, "127.0.0.1");
    f->server.greeting = "220-";
    f->server.flood = true;
    apply(f);
    expect(f, PN_HEALTH_DOWN, "reply with too many lines waiting for the banner");
    teardown(f);

    f = setup(PN_CHECK_SMTP, "127.0.0.1");
    f->server.greeting = "220 clo";
    f->server.close_after_greeting = true;
    apply(f);
    expect(f, PN_HEALTH_DOWN, "connection closed waiting for the banner");
    teardown(f);
}

static void starttls(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP_STARTTLS, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    f->server.ehlo = "250-x\r\n250 STARTTLS\r\n";
    f->server.ctx = server_ctx("mx.example", -10, 30, NULL);
    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    pn_health_suspect(f->engine, "mx1");
    expect(f, PN_HEALTH_UP, "250-x");
    rows_read(f);
    assert_int_equal(f->row.cert_days_left, 30);
    RUN_UNTIL(f, 5000, f->server.open == 0);
    assert_string_equal(f->server.got, "EHLO lb.example\r\nSTARTTLS\r\nEHLO lb.example\r\nQUIT\r\n");
    assert_int_equal(f->server.ended_clean, 1);
    assert_int_equal(f->server.ended_reset, 0);
    teardown(f);
}

static void starttls_injection_is_thrown_away(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP_STARTTLS, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    f->server.ehlo = "250-inside\r\n250 STARTTLS\r\n";
    f->server.starttls_extra = "250 injected\r\n";
    f->server.ctx = server_ctx("mx.example", -10, 30, NULL);
    apply(f);
    expect(f, PN_HEALTH_UP, "250-inside");
    teardown(f);
}

static void smtps_expired_and_verify(void **state)
{
    (void)state;
    char pem[] = "/tmp/pn-health-XXXXXX";
    close(mkstemp(pem));
    static const struct {
        const char *cert_name, *host;
        int end;
        bool verify, ca;
        enum pn_health health;
        const char *reason;
        int days;
    } rows[] = {
        {"mx.example", "mx.example", 30, true, true, PN_HEALTH_UP, "250 x", 30},
        {"mx.example", "mx.example", -3, false, false, PN_HEALTH_UP, "250 x", -3},
        {"mx.example", "mx.example", -3, true, true, PN_HEALTH_DOWN, "TLS: certificate has expired", -3},
        {"mx.example", "other.example", 30, true, true, PN_HEALTH_DOWN, "TLS: hostname mismatch", 30},
        {"mx.example", "", 30, true, true, PN_HEALTH_DOWN, "TLS: IP address mismatch", 30},
        {"mx.example", "mx.example", 30, true, false, PN_HEALTH_DOWN, "TLS: self-signed certificate", 30},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = setup(PN_CHECK_SMTPS, "127.0.0.1");
        f->server.greeting = "220 x\r\n";
        f->server.tls_first = true;
        f->server.ctx = server_ctx(rows[i].cert_name, -10, rows[i].end, rows[i].ca ? pem : NULL);
        f->checks[0].verify = rows[i].verify;
        f->checks[0].interval_ms = NEVER_MS;
        strcpy(f->checks[0].host, rows[i].host);
        strcpy(f->checks[0].ca_file, rows[i].ca ? pem : "");
        apply(f);
        pn_health_suspect(f->engine, "mx1");
        expect(f, rows[i].health, rows[i].reason);
        rows_read(f);
        assert_int_equal(f->row.cert_days_left, rows[i].days);
        RUN_UNTIL(f, 5000, f->server.open == 0);
        assert_non_null(strstr(f->server.got, "QUIT\r\n")); /* even then */
        assert_int_equal(f->server.ended_clean, 1);
        teardown(f);
    }
    unlink(pem);
}

static void tls_to_a_plain_server(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTPS, "127.0.0.1");

    f->server.greeting = "220 no TLS here\r\n";
    apply(f);
    RUN_UNTIL(f, 4000, f->member_calls > 0);
    assert_int_equal(f->health, PN_HEALTH_DOWN);
    assert_non_null(strstr(f->reason, "TLS handshake: "));
    teardown(f);
}

static void http_and_https(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_HTTP, "127.0.0.1");
    f->server.http = "HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\nbody";
    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    pn_health_suspect(f->engine, "mx1");
    expect(f, PN_HEALTH_UP, "HTTP/1.1 200 Fine");
    assert_int_equal(strncmp(f->server.got, "GET / HTTP/1.1\r\nHost: 127.0.0.1:", 32), 0);
    teardown(f);

    f = setup(PN_CHECK_HTTPS, "127.0.0.1");
    f->server.http = "HTTP/1.1 500 Broken\r\n\r\n";
    f->server.tls_first = true;
    f->server.ctx = server_ctx("mx.example", -10, 5, NULL);
    apply(f);
    expect(f, PN_HEALTH_DOWN, "status not within 200-399: HTTP/1.1 500 Broken");
    rows_read(f);
    assert_int_equal(f->row.cert_days_left, 5);
    teardown(f);
}

static void agent_reports_and_vanishes(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_AGENT, "127.0.0.1");

    f->server.greeting = "up 75% maxconn:30 queue:5 bogus\n";
    f->server.close_after_greeting = true;
    apply(f);
    RUN_UNTIL(f, 5000, f->agent_calls > 0);
    assert_true(f->agent.up && f->agent.has_queue);
    assert_int_equal(f->agent.percent, 75);
    assert_int_equal(f->agent.queue, 5);
    server_close(&f->server);
    RUN_UNTIL(f, 5000, f->agent_gone > 0);
    assert_int_equal(f->agent_gone, 1);
    rows_read(f);
    assert_true(f->row.failed >= 3); /* not before fall */
    RUN_UNTIL(f, 200, false);
    assert_int_equal(f->agent_gone, 1); /* told once */
    assert_int_equal(f->member_calls, 0); /* an agent says nothing about health */

    /* Out of the configuration: its orders are taken back. */
    f->pool.n_checks = 0;
    apply(f);
    RUN_UNTIL(f, 5000, f->agent_gone > 1);
    assert_int_equal(f->agent_gone, 2);
    assert_true(f->agent.ready && f->agent.up && f->agent.has_maxconn);
    assert_int_equal(f->agent.percent, 100);
    assert_int_equal(f->agent.maxconn, 0);
    teardown(f);
}

static void worst_check_decides(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "127.0.0.1");
    struct server other = {0};

    f->server.greeting = "220 x\r\n";
    assert_true(server_open(&other, f->base, "127.0.0.1", 0));
    other.greeting = "421 busy\r\n";
    f->checks[1] = f->checks[0];
    strcpy(f->checks[1].name, "c2");
    f->checks[1].type = PN_CHECK_SMTP;
    f->checks[1].port = other.port;
    f->conf.n_checks = f->pool.n_checks = 2;
    f->pool.checks[1] = 1;
    apply(f);
    RUN_UNTIL(f, 5000, f->health == PN_HEALTH_BUSY);
    assert_int_equal(f->health, PN_HEALTH_BUSY);
    assert_non_null(strstr(f->reason, "421 busy"));
    /* The bad one goes out of the configuration: told at once. */
    f->pool.n_checks = 1;
    apply(f);
    RUN_UNTIL(f, 5000, f->health == PN_HEALTH_UP);
    assert_int_equal(f->health, PN_HEALTH_UP);
    server_close(&other);
    RUN_UNTIL(f, 5000, other.open == 0);
    teardown(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_up_then_refused),
        cmocka_unit_test(smtp_late_banner_and_quit),
        cmocka_unit_test(smtp_over_ipv6),
        cmocka_unit_test(smtp_silence),
        cmocka_unit_test(smtp_busy_and_back),
        cmocka_unit_test(smtp_bad_servers),
        cmocka_unit_test(starttls),
        cmocka_unit_test(starttls_injection_is_thrown_away),
        cmocka_unit_test(smtps_expired_and_verify),
        cmocka_unit_test(tls_to_a_plain_server),
        cmocka_unit_test(http_and_https),
        cmocka_unit_test(agent_reports_and_vanishes),
        cmocka_unit_test(worst_check_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
