/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/diff.h"

#include <stdlib.h>

#include "controlplane/conf/canon.h"
#include "controlplane/conf/report.h"

struct diff {
    const struct pn_conf *was, *now;
    struct pn_conf_diff *out;
    char path[sizeof(((struct pn_conf_change *)0)->object)];
    bool failed; /* out of memory */
};

static struct pn_conf_change *diff_add(struct diff *d, enum pn_change_kind kind, bool restart, const char *key)
{
    unsigned n = d->out->n_changes;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        struct pn_conf_change *grown = realloc(d->out->changes, (n ? 2 * n : 1) * sizeof(*grown));
        if (!grown) {
            d->failed = true;
            return NULL;
        }
        d->out->changes = grown;
    }
    struct pn_conf_change *change = &d->out->changes[d->out->n_changes++];
    *change = (struct pn_conf_change){.kind = kind, .restart = restart, .key = key};
    snprintf(change->object, sizeof(change->object), "%s", d->path);
    d->out->restart |= restart;
    return change;
}

static void diff_row(struct diff *d, const struct pn_schema_row *row, const void *was, const void *now)
{
    char *a = pn_canon_value(d->was, row, was), *b = pn_canon_value(d->now, row, now);
    struct pn_conf_change *change = NULL;
    if (!a || !b)
        d->failed = true;
    else if (strcmp(a, b) != 0)
        change = diff_add(d, PN_CHANGE_CHANGED, row->flags & PN_ROW_RESTART, row->key);
    if (change) {
        change->was = a;
        change->now = b;
    } else {
        free(a);
        free(b);
    }
}

static const void *diff_named(const struct pn_schema_section *section, const void *parent, const char *name)
{
    unsigned n = pn_schema_count(section, parent);
    for (unsigned i = 0; i < n; i++) {
        const void *object = pn_schema_object(section, parent, i);
        if (strcmp(object, name) == 0)
            return object;
    }
    return NULL;
}

/* Tiers and ports: objects that both have, in another order. */
static bool diff_reordered(const struct pn_schema_section *section, const void *was, const void *now)
{
    unsigned a = 0, b = 0, na = pn_schema_count(section, was), nb = pn_schema_count(section, now);
    for (;;) {
        while (a < na && !diff_named(section, now, pn_schema_object(section, was, a)))
            a++;
        while (b < nb && !diff_named(section, was, pn_schema_object(section, now, b)))
            b++;
        if (a == na || b == nb)
            return false;
        if (strcmp(pn_schema_object(section, was, a++), pn_schema_object(section, now, b++)) != 0)
            return true;
    }
}

static char *diff_names(const struct pn_schema_section *section, const void *parent)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    for (unsigned i = 0; i < pn_schema_count(section, parent); i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "[", (const char *)pn_schema_object(section, parent, i));
    fputc(']', out);
    return fclose(out) == 0 ? text : NULL;
}

static void diff_order(struct diff *d, const struct pn_schema_section *section, const void *was, const void *now)
{
    if (!section->ordered || !diff_reordered(section, was, now))
        return;
    struct pn_conf_change *change = diff_add(d, PN_CHANGE_CHANGED, section->restart, section->key);
    if (change && (!(change->was = diff_names(section, was)) || !(change->now = diff_names(section, now))))
        d->failed = true;
}

static void diff_section(struct diff *d, enum pn_schema_id id, const void *was, const void *now);

static void diff_titled(struct diff *d, enum pn_schema_id id, const void *was, const void *now)
{
    const struct pn_schema_section *section = &pn_schema_sections[id];
    unsigned order[PN_MAX_SERVICES], n = pn_canon_order(section, was, order);
    for (unsigned i = 0; i < n; i++) {
        const char *object = pn_schema_object(section, was, order[i]);
        const void *other = diff_named(section, now, object);
        size_t cut = pn_report_path_add(d->path, sizeof(d->path), section->key);
        pn_report_path_add(d->path, sizeof(d->path), object);
        if (other)
            diff_section(d, id, object, other);
        else
            diff_add(d, PN_CHANGE_REMOVED, section->restart, "");
        d->path[cut] = '\0';
    }
    n = pn_canon_order(section, now, order);
    for (unsigned i = 0; i < n; i++) {
        const char *object = pn_schema_object(section, now, order[i]);
        size_t cut = pn_report_path_add(d->path, sizeof(d->path), section->key);
        pn_report_path_add(d->path, sizeof(d->path), object);
        if (!diff_named(section, was, object))
            diff_add(d, PN_CHANGE_ADDED, section->restart, "");
        d->path[cut] = '\0';
    }
    diff_order(d, section, was, now);
}

static void diff_section(struct diff *d, enum pn_schema_id id, const void *was, const void *now)
{
    for (unsigned i = 0; i < pn_schema_n_rows; i++)
        if (pn_schema_rows[i].section == id)
            diff_row(d, &pn_schema_rows[i], was, now);
    for (unsigned s = 0; s < PN_SEC_COUNT; s++) {
        const struct pn_schema_section *section = &pn_schema_sections[s];
        if (section->parent != id)
            continue;
        if (section->shape != PN_SHAPE_SINGLE) {
            diff_titled(d, (enum pn_schema_id)s, was, now);
            continue;
        }
        size_t cut = pn_report_path_add(d->path, sizeof(d->path), section->key);
        diff_section(d, (enum pn_schema_id)s, was, now);
        d->path[cut] = '\0';
    }
}

struct pn_conf_diff *pn_conf_diff_new(const struct pn_conf *was, const struct pn_conf *now)
{
    struct diff d = {.was = was, .now = now, .out = calloc(1, sizeof(*d.out))};
    if (!d.out)
        return NULL;
    diff_section(&d, PN_SEC_ROOT, was, now);
    if (d.failed) {
        pn_conf_diff_free(d.out);
        return NULL;
    }
    return d.out;
}

void pn_conf_diff_free(struct pn_conf_diff *diff)
{
    if (!diff)
        return;
    for (unsigned i = 0; i < diff->n_changes; i++) {
        free(diff->changes[i].was);
        free(diff->changes[i].now);
    }
    free(diff->changes);
    free(diff);
}

void pn_conf_diff_print(const struct pn_conf_diff *diff, FILE *out)
{
    for (unsigned i = 0; i < diff->n_changes; i++) {
        const struct pn_conf_change *c = &diff->changes[i];
        if (c->kind != PN_CHANGE_CHANGED)
            fprintf(out, "%c %s%s\n", c->kind == PN_CHANGE_ADDED ? '+' : '-', c->object,
                    c->restart ? "  (restart postern-dp)" : "");
        else
            fprintf(out, "~ %s.%s: %s -> %s%s\n", c->object, c->key, *c->was ? c->was : "(not set)",
                    *c->now ? c->now : "(not set)", c->restart ? "  (restart postern-dp)" : "");
    }
    if (diff->n_changes == 0)
        fputs("No difference.\n", out);
    else if (diff->restart)
        fputs("Some changes need a restart of postern-dp, the others are applied by a reload.\n", out);
    else
        fputs("All changes are applied by a reload.\n", out);
}

json_t *pn_conf_diff_json(const struct pn_conf_diff *diff)
{
    static const char *const kinds[] = {"added", "removed", "changed"};
    json_t *changes = json_array();
    for (unsigned i = 0; i < diff->n_changes; i++) {
        const struct pn_conf_change *c = &diff->changes[i];
        json_t *row = json_pack("{s:s, s:s, s:s, s:b}", "kind", kinds[c->kind], "object", c->object, "key", c->key,
                                "restart", c->restart);
        if (c->kind == PN_CHANGE_CHANGED && row) {
            json_object_set_new(row, "was", json_string(c->was));
            json_object_set_new(row, "now", json_string(c->now));
        }
        if (!row || json_array_append_new(changes, row) != 0) {
            json_decref(changes);
            return NULL;
        }
    }
    return json_pack("{s:o, s:b}", "changes", changes, "restart", diff->restart);
}
