/* SPDX-License-Identifier: BSD-3-Clause */
/* Files in and out of the store. */
#ifndef POSTERN_RULES_EXPORT_H
#define POSTERN_RULES_EXPORT_H

#include <stdio.h>

#include "controlplane/rules/import.h"
#include "controlplane/rules/rules.h"

#define PN_IMPORT_ERRORS_SHOWN 100

struct pn_import_options {
    enum pn_import_format format;
    const struct pn_kind *kind; /* of entries that do not say; NULL: they must */
    const char *owner;
    bool dry_run; /* reads and checks only */
    bool skip_bad; /* takes the good entries of a file with bad ones; otherwise such a file changes nothing */
    void *arg;
    void (*progress)(void *arg, uint64_t bytes, uint64_t rows); /* NULL: none; every few thousand rows */
    void (*error)(void *arg, uint64_t line, const char *text); /* the first PN_IMPORT_ERRORS_SHOWN */
};
struct pn_import_result {
    uint64_t rows, bad; /* read; of them not taken */
    uint64_t added, changed, unchanged;
};

/*
 * Reads twice when it can seek: first to find what is wrong, then to add, some thousand entries a transaction. An error
 * in between (a full disk) leaves whole groups added; the same file again goes on from there. An entry that is there with
 * the same description is left alone, so a feed can be imported every day.
 */
int pn_rules_import(struct pn_rules *rules, FILE *file, const struct pn_import_options *options,
                    struct pn_import_result *result, struct pn_error *err);

/* A file, row by row. */
struct pn_export {
    enum pn_import_format format;
    FILE *file;
    uint64_t rows;
    bool failed;
};
void pn_export_begin(struct pn_export *e, enum pn_import_format format, FILE *file);
/* Rules of kinds that are not known here are passed over. 0; else the file cannot be written on. */
int pn_export_row(struct pn_export *e, const struct pn_rule *rule);
int pn_export_end(struct pn_export *e); /* -1: something was not written, see errno */
/* Writes what the query selects. Returns the entries written, or -1. */
long pn_rules_export(struct pn_rules *rules, const struct pn_rules_query *query, enum pn_import_format format,
                     FILE *file, struct pn_error *err);

#endif
