/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of entries, on the screen and as files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/rule.h"
#include "controlplane/rules/export.h"

#define PAGE 5000
#define LIMIT_DEFAULT 1000

int pn_rule_pages(struct pn_cli *cli, json_t *args, long limit, int (*fn)(void *arg, const json_t *rule), void *arg,
                  bool *more)
{
    long left = limit;
    int status = PN_EXIT_OK, stop = 0;
    char *after = NULL;

    do {
        json_t *ask = json_copy(args), *r, *rule;
        size_t i;

        json_object_set_new(ask, "max", json_integer(limit && left < PAGE ? left : PAGE));
        if (after)
            json_object_set_new(ask, "after", json_string(after));
        status = pn_cli_call(cli, "rule list", ask, &r);
        if (status != PN_EXIT_OK)
            break;
        json_array_foreach(pn_jo(r, "rules"), i, rule) if (!stop) stop = fn(arg, rule);
        left -= (long)json_array_size(pn_jo(r, "rules"));
        *more = pn_jb(r, "more");
        free(after);
        after = strdup(pn_js(r, "after"));
        json_decref(r);
    } while (!stop && *more && (limit == 0 || left > 0));
    free(after);
    json_decref(args);
    return status;
}

/* ---- On the screen ---- */

struct screen {
    struct pn_cli *cli;
    struct pn_table *table;
    json_t *all;
    bool owners, deleted;
};

static int on_row(void *arg, const json_t *r)
{
    struct screen *s = arg;
    char at[PN_FMT_BYTES], count[PN_FMT_BYTES];

    if (s->all) {
        json_array_append(s->all, (json_t *)(uintptr_t)r);
        return 0;
    }
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "list"));
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "value"));
    if (s->owners)
        pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "owner"));
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "field"));
    if (s->deleted)
        pn_table_cell(s->table, pn_jb(r, "present") ? PN_PLAIN : PN_YELLOW, "%s",
                      pn_jb(r, "present") ? "there" : "deleted");
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_fmt_count(pn_ji(r, "hits"), count));
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_fmt_time(pn_ji(r, "at_ms"), at));
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "node"));
    pn_table_cell(s->table, PN_PLAIN, "%s", pn_js(r, "note"));
    return 0;
}

static struct pn_table *table_new(const struct screen *s)
{
    const char *owner = s->owners ? "OWNER" : "FIELD", *field = s->owners ? "FIELD" : NULL;

    if (s->owners && s->deleted)
        return pn_table_new(s->cli, "LIST", "VALUE", owner, field, "STATE", ">HITS", "CHANGED", "ON", "NOTE", NULL);
    if (s->owners)
        return pn_table_new(s->cli, "LIST", "VALUE", owner, field, ">HITS", "CHANGED", "ON", "NOTE", NULL);
    if (s->deleted)
        return pn_table_new(s->cli, "LIST", "VALUE", owner, "STATE", ">HITS", "CHANGED", "ON", "NOTE", NULL);
    return pn_table_new(s->cli, "LIST", "VALUE", owner, ">HITS", "CHANGED", "ON", "NOTE", NULL);
}

static int list_run(struct pn_cli *cli, const char *list, const char *owner, const char *search, bool deleted,
                    const char *limit_text)
{
    const struct pn_kind *kind = list ? pn_kind_by_name(list) : NULL;
    struct screen s = {.cli = cli, .deleted = deleted, .owners = !kind || kind->personal};
    long limit = LIMIT_DEFAULT;
    char names[300];
    json_t *args;
    bool more = false;
    int status;

    if (list && !kind)
        return pn_cli_usage(cli, "there is no list \"%s\"; there are %s", list,
                            pn_rule_lists(names, sizeof(names), false));
    if (limit_text && pn_cli_number(cli, "limit", limit_text, 1, 100000000, &limit) < 0)
        return PN_EXIT_USAGE;
    args = json_pack("{s:s*, s:s*, s:s*}", "list", list, "owner", owner, "search", search);
    if (!args) {
        fputs("postern: what is searched for is not UTF-8\n", stderr);
        return PN_EXIT_USAGE;
    }
    if (deleted)
        json_object_set_new(args, "deleted", json_true());
    if (cli->json)
        s.all = json_array();
    else
        s.table = table_new(&s);
    status = pn_rule_pages(cli, args, limit, on_row, &s, &more);
    if (status != PN_EXIT_OK) {
        json_decref(s.all);
        if (s.table)
            pn_table_free(s.table);
        return status;
    }
    if (cli->json)
        return pn_cli_print_json(json_pack("{s:o, s:b}", "rules", s.all, "more", more));
    pn_table_print(s.table, stdout);
    if (more)
        fprintf(stderr, "(the first %ld; there are more: --limit N, or postern rule export)\n", limit);
    return PN_EXIT_OK;
}

int pn_cli_rule_list(struct pn_cli *cli, int argc, char *argv[])
{
    const char *list = NULL, *owner = NULL, *search = NULL, *limit = NULL;
    bool deleted = false;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL},
                                            {"search", 0, &search, NULL},
                                            {"deleted", 'd', NULL, &deleted},
                                            {"limit", 'n', &limit, NULL},
                                            {NULL, 0, NULL, NULL}};

    if (pn_cli_args(cli, argc, argv, options, &list, 1) < 0)
        return PN_EXIT_USAGE;
    return list_run(cli, list, owner, search, deleted, limit);
}

int pn_cli_rule_search(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL}, *owner = NULL, *limit = NULL;
    bool deleted = false;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL},
                                            {"deleted", 'd', NULL, &deleted},
                                            {"limit", 'n', &limit, NULL},
                                            {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 2);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "search for what?");
    return list_run(cli, pos[1], owner, pos[0], deleted, limit);
}

/* ---- As a file ---- */

struct export_to {
    const char *output; /* NULL: standard output */
    enum pn_import_format format;
    bool begun, failed;
    struct pn_export e;
};

/* Not before posternd has answered: what the file had is no worse than nothing. */
static int export_begin(struct export_to *to)
{
    FILE *file = to->output ? fopen(to->output, "w") : stdout;

    if (!file) {
        fprintf(stderr, "postern: %s: %s\n", to->output, strerror(errno));
        to->failed = true;
        return -1;
    }
    pn_export_begin(&to->e, to->format, file);
    to->begun = true;
    return 0;
}

static int on_export(void *arg, const json_t *r)
{
    static struct pn_rule rule;
    struct export_to *to = arg;
    const struct pn_kind *kind = pn_kind_by_name(pn_js(r, "list"));
    int field = *pn_js(r, "field") ? pn_field_by_name(pn_js(r, "field")) : 0;

    if (!to->begun && export_begin(to) < 0)
        return 1;
    if (!kind)
        return 0;
    pn_rule_clear(&rule);
    rule.key.kind = kind->number;
    rule.key.field = (uint8_t)(field < 0 ? 0 : field);
    snprintf(rule.key.value, sizeof(rule.key.value), "%s", pn_js(r, "value"));
    snprintf(rule.key.owner, sizeof(rule.key.owner), "%s", pn_js(r, "owner"));
    snprintf(rule.description, sizeof(rule.description), "%s", pn_js(r, "note"));
    if (*pn_js(r, "text") && pn_rule_body_set(&rule, pn_js(r, "text"), strlen(pn_js(r, "text"))) < 0) {
        fprintf(stderr, "postern: %s\n", strerror(ENOMEM));
        to->failed = true;
        return 1;
    }
    if (pn_ji(r, "hits"))
        pn_rule_hit_add(&rule, "all", (uint64_t)pn_ji(r, "hits"), 0);
    return pn_export_row(&to->e, &rule);
}

int pn_cli_rule_export(struct pn_cli *cli, int argc, char *argv[])
{
    const char *list = NULL, *owner = NULL, *format_text = NULL, *output = NULL;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL},
                                            {"format", 'F', &format_text, NULL},
                                            {"output", 'O', &output, NULL},
                                            {NULL, 0, NULL, NULL}};
    int format = PN_IMPORT_CSV, status;
    struct export_to to = {0};
    char count[PN_FMT_BYTES], names[300];
    bool more = false;
    json_t *args;

    if (pn_cli_args(cli, argc, argv, options, &list, 1) < 0)
        return PN_EXIT_USAGE;
    if (format_text)
        format = pn_import_format_by_name(format_text);
    else if (output && pn_import_format_by_path(output) >= 0)
        format = pn_import_format_by_path(output);
    if (format < 0)
        return pn_cli_usage(cli, "\"%s\" is no format: csv, json, xml", format_text);
    if (list && !pn_kind_by_name(list))
        return pn_cli_usage(cli, "there is no list \"%s\"; there are %s", list,
                            pn_rule_lists(names, sizeof(names), false));
    to.output = output;
    to.format = (enum pn_import_format)format;
    args = json_pack("{s:s*, s:s*, s:b}", "list", list, "owner", owner, "text", 1);
    status = pn_rule_pages(cli, args, 0, on_export, &to, &more);
    if (status != PN_EXIT_OK && !to.begun)
        return status;
    if (to.failed || (!to.begun && export_begin(&to) < 0))
        return PN_EXIT_FAILED;
    if (pn_export_end(&to.e) < 0 && status == PN_EXIT_OK) {
        fprintf(stderr, "postern: %s: %s\n", output ? output : "standard output", strerror(errno));
        status = PN_EXIT_FAILED;
    }
    if (output && fclose(to.e.file) != 0 && status == PN_EXIT_OK) {
        fprintf(stderr, "postern: %s: %s\n", output, strerror(errno));
        status = PN_EXIT_FAILED;
    }
    if (output)
        fprintf(stderr, status == PN_EXIT_OK ? "%s written to %s\n" : "postern: only %s entries were written to %s\n",
                pn_fmt_count((int64_t)to.e.rows, count), output);
    return status;
}
