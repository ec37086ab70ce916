/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's lists, and what its commands share. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

/* ---- shared ---- */

void pn_cli_put(json_t *args, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(args, key, json_string(value));
}

/* One ID, and --at. -1: usage. */
int pn_cli_item_args(struct pn_cli *cli, const char *word, const char *at, json_t **args)
{
    long id;

    if (!word)
        return pn_cli_usage(cli, "which item? (postern quarantine list)"), -1;
    if (pn_cli_number(cli, "ID", word, 1, LONG_MAX, &id) < 0)
        return -1;
    *args = json_pack("{s:I}", "id", (json_int_t)id);
    pn_cli_put(*args, "at", at);
    return 0;
}

const char *pn_cli_when(int64_t ms, char buf[32])
{
    time_t at = (time_t)(ms / 1000);
    struct tm tm;

    if (ms == 0) {
        strcpy(buf, "");
        return buf;
    }
    localtime_r(&at, &tm);
    strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
    return buf;
}

/* "2026-11-22", "2026-11-22 14:30", "90min", "3d" (ago). -1: none of these. */
int64_t pn_cli_time(const char *text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"min", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}, {"s", 1000}};
    struct tm tm = {.tm_isdst = -1};
    char *end;
    long n;

    end = strptime(text, "%Y-%m-%d", &tm);
    if (end) {
        if (*end == ' ' || *end == 'T') {
            const char *rest = end + 1;
            end = strptime(rest, "%H:%M:%S", &tm);
            if (!end)
                end = strptime(rest, "%H:%M", &tm);
        }
        return end && !*end ? (int64_t)mktime(&tm) * 1000 : -1;
    }
    n = strtol(text, &end, 10);
    for (unsigned i = 0; n >= 0 && end > text && i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0)
            return (int64_t)time(NULL) * 1000 - n * units[i].ms;
    return -1;
}

/* ---- lists ---- */

static const char *cut(const char *text, size_t max, char *buf)
{
    size_t n = 0;

    /* Not within a character of UTF-8. */
    while (text[n] && n < max)
        n++;
    while (text[n] && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(buf, text, n);
    strcpy(buf + n, text[n] ? ".." : "");
    return buf;
}

static const char *first_of(const json_t *list, char *buf, size_t size)
{
    size_t n = json_array_size(list);

    snprintf(buf, size, n > 1 ? "%s +%zu" : "%s", n ? json_string_value(json_array_get(list, 0)) : "", n - 1);
    return buf;
}

static void item_table(const struct pn_cli *cli, const json_t *items, bool host)
{
    struct pn_table *t = host ? pn_table_new(cli, ">ID", "RECEIVED", "NODE", "STATE", "SENDER", "RECIPIENT", "SUBJECT",
                                             "REASON", ">SIZE", NULL)
                              : pn_table_new(cli, ">NUMBER", "RECEIVED", "KIND", "EVENT", "SENDER", "RECIPIENT",
                                             "SUBJECT", "REASON", ">SIZE", NULL);
    char a[64], b[128], c[PN_FMT_BYTES];
    json_t *i;
    size_t n;

    json_array_foreach((json_t *)(uintptr_t)items, n, i)
    {
        bool record = strcmp(pn_js(i, "kind"), "record") == 0;

        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(i, host ? "id" : "sequence"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_cli_when(pn_ji(i, "received_ms"), a));
        if (host) {
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(i, "node"));
            pn_table_cell(t, PN_PLAIN, "%s%s%s", record ? pn_js(i, "event") : pn_js(i, "state"),
                          pn_jb(i, "hold") ? ",hold" : "", pn_jb(i, "seen") ? ",seen" : "");
        } else {
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(i, "kind"));
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(i, "event"));
        }
        pn_table_cell(t, PN_PLAIN, "%s", *pn_js(i, "sender") ? cut(pn_js(i, "sender"), 36, a) : "<>");
        first_of(pn_jo(i, "recipients"), b, sizeof(b));
        pn_table_cell(t, PN_PLAIN, "%s", cut(b, 36, a));
        pn_table_cell(t, PN_PLAIN, "%s", cut(pn_js(i, "subject"), 40, a));
        pn_table_cell(t, PN_PLAIN, "%s", cut(pn_js(i, "reason"), 30, a));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(i, "size_bytes"), c));
    }
    pn_table_print(t, stdout);
}

static int waiting(struct pn_cli *cli, long limit)
{
    json_t *r;
    int status = pn_cli_get(cli, "quarantine waiting", json_pack("{s:I}", "limit", (json_int_t)limit), &r);

    if (status != PN_EXIT_OK || !r)
        return status;
    if (json_array_size(pn_jo(r, "items")))
        item_table(cli, pn_jo(r, "items"), false);
    else
        puts("Nothing waits on this node.");
    if (pn_jb(r, "more"))
        puts("(there is more: --limit)");
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_quarantine_list(struct pn_cli *cli, int argc, char *argv[])
{
    const char *limit_text = NULL, *before = NULL, *since = NULL, *until = NULL, *word = NULL;
    const char *text[10] = {NULL};
    static const char *const keys[] = {"sender", "recipient", "subject", "node", "rule",
                                       "reason", "event",     "state",   "kind", "at"};
    bool local = false, unseen = false;
    const struct pn_cli_option options[] = {{"sender", 'f', &text[0], NULL},
                                            {"recipient", 'r', &text[1], NULL},
                                            {"subject", 0, &text[2], NULL},
                                            {"node", 'n', &text[3], NULL},
                                            {"rule", 0, &text[4], NULL},
                                            {"reason", 0, &text[5], NULL},
                                            {"event", 0, &text[6], NULL},
                                            {"state", 0, &text[7], NULL},
                                            {"kind", 0, &text[8], NULL},
                                            {"at", 0, &text[9], NULL},
                                            {"since", 0, &since, NULL},
                                            {"until", 0, &until, NULL},
                                            {"limit", 'l', &limit_text, NULL},
                                            {"before", 0, &before, NULL},
                                            {"unseen", 'u', NULL, &unseen},
                                            {"waiting", 'w', NULL, &local},
                                            {NULL, 0, NULL, NULL}};
    long limit = 100, before_id = 0;
    int64_t from_ms = 0, to_ms = 0;
    json_t *args, *r;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &word, 1) < 0 ||
        (limit_text && pn_cli_number(cli, "limit", limit_text, 1, 1000, &limit) < 0) ||
        (before && pn_cli_number(cli, "before", before, 1, LONG_MAX, &before_id) < 0))
        return PN_EXIT_USAGE;
    if ((since && (from_ms = pn_cli_time(since)) < 0) || (until && (to_ms = pn_cli_time(until)) < 0))
        return pn_cli_usage(cli, "\"%s\" is no time (2026-11-22, \"2026-11-22 14:30\", 3h, 7d)",
                            from_ms < 0 ? since : until);
    if (local)
        return waiting(cli, limit);
    args = json_pack("{s:I}", "limit", (json_int_t)limit);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        pn_cli_put(args, keys[i], text[i]);
    pn_cli_put(args, "text", word);
    if (from_ms)
        json_object_set_new(args, "from_ms", json_integer(from_ms));
    if (to_ms)
        json_object_set_new(args, "to_ms", json_integer(to_ms));
    if (before_id)
        json_object_set_new(args, "before", json_integer(before_id));
    if (unseen)
        json_object_set_new(args, "unseen", json_true());
    status = pn_cli_get(cli, "quarantine list", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (json_array_size(pn_jo(r, "items")))
        item_table(cli, pn_jo(r, "items"), true);
    else
        puts("Nothing found.");
    if (pn_jb(r, "more"))
        printf("(there is more: --before %lld)\n", (long long)pn_ji(r, "next_before"));
    json_decref(r);
    return PN_EXIT_OK;
}
