/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One version comes in, from here or from a peer, inside a transaction: merged, written, its loser remembered, the
 * digest and the watchers told after the commit.
 *
 * A row whose clock ran ahead has two versions: the one in force, and in table `held` all that is known, merged. The
 * digest is over what is known, so nodes agree on it before and after the version comes into force.
 */
#include <stdio.h>

#include "common/error.h"
#include "controlplane/rules/store.h"

/* Does the version say something else, apart from when and where? */
static bool says_the_same(const struct pn_rule *a, const struct pn_rule *b)
{
    return a->present == b->present && a->body_len == b->body_len && strcmp(a->description, b->description) == 0 &&
           (a->body_len == 0 || memcmp(a->body, b->body, a->body_len) == 0);
}

static int stage_item(struct pn_rules *r, const struct pn_rdb_row *row, bool was_there, const struct pn_rule *known,
                      struct pn_error *err)
{
    int node = pn_rdb_name(r, known->node, err);
    struct pn_digest_item item = {.id = pn_rule_id(&known->key),
                                  .content = pn_rule_content_hash(known),
                                  .stamp = known->stamp,
                                  .seq = row->seq,
                                  .node = (uint16_t)node,
                                  .held = row->held,
                                  .present = r->cur.present}; /* in force, whatever waits */

    if (node < 0 || (was_there && pn_rdb_op_add(r, false, known->key.kind, &item, err) != 0))
        return -1;
    return pn_rdb_op_add(r, true, known->key.kind, &item, err);
}

static int held_write(struct pn_rules *r, uint32_t seq, const struct pn_rule *rule, bool is_new, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_HELD_PUT];
    uint64_t due_ms = pn_hlc_ms(rule->stamp), last_ms = pn_rule_last_ms(rule);

    if (last_ms > due_ms)
        due_ms = last_ms;
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)(due_ms > r->clock.skew_ms ? due_ms - r->clock.skew_ms : 0));
    if (pn_rdb_bind_rule(r, s, 3, rule, err) < 0 || pn_rdb_step(r, PN_SQL_HELD_PUT, err) != 0)
        return -1;
    r->held_delta += is_new;
    return 0;
}

/* Beyond the cap goes what was used longest ago: the same on every node, since uses only ever move forward. */
static int evict(struct pn_rules *r, uint8_t kind_number, struct pn_error *err)
{
    const struct pn_kind *kind = pn_kind_by_number(kind_number);
    struct pn_rdb_class *class = &r->classes[kind_number];
    uint64_t cap = kind->cap && r->options.auto_cap ? r->options.auto_cap : kind->cap;
    sqlite3_stmt *s = r->sql[PN_SQL_EVICT];

    while (cap && class->present + (uint64_t) class->present_delta > cap) {
        struct pn_rule_key key;
        uint32_t seq;

        sqlite3_bind_int(s, 1, kind_number);
        if (sqlite3_step(s) != SQLITE_ROW) {
            pn_rdb_fail(r, err, "making room");
            sqlite3_reset(s);
            return -1;
        }
        seq = (uint32_t)sqlite3_column_int64(s, 0);
        pn_rdb_read_key(s, 1, &key);
        sqlite3_reset(s);
        if (pn_rdb_note_gone(r, &key, err) != 0 || pn_rdb_delete(r, kind_number, pn_rule_id(&key), seq, true, err) != 0)
            return -1;
    }
    return 0;
}

static int review_add(struct pn_rules *r, const struct pn_rule *in, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_REVIEW_DELETE];

    pn_rdb_bind_key(s, 1, &in->key);
    if (pn_rdb_step(r, PN_SQL_REVIEW_DELETE, err) != 0)
        return -1;
    r->review_delta -= sqlite3_changes(r->db);
    s = r->sql[PN_SQL_REVIEW_PUT];
    if (pn_rdb_bind_rule(r, s, pn_rdb_bind_key(s, 1, &in->key), in, err) < 0 ||
        pn_rdb_step(r, PN_SQL_REVIEW_PUT, err) != 0)
        return -1;
    r->review_delta++;
    return 0;
}

static int review_clear(struct pn_rules *r, const struct pn_rule_key *key, struct pn_error *err)
{
    if ((int64_t)r->n_review + r->review_delta == 0)
        return 0;
    pn_rdb_bind_key(r->sql[PN_SQL_REVIEW_DELETE], 1, key);
    if (pn_rdb_step(r, PN_SQL_REVIEW_DELETE, err) != 0)
        return -1;
    r->review_delta -= sqlite3_changes(r->db);
    return 0;
}

/*
 * in is as old as tombstones that are gone, so its absence here may be a deletion that we forgot. 1: refuse it.
 * Only a node that has seen everything up to then may say so; others take what they are given.
 */
static int refuse(struct pn_rules *r, const struct pn_rule *in, bool known, struct pn_error *err)
{
    const struct pn_rdb_class *class = &r->classes[in->key.kind];
    const struct pn_kind *kind = pn_kind_by_number(in->key.kind);

    if (kind->shape != PN_SHAPE_LIST || known || in->stamp > class->floor)
        return 0;
    if (!in->present)
        return 1; /* nothing to delete */
    if (class->complete < class->floor)
        return 0;
    return review_add(r, in, err) == 0 ? 1 : -1;
}

static int put_held(struct pn_rules *r, struct pn_rdb_row *row, bool was_there, const struct pn_rule *in,
                    struct pn_error *err)
{
    bool is_new = !row->held;

    if (is_new && pn_rule_copy(&r->full, &r->cur) != 0)
        return pn_error_set(err, "no memory");
    int m = pn_rule_merge(&r->full, in);
    if (m <= 0)
        return m == 0 ? PN_PUT_SAME : pn_error_set(err, "no memory");
    if (is_new && pn_rdb_write(r, row, &r->cur, true, err) != 0)
        return -1;
    if (held_write(r, row->seq, &r->full, is_new, err) != 0 || stage_item(r, row, was_there, &r->full, err) != 0)
        return -1;
    return PN_PUT_HELD;
}

static int put_now(struct pn_rules *r, struct pn_rdb_row *row, bool was_there, const struct pn_rule *in, bool local,
                   struct pn_error *err)
{
    struct pn_rdb_class *class = &r->classes[in->key.kind];
    bool was_present = r->cur.present, held = row->held;
    int c = pn_rule_version_cmp(&r->cur, in);

    if (c < 0 && r->cur.stamp && !says_the_same(&r->cur, in) &&
        pn_rdb_history_add(r, &r->cur, local ? "replaced" : "merged", err) != 0)
        return -1;
    if (c > 0 && !says_the_same(&r->cur, in) && pn_rdb_history_add(r, in, "lost", err) != 0)
        return -1;
    int m = pn_rule_merge(&r->cur, in), m_held = held ? pn_rule_merge(&r->full, &r->cur) : PN_MERGE_SAME;
    if (m < 0 || m_held < 0)
        return pn_error_set(err, "no memory");
    bool overtaken =
        held && pn_rule_version_cmp(&r->full, &r->cur) == 0 && !pn_rdb_is_future(r, pn_rules_wall_ms(r), &r->full);
    if (m == PN_MERGE_SAME && m_held == PN_MERGE_SAME && !overtaken)
        return PN_PUT_SAME;
    if (overtaken) {
        sqlite3_bind_int64(r->sql[PN_SQL_HELD_DELETE], 1, row->seq); /* or due */
        if (pn_rdb_step(r, PN_SQL_HELD_DELETE, err) != 0)
            return -1;
        r->held_delta--;
        held = false;
        if (pn_rule_copy(&r->cur, &r->full) != 0)
            return pn_error_set(err, "no memory");
    } else if (held && held_write(r, row->seq, &r->full, false, err) != 0) {
        return -1;
    }
    if (pn_rdb_write(r, row, &r->cur, held, err) != 0 ||
        stage_item(r, row, was_there, held ? &r->full : &r->cur, err) != 0)
        return -1;
    class->present_delta += (int)r->cur.present - (int)was_present;
    if (r->cur.present && review_clear(r, &in->key, err) != 0)
        return -1;
    if (pn_rdb_note_add(r, in->key.kind, row->seq, local, (m & PN_MERGE_VERSION) != 0, err) != 0)
        return -1;
    return evict(r, in->key.kind, err) == 0 ? PN_PUT_CHANGED : -1;
}

int pn_rdb_put(struct pn_rules *r, const struct pn_rule *in, bool local, struct pn_error *err)
{
    struct pn_rdb_row row;
    int known = pn_rdb_get(r, &in->key, &row, &r->cur, err), refused;

    if (known < 0)
        return -1;
    if (!known) {
        pn_rule_clear(&r->cur);
        r->cur.key = in->key;
        memcpy(r->cur.node, in->node, sizeof(r->cur.node));
    }
    if (row.held) {
        r->full.key = in->key;
        if (pn_rdb_held_get(r, row.seq, &r->full, err) < 0)
            return -1;
    }
    if (local)
        return put_now(r, &row, known, in, true, err);
    refused = refuse(r, in, known, err);
    if (refused)
        return refused < 0 ? -1 : PN_PUT_REFUSED;
    if (pn_rdb_is_future(r, pn_rules_wall_ms(r), in))
        return put_held(r, &row, known, in, err);
    pn_hlc_hear(&r->clock, pn_rules_wall_ms(r), in->stamp);
    const struct pn_kind *kind = pn_kind_by_number(in->key.kind);
    if (kind->shape == PN_SHAPE_LIST && !in->present && in->stamp <= r->classes[in->key.kind].floor && r->cur.present &&
        pn_rule_version_cmp(&r->cur, in) < 0) {
        /* A deletion that comes so late is made anew, or those who have forgotten such old ones would not take it. */
        if (pn_rule_copy(&r->work, in) != 0)
            return pn_error_set(err, "no memory");
        r->work.stamp = pn_hlc_next(&r->clock, pn_rules_wall_ms(r));
        snprintf(r->work.node, sizeof(r->work.node), "%s", r->node);
        return put_now(r, &row, known, &r->work, true, err);
    }
    return put_now(r, &row, known, in, false, err);
}

int pn_rdb_put_stamp(struct pn_rules *r, uint8_t kind, uint64_t id, uint64_t content, uint64_t stamp, const char *node,
                     struct pn_error *err)
{
    const struct pn_digest_item *known = pn_digest_find_content(r->classes[kind].digest, id, content);
    struct pn_digest_item item;
    int number, c;

    if (known == NULL)
        return 0; /* changed meanwhile, or made to collide: the next comparison sees to it */
    item = *known;
    c = stamp < item.stamp ? -1 : stamp > item.stamp ? 1 : strcmp(node, r->names[item.node]);
    if (c <= 0)
        return 0;
    if (item.held || pn_hlc_is_future(&r->clock, pn_rules_wall_ms(r), stamp)) {
        if (pn_rdb_get_seq(r, item.seq, true, &r->work, err) != 1)
            return -1;
        r->work.stamp = stamp;
        snprintf(r->work.node, sizeof(r->work.node), "%s", node);
        return pn_rdb_put(r, &r->work, false, err) < 0 ? -1 : 0;
    }
    number = pn_rdb_name(r, node, err);
    if (number < 0)
        return -1;
    pn_hlc_hear(&r->clock, pn_rules_wall_ms(r), stamp);
    sqlite3_bind_int64(r->sql[PN_SQL_UPDATE_STAMP], 1, item.seq);
    sqlite3_bind_int64(r->sql[PN_SQL_UPDATE_STAMP], 2, (sqlite3_int64)stamp);
    sqlite3_bind_int(r->sql[PN_SQL_UPDATE_STAMP], 3, number);
    if (pn_rdb_step(r, PN_SQL_UPDATE_STAMP, err) != 0 || pn_rdb_op_add(r, false, kind, &item, err) != 0)
        return -1;
    item.stamp = stamp;
    item.node = (uint16_t)number;
    return pn_rdb_op_add(r, true, kind, &item, err);
}

int pn_rdb_refused(struct pn_rules *r, uint8_t kind, uint64_t id, uint64_t stamp, struct pn_error *err)
{
    struct pn_digest_place place = {id & ~0xffffull, PN_DIGEST_DEPTH_MAX};
    struct pn_digest_item items[16];
    size_t n = pn_digest_items(r->classes[kind].digest, place, items, 16);

    if (stamp > r->classes[kind].floor || n > 16)
        return 0; /* it was not ours to give up */
    for (size_t i = 0; i < n; i++) {
        if (items[i].id != id || items[i].stamp != stamp || items[i].held)
            continue;
        if (pn_rdb_get_seq(r, items[i].seq, false, &r->work, err) != 1)
            return -1;
        if (r->work.present && review_add(r, &r->work, err) != 0)
            return -1;
        if (r->work.present && pn_rdb_note_gone(r, &r->work.key, err) != 0)
            return -1;
        return pn_rdb_delete(r, kind, id, items[i].seq, r->work.present, err);
    }
    return 0;
}
