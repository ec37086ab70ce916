/* SPDX-License-Identifier: BSD-3-Clause */
/* explain: a decision; trace: packets on their way. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/endpoint.h"

static void explain_print(const struct pn_cli *cli, const json_t *s)
{
    const char *gateway = pn_jnull(s, "gateway") ? "none" : pn_js(s, "gateway");
    const json_t *flow = pn_jo(s, "flow");
    char buf[PN_FMT_BYTES], left[PN_FMT_BYTES];
    json_t *tier, *line;
    size_t i;

    if (json_is_object(flow))
        gateway = pn_js(flow, "gateway");
    else if (pn_jb(s, "blocked"))
        gateway = "none: blocked";
    printf("service %s (%s port %lld) -> %s%s%s\n", pn_js(s, "service"), pn_js(s, "vip_address"),
           (long long)pn_ji(s, "service_port"), pn_color_on(cli, PN_BOLD), gateway, pn_color_off(cli, PN_BOLD));
    printf("  vip        %s, this node is %s (%s), lease %s\n", pn_js(s, "vip"), pn_js(s, "vip_state"),
           pn_js(s, "vip_reason"),
           pn_jb(s, "lease_valid") ? pn_fmt_duration(pn_ji(s, "lease_left_ms"), buf) : "not valid");
    printf("  affinity   %s: %s (hash %s)\n", pn_js(s, "affinity"), pn_js(s, "bucket"), pn_js(s, "hash"));
    json_array_foreach(pn_jo(s, "tiers"), i, tier)
    {
        printf("  tier       %s: %lld of %zu gateways take new flows", pn_js(tier, "name"),
               (long long)pn_ji(tier, "eligible"), json_array_size(pn_jo(tier, "members")));
        if (pn_jb(tier, "in_spill"))
            printf(", in spill (%s)", pn_js(tier, "reason"));
        if (i > 0 && !pn_jb(tier, "accepts_spill"))
            printf(", takes no spill");
        putchar('\n');
    }
    if (!pn_jnull(s, "tier"))
        printf("  choice     tier %s, slot %lld of %lld, gateway %s%s\n", pn_js(s, "tier"), (long long)pn_ji(s, "slot"),
               (long long)pn_ji(s, "slots"), pn_js(s, "gateway"), pn_jb(s, "spilled") ? " (spilled)" : "");
    if (json_is_object(flow))
        printf("  flow       %s on %s, idle %s, ends in %s%s\n", pn_js(flow, "state"), pn_js(flow, "gateway"),
               pn_fmt_duration(pn_ji(flow, "idle_ms"), buf), pn_fmt_duration(pn_ji(flow, "expires_ms"), left),
               pn_jb(flow, "spilled") ? ", spilled" : "");
    json_array_foreach(pn_jo(s, "why"), i, line) printf("  %-10s %s\n", i == 0 ? "why" : "", json_string_value(line));
}

int pn_cli_explain(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL};
    struct pn_endpoint e;
    json_t *r, *s;
    size_t i;
    const char *service = NULL;
    const struct pn_cli_option options[] = {{"service", 0, &service, NULL}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 2), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (!service)
        service = pos[1];
    if (n == 0 || pn_endpoint_parse(pos[0], &e) < 0)
        return pn_cli_usage(cli, "which client? an address, or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)");
    status = pn_cli_get(cli, "explain",
                        json_pack("{s:s, s:i, s:s*}", "client", e.address, "port", e.port, "service", service), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    json_array_foreach(pn_jo(r, "services"), i, s)
    {
        if (i)
            putchar('\n');
        explain_print(cli, s);
    }
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- trace ---- */

static void tcp_flags(int64_t flags, char *buf, size_t size)
{
    static const char *const name[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < 6; i++)
        if (flags & (1 << i))
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", name[i]);
}

static void trace_parse(const json_t *p)
{
    int64_t ether = pn_ji(p, "ether_type"), proto = pn_ji(p, "ip_protocol");
    char flags[40];

    printf("  parse     ");
    if (pn_ji(p, "vlan"))
        printf("VLAN %lld, ", (long long)pn_ji(p, "vlan"));
    if (ether == 0x0806)
        printf("ARP");
    else if (ether == 0x0800)
        printf("IPv4");
    else if (ether == 0x86dd)
        printf("IPv6");
    else
        printf("EtherType 0x%04x", (unsigned)ether);
    tcp_flags(pn_ji(p, "tcp_flags"), flags, sizeof(flags));
    if (ether != 0x0806 && proto == 6)
        printf(", TCP %s", *flags ? flags : "without flags");
    else if (ether != 0x0806 && (proto == 1 || proto == 58))
        printf(", ICMP");
    else if (ether != 0x0806 && proto)
        printf(", protocol %lld", (long long)proto);
    putchar('\n');
}

static void trace_print(const struct pn_cli *cli, const json_t *p, long number, int64_t wall_offset_us)
{
    int64_t at_us = pn_ji(p, "at_us") + wall_offset_us;
    time_t seconds = (time_t)(at_us / 1000000);
    char from[80], to[80], at[16];
    struct tm tm;
    bool dropped = strcmp(pn_js(p, "end_kind"), "D") == 0;

    localtime_r(&seconds, &tm);
    strftime(at, sizeof(at), "%H:%M:%S", &tm);
    printf("%s#%ld %s.%06d  %s -> %s%s, %lld bytes on %s, worker %lld\n", pn_color_on(cli, PN_BOLD), number, at,
           (int)(at_us % 1000000), pn_endpoint_format(pn_js(p, "source"), pn_ji(p, "source_port"), from, sizeof(from)),
           pn_endpoint_format(pn_js(p, "destination"), pn_ji(p, "destination_port"), to, sizeof(to)),
           pn_color_off(cli, PN_BOLD), (long long)pn_ji(p, "frame_bytes"), pn_js(p, "port"),
           (long long)pn_ji(p, "worker"));
    trace_parse(p);
    if (!pn_jnull(p, "service")) {
        printf("  classify  VIP %s, service %s\n", pn_js(p, "vip"), pn_js(p, "service"));
        if (pn_jb(p, "flow_hit"))
            printf("  flow      known, %s%s%s\n", pn_js(p, "flow_state"), pn_jb(p, "spilled") ? ", spilled" : "",
                   pn_jb(p, "picked_up") ? ", picked up in the middle" : "");
        else
            printf("  flow      not known%s%s\n", strcmp(pn_js(p, "flow_state"), "none") ? "; entered, " : "",
                   strcmp(pn_js(p, "flow_state"), "none") ? pn_js(p, "flow_state") : "");
        if (pn_jb(p, "steered"))
            printf("  steer     %s%s\n", pn_jnull(p, "gateway") ? "no gateway" : pn_js(p, "gateway"),
                   pn_jb(p, "spilled") ? ", spilled" : "");
        if (!pn_jnull(p, "gateway"))
            printf("  rewrite   to %s\n", pn_js(p, "gateway"));
    }
    printf("  end       %s%s%s: %s\n", pn_color_on(cli, dropped ? PN_RED : PN_GREEN), pn_js(p, "end"),
           pn_color_off(cli, dropped ? PN_RED : PN_GREEN), pn_js(p, "end_help"));
}

/* The wall clock at the dataplane's clock 0, so that packets can be compared with log files. */
static int64_t wall_offset_us(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (wall.tv_sec - boot.tv_sec) * INT64_C(1000000) + (wall.tv_nsec - boot.tv_nsec) / 1000;
}

int pn_cli_trace(struct pn_cli *cli, int argc, char *argv[])
{
    const char *client = NULL, *packets_text = NULL, *timeout_text = NULL;
    const struct pn_cli_option options[] = {
        {"packets", 'n', &packets_text, NULL}, {"timeout", 't', &timeout_text, NULL}, {NULL, 0, NULL, NULL}};
    long packets = 10, timeout_s = 0, seen = 0, waited_ms = 0;
    int64_t offset = wall_offset_us();
    json_t *r, *p, *all = json_array();
    size_t i;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &client, 1) < 0 ||
        (packets_text && pn_cli_number(cli, "packets", packets_text, 1, 1024, &packets) < 0) ||
        (timeout_text && pn_cli_number(cli, "timeout", timeout_text, 1, 86400, &timeout_s) < 0)) {
        json_decref(all);
        return PN_EXIT_USAGE;
    }
    status =
        pn_cli_call(cli, "trace start", json_pack("{s:s*, s:I}", "client", client, "packets", (json_int_t)packets), &r);
    json_decref(r);
    while (status == PN_EXIT_OK && seen < packets) {
        status = pn_cli_call(cli, "trace read", NULL, &r);
        if (status != PN_EXIT_OK)
            break;
        json_array_foreach(pn_jo(r, "packets"), i, p)
        {
            if (++seen > packets)
                break;
            if (cli->json)
                json_array_append(all, p);
            else
                trace_print(cli, p, seen, offset);
        }
        json_decref(r);
        fflush(stdout);
        if (seen >= packets)
            break;
        if (timeout_s && waited_ms >= timeout_s * 1000) {
            fprintf(stderr, "postern: %ld of %ld packets in %ld s\n", seen, packets, timeout_s);
            status = PN_EXIT_TIMEOUT;
        }
        usleep(100000);
        waited_ms += 100;
    }
    if (cli->json && (status == PN_EXIT_OK || status == PN_EXIT_TIMEOUT))
        pn_cli_print_json(json_pack("{s:O}", "packets", all));
    json_decref(all);
    return status;
}
