/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine: handing in, lists, changes to an item. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

#define PIECE_BYTES 42000u /* base64 of it stays below what a request may have */

/* ---- handing in ---- */

static size_t read_piece(uint8_t *buf, size_t size, bool *failed)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(STDIN_FILENO, buf + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *failed = true;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static int send_piece(struct pn_cli *cli, long long number, const uint8_t *bytes, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    json_t *r;
    int status;

    if (!text)
        abort(); /* a one-shot program without memory */
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
    status = pn_cli_call(cli, "quarantine add data",
                         json_pack("{s:I, s:s}", "number", (json_int_t)number, "base64", text), &r);
    free(text);
    if (status == PN_EXIT_OK)
        json_decref(r);
    return status;
}

void pn_cli_put(json_t *args, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(args, key, json_string(value));
}

int pn_cli_quarantine_add(struct pn_cli *cli, int argc, char *argv[])
{
    const char *sender = NULL, *reason = NULL, *rule = NULL, *gateway = NULL, *event = NULL, *direction = NULL,
               *words[64];
    const struct pn_cli_option options[] = {{"sender", 'f', &sender, NULL},     {"reason", 0, &reason, NULL},
                                            {"recipient", 'r', NULL, NULL},     {"rule", 0, &rule, NULL},
                                            {"gateway", 0, &gateway, NULL},     {"event", 0, &event, NULL},
                                            {"direction", 0, &direction, NULL}, {NULL, 0, NULL, NULL}};
    uint8_t *buf = malloc(PIECE_BYTES);
    bool failed = false;
    struct stat st;
    long long number;
    json_t *args, *r;
    char to[32768] = "";
    int status, n;
    size_t len;

    if (!buf)
        abort();
    n = pn_cli_args(cli, argc, argv, options, words, 64);
    if (n < 0)
        goto usage;
    for (int i = 0; i < n; i++) {
        if (strlen(to) + strlen(words[i]) + 2 >= sizeof(to)) {
            pn_cli_usage(cli, "the recipients are too long"); /* none is left out */
            goto usage;
        }
        sprintf(to + strlen(to), "%s%s", *to ? "\n" : "", words[i]);
    }
    if (!*to) {
        pn_cli_usage(cli, "to whom was it? (--recipient ADDRESS)");
        goto usage;
    }
    if (isatty(STDIN_FILENO))
        fputs("postern: reading the message from the terminal, Ctrl-D ends it\n", stderr);
    args = json_object();
    pn_cli_put(args, "sender", sender);
    pn_cli_put(args, "recipients", to);
    pn_cli_put(args, "reason", reason);
    pn_cli_put(args, "rule", rule);
    pn_cli_put(args, "gateway", gateway);
    pn_cli_put(args, "event", event);
    pn_cli_put(args, "direction", direction);
    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        json_object_set_new(args, "size_bytes", json_integer((json_int_t)st.st_size));
    status = pn_cli_call(cli, "quarantine add begin", args, &r);
    if (status == PN_EXIT_OK) {
        number = (long long)pn_ji(r, "number");
        json_decref(r);
        while (status == PN_EXIT_OK && (len = read_piece(buf, PIECE_BYTES, &failed)) > 0 && !failed)
            status = send_piece(cli, number, buf, len);
        if (failed) {
            fprintf(stderr, "postern: standard input: %s\n", strerror(errno));
            status = PN_EXIT_FAILED;
        }
    }
    if (status == PN_EXIT_OK)
        status = pn_cli_call(cli, "quarantine add end", json_pack("{s:I}", "number", (json_int_t)number), &r);
    free(buf);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    printf("in quarantine as number %lld of this node, SHA-256 %s\n", (long long)pn_ji(r, "sequence"),
           pn_js(r, "sha256"));
    json_decref(r);
    return PN_EXIT_OK;
usage:
    free(buf);
    return PN_EXIT_USAGE;
}

/* ---- lists ---- */

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

static int waiting(struct pn_cli *cli, long limit)
{
    json_t *r;
    int status = pn_cli_call(cli, "quarantine waiting", json_pack("{s:I}", "limit", (json_int_t)limit), &r);

    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
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
                                            {"subject", 's', &text[2], NULL},
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
    status = pn_cli_call(cli, "quarantine list", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    if (json_array_size(pn_jo(r, "items")))
        item_table(cli, pn_jo(r, "items"), true);
    else
        puts("Nothing found.");
    if (pn_jb(r, "more"))
        printf("(there is more: --before %lld)\n", (long long)pn_ji(r, "next_before"));
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- one item ---- */

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

static void field(const char *name, const char *value)
{
    if (*value)
        printf("  %-11s %s\n", name, value);
}

static void show_item(const json_t *i)
{
    char a[64], buf[4096];

    printf("item %lld  %s%s%s%s\n", (long long)pn_ji(i, "id"), pn_js(i, "state"), pn_jb(i, "seen") ? ", seen" : "",
           pn_jb(i, "hold") ? ", on hold" : "",
           pn_jb(i, "purged")         ? ", its time was over"
           : pn_jb(i, "release_open") ? ", a release began and its end is not known"
                                      : "");
    field("from node", pn_js(i, "item"));
    field("received", pn_cli_when(pn_ji(i, "received_ms"), a));
    field("taken", pn_cli_when(pn_ji(i, "taken_ms"), a));
    field("event", pn_js(i, "event"));
    field("sender", *pn_js(i, "sender") ? pn_js(i, "sender") : "<>");
    field("recipients", pn_fmt_list(pn_jo(i, "recipients"), buf, sizeof(buf)));
    field("reason", pn_js(i, "reason"));
    field("rule", pn_js(i, "rule"));
    field("gateway", pn_js(i, "gateway"));
    field("about", pn_js(i, "about"));
    printf("  %-11s %lld bytes, %lld on disk\n", "size", (long long)pn_ji(i, "size_bytes"),
           (long long)pn_ji(i, "file_bytes"));
    field("SHA-256", pn_js(i, "sha256"));
}

/* The message as it is, piece by piece, to standard output. */
static int show_raw(struct pn_cli *cli, json_t *args)
{
    int64_t offset = 0;
    bool end = false;
    int status = PN_EXIT_OK;

    while (!end && status == PN_EXIT_OK) {
        json_t *r;
        json_object_set_new(args, "offset", json_integer(offset));
        status = pn_cli_call(cli, "quarantine raw", json_incref(args), &r);
        if (status != PN_EXIT_OK)
            break;
        const char *text = pn_js(r, "base64");
        size_t len = strlen(text), pad = len >= 2 ? (size_t)(text[len - 1] == '=') + (text[len - 2] == '=') : 0;
        uint8_t *bytes = malloc(len / 4 * 3 + 3);
        int n = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) : -1;
        end = pn_jb(r, "end") || n <= (int)pad;
        if (n < 0) {
            fputs("postern: the answer is not what it should be\n", stderr);
            status = PN_EXIT_FAILED;
        } else if (fwrite(bytes, 1, (size_t)n - pad, stdout) != (size_t)n - pad) {
            status = PN_EXIT_FAILED;
        } else {
            offset += n - (int)pad;
        }
        free(bytes);
        json_decref(r);
    }
    json_decref(args);
    return status;
}

static void show_headers(const json_t *headers, bool all)
{
    static const char *const usual[] = {"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To"};
    json_t *h;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)headers, i, h)
    {
        bool shown = all;
        for (unsigned k = 0; k < sizeof(usual) / sizeof(usual[0]); k++)
            shown |= strcasecmp(pn_js(h, "name"), usual[k]) == 0;
        if (shown)
            printf("%s: %s\n", pn_js(h, "name"), pn_js(h, "value"));
    }
}

static void show_message(const struct pn_cli *cli, const json_t *r)
{
    char size[PN_FMT_BYTES];
    json_t *p;
    size_t i;

    if (*pn_js(r, "problem"))
        printf("\n%sthe message cannot be shown: %s%s\n", pn_color_on(cli, PN_RED), pn_js(r, "problem"),
               pn_color_off(cli, PN_RED));
    if (!pn_jo(r, "headers"))
        return;
    putchar('\n');
    show_headers(pn_jo(r, "headers"), false);
    printf("\n%s", pn_js(r, "text"));
    size_t len = strlen(pn_js(r, "text"));
    if (len && pn_js(r, "text")[len - 1] != '\n')
        putchar('\n');
    if (pn_jb(r, "from_html"))
        puts("(text of HTML; links and images are left out)");
    json_array_foreach(pn_jo(r, "parts"), i, p)
    {
        if (pn_jb(p, "attachment"))
            printf("attachment %s, %s, %s\n", *pn_js(p, "name") ? pn_js(p, "name") : "without a name", pn_js(p, "type"),
                   pn_fmt_bytes(pn_jf(p, "bytes"), size));
    }
    if (*pn_js(r, "cut"))
        printf("(not all: %s)\n", pn_js(r, "cut"));
}

int pn_cli_quarantine_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *word = NULL, *at = NULL;
    bool raw = false, headers = false;
    const struct pn_cli_option options[] = {
        {"raw", 0, NULL, &raw}, {"headers", 0, NULL, &headers}, {"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    json_t *args, *r;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &word, 1) < 0 || pn_cli_item_args(cli, word, at, &args) < 0)
        return PN_EXIT_USAGE;
    if (raw)
        return show_raw(cli, args);
    status = pn_cli_call(cli, "quarantine show", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    if (headers) {
        show_headers(pn_jo(r, "headers"), true);
    } else {
        show_item(pn_jo(r, "item"));
        show_message(cli, r);
    }
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_quarantine_audit(struct pn_cli *cli, int argc, char *argv[])
{
    const char *word = NULL, *at = NULL;
    const struct pn_cli_option options[] = {{"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    json_t *args, *r, *row;
    struct pn_table *t;
    char when[32];
    size_t i;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &word, 1) < 0 || pn_cli_item_args(cli, word, at, &args) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "quarantine audit", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    t = pn_table_new(cli, "WHEN", "WHAT", "WHO", "DETAIL", NULL);
    pn_table_cell(t, PN_PLAIN, "%s", pn_cli_when(pn_ji(pn_jo(r, "item"), "taken_ms"), when));
    pn_table_cell(t, PN_PLAIN, "taken");
    pn_table_cell(t, PN_PLAIN, "%s", pn_js(pn_jo(r, "item"), "node"));
    pn_table_cell(t, PN_PLAIN, "%s", pn_js(pn_jo(r, "item"), "item"));
    json_array_foreach(pn_jo(r, "audit"), i, row)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_cli_when(pn_ji(row, "at_ms"), when));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "what"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "who"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "detail"));
    }
    pn_table_print(t, stdout);
    json_decref(r);
    return PN_EXIT_OK;
}

/* delete, seen, unseen, hold, unhold: the verb is the command's. Several IDs are done one by one. */
int pn_cli_quarantine_mark(struct pn_cli *cli, int argc, char *argv[])
{
    const char *words[256], *at = NULL;
    const struct pn_cli_option options[] = {{"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, words, 256), worst = PN_EXIT_OK;
    char command[64];
    json_t *all = json_array();

    snprintf(command, sizeof(command), "quarantine %s", cli->command->verb);
    for (int i = 0; i < n || (n == 0 && i == 0); i++) {
        json_t *args, *r;
        if (pn_cli_item_args(cli, n ? words[i] : NULL, at, &args) < 0) {
            json_decref(all);
            return PN_EXIT_USAGE;
        }
        int status = pn_cli_call(cli, command, args, &r);
        if (status != PN_EXIT_OK) {
            worst = status;
            continue;
        }
        if (!cli->json)
            printf("item %s: %s%s%s\n", words[i], pn_js(pn_jo(r, "item"), "state"),
                   pn_jb(pn_jo(r, "item"), "seen") ? ", seen" : "", pn_jb(pn_jo(r, "item"), "hold") ? ", on hold" : "");
        json_array_append(all, pn_jo(r, "item"));
        json_decref(r);
    }
    if (n < 0)
        worst = PN_EXIT_USAGE;
    else if (cli->json && json_array_size(all))
        pn_cli_print_json(json_pack("{s:O}", "items", all));
    json_decref(all);
    return worst;
}
