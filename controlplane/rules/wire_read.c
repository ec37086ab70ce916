/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/wire.h"

/* Counts what unpacking takes: an empty message is 2 bytes on the wire and 150 in memory. */
static void *bounded_alloc(void *data, size_t size)
{
    size_t *left = data;

    if (size + 32 > *left)
        return NULL;
    *left -= size + 32;
    return malloc(size);
}

static void bounded_free(void *data, void *block)
{
    (void)data;
    free(block);
}

static int check_versions(const Pn__Frame *f, size_t n_id, size_t n_content, size_t n_version, const uint32_t *version,
                          size_t n_stamp, size_t n_stamp_node, const uint32_t *stamp_node)
{
    if (n_id != n_content || n_id != n_version || n_stamp != n_stamp_node)
        return -1;
    for (size_t i = 0; i < n_version; i++)
        if (version[i] >= n_stamp)
            return -1;
    for (size_t i = 0; i < n_stamp_node; i++)
        if (stamp_node[i] >= f->n_nodes)
            return -1;
    return 0;
}

static int check_places(const Pn__Frame *f)
{
    size_t places = f->n_items, most = f->request ? PN_WIRE_PLACES_MAX : PN_WIRE_ANSWERS_MAX;

    for (size_t i = 0; i < f->n_sums; i++) {
        const Pn__Sums *s = f->sums[i];
        if (s->n_prefix != s->n_depth || s->n_prefix != s->n_count || s->n_prefix != s->n_sum_lo ||
            s->n_prefix != s->n_sum_hi)
            return -1;
        places += s->n_prefix;
        for (size_t j = 0; j < s->n_prefix && places <= most; j++)
            if (!pn_digest_place_ok((struct pn_digest_place){s->prefix[j], s->depth[j]}))
                return -1;
    }
    for (size_t i = 0; i < f->n_items; i++) {
        const Pn__Items *m = f->items[i];
        if (!pn_digest_place_ok((struct pn_digest_place){m->prefix, m->depth}) ||
            check_versions(f, m->n_id, m->n_content, m->n_version, m->version, m->n_stamp, m->n_stamp_node,
                           m->stamp_node) != 0)
            return -1;
    }
    return places <= most ? 0 : -1;
}

static int check_rest(const Pn__Frame *f)
{
    if (f->n_nodes > PN_WIRE_NODES_MAX)
        return -1;
    for (size_t i = 0; i < f->n_nodes; i++)
        if (!pn_rule_node_ok(f->nodes[i]))
            return -1;
    for (size_t i = 0; i < f->n_versions; i++) {
        const Pn__Versions *m = f->versions[i];
        if (check_versions(f, m->n_id, m->n_content, m->n_version, m->version, m->n_stamp, m->n_stamp_node,
                           m->stamp_node) != 0)
            return -1;
    }
    for (size_t i = 0; i < f->n_refused; i++)
        if (f->refused[i]->n_id != f->refused[i]->n_stamp)
            return -1;
    for (size_t i = 0; i < f->n_entries; i++) {
        const Pn__Entry *e = f->entries[i];
        if (e->node >= f->n_nodes || e->n_hits > PN_RULE_HITS_MAX)
            return -1;
        for (size_t j = 0; j < e->n_hits; j++)
            if (e->hits[j]->node >= f->n_nodes)
                return -1;
    }
    return 0;
}

Pn__Frame *pn_wire_read(const uint8_t *data, size_t len, struct pn_error *err)
{
    size_t left = PN_WIRE_MEMORY_MAX;
    ProtobufCAllocator allocator = {.alloc = bounded_alloc, .free = bounded_free, .allocator_data = &left};
    Pn__Frame *f;

    if (len > PN_WIRE_FRAME_MAX) {
        pn_error_set(err, "a frame of %zu bytes; the most is %u", len, PN_WIRE_FRAME_MAX);
        return NULL;
    }
    f = pn__frame__unpack(&allocator, len, data);
    if (f == NULL) {
        pn_error_set(err, "a frame of %zu bytes that is no message, or too large a one", len);
        return NULL;
    }
    if (f->version == 0 || check_places(f) != 0 || check_rest(f) != 0) {
        pn_error_set(err, "a frame (version %u) whose parts do not fit together", f->version);
        pn_wire_done(f);
        return NULL;
    }
    return f;
}

void pn_wire_done(Pn__Frame *frame)
{
    ProtobufCAllocator allocator = {.alloc = bounded_alloc, .free = bounded_free};

    if (frame)
        pn__frame__free_unpacked(frame, &allocator);
}

static int take_text(char *out, size_t size, const char *text, const char *what, struct pn_error *err)
{
    size_t len = strlen(text);

    if (len >= size)
        return pn_error_set(err, "a peer sent %s of %zu bytes; the most is %zu", what, len, size - 1);
    memcpy(out, text, len + 1);
    return 0;
}

int pn_wire_rule(const Pn__Frame *frame, const Pn__Entry *e, struct pn_rule *rule, struct pn_error *err)
{
    if (e->kind >= PN_KIND_LIMIT || e->field >= PN_FIELD_COUNT)
        return pn_error_set(err, "a peer sent kind %u, field %u", e->kind, e->field);
    if (take_text(rule->key.owner, sizeof(rule->key.owner), e->owner, "an owner", err) != 0 ||
        take_text(rule->key.value, sizeof(rule->key.value), e->value, "a value", err) != 0 ||
        take_text(rule->description, sizeof(rule->description), e->description, "a description", err) != 0)
        return -1;
    if (e->body.len > PN_RULE_BODY_MAX)
        return pn_error_set(err, "a peer sent a rule of %zu bytes", e->body.len);
    if (pn_rule_body_set(rule, e->body.data, e->body.len) != 0)
        return pn_error_set(err, "no memory");
    rule->key.kind = (uint8_t)e->kind;
    rule->key.field = (uint8_t)e->field;
    rule->present = e->present;
    rule->stamp = e->stamp;
    strcpy(rule->node, frame->nodes[e->node]);
    rule->n_hits = (uint8_t)e->n_hits;
    for (size_t i = 0; i < e->n_hits; i++) {
        strcpy(rule->hits[i].node, frame->nodes[e->hits[i]->node]);
        rule->hits[i].count = e->hits[i]->count;
        rule->hits[i].last_ms = e->hits[i]->last_ms;
    }
    return 0;
}
