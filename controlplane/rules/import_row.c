/* SPDX-License-Identifier: BSD-3-Clause */
/* One row of an import, whatever the format: which column is what, and the entries that it stands for. */
#include <string.h>
#include <strings.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

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
