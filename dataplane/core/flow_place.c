/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an entry goes: home line, its neighbour, far line, its neighbour; when all are full a breadth-first search
 * finds the shortest chain of entries that each can move to another line of their own (cuckoo hashing).
 */
#include "dataplane/core/flow_internal.h"

#define PN_FLOW_SEARCH_NODES 128u /* slots looked at before an insert gives up; bounds its time */

/* The k-th line (enum pn_flow_place) of a hash. */
static uint32_t line_of(const struct pn_flow_table *t, uint64_t hash, unsigned place)
{
    uint32_t line = place < PN_FLOW_AT_FAR ? pn_flow_home(t, hash) : pn_flow_far(t, hash);
    return line ^ (place & 1);
}

/* Far lines that are the home pair again add nothing; leaving them out keeps `place` unambiguous. */
static unsigned places_of(const struct pn_flow_table *t, uint64_t hash)
{
    return (pn_flow_home(t, hash) ^ pn_flow_far(t, hash)) < 2 ? 2 : 4;
}

/* The home line counts its flows that live elsewhere: exact beside it (two at most), up to "many" far away. */
static void count_away(struct pn_flow_line *home, unsigned place, int by)
{
    if (place == PN_FLOW_AT_HOME)
        return;
    struct pn_flow *counter = &home->slot[place >= PN_FLOW_AT_FAR];
    if (counter->over != PN_FLOW_OVER_MANY)
        counter->over = (unsigned)(counter->over + by) & 7;
}

void pn_flow_unplace(struct pn_flow_table *t, const struct pn_flow *f)
{
    uint32_t home = pn_flow_home(t, pn_flow_hash(t, f->client, f->port_svc));
    count_away(&t->lines[home], f->place, -1);
}

static struct pn_flow *take(struct pn_flow_table *t, struct pn_flow *f, uint64_t hash, unsigned place)
{
    count_away(&t->lines[pn_flow_home(t, hash)], place, 1);
    return f;
}

struct node {
    uint32_t slot;
    int16_t parent; /* whose entry would move into this slot; -1: the new flow */
    uint8_t place; /* what this slot's line is to the mover */
};

/* Moves the entry in `from` to the free slot `to` of its own; both keep their line's count. */
static void move(struct pn_flow_table *t, struct pn_flow *from, struct pn_flow *to, unsigned place)
{
    uint32_t home = pn_flow_home(t, pn_flow_hash(t, from->client, from->port_svc));

    count_away(&t->lines[home], from->place, -1);
    /* Read after counting: the count may stand in these very slots. */
    unsigned over_from = from->over, over_to = to->over;
    *to = *from;
    to->over = over_to & 7;
    to->place = place & 3;
    memset(from, 0, sizeof(*from));
    from->over = over_from & 7;
    count_away(&t->lines[home], place, 1);
    if (to->unproven)
        pn_flow_log_push(t, pn_flow_slot_of(t, to));
}

/*
 * Every slot of the hash is taken: move others. Returns the slot freed, with its place, or NULL. A chain never meets
 * itself: a slot that comes twice was found without a way out the first time, and is again the second time.
 */
static struct pn_flow *displace(struct pn_flow_table *t, uint64_t hash, unsigned *place)
{
    struct node nodes[PN_FLOW_SEARCH_NODES];
    unsigned n = 0;

    for (unsigned p = 0; p < places_of(t, hash); p++) {
        for (unsigned s = 0; s < 2; s++)
            nodes[n++] = (struct node){line_of(t, hash, p) * 2 + s, -1, (uint8_t)p};
    }
    for (unsigned i = 0; i < n; i++) {
        const struct pn_flow *f = pn_flow_at(t, nodes[i].slot);
        uint64_t h = pn_flow_hash(t, f->client, f->port_svc);
        for (unsigned p = 0; p < places_of(t, h); p++) {
            uint32_t line = line_of(t, h, p);
            if (line == nodes[i].slot >> 1)
                continue;
            struct pn_flow *to = pn_flow_free_slot(&t->lines[line]);
            if (to != NULL) {
                int at = (int)i;
                for (;;) {
                    struct pn_flow *from = pn_flow_at(t, nodes[at].slot);
                    move(t, from, to, p);
                    if (nodes[at].parent < 0) {
                        *place = nodes[at].place;
                        return from;
                    }
                    to = from;
                    p = nodes[at].place;
                    at = nodes[at].parent;
                }
            }
            for (unsigned s = 0; s < 2 && n < PN_FLOW_SEARCH_NODES; s++)
                nodes[n++] = (struct node){line * 2 + s, (int16_t)i, (uint8_t)p};
        }
    }
    return NULL;
}

/* The oldest unproven entry among the hash's own slots. */
static struct pn_flow *oldest_here(struct pn_flow_table *t, uint64_t hash)
{
    struct pn_flow *oldest = NULL;

    for (unsigned p = 0; p < places_of(t, hash); p++) {
        for (unsigned s = 0; s < 2; s++) {
            struct pn_flow *f = &t->lines[line_of(t, hash, p)].slot[s];
            if (f->unproven && (oldest == NULL || (int32_t)(f->seen_ms - oldest->seen_ms) < 0))
                oldest = f;
        }
    }
    return oldest;
}

struct pn_flow *pn_flow_place_free(struct pn_flow_table *t, uint64_t hash, unsigned *place)
{
    unsigned places = places_of(t, hash);

    for (*place = PN_FLOW_BESIDE_HOME; *place < places; ++*place) {
        struct pn_flow *f = pn_flow_free_slot(&t->lines[line_of(t, hash, *place)]);
        if (f != NULL)
            return take(t, f, hash, *place);
    }
    return NULL;
}

struct pn_flow *pn_flow_place_away(struct pn_flow_table *t, uint64_t hash, unsigned *place)
{
    struct pn_flow *f = pn_flow_place_free(t, hash, place);

    if (f != NULL)
        return f;
    f = displace(t, hash, place);
    if (f != NULL)
        return take(t, f, hash, *place);
    f = oldest_here(t, hash);
    if (f == NULL)
        return NULL;
    /* Which of its places it had says nothing about ours. */
    uint32_t line = pn_flow_slot_of(t, f) >> 1;
    for (*place = 0; line_of(t, hash, *place) != line; ++*place)
        ;
    pn_flow_evict(t, f);
    return take(t, f, hash, *place);
}
