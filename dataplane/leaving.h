/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A planned end of the dataplane: how long it goes on, so that others have what was answered for here before nobody forwards
 * it (PN_DP_LEAVING). Pure: the number of leases held, and the time, come in.
 */
#ifndef POSTERN_DATAPLANE_LEAVING_H
#define POSTERN_DATAPLANE_LEAVING_H

#include <stdbool.h>
#include <stdint.h>

#define PN_LEAVE_TAIL_MS 200 /* after the last lease: what is on its way to the old owner is forwarded */
#define PN_LEAVE_UNTAKEN_MS 100 /* posternd gives leases up at once, if anybody can take them */
#define PN_LEAVE_MAX_MS 1000

struct pn_leaving {
    uint64_t since_ms; /* it is about to end; 0: it is not */
    uint64_t held_ms; /* when a lease was held last; 0: never */
    unsigned held; /* leases when it began */
};

/* Every tick, from the start on. */
void pn_leaving_tick(struct pn_leaving *l, unsigned held, uint64_t now_ms);
/* told: posternd knows. false: there is nothing to wait for. */
bool pn_leaving_begin(struct pn_leaving *l, unsigned held, bool told, uint64_t now_ms);
/* It began, and the wait is over. After a tick. */
bool pn_leaving_over(const struct pn_leaving *l, unsigned held, uint64_t now_ms);

#endif
