/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects in an array or one after the other: each is cut out by its braces and given to jansson by itself. */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

struct json_state {
    unsigned depth; /* braces and brackets inside an object */
    bool in_string, escaped, too_long;
    bool in_array, ended;
    uint64_t start_line;
};

static int json_start(struct pn_importer *i)
{
    i->state = calloc(1, sizeof(struct json_state));
    return i->state ? 0 : -1;
}

static void json_end(struct pn_importer *i)
{
    free(i->state);
}

static int object(struct pn_importer *i, struct json_state *s)
{
    const char *columns[COLUMNS] = {NULL}, *key;
    char type[8], *dumped = NULL;
    struct pn_error why;
    json_error_t e;
    json_t *value, *o = s->too_long ? NULL : json_loadb(i->text, i->len, JSON_REJECT_DUPLICATES, &e);
    int rc = 0;

    if (o == NULL) {
        pn_error_set(&why, "%.200s", s->too_long ? "the object is longer than 64 KiB" : e.text);
        if (i->sink.error)
            i->sink.error(i->sink.arg, s->start_line, why.text);
        return 0;
    }
    json_object_foreach(o, key, value)
    {
        int column = import_column(key, strlen(key));
        if (column < 0)
            continue;
        if (json_is_string(value)) {
            columns[column] = json_string_value(value);
        } else if (column == COLUMN_TYPE && json_is_integer(value)) {
            snprintf(type, sizeof(type), "%d", (int)json_integer_value(value));
            columns[column] = type;
        } else if (column == COLUMN_TEXT && (json_is_object(value) || json_is_array(value)) && dumped == NULL) {
            columns[column] = dumped = json_dumps(value, JSON_COMPACT);
        }
    }
    rc = import_row(i, s->start_line, columns);
    free(dumped);
    json_decref(o);
    return rc;
}

static int json_feed(struct pn_importer *i, const char *data, size_t len, bool last, struct pn_error *err)
{
    struct json_state *s = i->state;

    for (size_t at = 0; at < len; at++) {
        char b = data[at];
        if (b == '\n')
            i->line++;
        if (s->depth == 0) {
            if (b == '{' && !s->ended) {
                s->depth = 1;
                s->start_line = i->line;
                s->too_long = false;
                i->text[0] = b;
                i->len = 1;
            } else if (b == '[' && !s->in_array && !s->ended) {
                s->in_array = true;
            } else if (b == ']' && s->in_array) {
                s->in_array = false;
                s->ended = true;
            } else if (!strchr(" \t\r\n,", b) || b == '\0') {
                return pn_error_set(err, "line %llu: expected an object, found byte 0x%02x",
                                    (unsigned long long)i->line, (unsigned char)b);
            }
            continue;
        }
        if (i->len < PN_IMPORT_FIELD_MAX)
            i->text[i->len++] = b;
        else
            s->too_long = true;
        if (s->in_string) {
            if (s->escaped)
                s->escaped = false;
            else if (b == '\\')
                s->escaped = true;
            else if (b == '"')
                s->in_string = false;
        } else if (b == '"') {
            s->in_string = true;
        } else if (b == '{' || b == '[') {
            s->depth++;
        } else if ((b == '}' || b == ']') && --s->depth == 0 && object(i, s) != 0) {
            return 1;
        }
    }
    if (last && (s->depth || s->in_array))
        return pn_error_set(err, "the file ends in the middle (%s of line %llu is not closed)",
                            s->depth ? "the object" : "the array", (unsigned long long)(s->depth ? s->start_line : 1));
    return 0;
}

const struct import_reader import_json = {json_feed, json_start, json_end};
