/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/cli/cli.h"

/* The node; of a router that is none of ours the address. */
static const char *owner_text(const json_t *v, char *buf, size_t size)
{
    const json_t *vrrp = pn_jo(v, "vrrp");

    if (*pn_js(v, "owner"))
        return pn_js(v, "owner");
    if (!json_is_object(vrrp) || pn_jnull(vrrp, "active"))
        return "nobody that is heard";
    snprintf(buf, size, "%s, priority %lld", pn_js(vrrp, "active"), (long long)pn_ji(vrrp, "active_priority"));
    return buf;
}

void pn_vip_table(const struct pn_cli *cli, const json_t *vips, FILE *out)
{
    struct pn_table *t =
        pn_table_new(cli, "VIP", "ADDRESS", "STATE", "OWNER", ">FOR", ">LEASE", "SERVICES", "REASON", NULL);
    char lease[PN_FMT_BYTES], since[PN_FMT_BYTES], services[PN_FMT_BYTES * 3];
    json_t *v;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)vips, i, v)
    {
        const char *state = pn_js(v, "state");
        bool owner = strcmp(state, "owner") == 0;
        int64_t left = pn_ji(v, "lease_left_ms");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "name"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "address"));
        pn_table_cell(t, pn_color_of(state), "%s", state);
        pn_table_cell(t, PN_PLAIN, "%s", *pn_js(v, "owner") ? pn_js(v, "owner") : pn_js(pn_jo(v, "vrrp"), "active"));
        pn_table_cell(t, PN_PLAIN, "%s",
                      pn_ji(v, "state_for_ms") ? pn_fmt_duration(pn_ji(v, "state_for_ms"), since) : "");
        pn_table_cell(t, owner && left == 0 ? PN_RED : PN_PLAIN, "%s",
                      left    ? pn_fmt_duration(left, lease)
                      : owner ? "none"
                              : "");
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_list(pn_jo(v, "services"), services, sizeof(services)));
        pn_table_cell(t, pn_jb(v, "path_failed") ? PN_RED : PN_PLAIN, "%s",
                      pn_jb(v, "path_failed") ? "its owner answers, but is not heard"
                      : *pn_js(v, "waits")    ? pn_js(v, "waits")
                                              : pn_js(v, "reason"));
    }
    pn_table_print(t, out);
}

int pn_cli_vip_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "vip list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_vip_table(cli, pn_jo(r, "vips"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_vip_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    char buf[256];
    json_t *r, *v, *row;
    const json_t *vrrp;
    size_t i;
    int n = pn_cli_args(cli, argc, argv, NULL, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which VIP?");
    status = pn_cli_get(cli, "vip list", json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    v = json_array_get(pn_jo(r, "vips"), 0);
    printf("vip %s\n", pn_js(v, "name"));
    printf("  address    %s", pn_js(v, "address"));
    if (*pn_js(v, "port"))
        printf(" on port %s", pn_js(v, "port"));
    if (pn_ji(v, "vlan"))
        printf(", VLAN %lld", (long long)pn_ji(v, "vlan"));
    printf("\n  state      %s for %s (%s)\n", pn_js(v, "state"), pn_fmt_duration(pn_ji(v, "state_for_ms"), buf),
           pn_js(v, "reason"));
    vrrp = pn_jo(v, "vrrp");
    printf("  owner      %s\n", owner_text(v, buf, sizeof(buf)));
    printf("  ownership  %s, priority %lld on this node",
           pn_jb(v, "alone") && !json_is_object(vrrp) ? "no other node" : pn_js(v, "protocol"),
           (long long)pn_ji(v, "priority"));
    if (json_is_object(vrrp))
        printf(", virtual router %lld, an advertisement each %s", (long long)pn_ji(vrrp, "id"),
               pn_fmt_duration(pn_ji(vrrp, "interval_ms"), buf));
    if (strcmp(pn_js(v, "prefer"), "exclusive") == 0)
        printf(", exclusive%s", pn_jb(v, "forced") ? " (forced)" : "");
    if (*pn_js(v, "group"))
        printf(", group %s", pn_js(v, "group"));
    printf("%s%s\n", pn_jb(v, "wanted") ? ", asked for" : "",
           pn_jb(v, "path_failed") ? ", its owner answers on the wire but is not heard" : "");
    if (json_is_object(vrrp))
        printf("  advertised %lld sent, %lld received\n", (long long)pn_ji(vrrp, "sent"),
               (long long)pn_ji(vrrp, "received"));
    if (*pn_js(v, "waits"))
        printf("  waits      %s\n", pn_js(v, "waits"));
    json_array_foreach(pn_jo(v, "nodes"), i, row)
        printf("  on %-7s %s, priority %lld, load %.0f %%\n", pn_js(row, "node"), pn_js(row, "state"),
               (long long)pn_ji(row, "priority"), pn_jf(row, "load") * 100);
    printf("  lease      %s left", pn_fmt_duration(pn_ji(v, "lease_left_ms"), buf));
    printf(" of %s\n", pn_fmt_duration(pn_ji(v, "lease_ms"), buf));
    printf("  services   %s\n", *pn_fmt_list(pn_jo(v, "services"), buf, sizeof(buf)) ? buf : "-");
    printf("  received   %lld packets, %s\n", (long long)pn_ji(v, "rx_packets"),
           pn_fmt_bytes(pn_jf(v, "rx_bytes"), buf));
    json_decref(r);
    return PN_EXIT_OK;
}
