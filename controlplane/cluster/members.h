/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who belongs to the cluster. Every node keeps all rows and merges what it hears: each row is two registers, what
 * administrators decide (name, number, removed) and what the node says of itself (endpoints, networks, version). The
 * later stamp wins a register, at a tie the author and then the content; removal wins for ever. So the order and the
 * number of times that rows are heard do not matter. Pure: no I/O, no clock.
 */
#ifndef POSTERN_CLUSTER_MEMBERS_H
#define POSTERN_CLUSTER_MEMBERS_H

#include "common/addr.h"
#include "controlplane/cluster/ident.h"

#define PN_MEMBER_ROWS_MAX 128u /* active ones and the newest removed ones */
#define PN_MEMBER_ENDPOINTS_MAX 8u
#define PN_MEMBER_NETWORKS_MAX 64u
#define PN_MEMBER_FORMER_MAX 4u
#define PN_MEMBER_VERSION_BYTES 24u
#define PN_STAMP_MAX ((UINT64_C(1) << 62) - 1)

/* Hybrid clock: milliseconds since 1970 << 16 | counter. Never 0. */
static inline uint64_t pn_stamp_next(uint64_t highest_seen, uint64_t now_ms)
{
    uint64_t now = now_ms << 16;
    if (highest_seen >= PN_STAMP_MAX) /* a member gone bad: rather a tie than a row that nobody takes */
        return PN_STAMP_MAX;
    return now > highest_seen ? now : highest_seen + 1;
}

struct pn_endpoint {
    struct pn_addr addr;
    uint16_t port;
};

struct pn_networks {
    struct pn_prefix list[PN_MEMBER_NETWORKS_MAX];
    unsigned n;
};

struct pn_member {
    /* given at the join */
    struct pn_id id;
    uint64_t joined; /* stamp */
    uint8_t key[PN_KEY_BYTES];
    struct pn_id sponsor;
    uint8_t sponsorship[PN_SIGNATURE_BYTES]; /* zero: the first node */
    /* administrators' register */
    uint64_t admin_stamp;
    struct pn_id admin_author;
    char claim_name[PN_NAME_BYTES];
    char former[PN_MEMBER_FORMER_MAX][PN_NAME_BYTES]; /* newest first, "" none */
    uint8_t claim_number; /* 0..8 */
    bool removed;
    /* the node's own register; empty when removed */
    uint64_t own_stamp;
    struct pn_endpoint endpoints[PN_MEMBER_ENDPOINTS_MAX];
    unsigned n_endpoints;
    struct pn_networks vips, extra;
    char version[PN_MEMBER_VERSION_BYTES];
    /* worked out from all rows, the same on every node: names and numbers are unique among active members */
    char name[PN_NAME_BYTES];
    int number; /* -1: removed, or more than PN_MAX_NODES are active and this one joined last */
};

struct pn_members {
    struct pn_id cluster;
    struct pn_member *rows; /* [PN_MEMBER_ROWS_MAX], by id */
    unsigned n;
    uint64_t highest_stamp;
};

int pn_members_init(struct pn_members *m, const struct pn_id *cluster); /* -1: memory */
void pn_members_free(struct pn_members *m);

struct pn_member *pn_members_find(const struct pn_members *m, const struct pn_id *id);
/* Among active members, by the name that counts. NULL: none. */
struct pn_member *pn_members_named(const struct pn_members *m, const char *name);
static inline bool pn_member_active(const struct pn_member *row)
{
    return !row->removed && row->number >= 0;
}
unsigned pn_members_active(const struct pn_members *m);
int pn_members_free_number(const struct pn_members *m); /* lowest, -1: all nine are taken */
/* Current name or one of the former ones. */
bool pn_member_answers_to(const struct pn_member *row, const char *name);

/* NULL, or what makes the row impossible. Rows from others pass this before they are merged. */
const char *pn_member_fault(const struct pn_member *row);

/* For a change that could not be stored: the row as it was, or not there at all. */
void pn_members_restore(struct pn_members *m, const struct pn_member *row);
void pn_members_forget(struct pn_members *m, const struct pn_id *id);

enum pn_merge_result {
    PN_MERGE_SAME,
    PN_MERGE_CHANGED,
    PN_MERGE_REFUSED, /* known id with another key, or no room */
};
/* row: faultless. An unknown active row is taken: whoever calls has judged where it comes from. */
enum pn_merge_result pn_members_merge(struct pn_members *m, const struct pn_member *row);

/* Administrators' changes: stamped, resolved. -1 and err: no such member, name taken or not valid, last member. */
int pn_members_rename(struct pn_members *m, const struct pn_id *author, uint64_t now_ms, const char *name,
                      const char *new_name, struct pn_error *err);
int pn_members_remove(struct pn_members *m, const struct pn_id *author, uint64_t now_ms, const char *name,
                      struct pn_error *err);
/* Takes row's own register (endpoints, networks, version) over for the node itself. true: it differed. */
bool pn_members_describe(struct pn_members *m, const struct pn_id *self, uint64_t now_ms, const struct pn_member *row);
/* Where name or number were taken by an earlier member: claims what was worked out instead. true: there was need. */
bool pn_members_settle(struct pn_members *m, const struct pn_id *self, uint64_t now_ms);

/* SHA-256 over what is replicated: equal digests, equal members. */
void pn_members_digest(const struct pn_members *m, uint8_t digest[32]);
uint64_t pn_members_digest64(const struct pn_members *m);

#endif
