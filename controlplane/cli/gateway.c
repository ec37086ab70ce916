/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"

#define WAIT_STEP_US 250000u

void pn_gateway_table(const struct pn_cli *cli, const json_t *gateways, FILE *out)
{
    struct pn_table *t = pn_table_new(cli, "GATEWAY", "ADDRESS", "MODE", "STATE", ">WEIGHT", ">ACTIVE", ">HALF-OPEN",
                                      ">NEW/S", ">FLOWS", ">FOR", "REASON", NULL);
    json_t *g;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)gateways, i, g)
    {
        const char *state = pn_js(g, "state");
        char rate[PN_FMT_BYTES], since[PN_FMT_BYTES];

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(g, "name"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(g, "address"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(g, "mode"));
        pn_table_cell(t, pn_color_of(state), "%s", state);
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(g, "weight"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(g, "active"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(g, "half_open"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_rate(pn_jf(g, "new_per_s"), rate));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(g, "flows_new"));
        pn_table_cell(t, PN_PLAIN, "%s",
                      pn_ji(g, "state_for_ms") ? pn_fmt_duration(pn_ji(g, "state_for_ms"), since) : "");
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(g, "reason"));
    }
    pn_table_print(t, out);
}

int pn_cli_gateway_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "gateway list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_gateway_table(cli, pn_jo(r, "gateways"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

void pn_check_table(const struct pn_cli *cli, const json_t *checks, bool with_gateway, FILE *out)
{
    struct pn_table *t = with_gateway ? pn_table_new(cli, "GATEWAY", "POOL", "CHECK", "TYPE", "RESULT", ">LAST", ">AGO",
                                                     ">DONE", ">FAILED", ">CERT DAYS", "REASON", NULL)
                                      : pn_table_new(cli, "  POOL", "CHECK", "TYPE", "RESULT", ">LAST", ">AGO", ">DONE",
                                                     ">FAILED", ">CERT DAYS", "REASON", NULL);
    char buf[PN_FMT_BYTES];
    json_t *c;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)checks, i, c)
    {
        const char *health = pn_js(c, "health");
        bool seen = !pn_jnull(c, "ago_ms");

        if (with_gateway)
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "gateway"));
        pn_table_cell(t, PN_PLAIN, with_gateway ? "%s" : "  %s", pn_js(c, "pool"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "check"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "type"));
        pn_table_cell(t, pn_color_of(health), "%s", health);
        pn_table_cell(t, PN_PLAIN, "%s", seen ? pn_fmt_duration(pn_ji(c, "last_ms"), buf) : "");
        pn_table_cell(t, PN_PLAIN, "%s", seen ? pn_fmt_duration(pn_ji(c, "ago_ms"), buf) : "never");
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(c, "done"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(c, "failed"));
        if (pn_jnull(c, "certificate_days_left"))
            pn_table_cell(t, PN_PLAIN, "%s", "");
        else
            pn_table_cell(t, pn_ji(c, "certificate_days_left") < 14 ? PN_YELLOW : PN_PLAIN, "%lld",
                          (long long)pn_ji(c, "certificate_days_left"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(c, "reason"));
    }
    pn_table_print(t, out);
}

int pn_cli_check_list(struct pn_cli *cli, int argc, char *argv[])
{
    const char *gateway = NULL;
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, &gateway, 1) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_get(cli, "check list", gateway ? json_pack("{s:s}", "gateway", gateway) : NULL, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_check_table(cli, pn_jo(r, "checks"), true, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

static void show_agent(const json_t *agent)
{
    if (!json_is_object(agent))
        return;
    printf("  agent      %lld %%%s%s%s", (long long)pn_ji(agent, "percent"), pn_jb(agent, "drain") ? ", drain" : "",
           pn_jb(agent, "maint") ? ", maint" : "", pn_jb(agent, "down") ? ", down" : "");
    if (!pn_jnull(agent, "maxconn"))
        printf(", maxconn %lld", (long long)pn_ji(agent, "maxconn"));
    if (!pn_jnull(agent, "queue"))
        printf(", queue %lld", (long long)pn_ji(agent, "queue"));
    putchar('\n');
}

int pn_cli_gateway_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    char buf[PN_FMT_BYTES];
    json_t *r, *g, *p;
    size_t i;
    int n = pn_cli_args(cli, argc, argv, NULL, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which gateway?");
    status = pn_cli_get(cli, "gateway list", json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    g = json_array_get(pn_jo(r, "gateways"), 0);
    printf("gateway %s: %s%s%s\n", pn_js(g, "name"), pn_color_on(cli, pn_color_of(pn_js(g, "state"))),
           pn_js(g, "state"), pn_color_off(cli, pn_color_of(pn_js(g, "state"))));
    printf("  address    %s, %s\n", pn_js(g, "address"), pn_js(g, "mode"));
    printf("  weight     %lld (configured %lld%s)\n", (long long)pn_ji(g, "weight"),
           (long long)pn_ji(g, "weight_configured"), pn_jb(g, "weight_ordered") ? ", changed by order" : "");
    if (pn_jb(g, "drain") || pn_jb(g, "disabled"))
        printf("  orders     %s%s%s\n", pn_jb(g, "drain") ? "drain" : "",
               pn_jb(g, "drain") && pn_jb(g, "disabled") ? ", " : "", pn_jb(g, "disabled") ? "disabled" : "");
    show_agent(pn_jo(g, "agent"));
    json_array_foreach(pn_jo(g, "pools"), i, p)
        printf("  in         %s/%s: %s%s%s\n", pn_js(p, "pool"), pn_js(p, "tier"), pn_js(p, "health"),
               *pn_js(p, "reason") ? ": " : "", pn_js(p, "reason"));
    printf("  flows      %lld established now, %lld half-open; %s new a second\n", (long long)pn_ji(g, "active"),
           (long long)pn_ji(g, "half_open"), pn_fmt_rate(pn_jf(g, "new_per_s"), buf));
    printf("  in all     %lld new, %lld established, %lld closed; SYNs repeated %lld, expired %lld\n",
           (long long)pn_ji(g, "flows_new"), (long long)pn_ji(g, "flows_established"),
           (long long)pn_ji(g, "flows_closed"), (long long)pn_ji(g, "syn_retries"), (long long)pn_ji(g, "syn_expired"));
    if (!pn_jnull(g, "handshake_ms"))
        printf("  handshake  %.1f ms\n", pn_jf(g, "handshake_ms"));
    printf("  sent to it %lld packets, %s\n", (long long)pn_ji(g, "tx_packets"),
           pn_fmt_bytes(pn_jf(g, "tx_bytes"), buf));
    if (json_array_size(pn_jo(g, "checks")))
        pn_check_table(cli, pn_jo(g, "checks"), false, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- orders ---- */

static double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Counts the rest of its flows down on one line; 0 when none is left. */
static int wait_for_end(struct pn_cli *cli, const char *name, long timeout_s)
{
    bool live = isatty(STDERR_FILENO) != 0;
    double start = seconds_now();
    long long before = -1;

    for (;;) {
        json_t *r, *g;
        long long active, half_open;
        bool counted, done;
        int status;

        /* At first too: a flow may still begin until the dataplane has the order. */
        usleep(WAIT_STEP_US);
        status = pn_cli_call(cli, "gateway list", json_pack("{s:s}", "name", name), &r);

        if (status != PN_EXIT_OK)
            return status;
        g = json_array_get(pn_jo(r, "gateways"), 0);
        active = pn_ji(g, "active");
        half_open = pn_ji(g, "half_open");
        counted = pn_jb(g, "counted");
        json_decref(r);
        if (counted && active + half_open != before && !cli->json)
            fprintf(stderr, "%sgateway %s: %lld flows left (%lld half-open)%s", live ? "\r" : "", name,
                    active + half_open, half_open, live ? "   " : "\n");
        before = counted ? active + half_open : -1;
        done = counted && before <= 0;
        if (done || (timeout_s && seconds_now() - start >= (double)timeout_s)) {
            if (live && !cli->json)
                fputc('\n', stderr);
            if (done)
                return PN_EXIT_OK;
            if (counted)
                fprintf(stderr, "postern: gateway %s still has %lld flows after %ld s\n", name, before, timeout_s);
            else
                fprintf(stderr, "postern: the flows of gateway %s cannot be counted: no counters of postern-dp\n",
                        name);
            return PN_EXIT_TIMEOUT;
        }
    }
}

static void order_said(const json_t *r)
{
    const json_t *g = pn_jo(r, "gateway");
    json_t *warning;
    size_t i;

    printf("gateway %s: %s, weight %lld, %lld flows\n", pn_js(g, "name"), pn_js(g, "state"),
           (long long)pn_ji(g, "weight"), (long long)(pn_ji(g, "active") + pn_ji(g, "half_open")));
    json_array_foreach(pn_jo(r, "warnings"), i, warning)
        fprintf(stderr, "postern: warning: %s\n", json_string_value(warning));
}

static int order(struct pn_cli *cli, int argc, char *argv[], const char *command, bool may_wait)
{
    const char *name = NULL, *timeout_text = NULL;
    bool wait = false;
    const struct pn_cli_option options[] = {
        {"wait", 'w', NULL, &wait}, {"timeout", 't', &timeout_text, NULL}, {NULL, 0, NULL, NULL}};
    long timeout_s = 0;
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, may_wait ? options : NULL, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which gateway?");
    if (timeout_text && pn_cli_number(cli, "timeout", timeout_text, 1, 31536000, &timeout_s) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, command, json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK)
        return status;
    if (!cli->json)
        order_said(r);
    fflush(stdout);
    if (wait)
        status = wait_for_end(cli, name, timeout_s);
    if (cli->json)
        json_dumpf(r, stdout, JSON_INDENT(2)), putchar('\n');
    json_decref(r);
    return status;
}

int pn_cli_gateway_drain(struct pn_cli *cli, int argc, char *argv[])
{
    return order(cli, argc, argv, "gateway drain", true);
}

int pn_cli_gateway_disable(struct pn_cli *cli, int argc, char *argv[])
{
    return order(cli, argc, argv, "gateway disable", true);
}

int pn_cli_gateway_enable(struct pn_cli *cli, int argc, char *argv[])
{
    return order(cli, argc, argv, "gateway enable", false);
}

int pn_cli_gateway_weight(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL};
    long weight = -1;
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, NULL, pos, 2), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "which gateway, and what weight?");
    if (strcmp(pos[1], "default") != 0 && pn_cli_number(cli, "weight", pos[1], 0, 256, &weight) < 0)
        return PN_EXIT_USAGE;
    status =
        pn_cli_get(cli, "gateway weight", json_pack("{s:s, s:I}", "name", pos[0], "weight", (json_int_t)weight), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    order_said(r);
    json_decref(r);
    return PN_EXIT_OK;
}
