/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/export.h"

#define GROUP 5000

struct group_row {
    struct pn_rule_key key;
    char description[PN_RULE_DESCRIPTION_BYTES];
    char *body;
};

struct load {
    struct pn_rules *rules; /* NULL: only checked */
    const struct pn_import_options *options;
    struct pn_import_result *result;
    struct pn_error *err;
    struct group_row *rows; /* [GROUP] */
    struct pn_rules_change *changes; /* [GROUP] */
    unsigned n;
    uint64_t bytes, last_line;
    bool failed;
};

static int flush(struct load *l)
{
    struct pn_rules_result r = {0};
    int rc = 0;

    if (l->n && l->rules)
        rc = pn_rules_change(l->rules, l->changes, l->n, &r, l->err);
    for (unsigned i = 0; i < l->n; i++) {
        free(l->rows[i].body);
        l->rows[i].body = NULL;
    }
    if (rc == 0) {
        l->result->added += r.added;
        l->result->changed += r.changed;
        l->result->unchanged += r.unchanged;
    }
    l->n = 0;
    if (l->options->progress)
        l->options->progress(l->options->arg, l->bytes, l->result->rows);
    return rc;
}

static int take_row(void *arg, const struct pn_import_row *row)
{
    struct load *l = arg;
    struct group_row *g = &l->rows[l->n];

    l->result->rows++;
    g->key = row->key;
    snprintf(g->description, sizeof(g->description), "%s", row->description ? row->description : "");
    g->body = row->body && row->body[0] ? strdup(row->body) : NULL;
    l->changes[l->n] = (struct pn_rules_change){.key = &g->key,
                                                .keep = true,
                                                .description = row->description ? g->description : NULL,
                                                .body = g->body,
                                                .body_len = g->body ? strlen(g->body) : 0};
    l->last_line = row->line;
    if (++l->n < GROUP)
        return 0;
    l->failed = flush(l) != 0;
    return l->failed;
}

static void take_error(void *arg, uint64_t line, const char *text)
{
    struct load *l = arg;

    l->result->rows++;
    if (l->result->bad++ < PN_IMPORT_ERRORS_SHOWN && l->options->error)
        l->options->error(l->options->arg, line, text);
}

static int pass(struct load *l, FILE *file)
{
    const struct pn_import_sink sink = {.arg = l, .row = take_row, .error = take_error};
    struct pn_importer *importer = pn_importer_new(l->options->format, l->options->kind, l->options->owner, &sink);
    char data[65536];
    int rc = importer ? 0 : pn_error_set(l->err, "no memory");

    while (rc == 0) {
        size_t n = fread(data, 1, sizeof(data), file);
        if (n < sizeof(data) && ferror(file)) {
            rc = pn_error_set(l->err, "reading: %s", strerror(errno));
            break;
        }
        l->bytes += n;
        rc = pn_importer_feed(importer, data, n, n < sizeof(data), l->err);
        if (n < sizeof(data))
            break;
    }
    pn_importer_free(importer);
    if (rc == 0 && !l->failed)
        rc = flush(l);
    l->rules = NULL;
    flush(l); /* bodies of a group that was not written */
    return rc == 0 && !l->failed ? 0 : -1;
}

int pn_rules_import(struct pn_rules *rules, FILE *file, const struct pn_import_options *options,
                    struct pn_import_result *result, struct pn_error *err)
{
    struct pn_import_result checked = {0};
    struct pn_import_options quiet = *options;
    struct load l = {.options = options, .result = &checked, .err = err};
    bool again = !options->dry_run && fseek(file, 0, SEEK_CUR) == 0;
    int rc = 0;

    memset(result, 0, sizeof(*result));
    l.rows = calloc(GROUP, sizeof(*l.rows));
    l.changes = calloc(GROUP, sizeof(*l.changes));
    if (l.rows == NULL || l.changes == NULL) {
        rc = pn_error_set(err, "no memory");
    } else if (options->dry_run || again) {
        rc = pass(&l, file);
        if (rc == 0 && checked.bad && !options->skip_bad && !options->dry_run)
            rc = pn_error_set(err, "%llu of %llu entries are wrong; nothing was imported",
                              (unsigned long long)checked.bad, (unsigned long long)checked.rows);
        *result = checked;
        quiet.error = NULL; /* they have been told */
    }
    if (rc == 0 && !options->dry_run) {
        if (again && fseek(file, 0, SEEK_SET) != 0)
            rc = pn_error_set(err, "reading again: %s", strerror(errno));
        memset(result, 0, sizeof(*result));
        struct load second = {
            .rules = rules, .options = &quiet, .result = result, .err = err, .rows = l.rows, .changes = l.changes};
        if (rc == 0)
            rc = pass(&second, file);
        if (rc != 0 && result->added + result->changed) {
            struct pn_error why = *err;
            pn_error_set(err, "up to %llu entries were added before: %.180s",
                         (unsigned long long)(result->added + result->changed), why.text);
        }
    }
    free(l.rows);
    free(l.changes);
    return rc;
}
