/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases of VIPs with protocol vrrp: they follow advertisements, above a dataplane that stops, dies or cannot send. */
#include "tests/unit/vrrp_world.h"

static void test_silent_death(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 20; phase++) {
        world_start(2, 1, vrrp);
        world_run(800 + phase * 6, true);
        world_gap_reset();
        if (phase % 3 == 0)
            world_both_kill(0);
        else if (phase % 3 == 1)
            world_node_kill(0); /* its dataplane answers until the lease ends, and no longer */
        else
            w.nodes[0].running = w.nodes[0].dp_running = false;
        world_run(TAKEOVER_MS, true);
        assert_int_equal(world_owner(0), 1);
        assert_true(w.worst_gap_ns <= TAKEOVER_MS * WORLD_MS);
        world_end();
    }
}

static void test_returns_after_it_has_listened(void **state)
{
    static struct pn_ownership o;
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    world_both_kill(0);
    world_run(500, true);
    world_both_start(0);
    world_run(200, true);
    world_show(0, &o);
    assert_int_equal(o.vips[0].state, PN_EL_BACKUP);
    world_gap_reset();
    world_run(600, false);
    assert_int_equal(world_owner(0), 0);
    /* From its first advertisement to the other's hearing it both answer, with the same virtual MAC: VRRP has no more. */
    assert_true(w.dual_ns <= 2 * WORLD_MS);
    assert_true(w.worst_gap_ns == 0);
    world_end();
}

/* SIGSTOP of anything for any time: what is stopped past its lease answers no more when it goes on. */
static void test_stopped_never_answers_twice(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        world_start(2, 1, no_preempt);
        world_run(800 + round * 7 % 100, true);
        w.nodes[0].running = round % 3 == 1;
        w.nodes[0].dp_running = round % 3 == 0;
        world_run(20 + round * 20, true);
        w.nodes[0].running = w.nodes[0].dp_running = true;
        world_run(1500, true);
        assert_true(world_owner(0) != WORLD_NODES);
        world_end();
    }
}

/* A backup whose dataplane was stopped heard nothing, which is not silence: it asks first, and then hears. */
static void test_a_deaf_backup_claims_nothing(void **state)
{
    (void)state;
    for (unsigned ms = 300; ms < 440; ms += 4) {
        world_start(2, 1, no_preempt);
        world_run(800, true);
        world_both_kill(0);
        world_run(500, true);
        world_both_start(0);
        world_run(700 + ms % 100, true);
        w.nodes[0].dp_running = false;
        world_run(ms, true);
        w.nodes[0].dp_running = true;
        world_run(700, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

static void test_a_dataplane_that_does_not_answer(void **state)
{
    static struct pn_ownership o;
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    w.nodes[0].dp_running = false;
    world_run(TAKEOVER_MS, true);
    assert_int_equal(world_owner(0), 1);
    world_show(0, &o);
    assert_int_equal(o.vips[0].state, PN_EL_INIT);
    assert_string_equal(o.vips[0].reason, "the dataplane does not answer");
    w.nodes[0].dp_running = true;
    world_run(1800, false);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_restart_within_the_lease(void **state)
{
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    world_gap_reset();
    world_node_kill(0);
    world_run(150, true);
    world_node_start(0);
    world_run(1000, true);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(world_owner(0), 0);
    world_node_kill(0);
    world_run(400, true);
    world_node_start(0);
    world_run(100, true);
    assert_int_equal(world_owner(0), 1); /* too late to go on */
    world_end();
}

static void slow(struct pn_node_conf *conf, unsigned node)
{
    vrrp(conf, node);
    conf->vips[0].vrrp_interval_cs = 100;
}

/* Advertised more often from now on: backups wait less from the first such packet, so the lease ends sooner before it leaves. */
static void test_a_shorter_interval(void **state)
{
    static struct pn_ownership o;
    struct pn_error err;
    (void)state;
    for (unsigned anew = 0; anew < 2; anew++) {
        world_start(2, 1, slow);
        world_run(6000, true);
        assert_int_equal(world_owner(0), 0);
        w.confs[0].vips[0].vrrp_interval_cs = INTERVAL_MS / 10;
        if (anew) {
            world_node_kill(0);
            world_node_start(0);
        } else {
            assert_int_equal(pn_node_configure(&w.nodes[0].node, &w.confs[0], w.now, &err), 0);
        }
        uint64_t made;
        do {
            world_show(0, &o);
            made = o.vips[0].vrrp.sent;
            world_step(true);
            world_show(0, &o);
        } while (o.vips[0].vrrp.sent == made);
        w.nodes[0].running = false; /* killed before it has the answer */
        world_run(3000, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

/* Beside routers that are not Postern: nobody sends heartbeats. */
static void lone(struct pn_node_conf *conf, unsigned node)
{
    vrrp(conf, node);
    conf->n_nodes = 1;
    conf->n_paths = 0;
    conf->ring.n_keys = 0;
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (i != node)
            conf->names[i][0] = '\0';
}

/* Who sends and hears nothing is heard by the backups, so it has to notice by itself: known hosts do not answer. */
static void test_a_deaf_owner_hands_over(void **state)
{
    static struct pn_ownership o;
    (void)state;
    for (unsigned alone = 0; alone < 2; alone++) {
        world_start(2, 1, alone ? lone : vrrp);
        for (unsigned i = 0; i < 2; i++)
            w.nodes[i].hosts_known = w.nodes[i].hosts_alive = 2;
        world_run(20000, true); /* quiet, but they answer */
        assert_int_equal(world_owner(0), 0);
        world_gap_reset();
        unsigned alarms = w.nodes[0].alarms;
        w.nodes[0].deaf = true;
        world_run(alone ? 1500 : 300, true); /* where no heartbeats come either, it looks less often */
        assert_int_equal(world_owner(0), 1);
        assert_true(w.worst_gap_ns <= 65 * WORLD_MS); /* the skew of priority 99 */
        world_show(0, &o);
        assert_int_equal(o.vips[0].state, PN_EL_BACKUP);
        assert_string_equal(o.vips[0].reason, "given up: its port receives nothing");
        assert_true(w.nodes[0].alarms > alarms);
        world_run(10000, true); /* what it does not hear it does not claim */
        assert_int_equal(world_owner(0), 1);
        w.nodes[0].deaf = false;
        world_run(TAKEOVER_MS - 60, true); /* nor at once when it hears again */
        assert_int_equal(world_owner(0), 1);
        world_run(2000, false);
        assert_int_equal(world_owner(0), 0);
        /* A backup that was deaf when the other died waits as one that has just started. */
        w.nodes[1].deaf = true;
        world_run(2000, false);
        world_both_kill(0);
        world_run(1000, true);
        assert_int_equal(world_owner(0), WORLD_NODES);
        w.nodes[1].deaf = false;
        world_run(2000, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

static void test_no_lease_without_sending(void **state)
{
    static struct pn_ownership o;
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    w.nodes[0].port_down = 1;
    w.cut[0][1] = w.cut[1][0] = true;
    for (uint64_t held = w.nodes[0].lease[0], end = w.now + (TAKEOVER_MS + 100) * WORLD_MS; w.now < end;) {
        world_run(1, true);
        assert_true(w.nodes[0].lease[0] <= held);
    }
    assert_int_equal(world_owner(0), 1);
    world_show(0, &o);
    assert_int_equal(o.vips[0].state, PN_EL_INIT);
    assert_string_equal(o.vips[0].reason, "the port cannot send");
    unsigned events = w.nodes[0].events, adverts = w.nodes[0].group_tx.count;
    world_run(5000, true);
    assert_int_equal(w.nodes[0].events, events); /* said once */
    w.nodes[0].port_down = 0;
    w.cut[0][1] = w.cut[1][0] = false;
    for (unsigned ms = 0; ms < 1100 && o.vips[0].state != PN_EL_BACKUP; ms++) {
        world_run(1, true);
        world_show(0, &o);
    }
    assert_int_equal(o.vips[0].state, PN_EL_BACKUP); /* listens before it says anything */
    world_run(300, true);
    assert_int_equal(w.nodes[0].group_tx.count, adverts);
    world_run(500, false);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_loss_and_chaos(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        world_start(2 + seed % 2, 2, no_preempt);
        w.seed = seed * 0x9e3779b97f4a7c15ull;
        for (unsigned i = 0; i < w.n; i++) {
            struct pn_error err;
            w.confs[i].vips[1] = w.confs[i].vips[0];
            snprintf(w.confs[i].vips[1].name, PN_NAME_BYTES, "in");
            w.confs[i].vips[1].want.id = 1;
            w.confs[i].vips[1].addr.b[15]++;
            w.confs[i].vips[1].vrid = 9;
            assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
        }
        world_run(1000, true);
        for (unsigned round = 0; round < 8; round++) {
            unsigned i = (unsigned)(world_random(NULL) % w.n);
            switch (world_random(NULL) % 5) {
            case 0:
                w.nodes[i].running = false;
                break;
            case 1:
                w.nodes[i].dp_running = false;
                break;
            case 2:
                if (w.nodes[i].running)
                    world_node_kill(i);
                break;
            case 3:
                world_dp_kill(i);
                break;
            default:
                pn_node_standby(&w.nodes[i].node, round & 1, w.now);
                break;
            }
            world_run(50 + (unsigned)(world_random(NULL) % 900), true);
            world_recover();
            world_run((unsigned)(world_random(NULL) % 300), true);
        }
        for (unsigned o = 0; o < w.n; o++)
            pn_node_standby(&w.nodes[o].node, false, w.now);
        world_run(1000, true);
        for (unsigned v = 0; v < 2; v++)
            assert_true(world_owner(v) < w.n);
        world_end();
    }
}

/* The way to the dataplane breaks and is made anew: it holds the lease, which goes on. */
static void test_a_connection_that_breaks_ends_no_lease(void **state)
{
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    world_gap_reset();
    world_node_relink(0);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(w.worst_gap_ns, 0);
    world_end();
}

/* What the daemon knows of the dataplane is gone (its own connection broke), but not the way to it. */
static void test_given_up_before_it_is_told(void **state)
{
    uint16_t ids[] = {0};
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    pn_node_installed(&w.nodes[0].node, 0, ids, w.nodes[0].lease, 0, w.now);
    world_wake(0);
    world_run(1500, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_death),
        cmocka_unit_test(test_returns_after_it_has_listened),
        cmocka_unit_test(test_stopped_never_answers_twice),
        cmocka_unit_test(test_a_deaf_backup_claims_nothing),
        cmocka_unit_test(test_a_dataplane_that_does_not_answer),
        cmocka_unit_test(test_restart_within_the_lease),
        cmocka_unit_test(test_a_shorter_interval),
        cmocka_unit_test(test_a_deaf_owner_hands_over),
        cmocka_unit_test(test_no_lease_without_sending),
        cmocka_unit_test(test_loss_and_chaos),
        cmocka_unit_test(test_a_connection_that_breaks_ends_no_lease),
        cmocka_unit_test(test_given_up_before_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
