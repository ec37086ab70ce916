/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store's tables and statements. Needs PostgreSQL 13. */
#include "controlplane/quarantine/host_pg.h"

/* One text a version, only ever added to. */
const char *const pn_pg_schema[] = {
    "CREATE TABLE meta(key text COLLATE \"C\" PRIMARY KEY, value bigint NOT NULL);"
    "CREATE TABLE node(name text COLLATE \"C\" PRIMARY KEY, accepted bigint NOT NULL, items bigint NOT NULL,"
    " messages bigint NOT NULL, file_bytes bigint NOT NULL, waiting bigint NOT NULL);"
    "CREATE TABLE item(number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, node text COLLATE \"C\" NOT NULL,"
    " seq bigint NOT NULL, sha bytea NOT NULL, kind smallint NOT NULL, event smallint NOT NULL,"
    " state smallint NOT NULL DEFAULT 0, flags integer NOT NULL DEFAULT 0, received_ms bigint NOT NULL,"
    " taken_ms bigint NOT NULL, file_bytes bigint NOT NULL, size_bytes bigint NOT NULL, sender text COLLATE \"C\","
    " sender_domain text COLLATE \"C\", rule text COLLATE \"C\", body bytea NOT NULL, words tsvector);"
    "CREATE UNIQUE INDEX item_id ON item(node, seq, sha);"
    "CREATE INDEX item_received ON item(received_ms);"
    "CREATE INDEX item_sender ON item(sender, number) WHERE sender IS NOT NULL;"
    "CREATE INDEX item_domain ON item(sender_domain, number) WHERE sender_domain IS NOT NULL;"
    "CREATE INDEX item_node ON item(node, number);"
    "CREATE INDEX item_rule ON item(rule, number) WHERE rule IS NOT NULL;"
    "CREATE INDEX item_sha ON item(sha) WHERE kind = 2 AND flags & 4 = 0;"
    "CREATE INDEX item_purge ON item(kind, received_ms) WHERE flags & 6 = 0;"
    "CREATE INDEX item_class ON item(kind, state, event, received_ms) WHERE flags & 6 = 0;"
    "CREATE INDEX item_words ON item USING gin(words);"
    "CREATE TABLE recipient(address text COLLATE \"C\" NOT NULL, number bigint NOT NULL, PRIMARY KEY(address, number));"
    "CREATE INDEX recipient_number ON recipient(number);"
    "CREATE TABLE audit(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number bigint NOT NULL, what text NOT NULL,"
    " who text NOT NULL, detail text NOT NULL, at_ms bigint NOT NULL);"
    "CREATE INDEX audit_number ON audit(number);"
    "CREATE TABLE hour_count(hour bigint, node text COLLATE \"C\", event smallint, count bigint NOT NULL,"
    " bytes bigint NOT NULL, PRIMARY KEY(hour, node, event));"
    "CREATE TABLE hour_name(hour bigint, list smallint, node text COLLATE \"C\", name text COLLATE \"C\","
    " count bigint NOT NULL, bytes bigint NOT NULL, PRIMARY KEY(list, hour, node, name));"
    "CREATE TABLE due(address text COLLATE \"C\" PRIMARY KEY, upto bigint NOT NULL);",
};
const int pn_pg_versions = sizeof(pn_pg_schema) / sizeof(pn_pg_schema[0]);

#define ROW "number, state::bigint, flags::bigint, taken_ms, file_bytes, body, node, seq, sha, kind::bigint"

const char *const pn_pg_sql_text[PN_PG_COUNT] = {
    [PN_PG_KNOWN] = "SELECT 1 FROM item WHERE node = $1 AND seq = $2 AND sha = $3",
    [PN_PG_ACCEPTED] = "SELECT accepted FROM node WHERE name = $1",
    /* One round trip for an item and all that is counted with it; no row: it was known. */
    [PN_PG_INSERT] =
        "WITH ins AS (INSERT INTO item(node, seq, sha, kind, event, received_ms, taken_ms, file_bytes, size_bytes,"
        " sender, sender_domain, rule, body, words) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
        " $14::tsvector) ON CONFLICT (node, seq, sha) DO NOTHING RETURNING number, kind),"
        " r AS (INSERT INTO recipient SELECT DISTINCT a, number FROM ins, unnest($15::text[]) a),"
        " n AS (INSERT INTO node AS n SELECT $1, 1, 1, (kind = 2)::int, $8, (kind = 2)::int FROM ins"
        " ON CONFLICT (name) DO UPDATE SET accepted = n.accepted + 1, items = n.items + 1,"
        " messages = n.messages + excluded.messages, file_bytes = n.file_bytes + excluded.file_bytes,"
        " waiting = n.waiting + excluded.waiting),"
        " c AS (INSERT INTO hour_count AS h SELECT $16::bigint, $1, e, count(*), $9::bigint * count(*)"
        " FROM ins, unnest($17::smallint[]) e GROUP BY e ON CONFLICT (hour, node, event) DO UPDATE SET"
        " count = h.count + excluded.count, bytes = h.bytes + excluded.bytes),"
        " m AS (INSERT INTO hour_name AS h SELECT $16::bigint, l, $1, a, count(*), $9::bigint * count(*)"
        " FROM ins, unnest($18::smallint[], $19::text[]) u(l, a) GROUP BY l, a"
        " ON CONFLICT (list, hour, node, name) DO UPDATE SET count = h.count + excluded.count,"
        " bytes = h.bytes + excluded.bytes) SELECT number FROM ins",
    [PN_PG_GET] = "SELECT " ROW " FROM item WHERE number = $1",
    [PN_PG_STATE] =
        "WITH s AS (UPDATE item SET state = $2::smallint WHERE number = $1 AND state = 0 AND kind = 2"
        " AND flags & 4 = 0 RETURNING node, size_bytes),"
        " n AS (UPDATE node SET waiting = waiting - 1 FROM s WHERE name = s.node),"
        " c AS (INSERT INTO hour_count AS h SELECT $3::bigint, node, 3, 1, size_bytes FROM s WHERE $2::smallint = 1"
        " ON CONFLICT (hour, node, event) DO UPDATE SET count = h.count + 1, bytes = h.bytes + excluded.bytes)"
        " SELECT 1 FROM s",
    [PN_PG_FLAG] = "UPDATE item SET flags = CASE WHEN $3::int <> 0 THEN flags | $2::int ELSE flags & ~($2::int) END"
                   " WHERE number = $1 AND flags & 4 = 0 RETURNING 1",
    [PN_PG_AUDIT] = "INSERT INTO audit(number, what, who, detail, at_ms) VALUES($1, $2, $3, $4, $5)",
    [PN_PG_SHA_USED] = "SELECT 1 FROM item WHERE kind = 2 AND flags & 4 = 0 AND sha = $1 LIMIT 1",
    [PN_PG_PURGE] =
        "WITH gone AS MATERIALIZED (SELECT number, sha, file_bytes, kind, state, node FROM item WHERE flags & 6 = 0"
        " AND received_ms < $1 AND kind = $2::smallint AND ($3::int < 0 OR event = $3::int)"
        " AND ($4::int < 0 OR state = $4::int) AND ($5::text IS NULL OR node = $5) ORDER BY received_ms LIMIT $6),"
        " u AS (UPDATE item SET flags = flags | 4, file_bytes = 0, sender = NULL, sender_domain = NULL, rule = NULL,"
        " body = '', words = NULL FROM gone WHERE item.number = gone.number),"
        " r AS (DELETE FROM recipient USING gone WHERE recipient.number = gone.number),"
        " n AS (UPDATE node SET items = node.items - g.items, messages = node.messages - g.messages,"
        " file_bytes = node.file_bytes - g.bytes, waiting = node.waiting - g.waiting FROM (SELECT node, count(*) AS "
        "items,"
        " count(*) FILTER (WHERE kind = 2) AS messages, sum(file_bytes)::bigint AS bytes,"
        " count(*) FILTER (WHERE kind = 2 AND state = 0) AS waiting FROM gone GROUP BY node) g WHERE name = g.node)"
        " SELECT sha, file_bytes FROM gone",
    [PN_PG_TOTALS] = "SELECT coalesce(sum(items), 0)::bigint, coalesce(sum(messages), 0)::bigint,"
                     " coalesce(sum(file_bytes), 0)::bigint, coalesce(sum(waiting), 0)::bigint,"
                     " (SELECT coalesce(max(number), 0) FROM item) FROM node",
    [PN_PG_NODE_TOTALS] = "SELECT name, items, messages, file_bytes, waiting FROM node ORDER BY name",
    [PN_PG_AUDIT_LIST] = "SELECT number, at_ms, what, who, detail FROM audit WHERE number = $1 ORDER BY id LIMIT 1000",
    [PN_PG_REPORT_COUNT] = "SELECT hour, node, event::bigint, count, bytes FROM hour_count WHERE hour >= $1"
                           " AND hour < $2 AND ($3::text IS NULL OR node = $3)",
    [PN_PG_REPORT_NAME] = "SELECT name, sum(count)::bigint, sum(bytes)::bigint FROM hour_name WHERE hour >= $1"
                          " AND hour < $2 AND list = $4::smallint AND ($3::text IS NULL OR node = $3) GROUP BY name"
                          " ORDER BY 2 DESC, name LIMIT $5",
    [PN_PG_REPORT_PURGE] = "WITH n AS (DELETE FROM hour_name WHERE list IN (0, 1, 2) AND hour < $1) DELETE FROM "
                           "hour_count WHERE hour < $1",
    [PN_PG_DUE] = "SELECT r.address, coalesce(d.upto, 0) FROM recipient r JOIN item i ON i.number = r.number"
                  " LEFT JOIN due d ON d.address = r.address WHERE r.number > $1 AND r.number <= $2"
                  " AND r.number > coalesce(d.upto, 0) AND r.address > $3 AND left(r.address, 1) <> '@' AND i.kind = 2"
                  " AND i.state = 0 AND i.flags & 5 = 0 GROUP BY r.address, d.upto ORDER BY r.address LIMIT $4",
    [PN_PG_DUE_MARK] = "INSERT INTO due VALUES($1, $2) ON CONFLICT(address) DO UPDATE SET"
                       " upto = greatest(due.upto, excluded.upto)",
    [PN_PG_DUE_CLEAR] = "DELETE FROM due WHERE upto <= $1",
    [PN_PG_MARK_GET] = "SELECT value FROM meta WHERE key = 'mark.' || $1::text",
    [PN_PG_MARK_SET] = "INSERT INTO meta VALUES('mark.' || $1::text, $2) ON CONFLICT(key) DO UPDATE SET"
                       " value = excluded.value",
    /* With the change it is of; one that changed nothing notes nothing. */
    [PN_PG_CHANGE_NOTE] =
        "INSERT INTO meta SELECT 'change', $1::bigint WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
        " ON CONFLICT(key) DO UPDATE SET value = excluded.value RETURNING 1",
    [PN_PG_CHANGE_LAST] = "SELECT value FROM meta WHERE key = 'change'",
};
