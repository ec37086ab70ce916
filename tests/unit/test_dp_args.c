/* SPDX-License-Identifier: BSD-3-Clause */
/* postern-dp's command line, and what it makes of it for EAL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/addr.h"
#include "dataplane/eal.h"

static struct pn_dp_args args;
static struct pn_error err;

static int parse(const char *const *more)
{
    char *argv[32] = {(char *)(uintptr_t) "postern-dp"};
    int argc = 1;
    for (; *more; more++)
        argv[argc++] = (char *)(uintptr_t)*more;
    memset(&err, 0, sizeof(err));
    return pn_dp_args_parse(&args, argc, argv, &err);
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--port", "lan:type=af_xdp,interface=eth1"), 0);
    assert_int_equal(args.n_ports, 1);
    assert_string_equal(args.ports[0].name, "lan");
    assert_int_equal(args.ports[0].kind, PN_PORT_AF_XDP);
    assert_string_equal(args.ports[0].interface, "eth1");
    assert_int_equal(args.ports[0].queues, 1);
    assert_int_equal(args.workers, 1);
    assert_int_equal(args.flows, 1000000);
    assert_int_equal(args.idle_sleep_us, 50);
    assert_string_equal(args.socket, PN_DP_SOCKET_DEFAULT);
    assert_false(args.no_huge);
    assert_false(args.no_sandbox);
    assert_false(args.realtime);
}

static void test_everything(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--port=wan:type=dpdk,device=0000:03:00.0,exception=postern0,queues=4,address=192.0.2.2,"
                           "address=2001:db8::2",
                           "--port=lan:type=af_xdp,interface=eth1,queues=2,force-copy=yes", "--workers=4",
                           "--flows=5000", "--idle-sleep-us=0", "--lcores=0@0,1@1", "--no-huge", "--memory-mb=512",
                           "--local-interface=pnlocal", "--socket=/s", "--stats=/t", "--xdp-program=/x.o",
                           "--no-sandbox", "--realtime", "--log-level=debug"),
                     0);
    struct pn_addr v4, v6;
    assert_int_equal(pn_addr_parse("192.0.2.2", &v4, &err), 0);
    assert_int_equal(pn_addr_parse("2001:db8::2", &v6, &err), 0);
    assert_string_equal(args.ports[0].device, "0000:03:00.0");
    assert_string_equal(args.ports[0].exception, "postern0");
    assert_int_equal(args.ports[0].queues, 4);
    assert_true(pn_addr_equal(&args.ports[0].address_v4, &v4));
    assert_true(pn_addr_equal(&args.ports[0].address_v6, &v6));
    assert_true(args.ports[1].force_copy);
    assert_int_equal(args.workers, 4);
    assert_int_equal(args.flows, 5000);
    assert_int_equal(args.idle_sleep_us, 0);
    assert_string_equal(args.lcores, "0@0,1@1");
    assert_true(args.no_huge && args.no_sandbox && args.realtime);
    assert_int_equal(args.memory_mb, 512);
    assert_string_equal(args.local_interface, "pnlocal");
    assert_string_equal(args.xdp_program, "/x.o");
}

static void test_device_commas(void **state)
{
    (void)state;
    struct pn_port_args p;
    assert_int_equal(pn_port_args_parse(&p, "a:type=dpdk,device=net_pcap0;rx_pcap=a.pcap;tx_pcap=b,queues=2", &err), 0);
    assert_string_equal(p.device, "net_pcap0,rx_pcap=a.pcap,tx_pcap=b");
    assert_int_equal(p.queues, 2);
    assert_int_equal(
        pn_port_args_parse(&p, "a:type=dpdk,device=net_af_packet0,iface=eth0,qpairs=1,exception=pn0", &err), 0);
    assert_string_equal(p.device, "net_af_packet0,iface=eth0,qpairs=1");
    assert_string_equal(p.exception, "pn0");
    assert_false(pn_port_args_is_pci(&p));
    assert_int_equal(pn_port_args_parse(&p, "a:type=dpdk,device=03:00.1,foo=1", &err), 0);
    assert_true(pn_port_args_is_pci(&p));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *complaint;
    } rows[] = {
        {"--port=lan", "NAME:KEY=VALUE"},
        {"--port=:type=dpdk,device=x", "port name"},
        {"--port=a b:type=dpdk,device=x", "port name"},
        {"--port=this-name-has-more-characters-than-31:type=dpdk,device=x", "port name"},
        {"--port=lan:interface=eth0", "type is missing"},
        {"--port=lan:type=af_packet,interface=eth0", "expected af_xdp or dpdk"},
        {"--port=lan:type=af_xdp", "needs interface"},
        {"--port=lan:type=dpdk", "needs device"},
        {"--port=lan:type=af_xdp,interface=eth0,exception=pn0", "are for type dpdk"},
        {"--port=lan:type=dpdk,device=x,interface=eth0", "are for type af_xdp"},
        {"--port=lan:type=af_xdp,interface=a/b", "no interface name"},
        {"--port=lan:type=af_xdp,interface=..", "no interface name"},
        {"--port=lan:type=af_xdp,interface=sixteen-letters-", "1 to 15"},
        {"--port=lan:type=af_xdp,interface=eth0,queues=0", "expected 1 to 16"},
        {"--port=lan:type=af_xdp,interface=eth0,queues=17", "expected 1 to 16"},
        {"--port=lan:type=af_xdp,interface=eth0,queues=-1", "expected 1 to 16"},
        {"--port=lan:type=af_xdp,interface=eth0,queues=2x", "expected 1 to 16"},
        {"--port=lan:type=af_xdp,interface=eth0,force-copy=maybe", "yes or no"},
        {"--port=lan:type=af_xdp,interface=eth0,colour=blue", "unknown key"},
        {"--port=lan:type=af_xdp,interface=eth0,queues", "KEY=VALUE"},
        {"--port=lan:type=dpdk,device=x,address=224.0.0.1", "no host's"},
        {"--port=lan:type=dpdk,device=x,address=192.0.2.1,address=192.0.2.2", "one per family"},
        {"--port=lan:type=dpdk,device=x y", "not allowed"},
        {"--workers=0", "expected 1 to 16"},
        {"--workers=17", "expected 1 to 16"},
        {"--workers=99999999999999999999", "expected 1 to 16"},
        {"--flows=10", "expected 1024"},
        {"--idle-sleep-us=100001", "expected 0 to 100000"},
        {"--lcores=0@0;reboot", "EAL's form"},
        {"--memory-mb=1", "expected 32"},
        {"--log-level=loud", "expected error"},
        {"--socket=", "1 to 107"},
        {"--nonsense", "unknown option"},
        {"--workers", "value missing"},
        {"stray", "unexpected argument"},
        {"--args-file=/nonexistent", "No such file"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int rc = PARSE("--port=ok:type=af_xdp,interface=ethx", rows[i].arg);
        if (rc != -1 || !strstr(err.text, rows[i].complaint))
            fail_msg("%s: %d '%s', expected '%s'", rows[i].arg, rc, err.text, rows[i].complaint);
    }
    assert_int_equal(parse((const char *const[]){NULL}), -1);
    assert_non_null(strstr(err.text, "no --port"));
    assert_int_equal(PARSE("--port=a:type=af_xdp,interface=e0", "--port=a:type=af_xdp,interface=e1"), -1);
    assert_int_equal(PARSE("--port=a:type=af_xdp,interface=e0", "--port=b:type=af_xdp,interface=e0"), -1);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/pn_args_XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# written by posternd\n"
                               "\n"
                               "  --port=lan:type=af_xdp,interface=eth1,queues=2  \n"
                               "--workers 2\n"
                               "--port wan:type=dpdk,device=net_null0\n"
                               "--no-huge\n";
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(PARSE("--args-file", path, "--flows=4096"), 0);
    assert_int_equal(args.n_ports, 2);
    assert_string_equal(args.ports[1].device, "net_null0");
    assert_int_equal(args.workers, 2);
    assert_int_equal(args.flows, 4096);
    assert_true(args.no_huge);

    static const char nested[] = "--args-file=/etc/passwd\n";
    assert_int_equal(write(fd, nested, sizeof(nested) - 1), sizeof(nested) - 1);
    assert_int_equal(PARSE("--args-file", path), -1);
    assert_non_null(strstr(err.text, "inside an argument file"));
    assert_int_equal(ftruncate(fd, PN_DP_ARGS_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(PARSE("--args-file", path), -1);
    close(fd);
    unlink(path);
}

static bool eal_has(const struct pn_eal_argv *eal, const char *arg)
{
    for (int i = 0; i < eal->argc; i++) {
        if (!strcmp(eal->argv[i], arg))
            return true;
    }
    return false;
}

static void test_eal(void **state)
{
    (void)state;
    struct pn_eal_argv eal;
    struct pn_eal_host two = {.cpus = {0, 1}, .n_cpus = 2, .huge_free_mb = 4096};
    bool no_huge;
    assert_int_equal(PARSE("--port=a:type=af_xdp,interface=e0", "--workers=2", "--flows=1000000"), 0);
    assert_int_equal(pn_eal_argv_build(&eal, &args, &two, &no_huge, &err), 0);
    assert_false(no_huge);
    assert_true(eal_has(&eal, "--lcores=0@0,1@1,2@0"));
    assert_true(eal_has(&eal, "--in-memory"));
    assert_true(eal_has(&eal, "--no-pci"));
    assert_false(eal_has(&eal, "--no-huge"));
    /* Two tables of a million flows at 64 bytes must fit. */
    assert_true(pn_eal_memory_mb(&args) > 150);

    /* Taps have a queue, with its buffers, for each worker. */
    assert_int_equal(PARSE("--port=a:type=dpdk,device=net_null0,exception=x0", "--local-interface=l0", "--flows=1024",
                           "--workers=16"),
                     0);
    assert_true(pn_eal_memory_mb(&args) > (33u * 8192 * 2560 >> 20));

    struct pn_eal_host one = {.cpus = {3}, .n_cpus = 1, .huge_free_mb = 10};
    args.workers = 1;
    assert_int_equal(pn_eal_argv_build(&eal, &args, &one, &no_huge, &err), 0);
    assert_true(no_huge);
    assert_true(eal_has(&eal, "--lcores=0@3,1@3"));
    assert_true(eal_has(&eal, "--no-huge"));
    assert_false(eal_has(&eal, "--in-memory")); /* EAL refuses both together */
    assert_null(eal.argv[eal.argc]);

    assert_int_equal(PARSE("--port=a:type=dpdk,device=0000:03:00.0,queues=2", "--lcores=4@4,5@5"), 0);
    assert_int_equal(pn_eal_argv_build(&eal, &args, &two, &no_huge, &err), 0);
    assert_true(eal_has(&eal, "--lcores=4@4,5@5"));
    assert_true(eal_has(&eal, "0000:03:00.0"));
    assert_false(eal_has(&eal, "--no-pci"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything), cmocka_unit_test(test_device_commas),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_file),       cmocka_unit_test(test_eal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
