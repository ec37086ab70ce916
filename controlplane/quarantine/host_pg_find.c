/* SPDX-License-Identifier: BSD-3-Clause */
/* Searches in the PostgreSQL store. Everything a person typed is a value, never part of the statement. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/host_pg.h"

struct builder {
    char sql[2000];
    size_t len;
    struct pn_pg_values v;
};

/* Adds sql, in which # stands for the number of the value that follows. */
static void add(struct builder *b, const char *sql)
{
    for (; *sql && b->len + 8 < sizeof(b->sql); sql++)
        if (*sql == '#')
            b->len += (size_t)snprintf(b->sql + b->len, 8, "$%d", b->v.n + 1);
        else
            b->sql[b->len++] = *sql;
    b->sql[b->len] = '\0';
}

static void add_text(struct builder *b, const char *sql, const char *text)
{
    add(b, sql);
    pn_pg_text(&b->v, text);
}

static void add_number(struct builder *b, const char *sql, uint64_t number)
{
    add(b, sql);
    pn_pg_count(&b->v, number);
}

static int show(struct pn_hostdb *db, const PGresult *r, int i, pn_host_each *each, void *arg, struct pn_error *err)
{
    struct pn_host_row row = {.number = (uint64_t)pn_pg_int(r, i, 0),
                              .state = (enum pn_host_state)pn_pg_int(r, i, 1),
                              .flags = (unsigned)pn_pg_int(r, i, 2),
                              .taken_ms = (uint64_t)pn_pg_int(r, i, 3),
                              .file_bytes = (uint64_t)pn_pg_int(r, i, 4)};
    pn_q_item bare = PN__Q__ITEM__INIT, *item = &bare;
    struct pn_pb_budget budget;

    (void)db;
    if (row.flags & PN_HOST_PURGED) { /* all that is left is its identity */
        bare.node = PQgetvalue(r, i, 6);
        bare.sequence = (uint64_t)pn_pg_int(r, i, 7);
        bare.sha256 = (ProtobufCBinaryData){(size_t)PQgetlength(r, i, 8), (uint8_t *)PQgetvalue(r, i, 8)};
        bare.kind = (uint32_t)pn_pg_int(r, i, 9);
    } else {
        item = pn_q_item_decode(&budget, PQgetvalue(r, i, 5), (size_t)PQgetlength(r, i, 5), err);
        if (item == NULL)
            return pn_error_set(err, "PostgreSQL: item %llu is damaged", (unsigned long long)row.number);
    }
    row.item = item;
    int rc = each(arg, &row);
    if (item != &bare)
        pn_pb_free(&budget, item);
    return rc ? 1 : 0;
}

int pn_pg_get(struct pn_hostdb *db, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, number);
    PGresult *r = pn_pg_run(db, PN_PG_GET, &v, err);
    if (r == NULL)
        return -1;
    int n = PQntuples(r);
    if (n > 0 && show(db, r, 0, each, arg, err) < 0)
        n = -1;
    PQclear(r);
    return n;
}

static const char *clean(const char *text, bool lower, char out[PN_Q_ADDRESS_MAX + 1])
{
    pn_q_text_clean((const uint8_t *)text, strlen(text), out, PN_Q_ADDRESS_MAX + 1);
    for (char *p = out; lower && *p; p++)
        if ((unsigned char)*p < 0x80)
            *p = (char)tolower((unsigned char)*p);
    return out;
}

int pn_pg_find(struct pn_hostdb *db, const struct pn_host_query *q, pn_host_each *each, void *arg, struct pn_error *err)
{
    char sender[PN_Q_ADDRESS_MAX + 1], recipient[PN_Q_ADDRESS_MAX + 1], node[PN_Q_ADDRESS_MAX + 1],
        rule[PN_Q_ADDRESS_MAX + 1];
    struct builder b = {.len = 0};
    bool none = false;
    int result = 0;

    char *words = pn_qwords_query(db->words, q->subject, q->reason, q->text, &none);
    if (words == NULL)
        return pn_error_set(err, "no memory");
    if (none) {
        free(words);
        return 0;
    }
    add(&b, "SELECT i.number, i.state::bigint, i.flags::bigint, i.taken_ms, i.file_bytes, i.body, i.node, i.seq, i.sha,"
            " i.kind::bigint FROM item i");
    if (q->recipient)
        add_text(&b, " JOIN recipient r ON r.number = i.number AND r.address = #",
                 clean(q->recipient, true, recipient));
    add(&b, " WHERE i.flags & 4 = 0");
    if (words[0])
        add_text(&b, " AND i.words @@ #::tsquery", words);
    if (q->sender)
        add_text(&b, q->sender[0] == '@' ? " AND i.sender_domain = #" : " AND i.sender = #",
                 clean(q->sender, true, sender));
    /* A node has a large share of all rows: with a span of time that index, not the node's, narrows the search. */
    bool span = q->from_ms && q->to_ms && !words[0] && !q->recipient && !q->sender && !q->rule;
    if (q->node)
        add_text(&b, span ? " AND i.node || '' = #" : " AND i.node = #", clean(q->node, false, node));
    if (q->rule)
        add_text(&b, " AND i.rule = #", clean(q->rule, false, rule));
    if (q->kind >= 0)
        add_number(&b, " AND i.kind = #::int", (uint64_t)q->kind);
    if (q->event >= 0)
        add_number(&b, " AND i.event = #::int", (uint64_t)q->event);
    if (q->state >= 0)
        add_number(&b, " AND i.state = #::int", (uint64_t)q->state);
    if (q->from_ms)
        add_number(&b, " AND i.received_ms >= #", q->from_ms);
    if (q->to_ms)
        add_number(&b, " AND i.received_ms < #", q->to_ms);
    if (q->unseen)
        add(&b, " AND i.flags & 1 = 0");
    const char *number = q->recipient ? "r.number" : "i.number";
    if (q->after) {
        add(&b, " AND ");
        add(&b, number);
        add_number(&b, " > #", q->after);
    }
    if (q->before) {
        add(&b, " AND ");
        add(&b, number);
        add_number(&b, " < #", q->before);
    }
    add(&b, " ORDER BY ");
    add(&b, number);
    if (span)
        add(&b, " + 0"); /* sort the span instead of walking all rows in order */
    add_number(&b, " DESC LIMIT #", q->limit == 0 ? 100 : q->limit > 1000 ? 1000 : q->limit);
    PGresult *r = pn_pg_ask(db, b.sql, &b.v, err);
    free(words);
    if (r == NULL)
        return -1;
    for (int i = 0; i < PQntuples(r) && result == 0; i++)
        result = show(db, r, i, each, arg, err);
    PQclear(r);
    return result < 0 ? -1 : 0;
}
