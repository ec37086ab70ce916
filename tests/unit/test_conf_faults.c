/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong in a configuration is named with its place; what is odd is warned of. */
#include <stdlib.h>
#include <time.h>

#include "tests/unit/conf_text.h"

struct fault {
    const char *text;
    unsigned line, column;
    const char *key, *message; /* message: how it begins */
};

static const struct fault faults[] = {
    {BASE "check d { path = \"ääääääääääääääääääääääääääääääääääääääääääääääääääääääääää\" }", 7, 11, "check.d.path",
     "found \"äääääääääääääääääääääääääääääääääääääääääääää...\", expected a path"},
    {BASE "cluter { }", 7, 1, "cluter", "unknown key, did you mean \"cluster\"?"},
    {BASE "zzz { }", 7, 1, "zzz", "unknown key at the top level"},
    {NODE GW CHECKS POOL SERVICE "vip a { addres = 192.0.2.25 }", 6, 5, "vip.a.address", "missing, expected an IPv4"},
    {BASE "vip b { address = 192.0.2.26; prot = lan }", 7, 31, "vip.b.prot", "unknown key, did you mean \"port\"?"},
    {BASE "vip b { address = 192.0.2.256 }", 7, 9, "vip.b.address", "found \"192.0.2.256\", expected an IPv4 or IPv6"},
    {BASE "vip b { address = ::ffff:1.2.3.4 }", 7, 9, "vip.b.address", "found \"::ffff:1.2.3.4\", expected"},
    {BASE "vip b { address = 224.0.0.1 }", 7, 9, "vip.b.address",
     "found 224.0.0.1, expected an address that a host can have"},
    {BASE "vip b { address = 192.0.2.25 }", 7, 9, "vip.b.address", "192.0.2.25 is already that of vip a"},
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
    {BASE "gateway i { address = 192.0.2.25 }", 7, 13, "gateway.i.address", "192.0.2.25 is that of vip a"},
    {BASE "gateway i { address = 127.0.0.1 }", 7, 13, "gateway.i.address",
     "found 127.0.0.1, expected an address that a host can have (loop"},
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

/* What may have been meant is looked for as long as somebody reads it: tens of thousands of errors take no time. */
static void many_errors_are_quick(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    (void)state;
    fputs(NODE VIP, out);
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++)
        fprintf(out, "gateway a-rather-long-name-%04u { address = 10.0.%u.1 }\n", i, i);
    fputs("pool p { tier t { gateways = [", out);
    for (unsigned i = 0; i < 20000; i++)
        fprintf(out, "another-quite-long-%06u,", i);
    fputs("] } }\n", out);
    fclose(out);
    clock_t before = clock();
    assert_null(load_text(text));
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 2); /* 0.04 s; 5 s when each looked for what is near */
    assert_non_null(strstr(errors[0].text, "there is no such gateway (known: a-rather-long-name-0000"));
    free(text);
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
        {"node n1 { port lan { type = dpdk; device = eth1 } }", "node.n1.port.lan.device",
         "\"eth1\" is neither a PCI address"},
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
        cmocka_unit_test(faults_are_named),      cmocka_unit_test(all_errors_at_once),
        cmocka_unit_test(many_errors_are_quick), cmocka_unit_test(odd_things_are_warned_of),
        cmocka_unit_test(limits_hold),           cmocka_unit_test(files_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
