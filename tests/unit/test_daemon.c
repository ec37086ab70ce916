/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd as a whole against a fake dataplane: refilling it, taking up after a restart, orders, reloads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"
#include "tests/unit/fake_dp.h"

static const char conf_text[] = "cluster { name = \"t\" }\n"
                                "node \"n1\" { port \"lan\" { type = af_xdp; interface = eth0 } }\n"
                                "vip \"in4\" { address = \"192.0.2.25\"; port = \"lan\"; priority { n1 = 200 } }\n"
                                "gateway \"mx1\" { address = \"192.0.2.11\" }\n"
                                "gateway \"mx2\" { address = \"192.0.2.12\" }\n"
                                "pool \"mx\" {\n"
                                "  tier \"primary\" { gateways = [\"mx1\"]; spill { active-flows-high = 10; "
                                "hold-up = 100ms; hold-down = 300ms } }\n"
                                "  tier \"secondary\" { gateways = [\"mx2\"] }\n"
                                "}\n"
                                "service \"smtp-in\" { vips = [\"in4\"]; port = 25; pool = \"mx\" }\n";

static struct fake_dp dp;
static struct pn_daemon *d;
static char dir[64], conf_path[96], sock_path[96], dp_path[96];
static struct pn_daemon_options opt;

static void write_conf(const char *text)
{
    FILE *f = fopen(conf_path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The same with a check in the pool. */
static void write_conf_checked(const char *check)
{
    static const char in_pool[] = "  checks = [\"c\"]\n";
    const char *at = strstr(conf_text, "  tier \"primary\"");
    char text[2048];

    snprintf(text, sizeof(text), "check \"c\" { %s }\n%.*s%s%s", check, (int)(at - conf_text), conf_text, in_pool, at);
    write_conf(text);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/pn-daemon.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(conf_path, sizeof(conf_path), "%s/postern.conf", dir);
    snprintf(sock_path, sizeof(sock_path), "%s/postern.sock", dir);
    snprintf(dp_path, sizeof(dp_path), "%s/dp.sock", dir);
    write_conf(conf_text);
    opt = (struct pn_daemon_options){.config = conf_path,
                                     .dp_socket = dp_path,
                                     .socket = sock_path,
                                     .socket_mode = 0600,
                                     .state_dir = dir,
                                     .node = "n1",
                                     .log_level = PN_LOG_ERROR};
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    if (dp.listener) /* the test has failed: its leaks would only hide that */
        fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = NULL;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct pn_snapshot running(void)
{
    struct pn_snapshot view;
    struct pn_error err = {""};

    if (pn_snapshot_validate(dp.snapshot, dp.snapshot_len, &view, &err) < 0)
        fail_msg("%s", err.text);
    return view;
}

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

static void start_dp(void)
{
    fake_dp_start(&dp, d->base, dir);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
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
    static struct fake_dp saved;

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

    /* posternd dies; the dataplane goes on, and finds another posternd. */
    memcpy(saved.snapshot, dp.snapshot, sizeof(saved.snapshot));
    saved.snapshot_len = dp.snapshot_len;
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    fake_dp_start(&dp, d->base, dir);
    memcpy(dp.snapshot, saved.snapshot, sizeof(saved.snapshot));
    dp.snapshot_len = saved.snapshot_len;
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

/* posternd dies; the dataplane, started at `started_ns`, goes on and finds another posternd. */
static void restart(uint64_t started_ns)
{
    static struct fake_dp saved;
    memcpy(saved.snapshot, dp.snapshot, sizeof(saved.snapshot));
    saved.snapshot_len = dp.snapshot_len;
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    fake_dp_start(&dp, d->base, dir);
    dp.started_ns = started_ns;
    memcpy(dp.snapshot, saved.snapshot, sizeof(saved.snapshot));
    dp.snapshot_len = saved.snapshot_len;
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
    static struct fake_dp saved;
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
    memcpy(saved.snapshot, dp.snapshot, sizeof(saved.snapshot));
    saved.snapshot_len = dp.snapshot_len;
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    write_conf_checked("type = tcp; port = 1; interval = 60s");
    d = pn_daemon_new(&opt);
    fake_dp_start(&dp, d->base, dir);
    memcpy(dp.snapshot, saved.snapshot, sizeof(saved.snapshot));
    dp.snapshot_len = saved.snapshot_len;
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
    static struct fake_dp saved;
    struct pn_snap_member *members;
    struct pn_snapshot s;

    (void)state;
    start_dp();
    s = running();
    members = (struct pn_snap_member *)(uintptr_t)s.members;
    members[0].flags = PN_SNAP_MEMBER_DOWN;
    memcpy(saved.snapshot, dp.snapshot, sizeof(saved.snapshot));
    saved.snapshot_len = dp.snapshot_len;
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    write_conf_checked("type = agent; port = 1; interval = 60s");
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    fake_dp_start(&dp, d->base, dir);
    memcpy(dp.snapshot, saved.snapshot, sizeof(saved.snapshot));
    dp.snapshot_len = saved.snapshot_len;
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
    fake_dp_run(d->base, 100);
    assert_int_equal(pn_rt_member(d->rt, 0, 0, 0)->health, PN_HEALTH_UNKNOWN);
    assert_int_equal(running().members[0].flags, 0);
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
        cmocka_unit_test_setup_teardown(test_orders_go_with_their_gateway, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_needed_restart_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refused_snapshot_is_shown_and_the_lease_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_above_the_mark_spills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_agents_words_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_idle_tier_with_marks_takes_spill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_agents_down_is_no_failed_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload_is_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_standby_gives_the_lease_up_and_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_state_file_does_not_stop_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_daemons_do_not_share_a_socket, setup, teardown),
    };

    pn_log_init("test", PN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
