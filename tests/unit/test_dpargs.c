/* SPDX-License-Identifier: BSD-3-Clause */
/* What posternd writes is what postern-dp reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/conf/dpargs.h"
#include "dataplane/args.h"
#include "tests/unit/conf_load.h"

static const char nodes[] = "node n1 { port lan { interface = eth1 } path lan { address-v4 = 192.0.2.1 } }\n"
                            "node n2 {\n"
                            "  port lan { interface = eth0; queues = 2; force-copy = yes }\n"
                            "  port wan { type = dpdk; device = \"net_pcap0,rx_pcap=/x/in.pcap,queues=7\"; "
                            "exception = tap1; queues = 3\n"
                            "    address-v4 = 198.51.100.1; address-v6 = 2001:db8::9 }\n"
                            "  dataplane { workers = 2; flows = 5000; idle-sleep-us = 7; lcores = \"0@0,1@1,2@2\"; "
                            "huge-pages = no; memory-mb = 64 }\n"
                            "  path lan { address-v4 = 192.0.2.2 }\n"
                            "  local-interface = local0 }\n";

static void text(void **state)
{
    (void)state;
    struct pn_conf *conf = conf_from(nodes);
    struct pn_dpargs_options options = {.socket = "/run/postern/dp.sock", .stats = "/run/postern/stats"};
    struct pn_error err;
    char buf[PN_DPARGS_MAX_BYTES];
    assert_int_equal(pn_dpargs_write(conf, 0, &options, buf, sizeof(buf), &err), 0);
    assert_string_equal(buf, "# Node n1: made from postern.conf by `posternd --dataplane-args`.\n"
                             "--socket=/run/postern/dp.sock\n--stats=/run/postern/stats\n"
                             "--port=lan:type=af_xdp,interface=eth1,queues=1\n"
                             "--workers=1\n--flows=1000000\n--idle-sleep-us=50\n--realtime\n");
    size_t need = strlen(buf) + 1;
    assert_int_equal(pn_dpargs_write(conf, 0, &options, buf, need, &err), 0);
    assert_int_equal(pn_dpargs_write(conf, 0, &options, buf, need - 1, &err), -1);
    assert_non_null(strstr(err.text, "room for"));
    assert_int_equal(pn_dpargs_write(conf, 2, &options, buf, sizeof(buf), &err), -1);
    options.stats = "/run/a b";
    assert_int_equal(pn_dpargs_write(conf, 0, &options, buf, sizeof(buf), &err), -1);
    assert_non_null(strstr(err.text, "blanks"));
    pn_conf_free(conf);
}

static void read_back(void **state)
{
    (void)state;
    struct pn_conf *conf = conf_from(nodes);
    struct pn_dpargs_options options = {.stats = "/dev/shm/x"};
    struct pn_error err = {0};
    struct pn_dp_args args;
    char buf[PN_DPARGS_MAX_BYTES], path[] = "/tmp/pn-args-XXXXXX", option[64];
    assert_int_equal(pn_dpargs_write(conf, 1, &options, buf, sizeof(buf), &err), 0);
    FILE *f = fdopen(mkstemp(path), "w");
    fputs(buf, f);
    fclose(f);
    snprintf(option, sizeof(option), "--args-file=%s", path);
    char *argv[] = {(char *)(uintptr_t) "postern-dp", option, NULL};
    int rc = pn_dp_args_parse(&args, 2, argv, &err);
    unlink(path);
    if (rc != 0)
        fail_msg("%s", err.text);
    assert_string_equal(args.socket, PN_DP_SOCKET_DEFAULT);
    assert_string_equal(args.stats, "/dev/shm/x");
    assert_int_equal(args.n_ports, 2);
    assert_string_equal(args.ports[0].name, "lan");
    assert_int_equal(args.ports[0].kind, PN_PORT_AF_XDP);
    assert_string_equal(args.ports[0].interface, "eth0");
    assert_int_equal(args.ports[0].queues, 2);
    assert_true(args.ports[0].force_copy);
    assert_string_equal(args.ports[1].name, "wan");
    assert_int_equal(args.ports[1].kind, PN_PORT_DPDK);
    assert_string_equal(args.ports[1].device, "net_pcap0,rx_pcap=/x/in.pcap,queues=7");
    assert_string_equal(args.ports[1].exception, "tap1");
    assert_int_equal(args.ports[1].queues, 3);
    assert_true(pn_addr_equal(&args.ports[1].address_v4, &conf->nodes[1].ports[1].address_v4));
    assert_true(pn_addr_equal(&args.ports[1].address_v6, &conf->nodes[1].ports[1].address_v6));
    assert_int_equal(args.workers, 2);
    assert_int_equal(args.flows, 5000);
    assert_int_equal(args.idle_sleep_us, 7);
    assert_string_equal(args.lcores, "0@0,1@1,2@2");
    assert_true(args.no_huge);
    assert_int_equal(args.memory_mb, 64);
    assert_string_equal(args.local_interface, "local0");
    pn_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text), cmocka_unit_test(read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
