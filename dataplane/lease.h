/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leave to answer for VIPs. Held as CLOCK_BOOTTIME deadlines, handed to the workers as TSC deadlines. Only messages
 * extend a lease; the passing of time, and what goes wrong with clocks, can only shorten it. Pure: clocks come in.
 */
#ifndef POSTERN_DATAPLANE_LEASE_H
#define POSTERN_DATAPLANE_LEASE_H

#include <stdatomic.h>

#include "postern/dpapi.h"
#include "postern/types.h"

#define PN_LEASE_MAX_NS (3600ull * 1000000000ull) /* a deadline further away is refused: a clock or a unit is wrong */

/* Both clocks read at (nearly) the same moment. The TSC must be read first: a delay in between then errs to "sooner". */
struct pn_lease_clock {
    uint64_t tsc;
    uint64_t tsc_hz;
    uint64_t boottime_ns;
};

struct pn_lease_table {
    uint64_t deadline_boottime_ns[PN_MAX_VIPS]; /* 0: none */
    uint64_t deadline_tsc[PN_MAX_VIPS]; /* as last published to the workers */
    _Atomic uint64_t *published; /* pn_shared.lease_tsc */
    _Atomic uint64_t *forward; /* pn_shared.forward_tsc */
};

/* TSC at boottime_ns; now's own TSC when that has passed. Differences beyond PN_LEASE_MAX_NS are cut to it. */
uint64_t pn_lease_tsc(uint64_t deadline_boottime_ns, const struct pn_lease_clock *now);

/*
 * Takes n leases, all or none: every element is checked first. known: bit v set, vip.id v is in the snapshot.
 * *started: bits of VIPs whose lease was not valid before and is now. 0, or -1 and err. A planned release (deadline 0
 * with forward_ms) lets new flows be forwarded for that long; any other end, and a new lease, ends that at once.
 */
int pn_lease_take(struct pn_lease_table *t, const struct pn_dp_lease *leases, unsigned n, uint64_t known,
                  const struct pn_lease_clock *now, uint64_t *started, struct pn_error *err);

/*
 * Every tick: leases whose time is over are cleared, and the TSC deadlines of the others are pulled in when the
 * clocks drifted apart (a suspended machine's TSC may have stood still). Returns bits of VIPs whose lease ended.
 */
uint64_t pn_lease_tick(struct pn_lease_table *t, const struct pn_lease_clock *now);

/* Gives up the leases of the VIPs in bits, at once. */
void pn_lease_drop(struct pn_lease_table *t, uint64_t bits, const struct pn_lease_clock *now);

static inline bool pn_lease_held(const struct pn_lease_table *t, unsigned vip)
{
    return t->deadline_boottime_ns[vip] != 0;
}

#endif
