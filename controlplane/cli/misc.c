/* SPDX-License-Identifier: BSD-3-Clause */
/* help, version, node, log. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"

int pn_cli_help(struct pn_cli *cli, int argc, char *argv[])
{
    const char *noun = argc > 0 ? argv[0] : NULL, *verb = argc > 1 ? argv[1] : NULL;
    bool any = false, exact = false;

    if (cli->list_options)
        return PN_EXIT_OK;
    if (!noun)
        puts("usage: postern [-j] [--socket PATH] [--no-color] COMMAND\n");
    for (const struct pn_cli_command *c = cli->commands; verb && c->noun; c++)
        exact |= strcmp(c->noun, noun) == 0 && c->verb && strcmp(c->verb, verb) == 0;
    for (const struct pn_cli_command *c = cli->commands; c->noun; c++) {
        char words[48];

        if (!c->help[0] || (noun && strcmp(noun, c->noun) != 0) || (verb && c->verb && strcmp(verb, c->verb) != 0) ||
            (exact && !c->verb))
            continue;
        any = true;
        snprintf(words, sizeof(words), "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
        if (noun)
            printf("postern %s%s%s\n    %s\n", words, c->args[0] ? " " : "", c->args, c->help);
        else
            printf("  %-19s %s\n", words, c->help);
    }
    if (!any)
        return pn_cli_unknown(cli, noun, verb);
    if (!noun)
        puts("\n  -j, --json   results as JSON       postern help COMMAND   a command's arguments\n"
             "Exit status: 0 done, 1 failed or refused, 2 usage, 3 daemon not reached,\n"
             "4 not found, 5 timeout. Manual pages: postern(8), postern.conf(5).");
    return PN_EXIT_OK;
}

int pn_cli_version(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r, *all;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    all = json_pack("{s:s}", "postern", PN_VERSION);
    if (pn_cli_ask(cli, "status", NULL, &r, true) == PN_EXIT_OK) {
        json_object_set(all, "posternd", pn_jo(pn_jo(r, "node"), "version"));
        json_object_set(all, "postern-dp", pn_jo(pn_jo(r, "dataplane"), "version"));
        json_decref(r);
    }
    if (cli->json)
        return pn_cli_print_json(all);
    printf("postern     %s\nposternd    %s\npostern-dp  %s\n", PN_VERSION,
           *pn_js(all, "posternd") ? pn_js(all, "posternd") : "(not reached)",
           *pn_js(all, "postern-dp") ? pn_js(all, "postern-dp") : "(not reached)");
    json_decref(all);
    return PN_EXIT_OK;
}

/* ---- node ---- */

static int node_print(const struct pn_cli *cli, json_t *node)
{
    char up[PN_FMT_BYTES];

    if (cli->json)
        return pn_cli_print_json(node);
    printf("node %s: %s, owner of %lld of %lld VIPs, posternd %s up %s\n", pn_js(node, "name"),
           pn_jb(node, "standby") ? "standby" : "active", (long long)pn_ji(node, "vips_owned"),
           (long long)pn_ji(node, "vips"), pn_js(node, "version"), pn_fmt_duration(pn_ji(node, "uptime_ms"), up));
    json_decref(node);
    return PN_EXIT_OK;
}

int pn_cli_node(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "node show", NULL, &r);
    return status == PN_EXIT_OK ? node_print(cli, r) : status;
}

static int node_order(struct pn_cli *cli, int argc, char *argv[], const char *command)
{
    json_t *r, *warning;
    size_t i;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, command, NULL, &r);
    if (status != PN_EXIT_OK)
        return status;
    json_array_foreach(pn_jo(r, "warnings"), i, warning) fprintf(stderr, "postern: %s\n", json_string_value(warning));
    if (cli->json)
        return pn_cli_print_json(r);
    status = node_print(cli, json_incref(pn_jo(r, "node")));
    json_decref(r);
    return status;
}

int pn_cli_node_standby(struct pn_cli *cli, int argc, char *argv[])
{
    return node_order(cli, argc, argv, "node standby");
}

int pn_cli_node_active(struct pn_cli *cli, int argc, char *argv[])
{
    return node_order(cli, argc, argv, "node active");
}

/* ---- log ---- */

static void event_print(const struct pn_cli *cli, const json_t *e)
{
    time_t seconds = (time_t)(pn_ji(e, "at_ms") / 1000);
    const char *level = pn_js(e, "level"), *subject = pn_js(e, "subject");
    enum pn_color color = pn_color_of(level);
    struct tm tm;
    char at[32];

    if (cli->json) {
        json_dumpf(e, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    localtime_r(&seconds, &tm);
    strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s.%03d  %s%-7s%s  %s%s%s: %s\n", at, (int)(pn_ji(e, "at_ms") % 1000), pn_color_on(cli, color), level,
           pn_color_off(cli, color), pn_js(e, "kind"), *subject ? " " : "", subject, pn_js(e, "text"));
}

int pn_cli_log(struct pn_cli *cli, int argc, char *argv[])
{
    const char *lines_text = NULL;
    bool follow = false;
    const struct pn_cli_option options[] = {
        {"lines", 'n', &lines_text, NULL}, {"follow", 'f', NULL, &follow}, {NULL, 0, NULL, NULL}};
    long lines = 1000;
    json_int_t last = 0;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 ||
        (lines_text && pn_cli_number(cli, "lines", lines_text, 1, 10000, &lines) < 0))
        return PN_EXIT_USAGE;
    do {
        json_t *r, *event;
        size_t i;
        int status = pn_cli_call(cli, "log", json_pack("{s:I, s:I}", "after", last, "max", (json_int_t)lines), &r);

        if (status != PN_EXIT_OK)
            return status;
        if (cli->json && !follow)
            return pn_cli_print_json(r);
        json_array_foreach(pn_jo(r, "events"), i, event) event_print(cli, event);
        last = pn_ji(r, "last");
        lines = 10000;
        json_decref(r);
        fflush(stdout);
        if (follow)
            usleep(300000);
    } while (follow);
    return PN_EXIT_OK;
}
