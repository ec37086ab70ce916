/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 4180 as people write it: CR LF or LF, quotes where needed, comma, semicolon or tab. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

#define FIELDS_MAX 32

struct csv {
    enum { AT_START, IN_PLAIN, IN_QUOTES, AFTER_QUOTE } state;
    char separator; /* 0: one value a line */
    bool first; /* no line has been seen */
    bool too_long; /* the row is, and is passed over */
    bool cr, cr_alone; /* the byte before was one; one stood in the row, which is passed over */
    unsigned bom; /* bytes of a byte order mark seen; 3: past it */
    uint64_t row_line;
    size_t starts[FIELDS_MAX]; /* of fields in the importer's text, each with a NUL behind it */
    unsigned n_fields;
    int columns[FIELDS_MAX]; /* of each field, -1: not ours */
    unsigned n_columns;
};

static int csv_start(struct pn_importer *i)
{
    struct csv *c = calloc(1, sizeof(*c));

    i->state = c;
    if (c) {
        c->first = true;
        c->row_line = 1;
    }
    return c ? 0 : -1;
}

static void csv_end(struct pn_importer *i)
{
    free(i->state);
}

static void put(struct pn_importer *i, struct csv *c, char byte)
{
    if (i->len < PN_IMPORT_FIELD_MAX)
        i->text[i->len++] = byte;
    else
        c->too_long = true;
}

static void field_end(struct pn_importer *i, struct csv *c)
{
    put(i, c, '\0');
    if (c->n_fields < FIELDS_MAX)
        c->n_fields++;
    if (c->n_fields < FIELDS_MAX)
        c->starts[c->n_fields] = i->len;
    c->state = AT_START;
}

/* A first line that names columns. The separator is what makes it do so. */
static bool header(struct pn_importer *i, struct csv *c, const char *line)
{
    for (const char *s = ",;\t"; *s; s++) {
        const char *at = line;
        unsigned n = 0, known = 0;
        while (n < FIELDS_MAX) {
            size_t len = 0;
            while (at[len] && at[len] != *s)
                len++;
            const char *name = at;
            size_t n_name = len;
            while (n_name && (*name == ' ' || *name == '"'))
                name++, n_name--;
            while (n_name && (name[n_name - 1] == ' ' || name[n_name - 1] == '"'))
                n_name--;
            c->columns[n] = import_column(name, n_name);
            known += c->columns[n] == COLUMN_VALUE;
            n++;
            if (at[len] == '\0')
                break;
            at += len + 1;
        }
        if (known == 1) {
            c->separator = *s;
            c->n_columns = n;
            return true;
        }
    }
    (void)i;
    return false;
}

static int row_end(struct pn_importer *i, struct csv *c)
{
    const char *columns[COLUMNS] = {NULL};
    int rc = 0;

    if (c->n_fields == 0 && i->len == 0 && c->state == AT_START) {
        c->row_line = i->line;
        return 0; /* an empty line */
    }
    field_end(i, c);
    if (c->cr_alone) { /* two lines would be one value, or the second part of a comment; all of them may be one long line */
        if (i->sink.error)
            i->sink.error(i->sink.arg, c->row_line,
                          "found a carriage return without a line feed: lines end in LF or CRLF");
    } else if (c->too_long) {
        if (i->sink.error)
            i->sink.error(i->sink.arg, c->row_line, "the line is longer than 64 KiB");
    } else if (c->first && header(i, c, i->text)) {
        ;
    } else if (c->separator == '\0') {
        const char *value = i->text + strspn(i->text, " \t");
        if (*value && *value != '#') {
            columns[COLUMN_VALUE] = value;
            rc = import_row(i, c->row_line, columns);
        }
    } else {
        for (unsigned f = 0; f < c->n_fields && f < c->n_columns; f++)
            if (c->columns[f] >= 0)
                columns[c->columns[f]] = i->text + c->starts[f];
        if (columns[COLUMN_TEXT] && columns[COLUMN_TEXT][0] == '\0')
            columns[COLUMN_TEXT] = NULL;
        rc = import_row(i, c->row_line, columns);
    }
    c->first = false;
    c->too_long = c->cr_alone = false;
    c->n_fields = 0;
    c->starts[0] = 0;
    c->row_line = i->line;
    i->len = 0;
    return rc;
}

static int byte_in(struct pn_importer *i, struct csv *c, char b)
{
    if (b == '\n')
        i->line++;
    if (c->cr && b != '\r' && b != '\n')
        c->cr_alone = true;
    c->cr = b == '\r' && c->state != IN_QUOTES;
    if (c->state == IN_QUOTES) {
        if (b == '"')
            c->state = AFTER_QUOTE;
        else
            put(i, c, b);
        return 0;
    }
    if (b == '\r')
        return 0;
    if (b == '\n')
        return row_end(i, c);
    if (c->separator && b == c->separator) {
        field_end(i, c);
        return 0;
    }
    if (b == '"' && c->separator && c->state != IN_PLAIN) { /* before the columns are known a quote is a character */
        if (c->state == AFTER_QUOTE)
            put(i, c, '"');
        c->state = IN_QUOTES;
        return 0;
    }
    c->state = IN_PLAIN;
    put(i, c, b == '\0' ? ' ' : b);
    return 0;
}

static int csv_feed(struct pn_importer *i, const char *data, size_t len, bool last, struct pn_error *err)
{
    struct csv *c = i->state;
    uint64_t line = c->row_line;

    for (size_t at = 0; at < len; at++) {
        if (c->bom < 3) {
            if (data[at] == "\xef\xbb\xbf"[c->bom]) {
                c->bom++;
                continue;
            }
            for (unsigned k = 0; k < c->bom; k++) /* it only began like one */
                byte_in(i, c, "\xef\xbb\xbf"[k]);
            c->bom = 3;
        }
        if (byte_in(i, c, data[at]) != 0)
            return 1;
    }
    if (last && c->state == IN_QUOTES)
        return pn_error_set(err, "line %llu: a quote is opened and never closed", (unsigned long long)line);
    if (last && (c->n_fields || i->len))
        return row_end(i, c);
    return 0;
}

const struct import_reader import_csv = {csv_feed, csv_start, csv_end};
