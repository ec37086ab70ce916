/* SPDX-License-Identifier: BSD-3-Clause */
/* Uses of entries, from a mail server's policy service (one) or a reader of its log (one a line, as they come). */
#include "controlplane/cli/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/rules/rules.h"

#define CHUNK_BYTES 65536 /* read at once, reported at once; a line is shorter */
#define ROWS_MAX 5000 /* of one request */
#define ERRORS_SHOWN 20

struct uses {
    struct pn_cli *cli;
    const char *command; /* "rule hit", "rule learn" */
    bool learn;
    json_t *rows;
    uint64_t line, bad, counted, missing;
    int status;
};

/* A row of the request; NULL and err. Checked here, so that a bad line does not take the good ones with it. */
static json_t *row_make(bool learn, const char *list, const char *value, const char *owner, const char *field,
                        long count, struct pn_error *err)
{
    const struct pn_kind *kind = pn_kind_by_name(list);
    struct pn_rule_key key;

    if (!kind) {
        snprintf(err->text, sizeof(err->text), "there is no list \"%.64s\"", list);
        return NULL;
    }
    if (learn && !kind->cap) {
        snprintf(err->text, sizeof(err->text), "%s is not learnt; rule add makes its entries", kind->name);
        return NULL;
    }
    if (pn_rule_key_make(&key, kind, owner, value, field, err) < 0)
        return NULL;
    return json_pack("[s, s, s, s, I]", pn_kind_by_number(key.kind)->name, key.value,
                     key.field ? pn_field_name(key.field) : "", key.owner, (json_int_t)count);
}

static int flush(struct uses *u)
{
    json_t *r;

    if (json_array_size(u->rows) == 0)
        return 0;
    u->status = pn_cli_call(u->cli, u->command, json_pack("{s:o}", "rows", u->rows), &r);
    u->rows = json_array();
    if (u->status != PN_EXIT_OK)
        return -1;
    u->counted += (uint64_t)pn_ji(r, "counted");
    u->missing += (uint64_t)pn_ji(r, "missing");
    json_decref(r);
    return 0;
}

static void bad_line(struct uses *u, const char *text)
{
    if (++u->bad <= ERRORS_SHOWN)
        fprintf(stderr, "postern: line %llu: %s\n", (unsigned long long)u->line, text);
}

/* "LIST VALUE [owner=ADDRESS] [field=FIELD] [count=N]", words separated by blanks, or by tabs if there is one. */
static int on_line(struct uses *u, char *line)
{
    const char *blank = strchr(line, '\t') ? "\t" : " ", *owner = NULL, *field = NULL;
    char *rest, *list, *value, *word, *end;
    struct pn_error err = {"out of memory"};
    long count = 1;
    json_t *row;

    u->line++;
    for (size_t n = strlen(line); n && line[n - 1] == '\r';)
        line[--n] = '\0';
    if (strchr(line, '\r')) { /* another use would be lost behind it */
        bad_line(u, "found a carriage return without a line feed");
        return 0;
    }
    if (!(list = strtok_r(line, blank, &rest)) || *list == '#')
        return 0;
    if (!(value = strtok_r(NULL, blank, &rest))) {
        bad_line(u, "no value behind the list");
        return 0;
    }
    while ((word = strtok_r(NULL, blank, &rest))) {
        if (strncmp(word, "owner=", 6) == 0) {
            owner = word + 6;
        } else if (strncmp(word, "field=", 6) == 0) {
            field = word + 6;
        } else if (strncmp(word, "count=", 6) == 0) {
            count = strtol(word + 6, &end, 10);
            if (!word[6] || *end || count < 1 || count > PN_RULES_USES_MAX) {
                bad_line(u, "count: not a number from 1 to 1000000000");
                return 0;
            }
        } else {
            bad_line(u, "behind list and value there may be owner=, field= and count=");
            return 0;
        }
    }
    if (!(row = row_make(u->learn, list, value, owner, field, count, &err))) {
        bad_line(u, err.text);
        return 0;
    }
    json_array_append_new(u->rows, row);
    return json_array_size(u->rows) == ROWS_MAX ? flush(u) : 0;
}

/* Whatever has come is reported before more is waited for: a log reader's pipe stays open for months. */
static int read_lines(struct uses *u)
{
    static char data[CHUNK_BYTES + 1];
    size_t have = 0;
    ssize_t n;

    for (;;) {
        char *line = data, *end;

        n = read(STDIN_FILENO, data + have, CHUNK_BYTES - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "postern: standard input: %s\n", strerror(errno));
            u->status = PN_EXIT_FAILED;
            return -1;
        }
        have += (size_t)n;
        if (n == 0 && have) /* the last line has no end */
            data[have++] = '\n';
        while ((end = memchr(line, '\n', have - (size_t)(line - data)))) {
            *end = '\0';
            if (on_line(u, line) < 0)
                return -1;
            line = end + 1;
        }
        have -= (size_t)(line - data);
        memmove(data, line, have);
        if (flush(u) < 0)
            return -1;
        if (n == 0)
            return 0;
        if (have == CHUNK_BYTES) {
            u->line++;
            bad_line(u, "too long");
            u->status = PN_EXIT_FAILED;
            return -1;
        }
    }
}

static int finish(struct uses *u)
{
    char counted[PN_FMT_BYTES], missing[PN_FMT_BYTES];

    json_decref(u->rows);
    if (u->status != PN_EXIT_OK) {
        if (u->line > 1)
            fprintf(stderr, "postern: %s uses were counted before; of line %llu and the lines just before it, none\n",
                    pn_fmt_count((int64_t)u->counted, counted), (unsigned long long)u->line);
        return u->status;
    }
    if (u->cli->json)
        pn_cli_print_json(json_pack("{s:I, s:I, s:I}", "counted", (json_int_t)u->counted, "missing",
                                    (json_int_t)u->missing, "bad", (json_int_t)u->bad));
    else
        printf("counted: %s; no such entry: %s\n", pn_fmt_count((int64_t)u->counted, counted),
               pn_fmt_count((int64_t)u->missing, missing));
    if (u->bad)
        fprintf(stderr, "postern: %llu lines could not be used\n", (unsigned long long)u->bad);
    return u->bad ? PN_EXIT_FAILED : PN_EXIT_OK;
}

static int run(struct pn_cli *cli, int argc, char *argv[], bool learn)
{
    const char *pos[2], *owner = NULL, *field = NULL, *times = NULL;
    bool from_stdin = false;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL}, /* of personal lists: not to be learnt */
                                            {"field", 'f', &field, NULL},
                                            {"count", 'n', &times, NULL},
                                            {"stdin", 0, NULL, &from_stdin},
                                            {NULL, 0, NULL, NULL}};
    struct uses u = {.cli = cli, .learn = learn, .command = learn ? "rule learn" : "rule hit"};
    int n = pn_cli_args(cli, argc, argv, options + learn, pos, 2), status;
    struct pn_error err = {"out of memory"};
    long count = 1;
    json_t *row;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (from_stdin && (n || owner || field || times))
        return pn_cli_usage(cli, "with --stdin each line has it all: LIST VALUE [owner=...] [field=...] [count=N]");
    if (!from_stdin && n < 2)
        return pn_cli_usage(cli, "which entry of which list?");
    if (times && pn_cli_number(cli, "--count", times, 1, PN_RULES_USES_MAX, &count) < 0)
        return PN_EXIT_USAGE;
    u.rows = json_array();
    if (from_stdin) {
        read_lines(&u);
        return finish(&u);
    }
    if (!(row = row_make(learn, pos[0], pos[1], owner, field, count, &err))) {
        json_decref(u.rows);
        return pn_cli_usage(cli, "%s", err.text);
    }
    json_array_append_new(u.rows, row);
    flush(&u);
    if (u.status == PN_EXIT_OK && u.missing) {
        fprintf(stderr, "postern: \"%s\" is not in %s\n", pos[1], pos[0]);
        json_decref(u.rows);
        return PN_EXIT_NOT_FOUND;
    }
    if (u.status == PN_EXIT_OK && !cli->json) {
        json_decref(u.rows);
        return PN_EXIT_OK; /* a policy service has nothing to read */
    }
    status = finish(&u);
    return status;
}

int pn_cli_rule_hit(struct pn_cli *cli, int argc, char *argv[])
{
    return run(cli, argc, argv, false);
}

int pn_cli_rule_learn(struct pn_cli *cli, int argc, char *argv[])
{
    return run(cli, argc, argv, true);
}
