/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/cli/cli.h"

static void counters(const struct pn_cli *cli, const json_t *r, const char *kind, const char *title, bool all)
{
    struct pn_table *t = NULL;
    json_t *c;
    size_t i;

    json_array_foreach(pn_jo(r, "counters"), i, c)
    {
        if (strcmp(pn_js(c, "kind"), kind) != 0 || (!all && pn_ji(c, "value") == 0))
            continue;
        if (!t)
            t = pn_table_new(cli, title, ">COUNT", "MEANING", NULL);
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "name"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(c, "value"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "help"));
    }
    if (!t)
        return;
    pn_table_print(t, stdout);
    putchar('\n');
}

static void ports(const struct pn_cli *cli, const json_t *r)
{
    struct pn_table *t = pn_table_new(cli, "PORT", ">RX PACKETS", ">RX BYTES", ">TX PACKETS", ">TX BYTES", NULL);
    json_t *p;
    size_t i;

    json_array_foreach(pn_jo(r, "ports"), i, p)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "name"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "rx_packets"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "rx_bytes"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "tx_packets"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(p, "tx_bytes"));
    }
    pn_table_print(t, stdout);
    putchar('\n');
}

/* Every packet received ended in exactly one place; the two sides are read a moment apart, so they may differ a bit. */
static void identity(const json_t *r)
{
    const json_t *t = pn_jo(r, "totals");

    printf("%lld received = %lld sent on + %lld the host's + %lld dropped + %lld held\n",
           (long long)pn_ji(t, "rx_packets"), (long long)pn_ji(t, "sent_packets"),
           (long long)pn_ji(t, "punted_packets"), (long long)pn_ji(t, "dropped_packets"),
           (long long)pn_ji(t, "held_packets"));
}

int pn_cli_stats(struct pn_cli *cli, int argc, char *argv[])
{
    bool all = false, drops = false;
    const struct pn_cli_option options[] = {
        {"all", 'a', NULL, &all}, {"drops", 'd', NULL, &drops}, {NULL, 0, NULL, NULL}};
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_get(cli, "stats", NULL, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (drops) {
        counters(cli, r, "dropped", "DROPPED", all);
        printf("%lld of %lld packets dropped\n", (long long)pn_ji(pn_jo(r, "totals"), "dropped_packets"),
               (long long)pn_ji(pn_jo(r, "totals"), "rx_packets"));
        json_decref(r);
        return PN_EXIT_OK;
    }
    ports(cli, r);
    counters(cli, r, "sent", "SENT ON", all);
    counters(cli, r, "punted", "THE HOST'S", all);
    counters(cli, r, "dropped", "DROPPED", all);
    counters(cli, r, "event", "EVENT", all);
    identity(r);
    json_decref(r);
    return PN_EXIT_OK;
}
