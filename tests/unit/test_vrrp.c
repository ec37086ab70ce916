/* SPDX-License-Identifier: BSD-3-Clause */
/* VRRPv3 against packets recorded from keepalived 2.2.7, the rules of RFC 9568 6.4, and two simulated routers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/vrrp.h"

#define MS UINT64_C(1000000)

/* keepalived: vrid 51, priority 200, advert_int 0.5, 10.99.0.25 from 10.99.0.1 */
static const uint8_t kept4[] = {0x45, 0xc0, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0,
                                0x36, 0x0a, 0x63, 0x00, 0x01, 0xe0, 0x00, 0x00, 0x12, 0x31, 0x33,
                                0xc8, 0x01, 0x00, 0x32, 0x11, 0x2a, 0x0a, 0x63, 0x00, 0x19};
/* vrid 52, priority 150, advert_int 1, fd99::25 from its link-local address */
static const uint8_t kept6[] = {0x6c, 0x02, 0xd0, 0xb2, 0x00, 0x18, 0x70, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x00,
                                0x00, 0x00, 0x00, 0xe4, 0x84, 0xbd, 0xff, 0xfe, 0xff, 0x51, 0x03, 0xff, 0x02,
                                0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                0x12, 0x31, 0x34, 0x96, 0x01, 0x00, 0x64, 0x4a, 0x01, 0xfd, 0x99, 0x00, 0x00,
                                0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x25};

static int decode_exact(const uint8_t *p, size_t n, struct pn_vrrp_advert *a, struct pn_addr *src, const char **field)
{
    uint8_t *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, p, n);
    int rc = pn_vrrp_decode(exact, n, a, src, field);
    free(exact);
    return rc;
}

static void test_keepalived_packets(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *p;
        size_t n, header;
        uint8_t vrid, priority, last;
        uint16_t cs;
        bool v6;
    } rows[] = {{kept4, sizeof(kept4), 20, 51, 200, 25, 50, false},
                {kept6, sizeof(kept6), 40, 52, 150, 0x25, 100, true}};
    for (unsigned i = 0; i < 2; i++) {
        struct pn_vrrp_advert a;
        struct pn_addr src, group = pn_vrrp_group(rows[i].v6);
        const char *field;
        assert_int_equal(decode_exact(rows[i].p, rows[i].n, &a, &src, &field), 0);
        assert_int_equal(a.vrid, rows[i].vrid);
        assert_int_equal(a.priority, rows[i].priority);
        assert_int_equal(a.interval_cs, rows[i].cs);
        assert_int_equal(a.n_addrs, 1);
        assert_int_equal(a.addrs[0].b[15], rows[i].last);
        assert_true(a.v6 == rows[i].v6);
        uint8_t out[PN_VRRP_MAX_BYTES];
        size_t n = pn_vrrp_encode(&a, &src, &group, out, sizeof(out));
        assert_int_equal(n, rows[i].n - rows[i].header);
        assert_memory_equal(out, rows[i].p + rows[i].header, n); /* ours is the same to the bit */
        assert_int_equal(pn_vrrp_encode(&a, &src, &group, out, n - 1), 0);
    }
}

static void test_every_byte_counts(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        const uint8_t *good = which ? kept6 : kept4;
        size_t n = which ? sizeof(kept6) : sizeof(kept4), header = which ? 40 : 20;
        uint8_t bad[sizeof(kept6)];
        struct pn_vrrp_advert a;
        struct pn_addr src;
        const char *field;
        memcpy(bad, good, n);
        for (size_t i = header; i < n; i++) {
            for (unsigned flip = 1; flip < 256; flip <<= 1) {
                bad[i] ^= (uint8_t)flip;
                assert_int_equal(decode_exact(bad, n, &a, &src, &field), -1);
                bad[i] ^= (uint8_t)flip;
            }
        }
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(decode_exact(good, cut, &a, &src, &field), -1);
        bad[which ? 7 : 8] = 254;
        assert_int_equal(decode_exact(bad, n, &a, &src, &field), -1);
        assert_string_equal(field, "ip.ttl");
        bad[which ? 7 : 8] = 255;
        bad[which ? 6 : 9] = 17;
        assert_int_equal(decode_exact(bad, n, &a, &src, &field), -1);
        assert_string_equal(field, "ip.protocol");
    }
    /* RFC 5798 readings without the pseudo-header are in the field for IPv4. */
    uint8_t plain[sizeof(kept4)];
    memcpy(plain, kept4, sizeof(plain));
    uint32_t sum = 0;
    plain[26] = plain[27] = 0;
    for (unsigned i = 20; i < 32; i += 2)
        sum += (uint32_t)plain[i] << 8 | plain[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    plain[26] = (uint8_t)(~sum >> 8);
    plain[27] = (uint8_t)~sum;
    struct pn_vrrp_advert a;
    struct pn_addr src;
    const char *field;
    assert_int_equal(decode_exact(plain, sizeof(plain), &a, &src, &field), 0);
}

static struct pn_vrrp router(uint8_t priority, uint8_t last)
{
    struct pn_vrrp v = {.vrid = 9, .priority = priority, .preempt = true, .interval_ns = 100 * MS, .n_addrs = 1};
    v.primary = pn_addr_from_v4((uint32_t)last << 24 | 10);
    v.addrs[0] = pn_addr_from_v4(99u << 24 | 10);
    return v;
}

static struct pn_vrrp_advert advert(uint8_t priority)
{
    struct pn_vrrp_advert a = {.vrid = 9, .priority = priority, .interval_cs = 10, .n_addrs = 1};
    a.addrs[0] = pn_addr_from_v4(99u << 24 | 10);
    return a;
}

static void test_state_machine(void **state)
{
    (void)state;
    struct pn_vrrp v = router(100, 5);
    struct pn_vrrp_out out;
    struct pn_addr lower = pn_addr_from_v4(4u << 24 | 10), higher = pn_addr_from_v4(6u << 24 | 10);
    struct pn_vrrp_advert a;
    uint64_t wake, t = 1000 * MS;
    uint64_t down = 300 * MS + 156 * 100 * MS / 256;

    pn_vrrp_startup(&v, t, &out);
    assert_int_equal(v.state, PN_VRRP_BACKUP);
    pn_vrrp_step(&v, t + down - 1, &out, &wake);
    assert_int_equal(v.state, PN_VRRP_BACKUP);
    assert_true(wake == t + down);

    a = advert(100);
    pn_vrrp_heard(&v, &a, &higher, t + 100 * MS, &out); /* as good: waits anew */
    pn_vrrp_step(&v, t + down, &out, &wake);
    assert_int_equal(v.state, PN_VRRP_BACKUP);
    a = advert(99);
    pn_vrrp_heard(&v, &a, &higher, t + 200 * MS, &out); /* lower, preempt: not obeyed */
    t += 100 * MS + down;
    pn_vrrp_step(&v, t, &out, &wake);
    assert_int_equal(v.state, PN_VRRP_ACTIVE);
    assert_true(out.send && out.priority == 100 && out.lease_change);
    assert_true(out.deadline_ns > t + 200 * MS && out.deadline_ns < t + 300 * MS);

    pn_vrrp_heard(&v, &a, &higher, t + 10 * MS, &out); /* a lower one advertises: asserted at once */
    assert_true(out.send);
    a = advert(100);
    pn_vrrp_heard(&v, &a, &lower, t + 20 * MS, &out); /* equal, lower address: stays */
    assert_int_equal(v.state, PN_VRRP_ACTIVE);
    pn_vrrp_heard(&v, &a, &higher, t + 30 * MS, &out); /* equal, higher address: yields, lease first */
    assert_int_equal(v.state, PN_VRRP_BACKUP);
    assert_true(out.lease_change && out.deadline_ns == 0 && !out.send);

    a = advert(0);
    pn_vrrp_heard(&v, &a, &higher, t + 40 * MS, &out); /* gives up: only the skew is waited */
    pn_vrrp_step(&v, t + 40 * MS + 61 * MS, &out, &wake);
    assert_int_equal(v.state, PN_VRRP_ACTIVE);

    uint64_t last = t + 101 * MS;
    pn_vrrp_step(&v, last + 290 * MS, &out, &wake); /* stopped past its lease: no owner any more, says nothing */
    assert_int_equal(v.state, PN_VRRP_BACKUP);
    assert_true(out.lease_change && out.deadline_ns == 0 && !out.send);
    pn_vrrp_step(&v, last + 5000 * MS, &out, &wake); /* and a late timer is no silence of another */
    assert_int_equal(v.state, PN_VRRP_BACKUP);

    pn_vrrp_shutdown(&v, last + 5001 * MS, &out);
    assert_false(out.send);
    v = router(255, 5);
    pn_vrrp_startup(&v, t, &out);
    assert_int_equal(v.state, PN_VRRP_ACTIVE);
    pn_vrrp_shutdown(&v, t + MS, &out);
    assert_true(out.send && out.priority == 0 && out.lease_change && out.deadline_ns == 0);
}

/*
 * Two of ours under stops of any length: leases never overlap. Without preemption: VRRP knows no answer to a claim, so one
 * that preempts a router stopped that very moment overlaps with what is left of its lease (the manual says so).
 */
static void test_leases_never_overlap(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ull;
    struct pn_vrrp r[2] = {router(200, 5), router(100, 6)};
    struct pn_vrrp_out out;
    r[0].preempt = r[1].preempt = false;
    uint64_t wake, lease[2] = {0, 0}, stopped[2] = {0, 0}, answered = 0, total = 0;
    struct pn_vrrp_advert waiting[2];
    bool queued[2] = {false, false};
    for (unsigned i = 0; i < 2; i++)
        pn_vrrp_startup(&r[i], 1000 * MS, &out);
    for (uint64_t t = 1000 * MS; t < 200000 * MS; t += MS) {
        for (unsigned turn = 0; turn < 4; turn++) {
            unsigned i = turn & 1;
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            if (t > 2000 * MS && seed % 4000 == 0)
                stopped[i] = t + seed / 4000 % 900 * MS;
            if (t < stopped[i])
                continue;
            /* What the socket kept while the process was stopped is read before timers are looked at. */
            for (unsigned part = queued[i] ? 0 : 1; part < 2; part++) {
                if (part == 0)
                    pn_vrrp_heard(&r[i], &waiting[i], &r[1 - i].primary, t, &out);
                else
                    pn_vrrp_step(&r[i], t, &out, &wake);
                queued[i] = false;
                if (out.lease_change)
                    lease[i] = out.deadline_ns;
                if (out.send) {
                    waiting[1 - i] = advert(out.priority);
                    queued[1 - i] = true;
                }
            }
        }
        assert_false(lease[0] > t && lease[1] > t);
        answered += lease[0] > t || lease[1] > t;
        total++;
    }
    assert_true(answered > total * 3 / 4);
}

/* One that steps back when it hears us is heard now and then; one that does not hear us goes on for longer than a second. */
static void test_lower_beside_us(void **state)
{
    (void)state;
    struct pn_vrrp v = router(100, 5);
    struct pn_vrrp_out out;
    struct pn_addr other = pn_addr_from_v4(6u << 24 | 10);
    struct pn_vrrp_advert a = advert(90), end = advert(0);
    uint64_t wake, t = 1000 * MS;

    pn_vrrp_startup(&v, t, &out);
    t += 361 * MS;
    pn_vrrp_step(&v, t, &out, &wake);
    assert_int_equal(v.state, PN_VRRP_ACTIVE);
    for (unsigned i = 0; i < 40; i++) { /* each more than four of its intervals after the one before */
        pn_vrrp_heard(&v, i % 2 ? &a : &end, &other, t += 210 * MS, &out);
        assert_false(out.beside);
        pn_vrrp_step(&v, t, &out, &wake);
    }
    t += 500 * MS;
    v.lease_ns = UINT64_MAX;
    for (unsigned i = 0; i <= 10; i++) {
        pn_vrrp_heard(&v, &a, &other, t + i * 100 * MS, &out);
        assert_int_equal(out.beside, i == 10);
    }
    /* One that advertises every 2 s is given 4 of its intervals and of ours. */
    a.interval_cs = 200;
    t += 60000 * MS;
    for (unsigned i = 0; i <= 5; i++) {
        v.lease_ns = UINT64_MAX; /* each answer of ours gives one of 262 ms */
        pn_vrrp_heard(&v, &a, &other, t + i * 2000 * MS, &out);
        assert_int_equal(out.beside, i == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keepalived_packets),   cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_state_machine),        cmocka_unit_test(test_lower_beside_us),
        cmocka_unit_test(test_leases_never_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
