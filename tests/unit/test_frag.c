/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/core/frag.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define V4 "203.0.113.25"
#define C6 "2001:db8:c::7"
#define V6 "2001:db8:25::25"
#define NONE PN_COUNTER_NONE

/* ---- one fragment ---- */

static uint16_t inspect(const struct pn_fb *fb, struct pn_pkt *p, struct pn_frag_info *info)
{
    uint8_t *frame = pn_fb_heap(fb, fb->n);
    uint16_t why = 9999;

    if (pn_parse(frame, fb->n, fb->n, 0, p) == PN_EDGE_FRAGMENT) {
        p->vip = 3;
        why = pn_frag_inspect(frame, fb->n, p, info);
    }
    free(frame);
    return why;
}

static void start(struct pn_fb *fb, bool v6, uint32_t id, uint16_t offset, bool more)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, v6 ? C6 : C4, v6 ? V6 : V4);
    pn_fb_fragment(fb, id, offset, more);
}

static void test_inspect_split(void **state)
{
    struct pn_fb whole, first, second;
    struct pn_frag_info a, b;
    struct pn_pkt p;

    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        pn_fb_ether(&whole, 0);
        pn_fb_ip(&whole, v6 ? C6 : C4, v6 ? V6 : V4);
        pn_fb_tcp(&whole, 40000, 25, PN_FB_ACK);
        pn_fb_fill(&whole, 1000);
        pn_fb_done(&whole);
        pn_fb_split(&whole, 0xbeef, 400, &first, &second);
        assert_int_equal(inspect(&first, &p, &a), NONE);
        assert_int_equal(pn_pkt_client_port(&p), 40000);
        assert_int_equal(p.l4_dst, 25);
        assert_int_equal(p.tcp_flags, PN_FB_ACK);
        assert_int_equal(p.ip_proto, 6);
        assert_true(a.first && a.more);
        assert_int_equal(a.payload_bytes, 400);
        assert_int_equal(inspect(&second, &p, &b), NONE);
        assert_true(!b.first && !b.more);
        assert_int_equal(b.offset_bytes, 400);
        assert_int_equal(b.payload_bytes, 620);
        assert_int_equal(a.id, b.id);
        assert_int_equal(a.id & 0xffff, 0xbeef);
        assert_memory_equal(a.src, b.src, 16);
        assert_int_equal(a.vip, 3);
    }
}

static void test_inspect_rules(void **state)
{
    static const struct {
        const char *why;
        bool v6;
        uint16_t offset;
        bool more;
        uint8_t flags; /* of a TCP header put first; 0: only bytes */
        uint32_t bytes;
        uint16_t want;
    } rows[] = {
        {"first", false, 0, true, PN_FB_SYN, 4, NONE},
        {"first, header alone is no multiple of 8", false, 0, true, PN_FB_SYN, 0, PN_C_FRAG_MALFORMED},
        {"tiny first (RFC 1858)", false, 0, true, 0, 16, PN_C_FRAG_MALFORMED},
        {"tiny first 8", false, 0, true, 0, 8, PN_C_FRAG_MALFORMED},
        {"first, flags", false, 0, true, PN_FB_SYN | PN_FB_FIN, 4, PN_C_PARSE_TCP_FLAGS},
        {"later on the header (RFC 1858)", false, 8, true, 0, 64, PN_C_FRAG_MALFORMED},
        {"later on the header's end", false, 16, true, 0, 64, PN_C_FRAG_MALFORMED},
        {"later behind it", false, 24, true, 0, 64, NONE},
        {"later, odd length but last", false, 24, false, 0, 63, NONE},
        {"later, odd length and more", false, 24, true, 0, 63, PN_C_FRAG_MALFORMED},
        {"later, empty", false, 24, false, 0, 0, PN_C_FRAG_MALFORMED},
        {"past 65535 (ping of death)", false, 65528, false, 0, 8, PN_C_FRAG_MALFORMED},
        {"up to 65535", false, 65528, false, 0, 7, NONE},
        {"first 6", true, 0, true, PN_FB_SYN, 4, NONE},
        {"tiny first 6", true, 0, true, 0, 16, PN_C_FRAG_MALFORMED},
        {"first 6, flags", true, 0, true, PN_FB_SYN | PN_FB_RST, 4, PN_C_PARSE_TCP_FLAGS},
        {"later 6 on the header", true, 8, true, 0, 64, PN_C_FRAG_MALFORMED},
        {"later 6", true, 24, true, 0, 64, NONE},
        {"later 6, odd and more", true, 24, true, 0, 63, PN_C_FRAG_MALFORMED},
        {"later 6, empty", true, 24, false, 0, 0, PN_C_FRAG_MALFORMED},
        {"past 65535 6", true, 65528, false, 0, 8, PN_C_FRAG_MALFORMED},
    };
    struct pn_fb fb;
    struct pn_frag_info info;
    struct pn_pkt p;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(&fb, rows[i].v6, 7, rows[i].offset, rows[i].more);
        if (rows[i].flags)
            pn_fb_tcp(&fb, 40000, 25, rows[i].flags);
        else
            pn_fb_proto(&fb, 6);
        pn_fb_fill(&fb, rows[i].bytes);
        pn_fb_done(&fb);
        uint16_t why = inspect(&fb, &p, &info);
        if (why != rows[i].want)
            fail_msg("%s: %u", rows[i].why, why);
    }
}

static void test_inspect_header_past_fragment(void **state)
{
    struct pn_fb fb;
    struct pn_frag_info info;
    struct pn_pkt p;

    (void)state;
    start(&fb, false, 7, 0, true);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(&fb, 4);
    fb.b[fb.l4 + 12] = 7 << 4; /* 28 bytes announced, 24 here */
    pn_fb_done(&fb);
    assert_int_equal(inspect(&fb, &p, &info), PN_C_FRAG_MALFORMED);

    start(&fb, true, 7, 0, true); /* RFC 7112: the chain goes on in the next fragment */
    pn_fb_ext(&fb, 60, 3);
    pn_fb_proto(&fb, 6);
    pn_fb_done(&fb);
    assert_int_equal(inspect(&fb, &p, &info), PN_C_FRAG_MALFORMED);

    start(&fb, true, 7, 0, true); /* all of it here */
    pn_fb_ext(&fb, 60, 3);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(&fb, 4);
    pn_fb_done(&fb);
    assert_int_equal(inspect(&fb, &p, &info), NONE);
    assert_int_equal(p.l4_dst, 25);
    assert_int_equal(p.l4_off, 14 + 40 + 8 + 32);
}

static void test_inspect_cut(void **state)
{
    struct pn_fb fb;
    struct pn_frag_info info;
    struct pn_pkt p;

    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        start(&fb, v6, 7, 0, true);
        if (v6)
            pn_fb_ext(&fb, 60, 1);
        pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
        pn_fb_fill(&fb, 4);
        pn_fb_done_unpadded(&fb);
        for (uint32_t n = 0; n < fb.n; n++) {
            uint8_t *frame = pn_fb_heap(&fb, n);
            if (pn_parse(frame, n, fb.n, 0, &p) == PN_EDGE_FRAGMENT && n < fb.n - 4)
                assert_int_equal(pn_frag_inspect(frame, n, &p, &info), PN_C_FRAG_MALFORMED);
            free(frame);
        }
    }
}

/* ---- the table ---- */

static uint64_t dropped[64];
static enum pn_counter dropped_why[64];
static unsigned n_dropped;

static void on_drop(void *arg, uint64_t handle, enum pn_counter why)
{
    assert_ptr_equal(arg, dropped);
    assert_true(n_dropped < 64);
    dropped[n_dropped] = handle;
    dropped_why[n_dropped++] = why;
}

static void *memory;

static struct pn_frag_table *table(uint32_t datagrams, uint32_t held_max)
{
    struct pn_frag_config config = {.datagrams = datagrams,
                                    .held_max = held_max,
                                    .timeout_ms = 2000,
                                    .hash_seed = 0x1234567,
                                    .drop = on_drop,
                                    .drop_arg = dropped};
    size_t bytes = (pn_frag_table_bytes(datagrams) + 63) & ~(size_t)63;

    n_dropped = 0;
    memory = aligned_alloc(64, bytes);
    memset(memory, 0xa5, bytes);
    return pn_frag_table_init(memory, &config);
}

static struct pn_frag_info fragment(uint32_t id, uint16_t offset, uint16_t bytes)
{
    struct pn_frag_info info = {.src = {0, 0x0a000001ffff0000ull},
                                .id = id,
                                .vip = 3,
                                .offset_bytes = offset,
                                .payload_bytes = bytes,
                                .first = offset == 0,
                                .more = offset == 0};
    return info;
}

static uint64_t released[PN_FRAG_HELD_PER_DATAGRAM];
static unsigned n_released;
static uint16_t gateway, counter;

static enum pn_frag_verdict first(struct pn_frag_table *t, uint32_t id, uint16_t bytes, uint16_t gw, uint32_t now)
{
    struct pn_frag_info info = fragment(id, 0, bytes);
    return pn_frag_first(t, &info, gw, now, released, &n_released, &counter);
}

static enum pn_frag_verdict later(struct pn_frag_table *t, uint32_t id, uint16_t offset, uint64_t handle, uint32_t now)
{
    struct pn_frag_info info = fragment(id, offset, 100);
    return pn_frag_later(t, &info, handle, now, &gateway, &counter);
}

static void test_in_order(void **state)
{
    struct pn_frag_table *t = table(16, 64);

    (void)state;
    assert_int_equal(first(t, 1, 800, 5, 100), PN_FRAG_FORWARD);
    assert_int_equal(n_released, 0);
    assert_int_equal(later(t, 1, 800, 11, 101), PN_FRAG_FORWARD);
    assert_int_equal(gateway, 5);
    assert_int_equal(later(t, 1, 1600, 12, 102), PN_FRAG_FORWARD);
    assert_int_equal(gateway, 5);
    assert_int_equal(pn_frag_held(t), 0);
    free(memory);
}

static void test_out_of_order(void **state)
{
    struct pn_frag_table *t = table(16, 64);

    (void)state;
    assert_int_equal(later(t, 1, 1600, 12, 100), PN_FRAG_HELD);
    assert_int_equal(later(t, 1, 800, 11, 101), PN_FRAG_HELD);
    assert_int_equal(later(t, 2, 800, 21, 101), PN_FRAG_HELD);
    assert_int_equal(pn_frag_held(t), 3);
    assert_int_equal(first(t, 1, 800, 5, 102), PN_FRAG_FORWARD);
    assert_int_equal(n_released, 2);
    assert_int_equal(released[0], 12);
    assert_int_equal(released[1], 11);
    assert_int_equal(pn_frag_held(t), 1);
    assert_int_equal(later(t, 1, 2400, 13, 103), PN_FRAG_FORWARD);
    assert_int_equal(n_dropped, 0);
    free(memory);
}

/* In two chains, so that different keys meet in one. */
static void test_keys_are_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 64; round++) {
        struct pn_frag_table *t = table(2, 64);
        struct pn_frag_info other = fragment(1, 800, 100);
        assert_int_equal(first(t, 1, 800, 5, 100), PN_FRAG_FORWARD);
        if (round % 4 == 0)
            other.src[0] = (uint64_t)round + 1;
        else if (round % 4 == 1)
            other.src[1] += (uint64_t)round << 32;
        else if (round % 4 == 2)
            other.id = (uint32_t)round + 2;
        else
            other.vip = (uint16_t)(round + 4);
        assert_int_equal(pn_frag_later(t, &other, 7, 100, &gateway, &counter), PN_FRAG_HELD);
        assert_int_equal(later(t, 1, 800, 8, 100), PN_FRAG_FORWARD);
        pn_frag_flush(t);
        assert_int_equal(pn_frag_held(t), 0);
        assert_int_equal(n_dropped, 1);
        free(memory);
    }
}

static void test_timeout(void **state)
{
    struct pn_frag_table *t = table(16, 64);
    uint32_t began = UINT32_MAX - 500; /* the clock wraps on the way */

    (void)state;
    assert_int_equal(later(t, 1, 800, 11, began), PN_FRAG_HELD);
    assert_int_equal(first(t, 2, 800, 5, began + 1000), PN_FRAG_FORWARD);
    pn_frag_expire(t, began + 1999);
    assert_int_equal(n_dropped, 0);
    pn_frag_expire(t, began + 2000);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(dropped[0], 11);
    assert_int_equal(dropped_why[0], PN_C_FRAG_NO_FIRST);
    assert_int_equal(pn_frag_held(t), 0);
    assert_int_equal(later(t, 2, 800, 21, began + 2999), PN_FRAG_FORWARD);
    /* Not expired yet, but too old to lend its gateway: the id is in use again. */
    assert_int_equal(later(t, 2, 800, 22, began + 3000), PN_FRAG_HELD);
    free(memory);
}

static void test_bounds(void **state)
{
    struct pn_frag_table *t = table(4, 10);

    (void)state;
    for (unsigned i = 0; i < PN_FRAG_HELD_PER_DATAGRAM; i++)
        assert_int_equal(later(t, 1, 800, i + 1, 100), PN_FRAG_HELD);
    assert_int_equal(later(t, 1, 800, 99, 100), PN_FRAG_DROP);
    assert_int_equal(counter, PN_C_FRAG_TABLE_FULL);
    assert_int_equal(later(t, 2, 800, 21, 100), PN_FRAG_HELD);
    assert_int_equal(later(t, 3, 800, 31, 100), PN_FRAG_HELD);
    assert_int_equal(later(t, 4, 800, 41, 100), PN_FRAG_DROP); /* held_max */
    assert_int_equal(counter, PN_C_FRAG_TABLE_FULL);
    assert_int_equal(n_dropped, 0);
    free(memory);
}

static void test_oldest_makes_room(void **state)
{
    struct pn_frag_table *t = table(4, 64);

    (void)state;
    assert_int_equal(later(t, 1, 800, 11, 100), PN_FRAG_HELD);
    for (uint32_t id = 2; id <= 4; id++)
        assert_int_equal(first(t, id, 800, (uint16_t)id, 100), PN_FRAG_FORWARD);
    assert_int_equal(first(t, 5, 800, 5, 100), PN_FRAG_FORWARD);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(dropped[0], 11);
    assert_int_equal(dropped_why[0], PN_C_FRAG_TABLE_FULL);
    for (uint32_t id = 2; id <= 5; id++) {
        assert_int_equal(later(t, id, 800, 1, 100), PN_FRAG_FORWARD);
        assert_int_equal(gateway, id);
    }
    free(memory);
}

static void test_overlap(void **state)
{
    struct pn_frag_table *t = table(16, 64);

    (void)state;
    assert_int_equal(later(t, 1, 792, 11, 100), PN_FRAG_HELD);
    assert_int_equal(later(t, 1, 800, 12, 100), PN_FRAG_HELD);
    assert_int_equal(first(t, 1, 800, 5, 100), PN_FRAG_FORWARD);
    assert_int_equal(n_released, 1);
    assert_int_equal(released[0], 12);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(dropped[0], 11);
    assert_int_equal(dropped_why[0], PN_C_FRAG_MALFORMED);
    assert_int_equal(later(t, 1, 24, 13, 100), PN_FRAG_DROP);
    assert_int_equal(counter, PN_C_FRAG_MALFORMED);
    assert_int_equal(first(t, 1, 800, 5, 100), PN_FRAG_FORWARD); /* an exact copy */
    assert_int_equal(first(t, 1, 792, 5, 100), PN_FRAG_DROP);
    assert_int_equal(counter, PN_C_FRAG_MALFORMED);
    assert_int_equal(first(t, 1, 800, 6, 100), PN_FRAG_DROP); /* other ports, so another gateway */
    assert_int_equal(later(t, 1, 800, 14, 100), PN_FRAG_FORWARD);
    assert_int_equal(gateway, 5);
    assert_int_equal(pn_frag_held(t), 0);
    free(memory);
}

static void test_forget(void **state)
{
    struct pn_frag_table *t = table(16, 64);
    struct pn_frag_info info = fragment(1, 0, 800), unknown = fragment(9, 0, 800);

    (void)state;
    assert_int_equal(later(t, 1, 800, 11, 100), PN_FRAG_HELD);
    pn_frag_forget(t, &unknown);
    assert_int_equal(n_dropped, 0);
    pn_frag_forget(t, &info);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(dropped_why[0], PN_C_FRAG_NO_FIRST);
    assert_int_equal(first(t, 1, 800, 5, 100), PN_FRAG_FORWARD);
    pn_frag_forget(t, &info); /* a gateway is known: it stays */
    assert_int_equal(later(t, 1, 800, 12, 100), PN_FRAG_FORWARD);
    free(memory);
}

/* A long random run: handles come back once each, and the table's own count agrees with ours. */
static uint8_t owner[4096]; /* 1: the table holds it */
static unsigned owned;

static void take_back(void *arg, uint64_t handle, enum pn_counter why)
{
    (void)arg;
    (void)why;
    assert_int_equal(owner[handle], 1);
    owner[handle] = 0;
    owned--;
}

static void test_no_handle_lost(void **state)
{
    struct pn_frag_config config = {.datagrams = 13, .held_max = 40, .timeout_ms = 50, .drop = take_back};
    uint32_t now = 0;

    (void)state;
    void *block = aligned_alloc(64, (pn_frag_table_bytes(13) + 63) & ~(size_t)63);
    struct pn_frag_table *t = pn_frag_table_init(block, &config);
    srandom(4);
    for (unsigned round = 0; round < 200000; round++) {
        uint32_t id = (uint32_t)random() % 40;
        uint64_t handle = round % 4096;
        now += (uint32_t)random() % 3;
        switch (random() % 8) {
        case 0: {
            struct pn_frag_info info = fragment(id, 0, (uint16_t)(8 * (1 + random() % 100)));
            pn_frag_first(t, &info, (uint16_t)(id % 3), now, released, &n_released, &counter);
            for (unsigned i = 0; i < n_released; i++)
                take_back(NULL, released[i], PN_C_FRAG_NO_FIRST);
            break;
        }
        case 1: {
            struct pn_frag_info info = fragment(id, 0, 800);
            pn_frag_forget(t, &info);
            break;
        }
        case 2:
            pn_frag_expire(t, now);
            break;
        default:
            if (owner[handle])
                break;
            owner[handle] = 1;
            owned++;
            if (later(t, id, (uint16_t)(8 * (random() % 200)), handle, now) != PN_FRAG_HELD) {
                owner[handle] = 0;
                owned--;
            }
        }
        assert_int_equal(pn_frag_held(t), owned);
        assert_true(owned <= 40);
    }
    pn_frag_flush(t);
    assert_int_equal(owned, 0);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect_split),
        cmocka_unit_test(test_inspect_rules),
        cmocka_unit_test(test_inspect_header_past_fragment),
        cmocka_unit_test(test_inspect_cut),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_keys_are_apart),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_oldest_makes_room),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_no_handle_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
