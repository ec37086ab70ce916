/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/addr.h"
#include "dataplane/core/ndp.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define ASKER "2001:db8:c::7"
#define VIP "2001:db8:25::25:1234"

static const struct pn_mac vip_mac = {{0x00, 0x00, 0x5e, 0x00, 0x02, 0x19}};
static const struct pn_mac *const client = &pn_fb_client_mac;

static struct pn_addr addr(const char *text)
{
    struct pn_addr a;
    assert_int_equal(pn_addr_parse(text, &a, NULL), 0);
    return a;
}

static bool is(const struct pn_addr *a, const char *text)
{
    struct pn_addr want = addr(text);
    return pn_addr_equal(a, &want);
}

/* -1: parse did not even call it neighbour discovery. */
static int parse(const struct pn_fb *fb, uint32_t bytes, struct pn_ndp *ndp)
{
    struct pn_pkt p;
    uint8_t *frame = pn_fb_heap(fb, bytes);
    int ok = -1;

    if (pn_parse(frame, bytes, bytes, 0, &p) == PN_EDGE_NDP)
        ok = pn_ndp_parse(frame, bytes, &p, ndp);
    free(frame);
    return ok;
}

static void test_solicit(void **state)
{
    struct pn_fb fb;
    struct pn_ndp nd;

    (void)state;
    pn_fb_make_ns(&fb, ASKER, NULL, VIP, client, 0);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
    assert_int_equal(nd.type, PN_NDP_SOLICIT);
    assert_true(is(&nd.src, ASKER) && is(&nd.target, VIP) && is(&nd.dst, "ff02::1:ff25:1234"));
    assert_true(nd.has_mac && !nd.dad);
    assert_memory_equal(&nd.mac, client, 6);
    pn_fb_make_ns(&fb, ASKER, VIP, VIP, NULL, 3); /* unicast: unreachability detection */
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
    assert_false(nd.has_mac);
    pn_fb_make_ns(&fb, "::", NULL, VIP, NULL, 0);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
    assert_true(nd.dad);
}

static void test_advert(void **state)
{
    struct pn_fb fb;
    struct pn_ndp nd;

    (void)state;
    pn_fb_make_na(&fb, ASKER, VIP, ASKER, PN_NDP_SOLICITED | PN_NDP_OVERRIDE, client, 0);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
    assert_int_equal(nd.type, PN_NDP_ADVERT);
    assert_int_equal(nd.flags, PN_NDP_SOLICITED | PN_NDP_OVERRIDE);
    assert_true(nd.has_mac && is(&nd.target, ASKER));
    pn_fb_make_na(&fb, ASKER, "ff02::1", ASKER, PN_NDP_OVERRIDE, client, 0);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
}

/* RFC 4861 7.1.1 and 7.1.2: what must be dropped. Checksums are made right again, so only the named fault remains. */
static void ns_plain(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ASKER, NULL, VIP, client, 0);
}
static void bad_hop_limit(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[21] = 254;
}
static void bad_checksum(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[56] ^= 1;
}
static void bad_code(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[55] = 1;
    pn_fb_fix(fb);
}
static void bad_target_multicast(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ASKER, "ff02::1:ff00:1", "ff02::1", client, 0);
}
static void bad_target_unspecified(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ASKER, NULL, "::", client, 0);
}
static void bad_option_zero(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[fb->n - 7] = 0;
    pn_fb_fix(fb);
}
static void bad_option_long(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[fb->n - 7] = 2;
    pn_fb_fix(fb);
}
static void bad_option_unknown_long(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ASKER, NULL, VIP, NULL, 0);
    pn_fb_bytes(fb, "\x0e\x02\x00\x00\x00\x00\x00\x00", 8);
    pn_fb_done(fb);
}
static void bad_option_one_byte(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ASKER, NULL, VIP, NULL, 0);
    pn_fb_bytes(fb, "\x01", 1);
    pn_fb_done(fb);
}
static void bad_option_two_units(struct pn_fb *fb)
{
    ns_plain(fb);
    pn_fb_fill(fb, 8);
    fb->b[fb->n - 15] = 2;
    pn_fb_done(fb);
}
static void bad_mac_group(struct pn_fb *fb)
{
    ns_plain(fb);
    fb->b[fb->n - 6] |= 1;
    pn_fb_fix(fb);
}
static void bad_mac_zero(struct pn_fb *fb)
{
    static const struct pn_mac zero;
    pn_fb_make_ns(fb, ASKER, NULL, VIP, &zero, 0);
}
static void bad_dad_with_mac(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", NULL, VIP, client, 0);
}
static void bad_dad_unicast(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", VIP, VIP, NULL, 0);
}
static void bad_dad_all_nodes(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", "ff02::1", VIP, NULL, 0);
}
static void bad_source_loopback(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::1", NULL, VIP, client, 0);
}
static void bad_source_multicast(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "ff02::2", NULL, VIP, client, 0);
}
static void bad_short(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, ASKER, VIP);
    fb->b[fb->l3 + 7] = 255;
    pn_fb_icmp(fb, 135, 0, 0);
    pn_fb_fill(fb, 15);
    pn_fb_done(fb);
}
static void bad_na_solicited_multicast(struct pn_fb *fb)
{
    pn_fb_make_na(fb, ASKER, "ff02::1", ASKER, PN_NDP_SOLICITED, client, 0);
}
static void bad_na_unspecified(struct pn_fb *fb)
{
    pn_fb_make_na(fb, "::", VIP, ASKER, 0, client, 0);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *why;
        void (*make)(struct pn_fb *fb);
    } rows[] = {
#define R(name) {#name, name}
        R(bad_hop_limit),
        R(bad_checksum),
        R(bad_code),
        R(bad_target_multicast),
        R(bad_target_unspecified),
        R(bad_option_zero),
        R(bad_option_long),
        R(bad_option_one_byte),
        R(bad_option_unknown_long),
        R(bad_option_two_units),
        R(bad_mac_group),
        R(bad_mac_zero),
        R(bad_dad_with_mac),
        R(bad_dad_unicast),
        R(bad_dad_all_nodes),
        R(bad_source_loopback),
        R(bad_source_multicast),
        R(bad_short),
        R(bad_na_solicited_multicast),
        R(bad_na_unspecified),
#undef R
    };
    struct pn_fb fb;
    struct pn_ndp nd;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].make(&fb);
        int ok = parse(&fb, fb.n, &nd);
        if (ok != 0)
            fail_msg("%s: %d", rows[i].why, ok);
    }
    bad_checksum(&fb); /* whose it was can still be told */
    parse(&fb, fb.n, &nd);
    assert_true(is(&nd.target, VIP));
}

static void test_cut(void **state)
{
    struct pn_fb fb;
    struct pn_ndp nd;
    struct pn_pkt p;

    (void)state;
    ns_plain(&fb);
    for (uint32_t n = 0; n < fb.n; n++) {
        assert_int_equal(parse(&fb, n, &nd), -1); /* parse itself refuses a frame shorter than its IP length */
        uint8_t *frame = pn_fb_heap(&fb, n); /* a frame that goes on in another segment */
        if (pn_parse(frame, n, fb.n, 0, &p) == PN_EDGE_NDP)
            assert_false(pn_ndp_parse(frame, n, &p, &nd));
        free(frame);
    }
}

/* With unknown options around the one that counts (nonce, RFC 3971). */
static void test_other_options(void **state)
{
    static const uint8_t nonce[] = {14, 1, 1, 2, 3, 4, 5, 6}, lladdr[] = {1, 1, 2, 0, 0, 0, 0, 0xc1};
    struct pn_fb fb;
    struct pn_ndp nd;

    (void)state;
    pn_fb_make_ns(&fb, ASKER, NULL, VIP, NULL, 0);
    pn_fb_bytes(&fb, nonce, 8);
    pn_fb_bytes(&fb, lladdr, 8);
    pn_fb_bytes(&fb, nonce, 8);
    pn_fb_done(&fb);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
    assert_true(nd.has_mac);
    pn_fb_make_ns(&fb, "::", NULL, VIP, NULL, 0); /* DAD with a nonce (RFC 7527) */
    pn_fb_bytes(&fb, nonce, 8);
    pn_fb_done(&fb);
    assert_int_equal(parse(&fb, fb.n, &nd), 1);
}

static void reply_equals(const char *src, const struct pn_mac *lladdr, uint16_t vlan, const char *to, uint8_t flags,
                         const struct pn_mac *to_mac)
{
    struct pn_fb fb, want;
    struct pn_pkt p;
    struct pn_ndp nd;

    pn_fb_make_ns(&fb, src, NULL, VIP, lladdr, vlan);
    uint32_t l3 = fb.l3;
    uint8_t *frame = calloc(1, l3 + 72);
    memcpy(frame, fb.b, fb.n < l3 + 72 ? fb.n : l3 + 72);
    assert_int_equal(pn_parse(fb.b, fb.n, fb.n, 0, &p), PN_EDGE_NDP);
    assert_true(pn_ndp_parse(fb.b, fb.n, &p, &nd));
    assert_int_equal(pn_ndp_reply(frame, l3 + 71, &p, &nd, &vip_mac), 0);
    assert_int_equal(pn_ndp_reply(frame, l3 + 72, &p, &nd, &vip_mac), l3 + 72);
    pn_fb_make_na(&want, VIP, to, VIP, flags, &vip_mac, vlan);
    memcpy(want.b, to_mac->b, 6);
    memcpy(want.b + 6, vip_mac.b, 6);
    assert_int_equal(want.n, l3 + 72);
    assert_memory_equal(frame, want.b, want.n);
    free(frame);
}

static void test_reply(void **state)
{
    static const struct pn_mac other = {{0x02, 0, 0, 0, 0, 0x99}}, all = {{0x33, 0x33, 0, 0, 0, 1}};

    (void)state;
    reply_equals(ASKER, client, 0, ASKER, PN_NDP_SOLICITED | PN_NDP_OVERRIDE, client);
    reply_equals(ASKER, client, 42, ASKER, PN_NDP_SOLICITED | PN_NDP_OVERRIDE, client);
    reply_equals(ASKER, &other, 0, ASKER, PN_NDP_SOLICITED | PN_NDP_OVERRIDE, &other);
    reply_equals(ASKER, NULL, 0, ASKER, PN_NDP_SOLICITED | PN_NDP_OVERRIDE, client); /* the frame's own source */
    reply_equals("::", NULL, 0, "ff02::1", PN_NDP_OVERRIDE, &all); /* RFC 4861 7.2.4: DAD is answered to all */
}

static void test_build(void **state)
{
    static const struct pn_mac gateway = {{0x02, 0, 0, 0, 0, 0x67}};
    uint8_t buf[PN_NDP_FRAME_MAX];
    struct pn_fb want;
    struct pn_addr src = addr("fe80::1"), target = addr(VIP), none = {.q = {0, 0}};

    (void)state;
    uint32_t n = pn_ndp_build_solicit(buf, sizeof(buf), &pn_fb_node_mac, NULL, 0, &src, &target);
    pn_fb_make_ns(&want, "fe80::1", NULL, VIP, &pn_fb_node_mac, 0);
    memcpy(want.b + 6, pn_fb_node_mac.b, 6);
    assert_int_equal(n, want.n);
    assert_memory_equal(buf, want.b, n);

    n = pn_ndp_build_solicit(buf, sizeof(buf), &pn_fb_node_mac, &gateway, 7, &src, &target);
    pn_fb_make_ns(&want, "fe80::1", VIP, VIP, &pn_fb_node_mac, 7);
    memcpy(want.b, gateway.b, 6);
    memcpy(want.b + 6, pn_fb_node_mac.b, 6);
    assert_int_equal(n, want.n);
    assert_memory_equal(buf, want.b, n);

    n = pn_ndp_build_solicit(buf, sizeof(buf), &pn_fb_node_mac, NULL, 0, &none, &target);
    pn_fb_make_ns(&want, "::", NULL, VIP, NULL, 0);
    memcpy(want.b + 6, pn_fb_node_mac.b, 6);
    assert_int_equal(n, want.n);
    assert_memory_equal(buf, want.b, n);

    n = pn_ndp_build_announcement(buf, sizeof(buf), &vip_mac, 0, &target);
    pn_fb_make_na(&want, VIP, "ff02::1", VIP, PN_NDP_OVERRIDE, &vip_mac, 0);
    memcpy(want.b + 6, vip_mac.b, 6);
    assert_int_equal(n, want.n);
    assert_memory_equal(buf, want.b, n);
    assert_int_equal(pn_ndp_build_announcement(buf, PN_NDP_FRAME_MAX - 1, &vip_mac, 0, &target), 0);
}

/* RFC 4291 appendix A: 34-56-78-9A-BC-DE becomes 36-56-78-FF-FE-9A-BC-DE; 2.7.1: solicited-node addresses. */
static void test_addresses(void **state)
{
    static const struct pn_mac mac = {{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}};
    struct pn_addr target = addr("4037::1:800:200e:8c6c");

    (void)state;
    struct pn_addr a = pn_ndp_link_local(&mac);
    assert_true(is(&a, "fe80::3656:78ff:fe9a:bcde"));
    a = pn_ndp_solicited_node(&target);
    assert_true(is(&a, "ff02::1:ff0e:8c6c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solicit), cmocka_unit_test(test_advert),        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_other_options), cmocka_unit_test(test_reply),
        cmocka_unit_test(test_build),   cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
