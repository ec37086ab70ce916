/* SPDX-License-Identifier: BSD-3-Clause */
/* What all parts of the store use: statements, errors, names of nodes, and what a change notes until its commit. */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/hash.h"
#include "controlplane/rules/store.h"

#define NAMES_MAX 1024 /* of nodes, gone ones too: a peer that lies must not fill the table */

uint64_t pn_rules_wall_ms(const struct pn_rules *r)
{
    return r->options.wall_ms(r->options.wall_arg);
}

int pn_rdb_fail(struct pn_rules *r, struct pn_error *err, const char *doing)
{
    int code = r->db ? sqlite3_extended_errcode(r->db) : SQLITE_NOMEM;
    const char *path = r->options.path;
    struct pn_error mine;

    switch (code & 0xff) {
    case SQLITE_FULL:
        pn_error_set(&mine, "%s: %s: the disk is full; nothing was changed", path, doing);
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        pn_error_set(
            &mine, "%s: %s: the file is damaged (%s); move it away and this node takes the rules from its peers again",
            path, doing, sqlite3_errmsg(r->db));
        break;
    case SQLITE_IOERR:
        pn_error_set(&mine, "%s: %s: %s (%s)", path, doing, sqlite3_errmsg(r->db),
                     strerror(sqlite3_system_errno(r->db)));
        break;
    default:
        pn_error_set(&mine, "%s: %s: %s", path, doing, r->db ? sqlite3_errmsg(r->db) : "no memory");
    }
    r->errors++;
    snprintf(r->last_error, sizeof(r->last_error), "%s", mine.text);
    if (err)
        *err = mine;
    return -1;
}

int pn_rdb_exec(struct pn_rules *r, const char *text, struct pn_error *err)
{
    return sqlite3_exec(r->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : pn_rdb_fail(r, err, "preparing it");
}

int pn_rdb_step(struct pn_rules *r, enum pn_sql which, struct pn_error *err)
{
    int rc = sqlite3_step(r->sql[which]);

    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        pn_rdb_fail(r, err, "writing");
    sqlite3_reset(r->sql[which]);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

/* Room for one more of size bytes in a growing array. */
static int room(void **array, size_t n, size_t *have, size_t size, struct pn_error *err)
{
    if (n < *have)
        return 0;
    size_t want = *have ? 2 * *have : 64;
    void *grown = realloc(*array, want * size);
    if (grown == NULL)
        return pn_error_set(err, "no memory for the change; nothing was changed");
    *array = grown;
    *have = want;
    return 0;
}

int pn_rdb_op_add(struct pn_rules *r, bool add, uint8_t kind, const struct pn_digest_item *item, struct pn_error *err)
{
    if (room((void **)&r->ops, r->n_ops, &r->ops_size, sizeof(*r->ops), err) != 0)
        return -1;
    r->ops[r->n_ops++] = (struct pn_rdb_op){.add = add, .kind = kind, .item = *item};
    return 0;
}

int pn_rdb_note_add(struct pn_rules *r, uint8_t kind, uint32_t seq, bool push, bool watch, struct pn_error *err)
{
    if (room((void **)&r->notes, r->n_notes, &r->notes_size, sizeof(*r->notes), err) != 0)
        return -1;
    r->notes[r->n_notes++] = (struct pn_rdb_note){.kind = kind, .seq = seq, .push = push, .watch = watch};
    return 0;
}

int pn_rdb_note_gone(struct pn_rules *r, const struct pn_rule_key *key, struct pn_error *err)
{
    struct pn_rule_key *copy = malloc(sizeof(*copy));

    if (copy == NULL || pn_rdb_note_add(r, key->kind, 0, false, true, err) != 0) {
        free(copy);
        return pn_error_set(err, "no memory for the change; nothing was changed");
    }
    *copy = *key;
    r->notes[r->n_notes - 1].gone = copy;
    return 0;
}

int pn_rdb_meta_set(struct pn_rules *r, const char *key, uint64_t value, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_META_PUT];

    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)value);
    return pn_rdb_step(r, PN_SQL_META_PUT, err);
}

int pn_rdb_name(struct pn_rules *r, const char *name, struct pn_error *err)
{
    for (unsigned i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i], name) == 0)
            return (int)i;
    if (r->n_names >= NAMES_MAX)
        return pn_error_set(err, "%s: too many nodes have ever been in this cluster", r->options.path);
    if (r->n_names == r->names_size) {
        unsigned want = r->names_size ? 2 * r->names_size : 16;
        void *names = realloc(r->names, want * sizeof(*r->names));
        if (names)
            r->names = names;
        void *hashes = realloc(r->name_hashes, want * sizeof(*r->name_hashes));
        if (hashes)
            r->name_hashes = hashes;
        if (!names || !hashes)
            return pn_error_set(err, "no memory");
        r->names_size = want;
    }
    if (r->in_tx) {
        sqlite3_stmt *s = r->sql[PN_SQL_NODE_PUT];
        sqlite3_bind_int64(s, 1, r->n_names);
        sqlite3_bind_text(s, 2, name, -1, SQLITE_TRANSIENT);
        if (pn_rdb_step(r, PN_SQL_NODE_PUT, err) != 0)
            return -1;
    }
    memset(r->names[r->n_names], 0, PN_NAME_BYTES);
    memcpy(r->names[r->n_names], name, strnlen(name, PN_NAME_BYTES - 1));
    r->name_hashes[r->n_names] = pn_hash_name(r->names[r->n_names]);
    return (int)r->n_names++;
}
