/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/members.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/sha.h>

#include "common/error.h"

int pn_members_init(struct pn_members *m, const struct pn_id *cluster)
{
    memset(m, 0, sizeof(*m));
    m->cluster = *cluster;
    m->rows = calloc(PN_MEMBER_ROWS_MAX, sizeof(*m->rows));
    return m->rows ? 0 : -1;
}

void pn_members_free(struct pn_members *m)
{
    free(m->rows);
    memset(m, 0, sizeof(*m));
}

static unsigned position(const struct pn_members *m, const struct pn_id *id)
{
    unsigned low = 0, high = m->n;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (pn_id_compare(&m->rows[mid].id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct pn_member *pn_members_find(const struct pn_members *m, const struct pn_id *id)
{
    unsigned at = position(m, id);

    return at < m->n && pn_id_equal(&m->rows[at].id, id) ? &m->rows[at] : NULL;
}

struct pn_member *pn_members_named(const struct pn_members *m, const char *name)
{
    for (unsigned i = 0; i < m->n; i++)
        if (pn_member_active(&m->rows[i]) && strcmp(m->rows[i].name, name) == 0)
            return &m->rows[i];
    return NULL;
}

unsigned pn_members_active(const struct pn_members *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++)
        n += pn_member_active(&m->rows[i]);
    return n;
}

int pn_members_free_number(const struct pn_members *m)
{
    uint32_t taken = 0;

    for (unsigned i = 0; i < m->n; i++)
        if (pn_member_active(&m->rows[i]))
            taken |= 1u << m->rows[i].number;
    for (int number = 0; number < PN_MAX_NODES; number++)
        if (!(taken & 1u << number))
            return number;
    return -1;
}

bool pn_member_answers_to(const struct pn_member *row, const char *name)
{
    if (strcmp(row->name, name) == 0 || strcmp(row->claim_name, name) == 0)
        return true;
    for (unsigned i = 0; i < PN_MEMBER_FORMER_MAX; i++)
        if (row->former[i][0] && strcmp(row->former[i], name) == 0)
            return true;
    return false;
}

static bool networks_faulty(const struct pn_networks *n)
{
    if (n->n > PN_MEMBER_NETWORKS_MAX)
        return true;
    for (unsigned i = 0; i < n->n; i++) {
        const struct pn_prefix *p = &n->list[i];
        if (p->len > 128)
            return true;
        struct pn_addr masked = pn_addr_masked(&p->addr, p->len);
        if (!pn_addr_equal(&masked, &p->addr))
            return true;
    }
    return false;
}

const char *pn_member_fault(const struct pn_member *row)
{
    if (pn_id_is_zero(&row->id))
        return "no id";
    if (row->joined == 0 || row->joined > PN_STAMP_MAX || row->admin_stamp == 0 || row->admin_stamp > PN_STAMP_MAX ||
        row->own_stamp > PN_STAMP_MAX)
        return "a stamp out of range";
    if (!pn_node_name_valid(row->claim_name))
        return "no valid name";
    for (unsigned i = 0; i < PN_MEMBER_FORMER_MAX; i++)
        if (row->former[i][0] && !pn_node_name_valid(row->former[i]))
            return "a former name that is not valid";
    if (row->claim_number >= PN_MAX_NODES)
        return "a number above 8";
    if (row->n_endpoints > PN_MEMBER_ENDPOINTS_MAX)
        return "too many endpoints";
    for (unsigned i = 0; i < row->n_endpoints; i++)
        if (row->endpoints[i].port == 0 || pn_addr_is_zero(&row->endpoints[i].addr))
            return "an endpoint without address or port";
    if (networks_faulty(&row->vips) || networks_faulty(&row->extra))
        return "a network that is none";
    if (!pn_text_is_clean(row->version))
        return "a version that is not text";
    return NULL;
}

/* ---- registers as bytes: to compare and to digest ---- */

#define REGISTER_BYTES_MAX 3072u /* own: 8 * 18 + 2 * (2 + 64 * 17) + 24; admin: 16 + 5 * 32 + 2 */

static size_t put(uint8_t *out, size_t at, const void *p, size_t n)
{
    memcpy(out + at, p, n);
    return at + n;
}

static size_t put_u64(uint8_t *out, size_t at, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        out[at++] = (uint8_t)(v >> shift);
    return at;
}

static size_t put_name(uint8_t *out, size_t at, const char *name)
{
    char padded[PN_NAME_BYTES] = {0};

    memcpy(padded, name, strnlen(name, PN_NAME_BYTES - 1));
    return put(out, at, padded, sizeof(padded));
}

static size_t put_networks(uint8_t *out, size_t at, const struct pn_networks *n)
{
    out[at++] = (uint8_t)n->n;
    for (unsigned i = 0; i < n->n; i++) {
        at = put(out, at, n->list[i].addr.b, 16);
        out[at++] = n->list[i].len;
    }
    return at;
}

static size_t admin_bytes(const struct pn_member *row, uint8_t *out)
{
    size_t at = put_u64(out, 0, row->admin_stamp);

    at = put(out, at, row->admin_author.b, PN_ID_BYTES);
    at = put_name(out, at, row->claim_name);
    for (unsigned i = 0; i < PN_MEMBER_FORMER_MAX; i++)
        at = put_name(out, at, row->former[i]);
    out[at++] = row->claim_number;
    return at;
}

static size_t own_bytes(const struct pn_member *row, uint8_t *out)
{
    size_t at = put_u64(out, 0, row->own_stamp);

    out[at++] = (uint8_t)row->n_endpoints;
    for (unsigned i = 0; i < row->n_endpoints; i++) {
        at = put(out, at, row->endpoints[i].addr.b, 16);
        out[at++] = (uint8_t)(row->endpoints[i].port >> 8);
        out[at++] = (uint8_t)row->endpoints[i].port;
    }
    at = put_networks(out, at, &row->vips);
    at = put_networks(out, at, &row->extra);
    return put(out, at, row->version, strnlen(row->version, sizeof(row->version)));
}

static int compare_bytes(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    int c = memcmp(a, b, na < nb ? na : nb);

    return c ? c : (na > nb) - (na < nb);
}

/* The stamp stands first in the bytes, so this is "later, or at a tie greater by content". */
static bool register_wins(size_t (*bytes)(const struct pn_member *, uint8_t *), const struct pn_member *challenger,
                          const struct pn_member *holder)
{
    uint8_t a[REGISTER_BYTES_MAX], b[REGISTER_BYTES_MAX];
    size_t na = bytes(challenger, a), nb = bytes(holder, b);

    return compare_bytes(a, na, b, nb) > 0;
}

static void admin_take(struct pn_member *to, const struct pn_member *from)
{
    to->admin_stamp = from->admin_stamp;
    to->admin_author = from->admin_author;
    memcpy(to->claim_name, from->claim_name, sizeof(to->claim_name));
    memcpy(to->former, from->former, sizeof(to->former));
    to->claim_number = from->claim_number;
}

static void own_take(struct pn_member *to, const struct pn_member *from)
{
    to->own_stamp = from->own_stamp;
    memcpy(to->endpoints, from->endpoints, sizeof(to->endpoints));
    to->n_endpoints = from->n_endpoints;
    to->vips = from->vips;
    to->extra = from->extra;
    memcpy(to->version, from->version, sizeof(to->version));
}

/* A removed row keeps what tells that it is removed, nothing of what the node was. */
static void normalise(struct pn_member *row)
{
    static const struct pn_member empty;

    if (!row->removed)
        return;
    own_take(row, &empty);
    row->sponsor = empty.sponsor;
    memset(row->sponsorship, 0, sizeof(row->sponsorship));
}

/* ---- what is worked out ---- */

static int by_age(const void *a, const void *b)
{
    const struct pn_member *x = *(const struct pn_member *const *)a, *y = *(const struct pn_member *const *)b;

    if (x->joined != y->joined)
        return x->joined < y->joined ? -1 : 1;
    return pn_id_compare(&x->id, &y->id);
}

static bool name_taken(struct pn_member *const *rows, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(rows[i]->name, name) == 0)
            return true;
    return false;
}

static void resolve_name(struct pn_member *const *rows, unsigned n, struct pn_member *row)
{
    for (unsigned k = 2; row->name[0] == '\0'; k++) {
        char name[PN_NAME_BYTES + 12];
        char tail[12];

        snprintf(tail, sizeof(tail), "-%u", k);
        snprintf(name, sizeof(name), "%.*s%s", (int)(PN_NAME_BYTES - 1 - strlen(tail)), row->claim_name, tail);
        if (!name_taken(rows, n, name))
            memcpy(row->name, name, PN_NAME_BYTES);
    }
}

/* Claims are granted in the order of age; those left over get what is free, in the same order. */
static void resolve(struct pn_members *m)
{
    struct pn_member *rows[PN_MEMBER_ROWS_MAX];
    uint32_t numbers = 0;
    unsigned n = 0;

    m->highest_stamp = 0;
    for (unsigned i = 0; i < m->n; i++) {
        struct pn_member *row = &m->rows[i];
        row->number = -1;
        memset(row->name, 0, sizeof(row->name));
        if (!row->removed)
            rows[n++] = row;
        else
            memcpy(row->name, row->claim_name, sizeof(row->name));
        if (row->admin_stamp > m->highest_stamp)
            m->highest_stamp = row->admin_stamp;
        if (row->own_stamp > m->highest_stamp)
            m->highest_stamp = row->own_stamp;
    }
    qsort(rows, n, sizeof(rows[0]), by_age);
    unsigned seats = n < PN_MAX_NODES ? n : PN_MAX_NODES;
    for (unsigned i = 0; i < seats; i++) {
        if (numbers & 1u << rows[i]->claim_number)
            continue;
        numbers |= 1u << rows[i]->claim_number;
        rows[i]->number = rows[i]->claim_number;
    }
    for (unsigned i = 0; i < seats; i++) {
        if (rows[i]->number >= 0)
            continue;
        rows[i]->number = __builtin_ctz(~numbers);
        numbers |= 1u << rows[i]->number;
    }
    for (unsigned i = 0; i < n; i++)
        if (!name_taken(rows, n, rows[i]->claim_name))
            memcpy(rows[i]->name, rows[i]->claim_name, sizeof(rows[i]->name));
    for (unsigned i = 0; i < n; i++)
        resolve_name(rows, n, rows[i]);
}

/* ---- merging ---- */

static bool older_tombstone(const struct pn_member *a, const struct pn_member *b)
{
    return a->admin_stamp != b->admin_stamp ? a->admin_stamp < b->admin_stamp : pn_id_compare(&a->id, &b->id) < 0;
}

/* true: there is room for row. When full the oldest removed one goes, be it the new one itself. */
static enum pn_merge_result make_room(struct pn_members *m, const struct pn_member *row)
{
    struct pn_member *oldest = NULL;

    if (m->n < PN_MEMBER_ROWS_MAX)
        return PN_MERGE_CHANGED;
    for (unsigned i = 0; i < m->n; i++)
        if (m->rows[i].removed && (!oldest || older_tombstone(&m->rows[i], oldest)))
            oldest = &m->rows[i];
    if (!oldest)
        return PN_MERGE_REFUSED;
    if (row->removed && older_tombstone(row, oldest))
        return PN_MERGE_SAME;
    unsigned at = (unsigned)(oldest - m->rows);
    memmove(oldest, oldest + 1, (m->n - at - 1) * sizeof(*oldest));
    m->n--;
    return PN_MERGE_CHANGED;
}

static enum pn_merge_result insert(struct pn_members *m, const struct pn_member *row)
{
    enum pn_merge_result room = make_room(m, row);

    if (room != PN_MERGE_CHANGED)
        return room;
    unsigned at = position(m, &row->id);
    memmove(&m->rows[at + 1], &m->rows[at], (m->n - at) * sizeof(*m->rows));
    m->rows[at] = *row;
    normalise(&m->rows[at]);
    m->n++;
    return PN_MERGE_CHANGED;
}

enum pn_merge_result pn_members_merge(struct pn_members *m, const struct pn_member *row)
{
    struct pn_member *mine = pn_members_find(m, &row->id);
    enum pn_merge_result result = PN_MERGE_SAME;

    if (!mine) {
        result = insert(m, row);
    } else {
        if (memcmp(mine->key, row->key, sizeof(row->key)) != 0 || mine->joined != row->joined)
            return PN_MERGE_REFUSED;
        if (register_wins(admin_bytes, row, mine)) {
            admin_take(mine, row);
            result = PN_MERGE_CHANGED;
        }
        if (row->removed && !mine->removed) {
            mine->removed = true;
            result = PN_MERGE_CHANGED;
        }
        if (!mine->removed && register_wins(own_bytes, row, mine)) {
            own_take(mine, row);
            result = PN_MERGE_CHANGED;
        }
        normalise(mine);
    }
    if (result == PN_MERGE_CHANGED)
        resolve(m);
    return result;
}

void pn_members_restore(struct pn_members *m, const struct pn_member *row)
{
    struct pn_member *at = pn_members_find(m, &row->id);

    if (at)
        *at = *row;
    resolve(m);
}

void pn_members_forget(struct pn_members *m, const struct pn_id *id)
{
    struct pn_member *at = pn_members_find(m, id);

    if (!at)
        return;
    m->n--;
    memmove(at, at + 1, (m->n - (size_t)(at - m->rows)) * sizeof(*at));
    resolve(m);
}

/* ---- changes ---- */

static void admin_stamp(struct pn_members *m, struct pn_member *row, const struct pn_id *author, uint64_t now_ms)
{
    row->admin_stamp = pn_stamp_next(m->highest_stamp, now_ms);
    row->admin_author = *author;
}

int pn_members_rename(struct pn_members *m, const struct pn_id *author, uint64_t now_ms, const char *name,
                      const char *new_name, struct pn_error *err)
{
    struct pn_member *row = pn_members_named(m, name);

    if (!row)
        return pn_error_set(err, "no member \"%.40s\"", name);
    if (!pn_node_name_valid(new_name))
        return pn_error_set(err, "\"%.40s\" is not a name: letters, digits, ._-, at most %u", new_name,
                            PN_NAME_BYTES - 1);
    if (strcmp(row->name, new_name) == 0)
        return 0;
    if (pn_members_named(m, new_name))
        return pn_error_set(err, "another member is called \"%.40s\"", new_name);
    memmove(row->former[1], row->former[0], sizeof(row->former) - sizeof(row->former[0]));
    memcpy(row->former[0], row->name, sizeof(row->name));
    memset(row->claim_name, 0, sizeof(row->claim_name));
    memcpy(row->claim_name, new_name, strlen(new_name));
    admin_stamp(m, row, author, now_ms);
    resolve(m);
    return 0;
}

int pn_members_remove(struct pn_members *m, const struct pn_id *author, uint64_t now_ms, const char *name,
                      struct pn_error *err)
{
    struct pn_member *row = pn_members_named(m, name);

    if (!row) { /* one that found no seat has a name too */
        for (unsigned i = 0; i < m->n && !row; i++)
            if (!m->rows[i].removed && strcmp(m->rows[i].name, name) == 0)
                row = &m->rows[i];
    }
    if (!row)
        return pn_error_set(err, "no member \"%.40s\"", name);
    if (pn_members_active(m) == 1 && pn_member_active(row))
        return pn_error_set(err, "\"%.40s\" is the last member", name);
    row->removed = true;
    normalise(row);
    admin_stamp(m, row, author, now_ms);
    resolve(m);
    return 0;
}

bool pn_members_describe(struct pn_members *m, const struct pn_id *self, uint64_t now_ms, const struct pn_member *row)
{
    struct pn_member *mine = pn_members_find(m, self);
    struct pn_member with = *row;
    uint8_t a[REGISTER_BYTES_MAX], b[REGISTER_BYTES_MAX];

    if (!mine || mine->removed)
        return false;
    with.own_stamp = mine->own_stamp;
    size_t na = own_bytes(mine, a), nb = own_bytes(&with, b);
    if (compare_bytes(a, na, b, nb) == 0)
        return false;
    with.own_stamp = pn_stamp_next(m->highest_stamp, now_ms);
    own_take(mine, &with);
    resolve(m);
    return true;
}

bool pn_members_settle(struct pn_members *m, const struct pn_id *self, uint64_t now_ms)
{
    struct pn_member *row = pn_members_find(m, self);

    if (!row || !pn_member_active(row))
        return false;
    bool renamed = strcmp(row->name, row->claim_name) != 0;
    if (!renamed && row->number == row->claim_number)
        return false;
    if (renamed) { /* the certificate still says what was claimed */
        memmove(row->former[1], row->former[0], sizeof(row->former) - sizeof(row->former[0]));
        memcpy(row->former[0], row->claim_name, sizeof(row->claim_name));
    }
    memcpy(row->claim_name, row->name, sizeof(row->claim_name));
    row->claim_number = (uint8_t)row->number;
    admin_stamp(m, row, self, now_ms);
    resolve(m);
    return true;
}

/* ---- digest ---- */

void pn_members_digest(const struct pn_members *m, uint8_t digest[32])
{
    uint8_t all[PN_ID_BYTES + PN_MEMBER_ROWS_MAX * SHA256_DIGEST_LENGTH];
    size_t at = put(all, 0, m->cluster.b, PN_ID_BYTES);

    for (unsigned i = 0; i < m->n; i++) {
        const struct pn_member *row = &m->rows[i];
        uint8_t bytes[2 * REGISTER_BYTES_MAX];
        size_t n = put(bytes, 0, row->id.b, PN_ID_BYTES);

        n = put_u64(bytes, n, row->joined);
        n = put(bytes, n, row->key, PN_KEY_BYTES);
        bytes[n++] = row->removed;
        n += admin_bytes(row, bytes + n);
        n += own_bytes(row, bytes + n);
        SHA256(bytes, n, all + at);
        at += SHA256_DIGEST_LENGTH;
    }
    SHA256(all, at, digest);
}

uint64_t pn_members_digest64(const struct pn_members *m)
{
    uint8_t digest[32];
    uint64_t v;

    pn_members_digest(m, digest);
    memcpy(&v, digest, sizeof(v));
    return v;
}
