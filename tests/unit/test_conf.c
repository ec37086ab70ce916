/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/conf/canon.h"
#include "controlplane/conf/load.h"
#include "controlplane/conf/value.h"
#include "tests/unit/conf_memory.h"

#define NODE "node n1 { port lan { interface = eth1 } local-interface = tap0 }\n"
#define VIP "vip a { address = 192.0.2.25 }\n"
#define GW "gateway g { address = 192.0.2.11 } gateway h { address = 192.0.2.12 }\n"
#define CHECKS "check c { }\n"
#define POOL "pool p { checks = c; tier t { gateways = g } tier u { gateways = h } }\n"
#define SERVICE "service s { vips = a; port = 25; pool = p }\n"
#define BASE NODE VIP GW CHECKS POOL SERVICE

static struct pn_conf_error errors[32];
static unsigned n_errors;

static struct pn_conf *load_text(const char *text)
{
    const struct memory_file files[] = {{"f", text, 0}, {0}};
    struct pn_ucl_io io = memory_io(files);
    return pn_conf_load_io(&io, "f", errors, 32, &n_errors);
}

static struct pn_conf *load_good(const char *text)
{
    struct pn_conf *conf = load_text(text);
    for (unsigned i = 0; i < n_errors; i++)
        print_error("%s:%u:%u: %s: %s\n", errors[i].file, errors[i].line, errors[i].column, errors[i].key,
                    errors[i].text);
    assert_non_null(conf);
    assert_int_equal(n_errors, 0);
    return conf;
}

/* Every row is complete, its default is a value it would take, and its field lies in the struct. */
static void schema_is_whole(void **state)
{
    (void)state;
    for (unsigned s = 0; s < PN_SEC_COUNT; s++) {
        const struct pn_schema_section *section = &pn_schema_sections[s];
        assert_true(section->doc && strlen(section->doc) > 20 && section->doc[strlen(section->doc) - 1] == '.');
        assert_true(section->max <= 256); /* what canon.c and diff.c sort */
        assert_ptr_equal(pn_schema_section_find(section->parent, section->key), section);
    }
    for (unsigned i = 0; i < pn_schema_n_rows; i++) {
        const struct pn_schema_row *row = &pn_schema_rows[i];
        char expected[PN_CONF_TEXT_BYTES], formatted[PN_VALUE_TEXT_BYTES];
        char field[PN_CONF_TEXT_BYTES] = {0}, again[PN_CONF_TEXT_BYTES] = {0};
        struct pn_error err = {0};
        if (!row->doc || strlen(row->doc) < 10 || row->doc[strlen(row->doc) - 1] != '.')
            fail_msg("%s.%s has no sentence as doc", pn_schema_sections[row->section].path, row->key);
        assert_ptr_equal(pn_schema_row_find(row->section, row->key), row);
        assert_null(pn_schema_section_find(row->section, row->key));
        assert_true(strlen(pn_value_expected(row, expected, sizeof(expected))) > 0);
        assert_int_equal(row->type == PN_T_WORD, row->words != NULL);
        assert_false((row->flags & PN_ROW_REQUIRED) && row->def);
        if (!row->def)
            continue;
        if (pn_value_parse(row, row->def, field, &err) != 0)
            fail_msg("%s.%s: default: %s", pn_schema_sections[row->section].path, row->key, err.text);
        pn_value_format(row, field, formatted, sizeof(formatted));
        char *text = formatted; /* texts come in quotes */
        if (*text == '"') {
            text[strlen(text) - 1] = '\0';
            text++;
        }
        assert_int_equal(pn_value_parse(row, text, again, &err), 0);
        assert_memory_equal(field, again, sizeof(field));
    }
}

static void example_loads(void **state)
{
    (void)state;
    static const char *const paths[] = {"etc/postern.conf.example",      "etc/examples/appliance-pair.conf",
                                        "etc/examples/ipv6-only.conf",   "etc/examples/dpdk-nic.conf",
                                        "etc/examples/greylisting.conf", "etc/examples/keepalived.conf"};
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", PN_SOURCE_ROOT, paths[i]);
        struct pn_conf *conf = pn_conf_load(path, errors, 32, &n_errors);
        if (!conf)
            fail_msg("%s:%u: %s: %s", errors[0].file, errors[0].line, errors[0].key, errors[0].text);
        if (conf->n_warnings)
            fail_msg("%s:%u: %s: %s", conf->warnings[0].file, conf->warnings[0].line, conf->warnings[0].key,
                     conf->warnings[0].text);
        pn_conf_free(conf);
    }
}

static void values_arrive(void **state)
{
    (void)state;
    struct pn_conf *conf = load_good(
        "cluster { name = c1; perimeter = [198.51.100.0/24, \"2001:db8::/32\"]; perimeter = 192.0.2.1 }\n"
        "node n1 { port lan { interface = eth1; queues = 2; force-copy = yes }\n"
        "  port wan { type = dpdk; device = \"net_null0,no-rx=1\"; exception = tap1; queues = 2\n"
        "    address-v4 = 198.51.100.1; address-v6 = 2001:db8::9 }\n"
        "  dataplane { workers = 2; flows = 4m; idle-sleep-us = 0; lcores = \"0@0,1@1,2@2\"\n"
        "    huge-pages = no; memory-mb = 0x100 }\n"
        "  metrics { listen = \"[::1]:9000\" } local-interface = lo0 }\n"
        "vip b { address = \"2001:db8::25\" }\n"
        "vip a { address = 192.0.2.25; port = wan; vlan = 12; echo = off; mac = \"00:00:5e:00:01:07\"\n"
        "  priority { n1 = 7 } lease = 90; grace = 1500ms }\n"
        "gateway g { address = 192.0.2.11; check-address = 198.51.100.9; weight = 0; vlan = 3; port = wan\n"
        "  mac = \"02:00:00:00:00:01\" }\n"
        "gateway h { address = 127.0.0.1; mode = local; weight 256 }\n"
        "check c { type = smtp-starttls; interval = 1.5s; timeout = 800ms; rise = 1; fall = 4; helo = x.example\n"
        "  verify = on; ca-file = /etc/ca.pem; host = mx.example; banner-delay = 700ms }\n"
        "check agent { type = agent; port = 9999 }\n"
        "check web { type = https; path = \"/a?b=c\"; status-min = 204; status-max = 204 }\n"
        "pool p { checks = [c, agent]; checks = web\n"
        "  tier t { gateways = [h]; spill { mode = ramp; active-flows-high = 1k; half-open-high = 10\n"
        "    half-open-low = 0; handshake-high = 0.5s; handshake-low = 20ms; agent-load-high = 99.5\n"
        "    ramp-full = 1.25; hold-up = 0; hold-down = 1min } }\n"
        "  tier u { gateways = g } }\n"
        "service s { vips = [a, b]; port = 587; pool = p; affinity = network; affinity-v4-prefix = 16\n"
        "  affinity-v6-prefix = 48; established-timeout = 1h; half-open-timeout = 5s; closing-timeout = 1min\n"
        "  half-open-max = 1000 }\n");
    const struct pn_conf_node *n = &conf->nodes[0];
    assert_string_equal(conf->cluster_name, "c1");
    assert_int_equal(conf->n_perimeter, 3);
    assert_int_equal(conf->perimeter[0].len, 120);
    assert_int_equal(conf->perimeter[1].len, 32);
    assert_int_equal(conf->perimeter[2].len, 128);
    assert_string_equal(n->mesh_listen, "*:9477");
    assert_true(conf->steering_seed != 0);
    assert_int_equal(conf->n_nodes, 1);
    assert_int_equal(n->n_ports, 2);
    assert_int_equal(n->where.line, 2);
    assert_string_equal(n->where.file, "f");
    assert_int_equal(n->ports[0].kind, PN_PORT_AF_XDP);
    assert_true(n->ports[0].force_copy);
    assert_string_equal(n->ports[1].name, "wan");
    assert_int_equal(n->ports[1].kind, PN_PORT_DPDK);
    assert_string_equal(n->ports[1].device, "net_null0,no-rx=1");
    assert_string_equal(n->ports[1].exception, "tap1");
    assert_int_equal(n->ports[1].address_v4.b[15], 1);
    assert_int_equal(n->ports[1].address_v6.b[15], 9);
    assert_int_equal(n->workers, 2);
    assert_int_equal(n->flows, 4000000);
    assert_int_equal(n->idle_sleep_us, 0);
    assert_string_equal(n->lcores, "0@0,1@1,2@2");
    assert_false(n->huge_pages);
    assert_int_equal(n->memory_mb, 256);
    assert_string_equal(n->metrics_listen, "[::1]:9000");
    assert_string_equal(n->local_interface, "lo0");
    const struct pn_conf_vip *b = &conf->vips[0], *a = &conf->vips[1];
    assert_string_equal(a->port, "wan");
    assert_int_equal(a->vlan, 12);
    assert_false(a->echo);
    assert_int_equal(a->mac.b[5], 7);
    assert_int_equal(a->priority[0], 7);
    assert_int_equal(a->lease_ms, 90000);
    assert_int_equal(a->grace_ms, 1500);
    assert_int_equal(b->priority[0], PN_CONF_PRIORITY_ALONE);
    assert_true(b->echo);
    assert_int_equal(b->lease_ms, 30000);
    assert_false(pn_addr_is_v4(&b->addr));
    const struct pn_conf_gateway *g = &conf->gateways[0], *h = &conf->gateways[1];
    assert_int_equal(g->check_addr.b[15], 9);
    assert_int_equal(g->weight, 0);
    assert_true(g->has_mac);
    assert_int_equal(h->weight, 256);
    assert_int_equal(h->mode, PN_FWD_LOCAL);
    assert_true(pn_addr_equal(&h->addr, &h->check_addr));
    assert_false(h->has_mac);
    const struct pn_conf_check *c = &conf->checks[0];
    assert_int_equal(c->type, PN_CHECK_SMTP_STARTTLS);
    assert_int_equal(c->port, 25);
    assert_int_equal(c->interval_ms, 1500);
    assert_int_equal(c->timeout_ms, 800);
    assert_int_equal(c->banner_delay_ms, 700);
    assert_true(c->verify);
    assert_string_equal(c->ca_file, "/etc/ca.pem");
    assert_int_equal(conf->checks[1].port, 9999);
    assert_int_equal(conf->checks[2].port, 443);
    assert_int_equal(conf->checks[2].status_max, 204);
    const struct pn_conf_pool *p = &conf->pools[0];
    assert_int_equal(p->n_checks, 3);
    assert_int_equal(p->checks[2], 2);
    assert_int_equal(p->n_tiers, 2);
    const struct pn_conf_tier *t = &p->tiers[0];
    assert_int_equal(t->gateways[0], 1);
    assert_int_equal(t->spill_mode, PN_SPILL_RAMP);
    assert_true(t->has_marks);
    assert_true(t->marks[PN_MEASURE_ACTIVE_FLOWS].high == 1000 && t->marks[PN_MEASURE_ACTIVE_FLOWS].low == 750);
    assert_true(t->marks[PN_MEASURE_HALF_OPEN].high == 10 && t->marks[PN_MEASURE_HALF_OPEN].low == 0);
    assert_true(t->marks[PN_MEASURE_HANDSHAKE_MS].high == 500 && t->marks[PN_MEASURE_HANDSHAKE_MS].low == 20);
    assert_true(t->marks[PN_MEASURE_AGENT_LOAD].high == 99.5);
    assert_true(t->marks[PN_MEASURE_NEW_FLOWS].high == 0 && t->marks[PN_MEASURE_NEW_FLOWS].low == 0);
    assert_true(t->ramp_full == 1.25);
    assert_int_equal(t->hold_up_ms, 0);
    assert_int_equal(t->hold_down_ms, 60000);
    assert_false(p->tiers[1].has_marks);
    const struct pn_conf_service *s = &conf->services[0];
    assert_int_equal(s->n_vips, 2);
    assert_int_equal(s->vips[0], 1);
    assert_int_equal(s->l4_port, 587);
    assert_int_equal(s->affinity, PN_AFFINITY_NETWORK);
    assert_int_equal(s->v4_prefix, 16);
    assert_int_equal(s->v6_prefix, 48);
    assert_int_equal(s->established_s, 3600);
    assert_int_equal(s->half_open_s, 5);
    assert_int_equal(s->closing_s, 60);
    assert_int_equal(s->half_open_max, 1000);
    assert_int_equal(conf->n_warnings, 1); /* weight 0 */
    pn_conf_free(conf);
}

struct fault {
    const char *text;
    unsigned line, column;
    const char *key, *message; /* message: how it begins */
};

static const struct fault faults[] = {
    {BASE "check d { path = \"ääääääääääääääääääääääääääääääääääääääääääääääääääääääääää\" }", 7, 11, "check.d.path",
     "found \"äääääääääääääääääääääääääääääääääääääääääääää...\", expected a path"},
    {BASE "cluter { }", 7, 1, "cluter", "unknown key, did you mean \"cluster\"?"},
    {BASE "zzz { }", 7, 1, "zzz", "unknown key"},
    {NODE GW CHECKS POOL SERVICE "vip a { addres = 192.0.2.25 }", 6, 5, "vip.a.address", "missing, expected an IPv4"},
    {BASE "vip b { address = 192.0.2.26; prot = lan }", 7, 31, "vip.b.prot", "unknown key, did you mean \"port\"?"},
    {BASE "vip b { address = 192.0.2.256 }", 7, 9, "vip.b.address", "found \"192.0.2.256\", expected an IPv4 or IPv6"},
    {BASE "vip b { address = ::ffff:1.2.3.4 }", 7, 9, "vip.b.address", "found \"::ffff:1.2.3.4\", expected"},
    {BASE "vip b { address = 224.0.0.1 }", 7, 9, "vip.b.address", "expected an address that a host can have"},
    {BASE "vip b { address = 192.0.2.25 }", 7, 9, "vip.b.address", "is already that of vip a"},
    {BASE "vip b { address { } }", 7, 9, "vip.b.address", "found a section, expected an IPv4"},
    {BASE "vip b { address = 1.2.3.4; address = 1.2.3.5 }", 7, 28, "vip.b.address", "given twice, first at f:7"},
    {BASE "vip b { address = 1.2.3.4; vlan = 4095 }", 7, 28, "vip.b.vlan",
     "found \"4095\", expected a whole number from 0"},
    {BASE "vip b { address = 1.2.3.4; vlan = -1 }", 7, 28, "vip.b.vlan", "found \"-1\", expected a whole number"},
    {BASE "vip b { address = 1.2.3.4; vlan = 1.0 }", 7, 28, "vip.b.vlan", "found \"1.0\", expected a whole number"},
    {BASE "vip b { address = 1.2.3.4; lease = 5m }", 7, 28, "vip.b.lease",
     "found \"5m\", expected a duration from 1s to 1h (ms, s, min, h, d)"},
    {BASE "vip b { address = 1.2.3.4; lease = 999ms }", 7, 28, "vip.b.lease", "found \"999ms\", expected a duration"},
    {BASE "vip b { address = 1.2.3.4; lease = 1.0005s }", 7, 28, "vip.b.lease",
     "found \"1.0005s\", expected a duration"},
    {BASE "vip b { address = 1.2.3.4; echo = 2 }", 7, 28, "vip.b.echo", "found \"2\", expected yes or no"},
    {BASE "vip b { address = 1.2.3.4; mac = 01:00:00:00:00:01 }", 7, 28, "vip.b.mac", "found \"01:00:00:00:00:01\""},
    {BASE "vip b { address = 1.2.3.4; port = wan }", 7, 28, "vip.b.port", "node n1 has no port \"wan\""},
    {BASE "vip b { address = 1.2.3.4; port = \"a b\" }", 7, 28, "vip.b.port", "found \"a b\", expected a name"},
    {BASE "vip b { address = 1.2.3.4; priority { n2 = 1 } }", 7, 39, "vip.b.priority.n2",
     "found \"n2\", expected the name"},
    {BASE "vip b { address = 1.2.3.4; priority { n1 = 255 } }", 7, 39, "vip.b.priority.n1", "found \"255\", expected"},
    {BASE "vip b { address = 1.2.3.4; priority { n1 = 1; n1 = 2 } }", 7, 47, "vip.b.priority.n1", "given twice"},
    {BASE "vip b { address = 1.2.3.4; priority { n1 = 0 } }", 7, 28, "vip.b.priority",
     "no node has a priority above 0"},
    {BASE "vip b { address = 1.2.3.4; priority = 7 }", 7, 28, "vip.b.priority", "found a value, expected a section"},
    {BASE "node n2 { port lan { interface = e } local-interface = x }", 2, 5, "vip.a.priority", "missing, expected"},
    {BASE "vip a { address = 1.2.3.4 }", 7, 5, "vip.a", "vip \"a\" is given twice, first at f:2"},
    {BASE "vip = 3", 7, 1, "", "found a value, expected a section: vip \"NAME\" { ... }"},
    {BASE "vip { address = 1.2.3.4 }", 7, 7, "vip.address", "found a value, expected a section with a name"},
    {BASE "vip \"a b\" { address = 1.2.3.4 }", 7, 5, "vip.a b", "found \"a b\", expected a name of at most 31"},
    {BASE "vip aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { address = 1.2.3.4 }", 7, 5, "vip.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "found \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", expected a name of at most 31"},
    {BASE "cluster { } cluster { }", 7, 13, "cluster", "given twice, first at f:7"},
    {BASE "cluster = x", 7, 1, "cluster", "found a value, expected a section: cluster { ... }"},
    {VIP GW CHECKS POOL SERVICE, 0, 0, "node", "missing, expected at least one section: node \"NAME\""},
    {VIP GW CHECKS POOL SERVICE "node n1 { }", 6, 6, "node.n1.port", "missing, expected at least one section: port"},
    {BASE "cluster { name = \"a b\" }", 7, 11, "cluster.name", "found \"a b\", expected a name"},
    {BASE "cluster { steering-seed = 18446744073709551616 }", 7, 11, "cluster.steering-seed", "found"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { } }", 6, 16, "node.n1.port.lan.interface",
     "missing, expected the"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { type = dpdk } }", 6, 16, "node.n1.port.lan.device", "missing"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { type = xdp; interface = a } }", 6, 22, "node.n1.port.lan.type",
     "found \"xdp\", expected one of af_xdp, dpdk"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a; exception = b } }", 6, 37,
     "node.n1.port.lan.exception", "is for type dpdk"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a/b } }", 6, 22, "node.n1.port.lan.interface",
     "found \"a/b\", expected the name of a network interface"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a } port wan { interface = a } }", 6, 49,
     "node.n1.port.wan.interface", "\"a\" is already port lan's"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { type = dpdk; device = \"a b\" } }", 6, 35,
     "node.n1.port.lan.device", "found \"a b\", expected a device without blanks"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a; address-v4 = 2001:db8::1 } }", 6, 37,
     "node.n1.port.lan.address-v4", "expected an IPv4 address"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a } dataplane { memory-mb = 5 } }", 6, 50,
     "node.n1.dataplane.memory-mb", "found 5, expected 0 (computed) or at least 32"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a } dataplane { lcores = all } }", 6, 50,
     "node.n1.dataplane.lcores", "found \"all\", expected cores"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a } metrics { listen = 9000 } }", 6, 48,
     "node.n1.metrics.listen", "found \"9000\", expected ADDRESS:PORT"},
    {VIP GW CHECKS POOL SERVICE "node n1 { port lan { interface = a } metrics { listen = ::1:9000 } }", 6, 48,
     "node.n1.metrics.listen", "found \"::1:9000\", expected ADDRESS:PORT"},
    {BASE "gateway i { address = 192.0.2.25 }", 7, 13, "gateway.i.address", "is that of vip a"},
    {BASE "gateway i { address = 127.0.0.1 }", 7, 13, "gateway.i.address",
     "expected an address that a host can have (loop"},
    {BASE "gateway i { address = 192.0.2.13; weight = 257 }", 7, 35, "gateway.i.weight", "found \"257\", expected"},
    {BASE "gateway i { address = 192.0.2.13; mode = nat }", 7, 35, "gateway.i.mode",
     "found \"nat\", expected one of l2dsr"},
    {BASE "gateway i { address = 192.0.2.13; node = n1 }", 7, 35, "gateway.i.node", "is for mode local"},
    {BASE "gateway i { address = 192.0.2.13; mode = local; node = n9 }", 7, 49, "gateway.i.node",
     "found \"n9\", expected"},
    {VIP GW CHECKS POOL SERVICE
     "node n1 { port lan { interface = a } } gateway i { address = 192.0.2.13; mode = local }",
     6, 74, "gateway.i.mode", "local needs local-interface on node n1"},
    {BASE "gateway i { address = 192.0.2.13; port = wan }", 7, 35, "gateway.i.port", "node n1 has no port \"wan\""},
    {BASE "check d { type = agent }", 7, 7, "check.d.port", "missing, expected the agent's TCP port"},
    {BASE "check d { port = 65536 }", 7, 11, "check.d.port",
     "found \"65536\", expected a whole number from 1 to 65535"},
    {BASE "check d { status-min = 300; status-max = 299 }", 7, 11, "check.d.status-min",
     "300 is above status-max, 299"},
    {BASE "check d { banner-delay = 6s }", 7, 11, "check.d.banner-delay", "6000 ms is above timeout, 5000 ms"},
    {BASE "check d { path = \"x\" }", 7, 11, "check.d.path", "found \"x\", expected a path that begins with /"},
    {BASE "check d { path = \"/x HTTP/1.1\" }", 7, 11, "check.d.path", "found \"/x HTTP/1.1\", expected"},
    {BASE "check d { helo = \"a\\r\\nRCPT\" }", 7, 11, "check.d.helo", "found \"a\\u000d\\u000aRCPT\", expected text"},
    {BASE "check d { helo = \"a b\" }", 7, 11, "check.d.helo", "found \"a b\", expected a host name"},
    {BASE "check d { host = \"a<b\" }", 7, 11, "check.d.host", "found \"a<b\", expected a host name"},
    {NODE VIP GW CHECKS SERVICE "pool p { }", 6, 6, "pool.p.tier", "missing, expected at least one section: tier"},
    {BASE "pool q { checks = d; tier t { gateways = g } }", 7, 10, "pool.q.checks",
     "found \"d\", expected the name of a check"},
    {BASE "cluster { perimeter = [192.0.2.1/24] }", 7, 24, "cluster.perimeter",
     "found \"192.0.2.1/24\", expected a network: ADDRESS/LENGTH or ADDRESS; did you mean 192.0.2.0/24?"},
    {BASE "cluster { perimeter = x }", 7, 11, "cluster.perimeter", "found \"x\", expected a network"},
    {BASE "cluster { perimeter = [[::1]] }", 7, 24, "cluster.perimeter", "found a list, expected a network"},
    {BASE "pool q { tier t { } }", 7, 15, "pool.q.tier.t.gateways", "missing, expected a list of names of gateways"},
    {BASE "pool q { tier t { gateways = [] } }", 7, 19, "pool.q.tier.t.gateways", "found an empty list"},
    {BASE "pool q { tier t { gateways = [g, g] } }", 7, 34, "pool.q.tier.t.gateways", "\"g\" is listed twice"},
    {BASE "pool q { tier t { gateways = [x] } }", 7, 31, "pool.q.tier.t.gateways",
     "found \"x\", expected the name of a"},
    {BASE "pool q { tier t { gateways = [[g]] } }", 7, 31, "pool.q.tier.t.gateways", "found a list, expected the name"},
    {BASE "pool q { tier t { gateways = g } tier u { gateways = g } }", 7, 43, "pool.q.tier.u.gateways",
     "gateway g is already"},
    {BASE "pool q { tier t { gateways = g; spill { half-open-high = 5; half-open-low = 5 } } }", 7, 61,
     "pool.q.tier.t.spill.half-open-low", "5 is not below the high mark, 5"},
    {BASE "pool q { tier t { gateways = g; spill { half-open-low = 5 } } }", 7, 41, "pool.q.tier.t.spill.half-open-low",
     "low mark without a high one"},
    {BASE "pool q { tier t { gateways = g; spill { agent-load-high = 101 } } }", 7, 41,
     "pool.q.tier.t.spill.agent-load-high", "found \"101\", expected a number from 0 to 100 percent"},
    {BASE "pool q { tier t { gateways = g; spill { ramp-full = 1 } } }", 7, 41, "pool.q.tier.t.spill.ramp-full",
     "found \"1\", expected a number from 1.01 to 100"},
    {BASE "pool q { tier t { gateways = g; spill { hold-up = 1e3 } } }", 7, 41, "pool.q.tier.t.spill.hold-up",
     "found \"1e3\", expected a duration"},
    {BASE "service t { vips = a; port = 25; pool = p }", 7, 23, "service.t.port",
     "port 25 of vip a is already that of service s"},
    {BASE "service t { vips = a; port = 26; pool = q }", 7, 34, "service.t.pool",
     "found \"q\", expected the name of a pool"},
    {BASE "service t { vips = a; port = 0; pool = p }", 7, 23, "service.t.port",
     "found \"0\", expected a whole number from 1"},
    {BASE "service t { vips = a; pool = p }", 7, 9, "service.t.port", "missing, expected a whole number"},
    {BASE "service t { vips = b; port = 26; pool = p }", 7, 13, "service.t.vips",
     "found \"b\", expected the name of a vip"},
    {BASE "service t { vips = a; port = 26; pool = p; established-timeout = 1500ms }", 7, 44,
     "service.t.established-timeout", "found \"1500ms\", expected a duration from 1s to 7d in whole seconds"},
    {BASE "service t { vips = a; port = 26; pool = p; affinity = source }", 7, 44, "service.t.affinity",
     "found \"source\", expected one of none, client, network"},
};

static void faults_are_named(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        const struct fault *f = &faults[i];
        struct pn_conf *conf = load_text(f->text);
        if (conf || n_errors == 0)
            fail_msg("not refused: %s", strrchr(f->text, '\n') + 1);
        const struct pn_conf_error *e = &errors[0];
        for (unsigned j = 0; j < n_errors; j++) /* what follows from it may come, too, but not before it */
            if (strcmp(errors[j].key, f->key) == 0 && strncmp(errors[j].text, f->message, strlen(f->message)) == 0)
                e = &errors[j];
        if (e->line != f->line || e->column != f->column || strcmp(e->key, f->key) != 0 ||
            strncmp(e->text, f->message, strlen(f->message)) != 0 || strcmp(e->file, "f") != 0)
            fail_msg("expected %u:%u: %s: %s, got %s:%u:%u: %s: %s", f->line, f->column, f->key, f->message, e->file,
                     e->line, e->column, e->key, e->text);
    }
}

static void all_errors_at_once(void **state)
{
    (void)state;
    const struct memory_file files[] = {
        {"f", NODE "vip a { address = x; vlan = y; colour = z }\ngateway g { weight = 300 }\nservice s { }", 0}, {0}};
    struct pn_ucl_io io = memory_io(files);
    assert_null(pn_conf_load_io(&io, "f", errors, 32, &n_errors));
    assert_int_equal(n_errors, 8);
    assert_null(pn_conf_load_io(&io, "f", errors, 3, &n_errors));
    assert_int_equal(n_errors, 3);
    assert_string_equal(errors[2].text, "and 6 more errors");
    assert_null(pn_conf_load_io(&io, "f", NULL, 0, &n_errors));
}

static bool has_warning(const struct pn_conf *conf, const char *key, const char *begin)
{
    for (unsigned i = 0; i < conf->n_warnings; i++)
        if (strcmp(conf->warnings[i].key, key) == 0 && strncmp(conf->warnings[i].text, begin, strlen(begin)) == 0)
            return true;
    return false;
}

static void odd_things_are_warned_of(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key, *begin;
    } cases[] = {
        {BASE "vip b { address = 1.2.3.4 }", "vip.b", "no service uses it"},
        {BASE "gateway i { address = 1.2.3.4 }", "gateway.i", "no tier uses it"},
        {BASE "gateway i { address = 192.0.2.11 }", "gateway.i.address", "is also that of gateway g"},
        {BASE "check d { }", "check.d", "no pool uses it"},
        {BASE "check d { interval = 1s; fall = 2 }", "check.d.timeout", "5000 ms is longer than 2 intervals"},
        {BASE "check d { verify = yes }", "check.d.verify", "has no effect"},
        {BASE "check d { ca-file = x }", "check.d.ca-file", "has no effect"},
        {BASE "pool q { tier t { gateways = g } }", "pool.q", "no service uses it"},
        {BASE "pool q { tier t { gateways = g } }", "pool.q.checks", "none"},
        {BASE "pool q { tier t { gateways = g; spill { half-open-high = 1 } } }", "pool.q.tier.t.spill",
         "pool q has no later"},
        {BASE "pool q { tier t { gateways = g; spill { agent-load-high = 1 } } }",
         "pool.q.tier.t.spill.agent-load-high", "no check of type agent"},
        {BASE "gateway i { address = 1.2.3.4; weight = 0 } pool q { tier t { gateways = i } }",
         "pool.q.tier.t.gateways", "all have weight 0"},
        {BASE "service t { vips = a; port = 26; pool = p; established-timeout = 10min }",
         "service.t.established-timeout", "600 s is short for SMTP"},
        {BASE "service t { vips = a; port = 26; pool = p; established-timeout = 11s; half-open-timeout = 12s }",
         "service.t.half-open-timeout", "12 s is longer"},
        {NODE, "service", "none"},
        {"node n1 { port lan { interface = eth1 } dataplane { workers = 2 } }", "node.n1.port.lan.queues",
         "fewer queues (1) than workers (2)"},
        {"node n1 { port lan { interface = e; address-v4 = 192.0.2.1 } }\n"
         "node n2 { port lan { interface = e; address-v4 = 192.0.2.2 } }\n"
         "vip a { address = 192.0.2.25; priority { n1 = 5; n2 = 5 } }",
         "vip.a.priority", "nodes n1 and n2 have the same"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pn_conf *conf = load_good(cases[i].text);
        if (!has_warning(conf, cases[i].key, cases[i].begin))
            fail_msg("no warning %s: %s", cases[i].key, cases[i].begin);
        pn_conf_free(conf);
    }
    struct pn_conf *conf = load_good(BASE);
    assert_int_equal(conf->n_warnings, 0);
    pn_conf_free(conf);
}

static void limits_hold(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs(BASE, out);
    for (unsigned i = 0; i < PN_MAX_VIPS; i++)
        fprintf(out, "vip v%u { address = 10.0.0.%u }\n", i, i + 1);
    fclose(out);
    assert_null(load_text(text));
    assert_int_equal(n_errors, 1);
    assert_string_equal(errors[0].key, "vip.v63");
    assert_string_equal(errors[0].text, "more than 64 of these");
    free(text);
    out = open_memstream(&text, &len);
    fputs(NODE VIP GW CHECKS "pool p { checks = c\n", out);
    for (unsigned i = 0; i <= PN_MAX_TIERS_PER_POOL; i++)
        fprintf(out, "tier t%u { gateways = %s }\n", i, i ? "g" : "h");
    fputs("}\n" SERVICE, out);
    fclose(out);
    assert_null(load_text(text));
    assert_string_equal(errors[0].key, "pool.p.tier.t9");
    free(text);
    out = open_memstream(&text, &len); /* 64 addresses x 5 services */
    fputs(NODE GW CHECKS POOL, out);
    for (unsigned i = 0; i < PN_MAX_VIPS; i++)
        fprintf(out, "vip v%u { address = 10.0.0.%u }\n", i, i + 1);
    for (unsigned s = 0; s < 5; s++) {
        fprintf(out, "service s%u { port = %u; pool = p; vips = [", s, s + 1);
        for (unsigned i = 0; i < PN_MAX_VIPS; i++)
            fprintf(out, "v%u,", i);
        fputs("] }\n", out);
    }
    fclose(out);
    assert_null(load_text(text));
    assert_int_equal(n_errors, 1);
    assert_string_equal(errors[0].key, "service.s4.vips");
    free(text);
    out = open_memstream(&text, &len); /* 9 pools x 1 tier x 256 gateways */
    fputs(NODE VIP, out);
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++)
        fprintf(out, "gateway g%u { address = 10.0.%u.1 }\n", i, i);
    for (unsigned p = 0; p < 9; p++) {
        fprintf(out, "pool p%u { tier t { gateways = [", p);
        for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++)
            fprintf(out, "g%u,", i);
        fputs("] } }\n", out);
    }
    fclose(out);
    assert_null(load_text(text));
    assert_string_equal(errors[0].text, "more than 2048 gateways in the tiers of all pools");
    free(text);
}

/* Files that it names are looked at when somebody asks, not with each load. */
static void files_it_names(void **state)
{
    static const char *const bad[][2] = {
        {"/nonexistent/ca.pem", "No such file"}, {"/dev/zero", "not a regular file"}, {"/etc/passwd", "PEM"}};
    struct pn_conf_error found[2];
    char text[2048];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "%s%scheck d { type = smtps; verify = yes\n  ca-file = \"%s\" }\n",
                 NODE VIP GW CHECKS, "pool p { checks = [d, c]; tier z { gateways = [g, h] } }\n" SERVICE, bad[i][0]);
        struct pn_conf *conf = load_good(text);
        assert_int_equal(pn_conf_outside(conf, found, 2), 1);
        assert_string_equal(found[0].key, "check.d.ca-file");
        assert_string_equal(found[0].file, "f");
        assert_true(found[0].line > 0);
        assert_non_null(strstr(found[0].text, bad[i][1]));
        pn_conf_free(conf);
    }
}

static void canonical_form_reads_back(void **state)
{
    (void)state;
    static const char odd[] =
        "cluster { perimeter = [192.0.2.0/25, \"2001:db8::/32\", 192.0.2.200] }\n" NODE VIP
        "vip Z { address = 2001:db8::1; mac = \"02:00:00:00:00:02\"; lease = 1m }\n" GW CHECKS
        "check d { type = http; ca-file = \"/x \\\"y\\\" \\\\ ä\"; interval = 1.001s }"
        "pool p { checks = [d, c]; tier z { gateways = h; spill { handshake-high = 0.0105s; handshake-low = 0.25ms\n"
        "  ramp-full = 1.333333; new-flows-high = 0.5 } } tier a { gateways = g } }\n" SERVICE;
    const char *at = strstr(odd, "1m }");
    char text[sizeof(odd) + 8];
    snprintf(text, sizeof(text), "%.*s1min%s", (int)(at - odd), odd, at + 2);
    struct pn_conf *conf = load_good(text);
    char *canon = pn_canon_text(conf);
    assert_non_null(canon);
    struct pn_conf *again = load_good(canon);
    char *canon2 = pn_canon_text(again);
    assert_string_equal(canon, canon2);
    assert_string_equal(conf->digest, again->digest);
    assert_int_equal(strlen(conf->digest), 64);
    assert_string_equal(again->checks[1].ca_file, "/x \"y\" \\ ä");
    assert_string_equal(again->pools[0].tiers[0].name, "z");
    assert_true(strstr(canon, "vip \"Z\"") < strstr(canon, "vip \"a\"")); /* by name */
    assert_true(strstr(canon, "tier \"z\"") < strstr(canon, "tier \"a\"")); /* by rank */
    free(canon);
    free(canon2);
    pn_conf_free(again);
    pn_conf_free(conf);
}

/* What does not change the meaning does not change the digest; what does, does. */
static void digest_is_of_meaning(void **state)
{
    (void)state;
    struct pn_conf *a = load_good(BASE);
    struct pn_conf *b =
        load_good(SERVICE POOL "# comment\n" CHECKS GW "vip \"a\" {\n address: \"192.0.2.25\"\n lease 30\n}\n" NODE);
    struct pn_conf *c = load_good(BASE "cluster { name = other }");
    struct pn_conf *d = load_good(NODE VIP GW "check c { rise = 3 }" POOL SERVICE);
    assert_string_equal(a->digest, b->digest);
    assert_string_not_equal(a->digest, c->digest);
    assert_string_not_equal(a->digest, d->digest);
    assert_true(a->steering_seed != c->steering_seed);
    assert_true(a->steering_seed == d->steering_seed);
    pn_conf_free(a);
    pn_conf_free(b);
    pn_conf_free(c);
    pn_conf_free(d);
}

static void node_is_found(void **state)
{
    (void)state;
    char host[256] = "", text[1024];
    gethostname(host, sizeof(host) - 1);
    struct pn_conf *conf = load_good(NODE);
    assert_int_equal(pn_conf_node_find(conf, "n1"), 0);
    assert_int_equal(pn_conf_node_find(conf, "n"), -1);
    assert_int_equal(pn_conf_node_find(conf, NULL), 0); /* the only one */
    pn_conf_free(conf);
    conf = load_good("node not.this.host { port lan { interface = e; address-v4 = 192.0.2.1 } }\n"
                     "node nor-this { port lan { interface = e; address-v4 = 192.0.2.2 } }");
    assert_int_equal(pn_conf_node_find(conf, NULL), -1);
    pn_conf_free(conf);
    conf = load_good("node n1 { port lan { interface = e; address-v4 = 192.0.2.1 } }\n"
                     "node n1.b { port lan { interface = e; address-v4 = 192.0.2.2 } }");
    assert_int_equal(pn_conf_node_of_host(conf, "n1"), 0);
    assert_int_equal(pn_conf_node_of_host(conf, "n1.example.org"), 0);
    assert_int_equal(pn_conf_node_of_host(conf, "n1.b"), 1); /* in full goes first */
    assert_int_equal(pn_conf_node_of_host(conf, "n2"), -1);
    assert_int_equal(pn_conf_node_of_host(conf, ""), -1);
    pn_conf_free(conf);
    host[strcspn(host, ".")] = '\0';
    host[PN_NAME_BYTES - 1] = '\0';
    if (!pn_value_is_name(host))
        return;
    snprintf(text, sizeof(text),
             "node not.this.host { port lan { interface = e; address-v4 = 192.0.2.1 } }\n"
             "node %s { port lan { interface = e; address-v4 = 192.0.2.2 } }",
             host);
    conf = load_good(text);
    assert_int_equal(pn_conf_node_find(conf, NULL), 1);
    pn_conf_free(conf);
}

static void files_on_disk(void **state)
{
    (void)state;
    char dir[] = "/tmp/pn-conf-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/c", dir);
    assert_null(pn_conf_load(path, errors, 32, &n_errors));
    assert_non_null(strstr(errors[0].text, "no such file"));
    assert_null(pn_conf_load(dir, errors, 32, &n_errors));
    assert_non_null(strstr(errors[0].text, "is not a regular file"));
    FILE *f = fopen(path, "w");
    fputs("include none.d/*.conf\ninclude *.inc\n" NODE, f);
    fclose(f);
    char inc[2][64];
    snprintf(inc[0], sizeof(inc[0]), "%s/2.inc", dir);
    snprintf(inc[1], sizeof(inc[1]), "%s/10.inc", dir);
    f = fopen(inc[0], "w");
    fputs("cluster { name = two }\n", f);
    fclose(f);
    f = fopen(inc[1], "w");
    fputs("vip x { address = 192.0.2.1 }\n", f);
    fclose(f);
    struct pn_conf *conf = pn_conf_load(path, errors, 32, &n_errors);
    assert_non_null(conf);
    assert_string_equal(conf->cluster_name, "two");
    assert_int_equal(conf->n_files, 3);
    assert_string_equal(conf->files[1], inc[1]); /* "10" before "2" */
    assert_string_equal(conf->vips[0].where.file, inc[1]);
    pn_conf_free(conf);
    unlink(inc[0]);
    unlink(inc[1]);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_whole),
        cmocka_unit_test(example_loads),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(all_errors_at_once),
        cmocka_unit_test(odd_things_are_warned_of),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(files_it_names),
        cmocka_unit_test(canonical_form_reads_back),
        cmocka_unit_test(digest_is_of_meaning),
        cmocka_unit_test(node_is_found),
        cmocka_unit_test(files_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
