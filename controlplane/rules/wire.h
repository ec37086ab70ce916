/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of proto/rules.proto: written piece by piece into one buffer, read with bounds. What pn_wire_read() returns
 * can be walked without further checks: arrays that run in parallel have one length, and every index is inside. Pure.
 */
#ifndef POSTERN_RULES_WIRE_H
#define POSTERN_RULES_WIRE_H

#include "controlplane/rules/digest.h"
#include "controlplane/rules/rules.pb-c.h"
#include "controlplane/rules/record.h"

#define PN_WIRE_VERSION 1
#define PN_WIRE_FRAME_MAX (1u << 20)
#define PN_WIRE_FRAME_GOAL (192u << 10) /* a writer ends its frame about here */
#define PN_WIRE_NODES_MAX 1024 /* names in one frame: as many as a cluster has ever had */
#define PN_WIRE_PLACES_MAX 256 /* places that one frame asks about */
#define PN_WIRE_ANSWERS_MAX 8192 /* places in an answer */
#define PN_WIRE_MEMORY_MAX (24u << 20) /* a frame that unpacks to more is refused */

struct pn_wire_out {
    uint8_t *data;
    size_t len, size;
    size_t header_len; /* len when nothing is in it */
    bool failed; /* no memory: the frame must not be sent */
    char (*names)[PN_NAME_BYTES];
    unsigned n_names, names_size;
};

void pn_wire_free(struct pn_wire_out *out);
/* Starts a frame; the buffer is used again. */
void pn_wire_begin(struct pn_wire_out *out, uint64_t clock, uint64_t wall_ms, uint32_t request, uint32_t done);
static inline bool pn_wire_empty(const struct pn_wire_out *out)
{
    return out->len == out->header_len;
}
struct pn_wire_class {
    uint8_t kind;
    struct pn_digest_sum sum;
    uint64_t complete, floor;
};
void pn_wire_hello(struct pn_wire_out *out, const char *node, const struct pn_wire_class *classes, size_t n,
                   bool answer);
void pn_wire_entry(struct pn_wire_out *out, const struct pn_rule *rule);
void pn_wire_sums(struct pn_wire_out *out, uint8_t kind, const struct pn_digest_place *places,
                  const struct pn_digest_sum *sums, size_t n); /* n <= PN_WIRE_PLACES_MAX */
/* node_names: by the items' node numbers. */
void pn_wire_items(struct pn_wire_out *out, uint8_t kind, struct pn_digest_place place,
                   const struct pn_digest_item *items, size_t n, char (*node_names)[PN_NAME_BYTES]);
void pn_wire_versions(struct pn_wire_out *out, uint8_t kind, const struct pn_digest_item *items, size_t n,
                      char (*node_names)[PN_NAME_BYTES]);
void pn_wire_want(struct pn_wire_out *out, uint8_t kind, const uint64_t *ids, size_t n);
void pn_wire_refused(struct pn_wire_out *out, uint8_t kind, const uint64_t *ids, const uint64_t *stamps, size_t n);

/* NULL: err says what is wrong with it. Freed with pn_wire_done(). */
Pn__Frame *pn_wire_read(const uint8_t *data, size_t len, struct pn_error *err);
void pn_wire_done(Pn__Frame *frame);
/* rule: initialised. Fits it into the struct; whether it makes sense is pn_rule_check()'s. */
int pn_wire_rule(const Pn__Frame *frame, const Pn__Entry *entry, struct pn_rule *rule, struct pn_error *err);

#endif
