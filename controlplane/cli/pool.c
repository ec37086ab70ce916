/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/cli/cli.h"

static const char *load_words(const json_t *tier, enum pn_color *color, char buf[PN_FMT_BYTES])
{
    *color = PN_YELLOW;
    if (pn_ji(tier, "eligible") == 0) {
        *color = PN_RED;
        return "no gateway";
    }
    if (pn_jb(tier, "in_spill")) {
        if (pn_ji(tier, "above_active"))
            snprintf(buf, PN_FMT_BYTES, "spills above %lld flows", (long long)pn_ji(tier, "above_active"));
        else
            snprintf(buf, PN_FMT_BYTES, "spills %.0f %%", pn_jf(tier, "share") * 100);
        return buf;
    }
    if (pn_jb(tier, "load_unknown"))
        return "load unknown";
    if (pn_jb(tier, "at_mark"))
        return "at its mark";
    *color = PN_PLAIN;
    return "ok";
}

void pn_pool_table(const struct pn_cli *cli, const json_t *pools, FILE *out)
{
    struct pn_table *t = pn_table_new(cli, "POOL", "TIER", ">GATEWAYS", ">ACTIVE", ">HALF-OPEN", ">NEW/S", ">FLOWS",
                                      ">SPILLED-ON", ">SPILLED-IN", "LOAD", NULL);
    json_t *pool, *tier;
    size_t p, i;

    json_array_foreach((json_t *)(uintptr_t)pools, p, pool)
    {
        json_array_foreach(pn_jo(pool, "tiers"), i, tier)
        {
            char load[PN_FMT_BYTES], rate[PN_FMT_BYTES];
            enum pn_color color;
            const char *words = load_words(tier, &color, load);

            pn_table_cell(t, PN_PLAIN, "%s", pn_js(pool, "name"));
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(tier, "name"));
            pn_table_cell(t, PN_PLAIN, "%lld/%zu", (long long)pn_ji(tier, "eligible"),
                          json_array_size(pn_jo(tier, "members")));
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(tier, "active"));
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(tier, "half_open"));
            pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_rate(pn_jf(tier, "new_per_s"), rate));
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(tier, "flows_new"));
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(tier, "spilled_from"));
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(tier, "spilled_into"));
            pn_table_cell(t, color, "%s", words);
        }
    }
    pn_table_print(t, out);
}

int pn_cli_pool_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "pool list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_pool_table(cli, pn_jo(r, "pools"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

static void tier_show(const struct pn_cli *cli, const json_t *tier, bool first)
{
    char buf[PN_FMT_BYTES];
    enum pn_color color;
    const char *words = load_words(tier, &color, buf);
    struct pn_table *t;
    json_t *mark, *m;
    size_t i;

    printf("\ntier %s: %s%s%s", pn_js(tier, "name"), pn_color_on(cli, color), words, pn_color_off(cli, color));
    if (*pn_js(tier, "reason"))
        printf(" (%s, %s ago)", pn_js(tier, "reason"), pn_fmt_duration(pn_ji(tier, "spill_for_ms"), buf));
    putchar('\n');
    if (!first)
        printf("  takes spill from earlier tiers: %s\n", pn_jb(tier, "accepts_spill") ? "yes" : "no");
    json_array_foreach(pn_jo(tier, "marks"), i, mark)
        printf("  mark       %s: spills from %.6g, back at %.6g\n", pn_js(mark, "measure"), pn_jf(mark, "high"),
               pn_jf(mark, "low"));
    t = pn_table_new(cli, "  GATEWAY", "HEALTH", ">WEIGHT", "NEW FLOWS", "REASON", NULL);
    json_array_foreach(pn_jo(tier, "members"), i, m)
    {
        const char *health = pn_js(m, "health"), *refuses = pn_js(m, "refuses");

        pn_table_cell(t, PN_PLAIN, "  %s", pn_js(m, "gateway"));
        pn_table_cell(t, pn_color_of(health), "%s", health);
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(m, "weight"));
        pn_table_cell(t, *refuses ? PN_YELLOW : PN_PLAIN, *refuses ? "no: %s" : "yes", refuses);
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(m, "reason"));
    }
    pn_table_print(t, stdout);
}

int pn_cli_pool_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    char buf[256];
    json_t *r, *p, *tier;
    size_t i;
    int n = pn_cli_args(cli, argc, argv, NULL, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which pool?");
    status = pn_cli_get(cli, "pool list", json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    p = json_array_get(pn_jo(r, "pools"), 0);
    printf("pool %s\n", pn_js(p, "name"));
    printf("  services   %s\n", *pn_fmt_list(pn_jo(p, "services"), buf, sizeof(buf)) ? buf : "-");
    printf("  checks     %s\n", *pn_fmt_list(pn_jo(p, "checks"), buf, sizeof(buf)) ? buf : "-");
    json_array_foreach(pn_jo(p, "tiers"), i, tier) tier_show(cli, tier, i == 0);
    json_decref(r);
    return PN_EXIT_OK;
}
