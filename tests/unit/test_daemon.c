/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd as a whole against a fake dataplane: refilling it, taking up after a restart, orders, reloads. */
#include "controlplane/api/show.h"
#include "tests/unit/daemon_world.h"

static const struct pn_snap_gateway *running_gateway(const char *name)
{
    struct pn_snapshot s = running();

    for (unsigned i = 0; i < s.header->n_gateways; i++)
        if (strcmp(s.gateways[i].name, name) == 0)
            return &s.gateways[i];
    fail_msg("no gateway %s in the snapshot", name);
    return NULL;
}

static enum pn_election_state vip_state(void)
{
    pn_vips_refresh(d);
    return pn_own_vip_find(&d->ownership, "in4")->state;
}

static void test_a_fresh_dataplane_is_filled_and_leased(void **state)
{
    uint64_t now;

    (void)state;
    fake_dp_run(d->base, 50); /* alone at first */
    assert_int_equal(vip_state(), PN_EL_INIT);
    start_dp();
    now = pn_clock_ns();
    assert_int_equal(running().header->n_services, 1);
    assert_int_equal(running().header->n_members, 2);
    assert_in_range(dp.leases[running().vips[0].id].deadline_boottime_ns, now + 25 * UINT64_C(1000000000),
                    now + 30 * UINT64_C(1000000000));
    assert_int_equal(vip_state(), PN_EL_OWNER);
    assert_int_equal(d->push.status.running_generation, running().header->generation);
    /* A second dataplane in its place, empty: the same again. */
    fake_dp_stop(&dp);
    fake_dp_run(d->base, 20);
    assert_int_equal(vip_state(), PN_EL_INIT);
    start_dp();
    assert_int_equal(running().header->n_services, 1);
    fake_dp_stop(&dp);
}

static void test_orders_reach_it_and_survive_a_restart(void **state)
{
    struct pn_gateway_order drain = {.drain = 1, .disabled = -1, .weight = 7};
    struct pn_error err = {""};
    uint64_t generation;
    unsigned before;

    (void)state;
    start_dp();
    before = dp.asked[PN_DP_SNAPSHOT_PUT];
    /* Many changes at once are one snapshot. */
    for (drain.weight = 26; drain.weight > 7; drain.weight--)
        assert_int_equal(d->view.ops->gateway_order(d, 0, &drain, &err), 0);
    assert_int_equal(d->view.ops->gateway_order(d, 0, &drain, &err), 0);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], before + 1, 2000));
    fake_dp_run(d->base, 50);
    assert_int_equal(dp.asked[PN_DP_SNAPSHOT_PUT], before + 1);
    assert_int_equal(running_gateway("mx1")->flags, PN_SNAP_GW_DRAIN);
    generation = running().header->generation;

    daemon_again(pn_clock_ns());
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
    fake_dp_run(d->base, 50);
    assert_true(d->rt->gateways[0].drain);
    assert_int_equal(d->rt->gateways[0].weight_override, 7);
    /* Nothing is different, so nothing was sent; what comes next has a higher generation. */
    assert_int_equal(dp.asked[PN_DP_SNAPSHOT_PUT], 0);
    drain.drain = 0;
    assert_int_equal(d->view.ops->gateway_order(d, 0, &drain, &err), 0);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], 1, 2000));
    assert_true(running().header->generation > generation);
    fake_dp_stop(&dp);
}

static bool saved_says(const char *text)
{
    char path[128], buf[4096];
    snprintf(path, sizeof(path), "%s/state.json", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
    fclose(f);
    return strstr(buf, text) != NULL;
}

static void restart(uint64_t started_ns)
{
    daemon_again(started_ns);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_GET], 1, 5000));
    fake_dp_run(d->base, 50);
}

static void reload_with(const char *find, const char *put)
{
    struct pn_conf_error errors[2];
    char text[2048];
    unsigned n;
    const char *at = strstr(conf_text, find);
    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - conf_text), conf_text, put, at + strlen(find));
    write_conf(text);
    assert_int_equal(pn_reload(d, errors, 2, &n), 0);
    fake_dp_run(d->base, 100);
}

static uint64_t state_for_ms(void)
{
    json_t *g = pn_show_gateway(&d->view, 0, false);
    uint64_t ms = (uint64_t)json_integer_value(json_object_get(g, "state_for_ms"));

    json_decref(g);
    return ms;
}

/* Since when a gateway is drained, or back in service, is the order's time, not that of its last check that changed. */
static void test_state_since_the_order(void **state)
{
    const uint64_t long_ms = 20000;
    struct pn_gateway_order order = {.drain = 1, .disabled = -1, .weight = PN_ORDER_KEEP};
    struct pn_error err = {""};

    (void)state;
    start_dp();
    pn_rt_member(d->rt, 0, 0, 0)->since_ms = pn_clock_ms() - long_ms;
    assert_true(state_for_ms() >= long_ms);
    d->view.ops->gateway_order(d, 0, &order, &err);
    assert_true(state_for_ms() < long_ms);
    d->rt->gateways[0].ordered_ms -= long_ms; /* ordered before a check changed */
    pn_rt_member(d->rt, 0, 0, 0)->since_ms = pn_clock_ms();
    assert_true(state_for_ms() >= long_ms);
    reload_with("192.0.2.11", "192.0.2.14"); /* another machine, the same order */
    assert_true(state_for_ms() >= long_ms);
    pn_rt_member(d->rt, 0, 0, 0)->since_ms = pn_clock_ms() - long_ms;
    order.drain = 0;
    d->view.ops->gateway_order(d, 0, &order, &err);
    assert_true(state_for_ms() < long_ms);
    order.drain = 1;
    d->view.ops->gateway_order(d, 0, &order, &err);
    restart(dp.started_ns);
    assert_true(d->rt->gateways[0].drain);
    assert_int_equal(state_for_ms(), 0); /* not known */
    fake_dp_stop(&dp);
}

/* Orders of a gateway that is gone are not kept; what is written again later begins anew. */
static void test_orders_go_with_their_gateway(void **state)
{
    struct pn_gateway_order drain = {.drain = 1, .disabled = -1, .weight = PN_ORDER_KEEP};
    struct pn_error err = {""};

    (void)state;
    start_dp();
    assert_int_equal(d->view.ops->gateway_order(d, 1, &drain, &err), 0);
    assert_true(saved_says("\"mx2\""));
    write_conf(
        "cluster { name = \"t\" }\nnode \"n1\" { port \"lan\" { type = af_xdp; interface = eth0 } }\n"
        "vip \"in4\" { address = \"192.0.2.25\"; priority { n1 = 200 } }\n"
        "gateway \"mx1\" { address = \"192.0.2.11\" }\npool \"mx\" { tier \"primary\" { gateways = [\"mx1\"] } }\n"
        "service \"smtp-in\" { vips = [\"in4\"]; port = 25; pool = \"mx\" }\n");
    struct pn_conf_error errors[2];
    unsigned n;
    assert_int_equal(pn_reload(d, errors, 2, &n), 0);
    assert_false(saved_says("\"mx2\""));
    fake_dp_run(d->base, 100);
    /* Its id stays its own, over a restart too: flows may carry it. */
    assert_true(saved_says("\"gateway/mx2\": 1"));
    restart(dp.started_ns);
    assert_int_equal(pn_id_find(d->ids.gateways, PN_MAX_GATEWAYS, "gateway/mx2"), 1);
    reload_with("gateway \"mx2\"", "gateway \"mx4\" { address = \"192.0.2.14\" }\ngateway \"mx2\"");
    assert_int_equal(pn_id_find(d->ids.gateways, PN_MAX_GATEWAYS, "gateway/mx2"), 1);
    assert_int_not_equal(pn_id_find(d->ids.gateways, PN_MAX_GATEWAYS, "gateway/mx4"), 1);
    assert_false(d->rt->gateways[pn_view_gateway(d->conf, "mx2")].drain);
    fake_dp_stop(&dp);
}

/* A change that only a new dataplane takes up is remembered as long as the old one runs, whoever asks. */
static void test_a_needed_restart_is_remembered(void **state)
{
    (void)state;
    start_dp();
    uint64_t started = dp.started_ns;
    assert_true(started > 0);
    assert_false(d->reload.restart_needed);
    reload_with("interface = eth0", "interface = eth0; queues = 2");
    assert_true(d->reload.restart_needed);
    restart(started);
    assert_true(d->reload.restart_needed);
    reload_with("interface = eth0", "interface = eth0");
    assert_false(d->reload.restart_needed); /* taken back */
    reload_with("interface = eth0", "interface = eth0; queues = 2");
    assert_true(d->reload.restart_needed);
    restart(started + 1000000000u); /* both were started anew */
    assert_false(d->reload.restart_needed);
    write_conf(conf_text); /* changed while posternd is away */
    restart(started + 1000000000u);
    assert_true(d->reload.restart_needed);
    fake_dp_stop(&dp);
}

static void test_ids_are_read_back(void **state)
{
    struct pn_snap_gateway *gateways;
    struct pn_snap_member *members;
    struct pn_snapshot s;
    struct pn_error err;

    (void)state;
    start_dp();
    /* As if an earlier configuration had given mx2 another id, and mx1 had failed its checks. */
    s = running();
    gateways = (struct pn_snap_gateway *)(uintptr_t)s.gateways;
    members = (struct pn_snap_member *)(uintptr_t)s.members;
    assert_int_equal(gateways[1].id, 1);
    gateways[1].id = 77;
    members[1].gateway = 77;
    members[0].flags = PN_SNAP_MEMBER_DOWN;
    assert_int_equal(pn_snapshot_validate(dp.snapshot, dp.snapshot_len, &s, &err), 0);
    write_conf_checked("type = tcp; port = 1; interval = 60s");
    daemon_again(pn_clock_ns());
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
    fake_dp_run(d->base, 50);
    assert_int_equal(pn_view_gateway_id(&d->view, 1), 77);
    assert_int_equal(pn_rt_member(d->rt, 0, 0, 0)->health, PN_HEALTH_DOWN);
    assert_null(strstr(pn_rt_member(d->rt, 0, 1, 0)->reason, "before posternd's restart"));
    fake_dp_stop(&dp);
}

static void test_a_refused_snapshot_is_shown_and_the_lease_goes_on(void **state)
{
    struct pn_gateway_order order = {.drain = 1, .disabled = -1, .weight = PN_ORDER_KEEP};
    struct pn_error err;
    unsigned puts;

    (void)state;
    start_dp();
    fake_dp_run(d->base, 250); /* the first readings of load are in the snapshot, too */
    puts = dp.asked[PN_DP_SNAPSHOT_PUT];
    dp.put_status = PN_DP_STATUS_REJECTED;
    d->view.ops->gateway_order(d, 0, &order, &err);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], puts + 1, 2000));
    fake_dp_run(d->base, 50);
    assert_int_equal(d->push.status.rejected, 1);
    assert_non_null(strstr(d->push.status.error, "fake refusal"));
    assert_int_equal(vip_state(), PN_EL_OWNER);
    assert_int_equal(dp.asked[PN_DP_SNAPSHOT_PUT], puts + 1); /* not again and again */
    /* Busy is asked again by itself. */
    dp.put_status = PN_DP_STATUS_BUSY;
    order.drain = 0;
    d->view.ops->gateway_order(d, 0, &order, &err);
    order.drain = 1;
    d->view.ops->gateway_order(d, 0, &order, &err);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], puts + 3, 3000));
    dp.put_status = PN_DP_STATUS_OK;
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], puts + 4, 3000));
    fake_dp_run(d->base, 20);
    assert_string_equal(d->push.status.error, "");
    assert_int_equal(running_gateway("mx1")->flags, PN_SNAP_GW_DRAIN);
    fake_dp_stop(&dp);
}

static void test_reload_is_whole_or_not_at_all(void **state)
{
    struct pn_conf_error errors[8];
    const struct pn_conf *before = d->conf;
    unsigned n, puts;
    char text[2048];

    (void)state;
    start_dp();
    write_conf("gateway \"mx1\" { wieght = 3 }\n");
    assert_int_equal(pn_reload(d, errors, 8, &n), -1);
    assert_true(n >= 1);
    assert_int_equal(errors[0].line, 1);
    assert_ptr_equal(d->conf, before);
    assert_false(d->reload.last_ok);
    snprintf(text, sizeof(text), "%sgateway \"mx3\" { address = \"192.0.2.13\" }\n", conf_text);
    write_conf(text);
    puts = dp.asked[PN_DP_SNAPSHOT_PUT];
    assert_int_equal(pn_reload(d, errors, 8, &n), 0);
    assert_int_equal(d->conf->n_gateways, 3);
    assert_true(d->reload.last_ok);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_SNAPSHOT_PUT], puts + 1, 2000));
    assert_non_null(running_gateway("mx3"));
    fake_dp_stop(&dp);
}

static void test_standby_gives_the_lease_up_and_is_remembered(void **state)
{
    struct pn_error err = {""};
    unsigned asked;

    (void)state;
    start_dp();
    fake_dp_run(d->base, 20);
    asked = dp.asked[PN_DP_LEASE];
    assert_int_equal(d->view.ops->node_standby(d, true, &err), 0);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], asked + 1, 1000));
    assert_int_equal(dp.leases[running().vips[0].id].deadline_boottime_ns, 0);
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = pn_daemon_new(&opt);
    assert_true(d->ownership.standby);
}

static void test_a_damaged_state_file_does_not_stop_it(void **state)
{
    char path[128];
    FILE *f;

    (void)state;
    pn_daemon_free(d);
    snprintf(path, sizeof(path), "%s/" PN_STATEFILE_NAME, dir);
    f = fopen(path, "w");
    fputs("{\"version\":1,\"gate", f);
    fclose(f);
    pn_log_init("test", 0); /* its error line is expected */
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    assert_int_equal(access(path, F_OK), -1);
    assert_non_null(strstr(pn_eventlog_next(d->events, 0)->text, "kept as"));
}

static void test_two_daemons_do_not_share_a_socket(void **state)
{
    struct pn_daemon *second;

    (void)state;
    second = pn_daemon_new(&opt);
    assert_null(second);
    assert_int_equal(access(sock_path, F_OK), 0); /* and the first keeps its own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_fresh_dataplane_is_filled_and_leased, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders_reach_it_and_survive_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state_since_the_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders_go_with_their_gateway, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_needed_restart_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refused_snapshot_is_shown_and_the_lease_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_is_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_standby_gives_the_lease_up_and_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_state_file_does_not_stop_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_daemons_do_not_share_a_socket, setup, teardown),
    };

    pn_log_init("test", PN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
