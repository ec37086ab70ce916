/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_RULES_IMPORT_INTERNAL_H
#define POSTERN_RULES_IMPORT_INTERNAL_H

#include "controlplane/rules/import.h"

enum import_column {
    COLUMN_LIST,
    COLUMN_VALUE,
    COLUMN_FIELD,
    COLUMN_OWNER,
    COLUMN_DESCRIPTION,
    COLUMN_TEXT,
    COLUMN_TYPE, /* GFI's number for the field */
    COLUMNS
};

struct import_reader {
    int (*feed)(struct pn_importer *i, const char *data, size_t len, bool last, struct pn_error *err);
    int (*start)(struct pn_importer *i);
    void (*end)(struct pn_importer *i);
};
extern const struct import_reader import_csv, import_json, import_xml;

struct pn_importer {
    const struct import_reader *reader;
    const struct pn_kind *kind;
    const char *owner;
    struct pn_import_sink sink;
    uint64_t line;
    bool stopped;
    void *state; /* the reader's own */
    char *text; /* [PN_IMPORT_FIELD_MAX + 1] what the reader gathers */
    size_t len;
};

/* Column of that name, or -1. */
int import_column(const char *name, size_t len);
/* One entry; NULL: not given. Calls the sink. Returns 1 when that wants no more. */
int import_row(struct pn_importer *i, uint64_t line, const char *const columns[COLUMNS]);

#endif
