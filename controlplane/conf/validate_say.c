/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings of the validate_*.c files, at the place where the object and the key were written. */
#include "controlplane/conf/validate.h"

#include <stdarg.h>
#include <stdio.h>

/* The section that was written at where, by its name. Depth is bounded by PN_UCL_MAX_DEPTH. */
static const struct pn_ucl_node *validate_find(const struct pn_validate *v, const struct pn_ucl_node *node)
{
    for (const struct pn_ucl_node *n = node->first; n; n = n->next) {
        if (n->type == PN_UCL_OBJECT && n->key && n->line == v->where.line && strcmp(n->key, v->name) == 0 &&
            strcmp(pn_ucl_file(v->doc, n->file), v->where.file) == 0)
            return n;
        const struct pn_ucl_node *below = n->type == PN_UCL_OBJECT ? validate_find(v, n) : NULL;
        if (below)
            return below;
    }
    return NULL;
}

/* Follows "spill.hold-up" as far as it was written. */
static const struct pn_ucl_node *validate_follow(const struct pn_ucl_node *node, const char *key)
{
    while (node && *key) {
        size_t len = strcspn(key, ".");
        const struct pn_ucl_node *child = node->type == PN_UCL_OBJECT ? node->first : NULL;
        while (child && (strlen(child->key) != len || strncmp(child->key, key, len) != 0))
            child = child->next;
        if (!child)
            return node;
        node = child;
        key += len + (key[len] == '.');
    }
    return node;
}

void pn_validate_at(struct pn_validate *v, const struct pn_conf_where *where, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(v->path, sizeof(v->path), format, args);
    va_end(args);
    v->where = *where;
    v->name = name;
}

static void validate_add(struct pn_validate *v, struct pn_report *report, const char *key, const char *text)
{
    if (report->n >= report->max) {
        report->n++; /* counted only: the search below has its price */
        return;
    }
    const struct pn_ucl_node *root = pn_ucl_root(v->doc);
    const struct pn_ucl_node *node = validate_follow(v->where.file ? validate_find(v, root) : root, key);
    if (node == root)
        node = NULL; /* nothing of it was written */
    char path[256];
    snprintf(path, sizeof(path), "%s%s%s", v->path, *v->path && *key ? "." : "", key);
    if (node)
        pn_report_add(report, pn_ucl_file(v->doc, node->file), node->line, node->column, path, "%s", text);
    else
        pn_report_add(report, v->where.file ? v->where.file : pn_ucl_file(v->doc, 0), v->where.line, 0, path, "%s",
                      text);
}

void pn_validate_error(struct pn_validate *v, const char *key, const char *format, ...)
{
    char text[PN_CONF_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    validate_add(v, v->errors, key, text);
}

void pn_validate_warning(struct pn_validate *v, const char *key, const char *format, ...)
{
    char text[PN_CONF_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    validate_add(v, v->warnings, key, text);
}
