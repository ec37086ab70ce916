/* SPDX-License-Identifier: BSD-3-Clause */
/* What was received, rejected, quarantined and so on; and handing in a record. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

#define HOUR_MS 3600000ll

static const char *const events[] = {"received", "rejected", "quarantined", "released", "virus", "spam", "evicted"};
#define EVENTS (sizeof(events) / sizeof(events[0]))

static void cells(struct pn_table *t, const json_t *line)
{
    for (unsigned e = 0; e < EVENTS; e++)
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(pn_jo(line, events[e]), "count"));
}

static bool empty(const json_t *line)
{
    for (unsigned e = 0; e < EVENTS; e++)
        if (pn_ji(pn_jo(line, events[e]), "count"))
            return false;
    return true;
}

static struct pn_table *event_table(const struct pn_cli *cli, const char *first)
{
    return pn_table_new(cli, first, ">RECEIVED", ">REJECTED", ">QUARANTINED", ">RELEASED", ">VIRUS", ">SPAM",
                        ">GIVEN UP", NULL);
}

static void top(const struct pn_cli *cli, const json_t *list, const char *title)
{
    struct pn_table *t;
    char bytes[PN_FMT_BYTES];
    json_t *n;
    size_t i;

    t = pn_table_new(cli, title, ">COUNT", ">BYTES", NULL);
    json_array_foreach((json_t *)(uintptr_t)list, i, n)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "name"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(n, "count"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(n, "bytes"), bytes));
    }
    pn_table_print(t, stdout);
}

static const char *const sections[] = {"time", "nodes", "senders", "recipients", "rules"};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static void show_time(const struct pn_cli *cli, const json_t *r)
{
    struct pn_table *t = event_table(cli, "TIME");
    json_t *row;
    size_t i;

    json_array_foreach(pn_jo(r, "time"), i, row)
    {
        if (empty(pn_jo(row, "events")))
            continue;
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "time"));
        cells(t, pn_jo(row, "events"));
    }
    pn_table_cell(t, PN_BOLD, "all");
    cells(t, pn_jo(r, "total"));
    pn_table_print(t, stdout);
}

static void show_nodes(const struct pn_cli *cli, const json_t *r)
{
    struct pn_table *t = event_table(cli, "NODE");
    json_t *row;
    size_t i;

    json_array_foreach(pn_jo(r, "nodes"), i, row)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "node"));
        cells(t, pn_jo(row, "events"));
    }
    pn_table_print(t, stdout);
}

/* section NULL: all that have something. */
static void show(const struct pn_cli *cli, const json_t *r, const char *section)
{
    static const char *const titles[SECTIONS] = {NULL, NULL, "TOP SENDERS", "TOP RECIPIENTS", "TOP RULES"};

    for (unsigned s = 0; s < SECTIONS; s++) {
        const json_t *rows = pn_jo(r, sections[s]);

        if (section ? strcmp(section, sections[s]) != 0 : s > 0 && json_array_size(rows) == 0)
            continue;
        if (!section && s > 0)
            putchar('\n');
        if (titles[s])
            top(cli, rows, titles[s]);
        else if (s == 0)
            show_time(cli, r);
        else
            show_nodes(cli, r);
    }
}

/* What is printed how. -1: usage was shown. */
static int form(const struct pn_cli *cli, const char *format, const char *section)
{
    unsigned s = 0;

    if (format && strcmp(format, "table") != 0 && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0 &&
        strcmp(format, "svg") != 0)
        return pn_cli_usage(cli, "--format \"%s\": table, json, csv or svg", format), -1;
    while (section && s < SECTIONS && strcmp(section, sections[s]) != 0)
        s++;
    if (s == SECTIONS)
        return pn_cli_usage(cli, "--section \"%s\": time, nodes, senders, recipients or rules", section), -1;
    bool csv = format && strcmp(format, "csv") == 0, table = !cli->json && (!format || strcmp(format, "table") == 0);
    if (section && !table && !csv)
        return pn_cli_usage(cli, "--section is for --format table and csv"), -1;
    return 0;
}

/* The span: whole hours or days of local time. -1: usage was shown. */
static int span(struct pn_cli *cli, const char *since, const char *until, const char *by, json_t *args)
{
    time_t now = time(NULL);
    struct tm tm;
    int64_t from, to = until ? pn_cli_time(until) : (int64_t)now * 1000;

    localtime_r(&now, &tm);
    if (by && strcmp(by, "day") != 0 && strcmp(by, "hour") != 0)
        return pn_cli_usage(cli, "--by \"%s\": day or hour", by), -1;
    bool day = !by || strcmp(by, "day") == 0;
    from = since ? pn_cli_time(since) : to - (day ? 14 * 24 : 24) * HOUR_MS;
    if (from < 0 || to < 0)
        return pn_cli_usage(cli, "\"%s\" is no time (2026-11-22, \"2026-11-22 14:30\", 3h, 7d)",
                            from < 0 ? since : until),
               -1;
    json_object_set_new(args, "from_ms", json_integer(from));
    json_object_set_new(args, "to_ms", json_integer(to));
    json_object_set_new(args, "step_ms", json_integer(day ? 24 * HOUR_MS : HOUR_MS));
    json_object_set_new(args, "offset_ms", json_integer((int64_t)tm.tm_gmtoff * 1000));
    return 0;
}

int pn_cli_report(struct pn_cli *cli, int argc, char *argv[])
{
    const char *by = NULL, *node = NULL, *format = NULL, *section = NULL, *since = NULL, *until = NULL,
               *top_text = NULL, *at = NULL;
    const struct pn_cli_option options[] = {
        {"by", 0, &by, NULL},           {"node", 'n', &node, NULL}, {"format", 0, &format, NULL},
        {"section", 0, &section, NULL}, {"since", 0, &since, NULL}, {"until", 0, &until, NULL},
        {"top", 0, &top_text, NULL},    {"at", 0, &at, NULL},       {NULL, 0, NULL, NULL}};
    json_t *args = json_object(), *r;
    long n = 10;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 || form(cli, format, section) < 0 ||
        span(cli, since, until, by, args) < 0 || (top_text && pn_cli_number(cli, "top", top_text, 1, 100, &n) < 0)) {
        json_decref(args);
        return PN_EXIT_USAGE;
    }
    if (format && strcmp(format, "table") == 0)
        format = NULL;
    else if (format && strcmp(format, "json") == 0)
        cli->json = true;
    pn_cli_put(args, "node", node);
    pn_cli_put(args, "at", at);
    pn_cli_put(args, "format", format);
    pn_cli_put(args, "section", section);
    json_object_set_new(args, "top", json_integer(n));
    status = pn_cli_call(cli, "quarantine report", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    if (pn_jo(r, "text") && !cli->json)
        fputs(pn_js(r, "text"), stdout);
    else if (cli->json)
        return pn_cli_print_json(r);
    else
        show(cli, r, section);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_report_add(struct pn_cli *cli, int argc, char *argv[])
{
    const char *text[8] = {NULL}, *size = NULL, *event = NULL, *words[65];
    static const char *const keys[] = {"sender",  "direction", "reason", "rule",
                                       "gateway", "subject",   "about",  "recipients"};
    struct pn_cli_option options[] = {{"recipient", 'r', &text[7], NULL}, {"sender", 'f', &text[0], NULL},
                                      {"reason", 0, &text[2], NULL},      {"rule", 0, &text[3], NULL},
                                      {"gateway", 0, &text[4], NULL},     {"subject", 0, &text[5], NULL},
                                      {"about", 0, &text[6], NULL},       {"direction", 0, &text[1], NULL},
                                      {"bytes", 0, &size, NULL},          {NULL, 0, NULL, NULL}};
    char to[PN_CLI_RECIPIENTS_BYTES];
    long bytes = 0;
    json_t *args, *r;
    int status, n, n_to = 0;

    if (pn_cli_args(cli, argc, argv, options, &event, 1) < 0 ||
        (size && pn_cli_number(cli, "bytes", size, 0, 1000000000000l, &bytes) < 0))
        return PN_EXIT_USAGE;
    if (!event)
        return pn_cli_usage(cli, "which event? (received, rejected, quarantined, released, virus, spam)");
    options[0].value = NULL; /* once more, for all recipients: they come among the words, with the event */
    n = pn_cli_args(cli, argc, argv, options, words, 65);
    for (int i = 0; i < n; i++)
        if (words[i] != event)
            words[n_to++] = words[i];
    if (n < 0 || pn_cli_recipients(cli, words, n_to, to) < 0)
        return PN_EXIT_USAGE;
    text[7] = to;
    args = json_pack("{s:s, s:I}", "event", event, "size_bytes", (json_int_t)bytes);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        pn_cli_put(args, keys[i], text[i]);
    status = pn_cli_get(cli, "report add", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    printf("record %lld of this node\n", (long long)pn_ji(r, "sequence"));
    json_decref(r);
    return PN_EXIT_OK;
}
