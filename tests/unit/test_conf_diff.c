/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "controlplane/conf/diff.h"
#include "tests/unit/conf_load.h"

#define NODE "node n1 { port lan { interface = eth1 } }\n"
#define VIPS "vip a { address = 192.0.2.25 } vip b { address = 192.0.2.26 }\n"
#define GWS "gateway g { address = 192.0.2.11 } gateway h { address = 192.0.2.12 }\n"
#define POOL "pool p { tier t { gateways = g; spill { half-open-high = 8 } } tier u { gateways = h } }\n"
#define SERVICE "service s { vips = [a, b]; port = 25; pool = p }\n"
#define RELOAD "All changes are applied by a reload.\n"
#define RESTART "Some changes need a restart of postern-dp, the others are applied by a reload.\n"

static char *printed(const char *was, const char *now)
{
    struct pn_conf *a = conf_from(was), *b = conf_from(now);
    struct pn_conf_diff *diff = pn_conf_diff_new(a, b);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(diff);
    pn_conf_diff_print(diff, out);
    fclose(out);
    pn_conf_diff_free(diff);
    pn_conf_free(a);
    pn_conf_free(b);
    return text;
}

static void changes(void **state)
{
    (void)state;
    static const char base[] = NODE VIPS GWS POOL SERVICE;
    static const char *const cases[][2] = {
        {NODE VIPS GWS POOL SERVICE, "No difference.\n"},
        {SERVICE POOL GWS "vip b { address = 192.0.2.26; lease = 30 } vip a { address = 192.0.2.25 }" NODE,
         "No difference.\n"}, /* order and defaults written out */
        {NODE VIPS "gateway g { address = 192.0.2.11; weight = 10 } gateway h { address = 192.0.2.13 }\n" POOL SERVICE,
         "~ gateway.g.weight: 100 -> 10\n~ gateway.h.address: \"192.0.2.12\" -> \"192.0.2.13\"\n"
         "~ gateway.h.check-address: \"192.0.2.12\" -> \"192.0.2.13\"\n" RELOAD},
        {NODE VIPS GWS "gateway i { address = 192.0.2.14 }\n" POOL SERVICE, "+ gateway.i\n" RELOAD},
        {NODE "vip a { address = 192.0.2.25 }\n" GWS POOL "service s { vips = a; port = 25; pool = p }\n",
         "- vip.b\n~ service.s.vips: [\"a\", \"b\"] -> [\"a\"]\n" RELOAD},
        {NODE VIPS GWS
         "pool p { tier t { gateways = g; spill { half-open-high = 8; hold-up = 3s } } tier u { gateways = h }\n"
         "}\n" SERVICE,
         "~ pool.p.tier.t.spill.hold-up: 2s -> 3s\n" RELOAD},
        {NODE VIPS GWS
         "pool p { tier u { gateways = h } tier t { gateways = g; spill { half-open-high = 8 } } }\n" SERVICE,
         "~ pool.p.tier: [\"t\", \"u\"] -> [\"u\", \"t\"]\n" RELOAD},
        {NODE VIPS GWS "pool p { tier t { gateways = g; spill { half-open-high = 8 } } }\n" SERVICE,
         "- pool.p.tier.u\n" RELOAD},
        {"node n1 { port lan { interface = eth2 } dataplane { flows = 2m } metrics { listen = \"*:1\" } }\n" VIPS GWS
             POOL SERVICE,
         "~ node.n1.port.lan.interface: \"eth1\" -> \"eth2\"  (restart postern-dp)\n"
         "~ node.n1.dataplane.flows: 1000000 -> 2000000  (restart postern-dp)\n"
         "~ node.n1.metrics.listen: (not set) -> \"*:1\"\n" RESTART},
        {"node n1 { port lan { interface = eth1 } port wan { interface = eth2 } }\n" VIPS GWS POOL SERVICE,
         "+ node.n1.port.wan  (restart postern-dp)\n" RESTART},
        {"node n1 { port lan { interface = eth1 } path lan { address-v4 = 192.0.2.1 } }\n"
         "node n2 { port lan { interface = e; address-v4 = 192.0.2.2 } }\n"
         "vip a { address = 192.0.2.25; priority { n1 = 100; n2 = 7 } }\n"
         "vip b { address = 192.0.2.26; priority { n1 = 100 } }\n" GWS POOL SERVICE,
         "+ node.n1.path.lan\n+ node.n2\n~ vip.a.priority: { \"n1\" = 100; } -> { \"n1\" = 100; \"n2\" = 7; }\n"
         "~ vip.b.priority: { \"n1\" = 100; } -> { \"n1\" = 100; \"n2\" = 0; }\n" RELOAD},
        {NODE VIPS GWS POOL "pool q { tier t { gateways = g } }\n"
                            "service s { vips = [b, a]; port = 25; pool = q }\n",
         "+ pool.q\n~ service.s.vips: [\"a\", \"b\"] -> [\"b\", \"a\"]\n~ service.s.pool: \"p\" -> \"q\"\n" RELOAD},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *got = printed(base, cases[i][0]);
        assert_string_equal(got, cases[i][1]);
        free(got);
    }
}

static void as_json(void **state)
{
    (void)state;
    struct pn_conf *a = conf_from(NODE VIPS);
    struct pn_conf *b =
        conf_from("node n1 { port lan { interface = eth1; queues = 2 } } vip a { address = 192.0.2.25 }");
    struct pn_conf_diff *diff = pn_conf_diff_new(a, b);
    json_t *json = pn_conf_diff_json(diff);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"changes\":[{\"key\":\"queues\",\"kind\":\"changed\",\"now\":\"2\",\"object\":"
                              "\"node.n1.port.lan\",\"restart\":true,\"was\":\"1\"},{\"key\":\"\",\"kind\":\"removed\","
                              "\"object\":\"vip.b\",\"restart\":false}],\"restart\":true}");
    free(text);
    json_decref(json);
    pn_conf_diff_free(diff);
    pn_conf_free(a);
    pn_conf_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes), cmocka_unit_test(as_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
