/* SPDX-License-Identifier: BSD-3-Clause */
/* status, and watch, which is status again and again. */
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"

static void alarm_line(const struct pn_cli *cli, FILE *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void alarm_line(const struct pn_cli *cli, FILE *out, const char *format, ...)
{
    va_list args;

    fprintf(out, "%s! ", pn_color_on(cli, PN_RED));
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fprintf(out, "%s\n", pn_color_off(cli, PN_RED));
}

/* What somebody should look at, first. */
static void alarms(const struct pn_cli *cli, const json_t *r, FILE *out)
{
    const json_t *config = pn_jo(r, "config"), *dp = pn_jo(r, "dataplane"), *snapshot = pn_jo(dp, "snapshot");
    char buf[PN_FMT_BYTES];
    json_t *row, *tier, *path;
    size_t i, t;

    if (!pn_jb(dp, "connected"))
        alarm_line(cli, out, "dataplane not connected: %s", pn_js(dp, "problem"));
    else if (!pn_jb(dp, "stats"))
        alarm_line(cli, out, "the dataplane's counters cannot be read");
    if (*pn_js(snapshot, "error"))
        alarm_line(cli, out, "snapshot refused, the one before goes on: %s", pn_js(snapshot, "error"));
    if (!pn_jb(config, "last_ok"))
        alarm_line(cli, out, "last reload refused, the configuration before goes on: %s", pn_js(config, "error"));
    if (pn_jb(config, "restart_needed"))
        alarm_line(cli, out, "the configuration has changes that count only after a restart of postern-dp");
    if (pn_jb(pn_jo(r, "node"), "standby"))
        alarm_line(cli, out, "node in standby: it owns no VIP (postern node active ends it)");
    if (strcmp(pn_js(pn_jo(r, "cluster"), "heartbeat_keys"), "none") == 0)
        alarm_line(cli, out, "no key for heartbeats: this node owns no VIP (postern cluster init or join)");
    json_array_foreach(pn_jo(pn_jo(r, "cluster"), "alarms"), i, row) alarm_line(cli, out, "%s", json_string_value(row));
    json_array_foreach(pn_jo(pn_jo(r, "rules"), "alarms"), i, row) alarm_line(cli, out, "%s", json_string_value(row));
    json_array_foreach(pn_jo(r, "nodes"), i, row)
    {
        if (!pn_jb(row, "heard") && pn_jnull(row, "heard_ago_ms"))
            alarm_line(cli, out, "node %s was never heard", pn_js(row, "name"));
        else if (!pn_jb(row, "heard"))
            alarm_line(cli, out, "node %s not heard for %s", pn_js(row, "name"),
                       pn_fmt_duration(pn_ji(row, "heard_ago_ms"), buf));
        json_array_foreach(pn_jo(row, "paths"), t, path)
        {
            if (pn_jb(row, "heard") && !pn_jb(path, "heard"))
                alarm_line(cli, out, "node %s not heard over path %s%s%s", pn_js(row, "name"), pn_js(path, "name"),
                           pn_jnull(path, "heard_ago_ms") ? "" : " for ",
                           pn_jnull(path, "heard_ago_ms") ? "" : pn_fmt_duration(pn_ji(path, "heard_ago_ms"), buf));
        }
        if (pn_jb(row, "heard") && !pn_jb(row, "same_configuration"))
            alarm_line(cli, out, "node %s has another configuration: nothing is preempted", pn_js(row, "name"));
    }
    pn_quarantine_alarms(cli, pn_jo(r, "quarantine"), out);
    json_array_foreach(pn_jo(r, "vips"), i, row)
    {
        if (pn_jb(row, "path_failed"))
            alarm_line(cli, out, "VIP %s: its owner answers on the wire, but its heartbeats do not arrive",
                       pn_js(row, "name"));
        else if (pn_jb(dp, "connected") && !*pn_js(row, "owner") && strcmp(pn_js(row, "protocol"), "sealed") == 0)
            alarm_line(cli, out, "VIP %s: no owner is heard: %s", pn_js(row, "name"), pn_js(row, "reason"));
        if (strcmp(pn_js(row, "prefer"), "exclusive") == 0 && !pn_jb(pn_jo(r, "node"), "majority"))
            alarm_line(cli, out,
                       pn_jb(row, "forced")
                           ? "VIP %s: exclusive, and owned by force without a majority of the nodes"
                           : "VIP %s: exclusive, and no majority of the nodes is heard: not owned here",
                       pn_js(row, "name"));
        if (json_is_object(pn_jo(row, "foreign_vrrp")))
            alarm_line(cli, out, "VIP %s: %s announces it by VRRP, id %lld; not obeyed", pn_js(row, "name"),
                       pn_js(pn_jo(row, "foreign_vrrp"), "from"), (long long)pn_ji(pn_jo(row, "foreign_vrrp"), "id"));
    }
    json_array_foreach(pn_jo(dp, "workers"), i, row)
    {
        if (!pn_jb(row, "alive"))
            alarm_line(cli, out, "worker %lld has been silent for %s", (long long)pn_ji(row, "index"),
                       pn_fmt_duration(pn_ji(row, "silent_ms"), buf));
    }
    json_array_foreach(pn_jo(r, "pools"), i, row)
    {
        bool any = false;

        json_array_foreach(pn_jo(row, "tiers"), t, tier) any |= pn_ji(tier, "eligible") > 0;
        if (!any)
            alarm_line(cli, out, "pool %s: no gateway takes new flows", pn_js(row, "name"));
    }
}

static double per_second(const json_t *now, const json_t *before, const char *key, double seconds)
{
    double delta = pn_jf(pn_jo(now, "totals"), key) - pn_jf(pn_jo(before, "totals"), key);
    return seconds > 0 && delta > 0 ? delta / seconds : 0;
}

static void traffic(const json_t *now, const json_t *before, FILE *out)
{
    const json_t *total = pn_jo(now, "totals");
    char a[PN_FMT_BYTES], b[PN_FMT_BYTES], c[PN_FMT_BYTES], d[PN_FMT_BYTES];
    double s;

    if (!before) {
        fprintf(out, "traffic: %lld packets received (%s), %lld sent on, %lld dropped; %lld new flows\n",
                (long long)pn_ji(total, "rx_packets"), pn_fmt_bytes(pn_jf(total, "rx_bytes"), a),
                (long long)pn_ji(total, "sent_packets"), (long long)pn_ji(total, "dropped_packets"),
                (long long)pn_ji(total, "flows_new"));
        return;
    }
    s = (double)(pn_ji(now, "at_ms") - pn_ji(before, "at_ms")) / 1e3;
    fprintf(out, "traffic: %s packets/s, %s/s, %s new flows/s, %s drops/s\n",
            pn_fmt_rate(per_second(now, before, "rx_packets", s), a),
            pn_fmt_bytes(per_second(now, before, "rx_bytes", s), b),
            pn_fmt_rate(per_second(now, before, "flows_new", s), c),
            pn_fmt_rate(per_second(now, before, "dropped_packets", s), d));
}

/* Part of their time that workers spent on packets; over the interval, or since their start. */
static double busy_percent(const json_t *now, const json_t *before)
{
    double busy = 0, total = 0;
    json_t *w;
    size_t i;

    json_array_foreach(pn_jo(pn_jo(now, "dataplane"), "workers"), i, w)
    {
        busy += pn_jf(w, "busy_cycles");
        total += pn_jf(w, "total_cycles");
    }
    json_array_foreach(pn_jo(pn_jo(before, "dataplane"), "workers"), i, w)
    {
        busy -= pn_jf(w, "busy_cycles");
        total -= pn_jf(w, "total_cycles");
    }
    return total > 0 && busy > 0 ? busy * 100 / total : 0;
}

static void cluster_line(const json_t *r, FILE *out)
{
    const json_t *c = pn_jo(r, "cluster");

    if (strcmp(pn_js(c, "state"), "active") == 0)
        fprintf(out, "cluster %s: %lld of %lld members connected\n", pn_js(c, "cluster"),
                (long long)pn_ji(c, "connected"), (long long)pn_ji(c, "members"));
}

void pn_status_print(const struct pn_cli *cli, const json_t *now, const json_t *before, FILE *out)
{
    const json_t *node = pn_jo(now, "node"), *config = pn_jo(now, "config"), *dp = pn_jo(now, "dataplane");
    const json_t *totals = pn_jo(now, "totals");
    char a[PN_FMT_BYTES];

    fprintf(out, "node %s%s%s: posternd %s up %s", pn_color_on(cli, PN_BOLD), pn_js(node, "name"),
            pn_color_off(cli, PN_BOLD), pn_js(node, "version"), pn_fmt_duration(pn_ji(node, "uptime_ms"), a));
    fprintf(out, ", configuration %s, %s %s ago\n", pn_js(config, "file"),
            pn_jb(config, "last_ok") ? "read" : "last tried", pn_fmt_duration(pn_ji(config, "last_ago_ms"), a));
    if (pn_jb(dp, "connected")) {
        fprintf(out, "dataplane: postern-dp %s up %s", pn_js(dp, "version"),
                pn_fmt_duration(pn_ji(dp, "uptime_ms"), a));
        fprintf(out, ", %zu worker%s %.0f %% busy, %lld of %lld flows, snapshot %lld%s\n",
                json_array_size(pn_jo(dp, "workers")), json_array_size(pn_jo(dp, "workers")) == 1 ? "" : "s",
                busy_percent(now, before), (long long)pn_ji(totals, "flows"), (long long)pn_ji(totals, "flows_max"),
                (long long)pn_ji(pn_jo(dp, "snapshot"), "running"),
                pn_jb(pn_jo(dp, "snapshot"), "pending") ? " (newer one on its way)" : "");
        traffic(now, before, out);
    }
    cluster_line(now, out);
    pn_quarantine_line(pn_jo(now, "quarantine"), out);
    alarms(cli, now, out);
    fputc('\n', out);
    if (json_array_size(pn_jo(now, "nodes")) > 1) {
        pn_node_table(cli, pn_jo(now, "nodes"), out);
        fputc('\n', out);
    }
    pn_vip_table(cli, pn_jo(now, "vips"), out);
    fputc('\n', out);
    pn_service_table(cli, pn_jo(now, "services"), out);
    fputc('\n', out);
    pn_pool_table(cli, pn_jo(now, "pools"), out);
    fputc('\n', out);
    pn_gateway_table(cli, pn_jo(now, "gateways"), out);
}

int pn_cli_status(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "status", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    pn_status_print(cli, r, NULL, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void clock_line(FILE *out)
{
    time_t now = time(NULL);
    struct tm tm;
    char at[32];

    localtime_r(&now, &tm);
    strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(out, "%s\n", at);
}

int pn_cli_watch(struct pn_cli *cli, int argc, char *argv[])
{
    const char *seconds_text = NULL, *count_text = NULL;
    const struct pn_cli_option options[] = {
        {"interval", 'n', &seconds_text, NULL}, {"count", 'c', &count_text, NULL}, {NULL, 0, NULL, NULL}};
    struct sigaction sa = {.sa_handler = on_signal};
    bool screen = isatty(STDOUT_FILENO) != 0;
    long seconds = 1, count = 0, done = 0;
    json_t *before = NULL;
    int status = PN_EXIT_OK;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 ||
        (seconds_text && pn_cli_number(cli, "interval", seconds_text, 1, 3600, &seconds) < 0) ||
        (count_text && pn_cli_number(cli, "count", count_text, 1, 1000000, &count) < 0))
        return PN_EXIT_USAGE;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    while (!stop) {
        json_t *now;

        /* A daemon that restarts is worth watching too: say so and go on, once it was there. */
        status = pn_cli_ask(cli, "status", NULL, &now, done > 0);
        if (status != PN_EXIT_OK && done == 0)
            return status;
        if (screen && !cli->json)
            fputs("\033[H\033[J", stdout);
        if (status != PN_EXIT_OK && cli->json) {
            puts("{\"code\":\"unreachable\",\"error\":\"posternd cannot be reached\"}");
        } else if (status != PN_EXIT_OK) {
            printf("%s! posternd cannot be reached%s\n", pn_color_on(cli, PN_RED), pn_color_off(cli, PN_RED));
        } else if (cli->json) {
            json_dumpf(now, stdout, JSON_COMPACT);
            putchar('\n');
        } else {
            clock_line(stdout);
            pn_status_print(cli, now, before, stdout);
            if (!screen)
                putchar('\n');
        }
        fflush(stdout);
        json_decref(before);
        before = now;
        if (++done == count)
            break;
        sleep((unsigned)seconds);
    }
    json_decref(before);
    return status;
}
