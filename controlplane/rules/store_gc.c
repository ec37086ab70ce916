/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When deletions may be forgotten. Of each member we keep the stamp up to which it has all that we have: the clocks at a
 * moment when both had the same digest. What is older than the least of these, nobody can bring back; `complete` says
 * so. `floor` follows it, tombstone_age_ms behind, and tombstones below it go; the greatest floor in the cluster is
 * everyone's. A member away for longer than horizon_ms does not count: when it comes back, what it has below the floor
 * and others lack goes to review, on both sides.
 */
#include <stdio.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/rules/store.h"

#define GONE_AT_ONCE 500 /* tombstones collected a transaction */
#define HISTORY_AT_ONCE 5000 /* old versions forgotten a transaction */
#define UPKEEP_MS 1000
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define HITS_MS 3000

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Not every step goes to disk: losing one only keeps tombstones for longer. */
static uint64_t step(const struct pn_rules *r)
{
    return pn_hlc_make(r->options.tombstone_age_ms / 16, 1);
}

void pn_rdb_ack(struct pn_rules *r, const char *member, uint8_t kind, uint64_t stamp, uint64_t peer_complete)
{
    struct pn_rdb_class *class = &r->classes[kind];

    for (unsigned i = 0; i < r->n_members; i++)
        if (strcmp(r->members[i].name, member) == 0 && r->members[i].acked[kind] < stamp)
            r->members[i].acked[kind] = stamp;
    peer_complete = min_u64(peer_complete, stamp); /* a peer cannot have seen the future */
    if (peer_complete > class->complete)
        class->complete = peer_complete;
}

void pn_rdb_floor_raise(struct pn_rules *r, uint8_t kind, uint64_t floor)
{
    uint64_t wall_ms = pn_rules_wall_ms(r), age = r->options.tombstone_age_ms;
    uint64_t highest = wall_ms > age ? pn_hlc_make(wall_ms - age, 0) : 0;

    floor = min_u64(floor, highest); /* nobody may ask us to forget what is young */
    if (floor > r->classes[kind].floor)
        r->classes[kind].floor = floor;
}

static int save(struct pn_rules *r, uint8_t kind, struct pn_error *err)
{
    struct pn_rdb_class *class = &r->classes[kind];
    sqlite3_stmt *s = r->sql[PN_SQL_CLASS_PUT];

    for (unsigned i = 0; i < r->n_members; i++) {
        struct pn_rdb_member *m = &r->members[i];
        if (m->acked[kind] < m->saved[kind] + step(r))
            continue;
        sqlite3_bind_text(r->sql[PN_SQL_ACK_PUT], 1, m->name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(r->sql[PN_SQL_ACK_PUT], 2, kind);
        sqlite3_bind_int64(r->sql[PN_SQL_ACK_PUT], 3, (sqlite3_int64)m->acked[kind]);
        if (pn_rdb_step(r, PN_SQL_ACK_PUT, err) != 0)
            return -1;
        m->saved[kind] = m->acked[kind];
    }
    if (class->floor == class->floor_saved && class->complete < class->complete_saved + step(r))
        return 0;
    sqlite3_bind_int(s, 1, kind);
    sqlite3_bind_int64(s, 2, (sqlite3_int64) class->complete);
    sqlite3_bind_int64(s, 3, (sqlite3_int64) class->floor);
    class->floor_saved = class->floor;
    class->complete_saved = class->complete;
    return pn_rdb_step(r, PN_SQL_CLASS_PUT, err);
}

static uint64_t complete_now(struct pn_rules *r, uint8_t kind)
{
    uint64_t wall_ms = pn_rules_wall_ms(r), horizon = r->options.horizon_ms;
    uint64_t oldest = wall_ms > horizon ? pn_hlc_make(wall_ms - horizon, 0) : 0, complete = UINT64_MAX;
    bool alone = true;

    for (unsigned i = 0; i < r->n_members; i++) {
        if (strcmp(r->members[i].name, r->node) == 0)
            continue;
        alone = false;
        if (r->members[i].acked[kind] > oldest)
            complete = min_u64(complete, r->members[i].acked[kind]);
    }
    if (alone)
        return r->n_members ? r->clock.last : 0; /* members unknown: say nothing */
    return complete == UINT64_MAX ? 0 : complete;
}

/* Drops up to GONE_AT_ONCE tombstones that are known everywhere. */
static int collect(struct pn_rules *r, uint8_t kind, struct pn_error *err)
{
    static struct {
        uint32_t seq;
        uint64_t id;
    } gone[GONE_AT_ONCE];
    const struct pn_rdb_class *class = &r->classes[kind];
    sqlite3_stmt *s = r->sql[PN_SQL_GONE];
    unsigned n = 0;
    int rc;

    sqlite3_bind_int(s, 1, kind);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)min_u64(class->floor, class->complete));
    sqlite3_bind_int(s, 3, GONE_AT_ONCE);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && n < GONE_AT_ONCE) {
        struct pn_rule_key key;
        key.kind = kind;
        gone[n].seq = (uint32_t)sqlite3_column_int64(s, 0);
        snprintf(key.owner, sizeof(key.owner), "%s", (const char *)sqlite3_column_text(s, 1));
        snprintf(key.value, sizeof(key.value), "%s", (const char *)sqlite3_column_text(s, 2));
        key.field = (uint8_t)sqlite3_column_int(s, 3);
        gone[n++].id = pn_rule_id(&key);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        pn_rdb_fail(r, err, "collecting deletions");
    sqlite3_reset(s);
    for (unsigned i = 0; i < n; i++)
        if (pn_rdb_delete(r, kind, gone[i].id, gone[i].seq, false, err) != 0)
            return -1;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* A version's time has come: what was known is in force now. */
static int release_one(struct pn_rules *r, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_HELD_DUE];
    uint32_t seq = 0;
    int rc;

    sqlite3_bind_int64(s, 1, (sqlite3_int64)pn_rules_wall_ms(r));
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        seq = (uint32_t)sqlite3_column_int64(s, 0);
    else if (rc != SQLITE_DONE)
        pn_rdb_fail(r, err, "reading what waits");
    sqlite3_reset(s);
    if (seq == 0)
        return rc == SQLITE_DONE ? 0 : -1;
    rc = pn_rdb_get_seq(r, seq, true, &r->work, err);
    if (rc == 1 && pn_rdb_put(r, &r->work, false, err) < 0)
        return -1;
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(r->sql[PN_SQL_HELD_DELETE], 1, seq); /* its row is gone */
    return pn_rdb_step(r, PN_SQL_HELD_DELETE, err) == 0 ? 1 : -1;
}

static int upkeep(struct pn_rules *r, struct pn_error *err)
{
    int rc = 1;

    for (unsigned i = 0; i < 200 && r->n_held && rc == 1; i++)
        rc = release_one(r, err);
    if (rc < 0)
        return -1;
    for (unsigned i = 0; i < pn_kinds_count; i++) {
        uint8_t k = pn_kinds[i].number;
        uint64_t complete = complete_now(r, k), horizon = r->options.horizon_ms, wall_ms = pn_rules_wall_ms(r);
        struct pn_rdb_class *class = &r->classes[k];

        if (pn_kinds[i].shape != PN_SHAPE_LIST)
            continue; /* few, and what was deleted may be asked for: rules keep their tombstones */
        if (complete > class->complete)
            class->complete = complete;
        complete = class->complete;
        if (r->n_members > 1 && wall_ms > horizon && complete && pn_hlc_make(wall_ms - horizon, 0) > complete)
            complete = pn_hlc_make(wall_ms - horizon, 0);
        /* The floor rises in steps, and only while there is something to forget. */
        if (pn_rules_digest(r, k).count > class->present && complete > class->floor &&
            wall_ms >= class->floor_raised_ms + r->options.tombstone_age_ms / 16) {
            class->floor_raised_ms = wall_ms;
            pn_rdb_floor_raise(r, k, complete);
        }
        if (save(r, k, err) != 0 || collect(r, k, err) != 0)
            return -1;
    }
    return pn_rdb_exec(r,
                       "DELETE FROM history WHERE seq <= (SELECT max(seq) FROM history) - " TEXT(
                           PN_RULES_HISTORY_ROWS) " AND seq < (SELECT min(seq) FROM history) + " TEXT(HISTORY_AT_ONCE),
                       err);
}

static void run_upkeep(struct pn_rules *r)
{
    struct pn_error err;

    if (pn_rdb_begin(r, false, &err) == 0) {
        if (upkeep(r, &err) == 0 && pn_rdb_commit(r, &err) == 0)
            return;
        pn_rdb_rollback(r);
    }
    pn_log_limited(60000, PN_LOG_ERROR, "rules: %s", err.text);
}

void pn_rules_tick(struct pn_rules *r)
{
    uint64_t now_ms = pn_rules_wall_ms(r);
    struct pn_error err;

    if (r->n_hits && (now_ms >= r->hits_due_ms || r->hits_due_ms > now_ms + HITS_MS)) {
        if (pn_rdb_hits_flush(r, &err) != 0)
            pn_log_limited(60000, PN_LOG_WARNING, "rules: hits wait to be counted: %s", err.text);
        r->hits_due_ms = now_ms + HITS_MS;
    }
    if (now_ms >= r->upkeep_due_ms || r->upkeep_due_ms > now_ms + UPKEEP_MS) {
        run_upkeep(r);
        r->upkeep_due_ms = now_ms + UPKEEP_MS;
    }
}

int pn_rules_members_set(struct pn_rules *r, const char *const *names, unsigned n, struct pn_error *err)
{
    sqlite3_stmt *s;

    if (n > PN_RULES_MEMBERS_MAX)
        return pn_error_set(err, "%u members are more than the %d that rules are kept for", n, PN_RULES_MEMBERS_MAX);
    if (sqlite3_prepare_v2(r->db, "SELECT kind, stamp FROM ack WHERE member = ?1", -1, &s, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "reading");
    memset(r->members, 0, sizeof(r->members));
    for (unsigned i = 0; i < n; i++) {
        snprintf(r->members[i].name, sizeof(r->members[i].name), "%s", names[i]);
        sqlite3_bind_text(s, 1, names[i], -1, SQLITE_TRANSIENT);
        while (sqlite3_step(s) == SQLITE_ROW)
            r->members[i].acked[sqlite3_column_int(s, 0) & (PN_KIND_LIMIT - 1)] =
                r->members[i].saved[sqlite3_column_int(s, 0) & (PN_KIND_LIMIT - 1)] =
                    (uint64_t)sqlite3_column_int64(s, 1);
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    r->n_members = n;
    return 0;
}
