/* SPDX-License-Identifier: BSD-3-Clause */
/* One entry or rule: made, changed, taken out, shown; and the order of rules. */
#include "controlplane/cli/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/rules/order.h"

/* The list that is meant, known before anything is asked: a usage error otherwise. */
static const struct pn_kind *kind_of(const struct pn_cli *cli, const char *word)
{
    const struct pn_kind *kind = pn_kind_by_name(word);
    char names[300];

    if (!kind)
        pn_cli_usage(cli, "there is no list \"%s\"; there are %s", word, pn_rule_lists(names, sizeof(names), false));
    return kind;
}

static int print_result(struct pn_cli *cli, json_t *r)
{
    const struct {
        const char *result, *text;
    } row[] = {{"added", "added"},
               {"changed", cli->command && strcmp(cli->command->verb, "put") == 0
                               ? "changed"
                               : "was there, and counts as changed now"},
               {"removed", "removed"},
               {"unchanged", "unchanged"},
               {"restored", "restored"}};
    char words[600];

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (strcmp(row[i].result, pn_js(r, "result")) == 0)
            printf("%s: %s\n", pn_rule_words(r, words, sizeof(words)), row[i].text);
    if (pn_jb(r, "held"))
        fprintf(stderr,
                "postern: note: a version from a clock that runs ahead waits and will replace this one (postern "
                "rule held)\n");
    json_decref(r);
    return PN_EXIT_OK;
}

/* The same command for each value. All are tried; the exit status is the first one that is not 0. */
static int each_value(struct pn_cli *cli, const char *command, const char *const *values, int n, json_t *common)
{
    json_t *all = json_array();
    int status = PN_EXIT_OK;

    for (int i = 0; i < n; i++) {
        json_t *args = json_copy(common), *r;
        bool plain = !cli->json;
        int one;

        json_object_set_new(args, "value", json_string(values[i]));
        if (!json_object_get(args, "value")) {
            fprintf(stderr, "postern: value %d is not UTF-8\n", i + 1);
            json_decref(args);
            one = PN_EXIT_USAGE;
        } else if ((one = pn_cli_ask(cli, command, args, &r, false)) == PN_EXIT_OK) {
            if (plain)
                print_result(cli, r);
            else
                json_array_append_new(all, r);
        }
        if (status == PN_EXIT_OK)
            status = one;
        if (one == PN_EXIT_UNREACHABLE)
            break;
    }
    json_decref(common);
    if (cli->json && n == 1 && json_array_size(all) == 1)
        pn_cli_print_json(json_incref(json_array_get(all, 0)));
    else if (cli->json && n > 1)
        pn_cli_print_json(json_incref(all));
    json_decref(all);
    return status;
}

int pn_cli_rule_add(struct pn_cli *cli, int argc, char *argv[])
{
    static const char *pos[PN_RULE_WORDS_MAX];
    const char *owner = NULL, *field = NULL, *note = NULL;
    const struct pn_cli_option options[] = {{"owner", 'o', &owner, NULL},
                                            {"field", 'f', &field, NULL},
                                            {"note", 0, &note, NULL},
                                            {"description", 0, &note, NULL},
                                            {NULL, 0, NULL, NULL}};
    const struct pn_kind *kind;
    json_t *args;
    int n = pn_cli_args(cli, argc, argv, options, pos, PN_RULE_WORDS_MAX);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "what to which list?");
    if (!(kind = kind_of(cli, pos[0])))
        return PN_EXIT_USAGE;
    if (kind->shape == PN_SHAPE_NAMED)
        return pn_cli_usage(cli, "%s has rules with a text: postern rule put %s NAME --file FILE", kind->name,
                            kind->name);
    args = pn_rule_args(pos[0], NULL, owner, field);
    if (note)
        json_object_set_new(args, "note", json_string(note));
    return each_value(cli, "rule add", pos + 1, n - 1, args);
}

int pn_cli_rule_remove(struct pn_cli *cli, int argc, char *argv[])
{
    static const char *pos[PN_RULE_WORDS_MAX];
    const char *owner = NULL, *field = NULL;
    const struct pn_cli_option options[] = {
        {"owner", 'o', &owner, NULL}, {"field", 'f', &field, NULL}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, PN_RULE_WORDS_MAX);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "what from which list?");
    if (!kind_of(cli, pos[0]))
        return PN_EXIT_USAGE;
    return each_value(cli, "rule remove", pos + 1, n - 1, pn_rule_args(pos[0], NULL, owner, field));
}

/* ---- Rules with a text ---- */

/* A whole file as text; NULL after a message. path "-": standard input. */
static char *read_text(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *text = malloc(PN_RULE_BODY_MAX + 2);
    size_t n = 0;

    if (!f || !text) {
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
        free(text);
        return NULL;
    }
    n = fread(text, 1, PN_RULE_BODY_MAX + 1, f);
    if (ferror(f))
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
    else if (n > PN_RULE_BODY_MAX)
        fprintf(stderr, "postern: %s: a rule has at most %u bytes\n", path, PN_RULE_BODY_MAX);
    else if (memchr(text, '\0', n) || !pn_utf8_valid(text, n))
        fprintf(stderr, "postern: %s: not UTF-8 text\n", path);
    else
        n |= (size_t)1 << 40; /* it is good */
    if (f != stdin)
        fclose(f);
    if (!(n >> 40)) {
        free(text);
        return NULL;
    }
    text[n & (((size_t)1 << 40) - 1)] = '\0';
    return text;
}

int pn_cli_rule_put(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2], *file = NULL, *text = NULL, *note = NULL;
    const struct pn_cli_option options[] = {{"file", 'F', &file, NULL},
                                            {"text", 't', &text, NULL},
                                            {"note", 0, &note, NULL},
                                            {"description", 0, &note, NULL},
                                            {NULL, 0, NULL, NULL}};
    const struct pn_kind *kind;
    char *read = NULL, names[200];
    json_t *args, *r;
    int n = pn_cli_args(cli, argc, argv, options, pos, 2), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "which rule of which list?");
    if (!(kind = kind_of(cli, pos[0])))
        return PN_EXIT_USAGE;
    if (kind->shape != PN_SHAPE_NAMED)
        return pn_cli_usage(cli, "entries of %s have no text: postern rule add; rules with a text are in %s",
                            kind->name, pn_rule_lists(names, sizeof(names), true));
    if (!file == !text)
        return pn_cli_usage(cli, "its text? --file FILE (- is standard input) or --text TEXT");
    if (file && !(read = read_text(file)))
        return PN_EXIT_FAILED;
    text = read ? read : text;
    args = pn_rule_args(pos[0], pos[1], NULL, NULL);
    if (note)
        json_object_set_new(args, "note", json_string(note));
    if (*text)
        json_object_set_new(args, "text", json_string(text));
    free(read);
    status = pn_cli_call(cli, "rule put", args, &r);
    if (status != PN_EXIT_OK)
        return status;
    return cli->json ? pn_cli_print_json(r) : print_result(cli, r);
}

static void show_print(const json_t *r)
{
    const char *text = pn_js(r, "text");
    char at[PN_FMT_BYTES], count[PN_FMT_BYTES];

    printf("%s %s\n", pn_js(r, "list"), pn_js(r, "value"));
    if (*pn_js(r, "owner"))
        printf("  owner    %s\n", pn_js(r, "owner"));
    if (*pn_js(r, "field"))
        printf("  field    %s\n", pn_js(r, "field"));
    if (*pn_js(r, "note"))
        printf("  note     %s\n", pn_js(r, "note"));
    printf("  changed  %s on %s, version %s\n", pn_fmt_time(pn_ji(r, "at_ms"), at), pn_js(r, "node"),
           pn_js(r, "version"));
    printf("  hits     %s", pn_fmt_count(pn_ji(r, "hits"), count));
    if (pn_ji(r, "last_hit_ms"))
        printf(", the last %s", pn_fmt_time(pn_ji(r, "last_hit_ms"), at));
    putchar('\n');
    if (*text)
        printf("  text     %lld bytes\n\n%s%s", (long long)pn_ji(r, "text_bytes"), text,
               text[strlen(text) - 1] == '\n' ? "" : "\n");
}

int pn_cli_rule_show(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2], *owner = NULL, *field = NULL;
    bool text = false;
    const struct pn_cli_option options[] = {
        {"owner", 'o', &owner, NULL}, {"field", 'f', &field, NULL}, {"text", 't', NULL, &text}, {NULL, 0, NULL, NULL}};
    int n = pn_cli_args(cli, argc, argv, options, pos, 2), status;
    json_t *r;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "which entry of which list?");
    if (!kind_of(cli, pos[0]))
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "rule show", pn_rule_args(pos[0], pos[1], owner, field), &r);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json && !text)
        return pn_cli_print_json(r);
    if (text)
        fputs(pn_js(r, "text"), stdout);
    else
        show_print(r);
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- Their order ---- */

struct names {
    char **list;
    size_t n;
};

static int on_name(void *arg, const json_t *rule)
{
    struct names *names = arg;
    char **list = realloc(names->list, (names->n + 1) * sizeof(*list));

    if (!list)
        return 1;
    names->list = list;
    list[names->n] = strdup(pn_js(rule, "value"));
    return list[names->n++] == NULL;
}

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static int order_set(struct pn_cli *cli, const char *engine, const struct names *known, const char *const *names, int n)
{
    json_t *text, *args, *r;
    size_t len = 1;
    char *joined;
    int status;

    for (int i = 0; i < n; i++) {
        if (!has_name(known, names[i])) {
            fprintf(stderr, "postern: there is no %s rule \"%s\"\n", engine, names[i]);
            return PN_EXIT_NOT_FOUND;
        }
        len += strlen(names[i]) + 1;
    }
    joined = calloc(1, len);
    for (int i = 0; joined && i < n; i++) {
        strcat(joined, names[i]);
        strcat(joined, "\n");
    }
    text = joined ? json_string(joined) : NULL;
    free(joined);
    args = pn_rule_args("order", engine, NULL, NULL);
    json_object_set_new(args, "text", text);
    status = pn_cli_call(cli, "rule put", args, &r);
    if (status == PN_EXIT_OK)
        json_decref(r);
    return status;
}

static void order_print(struct pn_cli *cli, const char *order, const struct names *names)
{
    json_t *list = json_array();

    pn_rule_order_apply(order, (const char **)names->list, names->n);
    for (size_t i = 0; i < names->n; i++) {
        if (cli->json)
            json_array_append_new(list, json_string(names->list[i]));
        else
            printf("%3zu  %s\n", i + 1, names->list[i]);
    }
    if (cli->json)
        pn_cli_print_json(json_pack("{s:O}", "rules", list));
    json_decref(list);
}

int pn_cli_rule_order(struct pn_cli *cli, int argc, char *argv[])
{
    static const char *pos[PN_RULE_WORDS_MAX];
    int n = pn_cli_args(cli, argc, argv, NULL, pos, PN_RULE_WORDS_MAX), status;
    const struct pn_kind *kind;
    struct names names = {0};
    json_t *r = NULL;
    bool more;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "the order of which rules? keyword, attachment, advanced");
    if (!(kind = kind_of(cli, pos[0])))
        return PN_EXIT_USAGE;
    if (kind->shape != PN_SHAPE_NAMED || kind->number == PN_KIND_ORDER || kind->number == PN_KIND_DECOMPRESSION)
        return pn_cli_usage(cli, "%s has no order; keyword, attachment, advanced have", kind->name);
    status = pn_rule_pages(cli, pn_rule_args(kind->name, NULL, NULL, NULL), 0, on_name, &names, &more);
    if (status == PN_EXIT_OK && n > 1)
        status = order_set(cli, kind->name, &names, pos + 1, n - 1);
    if (status == PN_EXIT_OK) {
        pn_cli_ask(cli, "rule show", pn_rule_args("order", kind->name, NULL, NULL), &r, true); /* none: by name */
        order_print(cli, pn_js(r, "text"), &names);
        json_decref(r);
    }
    for (size_t i = 0; i < names.n; i++)
        free(names.list[i]);
    free(names.list);
    return status;
}
