/* SPDX-License-Identifier: BSD-3-Clause */
/* Versions of before, versions that wait, entries under review. */
#include <string.h>

#include "controlplane/cli/rule.h"

static const char *what(const json_t *r)
{
    return pn_jb(r, "present") ? "there" : "deleted";
}

int pn_cli_rule_log(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL}, *owner = NULL, *field = NULL, *limit_text = NULL;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL},
                                            {"field", 'f', &field, NULL},
                                            {"limit", 'n', &limit_text, NULL},
                                            {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 2), status;
    char at[PN_FMT_BYTES];
    struct pn_table *t;
    json_t *args, *r, *v;
    long limit = 100;
    size_t i;

    if (n < 0 || (limit_text && pn_cli_number(cli, "limit", limit_text, 1, 10000, &limit) < 0))
        return PN_EXIT_USAGE;
    if (n == 1)
        return pn_cli_usage(cli, "which entry or rule of %s?", pos[0]);
    args = pn_rule_args(pos[0], pos[1], owner, field);
    json_object_set_new(args, "max", json_integer(limit));
    status = pn_cli_get(cli, "rule log", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    t = n ? pn_table_new(cli, "VERSION", "MADE", "ON", "STATE", "WHY", ">TEXT", "NOTE", NULL)
          : pn_table_new(cli, "REPLACED", "LIST", "VALUE", "OWNER", "VERSION", "ON", "STATE", "WHY", NULL);
    json_array_foreach(pn_jo(r, "versions"), i, v)
    {
        if (!n) {
            pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_time(pn_ji(v, "replaced_ms"), at));
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "list"));
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "value"));
            pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "owner"));
        }
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "version"));
        if (n)
            pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_time(pn_ji(v, "at_ms"), at));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "node"));
        pn_table_cell(t, pn_jb(v, "present") ? PN_PLAIN : PN_YELLOW, "%s", what(v));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "why"));
        if (!n)
            continue;
        if (pn_ji(v, "text_bytes"))
            pn_table_cell(t, PN_PLAIN, "%lld B", (long long)pn_ji(v, "text_bytes"));
        else
            pn_table_cell(t, PN_PLAIN, "%s", "");
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "note"));
    }
    pn_table_print(t, stdout);
    if (pn_jb(r, "more"))
        fprintf(stderr, "(the newest %ld; there are more: --limit N)\n", limit);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_rule_restore(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[3] = {NULL, NULL, NULL}, *owner = NULL, *field = NULL, *node = NULL;
    const struct pn_cli_option options[] = {
        {"owner", 'o', &owner, NULL}, {"field", 'f', &field, NULL}, {"node", 0, &node, NULL}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 3), status;
    char words[600];
    json_t *args, *r;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "which entry or rule of which list?");
    args = pn_rule_args(pos[0], pos[1], owner, field);
    if (pos[2])
        json_object_set_new(args, "version", json_string(pos[2]));
    if (node)
        json_object_set_new(args, "node", json_string(node));
    status = pn_cli_get(cli, "rule restore", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    printf("%s: %s\n", pn_rule_words(r, words, sizeof(words)),
           strcmp(pn_js(r, "result"), "removed") == 0 ? "removed again, as in that version" : "restored");
    json_decref(r);
    return PN_EXIT_OK;
}

static int rules_print(struct pn_cli *cli, json_t *r, bool held)
{
    char at[PN_FMT_BYTES], force[PN_FMT_BYTES];
    struct pn_table *t;
    json_t *v;
    size_t i;

    if (cli->json)
        return pn_cli_print_json(r);
    if (json_array_size(pn_jo(r, "rules")) == 0) {
        puts(held ? "nothing waits" : "nothing to review");
        json_decref(r);
        return PN_EXIT_OK;
    }
    t = held ? pn_table_new(cli, "LIST", "VALUE", "OWNER", "STATE", "ON", "STAMPED", "IN FORCE", NULL)
             : pn_table_new(cli, "LIST", "VALUE", "OWNER", "FIELD", "ON", "ADDED", "NOTE", NULL);
    json_array_foreach(pn_jo(r, "rules"), i, v)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "list"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "value"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "owner"));
        pn_table_cell(t, PN_PLAIN, "%s", held ? what(v) : pn_js(v, "field"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(v, "node"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_time(pn_ji(v, "at_ms"), at));
        pn_table_cell(t, PN_PLAIN, "%s", held ? pn_fmt_time(pn_ji(v, "in_force_ms"), force) : pn_js(v, "note"));
    }
    pn_table_print(t, stdout);
    if (pn_jb(r, "more"))
        fprintf(stderr, "(the first %zu; there are more)\n", json_array_size(pn_jo(r, "rules")));
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_rule_held(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "rule held", NULL, &r);
    return status == PN_EXIT_OK ? rules_print(cli, r, true) : status;
}

int pn_cli_rule_review(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[3] = {NULL, NULL, NULL}, *owner = NULL, *field = NULL;
    bool all = false, accept;
    const struct pn_cli_option options[] = {
        {"owner", 'o', &owner, NULL}, {"field", 'f', &field, NULL}, {"all", 0, NULL, &all}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 3), status;
    json_t *args, *r;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0) {
        status = pn_cli_call(cli, "rule review", NULL, &r);
        return status == PN_EXIT_OK ? rules_print(cli, r, false) : status;
    }
    accept = strcmp(pos[0], "accept") == 0;
    if (!accept && strcmp(pos[0], "drop") != 0)
        return pn_cli_usage(cli, "\"%s\"? accept or drop", pos[0]);
    if (all ? n != 1 : n != 3)
        return pn_cli_usage(cli, "%s what? LIST VALUE, or --all", pos[0]);
    args = pn_rule_args(pos[1], pos[2], owner, field);
    json_object_set_new(args, "accept", json_boolean(accept));
    if (all)
        json_object_set_new(args, "all", json_true());
    status = pn_cli_get(cli, "rule settle", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    printf("%lld %s\n", (long long)(accept ? pn_ji(r, "accepted") : pn_ji(r, "dropped")),
           accept ? "accepted: added as of now" : "dropped");
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_rule_reset_clock(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "rule clock-reset", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    puts("changes are stamped by this node's clock again; what was changed here while it ran ahead may win over them");
    json_decref(r);
    return PN_EXIT_OK;
}
