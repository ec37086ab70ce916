/* SPDX-License-Identifier: BSD-3-Clause */
/* Two nodes' heartbeats: what counts, what a recording can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/peers.h"

struct node {
    struct pn_peers peers;
    struct pn_sealer *sealer;
    struct pn_opener *opener;
    uint64_t boot;
};
struct datagram {
    uint8_t bytes[PN_SEAL_MAX_BYTES];
    size_t n;
};

static uint64_t now_ns = 1000000000;

static uint64_t counting(void *arg)
{
    (void)arg;
    static uint64_t n = 0x1000;
    return n += 0x101;
}

static struct pn_seal_ring ring(void)
{
    struct pn_seal_ring r = {.n_keys = 1};
    r.keys[0].id = 1;
    r.keys[0].send = true;
    memset(r.keys[0].secret, 0x5a, sizeof(r.keys[0].secret));
    return r;
}

static void start(struct node *n, uint8_t self, uint64_t boot)
{
    struct pn_seal_ring r = ring();
    pn_peers_init(&n->peers, self, counting, NULL);
    pn_peers_configure(&n->peers, 0x7);
    n->boot = boot;
    n->sealer = pn_sealer_new(&r, PN_SEAL_HEARTBEAT, self, boot);
    n->opener = pn_opener_new(&r, PN_SEAL_HEARTBEAT);
    assert_non_null(n->sealer);
    assert_non_null(n->opener);
}

static void stop(struct node *n)
{
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
}

static struct datagram say(struct node *n, uint64_t generation)
{
    struct pn_heartbeat hb = {.generation = generation, .interval_us = 10000};
    struct datagram d;
    uint8_t plain[PN_HEARTBEAT_MAX_BYTES];
    pn_peers_fill(&n->peers, now_ns, 35000000, &hb);
    size_t len = pn_heartbeat_encode(&hb, plain, sizeof(plain));
    assert_true(len > 0);
    d.n = pn_seal(n->sealer, plain, len, d.bytes, sizeof(d.bytes));
    assert_true(d.n > 0);
    return d;
}

static enum pn_hb_verdict hear(struct node *n, const struct datagram *d)
{
    struct pn_peer *from;
    return pn_peers_receive(&n->peers, n->opener, d->bytes, d->n, now_ns, &from);
}

static enum pn_hb_verdict exchange(struct node *from, struct node *to)
{
    struct datagram d = say(from, 1);
    return hear(to, &d);
}

static void meet(struct node *a, struct node *b)
{
    for (int i = 0;
         i < 40 && !(a->peers.peers[b->peers.self].known && a->peers.peers[b->peers.self].boot_id == b->boot &&
                     b->peers.peers[a->peers.self].known && b->peers.peers[a->peers.self].boot_id == a->boot);
         i++) {
        exchange(a, b);
        exchange(b, a);
    }
    assert_int_equal(exchange(a, b), PN_HB_ACCEPTED);
    assert_int_equal(exchange(b, a), PN_HB_ACCEPTED);
}

static void test_handshake_takes_one_round(void **state)
{
    (void)state;
    struct node a, b;
    start(&a, 0, 11);
    start(&b, 1, 22);
    assert_int_equal(exchange(&a, &b), PN_HB_HANDSHAKE);
    assert_int_equal(exchange(&b, &a), PN_HB_HANDSHAKE);
    assert_int_equal(exchange(&a, &b), PN_HB_ACCEPTED); /* a echoes what b made after hearing a */
    assert_int_equal(exchange(&b, &a), PN_HB_ACCEPTED);
    assert_true(b.peers.peers[0].boot_id == 11);
    stop(&a);
    stop(&b);
}

static void test_replay_and_reorder(void **state)
{
    (void)state;
    struct node a, b;
    start(&a, 0, 11);
    start(&b, 1, 22);
    meet(&a, &b);
    struct datagram first = say(&a, 5), second = say(&a, 6);
    assert_int_equal(hear(&b, &second), PN_HB_ACCEPTED);
    struct pn_peer before = b.peers.peers[0];
    assert_int_equal(hear(&b, &first), PN_HB_LATE);
    assert_true(b.peers.peers[0].last.generation == 6); /* late ones change nothing that is read */
    assert_true(b.peers.peers[0].counter == before.counter);
    now_ns += 1000000;
    assert_int_equal(hear(&b, &second), PN_HB_REPLAYED);
    assert_int_equal(hear(&b, &first), PN_HB_REPLAYED);
    assert_true(b.peers.peers[0].heard_ns == before.heard_ns); /* a replay extends nothing */
    stop(&a);
    stop(&b);
}

static void test_recording_of_an_earlier_start(void **state)
{
    (void)state;
    struct node a, b;
    struct datagram old[20];
    start(&a, 0, 11);
    start(&b, 1, 22);
    meet(&a, &b);
    for (unsigned i = 0; i < 20; i++)
        old[i] = say(&a, 7); /* recorded, never delivered */
    stop(&a);
    start(&a, 0, 12);
    meet(&a, &b);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(hear(&b, &old[i]), PN_HB_HANDSHAKE);
        exchange(&b, &a);
        assert_int_equal(exchange(&a, &b), PN_HB_ACCEPTED);
    }
    assert_true(b.peers.peers[0].boot_id == 12);
    assert_true(b.peers.peers[0].last.generation == 1);
    /* And after b itself starts anew, having forgotten everything. */
    stop(&b);
    start(&b, 1, 23);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(hear(&b, &old[i]), PN_HB_HANDSHAKE);
    assert_false(b.peers.peers[0].known);
    meet(&a, &b);
    stop(&a);
    stop(&b);
}

/* A start that b never heard, recorded while b ran: its echoes are of challenges made before b heard of it. */
static void test_start_never_heard(void **state)
{
    (void)state;
    struct node a, b;
    start(&a, 0, 11);
    start(&b, 1, 22);
    meet(&a, &b);
    stop(&a);
    start(&a, 0, 12);
    exchange(&b, &a);
    struct datagram ghost1 = say(&a, 9), ghost2 = say(&a, 9);
    stop(&a);
    assert_int_equal(hear(&b, &ghost1), PN_HB_HANDSHAKE);
    assert_int_equal(hear(&b, &ghost2), PN_HB_HANDSHAKE);
    assert_true(b.peers.peers[0].boot_id == 11);
    stop(&b);
}

static void test_replays_cannot_keep_the_real_one_out(void **state)
{
    (void)state;
    enum { OLD = 10, EACH = 40 };
    struct node a, b;
    static struct datagram old[OLD][EACH];
    start(&b, 1, 22);
    for (unsigned o = 0; o < OLD; o++) {
        start(&a, 0, 100 + o);
        for (unsigned i = 0; i < EACH; i++)
            old[o][i] = say(&a, 3);
        stop(&a);
    }
    start(&a, 0, 500);
    for (unsigned i = 0; i < EACH; i++) {
        for (unsigned o = 0; o < OLD; o++)
            assert_int_equal(hear(&b, &old[o][i]), PN_HB_HANDSHAKE);
        exchange(&a, &b);
        exchange(&b, &a);
    }
    assert_true(b.peers.peers[0].known && b.peers.peers[0].boot_id == 500);
    assert_true(a.peers.peers[1].known && a.peers.peers[1].boot_id == 22);
    stop(&a);
    stop(&b);
}

static void test_strangers(void **state)
{
    (void)state;
    struct node a, b, c;
    start(&a, 0, 11);
    start(&b, 1, 22);
    start(&c, 5, 33); /* has the key, is no configured node */
    meet(&a, &b);
    assert_int_equal(exchange(&c, &b), PN_HB_UNKNOWN_SENDER);
    struct datagram own = say(&b, 1);
    assert_int_equal(hear(&b, &own), PN_HB_UNKNOWN_SENDER); /* reflected to us */
    struct datagram d = say(&a, 1);
    struct pn_peer before = b.peers.peers[0];
    for (size_t i = 0; i < d.n; i++) {
        d.bytes[i] ^= 1;
        assert_int_not_equal(hear(&b, &d), PN_HB_ACCEPTED);
        d.bytes[i] ^= 1;
    }
    assert_memory_equal(&before, &b.peers.peers[0], sizeof(before)); /* forgeries leave no trace but counters */
    pn_peers_configure(&b.peers, 0x6);
    assert_int_equal(hear(&b, &d), PN_HB_UNKNOWN_SENDER);
    stop(&a);
    stop(&b);
    stop(&c);
}

static void test_codec(void **state)
{
    (void)state;
    struct pn_heartbeat hb =
                            {.node = 2, .n_peers = 2, .n_vips = 2, .generation = 77, .challenge = 88, .interval_us = 1},
                        got;
    hb.peers[0].node = 0;
    hb.peers[1] = (struct pn_hb_peer){.node = 1, .flags = 3, .echo = 5, .counter = 6};
    hb.vips[0] = (struct pn_hb_vip){.name_hash = 1, .state = 3, .successor = 0xff, .vote = 2, .lease_ms = 25};
    hb.vips[1] =
        (struct pn_hb_vip){.name_hash = 2, .successor = 1, .vote = 0xff, .priority = 200, .load = 3, .vote_counter = 9};
    uint8_t out[PN_HEARTBEAT_MAX_BYTES];
    const char *field;
    size_t n = pn_heartbeat_encode(&hb, out, sizeof(out));
    assert_int_equal(n, 32 + 2 * 24 + 2 * 24);
    assert_int_equal(pn_heartbeat_encode(&hb, out, n - 1), 0);
    assert_int_equal(pn_heartbeat_decode(out, n, &got, &field), 0);
    assert_memory_equal(&got.vips[1], &hb.vips[1], sizeof(hb.vips[1]));
    assert_memory_equal(&got.peers[1], &hb.peers[1], sizeof(hb.peers[1]));
    static const struct {
        size_t at;
        uint8_t value;
        const char *field;
    } broken[] = {
        {0, 2, "version"},        {1, 9, "node"},       {3, 9, "counts"},         {3, 1, "length"},
        {4, 48, "counts"},        {5, 1, "reserved"},   {32, 2, "peer.node"},     {56, 0, "peer.node"},
        {34, 1, "peer.reserved"}, {84, 9, "vip.state"}, {86, 9, "vip.successor"}, {87, 200, "vip.vote"},
        {107, 1, "vip.name"},     {31, 0, "interval"},
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint8_t bad[PN_HEARTBEAT_MAX_BYTES];
        memcpy(bad, out, n);
        bad[broken[i].at] = broken[i].value;
        assert_int_equal(pn_heartbeat_decode(bad, n, &got, &field), -1);
        assert_string_equal(field, broken[i].field);
    }
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, out, cut);
        assert_int_equal(pn_heartbeat_decode(exact, cut, &got, &field), -1);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_takes_one_round),
        cmocka_unit_test(test_replay_and_reorder),
        cmocka_unit_test(test_recording_of_an_earlier_start),
        cmocka_unit_test(test_start_never_heard),
        cmocka_unit_test(test_replays_cannot_keep_the_real_one_out),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
