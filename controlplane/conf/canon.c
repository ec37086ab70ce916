/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/canon.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/conf/value.h"

#define CANON_MAX_OBJECTS 256 /* the largest section's max; a test compares */

static void canon_refs(FILE *out, const struct pn_conf *conf, const struct pn_schema_row *row, const void *object)
{
    const uint16_t *list = (const uint16_t *)((const char *)object + row->offset);
    unsigned n = *(const unsigned *)((const char *)object + row->count_offset);
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "[",
                (const char *)pn_schema_object(&pn_schema_sections[row->target], conf, list[i]));
    if (n > 0)
        fputc(']', out);
}

static void canon_networks(FILE *out, const struct pn_schema_row *row, const void *object)
{
    const struct pn_prefix *list = (const struct pn_prefix *)((const char *)object + row->offset);
    unsigned n = *(const unsigned *)((const char *)object + row->count_offset);
    char text[PN_PREFIX_TEXT_BYTES];
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "[", pn_prefix_format(&list[i], text, sizeof(text)));
    if (n > 0)
        fputc(']', out);
}

static int canon_node_compare(const void *a, const void *b)
{
    return strcmp((*(const struct pn_conf_node *const *)a)->name, (*(const struct pn_conf_node *const *)b)->name);
}

static void canon_priorities(FILE *out, const struct pn_conf *conf, const uint16_t *priority)
{
    const struct pn_conf_node *nodes[PN_MAX_NODES];
    for (unsigned i = 0; i < conf->n_nodes; i++)
        nodes[i] = &conf->nodes[i];
    qsort(nodes, conf->n_nodes, sizeof(nodes[0]), canon_node_compare);
    fputc('{', out);
    for (unsigned i = 0; i < conf->n_nodes; i++)
        fprintf(out, " \"%s\" = %u;", nodes[i]->name, priority[nodes[i] - conf->nodes]);
    fputs(" }", out);
}

char *pn_canon_value(const struct pn_conf *conf, const struct pn_schema_row *row, const void *object)
{
    const void *field = (const char *)object + row->offset;
    char buf[PN_VALUE_TEXT_BYTES];
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    if (row->type == PN_T_REFS)
        canon_refs(out, conf, row, object);
    else if (row->type == PN_T_NETWORKS)
        canon_networks(out, row, object);
    else if (row->type == PN_T_PRIORITIES)
        canon_priorities(out, conf, field);
    else if (row->type == PN_T_REF)
        fprintf(out, "\"%s\"",
                (const char *)pn_schema_object(&pn_schema_sections[row->target], conf, *(const uint16_t *)field));
    else
        fputs(pn_value_format(row, field, buf, sizeof(buf)), out);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

unsigned pn_canon_order(const struct pn_schema_section *section, const void *parent, unsigned *order)
{
    unsigned n = pn_schema_count(section, parent);
    for (unsigned i = 0; i < n; i++) {
        unsigned at = i; /* insertion: sections are small */
        const char *name = pn_schema_object(section, parent, i);
        while (!section->ordered && at > 0 && strcmp(pn_schema_object(section, parent, order[at - 1]), name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return n;
}

static bool canon_section(FILE *out, const struct pn_conf *conf, enum pn_schema_id id, const void *object,
                          unsigned depth)
{
    for (unsigned i = 0; i < pn_schema_n_rows; i++) {
        const struct pn_schema_row *row = &pn_schema_rows[i];
        if (row->section != id)
            continue;
        char *text = pn_canon_value(conf, row, object);
        if (!text)
            return false;
        if (*text)
            fprintf(out, "%*s%s %s%s;\n", (int)depth * 4, "", row->key, row->type == PN_T_PRIORITIES ? "" : "= ", text);
        free(text);
    }
    for (unsigned s = 0; s < PN_SEC_COUNT; s++) {
        const struct pn_schema_section *section = &pn_schema_sections[s];
        unsigned order[CANON_MAX_OBJECTS] = {0}, n = 1;
        if (section->parent != id)
            continue;
        if (section->shape != PN_SHAPE_SINGLE)
            n = pn_canon_order(section, object, order);
        for (unsigned i = 0; i < n; i++) {
            const char *child = pn_schema_object(section, object, order[i]);
            fprintf(out, "%*s%s", (int)depth * 4, "", section->key);
            if (section->shape != PN_SHAPE_SINGLE)
                fprintf(out, " \"%s\"", child);
            fputs(" {\n", out);
            if (!canon_section(out, conf, (enum pn_schema_id)s, child, depth + 1))
                return false;
            fprintf(out, "%*s}\n", (int)depth * 4, "");
        }
    }
    return true;
}

char *pn_canon_text(const struct pn_conf *conf)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    bool done = canon_section(out, conf, PN_SEC_ROOT, conf, 0) && !ferror(out);
    if (fclose(out) != 0 || !done) {
        free(text);
        return NULL;
    }
    return text;
}

int pn_canon_digest(struct pn_conf *conf)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char *text = pn_canon_text(conf);
    if (!text || EVP_Digest(text, strlen(text), sum, &len, EVP_sha256(), NULL) != 1 || len != 32) {
        free(text);
        return -1;
    }
    free(text);
    for (unsigned i = 0; i < 32; i++)
        snprintf(conf->digest + 2 * i, 3, "%02x", sum[i]);
    return 0;
}
