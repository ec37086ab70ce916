/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker while its checks change, are asked for at once, call back or run out of descriptors. */
#include "tests/unit/health_world.h"

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
