/* SPDX-License-Identifier: BSD-3-Clause */
/* Two posternds as a whole, their dataplanes faked and wired to each other. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "controlplane/actors/cluster.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"
#include "tests/unit/fake_dp.h"

#define MS UINT64_C(1000000)
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX2 "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* Slow enough for a machine that stands still for a tenth of a second now and then. */
static const char conf_format[] =
    "cluster { name = \"test\" }\n"
    "heartbeat { interval = 50ms; lease = 500ms; takeover = 700ms; probe-lead = 80ms; key-file = \"%s/keys\" }\n"
    "node \"n1\" { port \"lan\" { interface = eth0; address-v4 = 192.0.2.1 }; local-interface = pnlocal\n"
    "  mesh { listen = \"127.0.0.1:%u\" } }\n"
    "node \"n2\" { port \"lan\" { interface = eth0; address-v4 = 192.0.2.2 }; local-interface = pnlocal }\n"
    "vip \"a\" { address = \"192.0.2.25\"; priority { n1 = 200; n2 = 100 } }\n"
    "vip \"b\" { address = \"192.0.2.26\"; priority { n1 = 100; n2 = 200 } }\n"
    "gateway \"mx1\" { address = \"192.0.2.1\"; mode = local; node = n1 }\n"
    "gateway \"mx2\" { address = \"192.0.2.2\"; mode = local; node = n2 }\n"
    "pool \"mx\" { tier \"t\" { gateways = [\"mx1\", \"mx2\"] } }\n"
    "service \"smtp\" { vips = [\"a\", \"b\"]; port = 25; pool = \"mx\" }\n";

struct side {
    struct fake_dp dp;
    struct pn_daemon *d;
    struct pn_daemon_options opt;
    char dir[64], conf[96], sock[96], dp_path[96];
    bool dead;
};
static struct side sides[2];

/* A thread of its own, as a dataplane is one: a reload that takes long does not keep heartbeats from passing. The lock is for what
 * the dataplanes were told. */
static struct {
    struct event_base *base;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop;
} wire = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *wire_runs(void *arg)
{
    (void)arg;
    for (bool stop = false; !stop;) {
        pthread_mutex_lock(&wire.lock);
        event_base_loop(wire.base, EVLOOP_NONBLOCK);
        stop = wire.stop;
        pthread_mutex_unlock(&wire.lock);
        usleep(1000);
    }
    return NULL;
}

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_keys(const char *text)
{
    write_file(sides[0].dir, "keys", text, 0600);
}

static void start_one(unsigned i)
{
    struct side *s = &sides[i];
    s->d = pn_daemon_new(&s->opt);
    assert_non_null(s->d);
    s->dead = false;
}

static int setup(void **state)
{
    char text[2048];
    (void)state;
    memset(sides, 0, sizeof(sides));
    wire.base = event_base_new();
    wire.stop = false;
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        snprintf(s->dir, sizeof(s->dir), "/tmp/pn-pair.XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->conf, sizeof(s->conf), "%s/postern.conf", s->dir);
        snprintf(s->sock, sizeof(s->sock), "%s/postern.sock", s->dir);
        snprintf(s->dp_path, sizeof(s->dp_path), "%s/dp.sock", s->dir);
        snprintf(text, sizeof(text), conf_format, sides[0].dir, 20000u + (unsigned)getpid() % 20000u);
        write_file(s->dir, "postern.conf", text, 0644);
        s->opt = (struct pn_daemon_options){.config = s->conf,
                                            .dp_socket = s->dp_path,
                                            .socket = s->sock,
                                            .socket_mode = 0600,
                                            .state_dir = s->dir,
                                            .node = i ? "n2" : "n1",
                                            .log_level = PN_LOG_ERROR};
    }
    write_keys("1 send " HEX "\n");
    for (unsigned i = 0; i < 2; i++) {
        fake_dp_start(&sides[i].dp, wire.base, sides[i].dir);
        sides[i].dp.wire = &sides[1 - i].dp;
    }
    assert_int_equal(pthread_create(&wire.thread, NULL, wire_runs, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        start_one(i);
    return 0;
}

static int teardown(void **state)
{
    char command[160];
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        pn_daemon_free(sides[i].dead ? NULL : sides[i].d);
    pthread_mutex_lock(&wire.lock);
    wire.stop = true;
    pthread_mutex_unlock(&wire.lock);
    pthread_join(wire.thread, NULL);
    for (unsigned i = 0; i < 2; i++)
        fake_dp_stop(&sides[i].dp);
    event_base_free(wire.base);
    snprintf(command, sizeof(command), "rm -rf %s %s", sides[0].dir, sides[1].dir);
    return system(command);
}

static void turn(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (!sides[i].dead)
            fake_dp_run(sides[i].d->base, 1);
}

static void turn_for(uint64_t ms)
{
    for (uint64_t end = pn_clock_ms() + ms; pn_clock_ms() < end;)
        turn();
}

/* Until it is so, or for as long as no test should take. */
#define TURN_UNTIL(SO)                                                                                                 \
    for (uint64_t end_ms_ = pn_clock_ms() + 15000; !(SO) && pn_clock_ms() < end_ms_;)                                  \
    turn()

static bool leased(unsigned i, const char *vip)
{
    struct side *s = &sides[i];
    int at = s->dead ? -1 : pn_view_vip(s->d->conf, vip);
    uint16_t id = at < 0 ? PN_ID_NONE : pn_view_vip_id(&s->d->view, (unsigned)at);
    if (id >= PN_MAX_VIPS)
        return false;
    pthread_mutex_lock(&wire.lock);
    bool yes = s->dp.leases[id].deadline_boottime_ns > pn_clock_ns();
    pthread_mutex_unlock(&wire.lock);
    return yes;
}

static bool owners_are(unsigned a, unsigned b)
{
    return leased(a, "a") && leased(b, "b") && !leased(1 - a, "a") && !leased(1 - b, "b");
}

static void until(unsigned a, unsigned b)
{
    TURN_UNTIL(owners_are(a, b));
    if (!owners_are(a, b))
        fail_msg("a: %d %d, b: %d %d", leased(0, "a"), leased(1, "a"), leased(0, "b"), leased(1, "b"));
}

static bool event_seen(const struct pn_daemon *d, const char *kind, const char *subject, const char *text)
{
    const struct pn_eventlog_row *row;
    for (uint64_t after = 0; (row = pn_eventlog_next(d->events, after)); after = row->seq)
        if (strcmp(row->kind, kind) == 0 && strcmp(row->subject, subject) == 0 && strstr(row->text, text))
            return true;
    return false;
}

static void test_each_has_its_own(void **state)
{
    (void)state;
    until(0, 1);
    pn_vips_refresh(sides[0].d);
    const struct pn_ownership *o = &sides[0].d->ownership;
    assert_true(o->peers[1].heard && o->peers[1].same_generation && o->synced);
    assert_int_equal(pn_own_vip_find(o, "b")->owner, 1);
    assert_true(event_seen(sides[0].d, "peer", "n2", "heard"));
    assert_int_equal(sides[0].dp.control_says.heartbeat_udp_port, 24625);
    assert_int_equal(sides[0].dp.control_says.vrrp, 1);
    assert_int_equal(sides[0].dp.control_says.n_addrs, 1);
}

static void test_orders_move(void **state)
{
    struct pn_error err = {""};
    (void)state;
    until(0, 1);
    assert_int_equal(sides[1].d->view.ops->vip_move(sides[1].d, "a", NULL, &err), -1);
    assert_non_null(strstr(err.text, "only its owner n1"));
    assert_int_equal(sides[0].d->view.ops->vip_move(sides[0].d, "a", "n2", &err), 0);
    until(1, 1);
    assert_int_equal(sides[1].d->view.ops->node_standby(sides[1].d, true, &err), 0);
    until(0, 0);
    assert_int_equal(sides[1].d->view.ops->node_standby(sides[1].d, false, &err), 0);
    until(0, 1);
}

static void test_a_stop_hands_over(void **state)
{
    (void)state;
    until(0, 1);
    uint64_t began = pn_clock_ms();
    pn_vips_leave(sides[0].d);
    TURN_UNTIL(leased(1, "a"));
    assert_true(leased(1, "a"));
    assert_true(pn_clock_ms() - began < 600); /* not the wait of a death */
    pn_daemon_free(sides[0].d);
    sides[0].dead = true;
    turn_for(200);
    start_one(0);
    until(0, 1);
}

static bool gone(unsigned i, const char *gateway)
{
    const struct pn_daemon *d = sides[i].d;
    return d->rt->gateways[pn_view_gateway(d->conf, gateway)].node_gone;
}

static void test_a_death_is_waited_for(void **state)
{
    (void)state;
    until(0, 1);
    assert_false(gone(1, "mx1") || gone(1, "mx2"));
    pn_daemon_free(sides[0].d); /* as kill -9: nothing is said */
    sides[0].dead = true;
    TURN_UNTIL(leased(1, "a"));
    assert_true(leased(1, "a") && leased(1, "b"));
    /* The mail server behind the dead node's dataplane gets nothing more, whatever its checks say. */
    TURN_UNTIL(gone(1, "mx1"));
    assert_true(gone(1, "mx1"));
    assert_false(gone(1, "mx2"));
    assert_true(event_seen(sides[1].d, "gateway", "mx1", "its node n1 is not there"));
    start_one(0);
    until(0, 1);
    TURN_UNTIL(!gone(1, "mx1"));
    assert_false(gone(1, "mx1"));
}

/* The loop's own connection to the dataplane breaks, that of heartbeats and leases does not: nothing moves. */
static void test_a_broken_connection_of_the_loop(void **state)
{
    struct pn_daemon *d = sides[0].d;
    (void)state;
    until(0, 1);
    unsigned asked = sides[0].dp.asked[PN_DP_SNAPSHOT_GET];
    pn_vips_refresh(d);
    unsigned transitions = pn_own_vip_find(&d->ownership, "a")->transitions;
    pthread_mutex_lock(&wire.lock);
    fake_dp_hang_up_daemon(&sides[0].dp);
    pthread_mutex_unlock(&wire.lock);
    TURN_UNTIL(event_seen(d, "dataplane", "", "connection lost"));
    TURN_UNTIL(sides[0].dp.asked[PN_DP_SNAPSHOT_GET] > asked && d->push.status.running_generation);
    assert_true(sides[0].dp.asked[PN_DP_SNAPSHOT_GET] > asked && d->push.status.running_generation);
    turn_for(200);
    assert_true(owners_are(0, 1));
    pn_vips_refresh(d);
    assert_int_equal(pn_own_vip_find(&d->ownership, "a")->transitions, transitions);
    assert_false(event_seen(d, "vip", "a", "the dataplane does not run it"));
}

static void test_keys_rotate_by_reload(void **state)
{
    static const char *const steps[] = {"1 send " HEX "\n2 receive-only " HEX2 "\n",
                                        "1 receive-only " HEX "\n2 send " HEX2 "\n", "2 send " HEX2 "\n"};
    struct pn_conf_error errors[4];
    unsigned n;
    (void)state;
    until(0, 1);
    pn_vips_refresh(sides[1].d);
    uint32_t transitions = sides[1].d->ownership.vips[0].transitions + sides[1].d->ownership.vips[1].transitions;
    for (unsigned i = 0; i < 3; i++) {
        write_keys(steps[i]);
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(pn_reload(sides[k].d, errors, 4, &n), 0);
            turn_for(240);
        }
    }
    assert_true(owners_are(0, 1));
    pn_vips_refresh(sides[1].d);
    assert_int_equal(sides[1].d->ownership.vips[0].transitions + sides[1].d->ownership.vips[1].transitions,
                     transitions);
    assert_true(sides[1].d->ownership.peers[0].heard);
    /* A file that others can read is refused, and what runs goes on. */
    write_file(sides[0].dir, "keys", steps[2], 0644);
    pn_log_init("test", 0);
    assert_int_equal(pn_reload(sides[0].d, errors, 4, &n), -1);
    assert_non_null(strstr(errors[0].text, "mode 644"));
    pn_log_init("test", PN_LOG_ERROR);
    turn_for(240);
    assert_true(owners_are(0, 1));
}

static void test_no_start_without_keys(void **state)
{
    (void)state;
    pn_daemon_free(sides[0].d);
    sides[0].dead = true;
    write_keys("");
    pn_log_init("test", 0);
    assert_null(pn_daemon_new(&sides[0].opt));
    pn_log_init("test", PN_LOG_ERROR);
}

static void cluster_init(void *arg)
{
    struct pn_error err;
    if (pn_cluster_init(pn_cluster_actor_cluster(arg), "test", NULL, &err) < 0)
        abort();
}

/* Without a file a node starts, so that it can join, and owns nothing; with the cluster's keys it does. */
static void test_keys_from_the_cluster(void **state)
{
    struct pn_conf_error errors[4];
    char path[128];
    unsigned n;
    (void)state;
    until(0, 1);
    snprintf(path, sizeof(path), "%s/keys", sides[0].dir);
    assert_int_equal(unlink(path), 0);
    pn_log_init("test", 0);
    assert_int_equal(pn_reload(sides[0].d, errors, 4, &n), -1); /* it would lose its addresses */
    assert_non_null(strstr(errors[0].text, "cannot hear each other without keys"));
    for (unsigned i = 0; i < 2; i++) {
        pn_daemon_free(sides[i].d);
        sides[i].dead = true;
    }
    start_one(0);
    pn_log_init("test", PN_LOG_ERROR);
    turn_for(1200);
    assert_false(leased(0, "a") || leased(0, "b"));
    pn_vips_refresh(sides[0].d);
    assert_true(sides[0].d->ownership.keyless);
    assert_true(event_seen(sides[0].d, "keys", "", "owns no VIP"));
    assert_int_equal(pn_reload(sides[0].d, errors, 4, &n), 0); /* nothing to lose here */

    pn_loop_call(pn_cluster_actor_loop(sides[0].d->cluster), cluster_init, sides[0].d->cluster);
    TURN_UNTIL(leased(0, "a") && leased(0, "b"));
    assert_true(leased(0, "a") && leased(0, "b"));
    assert_true(event_seen(sides[0].d, "keys", "", "sent with the cluster's key"));
    assert_true(sides[0].d->ring.keys[0].id >= 128);
    /* A file again: its key is sent with, since the other node may have nothing else. The cluster's stays for receiving. */
    write_keys("1 send " HEX "\n");
    assert_int_equal(pn_reload(sides[0].d, errors, 4, &n), 0);
    assert_int_equal(sides[0].d->ring.n_keys, 2);
    assert_true(!sides[0].d->keys.cluster_sends && sides[0].d->keys.file && sides[0].d->keys.cluster);
}

/* Two daemons in one process are two bases with signals, which libevent remarks. */
static void quiet(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_has_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_hands_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_death_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_connection_of_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_rotate_by_reload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_start_without_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_from_the_cluster, setup, teardown),
    };
    event_set_log_callback(quiet);
    pn_log_init("test", PN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
