/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd as a whole against a fake dataplane: load, spill, and what gateways' agents say. */
#include "tests/unit/daemon_world.h"

static void test_load_above_the_mark_spills(void **state)
{
    struct pn_snapshot s;

    (void)state;
    start_dp();
    fake_dp_run(d->base, 250); /* a first reading, so that the secondary's load is known */
    fake_dp_worker(&dp, 0)->gateways[pn_view_gateway_id(&d->view, 0)].active = 50;
    for (int i = 0; i < 40 && !d->spills[0].in_spill; i++)
        fake_dp_run(d->base, 50);
    assert_true(d->spills[0].in_spill);
    fake_dp_run(d->base, 50);
    s = running();
    assert_true(s.tiers[0].spill_share > 0 || s.tiers[0].spill_above_active > 0);
    fake_dp_worker(&dp, 0)->gateways[pn_view_gateway_id(&d->view, 0)].active = 1;
    for (int i = 0; i < 60 && d->spills[0].in_spill; i++)
        fake_dp_run(d->base, 50);
    assert_false(d->spills[0].in_spill);
    fake_dp_run(d->base, 50);
    s = running();
    assert_int_equal(s.tiers[0].spill_share, 0);
    assert_int_equal(s.tiers[0].spill_above_active, 0);
    fake_dp_stop(&dp);
}

static unsigned agent_asked;

static const char *agent_says;

static void on_agent_asked(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    (void)l;
    (void)sa;
    (void)len;
    (void)arg;
    agent_asked += write(fd, agent_says, strlen(agent_says)) > 0;
    close(fd);
}

/* What an agent said once holds until it says otherwise, in the daemon as in health/member_fsm.h. */
static void test_an_agents_words_hold(void **state)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    const struct pn_rt_gateway *g;
    struct evconnlistener *l;
    struct pn_conf_error errors[8];
    char check[96], text[4096], *at;
    unsigned n;
    FILE *f;

    (void)state;
    l = evconnlistener_new_bind(d->base, on_agent_asked, NULL, LEV_OPT_CLOSE_ON_FREE, 4, (struct sockaddr *)&sin,
                                sizeof(sin));
    assert_non_null(l);
    assert_int_equal(getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&sin, &len), 0);
    snprintf(check, sizeof(check), "type = agent; port = %u; interval = 100ms", ntohs(sin.sin_port));
    write_conf_checked(check);
    f = fopen(conf_path, "r");
    text[fread(text, 1, sizeof(text) - 40, f)] = '\0';
    fclose(f);
    at = strstr(text, "\"192.0.2.11\"");
    memmove(at + 12 + 29, at + 12, strlen(at + 12) + 1);
    memcpy(at + 12, "; check-address = \"127.0.0.1\"", 29);
    write_conf(text);
    agent_asked = 0;
    agent_says = "50% maxconn:5 drain queue:3\n";
    assert_int_equal(pn_reload(d, errors, 8, &n), 0);
    g = &d->rt->gateways[0];
    assert_true(fake_dp_wait(d->base, &agent_asked, 1, 3000));
    fake_dp_run(d->base, 50);
    assert_true(g->agent_known && g->agent_drain);
    assert_int_equal(g->agent_maxconn, 5);
    agent_says = "maint\n";
    n = agent_asked + 1;
    assert_true(fake_dp_wait(d->base, &agent_asked, n, 3000));
    fake_dp_run(d->base, 50);
    assert_true(g->agent_maint && !g->agent_drain);
    assert_int_equal(g->agent_maxconn, 5);
    assert_int_equal(g->agent_percent, 50);
    assert_int_equal(g->agent_queue, -1);
    evconnlistener_free(l);
}

/* A tier with marks that is well below them from the first reading on takes spill: nothing has to happen to it first. */
static void test_an_idle_tier_with_marks_takes_spill(void **state)
{
    struct pn_conf_error errors[8];
    unsigned n;
    char text[2048], *at;

    (void)state;
    start_dp();
    snprintf(text, sizeof(text), "%s", conf_text);
    at = strstr(text, "gateways = [\"mx2\"]");
    snprintf(at, sizeof(text) - (size_t)(at - text), "gateways = [\"mx2\"]; spill { active-flows-high = 10 }%s",
             strstr(conf_text, "gateways = [\"mx2\"]") + strlen("gateways = [\"mx2\"]"));
    fake_dp_run(d->base, 250); /* the gateway's load has been read before the tier got its marks */
    write_conf(text);
    assert_int_equal(pn_reload(d, errors, 8, &n), 0);
    fake_dp_run(d->base, 250);
    assert_true(pn_rt_tier(d->rt, 0, 1)->accepts_spill);
    assert_int_equal(running().tiers[1].flags, PN_SNAP_TIER_ACCEPTS_SPILL);
    fake_dp_stop(&dp);
}

/* What an agent ordered looks like a failed check in the snapshot. No check would ever take it back. */
static void test_an_agents_down_is_no_failed_check(void **state)
{
    struct pn_snap_member *members;
    struct pn_snapshot s;

    (void)state;
    start_dp();
    s = running();
    members = (struct pn_snap_member *)(uintptr_t)s.members;
    members[0].flags = PN_SNAP_MEMBER_DOWN;
    write_conf_checked("type = agent; port = 1; interval = 60s");
    daemon_again(pn_clock_ns());
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
    fake_dp_run(d->base, 100);
    assert_int_equal(pn_rt_member(d->rt, 0, 0, 0)->health, PN_HEALTH_UNKNOWN);
    assert_int_equal(running().members[0].flags, 0);
    fake_dp_stop(&dp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_load_above_the_mark_spills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_agents_words_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_idle_tier_with_marks_takes_spill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_agents_down_is_no_failed_check, setup, teardown),
    };

    pn_log_init("test", PN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
