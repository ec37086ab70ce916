/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/lease.h"

#include "common/error.h"

_Static_assert(PN_MAX_VIPS <= 64, "VIP sets are one word");

uint64_t pn_lease_tsc(uint64_t deadline_boottime_ns, const struct pn_lease_clock *now)
{
    if (deadline_boottime_ns <= now->boottime_ns)
        return now->tsc;
    uint64_t left_ns = deadline_boottime_ns - now->boottime_ns;
    if (left_ns > PN_LEASE_MAX_NS)
        left_ns = PN_LEASE_MAX_NS;
    return now->tsc + (uint64_t)((unsigned __int128)left_ns * now->tsc_hz / 1000000000ull);
}

static void publish(struct pn_lease_table *t, unsigned vip, uint64_t tsc)
{
    t->deadline_tsc[vip] = tsc;
    atomic_store_explicit(&t->published[vip], tsc, memory_order_release);
}

static void forward_until(struct pn_lease_table *t, unsigned vip, uint64_t tsc)
{
    atomic_store_explicit(&t->forward[vip], tsc, memory_order_release);
}

static void end(struct pn_lease_table *t, unsigned vip, const struct pn_lease_clock *now)
{
    t->deadline_boottime_ns[vip] = 0;
    /* The moment the lease ended, not this one, begins the grace time, unless it is given up early. */
    if (t->deadline_tsc[vip] > now->tsc)
        publish(t, vip, now->tsc);
}

static int lease_check(const struct pn_dp_lease *l, unsigned i, uint64_t known, const struct pn_lease_clock *now,
                       struct pn_error *err)
{
    if (l->vip >= PN_MAX_VIPS)
        return pn_error_set(err, "lease[%u].vip: %u is above %d", i, l->vip, PN_MAX_VIPS - 1);
    if (l->flags & ~PN_DP_LEASE_SHORTEN)
        return pn_error_set(err, "lease[%u]: unknown flags 0x%04x", i, l->flags);
    if (l->forward_ms > PN_DP_FORWARD_MAX_MS || (l->forward_ms && l->deadline_boottime_ns))
        return pn_error_set(err, "lease[%u].forward_ms: %u with a deadline, or above %u", i, l->forward_ms,
                            PN_DP_FORWARD_MAX_MS);
    if (l->deadline_boottime_ns > now->boottime_ns + PN_LEASE_MAX_NS)
        return pn_error_set(err, "lease[%u].deadline: %llu s ahead, more than %llu are refused", i,
                            (unsigned long long)((l->deadline_boottime_ns - now->boottime_ns) / 1000000000ull),
                            PN_LEASE_MAX_NS / 1000000000ull);
    if (l->deadline_boottime_ns > now->boottime_ns && !(known >> l->vip & 1))
        return pn_error_set(err, "lease[%u].vip: %u is not in the running snapshot", i, l->vip);
    return 0;
}

int pn_lease_take(struct pn_lease_table *t, const struct pn_dp_lease *leases, unsigned n, uint64_t known,
                  const struct pn_lease_clock *now, uint64_t *started, struct pn_error *err)
{
    *started = 0;
    for (unsigned i = 0; i < n; i++) {
        if (lease_check(&leases[i], i, known, now, err))
            return -1;
    }
    /* Whatever ended since the last tick has ended: an extension now starts anew, with announcements. */
    pn_lease_tick(t, now);
    for (unsigned i = 0; i < n; i++) {
        const struct pn_dp_lease *l = &leases[i];
        uint64_t held = t->deadline_boottime_ns[l->vip];
        if (l->deadline_boottime_ns == 0) {
            /* First: between the two stores both hold, never neither. */
            uint64_t until = now->boottime_ns + l->forward_ms * 1000000ull;
            forward_until(t, l->vip, l->forward_ms ? pn_lease_tsc(until, now) : 0);
            end(t, l->vip, now);
        } else if (l->deadline_boottime_ns <= now->boottime_ns) {
            /* In the past: none, but only SHORTEN may take away what is held. */
            if (l->flags & PN_DP_LEASE_SHORTEN)
                end(t, l->vip, now);
        } else if (l->deadline_boottime_ns > held || (l->flags & PN_DP_LEASE_SHORTEN)) {
            if (!held)
                *started |= 1ull << l->vip;
            t->deadline_boottime_ns[l->vip] = l->deadline_boottime_ns;
            publish(t, l->vip, pn_lease_tsc(l->deadline_boottime_ns, now));
            forward_until(t, l->vip, 0);
        }
    }
    /* Given and taken within one message is not a start. */
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        if (!t->deadline_boottime_ns[v])
            *started &= ~(1ull << v);
    }
    return 0;
}

uint64_t pn_lease_tick(struct pn_lease_table *t, const struct pn_lease_clock *now)
{
    uint64_t ended = 0;
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        if (!t->deadline_boottime_ns[v])
            continue;
        if (t->deadline_boottime_ns[v] <= now->boottime_ns || t->deadline_tsc[v] <= now->tsc) {
            end(t, v, now);
            ended |= 1ull << v;
            continue;
        }
        uint64_t tsc = pn_lease_tsc(t->deadline_boottime_ns[v], now);
        if (tsc < t->deadline_tsc[v])
            publish(t, v, tsc);
    }
    return ended;
}

void pn_lease_drop(struct pn_lease_table *t, uint64_t bits, const struct pn_lease_clock *now)
{
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        if (!(bits >> v & 1))
            continue;
        end(t, v, now);
        forward_until(t, v, 0);
    }
}
