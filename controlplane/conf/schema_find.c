/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking things up in the schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "controlplane/conf/schema.h"

unsigned pn_schema_count(const struct pn_schema_section *section, const void *parent)
{
    if (section->shape == PN_SHAPE_SINGLE)
        return 1;
    return *(const unsigned *)((const char *)parent + section->count_offset);
}

void *pn_schema_object(const struct pn_schema_section *section, const void *parent, unsigned i)
{
    char *base = (char *)(uintptr_t)parent;
    if (section->shape == PN_SHAPE_SINGLE)
        return base;
    if (section->shape == PN_SHAPE_LIST)
        base = *(char **)(base + section->offset);
    else
        base += section->offset;
    return base + i * section->stride;
}

const struct pn_schema_row *pn_schema_row_find(enum pn_schema_id section, const char *key)
{
    for (unsigned i = 0; i < pn_schema_n_rows; i++)
        if (pn_schema_rows[i].section == section && strcmp(pn_schema_rows[i].key, key) == 0)
            return &pn_schema_rows[i];
    return NULL;
}

const struct pn_schema_section *pn_schema_section_find(enum pn_schema_id parent, const char *key)
{
    for (unsigned i = 0; i < PN_SEC_COUNT; i++)
        if (pn_schema_sections[i].parent == parent && strcmp(pn_schema_sections[i].key, key) == 0)
            return &pn_schema_sections[i];
    return NULL;
}

const char *pn_schema_nearest(enum pn_schema_id section, const char *key)
{
    struct pn_nearest near = {.key = key};
    for (unsigned i = 0; i < pn_schema_n_rows; i++)
        if (pn_schema_rows[i].section == section)
            pn_nearest_try(&near, pn_schema_rows[i].key);
    for (unsigned i = 0; i < PN_SEC_COUNT; i++)
        if (pn_schema_sections[i].parent == section)
            pn_nearest_try(&near, pn_schema_sections[i].key);
    size_t n = strlen(key); /* of "active-flows" the beginning is right, of a port's "address", too */
    for (unsigned i = 0; i < pn_schema_n_rows && !near.best && n >= 4; i++)
        if (pn_schema_rows[i].section == section && strncmp(pn_schema_rows[i].key, key, n) == 0 &&
            pn_schema_rows[i].key[n] == '-')
            return pn_schema_rows[i].key;
    return near.best;
}

static void elsewhere_add(char *buf, size_t size, const char *where)
{
    size_t n = strlen(buf);
    if (n + strlen(where) + 8 < size)
        snprintf(buf + n, size - n, "%s%s", n ? ", " : "", where);
}

const char *pn_schema_elsewhere(const char *key, char *buf, size_t size)
{
    buf[0] = '\0';
    for (unsigned i = 0; i < PN_SEC_COUNT; i++) {
        const struct pn_schema_section *s = &pn_schema_sections[i];
        if (pn_schema_row_find((enum pn_schema_id)i, key))
            elsewhere_add(buf, size, s->path);
        if (strcmp(s->key, key) == 0)
            elsewhere_add(buf, size, s->parent == PN_SEC_ROOT ? "the top level" : pn_schema_sections[s->parent].path);
    }
    return buf;
}

const char *pn_schema_no_such(enum pn_schema_id target, const void *root, const char *name, char *buf, size_t size)
{
    const struct pn_schema_section *section = &pn_schema_sections[target];
    struct pn_nearest near = {.key = name};
    unsigned n = pn_schema_count(section, root);
    for (unsigned i = 0; i < n; i++)
        pn_nearest_try(&near, pn_schema_object(section, root, i));
    size_t len = (size_t)snprintf(buf, size, "there is no such %s", section->key);
    if (near.best) {
        snprintf(buf + len, size - len, ", did you mean \"%s\"?", near.best);
        return buf;
    }
    for (unsigned i = 0; i < n; i++) {
        const char *known = pn_schema_object(section, root, i);
        bool fits = len + strlen(known) + sizeof(", , ...)") < size;
        len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : " (known: ", fits ? known : "...");
        if (!fits)
            break;
    }
    if (n)
        snprintf(buf + len, size - len, ")");
    return buf;
}

static const uint16_t check_ports[PN_CHECK_TYPE_COUNT] = {
    [PN_CHECK_TCP] = 25,    [PN_CHECK_SMTP] = 25, [PN_CHECK_SMTP_STARTTLS] = 25,
    [PN_CHECK_SMTPS] = 465, [PN_CHECK_HTTP] = 80, [PN_CHECK_HTTPS] = 443,
};

uint16_t pn_schema_check_port(enum pn_check_type type)
{
    return (unsigned)type < PN_CHECK_TYPE_COUNT ? check_ports[type] : 0;
}
