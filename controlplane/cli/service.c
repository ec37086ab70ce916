/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/cli/cli.h"

static const char *vip_names(const json_t *service, char *buf, size_t size)
{
    json_t *names = json_array(), *vip;
    size_t i;

    json_array_foreach(pn_jo(service, "vips"), i, vip) json_array_append(names, pn_jo(vip, "name"));
    pn_fmt_list(names, buf, size);
    json_decref(names);
    return buf;
}

static const char *affinity(const json_t *s, char *buf, size_t size)
{
    const char *word = pn_js(s, "affinity");

    if (strcmp(word, "network") == 0)
        snprintf(buf, size, "network /%lld /%lld", (long long)pn_ji(s, "v4_prefix"), (long long)pn_ji(s, "v6_prefix"));
    else
        snprintf(buf, size, "%s", word);
    return buf;
}

void pn_service_table(const struct pn_cli *cli, const json_t *services, FILE *out)
{
    struct pn_table *t = pn_table_new(cli, "SERVICE", ">PORT", "POOL", "AFFINITY", "VIPS", ">FLOWS", ">PACKETS",
                                      ">RECEIVED", ">REFUSED", NULL);
    char buf[160];
    json_t *s;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)services, i, s)
    {
        int64_t refused = pn_ji(s, "no_gateway");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(s, "name"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(s, "port"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(s, "pool"));
        pn_table_cell(t, PN_PLAIN, "%s", affinity(s, buf, sizeof(buf)));
        pn_table_cell(t, PN_PLAIN, "%s", vip_names(s, buf, sizeof(buf)));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(s, "flows_new"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(s, "rx_packets"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(s, "rx_bytes"), buf));
        pn_table_cell(t, refused ? PN_RED : PN_PLAIN, "%lld", (long long)refused);
    }
    pn_table_print(t, out);
}

int pn_cli_service_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "service list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_service_table(cli, pn_jo(r, "services"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_service_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    char a[PN_FMT_BYTES], b[PN_FMT_BYTES], c[PN_FMT_BYTES], buf[80];
    json_t *r, *s, *vip;
    struct pn_table *t;
    size_t i;
    int n = pn_cli_args(cli, argc, argv, NULL, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which service?");
    status = pn_cli_get(cli, "service list", json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    s = json_array_get(pn_jo(r, "services"), 0);
    printf("service %s: %s port %lld, pool %s\n", pn_js(s, "name"), pn_js(s, "protocol"), (long long)pn_ji(s, "port"),
           pn_js(s, "pool"));
    printf("  affinity   %s\n", affinity(s, buf, sizeof(buf)));
    printf("  timeouts   established %s, half-open %s, closing %s\n",
           pn_fmt_duration(pn_ji(s, "established_timeout_s") * 1000, a),
           pn_fmt_duration(pn_ji(s, "half_open_timeout_s") * 1000, b),
           pn_fmt_duration(pn_ji(s, "closing_timeout_s") * 1000, c));
    t = pn_table_new(cli, "VIP", "ADDRESS", ">FLOWS", ">PACKETS", ">RECEIVED", ">REFUSED", NULL);
    json_array_foreach(pn_jo(s, "vips"), i, vip)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(vip, "name"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(vip, "address"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(vip, "flows_new"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(vip, "rx_packets"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(vip, "rx_bytes"), buf));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(vip, "no_gateway"));
    }
    pn_table_print(t, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}
