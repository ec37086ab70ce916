/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker against small servers on loopback: what it concludes, what the servers see of it, and that it survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/addr.h"
#include "controlplane/health/health.h"
#include "health_server.h"

#define NEVER_MS 60000u

/* One pool "mx" with gateways "mx1" ... on loopback, one tier. */
struct fixture {
    struct event_base *base;
    struct pn_health_engine *engine;
    struct pn_conf conf;
    struct pn_conf_gateway gateways[4];
    struct pn_conf_check checks[4];
    struct pn_conf_pool pool;
    struct server server;
    /* what was told */
    unsigned member_calls, agent_calls, agent_gone;
    enum pn_health health;
    char reason[256];
    struct pn_agent_report agent;
    /* one row of pn_health_each */
    struct pn_health_row row;
    char row_reason[256];
    unsigned rows;
    void (*hook)(struct fixture *f); /* called from the member callback */
};

static void on_member(void *arg, const char *pool, const char *gateway, enum pn_health health, const char *reason)
{
    struct fixture *f = arg;

    assert_string_equal(pool, "mx");
    f->member_calls++;
    if (strcmp(gateway, "mx1") == 0) {
        f->health = health;
        snprintf(f->reason, sizeof(f->reason), "%s", reason);
    }
    if (f->hook)
        f->hook(f);
}

static void on_agent(void *arg, const char *gateway, const struct pn_agent_report *report)
{
    struct fixture *f = arg;

    assert_string_equal(gateway, "mx1");
    f->agent_calls++;
    if (report)
        f->agent = *report;
    else
        f->agent_gone++;
}

static void on_row(void *arg, const struct pn_health_row *row)
{
    struct fixture *f = arg;

    f->rows++;
    f->row = *row;
    snprintf(f->row_reason, sizeof(f->row_reason), "%s", row->reason);
}

static void rows_read(struct fixture *f)
{
    f->rows = 0;
    pn_health_each(f->engine, on_row, f);
}

static void engine_new(struct fixture *f)
{
    struct pn_health_callbacks cb = {.member = on_member, .agent = on_agent, .arg = f};

    f->engine = pn_health_engine_new(f->base, &cb);
    assert_non_null(f->engine);
}

static struct fixture *setup(enum pn_check_type type, const char *ip)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->base = event_base_new();
    assert_true(server_open(&f->server, f->base, ip, 0));
    strcpy(f->gateways[0].name, "mx1");
    pn_addr_parse(ip, &f->gateways[0].addr, NULL);
    f->gateways[0].check_addr = f->gateways[0].addr;
    f->checks[0] = (struct pn_conf_check){.name = "c1",
                                          .type = type,
                                          .port = f->server.port,
                                          .interval_ms = 30,
                                          .timeout_ms = 2000,
                                          .rise = 2,
                                          .fall = 3,
                                          .helo = "lb.example"};
    strcpy(f->pool.name, "mx");
    f->pool.n_checks = 1;
    f->pool.n_tiers = 1;
    f->pool.tiers[0].n_gateways = 1;
    f->conf = (struct pn_conf){
        .gateways = f->gateways, .checks = f->checks, .pools = &f->pool, .n_gateways = 1, .n_checks = 1, .n_pools = 1};
    engine_new(f);
    return f;
}

static void apply(struct fixture *f)
{
    struct pn_error err = {{0}};

    if (pn_health_apply(f->engine, &f->conf, &err) != 0)
        fail_msg("%s", err.text);
}

static uint64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void wakeup(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Runs the loop until the condition holds, or so long. */
#define RUN_UNTIL(f, ms, condition)                                                                                    \
    do {                                                                                                               \
        uint64_t end_ = mono_ms() + (ms);                                                                              \
        struct timeval tick_ = {0, 2000};                                                                              \
        while (!(condition) && mono_ms() < end_) {                                                                     \
            event_base_once((f)->base, -1, EV_TIMEOUT, wakeup, NULL, &tick_);                                          \
            event_base_loop((f)->base, EVLOOP_ONCE);                                                                   \
        }                                                                                                              \
    } while (0)

static void teardown(struct fixture *f)
{
    pn_health_engine_free(f->engine);
    server_close(&f->server);
    RUN_UNTIL(f, 5000, f->server.open == 0);
    assert_int_equal(f->server.open, 0); /* nothing left connected */
    RUN_UNTIL(f, 5, false);
    SSL_CTX_free(f->server.ctx);
    event_base_free(f->base);
    free(f);
}

/* Until the first verdict; checks it. reason: what follows "smtp port 25: ". */
static void expect(struct fixture *f, enum pn_health health, const char *reason)
{
    static const char *const types[PN_CHECK_TYPE_COUNT] = {"tcp", "smtp", "smtp-starttls", "smtps", "http", "https"};
    char want[256];

    RUN_UNTIL(f, 4000, f->member_calls > 0);
    if (f->health != health)
        fail_msg("health %d, \"%s\"", f->health, f->reason);
    snprintf(want, sizeof(want), "%s port %u: %s", types[f->checks[0].type], f->checks[0].port, reason);
    assert_string_equal(f->reason, want);
}

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

static void suspect_asks_now(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "127.0.0.1");

    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    pn_health_suspect(f->engine, "nobody");
    RUN_UNTIL(f, 5000, f->member_calls > 0); /* the first run comes within the spread */
    assert_int_equal(f->health, PN_HEALTH_UP);
    /* a suspicion without ground changes nothing */
    pn_health_suspect(f->engine, "mx1");
    RUN_UNTIL(f, 5000, f->server.accepted >= 2);
    RUN_UNTIL(f, 20, false);
    assert_int_equal(f->server.accepted, 2);
    assert_int_equal(f->member_calls, 1);
    /* again within the gap: not asked again */
    pn_health_suspect(f->engine, "mx1");
    RUN_UNTIL(f, 100, false);
    assert_int_equal(f->server.accepted, 2);
    RUN_UNTIL(f, 500, false);
    server_close(&f->server);
    pn_health_suspect(f->engine, "mx1");
    uint64_t begin = mono_ms();
    RUN_UNTIL(f, 5000, f->health == PN_HEALTH_DOWN);
    assert_int_equal(f->health, PN_HEALTH_DOWN);
    assert_true(mono_ms() - begin < 1000);
    teardown(f);
}

static void suspect_during_a_run_asks_again(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    f->server.greeting_ms = 150;
    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    RUN_UNTIL(f, 5000, f->server.open == 1);
    pn_health_suspect(f->engine, "mx1");
    RUN_UNTIL(f, 5000, f->server.accepted == 2);
    assert_int_equal(f->server.accepted, 2);
    teardown(f);
}

static void apply_keeps_runs_and_state(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    f->server.greeting_ms = 200;
    apply(f);
    RUN_UNTIL(f, 5000, f->server.open == 1);
    f->checks[0].interval_ms = NEVER_MS; /* how often, not what */
    f->checks[0].timeout_ms = 3000;
    for (int i = 0; i < 5; i++)
        apply(f);
    expect(f, PN_HEALTH_UP, "250 x");
    assert_int_equal(f->server.accepted, 1); /* the run was not broken off */
    rows_read(f);
    assert_int_equal(f->row.done, 1);
    for (int i = 0; i < 5; i++)
        apply(f);
    RUN_UNTIL(f, 100, false);
    assert_int_equal(f->member_calls, 1);
    rows_read(f);
    assert_int_equal(f->row.done, 1);
    assert_int_equal(f->row.health, PN_HEALTH_UP);
    /* Another port under the same name: health stands, the first answer decides at once. */
    server_close(&f->server);
    f->checks[0].port = 1;
    apply(f);
    rows_read(f);
    assert_int_equal(f->row.health, PN_HEALTH_UP);
    RUN_UNTIL(f, 5000, f->health == PN_HEALTH_DOWN);
    assert_int_equal(f->health, PN_HEALTH_DOWN);
    rows_read(f);
    assert_int_equal(f->row.failed, 1);
    teardown(f);
}

/* A gateway's new address is another machine: unknown at once, and its first answer is told although it is the same. */
static void apply_forgets_another_machine(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "0.0.0.0");

    pn_addr_parse("127.0.0.1", &f->gateways[0].check_addr, NULL);
    apply(f);
    RUN_UNTIL(f, 5000, f->member_calls == 1);
    assert_int_equal(f->health, PN_HEALTH_UP);
    pn_addr_parse("127.0.0.2", &f->gateways[0].check_addr, NULL);
    f->checks[0].interval_ms = NEVER_MS;
    apply(f);
    rows_read(f);
    assert_int_equal(f->row.health, PN_HEALTH_UNKNOWN);
    RUN_UNTIL(f, 5000, f->member_calls == 2);
    assert_int_equal(f->member_calls, 2);
    assert_int_equal(f->health, PN_HEALTH_UP);
    teardown(f);
}

static void apply_removes_in_mid_flight(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting_ms = 500;
    apply(f);
    RUN_UNTIL(f, 5000, f->server.open == 1);
    f->conf.n_pools = 0;
    apply(f);
    rows_read(f);
    assert_int_equal(f->rows, 0);
    RUN_UNTIL(f, 5000, f->server.open == 0);
    assert_int_equal(f->server.open, 0);
    assert_int_equal(f->member_calls, 0);
    teardown(f);
}

static void apply_refuses_and_goes_on(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "127.0.0.1");
    struct pn_error err;

    apply(f);
    expect(f, PN_HEALTH_UP, "connected");
    f->checks[1] = f->checks[0];
    strcpy(f->checks[1].name, "c2");
    f->checks[1].type = PN_CHECK_HTTPS;
    strcpy(f->checks[1].ca_file, "/nonexistent/ca.pem");
    f->conf.n_checks = f->pool.n_checks = 2;
    f->pool.checks[1] = 1;
    assert_int_equal(pn_health_apply(f->engine, &f->conf, &err), -1);
    assert_non_null(strstr(err.text, "c2"));
    assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
    strcpy(f->checks[1].ca_file, "");
    strcpy(f->checks[1].host, "a\r\nb");
    assert_int_equal(pn_health_apply(f->engine, &f->conf, &err), -1);
    unsigned was = f->server.accepted;
    RUN_UNTIL(f, 5000, f->server.accepted > was);
    assert_true(f->server.accepted > was);
    rows_read(f);
    assert_int_equal(f->rows, 1);
    teardown(f);
}

static void hook_apply(struct fixture *f)
{
    pn_health_suspect(f->engine, "mx1");
    f->conf.n_pools = f->member_calls % 2 ? 0 : 1;
    apply(f);
    pn_health_suspect(f->engine, "mx1");
}

static void hook_free(struct fixture *f)
{
    pn_health_engine_free(f->engine);
    f->engine = NULL;
}

static void callbacks_may_call_in(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");

    f->server.greeting = "220 x\r\n";
    f->hook = hook_apply;
    /* two members, so that one is dirty while the other's callback changes everything */
    f->gateways[1] = f->gateways[0];
    strcpy(f->gateways[1].name, "mx2");
    f->conf.n_gateways = 2;
    f->pool.tiers[0].gateways[1] = 1;
    f->pool.tiers[0].n_gateways = 2;
    apply(f);
    for (int i = 0; i < 6; i++) {
        unsigned was = f->member_calls;
        RUN_UNTIL(f, 5000, f->member_calls > was);
        f->conf.n_pools = 1;
        apply(f);
    }
    assert_true(f->member_calls >= 3);
    f->hook = hook_free;
    f->conf.n_pools = 0;
    apply(f); /* forgets the members, so that there is something to tell again */
    f->conf.n_pools = 1;
    apply(f);
    RUN_UNTIL(f, 5000, f->engine == NULL);
    assert_null(f->engine);
    engine_new(f);
    f->hook = NULL;
    teardown(f);
}

static void many_checks_share_descriptors(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_SMTP, "127.0.0.1");
    static struct pn_conf_gateway gateways[PN_MAX_GATEWAYS];
    static struct pn_conf_pool pools[3];
    static const char *const names[3] = {"mx", "mx", "mx"};

    /* 3 x 200 members of a server that answers late: no more than the limit at once, and all get their turn. */
    f->server.greeting = "220 x\r\n";
    f->server.greeting_ms = 450;
    f->checks[0].interval_ms = 500;
    f->checks[0].timeout_ms = 5000;
    for (unsigned i = 0; i < 200; i++) {
        gateways[i] = f->gateways[0];
        snprintf(gateways[i].name, sizeof(gateways[i].name), "mx%u", i + 1);
    }
    for (unsigned p = 0; p < 3; p++) {
        strcpy(pools[p].name, names[p]);
        pools[p].n_checks = pools[p].n_tiers = 1;
        for (unsigned i = 0; i < 200; i++)
            pools[p].tiers[0].gateways[i] = (uint16_t)i;
        pools[p].tiers[0].n_gateways = 200;
    }
    f->conf.gateways = gateways;
    f->conf.n_gateways = 200;
    f->conf.pools = pools;
    f->conf.n_pools = 3;
    apply(f);
    unsigned most = 0;
    RUN_UNTIL(f, 10000, (most = f->server.open > most ? f->server.open : most, f->member_calls >= 600));
    assert_int_equal(f->member_calls, 600);
    assert_true(most <= 256 + 64); /* the server sees an end a little later than the checker */
    teardown(f);
}

/* No descriptors left here is no fault of the gateway's. */
static void own_failures_are_not_held_against_gateways(void **state)
{
    (void)state;
    struct fixture *f = setup(PN_CHECK_TCP, "127.0.0.1");
    struct rlimit was, none;
    int next = dup(0);

    getrlimit(RLIMIT_NOFILE, &was);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = was.rlim_max};
    close(next);
    apply(f);
    setrlimit(RLIMIT_NOFILE, &none);
    RUN_UNTIL(f, 5000, (rows_read(f), f->row_reason[0]));
    RUN_UNTIL(f, 200, false);
    setrlimit(RLIMIT_NOFILE, &was);
    assert_non_null(strstr(f->row_reason, "not checked: Too many open files"));
    assert_int_equal(f->member_calls, 0);
    assert_int_equal(f->row.failed, 0);
    expect(f, PN_HEALTH_UP, "connected");
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
        cmocka_unit_test(suspect_asks_now),
        cmocka_unit_test(suspect_during_a_run_asks_again),
        cmocka_unit_test(apply_keeps_runs_and_state),
        cmocka_unit_test(apply_forgets_another_machine),
        cmocka_unit_test(apply_removes_in_mid_flight),
        cmocka_unit_test(apply_refuses_and_goes_on),
        cmocka_unit_test(callbacks_may_call_in),
        cmocka_unit_test(many_checks_share_descriptors),
        cmocka_unit_test(own_failures_are_not_held_against_gateways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
