/* SPDX-License-Identifier: BSD-3-Clause */
/* The schema, and what the values of a configuration become. */
#include <stdlib.h>

#include "tests/unit/conf_text.h"

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
        if (row->type == PN_T_UINT && row->max < 1e18) { /* the range that people read is the one that counts */
            char range[112], *to;
            assert_non_null(to = strstr(pn_value_range(row, range, sizeof(range)), " to "));
            if (strchr(range, '.') || strtod(range, NULL) != row->min || strtod(to + 4, NULL) != row->max)
                fail_msg("%s.%s: range %s", pn_schema_sections[row->section].path, row->key, range);
        }
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
        assert_int_equal(pn_conf_outside(conf, NULL, found, 2), 1);
        assert_string_equal(found[0].key, "check.d.ca-file");
        assert_string_equal(found[0].file, "f");
        assert_true(found[0].line > 0);
        assert_non_null(strstr(found[0].text, bad[i][1]));
        pn_conf_free(conf);
    }
}

static struct pn_conf_link link_of(const char *interface, const char *address, unsigned len)
{
    struct pn_conf_link link = {.has_address = true};
    snprintf(link.interface, sizeof(link.interface), "%s", interface);
    assert_int_equal(pn_addr_parse(address, &link.address, NULL), 0);
    link.network.len = (uint8_t)(pn_addr_is_v4(&link.address) ? 96 + len : len);
    link.network.addr = pn_addr_masked(&link.address, link.network.len);
    return link;
}

/* Interfaces and networks of the machine beside what the configuration says of it. */
static void machine_is_looked_at(void **state)
{
    static const struct {
        const char *interface, *address;
        unsigned len;
        const char *vip, *own, *key, *text; /* key NULL: nothing to say */
    } cases[] = {
        {"eth1", "192.0.2.1", 24, "192.0.2.25", "192.0.2.1", NULL, NULL},
        {"eth0", "192.0.2.1", 24, "192.0.2.25", "192.0.2.1", "node.n1.port.lan.interface",
         "this machine has no interface \"eth1\" now"},
        {"eth1", "198.51.100.1", 24, "192.0.2.25", "198.51.100.1", "vip.a.address",
         "192.0.2.25 is in no network of eth1 on this machine (198.51.100.0/24)"},
        {"eth1", "192.0.2.1", 28, "192.0.2.25", "192.0.2.1", "vip.a.address", "192.0.2.25 is in no network of eth1"},
        {"eth1", "192.0.2.25", 32, "192.0.2.25", "192.0.2.1", "vip.a.address", "192.0.2.25 is on eth1"},
        {"eth1", "192.0.2.1", 24, "192.0.2.25", "192.0.2.9", "node.n1.port.lan.address-v4",
         "192.0.2.9 is not an address of eth1"},
        {"eth1", "fe80::1", 64, "2001:db8::25", "192.0.2.1", NULL, NULL}, /* no addresses of its own yet */
        {"eth1", "2001:db8:1::1", 64, "2001:db8::25", "192.0.2.1", "vip.a.address", "2001:db8::25 is in no network"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pn_conf_link links[2] = {{.interface = "lo"},
                                        link_of(cases[i].interface, cases[i].address, cases[i].len)};
        struct pn_conf_error rows[4];
        char text[512];
        bool found = false;
        snprintf(text, sizeof(text),
                 "node n1 { port lan { interface = eth1; address-v4 = %s } }\nvip a { address = \"%s\" }\n",
                 cases[i].own, cases[i].vip);
        struct pn_conf *conf = load_good(text);
        unsigned n = pn_conf_here(conf, 0, links, 2, rows, 4);
        for (unsigned r = 0; r < n; r++)
            found |= cases[i].key && strcmp(rows[r].key, cases[i].key) == 0 && strcmp(rows[r].file, "f") == 0 &&
                     rows[r].line > 0 && strncmp(rows[r].text, cases[i].text, strlen(cases[i].text)) == 0;
        if (cases[i].key ? !found : n > 0)
            fail_msg("case %u: %s: %s", i, n ? rows[0].key : "nothing", n ? rows[0].text : "said");
        pn_conf_free(conf);
    }
    unsigned n = 0;
    struct pn_conf_link *links = pn_conf_links(&n); /* every machine has lo */
    bool lo = false;
    for (unsigned i = 0; links && i < n; i++)
        lo |= strcmp(links[i].interface, "lo") == 0;
    assert_true(lo);
    free(links);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_whole),      cmocka_unit_test(example_loads),
        cmocka_unit_test(values_arrive),        cmocka_unit_test(files_it_names),
        cmocka_unit_test(machine_is_looked_at), cmocka_unit_test(canonical_form_reads_back),
        cmocka_unit_test(digest_is_of_meaning), cmocka_unit_test(node_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
