/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold of a flow table at any time, whatever was done to it. For unit tests and the fuzzer. */
#ifndef TESTS_UNIT_FLOW_CHECK_H
#define TESTS_UNIT_FLOW_CHECK_H

#include <stdio.h>

#include "dataplane/core/flow_internal.h"

/* NULL, or what is wrong. */
static inline const char *flow_check(const struct pn_flow_table *t)
{
    uint32_t used = 0, unproven = 0;
    static uint32_t of[PN_MAX_SERVICES];
    memset(of, 0, sizeof(of));

    for (uint32_t l = 0; l < t->n_lines; l++) {
        for (unsigned s = 0; s < 2; s++) {
            const struct pn_flow *f = &t->lines[l].slot[s];
            if (f->state == PN_FLOW_FREE) {
                if (f->client[0] | f->client[1] | f->port_svc | f->gateway | f->flags)
                    return "an empty slot is not all zero";
                if (f->place || f->unproven)
                    return "an empty slot has place or unproven set";
                continue;
            }
            used++;
            if (f->unproven) {
                unproven++;
                of[pn_flow_service(f)]++;
            }
            if (f->state == PN_FLOW_HALF_OPEN && !f->unproven)
                return "a half-open entry counts as proven";
            uint64_t h = pn_flow_hash(t, f->client, f->port_svc);
            uint32_t line = f->place < PN_FLOW_AT_FAR ? pn_flow_home(t, h) : pn_flow_far(t, h);
            if ((line ^ (f->place & 1)) != l)
                return "an entry lives where its hash does not lead";
        }
    }
    if (used != t->used)
        return "used is not the number of entries";
    if (unproven != t->n_unproven)
        return "n_unproven is not the number of unproven entries";
    if (memcmp(of, t->unproven_of, sizeof(of)) != 0)
        return "unproven_of does not add up";
    if (t->used > t->entries_max)
        return "more entries than entries_max";
    if (t->log_used > t->log_size || t->log_tail >= t->log_size)
        return "the log passes its end";

    /* The counts of those away from home, by another way round: for each line, look at all that could be its. */
    for (uint32_t l = 0; l < t->n_lines; l++) {
        unsigned beside = 0;
        for (unsigned s = 0; s < 2; s++) {
            const struct pn_flow *f = &t->lines[l ^ 1].slot[s];
            beside += f->state != PN_FLOW_FREE && f->place == PN_FLOW_BESIDE_HOME;
        }
        if (beside != t->lines[l].slot[0].over)
            return "a line's count of flows beside it is wrong";
    }
    uint8_t *far = calloc(t->n_lines, 1);
    const char *wrong = NULL;
    for (uint32_t i = 0; i < t->n_lines * 2; i++) {
        const struct pn_flow *f = pn_flow_at(t, i);
        if (f->state != PN_FLOW_FREE && f->place >= PN_FLOW_AT_FAR)
            far[pn_flow_home(t, pn_flow_hash(t, f->client, f->port_svc))]++;
    }
    for (uint32_t l = 0; l < t->n_lines && wrong == NULL; l++) {
        if (t->lines[l].slot[1].over != PN_FLOW_OVER_MANY && t->lines[l].slot[1].over != far[l])
            wrong = "a line's count of flows far away is wrong";
    }
    free(far);
    return wrong;
}

#endif
