/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "controlplane/cli/cli.h"

int pn_cli_usage(const struct pn_cli *cli, const char *format, ...)
{
    const struct pn_cli_command *c = cli->command;
    va_list args;

    fputs("postern: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (c)
        fprintf(stderr, "usage: postern %s%s%s%s%s\n", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                c->args[0] ? " " : "", c->args);
    return PN_EXIT_USAGE;
}

static const struct pn_cli_option *find(const struct pn_cli_option *options, const char *word, const char **value)
{
    size_t len = strcspn(word, "=");

    *value = NULL;
    for (const struct pn_cli_option *o = options; o && o->name; o++) {
        if (word[0] == '-' && word[1] == o->letter && o->letter && word[1] != '-') {
            if (word[2])
                *value = word + 2;
            return o;
        }
        if (strncmp(word, "--", 2) == 0 && strlen(o->name) == len - 2 && strncmp(word + 2, o->name, len - 2) == 0) {
            if (word[len])
                *value = word + len + 1;
            return o;
        }
    }
    return NULL;
}

static int word_add(const struct pn_cli *cli, const char *word, const char **words, int *n, int max)
{
    if (*n == max) {
        pn_cli_usage(cli, "unexpected argument \"%s\"", word);
        return -1;
    }
    words[(*n)++] = word;
    return 0;
}

/* Names that lead to the same place are aliases: the first is enough. */
static void options_print(const struct pn_cli_option *options)
{
    for (const struct pn_cli_option *o = options; o && o->name; o++) {
        const struct pn_cli_option *same = options;

        while (same < o && (same->value != o->value || same->flag != o->flag || !(o->value || o->flag)))
            same++;
        if (same == o)
            printf("--%s\n", o->name);
    }
}

static void option_unknown(const struct pn_cli *cli, const struct pn_cli_option *options, const char *word)
{
    char name[32] = "";
    struct pn_nearest near = {.key = name};

    if (strncmp(word, "--", 2) == 0)
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (const struct pn_cli_option *o = options; name[0] && o && o->name; o++)
        pn_nearest_try(&near, o->name);
    pn_cli_usage(cli, "unknown option %s%s%s%s", word, near.best ? ", did you mean --" : "", near.best ? near.best : "",
                 near.best ? "?" : "");
}

int pn_cli_args(struct pn_cli *cli, int argc, char *argv[], const struct pn_cli_option *options, const char **pos,
                int max)
{
    bool only_words = false;
    int n = 0;

    if (cli->list_options) {
        options_print(options);
        return -1;
    }
    for (int i = 0; i < argc; i++) {
        const struct pn_cli_option *o;
        const char *value, *typed = argv[i];
        int n_typed = typed[0] == '-' && typed[1] != '-' ? 2 : (int)strcspn(typed, "="); /* without a value */

        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (word_add(cli, argv[i], pos, &n, max) < 0)
                return -1;
            continue;
        }
        o = find(options, argv[i], &value);
        if (!o) {
            option_unknown(cli, options, argv[i]);
            return -1;
        }
        if (o->flag) {
            if (value) {
                pn_cli_usage(cli, "option %.*s takes no value", n_typed, typed);
                return -1;
            }
            *o->flag = true;
            continue;
        }
        if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value || !*value) {
            pn_cli_usage(cli, "option %.*s needs a value", n_typed, typed);
            return -1;
        }
        if (o->value)
            *o->value = value;
        else if (word_add(cli, value, pos, &n, max) < 0)
            return -1;
    }
    return n;
}

int pn_cli_number(const struct pn_cli *cli, const char *what, const char *text, long min, long max, long *out)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end || value < min || value > max) {
        pn_cli_usage(cli, "%s \"%s\" is not a whole number from %ld to %ld", what, text, min, max);
        return -1;
    }
    *out = value;
    return 0;
}
