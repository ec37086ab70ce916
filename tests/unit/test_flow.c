/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table as a map: entering, finding, moving, ageing, walking. */
#include "tests/unit/flow_world.h"

static const struct pn_now T0 = {.ms = 5000, .us = 5000000};

static void test_bad_config(void **state)
{
    (void)state;
    struct pn_error err;
    struct pn_flow_config config = {.entries_max = 0};
    assert_null(pn_flow_table_new(&config, &err));
    assert_non_null(strstr(err.text, "0 entries"));
    config.entries_max = PN_FLOW_ENTRIES_MAX + 1;
    assert_null(pn_flow_table_new(&config, &err));
    assert_non_null(strstr(err.text, "can be had"));
}

static unsigned allocs_left, allocs_open;
static void *short_alloc(void *arg, size_t bytes, size_t align)
{
    (void)arg;
    if (allocs_left == 0)
        return NULL;
    allocs_left--;
    allocs_open++;
    void *mem = aligned_alloc(align, (bytes + align - 1) / align * align);
    memset(mem, 0, bytes);
    return mem;
}

static void short_release(void *arg, void *mem)
{
    (void)arg;
    allocs_open--;
    free(mem);
}

static void test_short_memory(void **state)
{
    (void)state;
    struct pn_error err;
    struct pn_flow_config config = {.entries_max = 100, .alloc = short_alloc, .release = short_release};
    for (unsigned i = 0;; i++) {
        allocs_left = i;
        struct pn_flow_table *t = pn_flow_table_new(&config, &err);
        if (t != NULL) {
            assert_int_equal(i, 3); /* the table, its lines, its log */
            pn_flow_table_free(t);
            break;
        }
        assert_non_null(strstr(err.text, "no memory"));
        assert_int_equal(allocs_open, 0);
    }
    assert_int_equal(allocs_open, 0);
}

static void test_key_parts_count(void **state)
{
    (void)state;
    struct world *w = world_new(64);
    struct pn_flow_key k = key_make(w, 1, 3);
    struct pn_flow *f = pn_flow_insert(w->t, k.client, k.port_svc, k.hash, PN_FLOW_ESTABLISHED, T0);
    assert_non_null(f);
    f->gateway = 42;
    assert_ptr_equal(find(w, 1, 3, T0), f);
    /* The same hash with any part of the key changed is another flow. */
    for (unsigned bit = 0; bit < 160; bit++) {
        struct pn_flow_key o = k;
        if (bit < 128)
            o.client[bit / 64] ^= 1ull << (bit % 64);
        else
            o.port_svc ^= 1u << (bit - 128);
        assert_null(pn_flow_lookup(w->t, o.client, o.port_svc, k.hash, T0));
    }
    pn_flow_remove(w->t, f);
    assert_null(find(w, 1, 3, T0));
    assert_int_equal(pn_flow_usage(w->t).used, 0);
    world_free(w);
}

static void test_refuses_what_is_no_key(void **state)
{
    (void)state;
    struct world *w = world_new(64);
    const uint64_t nobody[2] = {0, 0}, somebody[2] = {0, 0x01020304ffff0000ull};
    uint64_t h = pn_flow_hash(w->t, nobody, 0);
    /* An all-zero key looks like an empty slot. */
    assert_null(pn_flow_lookup(w->t, nobody, 0, h, T0));
    struct pn_flow_key k = {.hash = h};
    struct pn_flow *out[1] = {(struct pn_flow *)&k};
    pn_flow_lookup_bulk(w->t, &k, 1, T0, out);
    assert_null(out[0]);
    assert_null(pn_flow_insert(w->t, nobody, 0, h, PN_FLOW_ESTABLISHED, T0));
    assert_null(pn_flow_insert(w->t, somebody, PN_MAX_SERVICES, h, PN_FLOW_HALF_OPEN, T0));
    assert_null(pn_flow_insert(w->t, somebody, 1, h, PN_FLOW_CLOSING, T0));
    assert_null(pn_flow_insert(w->t, somebody, 1, h, PN_FLOW_FREE, T0));
    assert_int_equal(pn_flow_usage(w->t).used, 0);
    world_free(w);
}

static void test_holds_entries_max(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 7, 100, 1000, 4096, 100000};
    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t n = sizes[s];
        struct world *w = world_new(n);
        for (uint32_t i = 0; i < n; i++) {
            struct pn_flow *f = insert(w, i, (uint16_t)(i % 5), PN_FLOW_ESTABLISHED, T0);
            assert_non_null(f);
            f->gateway = (uint16_t)(i % 251);
        }
        world_check(w);
        for (uint32_t i = 0; i < n; i++) {
            struct pn_flow *f = find(w, i, (uint16_t)(i % 5), T0);
            assert_non_null(f);
            assert_int_equal(f->gateway, i % 251);
        }
        /* Full is full, whoever comes. */
        assert_null(insert(w, n, 0, PN_FLOW_ESTABLISHED, T0));
        assert_null(insert(w, n, 0, PN_FLOW_HALF_OPEN, T0));
        assert_int_equal(pn_flow_usage(w->t).used, n);
        assert_int_equal(w->n_evicted, 0);
        if (n >= 1000)
            assert_true(pn_flow_usage(w->t).bytes <= 64ull * n);
        world_free(w);
    }
}

/* Far above entries_max, where every insert has to move others; nothing may get lost on the way. */
static void test_displacement_loses_nothing(void **state)
{
    (void)state;
    const uint32_t n = 2000;
    struct world *w = world_new(n);
    uint32_t slots = pn_flow_usage(w->t).slots, entered = 0;
    w->t->entries_max = UINT32_MAX;
    while (entered < slots * 9 / 10) {
        struct pn_flow *f = insert(w, entered, 1, PN_FLOW_ESTABLISHED, T0);
        if (f == NULL)
            break;
        f->gateway = (uint16_t)(entered % 251);
        f->flags = (uint8_t)(entered % 7);
        entered++;
    }
    assert_true(entered > slots * 80 / 100);
    world_check(w);
    for (uint32_t i = 0; i < entered; i++) {
        struct pn_flow *f = find(w, i, 1, T0);
        assert_non_null(f);
        assert_int_equal(f->gateway, i % 251);
        assert_int_equal(f->flags, i % 7);
        assert_int_equal(f->seen_ms, T0.ms);
    }
    for (uint32_t i = 0; i < entered; i += 2)
        pn_flow_remove(w->t, find(w, i, 1, T0));
    world_check(w);
    for (uint32_t i = 0; i < entered; i++)
        assert_int_equal(find(w, i, 1, T0) != NULL, i % 2);
    for (uint32_t i = 1; i < entered; i += 2)
        pn_flow_remove(w->t, find(w, i, 1, T0));
    for (uint32_t l = 0; l < w->t->n_lines; l++) {
        assert_int_equal(w->t->lines[l].slot[0].over, 0);
        assert_true(w->t->lines[l].slot[1].over == 0 || w->t->lines[l].slot[1].over == PN_FLOW_OVER_MANY);
    }
    world_free(w);
}

/* Tiny tables filled to the brim, where the paths of moves meet themselves. */
static void test_brim_of_tiny_tables(void **state)
{
    (void)state;
    uint64_t entered = 0, slots = 0;
    for (uint32_t round = 0; round < 3000; round++) {
        struct world *w = world_new(60);
        w->t->n_lines = 8 + round % 20 * 2; /* fewer than it would take by itself */
        uint32_t n = 0;
        w->t->entries_max = UINT32_MAX;
        while (insert(w, round * 200 + n, 1, PN_FLOW_ESTABLISHED, T0) != NULL)
            n++;
        assert_true(n <= pn_flow_usage(w->t).slots);
        entered += n;
        slots += pn_flow_usage(w->t).slots;
        for (uint32_t i = 0; i < n; i++)
            assert_non_null(find(w, round * 200 + i, 1, T0));
        world_free(w);
    }
    assert_true(entered > slots * 80 / 100);
}

/* More flows at home in one line than its count can tell: they are found all the same, now and after most left. */
static void test_crowded_home(void **state)
{
    (void)state;
    struct world *w = world_new(100);
    struct pn_flow_key keys[14];
    unsigned n = 0;
    for (uint32_t i = 0; n < 14; i++) {
        keys[n] = key_make(w, i, 1);
        if (pn_flow_home(w->t, keys[n].hash) != 5 || pn_flow_far(w->t, keys[n].hash) / 2 == 2)
            continue;
        if (pn_flow_insert(w->t, keys[n].client, keys[n].port_svc, keys[n].hash, PN_FLOW_ESTABLISHED, T0) != NULL)
            n++;
    }
    assert_int_equal(w->t->lines[5].slot[1].over, PN_FLOW_OVER_MANY);
    world_check(w);
    for (unsigned gone = 0; gone < n; gone++) {
        for (unsigned i = 0; i < n; i++) {
            struct pn_flow *f = pn_flow_lookup(w->t, keys[i].client, keys[i].port_svc, keys[i].hash, T0);
            assert_int_equal(f != NULL, i >= gone);
            if (i == gone)
                pn_flow_remove(w->t, f);
        }
    }
    world_free(w);
}

static void test_bulk_is_single(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_non_null(insert(w, i, 2, PN_FLOW_ESTABLISHED, T0));
    for (unsigned n = 0; n <= PN_FLOW_BULK_MAX; n++) {
        struct pn_flow_key keys[PN_FLOW_BULK_MAX];
        struct pn_flow *out[PN_FLOW_BULK_MAX + 1];
        for (unsigned j = 0; j < n; j++)
            keys[j] = key_make(w, (n * 97 + j * 31) % 1500, 2); /* one in three unknown */
        out[n] = (struct pn_flow *)keys;
        pn_flow_lookup_bulk(w->t, keys, n, T0, out);
        for (unsigned j = 0; j < n; j++) {
            assert_ptr_equal(out[j], pn_flow_lookup(w->t, keys[j].client, keys[j].port_svc, keys[j].hash, T0));
            assert_int_equal(out[j] != NULL, (n * 97 + j * 31) % 1500 < 1000);
        }
        assert_ptr_equal(out[n], keys); /* nothing written behind */
    }
    world_free(w);
}

/* Addresses and ports in rows, as clients behind one network come: no worse than random ones. */
static void test_structured_keys_spread(void **state)
{
    (void)state;
    struct world *w = world_new(65536);
    uint32_t at_home = 0, n = 0;
    for (uint32_t ip = 0; ip < 64; ip++) {
        for (uint32_t port = 0; port < 1024; port++, n++) {
            const uint64_t client[2] = {0, (uint64_t)(0x0100000au + (ip << 24)) << 32 | 0xffff0000u};
            uint32_t port_svc = (1024 + port) << 16 | 1;
            struct pn_flow *f =
                pn_flow_insert(w->t, client, port_svc, pn_flow_hash(w->t, client, port_svc), PN_FLOW_ESTABLISHED, T0);
            assert_non_null(f);
        }
    }
    for (uint32_t i = 0; i < w->t->n_lines * 2; i++)
        at_home += pn_flow_at(w->t, i)->state != PN_FLOW_FREE && pn_flow_at(w->t, i)->place == PN_FLOW_AT_HOME;
    assert_true(at_home > n * 83 / 100);
    world_free(w);
}

static const struct {
    enum pn_flow_state state;
    uint32_t limit_ms;
} timer_rows[] = {
    {PN_FLOW_HALF_OPEN, HALF_OPEN_MS}, {PN_FLOW_ESTABLISHED, ESTABLISHED_MS}, {PN_FLOW_CLOSING, CLOSING_MS}};

static struct pn_flow *enter_in_state(struct world *w, uint32_t i, uint16_t svc, enum pn_flow_state state,
                                      struct pn_now now)
{
    uint32_t us;
    struct pn_flow *f = insert(w, i, svc, state == PN_FLOW_CLOSING ? PN_FLOW_ESTABLISHED : state, now);
    assert_non_null(f);
    if (state == PN_FLOW_CLOSING)
        assert_int_equal(pn_flow_segment(w->t, f, 0x11, now, &us), PN_FLOW_EV_CLOSING);
    return f;
}

static void test_idle_by_state(void **state)
{
    (void)state;
    static const uint32_t starts[] = {0, 5000, UINT32_MAX - 300, UINT32_MAX - 9000};
    for (unsigned s = 0; s < 4; s++) {
        for (unsigned r = 0; r < 3; r++) {
            struct world *w = world_new(64);
            struct pn_now then = {starts[s], 0}, now = then;
            assert_int_equal(pn_flow_limit_ms(w->t, enter_in_state(w, 1, 9, timer_rows[r].state, then)),
                             timer_rows[r].limit_ms);
            now.ms = then.ms + timer_rows[r].limit_ms; /* the timer itself is never cut short */
            assert_non_null(find(w, 1, 9, now));
            age_all(w, now);
            assert_int_equal(w->n_idle, 0);
            now.ms = then.ms + timer_rows[r].limit_ms + STEP;
            if (s % 2 == 0) {
                assert_null(find(w, 1, 9, now));
            } else {
                struct pn_flow_key k = key_make(w, 1, 9);
                struct pn_flow *out;
                pn_flow_lookup_bulk(w->t, &k, 1, now, &out);
                assert_null(out);
            }
            assert_int_equal(w->n_idle, 1);
            assert_int_equal(w->n_evicted, 0);
            assert_int_equal(w->last_gone.state, timer_rows[r].state);
            assert_int_equal(pn_flow_usage(w->t).used, 0);
            world_free(w);
        }
    }
}

static void test_timers_by_service(void **state)
{
    (void)state;
    struct world *w = world_new(64);
    w->timers[3].established_ms = 1000;
    w->timers[4].established_ms = 0;
    pn_flow_table_set_timers(w->t, w->timers);
    for (uint16_t svc = 2; svc <= 4; svc++)
        assert_non_null(insert(w, 1, svc, PN_FLOW_ESTABLISHED, T0));
    struct pn_now now = {T0.ms + 1000 + STEP, 0};
    assert_non_null(find(w, 1, 2, now));
    assert_null(find(w, 1, 3, now));
    assert_null(find(w, 1, 4, now));
    world_free(w);
}

/* Flows of a service that is no longer configured leave with the next sweep. */
static void test_service_without_timers(void **state)
{
    (void)state;
    struct world *w = world_new(64);
    assert_non_null(insert(w, 1, 3, PN_FLOW_ESTABLISHED, T0));
    assert_non_null(insert(w, 1, 4, PN_FLOW_ESTABLISHED, T0));
    memset(&w->timers[3], 0, sizeof(w->timers[3]));
    pn_flow_table_set_timers(w->t, w->timers);
    assert_int_equal(w->t->live_ms, CLOSING_MS); /* lookups of all others stay quick */
    age_all(w, (struct pn_now){T0.ms + HALF_OPEN_MS, 0});
    assert_int_equal(w->n_idle, 1);
    assert_int_equal(pn_flow_service(&w->last_gone), 3);
    world_free(w);
}

static void test_age_sweeps_all(void **state)
{
    (void)state;
    struct world *w = world_new(3000);
    struct pn_now now = T0;
    for (uint32_t i = 0; i < 3000; i++) {
        now.ms = T0.ms + (i % 2) * 60000;
        assert_non_null(insert(w, i, 1, PN_FLOW_ESTABLISHED, now));
    }
    now.ms = T0.ms + ESTABLISHED_MS + STEP + 30000;
    pn_flow_age(w->t, pn_flow_lines(w->t) / 2, now);
    assert_true(w->n_idle > 500 && w->n_idle < 1000); /* half of them: a share, not a full scan */
    pn_flow_age(w->t, pn_flow_lines(w->t), now);
    assert_int_equal(w->n_idle, 1500);
    world_check(w);
    for (uint32_t i = 0; i < 3000; i++)
        assert_int_equal(find(w, i, 1, now) != NULL, i % 2);
    uint32_t line = w->t->age_line;
    pn_flow_age(w->t, UINT32_MAX, now); /* asks for more than there is: once round */
    assert_int_equal(w->t->age_line, line);
    assert_int_equal(w->n_idle, 1500);
    world_free(w);
}

static void test_walk(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    static uint8_t seen[1000];
    struct pn_flow out[7];
    uint64_t cursor = 0;
    unsigned calls = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct pn_flow *f = insert(w, i, 1, PN_FLOW_ESTABLISHED, i < 900 ? T0 : (struct pn_now){0, 0});
        assert_non_null(f);
        f->gateway = (uint16_t)i;
    }
    memset(seen, 0, sizeof(seen));
    struct pn_now now = {ESTABLISHED_MS + STEP, 0}; /* the last 100 are idle for too long */
    do {
        unsigned n = pn_flow_walk(w->t, &cursor, out, 7, 5, now);
        assert_true(n <= 7);
        for (unsigned j = 0; j < n; j++) {
            assert_true(out[j].gateway < 1000);
            seen[out[j].gateway]++;
            assert_int_equal(out[j].place, 0);
            assert_int_equal(out[j].over, 0);
        }
        assert_true(++calls < 10000);
    } while (cursor != 0);
    assert_true(calls >= pn_flow_lines(w->t) / 5);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(seen[i], i < 900);
    cursor = UINT64_MAX - 3; /* a cursor made up */
    assert_int_equal(pn_flow_walk(w->t, &cursor, out, 7, 5, now), 0);
    assert_int_equal(cursor, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_short_memory),
        cmocka_unit_test(test_key_parts_count),
        cmocka_unit_test(test_refuses_what_is_no_key),
        cmocka_unit_test(test_holds_entries_max),
        cmocka_unit_test(test_displacement_loses_nothing),
        cmocka_unit_test(test_brim_of_tiny_tables),
        cmocka_unit_test(test_crowded_home),
        cmocka_unit_test(test_bulk_is_single),
        cmocka_unit_test(test_structured_keys_spread),
        cmocka_unit_test(test_idle_by_state),
        cmocka_unit_test(test_timers_by_service),
        cmocka_unit_test(test_service_without_timers),
        cmocka_unit_test(test_age_sweeps_all),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
