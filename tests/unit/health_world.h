/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker with one gateway, and a memory of what it concluded. */
#ifndef TESTS_UNIT_HEALTH_WORLD_H
#define TESTS_UNIT_HEALTH_WORLD_H

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

static inline void on_member(void *arg, const char *pool, const char *gateway, enum pn_health health,
                             const char *reason)
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

static inline void on_agent(void *arg, const char *gateway, const struct pn_agent_report *report)
{
    struct fixture *f = arg;

    assert_string_equal(gateway, "mx1");
    f->agent_calls++;
    if (report)
        f->agent = *report;
    else
        f->agent_gone++;
}

static inline void on_row(void *arg, const struct pn_health_row *row)
{
    struct fixture *f = arg;

    f->rows++;
    f->row = *row;
    snprintf(f->row_reason, sizeof(f->row_reason), "%s", row->reason);
}

static inline void rows_read(struct fixture *f)
{
    f->rows = 0;
    pn_health_each(f->engine, on_row, f);
}

static inline void engine_new(struct fixture *f)
{
    struct pn_health_callbacks cb = {.member = on_member, .agent = on_agent, .arg = f};

    f->engine = pn_health_engine_new(f->base, &cb);
    assert_non_null(f->engine);
}

static inline struct fixture *setup(enum pn_check_type type, const char *ip)
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

static inline void apply(struct fixture *f)
{
    struct pn_error err = {{0}};

    if (pn_health_apply(f->engine, &f->conf, &err) != 0)
        fail_msg("%s", err.text);
}

static inline uint64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline void wakeup(evutil_socket_t fd, short what, void *arg)
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

static inline void teardown(struct fixture *f)
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
static inline void expect(struct fixture *f, enum pn_health health, const char *reason)
{
    static const char *const types[PN_CHECK_TYPE_COUNT] = {"tcp", "smtp", "smtp-starttls", "smtps", "http", "https"};
    char want[256];

    RUN_UNTIL(f, 4000, f->member_calls > 0);
    if (f->health != health)
        fail_msg("health %d, \"%s\"", f->health, f->reason);
    snprintf(want, sizeof(want), "%s port %u: %s", types[f->checks[0].type], f->checks[0].port, reason);
    assert_string_equal(f->reason, want);
}

#endif
