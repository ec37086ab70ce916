/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding commands by name; names for completion: commands and options from the program itself, objects from the daemon. */
#include <stdio.h>
#include <string.h>

#include "common/nearest.h"
#include "controlplane/cli/cli.h"

const char *const pn_cli_common[] = {"--json", "--socket", "--no-color", "--help", NULL};

const struct pn_cli_command *pn_cli_find(const struct pn_cli *cli, const char *noun, const char *verb, int *used)
{
    const struct pn_cli_command *bare = NULL;

    for (const struct pn_cli_command *c = cli->commands; c->noun; c++) {
        if (strcmp(c->noun, noun) != 0)
            continue;
        if (c->verb && verb && strcmp(c->verb, verb) == 0) {
            *used = 2;
            return c;
        }
        if (!c->verb || (!bare && !verb) || (!bare && verb && verb[0] == '-'))
            bare = c;
    }
    *used = 1;
    return bare;
}

#define VERBS_TOLD 3

/* The commands that have this word as their verb, `"rule add", "report add"`; false: none, or too many. */
static bool verb_of(const struct pn_cli *cli, const char *word, char *buf, size_t size)
{
    unsigned n = 0;

    buf[0] = '\0';
    for (const struct pn_cli_command *c = cli->commands; c->noun; c++) {
        size_t at = strlen(buf);

        if (!c->verb || strcmp(c->verb, word) != 0)
            continue;
        if (++n > VERBS_TOLD)
            return false;
        snprintf(buf + at, size - at, "%s\"%s %s\"", at ? ", " : "", c->noun, c->verb);
    }
    return n > 0;
}

int pn_cli_unknown(const struct pn_cli *cli, const char *noun, const char *verb)
{
    struct pn_nearest noun_near = {.key = noun}, verb_near = {.key = verb ? verb : ""};
    bool known = false;
    char whole[160];

    for (const struct pn_cli_command *c = cli->commands; c->noun; c++) {
        bool same = strcmp(c->noun, noun) == 0;

        known |= same;
        if (c->help[0])
            pn_nearest_try(&noun_near, c->noun);
        if (same && c->verb)
            pn_nearest_try(&verb_near, c->verb);
    }
    if (known)
        fprintf(stderr, "postern: %s cannot \"%s\"%s%s%s (see: postern help %s)\n", noun, verb_near.key,
                verb_near.best ? ", did you mean \"" : "", verb_near.best ? verb_near.best : "",
                verb_near.best ? "\"?" : "", noun);
    else if (verb_of(cli, noun, whole, sizeof(whole)))
        fprintf(stderr, "postern: unknown command \"%s\", did you mean %s? (see: postern help)\n", noun, whole);
    else
        fprintf(stderr, "postern: unknown %s \"%s\"%s%s%s (see: postern help)\n", noun[0] == '-' ? "option" : "command",
                noun, noun_near.best ? ", did you mean \"" : "", noun_near.best ? noun_near.best : "",
                noun_near.best ? "\"?" : "");
    return PN_EXIT_USAGE;
}

/* noun NULL: the nouns. Rows without help are for programs. */
static int commands_print(const struct pn_cli *cli, const char *noun)
{
    const char *before = "";

    for (const struct pn_cli_command *c = cli->commands; c->noun; c++) {
        bool again = false;

        for (const struct pn_cli_command *b = cli->commands; b < c; b++)
            again |= strcmp(b->noun, c->noun) == 0;
        if (!c->help[0] || (noun ? strcmp(c->noun, noun) != 0 || !c->verb : again))
            continue;
        before = noun ? c->verb : c->noun;
        puts(before);
    }
    return *before || !noun ? PN_EXIT_OK : PN_EXIT_NOT_FOUND;
}

static int options_print(struct pn_cli *cli, const char *noun, const char *verb)
{
    struct pn_cli asked = *cli;
    int used;

    for (unsigned i = 0; pn_cli_common[i]; i++)
        puts(pn_cli_common[i]);
    asked.command = noun ? pn_cli_find(cli, noun, verb, &used) : NULL;
    asked.list_options = true;
    if (asked.command && asked.command->help[0])
        asked.command->run(&asked, 0, NULL);
    return PN_EXIT_OK;
}

int pn_cli_names(struct pn_cli *cli, int argc, char *argv[])
{
    static const struct {
        const char *kind, *command, *list;
    } row[] = {{"gateway", "gateway list", "gateways"},
               {"service", "service list", "services"},
               {"vip", "vip list", "vips"},
               {"pool", "pool list", "pools"},
               {"node", "node list", "nodes"},
               {"member", "cluster members", "members"}};
    const char *words[3] = {"", NULL, NULL}, *kind;

    if (pn_cli_args(cli, argc, argv, NULL, words, 3) < 0)
        return PN_EXIT_USAGE;
    kind = words[0];
    if (strcmp(kind, "command") == 0 || strcmp(kind, "verb") == 0)
        return commands_print(cli, words[1]);
    if (strcmp(kind, "option") == 0)
        return options_print(cli, words[1], words[2]);
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        json_t *r, *object;
        size_t at;
        int status;

        if (strcmp(row[i].kind, kind) != 0)
            continue;
        status = pn_cli_ask(cli, row[i].command, NULL, &r, true);
        if (status != PN_EXIT_OK)
            return status;
        json_array_foreach(pn_jo(r, row[i].list), at, object) puts(pn_js(object, "name"));
        json_decref(r);
        return PN_EXIT_OK;
    }
    return pn_cli_usage(cli, "names of what?");
}
