/* SPDX-License-Identifier: BSD-3-Clause */
/* One item: what it is, the message, its history, changes to it. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

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
    if (raw && headers) {
        json_decref(args);
        return pn_cli_usage(cli, "--raw or --headers, not both");
    }
    if (raw)
        return show_raw(cli, args);
    status = pn_cli_get(cli, "quarantine show", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
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
    status = pn_cli_get(cli, "quarantine audit", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
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

/* All are looked at before the first is done: with a slip among them nothing happens. */
static int ids_check(struct pn_cli *cli, const char *const words[], int n)
{
    json_t *args;

    for (int i = 0; i < n || (n == 0 && i == 0); i++) {
        if (pn_cli_item_args(cli, n ? words[i] : NULL, NULL, &args) < 0)
            return -1;
        json_decref(args);
    }
    return n < 0 ? -1 : 0;
}

static void items_print(json_t *items, json_t *errors, int n)
{
    if (n == 1 && json_array_size(items) == 0) {
        pn_cli_print_json(json_incref(json_array_get(errors, 0)));
        return;
    }
    json_t *all = json_pack("{s:O}", "items", items);
    if (json_array_size(errors))
        json_object_set(all, "errors", errors);
    pn_cli_print_json(all);
}

int pn_cli_items_do(struct pn_cli *cli, const char *const words[], int n, pn_cli_item_fn *fn, void *arg)
{
    int worst = PN_EXIT_OK;
    json_t *items, *errors;

    if (ids_check(cli, words, n) < 0)
        return PN_EXIT_USAGE;
    items = json_array();
    cli->errors = errors = json_array();
    for (int i = 0; i < n; i++) {
        size_t e = json_array_size(errors);
        json_t *result = NULL;
        int status = fn(cli, words[i], arg, &result);

        if (status != PN_EXIT_OK)
            worst = status;
        if (result)
            json_array_append_new(items, result);
        for (; e < json_array_size(errors); e++)
            json_object_set_new(json_array_get(errors, e), "id", json_integer(strtoll(words[i], NULL, 10)));
    }
    cli->errors = NULL;
    if (cli->json)
        items_print(items, errors, n);
    json_decref(items);
    json_decref(errors);
    return worst;
}

static int mark_one(struct pn_cli *cli, const char *word, void *at, json_t **result)
{
    char command[64];
    json_t *args, *r, *item;

    snprintf(command, sizeof(command), "quarantine %s", cli->command->verb);
    pn_cli_item_args(cli, word, at, &args);
    int status = pn_cli_call(cli, command, args, &r);
    if (status != PN_EXIT_OK)
        return status;
    item = pn_jo(r, "item");
    if (!cli->json)
        printf("item %s: %s%s%s\n", word, pn_js(item, "state"), pn_jb(item, "seen") ? ", seen" : "",
               pn_jb(item, "hold") ? ", on hold" : "");
    *result = json_incref(item);
    json_decref(r);
    return PN_EXIT_OK;
}

/* delete, seen, unseen, hold, unhold: the verb is the command's. Several IDs are done one by one. */
int pn_cli_quarantine_mark(struct pn_cli *cli, int argc, char *argv[])
{
    const char *words[256], *at = NULL;
    const struct pn_cli_option options[] = {{"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, words, 256);

    return pn_cli_items_do(cli, words, n, mark_one, (void *)(uintptr_t)at);
}
