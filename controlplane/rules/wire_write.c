/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame's parts may come in any order and repeated fields are one list wherever they stand, so each part is packed
 * and appended as it is made; no tree of messages is built.
 */
#include <stdlib.h>

#include "controlplane/rules/wire.h"

enum { /* field numbers of Frame */
       TAG_VERSION = 1,
       TAG_CLOCK = 2,
       TAG_WALL = 3,
       TAG_REQUEST = 4,
       TAG_DONE = 5,
       TAG_NODES = 6,
       TAG_HELLO = 7,
       TAG_SUMS = 8,
       TAG_ITEMS = 9,
       TAG_VERSIONS = 10,
       TAG_WANT = 11,
       TAG_REFUSED = 12,
       TAG_ENTRIES = 13
};
#define WIRE_VARINT 0
#define WIRE_FIXED64 1
#define WIRE_BYTES 2

void pn_wire_free(struct pn_wire_out *out)
{
    free(out->data);
    free(out->names);
    memset(out, 0, sizeof(*out));
}

static uint8_t *room(struct pn_wire_out *out, size_t n)
{
    if (out->failed)
        return NULL;
    if (out->len + n > out->size) {
        size_t size = out->len + n + (out->len + n) / 2 + 1024;
        uint8_t *data = realloc(out->data, size);
        if (data == NULL) {
            out->failed = true;
            return NULL;
        }
        out->data = data;
        out->size = size;
    }
    return out->data + out->len;
}

static void put_varint(struct pn_wire_out *out, uint64_t v)
{
    uint8_t *p = room(out, 10);

    if (p == NULL)
        return;
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    out->len = (size_t)(p - out->data);
}

static void put_fixed64(struct pn_wire_out *out, unsigned tag, uint64_t v)
{
    put_varint(out, tag << 3 | WIRE_FIXED64);
    uint8_t *p = room(out, 8);
    if (p == NULL)
        return;
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
    out->len += 8;
}

static void put_message(struct pn_wire_out *out, unsigned tag, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);

    put_varint(out, tag << 3 | WIRE_BYTES);
    put_varint(out, len);
    uint8_t *p = room(out, len);
    if (p)
        out->len += protobuf_c_message_pack(m, p);
}

void pn_wire_begin(struct pn_wire_out *out, uint64_t clock, uint64_t wall_ms, uint32_t request, uint32_t done)
{
    out->len = 0;
    out->failed = false;
    out->n_names = 0;
    put_varint(out, TAG_VERSION << 3 | WIRE_VARINT);
    put_varint(out, PN_WIRE_VERSION);
    put_fixed64(out, TAG_CLOCK, clock);
    put_fixed64(out, TAG_WALL, wall_ms);
    if (request) {
        put_varint(out, TAG_REQUEST << 3 | WIRE_VARINT);
        put_varint(out, request);
    }
    if (done) {
        put_varint(out, TAG_DONE << 3 | WIRE_VARINT);
        put_varint(out, done);
    }
    out->header_len = out->len;
}

/* The number that stands for a name in this frame. */
static uint32_t name_number(struct pn_wire_out *out, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < out->n_names; i++)
        if (strcmp(out->names[i], name) == 0)
            return i;
    if (out->n_names == out->names_size) {
        unsigned size = out->names_size ? 2 * out->names_size : 16;
        void *names = realloc(out->names, size * sizeof(*out->names));
        if (names == NULL) {
            out->failed = true;
            return 0;
        }
        out->names = names;
        out->names_size = size;
    }
    memcpy(out->names[out->n_names], name, len + 1);
    put_varint(out, TAG_NODES << 3 | WIRE_BYTES);
    put_varint(out, len);
    uint8_t *p = room(out, len);
    if (p) {
        memcpy(p, name, len);
        out->len += len;
    }
    return out->n_names++;
}

void pn_wire_hello(struct pn_wire_out *out, const char *node, const struct pn_wire_class *classes, size_t n,
                   bool answer)
{
    Pn__Hello hello = PN__HELLO__INIT;
    Pn__Class rows[PN_KIND_LIMIT], *list[PN_KIND_LIMIT];

    for (size_t i = 0; i < n && i < PN_KIND_LIMIT; i++) {
        pn__class__init(&rows[i]);
        rows[i].kind = classes[i].kind;
        rows[i].count = classes[i].sum.count;
        rows[i].sum_lo = classes[i].sum.lo;
        rows[i].sum_hi = classes[i].sum.hi;
        rows[i].complete = classes[i].complete;
        rows[i].floor = classes[i].floor;
        list[i] = &rows[i];
    }
    hello.node = (char *)node;
    hello.n_classes = n;
    hello.classes = list;
    hello.answer = answer;
    put_message(out, TAG_HELLO, &hello.base);
}

void pn_wire_entry(struct pn_wire_out *out, const struct pn_rule *rule)
{
    Pn__Entry e = PN__ENTRY__INIT;
    Pn__Hit hits[PN_RULE_HITS_MAX], *list[PN_RULE_HITS_MAX];

    for (unsigned i = 0; i < rule->n_hits; i++) {
        pn__hit__init(&hits[i]);
        hits[i].node = name_number(out, rule->hits[i].node);
        hits[i].count = rule->hits[i].count;
        hits[i].last_ms = rule->hits[i].last_ms;
        list[i] = &hits[i];
    }
    e.kind = rule->key.kind;
    e.field = rule->key.field;
    e.owner = (char *)rule->key.owner;
    e.value = (char *)rule->key.value;
    e.present = rule->present;
    e.stamp = rule->stamp;
    e.node = name_number(out, rule->node);
    e.description = (char *)rule->description;
    e.body.data = (uint8_t *)rule->body;
    e.body.len = rule->body_len;
    e.n_hits = rule->n_hits;
    e.hits = list;
    put_message(out, TAG_ENTRIES, &e.base);
}

void pn_wire_sums(struct pn_wire_out *out, uint8_t kind, const struct pn_digest_place *places,
                  const struct pn_digest_sum *sums, size_t n)
{
    Pn__Sums m = PN__SUMS__INIT;
    uint64_t prefix[PN_WIRE_PLACES_MAX], count[PN_WIRE_PLACES_MAX], lo[PN_WIRE_PLACES_MAX], hi[PN_WIRE_PLACES_MAX];
    uint32_t depth[PN_WIRE_PLACES_MAX];

    if (n > PN_WIRE_PLACES_MAX)
        n = PN_WIRE_PLACES_MAX;
    for (size_t i = 0; i < n; i++) {
        prefix[i] = places[i].prefix;
        depth[i] = places[i].depth;
        count[i] = sums[i].count;
        lo[i] = sums[i].lo;
        hi[i] = sums[i].hi;
    }
    m.kind = kind;
    m.n_prefix = m.n_depth = m.n_count = m.n_sum_lo = m.n_sum_hi = n;
    m.prefix = prefix;
    m.depth = depth;
    m.count = count;
    m.sum_lo = lo;
    m.sum_hi = hi;
    put_message(out, TAG_SUMS, &m.base);
}

/* Items as columns; versions that many share (an import) are written once. */
struct columns {
    uint64_t *id, *content, *stamp;
    uint32_t *version, *stamp_node;
    size_t n_stamps;
};

static bool columns_make(struct pn_wire_out *out, const struct pn_digest_item *items, size_t n,
                         char (*names)[PN_NAME_BYTES], struct columns *c)
{
    uint16_t *numbers;

    c->id = malloc((3 * sizeof(uint64_t) + 2 * sizeof(uint32_t) + sizeof(uint16_t)) * (n + 1));
    c->n_stamps = 0;
    if (c->id == NULL) {
        out->failed = true;
        return false;
    }
    c->content = c->id + n;
    c->stamp = c->content + n;
    c->version = (uint32_t *)(c->stamp + n);
    c->stamp_node = c->version + n;
    numbers = (uint16_t *)(c->stamp_node + n);
    for (size_t i = 0; i < n; i++) {
        size_t at = c->n_stamps, back = at > 16 ? at - 16 : 0; /* of a short past: what repeats does so nearby */
        while (at > back && !(c->stamp[at - 1] == items[i].stamp && numbers[at - 1] == items[i].node))
            at--;
        if (at == back) {
            at = ++c->n_stamps;
            c->stamp[at - 1] = items[i].stamp;
            numbers[at - 1] = items[i].node;
            c->stamp_node[at - 1] = name_number(out, names[items[i].node]);
        }
        c->id[i] = items[i].id;
        c->content[i] = items[i].content;
        c->version[i] = (uint32_t)(at - 1);
    }
    return true;
}

void pn_wire_items(struct pn_wire_out *out, uint8_t kind, struct pn_digest_place place,
                   const struct pn_digest_item *items, size_t n, char (*node_names)[PN_NAME_BYTES])
{
    Pn__Items m = PN__ITEMS__INIT;
    struct columns c;

    if (!columns_make(out, items, n, node_names, &c))
        return;
    m.kind = kind;
    m.prefix = place.prefix;
    m.depth = place.depth;
    m.n_id = m.n_content = m.n_version = n;
    m.id = c.id;
    m.content = c.content;
    m.version = c.version;
    m.n_stamp = m.n_stamp_node = c.n_stamps;
    m.stamp = c.stamp;
    m.stamp_node = c.stamp_node;
    put_message(out, TAG_ITEMS, &m.base);
    free(c.id);
}

void pn_wire_versions(struct pn_wire_out *out, uint8_t kind, const struct pn_digest_item *items, size_t n,
                      char (*node_names)[PN_NAME_BYTES])
{
    Pn__Versions m = PN__VERSIONS__INIT;
    struct columns c;

    if (n == 0 || !columns_make(out, items, n, node_names, &c))
        return;
    m.kind = kind;
    m.n_id = m.n_content = m.n_version = n;
    m.id = c.id;
    m.content = c.content;
    m.version = c.version;
    m.n_stamp = m.n_stamp_node = c.n_stamps;
    m.stamp = c.stamp;
    m.stamp_node = c.stamp_node;
    put_message(out, TAG_VERSIONS, &m.base);
    free(c.id);
}

void pn_wire_want(struct pn_wire_out *out, uint8_t kind, const uint64_t *ids, size_t n)
{
    Pn__Want m = PN__WANT__INIT;

    if (n == 0)
        return;
    m.kind = kind;
    m.n_id = n;
    m.id = (uint64_t *)ids;
    put_message(out, TAG_WANT, &m.base);
}

void pn_wire_refused(struct pn_wire_out *out, uint8_t kind, const uint64_t *ids, const uint64_t *stamps, size_t n)
{
    Pn__Refused m = PN__REFUSED__INIT;

    if (n == 0)
        return;
    m.kind = kind;
    m.n_id = m.n_stamp = n;
    m.id = (uint64_t *)ids;
    m.stamp = (uint64_t *)stamps;
    put_message(out, TAG_REFUSED, &m.base);
}
