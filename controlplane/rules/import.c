/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

const char *const pn_import_format_name[PN_IMPORT_FORMATS] = {"csv", "json", "xml"};
static const struct import_reader *const readers[PN_IMPORT_FORMATS] = {&import_csv, &import_json, &import_xml};

static const struct {
    const char *name;
    enum import_column column;
} names[] = {
    {"list", COLUMN_LIST},           {"kind", COLUMN_LIST},
    {"value", COLUMN_VALUE},         {"entry", COLUMN_VALUE},
    {"address", COLUMN_VALUE},       {"email", COLUMN_VALUE},
    {"domain", COLUMN_VALUE},        {"ip", COLUMN_VALUE},
    {"name", COLUMN_VALUE},          {"field", COLUMN_FIELD},
    {"owner", COLUMN_OWNER},         {"user", COLUMN_OWNER},
    {"recipient", COLUMN_OWNER},     {"description", COLUMN_DESCRIPTION},
    {"comment", COLUMN_DESCRIPTION}, {"note", COLUMN_DESCRIPTION},
    {"text", COLUMN_TEXT},           {"body", COLUMN_TEXT},
    {"type", COLUMN_TYPE},
};

int pn_import_format_by_name(const char *word)
{
    for (int f = 0; f < PN_IMPORT_FORMATS; f++)
        if (strcasecmp(word, pn_import_format_name[f]) == 0)
            return f;
    return -1;
}

int pn_import_format_by_path(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot && (strcasecmp(dot, ".txt") == 0 || strcasecmp(dot, ".list") == 0 || strcasecmp(dot, ".tsv") == 0))
        return PN_IMPORT_CSV;
    if (dot && (strcasecmp(dot, ".jsonl") == 0 || strcasecmp(dot, ".ndjson") == 0))
        return PN_IMPORT_JSON;
    return dot ? pn_import_format_by_name(dot + 1) : -1;
}

int import_column(const char *name, size_t len)
{
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0)
            return names[i].column;
    return -1;
}

/* GFI's type: the fields it stands for, one or two. */
static unsigned fields_of_type(const char *type, const char *fields[2])
{
    static const char *const table[6][2] = {{"mime-recipient", NULL},
                                            {"mime-sender", NULL},
                                            {"smtp-recipient", NULL},
                                            {"smtp-sender", NULL},
                                            {"smtp-recipient", "mime-recipient"},
                                            {"smtp-sender", "mime-sender"}};

    if (type[0] < '0' || type[0] > '5' || type[1] != '\0')
        return 0;
    fields[0] = table[type[0] - '0'][0];
    fields[1] = table[type[0] - '0'][1];
    return fields[1] ? 2 : 1;
}

static int row_error(struct pn_importer *i, uint64_t line, const char *text)
{
    if (i->sink.error)
        i->sink.error(i->sink.arg, line, text);
    return 0;
}

int import_row(struct pn_importer *i, uint64_t line, const char *const columns[COLUMNS])
{
    const struct pn_kind *kind = i->kind;
    const char *fields[2] = {columns[COLUMN_FIELD], NULL}, *owner = columns[COLUMN_OWNER];
    struct pn_import_row row = {.line = line, .description = columns[COLUMN_DESCRIPTION], .body = columns[COLUMN_TEXT]};
    struct pn_error err;
    unsigned n_fields = 1;
    char description[PN_RULE_DESCRIPTION_BYTES];
    size_t n;

    if (columns[COLUMN_LIST] && columns[COLUMN_LIST][0])
        kind = pn_kind_by_name(columns[COLUMN_LIST]);
    if (kind == NULL) {
        pn_error_set(&err, columns[COLUMN_LIST] ? "there is no list \"%.64s\"" : "it says no list%.0s",
                     columns[COLUMN_LIST] ? columns[COLUMN_LIST] : "");
        return row_error(i, line, err.text);
    }
    if (columns[COLUMN_VALUE] == NULL)
        return row_error(i, line, "it has no value");
    if (fields[0] == NULL && columns[COLUMN_TYPE] && columns[COLUMN_TYPE][0] && kind->field != PN_FIELD_NONE)
        n_fields = fields_of_type(columns[COLUMN_TYPE], fields);
    if (n_fields == 0) {
        pn_error_set(&err, "\"%.16s\" is no type: 0 to 5", columns[COLUMN_TYPE]);
        return row_error(i, line, err.text);
    }
    if (kind->personal && (owner == NULL || *owner == '\0'))
        owner = i->owner;
    if (row.description && strlen(row.description) >= PN_RULE_DESCRIPTION_BYTES)
        return row_error(i, line, "the description is longer than 255 octets");
    if (row.description) { /* one line, whatever it was */
        for (n = 0; row.description[n]; n++)
            description[n] = strchr("\r\n\t", row.description[n]) ? ' ' : row.description[n];
        description[n] = '\0';
        row.description = description;
        if (!pn_rule_text_ok(description, false))
            return row_error(i, line, "the description is not clean UTF-8");
    }
    if (row.body && kind->shape == PN_SHAPE_LIST)
        row.body = NULL;
    if (row.body && !pn_rule_text_ok(row.body, true))
        return row_error(i, line, "the text is not clean UTF-8");
    for (unsigned f = 0; f < n_fields; f++) {
        if (pn_rule_key_make(&row.key, kind, owner, columns[COLUMN_VALUE], fields[f], &err) != 0)
            return row_error(i, line, err.text);
        if (i->sink.row && i->sink.row(i->sink.arg, &row) != 0) {
            i->stopped = true;
            return 1;
        }
        if (row.key.field == PN_FIELD_NONE)
            break; /* an IP address: one entry, whatever the fields */
    }
    return 0;
}

struct pn_importer *pn_importer_new(enum pn_import_format format, const struct pn_kind *kind, const char *owner,
                                    const struct pn_import_sink *sink)
{
    struct pn_importer *i = calloc(1, sizeof(*i));

    if (i == NULL)
        return NULL;
    i->reader = readers[format];
    i->kind = kind;
    i->owner = owner;
    i->sink = *sink;
    i->line = 1;
    i->text = malloc(PN_IMPORT_FIELD_MAX + 1);
    if (i->text == NULL || i->reader->start(i) != 0) {
        pn_importer_free(i);
        return NULL;
    }
    return i;
}

int pn_importer_feed(struct pn_importer *i, const char *data, size_t len, bool last, struct pn_error *err)
{
    int rc = i->stopped ? 1 : i->reader->feed(i, data, len, last, err);
    return i->stopped ? 1 : rc;
}

void pn_importer_free(struct pn_importer *i)
{
    if (i == NULL)
        return;
    if (i->state)
        i->reader->end(i);
    free(i->text);
    free(i);
}
