/* SPDX-License-Identifier: BSD-3-Clause */
/* What only the dataplane knows: flows, ports, neighbours. */
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/endpoint.h"

void pn_flow_table(const struct pn_cli *cli, const json_t *flows, FILE *out)
{
    struct pn_table *t =
        pn_table_new(cli, "CLIENT", "SERVICE", "VIP", "GATEWAY", "STATE", ">IDLE", ">ENDS IN", ">WORKER", "NOTE", NULL);
    char text[80], idle[PN_FMT_BYTES], left[PN_FMT_BYTES];
    json_t *f;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)flows, i, f)
    {
        bool spilled = pn_jb(f, "spilled"), picked_up = pn_jb(f, "picked_up");

        pn_table_cell(t, PN_PLAIN, "%s", pn_endpoint_format(pn_js(f, "client"), pn_ji(f, "port"), text, sizeof(text)));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(f, "service"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(f, "vip"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(f, "gateway"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(f, "state"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_duration(pn_ji(f, "idle_ms"), idle));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_duration(pn_ji(f, "expires_ms"), left));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(f, "worker"));
        pn_table_cell(t, spilled ? PN_YELLOW : PN_PLAIN, "%s%s%s", spilled ? "spilled" : "",
                      spilled && picked_up ? ", " : "", picked_up ? "picked up" : "");
    }
    pn_table_print(t, out);
}

int pn_cli_flow_list(struct pn_cli *cli, int argc, char *argv[])
{
    const char *client = NULL, *service = NULL, *gateway = NULL, *max_text = NULL;
    const struct pn_cli_option options[] = {{"client", 'c', &client, NULL},
                                            {"service", 0, &service, NULL},
                                            {"gateway", 'g', &gateway, NULL},
                                            {"max", 'n', &max_text, NULL},
                                            {NULL, 0, NULL, NULL}};
    long max = 1000;
    json_t *r, *args;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 ||
        (max_text && pn_cli_number(cli, "max", max_text, 1, 65536, &max) < 0))
        return PN_EXIT_USAGE;
    args = json_pack("{s:I, s:s*, s:s*, s:s*}", "max", (json_int_t)max, "client", client, "service", service, "gateway",
                     gateway);
    status = pn_cli_get(cli, "flow list", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_flow_table(cli, pn_jo(r, "flows"), stdout);
    if (pn_jb(r, "more"))
        fprintf(stderr, "(the first %ld; there are more: --max N)\n", max);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_flow_show(struct pn_cli *cli, int argc, char *argv[])
{
    struct pn_endpoint e;
    const char *text = NULL;
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, NULL, &text, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0 || pn_endpoint_parse(text, &e) < 0 || e.port == 0)
        return pn_cli_usage(cli, "which flow? CLIENT:PORT, for IPv6 [CLIENT]:PORT");
    status = pn_cli_call(cli, "flow list", json_pack("{s:s, s:i}", "client", e.address, "port", e.port), &r);
    if (status != PN_EXIT_OK)
        return status;
    if (json_array_size(pn_jo(r, "flows")) == 0) {
        json_decref(r);
        fprintf(stderr, "postern: no flow of %s (postern explain %s tells where a new one would go)\n", text, text);
        return PN_EXIT_NOT_FOUND;
    }
    if (cli->json)
        return pn_cli_print_json(r);
    pn_flow_table(cli, pn_jo(r, "flows"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_port_list(struct pn_cli *cli, int argc, char *argv[])
{
    char rx[PN_FMT_BYTES], tx[PN_FMT_BYTES];
    struct pn_table *t;
    json_t *r, *p;
    size_t i;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "port list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    t = pn_table_new(cli, "PORT", "KIND", "LINK", "MAC", ">MTU", ">QUEUES", ">RX PACKETS", ">RX BYTES", ">TX PACKETS",
                     ">TX BYTES", "DEVICE", NULL);
    json_array_foreach(pn_jo(r, "ports"), i, p)
    {
        bool up = pn_jb(p, "link_up");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "name"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "kind"));
        pn_table_cell(t, up ? PN_GREEN : PN_RED, "%s", up ? "up" : "down");
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "mac"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "mtu"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "rx_queues"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "rx_packets"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(p, "rx_bytes"), rx));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "tx_packets"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(p, "tx_bytes"), tx));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "device"));
    }
    pn_table_print(t, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_neighbour_list(struct pn_cli *cli, int argc, char *argv[])
{
    char age[PN_FMT_BYTES];
    struct pn_table *t;
    json_t *r, *n;
    size_t i;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "neighbour list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    t = pn_table_new(cli, "GATEWAY", "ADDRESS", "MAC", "STATE", "FROM", "PORT", ">AGE", ">WAITING", NULL);
    json_array_foreach(pn_jo(r, "neighbours"), i, n)
    {
        const char *state = pn_js(n, "state");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "gateway"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "address"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "mac"));
        pn_table_cell(t, pn_color_of(state), "%s", state);
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "source"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "port"));
        if (strcmp(pn_js(n, "mac"), "00:00:00:00:00:00") == 0)
            pn_table_cell(t, PN_PLAIN, "never");
        else
            pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_duration(pn_ji(n, "age_ms"), age));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(n, "queued"));
    }
    pn_table_print(t, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}
