/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/cli.h"

#define CELL_BYTES 160
#define GAP 2
#define FOLD 4

struct cell {
    enum pn_color color;
    char text[CELL_BYTES];
};

struct pn_table {
    const struct pn_cli *cli;
    unsigned columns;
    bool right[PN_TABLE_COLUMNS];
    size_t width[PN_TABLE_COLUMNS];
    size_t n, cap; /* cells, titles included */
    struct cell *cells;
    bool failed;
};

enum pn_color pn_color_of(const char *state)
{
    static const struct {
        const char *state;
        enum pn_color color;
    } row[] = {{"up", PN_GREEN},    {"owner", PN_GREEN},    {"reachable", PN_GREEN}, {"static", PN_GREEN},
               {"busy", PN_YELLOW}, {"drain", PN_YELLOW},   {"disabled", PN_YELLOW}, {"maint", PN_YELLOW},
               {"init", PN_YELLOW}, {"warning", PN_YELLOW}, {"spill", PN_YELLOW},    {"incomplete", PN_YELLOW},
               {"down", PN_RED},    {"error", PN_RED},      {"failed", PN_RED}};

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (strcmp(row[i].state, state) == 0)
            return row[i].color;
    return PN_PLAIN;
}

const char *pn_color_on(const struct pn_cli *cli, enum pn_color color)
{
    static const char *const on[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[1m"};
    return cli->color ? on[color] : "";
}

const char *pn_color_off(const struct pn_cli *cli, enum pn_color color)
{
    return cli->color && color != PN_PLAIN ? "\033[0m" : "";
}

static struct cell *next_cell(struct pn_table *t)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct cell *grown = realloc(t->cells, cap * sizeof(*grown));
        if (!grown) {
            t->failed = true;
            return NULL;
        }
        t->cells = grown;
        t->cap = cap;
    }
    return &t->cells[t->n++];
}

static void widen(struct pn_table *t, const struct cell *c)
{
    size_t *width = &t->width[(t->n - 1) % t->columns];
    if (strlen(c->text) > *width)
        *width = strlen(c->text);
}

struct pn_table *pn_table_new(const struct pn_cli *cli, ...)
{
    struct pn_table *t = calloc(1, sizeof(*t));
    const char *titles[PN_TABLE_COLUMNS];
    va_list args;

    if (!t)
        abort(); /* a one-shot program without memory for a few bytes */
    t->cli = cli;
    va_start(args, cli);
    while (t->columns < PN_TABLE_COLUMNS && (titles[t->columns] = va_arg(args, const char *)))
        t->columns++;
    va_end(args);
    for (unsigned i = 0; i < t->columns; i++) {
        t->right[i] = titles[i][0] == '>';
        pn_table_cell(t, PN_BOLD, "%s", titles[i] + t->right[i]);
    }
    return t;
}

void pn_table_cell(struct pn_table *t, enum pn_color color, const char *format, ...)
{
    struct cell *c = next_cell(t);
    va_list args;

    if (!c)
        return;
    c->color = color;
    va_start(args, format);
    vsnprintf(c->text, sizeof(c->text), format, args);
    va_end(args);
    /* "-" where there is nothing, so that columns can be told apart (and cut(1)). */
    if (c->text[0] == '\0')
        snprintf(c->text, sizeof(c->text), "-");
    widen(t, c);
}

/* Room for the last column on a terminal, 0: as much as it takes. *gap: blanks between columns. */
static size_t last_room(const struct pn_table *t, int *gap)
{
    size_t columns = t->cli->columns, before = 0;

    *gap = GAP;
    for (unsigned i = 0; i + 1 < t->columns; i++)
        before += t->width[i];
    if (!columns || before + t->width[t->columns - 1] + (t->columns - 1) * GAP <= columns)
        return 0;
    *gap = 1;
    before += t->columns - 1;
    return t->right[t->columns - 1] ? 0 : before < columns ? columns - before : 1;
}

void pn_table_print(struct pn_table *t, FILE *out)
{
    int gap;
    size_t room = last_room(t, &gap);

    for (size_t i = 0; i < t->n; i++) {
        const struct cell *c = &t->cells[i];
        unsigned column = i % t->columns;
        bool last = column == t->columns - 1;
        int pad = (int)(t->width[column] - strlen(c->text));

        /* What does not fit behind the rest of its line gets one of its own; nothing is cut. */
        if (last && room && strlen(c->text) > room)
            fprintf(out, "\n%*s", FOLD, "");
        if (t->right[column])
            fprintf(out, "%*s", pad, "");
        fprintf(out, "%s%s%s", pn_color_on(t->cli, c->color), c->text, pn_color_off(t->cli, c->color));
        if (!t->right[column] && !last)
            fprintf(out, "%*s", pad, "");
        if (last)
            fputc('\n', out);
        else
            fprintf(out, "%*s", gap, "");
    }
    if (t->failed)
        fputs("(cut short: out of memory)\n", out);
    pn_table_free(t);
}

void pn_table_free(struct pn_table *t)
{
    free(t->cells);
    free(t);
}
