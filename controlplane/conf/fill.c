/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/conf/load.h"
#include "controlplane/conf/schema.h"
#include "controlplane/conf/value.h"

struct fill {
    struct pn_conf *conf;
    const struct pn_ucl_doc *doc;
    struct pn_report *errors;
    char path[256]; /* of the object being filled: "pool.mx.tier.primary" */
};

static const char *fill_file(const struct fill *f, const struct pn_ucl_node *node)
{
    return f->conf->n_files > node->file ? f->conf->files[node->file] : "";
}

#define FILL_ERROR(f, node, ...)                                                                                       \
    pn_report_add((f)->errors, fill_file(f, node), (node)->line, (node)->column, (f)->path, __VA_ARGS__)

/* Room for one more: else it is only counted, and what is near need not be looked for. */
static bool fill_tells(const struct fill *f)
{
    return f->errors->n < f->errors->max;
}

static const char *fill_no_such(const struct fill *f, enum pn_schema_id target, const char *name, char *buf,
                                size_t size)
{
    return fill_tells(f) ? pn_schema_no_such(target, f->conf, name, buf, size) : "";
}

static const struct pn_ucl_node *fill_child(const struct pn_ucl_node *parent, const char *key)
{
    const struct pn_ucl_node *node = parent ? parent->first : NULL;
    while (node && strcmp(node->key, key) != 0)
        node = node->next;
    return node;
}

static const struct pn_ucl_node *fill_again(const struct pn_ucl_node *node)
{
    const struct pn_ucl_node *next = node->next;
    while (next && strcmp(next->key, node->key) != 0)
        next = next->next;
    return next;
}

static const char *fill_kind(const struct pn_ucl_node *node)
{
    return node->type == PN_UCL_OBJECT ? "a section" : node->type == PN_UCL_ARRAY ? "a list" : "a value";
}

/* Position of the named object, or -1 and an error that lists what is near. */
static int fill_lookup(struct fill *f, enum pn_schema_id target, const struct pn_ucl_node *node)
{
    const struct pn_schema_section *section = &pn_schema_sections[target];
    char quoted[64], hint[160];
    if (node->type != PN_UCL_SCALAR) {
        FILL_ERROR(f, node, "found %s, expected the name of a %s", fill_kind(node), section->key);
        return -1;
    }
    unsigned n = pn_schema_count(section, f->conf);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(pn_schema_object(section, f->conf, i), node->text) == 0)
            return (int)i;
    FILL_ERROR(f, node, "found %s, expected the name of a %s: %s", pn_value_quote(node->text, quoted, sizeof(quoted)),
               section->key, fill_no_such(f, target, node->text, hint, sizeof(hint)));
    return -1;
}

static void fill_ref_add(struct fill *f, const struct pn_schema_row *row, void *object, const struct pn_ucl_node *node)
{
    uint16_t *list = (uint16_t *)((char *)object + row->offset);
    unsigned *count = (unsigned *)((char *)object + row->count_offset);
    int at = fill_lookup(f, row->target, node);
    if (at < 0)
        return;
    for (unsigned i = 0; i < *count; i++) {
        if (list[i] == at) {
            FILL_ERROR(f, node, "\"%s\" is listed twice", node->text);
            return;
        }
    }
    if (*count == (unsigned)row->max) {
        FILL_ERROR(f, node, "more than %.0f entries", row->max);
        return;
    }
    list[(*count)++] = (uint16_t)at;
}

/* One name, a list of names, or the key repeated with either. */
static void fill_refs(struct fill *f, const struct pn_schema_row *row, void *object, const struct pn_ucl_node *node)
{
    const struct pn_ucl_node *first = node;
    unsigned found = f->errors->n;
    for (; node; node = fill_again(node)) {
        if (node->type != PN_UCL_ARRAY) {
            fill_ref_add(f, row, object, node);
            continue;
        }
        for (const struct pn_ucl_node *e = node->first; e; e = e->next)
            fill_ref_add(f, row, object, e);
    }
    if (found == f->errors->n && *(unsigned *)((char *)object + row->count_offset) < (unsigned)row->min)
        FILL_ERROR(f, first, "found an empty list, expected at least %.0f name", row->min);
}

static void fill_network_add(struct fill *f, const struct pn_schema_row *row, void *object,
                             const struct pn_ucl_node *node)
{
    struct pn_prefix *list = (struct pn_prefix *)((char *)object + row->offset), prefix;
    unsigned *count = (unsigned *)((char *)object + row->count_offset);
    struct pn_error err;
    if (node->type != PN_UCL_SCALAR) {
        FILL_ERROR(f, node, "found %s, expected a network: ADDRESS/LENGTH or ADDRESS", fill_kind(node));
    } else if (pn_prefix_parse(node->text, &prefix, &err) != 0) {
        char quoted[64];
        pn_value_quote(node->text, quoted, sizeof(quoted));
        const char *hint = strstr(err.text, "did you mean");
        FILL_ERROR(f, node, "found %s, expected a network: ADDRESS/LENGTH or ADDRESS%s%s", quoted, hint ? "; " : "",
                   hint ? hint : "");
    } else if (*count == (unsigned)row->max) {
        FILL_ERROR(f, node, "more than %.0f entries", row->max);
    } else {
        list[(*count)++] = prefix;
    }
}

/* One network, a list of them, or the key repeated with either. */
static void fill_networks(struct fill *f, const struct pn_schema_row *row, void *object, const struct pn_ucl_node *node)
{
    for (; node; node = fill_again(node)) {
        if (node->type != PN_UCL_ARRAY) {
            fill_network_add(f, row, object, node);
            continue;
        }
        for (const struct pn_ucl_node *e = node->first; e; e = e->next)
            fill_network_add(f, row, object, e);
    }
}

static void fill_priorities(struct fill *f, const struct pn_schema_row *row, void *object,
                            const struct pn_ucl_node *node)
{
    uint16_t *field = (uint16_t *)((char *)object + row->offset);
    bool seen[PN_MAX_NODES] = {0};
    if (node->type != PN_UCL_OBJECT) {
        FILL_ERROR(f, node, "found %s, expected a section: priority { NODE = NUMBER; ... }", fill_kind(node));
        return;
    }
    *(bool *)((char *)object + row->count_offset) = true;
    for (const struct pn_ucl_node *e = node->first; e; e = e->next) {
        char quoted[64], hint[160];
        size_t cut = pn_report_path_add(f->path, sizeof(f->path), e->key);
        struct pn_error err;
        unsigned i = 0;
        while (i < f->conf->n_nodes && strcmp(f->conf->nodes[i].name, e->key) != 0)
            i++;
        if (i == f->conf->n_nodes)
            FILL_ERROR(f, e, "found %s, expected the name of a node: %s",
                       pn_value_quote(e->key, quoted, sizeof(quoted)),
                       fill_no_such(f, PN_SEC_NODE, e->key, hint, sizeof(hint)));
        else if (e->type != PN_UCL_SCALAR)
            FILL_ERROR(f, e, "found %s, expected a whole number from %.0f to %.0f", fill_kind(e), row->min, row->max);
        else if (seen[i])
            FILL_ERROR(f, e, "given twice");
        else if (pn_value_parse_priority(row, e->text, &field[i], &err) != 0)
            FILL_ERROR(f, e, "%s", err.text);
        else
            seen[i] = true;
        f->path[cut] = '\0';
    }
}

static void fill_default(const struct pn_schema_row *row, void *field)
{
    const double unset = -1;
    if (row->flags & PN_ROW_UNSET_MINUS_1)
        memcpy(field, &unset, sizeof(unset));
    else if (row->def)
        pn_value_parse(row, row->def, field, NULL); /* a test parses every default */
}

/* body: the object's section as written, NULL when it is left out; at: where to report what is missing. */
static void fill_row(struct fill *f, const struct pn_schema_row *row, void *object, const struct pn_ucl_node *body,
                     const struct pn_ucl_node *at)
{
    void *field = (char *)object + row->offset;
    const struct pn_ucl_node *node = fill_child(body, row->key);
    size_t cut = pn_report_path_add(f->path, sizeof(f->path), row->key);
    char expected[PN_CONF_TEXT_BYTES];
    struct pn_error err;
    fill_default(row, field);
    if (!node) {
        if (row->flags & PN_ROW_REQUIRED)
            FILL_ERROR(f, at, "missing, expected %s", pn_value_expected(row, expected, sizeof(expected)));
    } else if (row->type == PN_T_REFS) {
        fill_refs(f, row, object, node);
    } else if (row->type == PN_T_NETWORKS) {
        fill_networks(f, row, object, node);
    } else {
        const struct pn_ucl_node *again = fill_again(node);
        if (again)
            FILL_ERROR(f, again, "given twice, first at %s:%u", fill_file(f, node), node->line);
        if (row->type == PN_T_PRIORITIES) {
            fill_priorities(f, row, object, node);
        } else if (row->type == PN_T_REF) {
            int position = fill_lookup(f, row->target, node);
            uint16_t value = position < 0 ? PN_ID_NONE : (uint16_t)position;
            memcpy(field, &value, sizeof(value));
        } else if (node->type != PN_UCL_SCALAR) {
            FILL_ERROR(f, node, "found %s, expected %s", fill_kind(node),
                       pn_value_expected(row, expected, sizeof(expected)));
        } else if (pn_value_parse(row, node->text, field, &err) != 0) {
            FILL_ERROR(f, node, "%s", err.text);
        }
    }
    f->path[cut] = '\0';
}

static void fill_unknown(struct fill *f, enum pn_schema_id section, const struct pn_ucl_node *body)
{
    for (const struct pn_ucl_node *node = body ? body->first : NULL; node; node = node->next) {
        if (pn_schema_row_find(section, node->key) || pn_schema_section_find(section, node->key))
            continue;
        char elsewhere[120] = "";
        const char *near = fill_tells(f) ? pn_schema_nearest(section, node->key) : NULL;
        const char *here = section == PN_SEC_ROOT ? "at the top level" : pn_schema_sections[section].path;
        size_t cut = pn_report_path_add(f->path, sizeof(f->path), node->key);
        if (fill_tells(f))
            pn_schema_elsewhere(node->key, elsewhere, sizeof(elsewhere));
        size_t n = strlen(node->key);
        bool begun = near && strncmp(near, node->key, n) == 0 && near[n] == '-';
        if (elsewhere[0] && !begun) /* the right word in the wrong place */
            FILL_ERROR(f, node, "unknown key %s%s: it belongs to %s", section == PN_SEC_ROOT ? "" : "in section ", here,
                       elsewhere);
        else if (near)
            FILL_ERROR(f, node, "unknown key, did you mean \"%s\"?", near);
        else
            FILL_ERROR(f, node, "unknown key %s%s", section == PN_SEC_ROOT ? "" : "in section ", here);
        f->path[cut] = '\0';
    }
}

/* The next titled object of a section under body: `vip "a" {} vip "b" {}` and vip: {a: {}, b: {}} alike. */
struct fill_titles {
    const struct pn_ucl_node *group, *item;
};

static const struct pn_ucl_node *fill_title_next(struct fill_titles *t)
{
    while (t->group) {
        if (t->group->type == PN_UCL_OBJECT) { /* others are reported once, by fill_names */
            t->item = t->item ? t->item->next : t->group->first;
            if (t->item)
                return t->item;
        }
        t->group = fill_again(t->group);
    }
    return NULL;
}

static struct fill_titles fill_titles(const struct pn_ucl_node *body, const char *key)
{
    return (struct fill_titles){.group = fill_child(body, key)};
}

/* Objects of a section that have a usable name, made and named before any is filled, so that all may refer to all. */
static void fill_names(struct fill *f, const struct pn_schema_section *section, void *parent,
                       const struct pn_ucl_node *body)
{
    unsigned *count = (unsigned *)((char *)parent + section->count_offset);
    struct fill_titles t = fill_titles(body, section->key);
    unsigned n = 0;
    for (const struct pn_ucl_node *g = t.group; g; g = fill_again(g))
        if (g->type != PN_UCL_OBJECT)
            FILL_ERROR(f, g, "found %s, expected a section: %s \"NAME\" { ... }", fill_kind(g), section->key);
    while (fill_title_next(&t))
        n++;
    n = n > section->max ? section->max : n;
    if (section->shape == PN_SHAPE_LIST) {
        void *list = calloc(n ? n : 1, section->stride);
        if (!list) {
            pn_report_add(f->errors, "", 0, 0, section->key, "out of memory");
            return;
        }
        *(void **)((char *)parent + section->offset) = list;
    }
    t = fill_titles(body, section->key);
    for (const struct pn_ucl_node *node; (node = fill_title_next(&t));) {
        size_t cut = pn_report_path_add(f->path, sizeof(f->path), section->key);
        pn_report_path_add(f->path, sizeof(f->path), node->key);
        bool fits = true;
        for (unsigned i = 0; i < *count && fits; i++) {
            const char *name = pn_schema_object(section, parent, i);
            const struct pn_conf_where *where = (const void *)(name + section->where_offset);
            fits = strcmp(name, node->key) != 0;
            if (!fits)
                FILL_ERROR(f, node, "%s \"%s\" is given twice, first at %s:%u", section->key, name, where->file,
                           where->line);
        }
        if (fits && node->type != PN_UCL_OBJECT) {
            FILL_ERROR(f, node, "found %s, expected a section with a name: %s \"NAME\" { ... }", fill_kind(node),
                       section->key);
            fits = false;
        }
        if (fits && !pn_value_is_name(node->key)) {
            char quoted[64];
            FILL_ERROR(f, node, "found %s, expected a name of at most %d characters A-Z a-z 0-9 . _ -",
                       pn_value_quote(node->key, quoted, sizeof(quoted)), PN_NAME_BYTES - 1);
            fits = false;
        }
        if (fits && *count == section->max) {
            FILL_ERROR(f, node, "more than %u of these", section->max);
            f->path[cut] = '\0';
            return;
        }
        if (fits) {
            char *object = pn_schema_object(section, parent, (*count)++);
            memcpy(object, node->key, strlen(node->key) + 1);
            struct pn_conf_where *where = (void *)(object + section->where_offset);
            where->file = fill_file(f, node);
            where->line = node->line;
        }
        f->path[cut] = '\0';
    }
}

static const struct pn_ucl_node *fill_named_body(const struct pn_ucl_node *body,
                                                 const struct pn_schema_section *section, const char *name)
{
    struct fill_titles t = fill_titles(body, section->key);
    const struct pn_ucl_node *node;
    while ((node = fill_title_next(&t)) && (node->type != PN_UCL_OBJECT || strcmp(node->key, name) != 0))
        ;
    return node;
}

/* Depth is the schema's: at most three sections in each other. */
static void fill_section(struct fill *f, enum pn_schema_id id, void *object, const struct pn_ucl_node *body,
                         const struct pn_ucl_node *at)
{
    fill_unknown(f, id, body);
    for (unsigned i = 0; i < pn_schema_n_rows; i++)
        if (pn_schema_rows[i].section == id)
            fill_row(f, &pn_schema_rows[i], object, body, at);
    for (unsigned s = 0; s < PN_SEC_COUNT; s++) {
        const struct pn_schema_section *section = &pn_schema_sections[s];
        if (section->parent != id || section->shape == PN_SHAPE_SINGLE)
            continue;
        fill_names(f, section, object, body);
    }
    for (unsigned s = 0; s < PN_SEC_COUNT; s++) {
        const struct pn_schema_section *section = &pn_schema_sections[s];
        if (section->parent != id)
            continue;
        size_t cut = pn_report_path_add(f->path, sizeof(f->path), section->key);
        if (section->shape == PN_SHAPE_SINGLE) {
            const struct pn_ucl_node *node = fill_child(body, section->key);
            const struct pn_ucl_node *again = node ? fill_again(node) : NULL;
            if (again)
                FILL_ERROR(f, again, "given twice, first at %s:%u", fill_file(f, node), node->line);
            if (node && node->type != PN_UCL_OBJECT) {
                FILL_ERROR(f, node, "found %s, expected a section: %s { ... }", fill_kind(node), section->key);
                node = NULL;
            }
            fill_section(f, (enum pn_schema_id)s, object, node, node ? node : at);
        } else {
            for (unsigned i = 0; i < pn_schema_count(section, object); i++) {
                char *child = pn_schema_object(section, object, i);
                const struct pn_ucl_node *node = fill_named_body(body, section, child);
                size_t named = pn_report_path_add(f->path, sizeof(f->path), child);
                fill_section(f, (enum pn_schema_id)s, child, node, node ? node : at);
                f->path[named] = '\0';
            }
        }
        f->path[cut] = '\0';
    }
}

void pn_conf_fill(struct pn_conf *conf, const struct pn_ucl_doc *doc, struct pn_report *errors)
{
    struct fill f = {.conf = conf, .doc = doc, .errors = errors};
    fill_section(&f, PN_SEC_ROOT, conf, pn_ucl_root(doc), pn_ucl_root(doc));
}
