/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a member that lies can send about rules. Input: frames, each with two bytes of length (big endian) before it. The
 * node has a few entries of its own and answers; afterwards it must still agree with itself on disk and in memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/rules/rules.h"
#include "controlplane/rules/sync.h"

#define INPUTS_A_STORE 500 /* then a new one, so that a finding does not hang on what came long before */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pn_rules *rules;
static unsigned inputs;
static uint64_t now_ms;
static size_t said;

static uint64_t wall(void *arg)
{
    (void)arg;
    return now_ms;
}

static void fresh(void)
{
    static const struct pn_rules_options o = {.path = ":memory:", .node = "n2", .wall_ms = wall};
    static const char *const kinds[] = {"blocklist", "welcomelist", "keyword", "auto-welcomelist"};
    struct pn_error err;

    pn_rules_close(rules);
    now_ms = 1800000000000ull;
    rules = pn_rules_open(&o, &err);
    if (rules == NULL)
        abort();
    for (unsigned i = 0; i < 100; i++) {
        struct pn_rule_key key;
        struct pn_rules_change change = {.key = &key};
        char value[32];
        snprintf(value, sizeof(value), "u%u@example.org", i / 4);
        if (pn_rule_key_make(&key, pn_kind_by_name(kinds[i % 4]), NULL, value, NULL, &err) != 0 ||
            pn_rules_change(rules, &change, 1, NULL, &err) != 0)
            abort();
    }
    inputs = 0;
}

static void out(void *arg, const uint8_t *frame, size_t len)
{
    (void)arg;
    (void)frame;
    if (len > PN_SYNC_FRAME_MAX)
        abort();
    said += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_sync *s;
    struct pn_error err;
    struct pn_rules_status st;

    if (rules == NULL || ++inputs > INPUTS_A_STORE)
        fresh();
    s = pn_sync_new(rules, "n1", out, NULL);
    if (s == NULL)
        return 0;
    said = 0;
    pn_sync_start(s);
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        uint8_t *frame = malloc(len ? len : 1); /* of its exact size, for AddressSanitizer */
        memcpy(frame, data, len);
        int rc = pn_sync_input(s, frame, len, &err);
        free(frame);
        if (rc != 0)
            break;
        data += len;
        size -= len;
        now_ms += 100;
        pn_sync_tick(s);
    }
    pn_rules_tick(rules);
    pn_sync_free(s);
    pn_rules_status(rules, &st);
    if (st.errors)
        abort();
    for (unsigned i = 0; i < pn_kinds_count; i++) { /* sums of what is there, not of what was added and removed */
        struct pn_digest_sum sum = pn_rules_digest(rules, pn_kinds[i].number);
        if (sum.count < pn_rules_count(rules, pn_kinds[i].number) || sum.count > 100000)
            abort();
    }
    return 0;
}
