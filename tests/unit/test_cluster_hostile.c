/* SPDX-License-Identifier: BSD-3-Clause */
/* The mesh against members gone bad: what one who is in can do. */
#include "tests/unit/cluster_raw.h"

static void play(struct world *w, struct raw *r, const struct identity *id)
{
    raw_dial(w, r, pn_mtls_member_new(id->ca, id->cert, id->key, NULL), 0);
    watched = r;
    world_until(w, raw_secured, 0, 3000);
    assert_true(r->secured);
}

static void test_bad_bytes_instead_of_a_hello(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\xff\xff\xff\xff", 4}, /* 4 GB */
        {"\x00\x00\x00\x00", 4},
        {"\x00\x00\x20\x01", 4}, /* more than a hello may have */
        {"\x00\x00\x00\x05hello", 9},
        {"\x00\x00\x00\x02\x08\x08", 6}, /* an empty message of the rules, before the hello */
        {"\x00\x00\x00\x02\x08\x00", 6}, /* an empty control message */
        {"\x00\x00\x00\x40\x12", 5}, /* begins, and never ends */
        {"", 0}, /* says nothing */
    };
    struct identity id;
    struct world *w = stage(&id);
    (void)state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct raw r;
        play(w, &r, &id);
        bufferevent_write(r.bev, cases[i].bytes, cases[i].len);
        expect_closed(w, &r);
        assert_true(n2_linked(w, 0));
        assert_int_equal(w->nodes[0].got, 0);
    }
    leave(w, &id);
}

static void hello_and_up(struct world *w, struct raw *r, const struct identity *id)
{
    play(w, r, id);
    put_hello(r, id);
    world_until(w, n2_linked, 1, 3000);
}

static void test_a_member_gone_bad(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PONG};
    struct identity id;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    put_hello(&r, &id); /* once is enough */
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\xff\xff\xff\xff", 4);
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x10\x00\x01", 4); /* one above 1 MiB */
    expect_closed(w, &r);

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x08\x00\x00half", 8); /* half a message, then silence */
    watched = &r;
    world_until(w, raw_closed, 0, 2000);
    raw_free(&r);
    world_until(w, n2_linked, 0, 3000);

    /* What is only nonsense in a channel does not end the link, and changes nothing. */
    uint64_t digest = pn_members_digest64(pn_cluster_members(w->nodes[0].c));
    struct pn_seal_ring ring = w->nodes[0].ring;
    hello_and_up(w, &r, &id);
    put(&r, PN_CHANNEL_MEMBERS, "nonsense", 8);
    put(&r, PN_CHANNEL_KEYRING, "nonsense", 8);
    put(&r, PN_CHANNEL_KEYRING, "", 0);
    put(&r, 31, "who?", 4);
    put(&r, 4000000, "who?", 4);
    c.pong.sent_us = UINT64_MAX;
    c.pong.wall_us = UINT64_MAX;
    put_control(&r, &c);
    world_run(w, 150);
    assert_true(n2_linked(w, 1));
    assert_int_equal(pn_members_digest64(pn_cluster_members(w->nodes[0].c)), digest);
    assert_memory_equal(&ring, &w->nodes[0].ring, sizeof(ring));
    raw_free(&r);
    leave(w, &id);
}

static bool n2_skewed(struct world *w, int yes)
{
    struct pn_cluster_status s;
    bool skewed = false;

    pn_cluster_status(w->nodes[0].c, &s);
    for (unsigned i = 0; i < s.n_peers; i++)
        skewed |= s.skewed[i] && strcmp(s.peers[i].name, "n2") == 0;
    return skewed == (yes != 0);
}

/* A clock ten seconds off is an alarm, nothing more. */
static void test_clock_alarm(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PONG};
    struct identity id;
    struct world *w = stage(&id);
    struct timespec wall;
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    assert_true(n2_skewed(w, 0));
    clock_gettime(CLOCK_REALTIME, &wall);
    c.pong.sent_us = pn_link_now_ms() * 1000;
    c.pong.wall_us = (uint64_t)(wall.tv_sec + 10) * 1000000u;
    put_control(&r, &c);
    world_until(w, n2_skewed, 1, 2000);
    assert_true(n2_linked(w, 1));
    raw_free(&r);
    leave(w, &id);
}

/* Pings that lie about what it holds: it does not get the whole membership for each of them. */
static void test_pings_that_lie(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_PING};
    struct identity id;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    world_run(w, 100);
    size_t before = r.got;
    for (unsigned i = 0; i < 500; i++) {
        c.ping.members_digest = i;
        put_control(&r, &c);
    }
    world_run(w, 150);
    assert_true(n2_linked(w, 1));
    assert_in_range(r.got - before, 500, 40000); /* answers, and a few lists */
    raw_free(&r);
    leave(w, &id);
}

/* One byte now and then keeps a link for a while, since large messages take time, not for ever. */
static void test_a_message_that_never_ends(void **state)
{
    struct identity id;
    struct world *w = stage_with(&id, 250);
    struct raw r;
    unsigned bytes = 0;
    (void)state;

    hello_and_up(w, &r, &id);
    bufferevent_write(r.bev, "\x00\x08\x00\x00", 4);
    while (!r.closed && bytes < 200) {
        bufferevent_write(r.bev, "x", 1);
        bytes++;
        world_run(w, 30);
    }
    assert_true(bytes > 500 / 30 && bytes < 4000 / 30);
    raw_free(&r);
    leave(w, &id);
}

static void test_hello_of_another(void **state)
{
    struct identity id, other;
    struct world *w = stage(&id);
    struct raw r;
    (void)state;

    unsigned ups = w->nodes[0].ups;
    other = id;
    other.who.node = *pn_cluster_self(w->nodes[1].c);
    play(w, &r, &id);
    put_hello(&r, &other);
    expect_closed(w, &r);
    assert_true(n2_linked(w, 0));
    other = id;
    other.who.cluster.b[0] ^= 1;
    play(w, &r, &id);
    put_hello(&r, &other);
    expect_closed(w, &r);
    assert_int_equal(w->nodes[0].ups, ups);
    leave(w, &id);
}

/* One that does not care for what it is told: it is cut off, and not heard any more. */
static void test_removed_while_linked(void **state)
{
    struct identity id;
    struct world *w = stage_with(&id, 5000);
    struct raw r;
    (void)state;

    hello_and_up(w, &r, &id);
    put(&r, PN_CHANNEL_RULES, "a", 1);
    world_run(w, 50);
    assert_int_equal(w->nodes[0].got, 1);
    put(&r, PN_CHANNEL_RULES, "b", 1); /* on its way */
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n2", &world_error));
    put(&r, PN_CHANNEL_RULES, "c", 1);
    watched = &r;
    world_until(w, raw_closed, 0, 500);
    assert_int_equal(w->nodes[0].got, 1);
    raw_free(&r);
    leave(w, &id);
}

static bool n2_gone(struct world *w, int arg)
{
    (void)arg;
    return n2_linked(w, 0);
}

static void test_one_that_does_not_read(void **state)
{
    enum { PART = 256 * 1024 };
    struct identity id;
    struct world *w = stage_with(&id, 5000); /* it does not ping either */
    struct pn_transport *t = pn_cluster_transport(w->nodes[0].c);
    struct pn_transport_peer p;
    struct raw r;
    uint8_t *bytes = calloc(1, PN_TRANSPORT_MESSAGE_MAX + 1);
    unsigned taken = 0;
    (void)state;

    hello_and_up(w, &r, &id);
    bufferevent_disable(r.bev, EV_READ);
    assert_int_equal(pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, PN_TRANSPORT_MESSAGE_MAX + 1),
                     PN_SEND_TOO_LARGE);
    for (unsigned i = 0; i < 400; i++) {
        taken += pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, PART) == PN_SEND_OK;
        assert_int_equal(pn_transport_send(t, pn_cluster_self(w->nodes[1].c), PN_CHANNEL_RULES, bytes, 100),
                         PN_SEND_OK);
        assert_true(pn_transport_peer(t, &id.who.node, &p));
        assert_true(p.queued_bytes < (4u << 20) + (1u << 20));
        if (i % 20 == 0)
            world_run(w, 2);
    }
    assert_true(taken >= 16 && taken < 200);
    assert_true(p.refused_sends > 100);
    world_until(w, n2_gone, 0, 4000); /* given up after stall_ms */
    assert_int_equal(pn_transport_send(t, &id.who.node, PN_CHANNEL_RULES, bytes, 1), PN_SEND_DOWN);
    assert_true(pn_transport_peer(t, &id.who.node, &p));
    assert_non_null(strstr(p.reason, "taken nothing"));
    world_run(w, 50);
    assert_int_equal(w->nodes[1].got, 400);
    free(bytes);
    raw_free(&r);
    leave(w, &id);
}

static unsigned writables;

static void count_writable(void *arg, const struct pn_id *peer)
{
    (void)arg;
    (void)peer;
    writables++;
}

static bool drained(struct world *w, int bytes)
{
    return writables > 0 && w->nodes[1].got_bytes == (size_t)bytes;
}

static void test_back_pressure_and_large_messages(void **state)
{
    static const struct pn_channel_ops ops = {.writable = count_writable};
    struct world *w = world_new(false);
    uint8_t *bytes = calloc(1, PN_TRANSPORT_MESSAGE_MAX);
    size_t sent = 0;
    (void)state;

    world_make(w, 2);
    writables = 0;
    pn_cluster_subscribe(w->nodes[0].c, PN_CHANNEL_STATUS, &ops, NULL);
    struct pn_transport *t = pn_cluster_transport(w->nodes[0].c);
    const struct pn_id *to = pn_cluster_self(w->nodes[1].c);
    memset(bytes, 'x', PN_TRANSPORT_MESSAGE_MAX);
    w->nodes[1].got_bytes = 0;
    while (pn_transport_send(t, to, PN_CHANNEL_RULES, bytes, PN_TRANSPORT_MESSAGE_MAX) == PN_SEND_OK)
        sent += PN_TRANSPORT_MESSAGE_MAX;
    assert_true(sent >= 4 * PN_TRANSPORT_MESSAGE_MAX && sent <= 8 * PN_TRANSPORT_MESSAGE_MAX);
    assert_int_equal(writables, 0);
    world_until(w, drained, (int)sent, 5000);
    assert_int_equal(writables, 1);
    assert_true(world_all_linked(w, 2));
    free(bytes);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_bytes_instead_of_a_hello),
        cmocka_unit_test(test_a_member_gone_bad),
        cmocka_unit_test(test_clock_alarm),
        cmocka_unit_test(test_pings_that_lie),
        cmocka_unit_test(test_a_message_that_never_ends),
        cmocka_unit_test(test_hello_of_another),
        cmocka_unit_test(test_removed_while_linked),
        cmocka_unit_test(test_one_that_does_not_read),
        cmocka_unit_test(test_back_pressure_and_large_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
