/* SPDX-License-Identifier: BSD-3-Clause */
/* A snapshot with one thing wrong is refused with that thing's name; no bytes whatever hurt the validator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/snap_make.h"

static void test_sample_is_valid(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    struct pn_snapshot view;
    struct pn_error err;
    size_t len;
    void *buf = snap_pack(p, &len);
    assert_int_equal(pn_snapshot_validate(buf, len, &view, &err), 0);
    assert_int_equal(view.header->n_members, 3);
    assert_string_equal(view.vips[1].name, "in6");
    assert_string_equal(view.services[1].name, "smtp");
    assert_string_equal(view.tiers[1].name, "secondary");
    assert_string_equal(view.gateways[2].name, "mx3");
    assert_int_equal(view.members[2].gateway, 10);
    assert_ptr_equal(view.header, buf);
    free(buf);
    free(p);
}

static void test_empty_is_valid(void **state)
{
    (void)state;
    struct snap_parts *p = snap_new();
    struct pn_snapshot view;
    struct pn_error err;
    size_t len;
    void *buf = snap_pack(p, &len);
    assert_int_equal(len, sizeof(struct pn_snap_header));
    assert_int_equal(pn_snapshot_validate(buf, len, &view, &err), 0);
    free(buf);
    free(p);
}

/* One field set to another value; fields longer than 8 bytes are filled with it. */
struct edit {
    size_t at;
    size_t width; /* 0: no edit */
    uint64_t value;
};
#define E(field, value)                                                                                                \
    {                                                                                                                  \
        offsetof(struct snap_parts, field), sizeof(((struct snap_parts *)0)->field), (value)                           \
    }
#define NO                                                                                                             \
    {                                                                                                                  \
        0, 0, 0                                                                                                        \
    }

static void apply(void *base, const struct edit *e)
{
    if (e->width <= 8)
        memcpy((uint8_t *)base + e->at, &e->value, e->width);
    else
        memset((uint8_t *)base + e->at, (int)e->value, e->width);
}

struct row {
    struct edit a, b;
    const char *expected; /* in the error; NULL: valid all the same */
};

/* The header's own, set in the packed message. */
static const struct row header_rows[] = {
    {E(h.magic, 1), NO, "header.magic"},
    {E(h.version, 2), NO, "header.version: 2"},
    {E(h.generation, 0), NO, "header.generation"},
    {E(h.reserved, 1), NO, "header.reserved"},
    {E(h.total_bytes, 8), NO, "header.total_bytes: 8, received"},
    {E(h.n_members, 2), NO, "the counts make"},
    {E(h.n_vips, PN_MAX_VIPS + 1), NO, "header.n_vips: 65 is above 64"},
    {E(h.n_services, PN_MAX_SERVICES + 1), NO, "header.n_services: 257 is above 256"},
    {E(h.n_tiers, PN_MAX_TIERS + 1), NO, "header.n_tiers: 513 is above 512"},
    {E(h.n_gateways, PN_MAX_GATEWAYS + 1), NO, "header.n_gateways: 257 is above 256"},
    {E(h.n_members, PN_MAX_MEMBERS + 1), NO, "header.n_members: 2049 is above 2048"},
};

/* clang-format off */
static const struct row rows[] = {
    {E(vips[1].name, 0), NO, "vip[1].name: empty"},
    {E(vips[1].name, 'a'), NO, "vip[1].name"}, /* no NUL */
    {E(vips[1].name[PN_NAME_BYTES - 1], 'a'), NO, "vip[1].name"}, /* something behind the NUL */
    {E(vips[1].name[1], ' '), NO, "vip[1].name"},
    {E(vips[1].name[1], '/'), NO, "vip[1].name"},
    {E(vips[1].name[1], 0xc3), NO, "vip[1].name"},
    {E(vips[1].name[2], '4'), NO, "vip[1].name: in4 is vip[0]'s already"},
    {E(vips[1].id, PN_MAX_VIPS), NO, "vip[1].id: 64 is above 63"},
    {E(vips[1].id, 5), NO, "vip[1].id: 5 is vip[0]'s already"},
    {E(vips[1].addr, 0), NO, "vip[1].addr"},
    {E(vips[1].addr.b[0], 0xff), NO, "vip[1].addr"}, /* multicast */
    {E(vips[0].addr.b[12], 0), NO, "vip[0].addr"},
    {E(vips[0].addr.b[12], 224), NO, "vip[0].addr"},
    {E(vips[0].addr.b[12], 255), NO, "vip[0].addr"},
    {E(vips[1].port, PN_MAX_PORTS), NO, "vip[1].port: 8 is above 7"},
    {E(vips[1].vlan, 4095), NO, "vip[1].vlan: 4095"},
    {E(vips[1].flags, 4), NO, "vip[1].flags"},
    {E(vips[1].mac.b[0], 1), NO, "vip[1].mac"},
    {E(vips[1].reserved, 1), NO, "vip[1].reserved"},
    {E(vips[1].reserved2, 1), NO, "vip[1].reserved"},

    {E(gateways[2].name[0], '*'), NO, "gateway[2].name"},
    {E(gateways[2].name[2], '1'), NO, "gateway[2].name: mx1 is gateway[0]'s already"},
    {E(gateways[2].id, PN_MAX_GATEWAYS), NO, "gateway[2].id: 256 is above 255"},
    {E(gateways[2].id, 11), NO, "gateway[2].id: 11 is gateway[0]'s already"},
    {E(gateways[2].mode, PN_FWD_COUNT), NO, "gateway[2].mode: 2"},
    {E(gateways[2].addr, 0), NO, "gateway[2].addr"},
    {E(gateways[2].mode, PN_FWD_LOCAL), E(gateways[2].addr.b[12], 240), "gateway[2].addr"},
    {E(gateways[2].port, PN_MAX_PORTS), NO, "gateway[2].port: 8 is above 7"},
    {E(gateways[2].vlan, 4095), NO, "gateway[2].vlan: 4095"},
    {E(gateways[2].flags, 4), NO, "gateway[2].flags"},
    {E(gateways[2].has_static_mac, 2), NO, "gateway[2].has_static_mac: 2"},
    {E(gateways[2].has_static_mac, 1), NO, "gateway[2].mac"},
    {E(gateways[2].has_static_mac, 1), E(gateways[2].mac.b[0], 3), "gateway[2].mac"},

    {E(members[1].gateway, 13), NO, "member[1].gateway: no gateway has id 13"},
    {E(members[1].gateway, PN_ID_NONE), NO, "member[1].gateway: no gateway has id 65535"},
    {E(members[1].flags, 4), NO, "member[1].flags"},
    {E(members[1].reserved, 1), NO, "member[1].reserved"},

    {E(tiers[1].name[0], 0), NO, "tier[1].name"},
    {E(tiers[1].id, PN_MAX_TIERS), NO, "tier[1].id: 512 is above 511"},
    {E(tiers[1].id, 7), NO, "tier[1].id: 7 is tier[0]'s already"},
    {E(tiers[1].flags, 2), NO, "tier[1].flags"},
    {E(tiers[1].rank, PN_MAX_TIERS_PER_POOL), NO, "tier[1].rank: 9 is above 8"},
    {E(tiers[1].member_first, 4), E(tiers[1].member_count, 0), "tier[1].member_first: 4+0"},
    {E(tiers[1].member_count, 2), NO, "tier[1].member_first: 2+2"},
    {E(tiers[1].member_first, 2), E(tiers[1].member_count, 65535), "tier[1].member_first: 2+65535"},
    {E(tiers[0].member_count, 3), E(members[2].gateway, 11), "tier[0]: gateway 11 is a member twice"},

    {E(services[1].name[0], 0), NO, "service[1].name"},
    {E(services[1].pool[0], 0), NO, "service[1].pool"},
    {E(services[1].id, PN_MAX_SERVICES), NO, "service[1].id: 256 is above 255"},
    {E(services[1].id, 100), NO, "service[1].id: 100 is service[0]'s already"},
    {E(services[1].vip, 4), NO, "service[1].vip: no VIP has id 4"},
    {E(services[1].vip, PN_ID_NONE), NO, "service[1].vip: no VIP has id 65535"},
    {E(services[1].l4_port, 0), NO, "service[1].l4_port: 0"},
    {E(services[1].ip_proto, 17), NO, "service[1].ip_proto: 17"},
    {E(services[1].affinity, PN_AFFINITY_COUNT), NO, "service[1].affinity: 3"},
    {E(services[1].v4_prefix, 33), NO, "service[1].v4_prefix: 33"},
    {E(services[1].v6_prefix, 129), NO, "service[1].v6_prefix: 129"},
    {E(services[1].affinity, PN_AFFINITY_NETWORK), E(services[1].v4_prefix, 0), "service[1].v4_prefix: 0"},
    {E(services[1].affinity, PN_AFFINITY_NETWORK), E(services[1].v6_prefix, 0), "service[1].v6_prefix: 0"},
    {E(services[1].flags, 2), NO, "service[1].flags: 0x2"},
    {E(services[1].tier_count, 0), NO, "service[1].tier_count: 0"},
    {E(services[1].tier_count, PN_MAX_TIERS_PER_POOL + 1), NO, "service[1].tier_count: 10"},
    {E(services[1].tier_first, 3), E(services[1].tier_count, 1), "service[1].tier_first: 3+1"},
    {E(services[1].tier_first, 1), NO, "service[1].tier_first: 1+2"},
    {E(services[1].tier_first, 65535), NO, "service[1].tier_first: 65535+2"},
    {E(services[1].tier_first, 1), E(services[1].tier_count, 1), "service[1].tier_first: tier[1] has rank 1, not 0"},
    {E(services[1].established_s, 0), NO, "service[1].established_s: 0"},
    {E(services[1].established_s, 604801), NO, "service[1].established_s: 604801"},
    {E(services[1].half_open_s, 0), NO, "service[1].half_open_s: 0"},
    {E(services[1].half_open_s, UINT32_MAX), NO, "service[1].half_open_s: 4294967295"},
    {E(services[1].closing_s, 0), NO, "service[1].closing_s: 0"},
    {E(services[1].closing_s, 604801), NO, "service[1].closing_s: 604801"},
    {E(services[1].vip, 5), NO, "service[1].l4_port: service[0] has 25"},

    {E(gateways[2].mode, PN_FWD_LOCAL), E(gateways[2].addr, 0), NULL}, /* needs no address */
    {E(gateways[2].has_static_mac, 1), E(gateways[2].mac.b[5], 3), NULL},
    {E(gateways[0].flags, PN_SNAP_GW_DRAIN | PN_SNAP_GW_DISABLED), NO, NULL},
    {E(members[0].flags, PN_SNAP_MEMBER_DOWN | PN_SNAP_MEMBER_BUSY), E(members[0].weight, 65535), NULL},
    {E(tiers[1].member_count, 0), NO, NULL},
    {E(services[1].tier_count, 1), NO, NULL}, /* only part of the pool's tiers */
    {E(services[1].v4_prefix, 0), E(services[1].v6_prefix, 0), NULL}, /* not used without affinity network */
    {E(services[1].established_s, 604800), E(services[1].half_open_max, UINT32_MAX), NULL},
    {E(vips[1].vlan, 4094), E(vips[1].port, 7), NULL},
};
/* clang-format on */

static void expect(unsigned i, const void *buf, size_t len, const char *expected)
{
    struct pn_snapshot view;
    struct pn_error err = {""};
    int verdict = pn_snapshot_validate(buf, len, &view, &err);
    if (expected == NULL && verdict != 0)
        fail_msg("row %u: refused, \"%s\"", i, err.text);
    if (expected != NULL && (verdict != -1 || strstr(err.text, expected) == NULL))
        fail_msg("row %u: expected \"%s\", got %d, \"%s\"", i, expected, verdict, err.text);
}

static void test_one_thing_changed(void **state)
{
    (void)state;
    size_t len;
    for (unsigned i = 0; i < sizeof(header_rows) / sizeof(header_rows[0]); i++) {
        struct snap_parts *p = snap_sample();
        void *buf = snap_pack(p, &len);
        apply(buf, &header_rows[i].a);
        expect(i, buf, len, header_rows[i].expected);
        free(buf);
        free(p);
    }
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snap_parts *p = snap_sample();
        apply(p, &rows[i].a);
        apply(p, &rows[i].b);
        void *buf = snap_pack(p, &len);
        expect(i, buf, len, rows[i].expected);
        free(buf);
        free(p);
    }
}

/* The same address twice is one VIP too many, unless port or VLAN tell them apart. */
static void test_vip_address_twice(void **state)
{
    (void)state;
    static const struct edit edits[] = {NO, E(vips[1].port, 1), E(vips[1].vlan, 7)};
    for (unsigned i = 0; i < 3; i++) {
        struct snap_parts *p = snap_sample();
        size_t len;
        p->vips[1].addr = p->vips[0].addr;
        apply(p, &edits[i]);
        void *buf = snap_pack(p, &len);
        expect(i, buf, len, i == 0 ? "vip[1].addr: vip[0] has it on the same port and VLAN" : NULL);
        free(buf);
        free(p);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    struct pn_snapshot view;
    struct pn_error err;
    size_t len;
    uint8_t *buf = snap_pack(p, &len);
    assert_int_equal(pn_snapshot_validate(NULL, 0, &view, &err), -1);
    for (size_t n = 0; n < len; n++) { /* cut short anywhere, in memory that ends there */
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, buf, n);
        assert_int_equal(pn_snapshot_validate(cut, n, &view, &err), -1);
        assert_non_null(strstr(err.text, n < sizeof(struct pn_snap_header) ? "the header alone" : "total_bytes"));
        free(cut);
    }
    uint8_t *shifted = malloc(len + 8);
    memcpy(shifted + 4, buf, len);
    assert_int_equal(pn_snapshot_validate(shifted + 4, len, &view, &err), -1);
    assert_non_null(strstr(err.text, "aligned"));
    free(shifted);
    uint8_t *huge = calloc(1, PN_SNAPSHOT_MAX_BYTES + 8);
    memcpy(huge, buf, len);
    assert_int_equal(pn_snapshot_validate(huge, PN_SNAPSHOT_MAX_BYTES + 8, &view, &err), -1);
    assert_non_null(strstr(err.text, "at most"));
    free(huge);
    free(buf);
    free(p);
}

/* Whatever byte changes: a verdict, and after acceptance references that hold (walked under ASan). */
static void test_one_byte_mutations(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x10};
    struct snap_parts *p = snap_sample();
    struct pn_snapshot view;
    struct pn_error err;
    size_t len, refused = 0, total = 0;
    uint8_t *buf = snap_pack(p, &len);
    for (size_t at = 0; at < len; at++) {
        for (unsigned m = 0; m < sizeof(masks); m++) {
            buf[at] ^= masks[m];
            memset(&err, 0x55, sizeof(err));
            total++;
            if (pn_snapshot_validate(buf, len, &view, &err) != 0) {
                refused++;
                assert_non_null(memchr(err.text, 0, sizeof(err.text)));
            } else {
                unsigned sum = 0;
                for (unsigned s = 0; s < view.header->n_services; s++) {
                    for (unsigned t = 0; t < view.services[s].tier_count; t++) {
                        const struct pn_snap_tier *tier = &view.tiers[view.services[s].tier_first + t];
                        for (unsigned j = 0; j < tier->member_count; j++)
                            sum += view.members[tier->member_first + j].gateway;
                    }
                }
                assert_true(sum > 0);
            }
            buf[at] ^= masks[m];
        }
    }
    assert_true(refused > total / 2); /* seeds, weights, times and addresses may hold nearly anything */
    free(buf);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_is_valid),   cmocka_unit_test(test_empty_is_valid),
        cmocka_unit_test(test_one_thing_changed), cmocka_unit_test(test_vip_address_twice),
        cmocka_unit_test(test_lengths),           cmocka_unit_test(test_one_byte_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
