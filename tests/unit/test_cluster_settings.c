/* SPDX-License-Identifier: BSD-3-Clause */
/* From postern.conf to what the cluster is started with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "controlplane/cluster/settings.h"
#include "tests/unit/conf_load.h"

static const char *text_of(const struct pn_addr *a)
{
    static char buf[PN_ADDR_TEXT_BYTES];

    return pn_addr_format(a, buf, sizeof(buf));
}

#define REST                                                                                                           \
    "vip \"a\" { address = 192.0.2.25; priority { n1 = 200; n2 = 100 } }\n"                                            \
    "vip \"b\" { address = \"2001:db8::25\"; priority { n2 = 100 } }\n"

static void test_all_of_it(void **state)
{
    struct pn_conf *conf =
        conf_from("cluster { perimeter = [\"198.51.100.0/24\", 203.0.113.9] }\n"
                  "node \"n1\" { port \"p\" { interface = eth1; address-v4 = 192.0.2.1 }\n"
                  "  mesh { listen = \"192.0.2.1:1234\"; address = 192.0.2.77; second-address = \"2001:db8::1\" } }\n"
                  "node \"n2\" { port \"p\" { interface = eth1; address-v4 = 192.0.2.2 } }\n" REST);
    struct pn_cluster_options o;
    (void)state;

    pn_cluster_options_defaults(&o);
    pn_cluster_settings(conf, 0, "0.2.0", &o);
    assert_string_equal(o.name, "n1");
    assert_int_equal(o.n_listen, 1);
    assert_int_equal(o.listen[0].port, 1234);
    assert_string_equal(text_of(&o.listen[0].addr), "192.0.2.1");
    assert_int_equal(o.self.n_endpoints, 2);
    assert_string_equal(text_of(&o.self.endpoints[0].addr), "192.0.2.77");
    assert_int_equal(o.self.endpoints[0].port, 1234);
    assert_string_equal(text_of(&o.self.endpoints[1].addr), "2001:db8::1");
    assert_int_equal(o.self.vips.n, 1);
    assert_int_equal(o.self.extra.n, 2);
    assert_int_equal(o.self.extra.list[0].len, 120);
    assert_string_equal(o.self.version, "0.2.0");

    pn_cluster_settings(conf, 1, "0.2.0", &o); /* nothing said: all addresses, and its path's */
    assert_int_equal(o.n_listen, 2);
    assert_int_equal(o.listen[0].port, PN_CLUSTER_PORT);
    assert_int_equal(o.self.n_endpoints, 1);
    assert_string_equal(text_of(&o.self.endpoints[0].addr), "192.0.2.2");
    assert_int_equal(o.self.vips.n, 2);
    pn_conf_free(conf);
}

static void test_listen_says_where(void **state)
{
    struct pn_conf *conf = conf_from("node \"n1\" { port \"p\" { interface = eth1; address-v4 = 192.0.2.9 }\n"
                                     "  mesh { listen = \"[2001:db8::9]:9477\" } }\n");
    struct pn_cluster_options o;
    (void)state;

    pn_cluster_options_defaults(&o);
    pn_cluster_settings(conf, 0, "0.2.0", &o);
    assert_int_equal(o.self.n_endpoints, 1);
    assert_string_equal(text_of(&o.self.endpoints[0].addr), "2001:db8::9");
    pn_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_listen_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
