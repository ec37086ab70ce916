/* SPDX-License-Identifier: BSD-3-Clause */
/* Uses of entries, counted in memory and written together: a mail must not wait for the disk because it was counted. */
#include <stdio.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/rules/store.h"

static void hit(struct pn_rules *r, const struct pn_rule_key *key, uint64_t count, bool learn)
{
    struct pn_error err;
    struct pn_rdb_hit *h;

    for (unsigned i = r->n_hits; i-- > 0 && i + 64 > r->n_hits;) { /* the same again soon after */
        h = &r->hits[i];
        if (pn_rule_key_equal(&h->key, key)) {
            h->count += count;
            h->last_ms = pn_rules_wall_ms(r);
            h->learn |= learn;
            return;
        }
    }
    if (r->n_hits == PN_RDB_HITS_MAX && pn_rdb_hits_flush(r, &err) != 0) {
        pn_log_limited(60000, PN_LOG_WARNING, "rules: hits are not counted: %s", err.text);
        return;
    }
    r->hits[r->n_hits++] =
        (struct pn_rdb_hit){.key = *key, .count = count, .last_ms = pn_rules_wall_ms(r), .learn = learn};
}

void pn_rules_hit(struct pn_rules *r, const struct pn_rule_key *key, uint64_t count)
{
    hit(r, key, count, false);
}

void pn_rules_learn(struct pn_rules *r, const struct pn_rule_key *key, uint64_t count)
{
    hit(r, key, count, true);
}

static int hit_write(struct pn_rules *r, const struct pn_rdb_hit *h, uint64_t stamp, struct pn_error *err)
{
    struct pn_rdb_row row;
    int known = pn_rdb_get(r, &h->key, &row, &r->cur, err);

    if (known < 0)
        return -1;
    if (!known || !r->cur.present) {
        if (!h->learn)
            return 0;
        if (!known)
            pn_rule_clear(&r->cur);
        pn_rule_body_set(&r->cur, NULL, 0);
        r->cur.key = h->key;
        r->cur.present = true;
        r->cur.description[0] = '\0';
        r->cur.stamp = stamp > r->cur.stamp ? stamp : r->cur.stamp + 1;
        snprintf(r->cur.node, sizeof(r->cur.node), "%s", r->node);
    }
    pn_rule_hit_add(&r->cur, r->node, h->count, h->last_ms);
    if (pn_rule_copy(&r->work, &r->cur) != 0)
        return pn_error_set(err, "no memory");
    if (pn_rule_check(&r->work, err) != 0) { /* never written: it must not keep the others from it */
        pn_log_limited(60000, PN_LOG_WARNING, "rules: a hit is not counted: %s", err->text);
        return 0;
    }
    return pn_rdb_put(r, &r->work, true, err) >= 0 ? 0 : -1;
}

int pn_rdb_hits_flush(struct pn_rules *r, struct pn_error *err)
{
    uint64_t stamp;

    if (r->n_hits == 0)
        return 0;
    if (pn_rdb_begin(r, false, err) != 0)
        return -1;
    stamp = pn_hlc_next(&r->clock, pn_rules_wall_ms(r));
    for (unsigned i = 0; i < r->n_hits; i++)
        if (hit_write(r, &r->hits[i], stamp, err) != 0) {
            pn_rdb_rollback(r);
            return -1;
        }
    if (pn_rdb_meta_set(r, "clock", r->clock.last, err) != 0) {
        pn_rdb_rollback(r);
        return -1;
    }
    if (pn_rdb_commit(r, err) != 0)
        return -1;
    r->n_hits = 0;
    return 0;
}
