/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/members.h"

#include <stdlib.h>

#include <openssl/sha.h>

#include "common/error.h"
#include "controlplane/cluster/member_register.h"
#include "controlplane/cluster/member_resolve.h"

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

/* A removed row keeps what tells that it is removed, nothing of what the node was. */
static void normalise(struct pn_member *row)
{
    static const struct pn_member empty;

    if (!row->removed)
        return;
    pn_member_own_take(row, &empty);
    row->sponsor = empty.sponsor;
    memset(row->sponsorship, 0, sizeof(row->sponsorship));
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
        if (pn_member_admin_wins(row, mine)) {
            pn_member_admin_take(mine, row);
            result = PN_MERGE_CHANGED;
        }
        if (row->removed && !mine->removed) {
            mine->removed = true;
            result = PN_MERGE_CHANGED;
        }
        if (!mine->removed && pn_member_own_wins(row, mine)) {
            pn_member_own_take(mine, row);
            result = PN_MERGE_CHANGED;
        }
        normalise(mine);
    }
    if (result == PN_MERGE_CHANGED)
        pn_members_resolve(m);
    return result;
}

void pn_members_restore(struct pn_members *m, const struct pn_member *row)
{
    struct pn_member *at = pn_members_find(m, &row->id);

    if (at)
        *at = *row;
    pn_members_resolve(m);
}

void pn_members_forget(struct pn_members *m, const struct pn_id *id)
{
    struct pn_member *at = pn_members_find(m, id);

    if (!at)
        return;
    m->n--;
    memmove(at, at + 1, (m->n - (size_t)(at - m->rows)) * sizeof(*at));
    pn_members_resolve(m);
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
    pn_members_resolve(m);
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
    pn_members_resolve(m);
    return 0;
}

bool pn_members_describe(struct pn_members *m, const struct pn_id *self, uint64_t now_ms, const struct pn_member *row)
{
    struct pn_member *mine = pn_members_find(m, self);
    struct pn_member with = *row;

    if (!mine || mine->removed)
        return false;
    with.own_stamp = mine->own_stamp;
    if (pn_member_own_equal(mine, &with))
        return false;
    with.own_stamp = pn_stamp_next(m->highest_stamp, now_ms);
    pn_member_own_take(mine, &with);
    pn_members_resolve(m);
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
    pn_members_resolve(m);
    return true;
}

/* ---- digest ---- */

void pn_members_digest(const struct pn_members *m, uint8_t digest[32])
{
    uint8_t all[PN_ID_BYTES + PN_MEMBER_ROWS_MAX * SHA256_DIGEST_LENGTH];
    size_t at = PN_ID_BYTES;

    memcpy(all, m->cluster.b, PN_ID_BYTES);
    for (unsigned i = 0; i < m->n; i++) {
        pn_member_digest(&m->rows[i], all + at);
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
