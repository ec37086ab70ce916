/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of entries, read piece by piece in bounded memory.
 *
 *   csv   a first line that names the columns: list, value, field, owner, description, text (any order, most may be
 *         missing; separated by comma, semicolon or tab; RFC 4180 quotes). Without such a line: one value a line, '#' begins
 *         a comment, and the list is the default one.
 *   json  objects with those names, in an array or one a line.
 *   xml   <row entry="" description="" type=""/> as GFI MailEssentials exports lists (type 0 MIME to, 1 MIME from, 2 SMTP to,
 *         3 SMTP from, 4 both recipients, 5 both senders), and list="" owner="" field="" as we write them. Whatever the
 *         namespace. A DOCTYPE is refused: there is nothing to expand.
 *
 * What is wrong with one entry is told with its line, and reading goes on. Pure.
 */
#ifndef POSTERN_RULES_IMPORT_H
#define POSTERN_RULES_IMPORT_H

#include "controlplane/rules/record.h"

#define PN_IMPORT_FIELD_MAX 65536u /* bytes of one field, or of one JSON object */

enum pn_import_format { PN_IMPORT_CSV, PN_IMPORT_JSON, PN_IMPORT_XML, PN_IMPORT_FORMATS };
extern const char *const pn_import_format_name[PN_IMPORT_FORMATS];
int pn_import_format_by_name(const char *word); /* -1: none */
int pn_import_format_by_path(const char *path); /* by the end of its name; -1: no telling */

struct pn_import_row {
    uint64_t line;
    struct pn_rule_key key;
    const char *description;
    const char *body; /* NULL for lists */
};

struct pn_import_sink {
    void *arg;
    int (*row)(void *arg, const struct pn_import_row *row); /* not 0: stop */
    void (*error)(void *arg, uint64_t line, const char *text);
};

struct pn_importer;
/* kind, owner: of entries that do not say; kind may be NULL. */
struct pn_importer *pn_importer_new(enum pn_import_format format, const struct pn_kind *kind, const char *owner,
                                    const struct pn_import_sink *sink);
/* 0; 1: the sink stopped it; -1: the file cannot be read on, err says where and why. last: nothing follows. */
int pn_importer_feed(struct pn_importer *importer, const char *data, size_t len, bool last, struct pn_error *err);
void pn_importer_free(struct pn_importer *importer);

#endif
