/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations of two and more nodes: what is refused, what follows from what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/addr.h"
#include "controlplane/conf/load.h"
#include "tests/unit/conf_load.h"
#include "tests/unit/conf_memory.h"

#define N1 "node n1 { port lan { interface = eth0; address-v4 = 192.0.2.1 } }\n"
#define N2 "node n2 { port lan { interface = eth0; address-v4 = 192.0.2.2 } }\n"
#define N3 "node n3 { port lan { interface = eth0; address-v4 = 192.0.2.3 } }\n"
#define VIP "vip a { address = 192.0.2.25; priority { n1 = 200; n2 = 100 } }\n"
#define PAIR N1 N2 VIP
#define ROUTER "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; priority { n1 = 1 } }\n"
#define R(n) "vip v" #n " { address = 192.0.2.10" #n "; protocol = vrrp; vrid = 9; priority { n1 = 1 } }\n"
#define SEVENTEEN R(0) R(1) R(2) R(3) R(4) R(5) R(6) R(7) R(8) R(9) TEN
#define R1(n) "vip v1" #n " { address = 192.0.2.11" #n "; protocol = vrrp; vrid = 9; priority { n1 = 1 } }\n"
#define TEN R1(0) R1(1) R1(2) R1(3) R1(4) R1(5) R1(6)

static void test_defaults(void **state)
{
    (void)state;
    struct pn_conf *conf = conf_from(PAIR);
    const struct pn_conf_heartbeat *h = &conf->heartbeat;
    assert_int_equal(h->interval_ms, 10);
    assert_int_equal(h->lease_ms, 25);
    assert_int_equal(h->takeover_ms, 35);
    assert_int_equal(h->probe_lead_ms, 8);
    assert_int_equal(h->port, 24625);
    assert_string_equal(h->key_file, "/etc/postern/heartbeat.keys");
    assert_true(h->realtime && h->watch_vrrp && h->flow_sync);
    assert_int_equal(conf->nodes[1].number, 2);
    assert_int_equal(conf->nodes[1].n_paths, 1);
    assert_string_equal(conf->nodes[1].paths[0].name, "lan");
    assert_int_equal(conf->nodes[1].paths[0].address_v4.b[15], 2);
    assert_int_equal(conf->vips[0].preempt, PN_CONF_PREEMPT_YES);
    pn_conf_free(conf);
    conf = conf_from("node n1 { port lan { interface = eth0 } }\nvip a { address = 192.0.2.25 }\n");
    assert_int_equal(conf->nodes[0].n_paths, 0); /* a lone node needs none of it */
    assert_false(pn_conf_is_shared(conf));
    pn_conf_free(conf);
}

static void test_all_that_can_be_said(void **state)
{
    (void)state;
    struct pn_conf *conf = conf_from(
        "heartbeat { interval = 50ms; lease = 125ms; takeover = 175ms; probe-lead = 40ms; drift = 2.5; tx-delay = "
        "2.5ms;\n"
        " port = 4000; mode = multicast; group-v4 = 239.1.2.3; key-file = /k; realtime = no; watch-vrrp = no;\n"
        " flow-sync = no; flow-sync-rate = 5k; flow-sync-timeout = 2s }\n"
        "node n1 { number = 7; port lan { interface = eth0; address-v4 = 192.0.2.11 } port two { interface = eth1; "
        "address-v6 = 2001:db8::1 }\n"
        "  path one { vlan = 3; address-v4 = 192.0.2.1 } path two { port = two } }\n"
        "node n2 { number = 2; port lan { interface = eth0; address-v4 = 192.0.2.12 } port two { interface = eth1; "
        "address-v6 = 2001:db8::2 }\n"
        "  path one { address-v4 = 192.0.2.2 } path two { port = two } }\n"
        "vip a { address = 192.0.2.25; preempt = delay; preempt-delay = 5s; prefer = exclusive; group = g; mac = "
        "auto;\n"
        "  priority { n1 = 200; n2 = 100 } }\n"
        "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 5; mac = auto; priority { n1 = 200; n2 = 100 } }\n"
        "vip c { address = 2001:db8::26; protocol = vrrp; vrid = 5; vrrp-interval = 40950ms;\n"
        "  priority { n1 = 200; n2 = 100 } }\n"
        "vip d { address = 192.0.2.28; mac = port; priority { n1 = 200; n2 = 100 } }\n"
        "vip e { address = 192.0.2.29; protocol = vrrp; vrid = 5; priority { n1 = 200; n2 = 100 } }\n"
        "vip f { address = 192.0.2.30; protocol = vrrp; vrid = 6; vlan = 3; priority { n1 = 200; n2 = 0 } }\n"
        "vip g { address = 192.0.2.31; priority { n1 = 200; n2 = 100 } }\n");
    assert_int_equal(conf->nodes[0].number, 7);
    assert_int_equal(conf->nodes[0].paths[0].vlan, 3);
    assert_int_equal(conf->nodes[0].paths[1].address_v6.b[15], 1);
    assert_int_equal(conf->vips[0].preempt_delay_ms, 5000);
    assert_int_equal(conf->vips[0].prefer, PN_CONF_EXCLUSIVE);
    struct pn_mac mac = pn_conf_vip_mac(&conf->vips[0]);
    assert_memory_equal(mac.b, ((uint8_t[]){0x02, 0x50, 0x4e}), 3);
    assert_true(pn_conf_is_shared(conf));
    mac = pn_conf_vip_mac(&conf->vips[1]);
    assert_memory_equal(mac.b, ((uint8_t[]){0, 0, 0x5e, 0, 1, 5}), 6);
    mac = pn_conf_vip_mac(&conf->vips[2]);
    assert_memory_equal(mac.b, ((uint8_t[]){0, 0, 0x5e, 0, 2, 5}), 6);
    mac = pn_conf_vip_mac(&conf->vips[3]);
    assert_true(pn_mac_is_zero(&mac));
    mac = pn_conf_vip_mac(&conf->vips[4]); /* the virtual router's, without being asked for */
    assert_memory_equal(mac.b, ((uint8_t[]){0, 0, 0x5e, 0, 1, 5}), 6);
    mac = pn_conf_vip_mac(&conf->vips[6]);
    assert_true(pn_mac_is_zero(&mac));
    assert_int_equal(conf->vips[1].vrrp_interval_ms, 1000);
    assert_int_equal(conf->vips[2].vrrp_interval_ms, 40950);
    struct pn_addr source = pn_conf_vip_source(&conf->nodes[0], &conf->vips[1]);
    assert_int_equal(source.b[15], 11); /* the port's; the path is another VLAN's */
    source = pn_conf_vip_source(&conf->nodes[0], &conf->vips[5]);
    assert_int_equal(source.b[15], 1);
    assert_true(conf->heartbeat.drift > 2.49 && conf->heartbeat.tx_delay_ms > 2.49);
    pn_conf_free(conf);
}

struct row {
    const char *text, *key, *begin;
};

static const struct row refused[] = {
    {PAIR "heartbeat { lease = 27ms }", "heartbeat.lease",
     "lease x (1 + drift) + tx-delay = 28.27 ms, expected less than (takeover - probe-lead) x (1 - drift) = 26.73 ms"},
    {PAIR "heartbeat { drift = 5 }", "heartbeat.lease", "lease x (1 + drift) + tx-delay = 27.25 ms"},
    {PAIR "heartbeat { tx-delay = 1.48ms }", "heartbeat.lease", "lease x (1 + drift) + tx-delay = 26.73 ms"},
    {PAIR "heartbeat { interval = 13ms }", "heartbeat.lease",
     "found 25 ms, expected at least twice the interval (13 ms)"},
    {PAIR "heartbeat { lease = 20ms; takeover = 25ms; tx-delay = 0; drift = 0; interval = 9ms }", "heartbeat.lease",
     "lease x (1 + drift) + tx-delay = 20.00 ms, expected less than (takeover - probe-lead) x (1 - drift) = 17.00 ms"},
    {PAIR "heartbeat { interval = 10ms; lease = 20ms; takeover = 27ms; tx-delay = 0; drift = 0 }", "heartbeat.takeover",
     "takeover - probe-lead = 19 ms, expected at least twice the interval (10 ms)"},
    {PAIR "heartbeat { probe-lead = 35ms }", "heartbeat.probe-lead",
     "found 35 ms, expected less than takeover (35 ms)"},
    {PAIR "heartbeat { mode = multicast; group-v4 = 192.0.2.9 }", "heartbeat.group-v4", "expected an IPv4 multicast"},
    {PAIR "heartbeat { mode = multicast; group-v6 = 2001:db8::1 }", "heartbeat.group-v6", "expected an IPv6 multicast"},
    {PAIR "heartbeat { intervall = 5ms }", "heartbeat.intervall", "unknown key, did you mean \"interval\"?"},
    {N1 "node n2 { port lan { interface = eth0 } }\n" VIP, "node.n2.port.lan.address-v4",
     "missing, expected this node's"},
    {N1 "node n2 { port lan { interface = eth0; address-v4 = 192.0.2.1 } }\n" VIP, "node.n2.port.lan.address-v4",
     "is already node n1's"},
    {N1 "node n2 { port lan { interface = eth0; address-v4 = 192.0.2.25 } }\n" VIP, "node.n2.port.lan.address-v4",
     "is that of vip a"},
    {N1 "node n2 { port lan { interface = eth0; address-v6 = 2001:db8::1 } }\n" VIP, "node.n2.port.lan.address-v4",
     "node n1 has no address of this family on path lan"},
    {N1 "node n2 { port wan { interface = eth0; address-v4 = 192.0.2.2 } }\n" VIP, "node.n2.path",
     "no path has the same name as one of node n1"},
    {N1 "node n2 { port lan { interface = eth0 } path lan { port = x; address-v4 = 192.0.2.2 } }\n" VIP,
     "node.n2.path.lan.port", "node n2 has no port \"x\""},
    {N1 "node n2 { number = 1; port lan { interface = eth0; address-v4 = 192.0.2.2 } }\n" VIP, "node.n2.number",
     "1 is already node n1's"},
    {N1 "node n2 { number = 10; port lan { interface = eth0; address-v4 = 192.0.2.2 } }\n" VIP, "node.n2.number",
     "found \"10\", expected a whole number from 1 to 9"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; priority { n1 = 1 } }", "vip.b.vrid",
     "missing, expected a number"},
    {PAIR "vip b { address = 192.0.2.26; vrid = 7; priority { n1 = 1 } }", "vip.b.vrid", "is for protocol vrrp"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; prefer = exclusive; priority { n1 = 1 } }",
     "vip.b.prefer", "exclusive needs votes"},
    {PAIR ROUTER "vip c { address = 192.0.2.27; protocol = vrrp; vrid = 7; priority { n1 = 2 } }", "vip.c.priority",
     "differs from vip b's"},
    {PAIR ROUTER "vip c { address = 192.0.2.27; protocol = vrrp; vrid = 7; preempt = no; priority { n1 = 1 } }",
     "vip.c.preempt", "differs from vip b's"},
    {PAIR ROUTER "vip c { address = 192.0.2.27; protocol = vrrp; vrid = 7; preempt-delay = 1s; priority { n1 = 1 } }",
     "vip.c.preempt-delay", "differs from vip b's"},
    {PAIR ROUTER "vip c { address = 192.0.2.27; protocol = vrrp; vrid = 7; mac = port; priority { n1 = 1 } }",
     "vip.c.mac", "differs from vip b's"},
    {PAIR ROUTER "vip c { address = 192.0.2.27; protocol = vrrp; vrid = 7; vrrp-interval = 2s; priority { n1 = 1 } }",
     "vip.c.vrrp-interval", "differs from vip b's"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; vrrp-interval = 15ms; priority { n1 = 1 } }",
     "vip.b.vrrp-interval", "found 15 ms, expected a multiple of 10 ms"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; vrrp-interval = 41s; priority { n1 = 1 } }",
     "vip.b.vrrp-interval", "found \"41s\""},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 256; priority { n1 = 1 } }", "vip.b.vrid",
     "found \"256\""},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; group = g; priority { n1 = 1 } }", "vip.b.group",
     "is for protocol sealed"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; mac = \"02:00:00:00:00:01\"; priority { n1 = 1 } }",
     "vip.b.mac", "expected auto or port"},
    {PAIR "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7; vlan = 9; priority { n1 = 1 } }", "vip.b.protocol",
     "vrrp needs node n1's own IPv4 address on this network as sender: set address-v4 of its path with this VLAN"},
    {"node n1 { port lan { interface = eth0 } }\n"
     "vip b { address = 192.0.2.26; protocol = vrrp; vrid = 7 }",
     "vip.b.protocol", "vrrp needs node n1's own IPv4 address on this network as sender: set address-v4 of its port"},
    {PAIR SEVENTEEN, "vip.v16.vrid", "more than 16 addresses with id 9"},
    {N1 N2 "vip a { address = 192.0.2.25; group = g; priority { n1 = 200; n2 = 100 } }\n"
           "vip b { address = 192.0.2.26; group = g; priority { n1 = 100; n2 = 200 } }\n",
     "vip.b.group", "vip a of the same group has other priorities"},
    {PAIR "vip b { address = 192.0.2.26; mac = self; priority { n1 = 1 } }", "vip.b.mac",
     "found \"self\", expected by-protocol, port, auto or a unicast MAC"},
};

static void test_what_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct pn_conf_error errors[8];
        unsigned n = 0;
        const struct memory_file files[] = {{"f", refused[i].text, 0}, {0}};
        struct pn_ucl_io io = memory_io(files);
        struct pn_conf *conf = pn_conf_load_io(&io, "f", errors, 8, &n);
        bool found = false;
        for (unsigned e = 0; e < n && e < 8; e++)
            found |= strcmp(errors[e].key, refused[i].key) == 0 &&
                     strncmp(errors[e].text, refused[i].begin, strlen(refused[i].begin)) == 0 && errors[e].line > 0;
        if (conf || !found)
            fail_msg("row %u: not refused as \"%s: %s\", but \"%s: %s\"", i, refused[i].key, refused[i].begin,
                     n ? errors[0].key : "", n ? errors[0].text : "");
    }
}

static void test_what_is_warned_of(void **state)
{
    static const struct row rows[] = {
        {N1 N2 "vip a { address = 192.0.2.25; prefer = exclusive; priority { n1 = 200; n2 = 100 } }\n", "vip.a.prefer",
         "exclusive with two nodes"},
        {N1 N2 N3 "heartbeat { lease = 29ms; takeover = 40ms }\n"
                  "vip a { address = 192.0.2.25; prefer = exclusive; priority { n1 = 200; n2 = 100 } }\n",
         "vip.a.prefer", "exclusive: votes make a round trip, and heartbeat.lease (29 ms)"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_conf *conf = conf_from(rows[i].text);
        bool found = false;
        for (unsigned w = 0; w < conf->n_warnings; w++)
            found |= strcmp(conf->warnings[w].key, rows[i].key) == 0 &&
                     strncmp(conf->warnings[w].text, rows[i].begin, strlen(rows[i].begin)) == 0;
        assert_true(found);
        pn_conf_free(conf);
    }
    struct pn_conf *conf =
        conf_from(N1 N2 N3 "heartbeat { lease = 40ms; takeover = 60ms }\n"
                           "vip a { address = 192.0.2.25; prefer = exclusive; priority { n1 = 2; n2 = 1 } }\n");
    for (unsigned w = 0; w < conf->n_warnings; w++)
        assert_string_not_equal(conf->warnings[w].key, "vip.a.prefer");
    pn_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_that_can_be_said),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
