/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a join would bring, list by list, without changing anything. The guest asks for a list, the host gives the ids of
 * its entries in ascending order, a piece at a time; the guest goes through its own beside them and counts what is on
 * both. Neither side keeps more than a piece.
 *
 *   guest -> host   'V' 1                  version
 *                   'N' kind from[8]       the next ids of that list, from this one on
 *   host  -> guest  'C' {kind count[8]}*   what it has, one for each list that is synchronised there
 *                   'I' kind end id[8]*    ids; end 1: there are no more
 *
 * Numbers are little-endian.
 */
#include <endian.h>
#include <stdlib.h>

#include "controlplane/actors/rules_internal.h"

#define PIECE 8192u /* ids */
#define VERSION 1
#define MESSAGE_MAX (3 + PIECE * 8)

struct list {
    uint8_t kind;
    uint64_t there;
    uint64_t common;
};

struct rehearsal {
    struct pn_rules_actor *a;
    struct pn_join_port *port;
    enum pn_join_role role;
    /* the guest's */
    struct list lists[PN_KIND_LIMIT];
    unsigned n_lists, at;
    uint64_t *mine; /* [PIECE] */
    size_t n_mine, mine_at;
    uint64_t mine_from;
    bool mine_end;
    uint8_t message[MESSAGE_MAX];
};

static void put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* ---- host ---- */

static void host_counts(struct rehearsal *s)
{
    size_t n = 0;

    s->message[n++] = 'C';
    for (unsigned i = 0; i < pn_kinds_count; i++) {
        uint8_t kind = pn_kinds[i].number;

        if (!(pn_rules_classes(s->a->store) & PN_KIND_BIT(kind)))
            continue;
        s->message[n++] = kind;
        put64(s->message + n, pn_rules_count(s->a->store, kind));
        n += 8;
    }
    pn_join_port_send(s->port, s->message, n);
}

static void host_ids(struct rehearsal *s, uint8_t kind, uint64_t from)
{
    bool end = true, on = kind < PN_KIND_LIMIT && (pn_rules_classes(s->a->store) & PN_KIND_BIT(kind));
    size_t n = on ? pn_rules_ids(s->a->store, kind, &from, s->mine, PIECE, &end) : 0;

    s->message[0] = 'I';
    s->message[1] = kind;
    s->message[2] = end;
    for (size_t i = 0; i < n; i++)
        put64(s->message + 3 + 8 * i, s->mine[i]);
    pn_join_port_send(s->port, s->message, 3 + 8 * n);
}

/* ---- guest ---- */

static void guest_ask(struct rehearsal *s, uint64_t from)
{
    s->message[0] = 'N';
    s->message[1] = s->lists[s->at].kind;
    put64(s->message + 2, from);
    pn_join_port_send(s->port, s->message, 10);
}

static void guest_done(struct rehearsal *s)
{
    static const struct pn_join_row none;
    struct pn_join_row rows[PN_JOIN_ROWS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_lists && n < PN_JOIN_ROWS_MAX; i++) {
        const struct list *l = &s->lists[i];
        const struct pn_kind *kind = pn_kind_by_number(l->kind);
        struct pn_join_row *row = &rows[n];

        if (l->there == 0 && pn_rules_count(s->a->store, l->kind) == 0)
            continue; /* nothing to say */
        n++;
        *row = none;
        memcpy(row->list, kind->name, strnlen(kind->name, sizeof(row->list) - 1));
        row->here = pn_rules_count(s->a->store, l->kind);
        row->there = l->there;
        row->common = l->common;
        row->total = row->here + row->there - (row->common < row->here ? row->common : row->here);
        if (kind->cap && row->total > kind->cap)
            row->total = kind->cap;
    }
    pn_join_port_done(s->port, rows, n);
}

/* To the next list that has entries on both sides: of others the counts say all. */
static void guest_next(struct rehearsal *s)
{
    for (; s->at < s->n_lists; s->at++) {
        const struct list *l = &s->lists[s->at];

        if (l->there == 0 || pn_rules_count(s->a->store, l->kind) == 0)
            continue;
        s->n_mine = s->mine_at = 0;
        s->mine_from = 0;
        s->mine_end = false;
        guest_ask(s, 0);
        return;
    }
    guest_done(s);
}

static bool list_known(const struct rehearsal *s, uint8_t kind)
{
    for (unsigned i = 0; i < s->n_lists; i++)
        if (s->lists[i].kind == kind)
            return true;
    return false;
}

static void guest_counts(struct rehearsal *s, const uint8_t *bytes, size_t len)
{
    if (s->n_lists || len % 9 != 0)
        return;
    for (size_t i = 0; i < len && s->n_lists < PN_KIND_LIMIT; i += 9) {
        uint8_t kind = bytes[i];

        if (!pn_kind_by_number(kind) || !(pn_rules_classes(s->a->store) & PN_KIND_BIT(kind)) || list_known(s, kind))
            continue; /* not in common with us, or said twice */
        s->lists[s->n_lists++] = (struct list){.kind = kind, .there = get64(bytes + i + 1)};
    }
    guest_next(s);
}

/* Our next id without moving on; false: there is none. */
static bool mine_peek(struct rehearsal *s, uint8_t kind, uint64_t *id)
{
    while (s->mine_at == s->n_mine && !s->mine_end) {
        s->n_mine = pn_rules_ids(s->a->store, kind, &s->mine_from, s->mine, PIECE, &s->mine_end);
        s->mine_at = 0;
    }
    if (s->mine_at == s->n_mine)
        return false;
    *id = s->mine[s->mine_at];
    return true;
}

static void guest_ids(struct rehearsal *s, const uint8_t *bytes, size_t len)
{
    struct list *l = s->at < s->n_lists ? &s->lists[s->at] : NULL;
    uint64_t theirs = 0, ours;

    if (!l || len < 2 || bytes[0] != l->kind || (len - 2) % 8 != 0)
        return;
    for (size_t i = 2; i < len; i += 8) {
        theirs = get64(bytes + i);
        while (mine_peek(s, l->kind, &ours) && ours < theirs)
            s->mine_at++;
        if (mine_peek(s, l->kind, &ours) && ours == theirs) {
            l->common++;
            s->mine_at++;
        }
    }
    if (bytes[1] || len == 2 || theirs == UINT64_MAX || !mine_peek(s, l->kind, &ours)) {
        s->at++;
        guest_next(s);
    } else {
        guest_ask(s, theirs + 1);
    }
}

/* ---- both ---- */

static void *begin(void *arg, enum pn_join_role role, struct pn_join_port *port)
{
    struct pn_rules_actor *a = arg;
    struct rehearsal *s = a->store ? calloc(1, sizeof(*s)) : NULL;

    if (!s)
        return NULL;
    *s = (struct rehearsal){.a = a, .port = port, .role = role, .mine = malloc(PIECE * sizeof(*s->mine))};
    if (!s->mine) {
        free(s);
        return NULL;
    }
    if (role == PN_JOIN_GUEST)
        pn_join_port_send(port, "V\1", 2);
    return s;
}

static void message(void *session, const uint8_t *bytes, size_t len)
{
    struct rehearsal *s = session;

    if (len == 0 || !s->a->store)
        return;
    if (s->role == PN_JOIN_HOST && bytes[0] == 'V' && len >= 2 && bytes[1] >= VERSION)
        host_counts(s);
    else if (s->role == PN_JOIN_HOST && bytes[0] == 'N' && len == 10)
        host_ids(s, bytes[1], get64(bytes + 2));
    else if (s->role == PN_JOIN_GUEST && bytes[0] == 'C')
        guest_counts(s, bytes + 1, len - 1);
    else if (s->role == PN_JOIN_GUEST && bytes[0] == 'I' && len >= 3)
        guest_ids(s, bytes + 1, len - 1);
}

static void end(void *session)
{
    struct rehearsal *s = session;

    free(s->mine);
    free(s);
}

const struct pn_join_rehearsal rules_rehearsal = {.begin = begin, .message = message, .end = end};
