/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One fault after the other, at random moments, and moves just before them: never two responders, and an owner afterwards.
 * PN_TEST_SEED=N begins elsewhere; PN_TEST_RUNS=N has more of them.
 */
#include "tests/unit/node_world.h"

#define RUNS 120
#define FAULTS 25
#define HEALTHY_MS 100 /* between two: what a second one may cost while the first is not over is another matter */

static uint64_t seed;
static unsigned run, runs_end;

static unsigned any(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % n);
}

static void tenths(unsigned n)
{
    while (n--)
        world_step(true);
}

/* Mostly about as long as a takeover waits. */
static void a_while(void)
{
    tenths(any(any(3) ? 600 : 3000));
}

static void dataplane_stands_still(unsigned i)
{
    w.nodes[i].dp_running = false;
    a_while();
    w.nodes[i].dp_running = true;
}

static void process_stands_still(unsigned i)
{
    w.nodes[i].running = false;
    a_while();
    w.nodes[i].running = true;
}

/* Its workers come to what waits at the port a little later than the rest goes on. */
static void machine_stands_still(unsigned i)
{
    w.nodes[i].running = w.nodes[i].dp_running = false;
    a_while();
    w.nodes[i].running = w.nodes[i].dp_running = true;
    w.nodes[i].wire_ns = w.now + any(20) * WORLD_STEP;
}

static void process_dies(unsigned i)
{
    world_node_kill(i);
    a_while();
    world_node_start(i);
}

static void dataplane_dies(unsigned i)
{
    world_dp_kill(i);
    a_while();
    world_dp_start(i);
}

static void connection_breaks(unsigned i)
{
    world_node_relink(i);
}

static void standby(unsigned i)
{
    pn_node_standby(&w.nodes[i].node, true, w.now);
    world_wake(i);
    a_while();
    pn_node_standby(&w.nodes[i].node, false, w.now);
    world_wake(i);
}

static void held_restart(unsigned i)
{
    static const uint16_t ids[] = {0, 1};
    struct world_node *n = &w.nodes[i];
    struct pn_error err;
    assert_int_equal(pn_node_hold(&n->node, 300 + any(1000), w.now, &err), 0);
    world_wake(i);
    tenths(any(800));
    process_dies(i);
    pn_node_installed(&n->node, 0, ids, n->lease, 0, w.now); /* it is some time until it knows */
    tenths(any(1000));
    pn_node_installed(&n->node, n->dataplane, ids, n->lease, w.n_vips, w.now);
    world_wake(i);
}

static void dataplane_leaves(unsigned i)
{
    bool holds = false;
    for (unsigned v = 0; v < w.n_vips; v++)
        holds |= world_responds(&w.nodes[i], v);
    if (holds)
        world_unasked(&w.nodes[i], PN_DP_LEAVING, NULL, 0);
    tenths(2000);
    dataplane_dies(i);
}

static void (*const faults[])(unsigned i) = {
    dataplane_stands_still,
    process_stands_still,
    machine_stands_still,
    process_dies,
    dataplane_dies,
    connection_breaks,
    standby,
    held_restart,
    dataplane_leaves,
};

static void maybe_move(void)
{
    static const char *const vips[] = {"out", "in"}, *const nodes[] = {"n0", "n1", "n2"};
    unsigned from = any(w.n);
    struct pn_error err;
    if (any(2) && pn_node_move(&w.nodes[from].node, vips[any(w.n_vips)], nodes[any(w.n)], w.now, &err) == 0)
        world_wake(from);
    tenths(any(2) * any(12));
}

static void votes(struct pn_node_conf *c, unsigned node)
{
    (void)node;
    for (unsigned v = 0; v < c->n_vips; v++)
        c->vips[v].want.exclusive = true;
}

static unsigned from_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)atoi(text) : otherwise;
}

static void test_one_fault_after_the_other(void **state)
{
    (void)state;
    run = from_environment("PN_TEST_SEED", 1);
    runs_end = run + from_environment("PN_TEST_RUNS", RUNS);
    for (; run < runs_end; run++) {
        seed = run * 2654435761ull + 12345;
        world_start(2 + any(2), 1 + any(2), any(4) ? NULL : votes);
        w.seed ^= seed;
        tenths(2000 + any(100));
        for (unsigned i = 0; i < FAULTS; i++) {
            maybe_move();
            unsigned kind = any(sizeof(faults) / sizeof(faults[0])), node = any(w.n);
            if (w.verbose)
                printf("%9.2f ms fault %u at node %u\n", (double)w.now / 1e6, kind, node);
            faults[kind](node);
            tenths(HEALTHY_MS * 10 + any(300));
        }
        world_run(1000, true);
        for (unsigned v = 0; v < w.n_vips; v++)
            if (world_owner(v) == WORLD_NODES)
                fail_msg("nobody has VIP %u", v);
        world_end();
    }
}

static int tell(void **state)
{
    (void)state;
    if (run < runs_end)
        print_error("again, with all that happens: PN_TEST_VERBOSE=1 PN_TEST_SEED=%u PN_TEST_RUNS=1\n", run);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_one_fault_after_the_other, tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
