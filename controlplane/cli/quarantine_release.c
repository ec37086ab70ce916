/* SPDX-License-Identifier: BSD-3-Clause */
/* Releasing, and what goes by itself: purge, offering again. */
#include <string.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

/* The message's sender is welcome to each of its recipients from now on. */
static int welcome(struct pn_cli *cli, const json_t *item, const char *to)
{
    const char *sender = pn_js(item, "sender");
    json_t *recipients = pn_jo(item, "recipients"), *r;
    int worst = PN_EXIT_OK;

    if (!*sender)
        return pn_cli_fail(cli, PN_EXIT_FAILED, "refused",
                           "the message has no sender that could be welcome (null reverse-path)");
    for (size_t i = 0; i < (to ? 1 : json_array_size(recipients)); i++) {
        const char *owner = to ? to : json_string_value(json_array_get(recipients, i));
        int status = pn_cli_call(cli, "rule add",
                                 json_pack("{s:s, s:s, s:s, s:s}", "list", "personal-welcomelist", "value", sender,
                                           "owner", owner, "note", "released from quarantine"),
                                 &r);
        if (status != PN_EXIT_OK) {
            worst = status;
            continue;
        }
        if (!cli->json)
            printf("%s is on the welcomelist of %s\n", sender, owner);
        json_decref(r);
    }
    return worst;
}

struct release {
    const char *to, *at;
    bool again, welcomelist;
};

static int release_one(struct pn_cli *cli, const char *word, void *arg, json_t **result)
{
    const struct release *how = arg;
    json_t *args, *r, *row;
    int status;

    pn_cli_item_args(cli, word, how->at, &args);
    pn_cli_put(args, "to", how->to);
    if (how->again)
        json_object_set_new(args, "again", json_true());
    status = pn_cli_call(cli, "quarantine release", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    *result = r;
    if (!cli->json)
        printf("item %s: %s, %s\n", word, pn_js(r, "result"), pn_js(r, "text"));
    if (how->welcomelist) {
        pn_cli_item_args(cli, word, how->at, &args);
        status = pn_cli_call(cli, "quarantine audit", args, &row);
        if (status == PN_EXIT_OK) {
            status = welcome(cli, pn_jo(row, "item"), how->to);
            json_decref(row);
        }
        json_object_set_new(r, "welcomed", json_boolean(status == PN_EXIT_OK));
    }
    return status;
}

int pn_cli_quarantine_release(struct pn_cli *cli, int argc, char *argv[])
{
    const char *words[256];
    struct release how = {NULL};
    const struct pn_cli_option options[] = {{"to", 't', &how.to, NULL},
                                            {"welcomelist", 0, NULL, &how.welcomelist},
                                            {"again", 0, NULL, &how.again},
                                            {"at", 0, &how.at, NULL},
                                            {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, words, 256);

    return pn_cli_items_do(cli, words, n, release_one, &how);
}

int pn_cli_quarantine_retry(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "quarantine retry", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    puts("What the host refused is offered to it again.");
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_quarantine_purge(struct pn_cli *cli, int argc, char *argv[])
{
    const char *at = NULL;
    bool dry_run = false;
    const struct pn_cli_option options[] = {
        {"dry-run", 'n', NULL, &dry_run}, {"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    json_t *args, *r, *row;
    struct pn_table *t;
    char when[32];
    size_t i;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    args = json_pack("{s:b}", "dry_run", dry_run);
    pn_cli_put(args, "at", at);
    status = pn_cli_get(cli, "quarantine purge", args, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    t = pn_table_new(cli, "KIND", "STATE", "EVENT", "OLDER THAN", ">ITEMS", NULL);
    json_array_foreach(pn_jo(r, "rows"), i, row)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "kind"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "state"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "event"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_cli_when(pn_ji(row, "before_ms"), when));
        pn_table_cell(t, PN_PLAIN, "%lld%s", (long long)pn_ji(row, "items"), pn_jb(row, "more") ? "+" : "");
    }
    pn_table_print(t, stdout);
    puts(dry_run ? "Nothing was removed. What is on hold stays in any case."
                 : "A round has begun; what is on hold stays (postern quarantine status).");
    json_decref(r);
    return PN_EXIT_OK;
}

/* What follows the address in a digest's link. */
int pn_cli_quarantine_link(struct pn_cli *cli, int argc, char *argv[])
{
    const char *token = NULL;
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, &token, 1) < 0)
        return PN_EXIT_USAGE;
    if (!token)
        return pn_cli_usage(cli, "which link?");
    status = pn_cli_call(cli, "quarantine link", json_pack("{s:s}", "token", token), &r);
    if (status != PN_EXIT_OK)
        return status;
    if (json_is_object(pn_jo(r, "welcome"))) {
        json_t *errors = cli->errors = json_array();
        status = welcome(cli, pn_jo(r, "welcome"), NULL);
        cli->errors = NULL;
        if (json_array_size(errors))
            json_object_set(r, "errors", errors);
        json_decref(errors);
    }
    if (cli->json)
        pn_cli_print_json(r);
    else
        printf("item %lld: %s %s\n", (long long)pn_ji(r, "id"), pn_js(r, "result"), pn_js(r, "text"));
    if (!cli->json)
        json_decref(r);
    return status;
}

int pn_cli_quarantine_digest(struct pn_cli *cli, int argc, char *argv[])
{
    const char *verb = NULL, *at = NULL;
    bool dry_run = false;
    const struct pn_cli_option options[] = {
        {"dry-run", 'n', NULL, &dry_run}, {"at", 0, &at, NULL}, {NULL, 0, NULL, NULL}};
    json_t *args, *r, *row;
    size_t i;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &verb, 1) < 0)
        return PN_EXIT_USAGE;
    if (!verb || strcmp(verb, "run") != 0)
        return pn_cli_usage(cli, "digest what? \"run\" mails them now");
    args = json_pack("{s:b}", "dry_run", dry_run);
    pn_cli_put(args, "at", at);
    status = pn_cli_call(cli, "quarantine digest run", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    status = pn_ji(r, "failed") || *pn_js(r, "problem") ? PN_EXIT_FAILED : PN_EXIT_OK;
    if (cli->json) {
        pn_cli_print_json(r);
        return status;
    }
    json_array_foreach(pn_jo(r, "due"), i, row)
        printf("%s: %lld\n", pn_js(row, "recipient"), (long long)pn_ji(row, "items"));
    if (dry_run)
        printf("%lld recipients would get a digest of %lld messages.\n", (long long)pn_ji(r, "recipients"),
               (long long)pn_ji(r, "items"));
    else
        printf("%lld digests sent, %lld not taken (they are tried again), %lld refused.\n", (long long)pn_ji(r, "sent"),
               (long long)pn_ji(r, "failed"), (long long)pn_ji(r, "refused"));
    if (*pn_js(r, "last_failure"))
        printf("the last one: %s\n", pn_js(r, "last_failure"));
    if (*pn_js(r, "problem"))
        printf("%s\n", pn_js(r, "problem"));
    json_decref(r);
    return status;
}
