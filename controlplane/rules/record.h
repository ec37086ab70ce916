/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rule as the nodes keep it: its identity, its newest version (there or deleted: a tombstone), and hits, which each
 * node counts for itself. Plain data; strings lie inside, only the body is allocated.
 */
#ifndef POSTERN_RULES_RECORD_H
#define POSTERN_RULES_RECORD_H

#include "controlplane/rules/normalise.h"

#define PN_RULE_DESCRIPTION_BYTES 256
#define PN_RULE_BODY_MAX 65536u /* bytes */
#define PN_RULE_HITS_MAX 32 /* nodes that count, removed ones too; of more, those with the last names stay */

struct pn_rule_key {
    uint8_t kind; /* enum pn_kind_number */
    uint8_t field; /* enum pn_field */
    char owner[PN_RULE_VALUE_BYTES]; /* "" where the kind has no owners */
    char value[PN_RULE_VALUE_BYTES];
};

struct pn_rule_hit {
    char node[PN_NAME_BYTES];
    uint64_t count;
    uint64_t last_ms; /* wall clock, 0: never */
};

struct pn_rule {
    struct pn_rule_key key;
    bool present; /* false: deleted */
    uint64_t stamp; /* hlc.h; 0: there is no version at all */
    char node[PN_NAME_BYTES]; /* where the version was made */
    char description[PN_RULE_DESCRIPTION_BYTES];
    char *body; /* owned, NUL behind it; NULL when body_len is 0 */
    uint32_t body_len;
    uint8_t n_hits; /* sorted by node, ascending */
    struct pn_rule_hit hits[PN_RULE_HITS_MAX];
};

void pn_rule_init(struct pn_rule *rule);
void pn_rule_clear(struct pn_rule *rule); /* frees the body; may be used again */
/* 0, or -1: no memory, to is unchanged. The hits are copied too. */
int pn_rule_copy(struct pn_rule *to, const struct pn_rule *from);
int pn_rule_body_set(struct pn_rule *rule, const void *body, size_t len);
bool pn_rule_key_equal(const struct pn_rule_key *a, const struct pn_rule_key *b);

uint64_t pn_rule_hits_total(const struct pn_rule *rule);
uint64_t pn_rule_last_ms(const struct pn_rule *rule); /* over all nodes */
/* Adds to node's count and moves its last use forward. */
void pn_rule_hit_add(struct pn_rule *rule, const char *node, uint64_t count, uint64_t last_ms);

/* 64 bits of SHA-256. The id is of the key alone; the content's covers key, version but for stamp and node, and hits. */
uint64_t pn_rule_id(const struct pn_rule_key *key);
uint64_t pn_rule_content_hash(const struct pn_rule *rule);

/* UTF-8 without control characters; newlines, tabs where asked for. */
bool pn_rule_text_ok(const char *text, bool newlines);
bool pn_rule_node_ok(const char *name); /* could be a node's name: [A-Za-z0-9._-]+, short enough */
/* Is this what another node or a file may hand us: known kind, normalised, within bounds? */
int pn_rule_check(const struct pn_rule *rule, struct pn_error *err);

#endif
