/* SPDX-License-Identifier: BSD-3-Clause */
/* Uses of entries, as mail servers and readers of their logs report them: counted here, written within seconds. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/handlers.h"
#include "controlplane/api/rule.h"

/* A row is [list, value, field, owner, count]: those behind value may be missing, "" for none; count 1. */
static int row_read(const json_t *row, bool learn, struct pn_rule_key *key, uint64_t *count, struct pn_error *err)
{
    const char *cell[4];
    const json_t *number = json_array_get(row, 4);
    const struct pn_kind *kind;

    for (size_t i = 0; i < 4; i++) {
        cell[i] = json_string_value(json_array_get(row, i));
        if (cell[i] && !*cell[i])
            cell[i] = NULL;
    }
    kind = cell[0] ? pn_kind_by_name(cell[0]) : NULL;
    if (!kind || !cell[1])
        return pn_error_set(err, cell[0] && !kind ? "there is no list \"%.64s\"" : "no list and value%.0s",
                            cell[0] ? cell[0] : "");
    if (learn && !kind->cap)
        return pn_error_set(err, "%s is not learnt; rule add makes its entries", kind->name);
    if (number &&
        (!json_is_integer(number) || json_integer_value(number) < 1 || json_integer_value(number) > PN_RULES_USES_MAX))
        return pn_error_set(err, "count: a number from 1 to %d", PN_RULES_USES_MAX);
    *count = number ? (uint64_t)json_integer_value(number) : 1;
    return pn_rule_key_make(key, kind, cell[3], cell[1], cell[2], err);
}

struct use {
    struct pn_rule_key key;
    uint64_t count;
};

/* What has no entry is not counted, and told; the others are. -1: the store cannot be read, nothing is counted. */
static int count_uses(struct pn_rules *r, struct use *uses, size_t n, size_t *missing, struct pn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int there = pn_rules_get(r, &uses[i].key, NULL, err);

        if (there < 0)
            return -1;
        if (!there) {
            uses[i].count = 0;
            ++*missing;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (uses[i].count)
            pn_rules_hit(r, &uses[i].key, uses[i].count);
    return 0;
}

static void report(struct pn_api_work *work, bool learn)
{
    const json_t *rows = json_object_get(work->args, "rows");
    size_t n = json_array_size(rows), i, missing = 0;
    struct pn_rules *r = pn_rule_store(work);
    struct use *uses = r ? malloc((n + 1) * sizeof(*uses)) : NULL;
    struct pn_error err;

    if (!r)
        return;
    for (i = 0; uses && i < n; i++)
        if (row_read(json_array_get(rows, i), learn, &uses[i].key, &uses[i].count, &err) < 0)
            break;
    if (!uses) {
        pn_api_work_fail(work, PN_API_BUSY, "posternd is out of memory");
    } else if (i < n) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "row %zu: %s", i + 1, err.text);
    } else if (!learn && count_uses(r, uses, n, &missing, &err) < 0) {
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    } else {
        for (i = 0; learn && i < n; i++)
            pn_rules_learn(r, &uses[i].key, uses[i].count);
        pn_api_work_ok(work,
                       json_pack("{s:I, s:I}", "counted", (json_int_t)(n - missing), "missing", (json_int_t)missing));
    }
    free(uses);
}

static void hit(struct pn_api_work *work)
{
    report(work, false);
}

static void learn(struct pn_api_work *work)
{
    report(work, true);
}

void pn_cmd_rule_hit(struct pn_api_call *call)
{
    pn_rule_work(call, hit);
}

void pn_cmd_rule_learn(struct pn_api_call *call)
{
    pn_rule_work(call, learn);
}
