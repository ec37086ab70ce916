/* SPDX-License-Identifier: BSD-3-Clause */
/* What each segment of the client does to its flow. */
#include "tests/unit/flow_world.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

enum start { HALF, OPEN, FINNED, RESET, HALF_RESET };

static const struct row {
    const char *name;
    enum start start;
    uint8_t flags;
    enum pn_flow_event event;
    enum pn_flow_state after;
    bool proven_after;
} rows[] = {
    {"SYN again", HALF, SYN, PN_FLOW_EV_SYN_RETRY, PN_FLOW_HALF_OPEN, false},
    {"SYN with ECN bits", HALF, SYN | 0xc0, PN_FLOW_EV_SYN_RETRY, PN_FLOW_HALF_OPEN, false},
    {"SYN+ACK from a client", HALF, SYN | ACK, PN_FLOW_EV_NONE, PN_FLOW_HALF_OPEN, false},
    {"no ACK, nothing", HALF, PSH, PN_FLOW_EV_NONE, PN_FLOW_HALF_OPEN, false},
    {"handshake", HALF, ACK, PN_FLOW_EV_ESTABLISHED, PN_FLOW_ESTABLISHED, true},
    {"handshake with data", HALF, ACK | PSH, PN_FLOW_EV_ESTABLISHED, PN_FLOW_ESTABLISHED, true},
    {"FIN at once", HALF, FIN | ACK, PN_FLOW_EV_CLOSING, PN_FLOW_CLOSING, false},
    {"RST at once", HALF, RST, PN_FLOW_EV_CLOSING, PN_FLOW_CLOSING, false},
    {"data", OPEN, ACK | PSH, PN_FLOW_EV_NONE, PN_FLOW_ESTABLISHED, true},
    {"FIN", OPEN, FIN | ACK, PN_FLOW_EV_CLOSING, PN_FLOW_CLOSING, true},
    {"RST", OPEN, RST, PN_FLOW_EV_CLOSING, PN_FLOW_CLOSING, true},
    {"RST+ACK", OPEN, RST | ACK, PN_FLOW_EV_CLOSING, PN_FLOW_CLOSING, true},
    {"SYN into the blue", OPEN, SYN, PN_FLOW_EV_NONE, PN_FLOW_ESTABLISHED, true},
    {"SYN+ACK into the blue", OPEN, SYN | ACK, PN_FLOW_EV_NONE, PN_FLOW_ESTABLISHED, true},
    {"last ACKs", FINNED, ACK, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"FIN again", FINNED, FIN | ACK, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"RST after FIN", FINNED, RST, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"tuple used anew", FINNED, SYN, PN_FLOW_EV_REOPENED, PN_FLOW_HALF_OPEN, false},
    {"SYN+ACK is no new connection", FINNED, SYN | ACK, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"the RST was not the client's", RESET, ACK | PSH, PN_FLOW_EV_RESUMED, PN_FLOW_ESTABLISHED, true},
    {"RST again", RESET, RST, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"FIN after RST", RESET, FIN | ACK, PN_FLOW_EV_NONE, PN_FLOW_CLOSING, true},
    {"tuple used anew after RST", RESET, SYN, PN_FLOW_EV_REOPENED, PN_FLOW_HALF_OPEN, false},
    {"retry after a refusal", HALF_RESET, SYN, PN_FLOW_EV_REOPENED, PN_FLOW_HALF_OPEN, false},
    {"ACK after a refusal", HALF_RESET, ACK, PN_FLOW_EV_RESUMED, PN_FLOW_ESTABLISHED, true},
};

static struct pn_flow *start(struct world *w, enum start s, struct pn_now now)
{
    uint32_t us;
    struct pn_flow *f = insert(w, 1, 1, PN_FLOW_HALF_OPEN, now);
    assert_non_null(f);
    f->flags = PN_FLOW_F_SPILLED;
    f->gateway = 5;
    if (s == OPEN || s == FINNED || s == RESET)
        assert_int_equal(pn_flow_segment(w->t, f, ACK, now, &us), PN_FLOW_EV_ESTABLISHED);
    if (s == FINNED)
        assert_int_equal(pn_flow_segment(w->t, f, FIN | ACK, now, &us), PN_FLOW_EV_CLOSING);
    if (s == RESET || s == HALF_RESET)
        assert_int_equal(pn_flow_segment(w->t, f, RST, now, &us), PN_FLOW_EV_CLOSING);
    return f;
}

static void test_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *w = world_new(16);
        struct pn_now now = {1000, 1000000};
        uint32_t us = 12345;
        struct pn_flow *f = start(w, rows[i].start, now);
        enum pn_flow_event event = pn_flow_segment(w->t, f, rows[i].flags, now, &us);
        if (event != rows[i].event || f->state != rows[i].after || f->unproven == rows[i].proven_after)
            fail_msg("%s: event %d, state %d, unproven %d", rows[i].name, event, f->state, f->unproven);
        if (event != PN_FLOW_EV_ESTABLISHED)
            assert_int_equal(us, 12345);
        assert_int_equal(f->gateway, 5); /* moving it is the caller's business */
        assert_int_equal(f->flags, event == PN_FLOW_EV_REOPENED ? 0 : PN_FLOW_F_SPILLED);
        world_free(w);
    }
}

static void test_handshake_time(void **state)
{
    (void)state;
    static const uint32_t starts[] = {0, 1000000, UINT32_MAX - 10000};
    for (unsigned i = 0; i < 3; i++) {
        struct world *w = world_new(16);
        uint32_t us = 0;
        struct pn_flow *f = insert(w, 1, 1, PN_FLOW_HALF_OPEN, (struct pn_now){100, starts[i]});
        /* From the first SYN: what a repeated one waited for is the gateway's delay too. */
        assert_int_equal(pn_flow_segment(w->t, f, SYN, (struct pn_now){110, starts[i] + 10000}, &us),
                         PN_FLOW_EV_SYN_RETRY);
        assert_int_equal(pn_flow_segment(w->t, f, ACK, (struct pn_now){140, starts[i] + 40000}, &us),
                         PN_FLOW_EV_ESTABLISHED);
        assert_int_equal(us, 40000);
        world_free(w);
    }
}

static void test_seen_is_rounded(void **state)
{
    (void)state;
    static const uint32_t starts[] = {1000, UINT32_MAX - 100};
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = world_new(16);
        uint32_t us, t0 = starts[i];
        struct pn_flow *f = insert(w, 1, 1, PN_FLOW_ESTABLISHED, (struct pn_now){t0, 0});
        pn_flow_segment(w->t, f, ACK, (struct pn_now){t0 + STEP - 1, 0}, &us);
        assert_int_equal(f->seen_ms, t0);
        pn_flow_segment(w->t, f, ACK, (struct pn_now){t0 + STEP, 0}, &us);
        assert_int_equal(f->seen_ms, t0 + STEP);
        pn_flow_segment(w->t, f, FIN | ACK, (struct pn_now){t0 + STEP + 7, 0}, &us); /* the closing timer is exact */
        assert_int_equal(f->seen_ms, t0 + STEP + 7);
        pn_flow_segment(w->t, f, ACK, (struct pn_now){t0 + STEP + 77, 0}, &us);
        assert_int_equal(f->seen_ms, t0 + STEP + 7);
        world_free(w);
    }
}

/* Segments keep a flow alive over many timers; it ends when they end. */
static void test_traffic_keeps_alive(void **state)
{
    (void)state;
    struct world *w = world_new(16);
    uint32_t us, ms = UINT32_MAX - 2 * ESTABLISHED_MS;
    insert(w, 1, 1, PN_FLOW_ESTABLISHED, (struct pn_now){ms, 0});
    for (unsigned i = 0; i < 40; i++) {
        ms += ESTABLISHED_MS / 2;
        struct pn_flow *f = find(w, 1, 1, (struct pn_now){ms, 0});
        assert_non_null(f);
        pn_flow_segment(w->t, f, ACK, (struct pn_now){ms, 0}, &us);
        age_all(w, (struct pn_now){ms, 0});
    }
    age_all(w, (struct pn_now){ms + ESTABLISHED_MS + STEP, 0});
    assert_int_equal(w->n_idle, 1);
    world_free(w);
}

/* A SYN out of the blue is not a sign of life either: it may be anyone's. */
static void test_stray_syn_on_established(void **state)
{
    (void)state;
    struct world *w = world_new(16);
    uint32_t us;
    struct pn_flow *f = insert(w, 1, 1, PN_FLOW_ESTABLISHED, (struct pn_now){1000, 0});
    assert_int_equal(pn_flow_segment(w->t, f, SYN, (struct pn_now){1000 + ESTABLISHED_MS / 2 - 1, 0}, &us),
                     PN_FLOW_EV_NONE);
    assert_int_equal(f->state, PN_FLOW_ESTABLISHED);
    assert_int_equal(f->seen_ms, 1000);
    struct pn_now late = {1000 + ESTABLISHED_MS / 2, 99};
    assert_int_equal(pn_flow_segment(w->t, f, SYN, late, &us), PN_FLOW_EV_REOPENED);
    assert_int_equal(f->state, PN_FLOW_HALF_OPEN);
    assert_int_equal(f->aux, 99);
    assert_int_equal(pn_flow_usage(w->t).half_open, 1);
    world_free(w);
}

static void test_reopen(void **state)
{
    (void)state;
    struct world *w = world_new(16);
    uint32_t us;
    struct pn_flow *f = insert(w, 1, 1, PN_FLOW_HALF_OPEN, (struct pn_now){1000, 1000});
    pn_flow_reopen(w->t, f, (struct pn_now){2000, 2000}); /* half-open already: its share is counted once */
    assert_int_equal(pn_flow_usage(w->t).half_open, 1);
    assert_int_equal(pn_flow_segment(w->t, f, ACK, (struct pn_now){3000, 2500}, &us), PN_FLOW_EV_ESTABLISHED);
    assert_int_equal(us, 500);
    pn_flow_reopen(w->t, f, (struct pn_now){3000, 3000});
    assert_int_equal(pn_flow_usage(w->t).half_open, 1);
    assert_int_equal(f->state, PN_FLOW_HALF_OPEN);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_handshake_time),
        cmocka_unit_test(test_seen_is_rounded),
        cmocka_unit_test(test_traffic_keeps_alive),
        cmocka_unit_test(test_stray_syn_on_established),
        cmocka_unit_test(test_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
