/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/import.h"

#include <stdlib.h>
#include <strings.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

const char *const pn_import_format_name[PN_IMPORT_FORMATS] = {"csv", "json", "xml"};
static const struct import_reader *const readers[PN_IMPORT_FORMATS] = {&import_csv, &import_json, &import_xml};

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
