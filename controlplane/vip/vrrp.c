/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/vrrp.h"

#include <stdio.h>

#define CENTISECOND UINT64_C(10000000)
#define ASSERT_PART 10 /* of the interval, between advertisements that answer others */
/* How long a lower router must advertise beside us to be told of: one that hears us would have stepped back. */
#define BESIDE_NS UINT64_C(1000000000)
#define BESIDE_INTERVALS 4

const char *const pn_vrrp_state_name[] = {"initialize", "backup", "active"};

static void move_to(struct pn_vrrp *v, enum pn_vrrp_state state, uint64_t now_ns, const char *reason,
                    struct pn_vrrp_out *out)
{
    v->state = state;
    v->since_ns = now_ns;
    snprintf(v->reason, sizeof(v->reason), "%s", reason);
    out->changed = true;
}

static void lease(struct pn_vrrp *v, uint64_t deadline_ns, struct pn_vrrp_out *out)
{
    v->lease_ns = deadline_ns;
    out->lease_change = true;
    out->deadline_ns = deadline_ns;
}

/* RFC 9568, 6.1: Skew_Time and Active_Down_Interval. */
static uint64_t skew(const struct pn_vrrp *v)
{
    return (256 - v->priority) * v->active_interval_ns / 256;
}

static void wait_for_active(struct pn_vrrp *v, uint64_t now_ns)
{
    v->timer_ns = now_ns + 3 * v->active_interval_ns + skew(v);
}

/* An eighth short of the three intervals that every backup waits at least. */
uint64_t pn_vrrp_lease_ns(const struct pn_vrrp *v)
{
    return 3 * v->interval_ns - v->interval_ns * 3 / 8;
}

/* An advertisement, and with it the lease. */
static void advertise(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    out->send = true;
    out->priority = v->priority;
    v->sent++;
    v->sent_ns = now_ns;
    v->timer_ns = now_ns + v->interval_ns;
    lease(v, now_ns + pn_vrrp_lease_ns(v), out);
}

static void become_active(struct pn_vrrp *v, uint64_t now_ns, const char *reason, struct pn_vrrp_out *out)
{
    move_to(v, PN_VRRP_ACTIVE, now_ns, reason, out);
    memset(&v->active, 0, sizeof(v->active));
    v->active_interval_ns = v->interval_ns;
    v->yielded = false;
    v->better_since_ns = 0;
    v->beside_since_ns = 0;
    advertise(v, now_ns, out);
}

static void become_backup(struct pn_vrrp *v, uint64_t now_ns, const char *reason, struct pn_vrrp_out *out)
{
    if (v->state == PN_VRRP_ACTIVE)
        lease(v, 0, out);
    move_to(v, PN_VRRP_BACKUP, now_ns, reason, out);
    wait_for_active(v, now_ns);
}

/* Stopped for longer than backups wait: somebody may be active by now. Before anything else is done with the state. */
static void step_back(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    if (v->state == PN_VRRP_ACTIVE && now_ns >= v->lease_ns)
        become_backup(v, now_ns, "the lease ran out before it was renewed", out);
}

void pn_vrrp_startup(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    *out = (struct pn_vrrp_out){0};
    if (v->state != PN_VRRP_INITIALIZE)
        return;
    v->active_interval_ns = v->interval_ns;
    if (v->priority == 255)
        become_active(v, now_ns, "started: the addresses are this node's own", out);
    else
        become_backup(v, now_ns, "started", out);
}

void pn_vrrp_resume(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    *out = (struct pn_vrrp_out){0};
    if (v->state == PN_VRRP_INITIALIZE && v->priority > 0)
        become_active(v, now_ns, "started again within its lease", out);
    else
        pn_vrrp_startup(v, now_ns, out);
}

void pn_vrrp_shutdown(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    *out = (struct pn_vrrp_out){0};
    if (v->state == PN_VRRP_INITIALIZE)
        return;
    if (v->state == PN_VRRP_ACTIVE) {
        lease(v, 0, out);
        out->send = true; /* priority 0: backups need not wait */
    }
    move_to(v, PN_VRRP_INITIALIZE, now_ns, "stopped", out);
    v->timer_ns = 0;
}

void pn_vrrp_yield(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out)
{
    *out = (struct pn_vrrp_out){0};
    if (v->state != PN_VRRP_ACTIVE)
        return;
    become_backup(v, now_ns, "given up by order", out);
    out->send = true; /* priority 0 */
    v->yielded = true;
}

static bool address_above(const struct pn_addr *a, const struct pn_addr *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) > 0;
}

/* Whether it is left to time out instead of being followed (6.4.2), for then we take over. */
static bool preempts(struct pn_vrrp *v, uint8_t priority, uint64_t now_ns)
{
    if (priority >= v->priority)
        v->better_since_ns = 0;
    else if (v->better_since_ns == 0)
        v->better_since_ns = now_ns;
    return priority < v->priority && v->preempt && !v->yielded && !v->wait &&
           now_ns - v->better_since_ns >= v->preempt_delay_ns;
}

static void heard_as_backup(struct pn_vrrp *v, const struct pn_vrrp_advert *a, const struct pn_addr *src,
                            uint64_t now_ns)
{
    if (a->priority == 0) {
        memset(&v->active, 0, sizeof(v->active));
        v->timer_ns = now_ns + skew(v);
        return;
    }
    v->active = *src;
    v->active_priority = a->priority;
    if (preempts(v, a->priority, now_ns))
        return;
    v->active_interval_ns = a->interval_cs * CENTISECOND;
    wait_for_active(v, now_ns);
}

/* One that hears us steps back with our next advertisement; one that was to take over and is late is heard once or twice. */
static bool stays_beside(struct pn_vrrp *v, uint64_t interval_ns, uint64_t now_ns)
{
    if (v->beside_since_ns == 0 || now_ns - v->beside_ns > BESIDE_INTERVALS * interval_ns)
        v->beside_since_ns = now_ns;
    v->beside_ns = now_ns;
    return now_ns - v->beside_since_ns >= BESIDE_NS &&
           now_ns - v->beside_since_ns >= BESIDE_INTERVALS * (interval_ns + v->interval_ns);
}

static void heard_as_active(struct pn_vrrp *v, const struct pn_vrrp_advert *a, const struct pn_addr *src,
                            uint64_t now_ns, struct pn_vrrp_out *out)
{
    bool better = a->priority > v->priority || (a->priority == v->priority && address_above(src, &v->primary));
    if (a->priority != 0 && better) {
        v->active = *src;
        v->active_priority = a->priority;
        v->active_interval_ns = a->interval_cs * CENTISECOND;
        become_backup(v, now_ns, "a router of higher priority or address advertises", out);
        return;
    }
    if (a->priority != 0)
        out->beside = stays_beside(v, a->interval_cs * CENTISECOND, now_ns);
    /*
     * 6.4.3: assert ourselves at once, so that a lower one steps back and bridges learn. But not once for each packet that
     * somebody makes up.
     */
    if (now_ns - v->sent_ns >= v->interval_ns / ASSERT_PART)
        advertise(v, now_ns, out);
}

void pn_vrrp_heard(struct pn_vrrp *v, const struct pn_vrrp_advert *a, const struct pn_addr *src, uint64_t now_ns,
                   struct pn_vrrp_out *out)
{
    *out = (struct pn_vrrp_out){0};
    v->received++;
    step_back(v, now_ns, out);
    if (v->state == PN_VRRP_BACKUP)
        heard_as_backup(v, a, src, now_ns);
    else if (v->state == PN_VRRP_ACTIVE)
        heard_as_active(v, a, src, now_ns, out);
}

void pn_vrrp_step(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out, uint64_t *wake_ns)
{
    *out = (struct pn_vrrp_out){0};
    *wake_ns = UINT64_MAX;
    if (v->state == PN_VRRP_INITIALIZE)
        return;
    if (v->state == PN_VRRP_ACTIVE && v->priority == 0) {
        pn_vrrp_shutdown(v, now_ns, out);
        v->state = PN_VRRP_BACKUP; /* listens on */
        snprintf(v->reason, sizeof(v->reason), "given up: %s", v->unfit ? v->unfit : "priority 0");
        v->timer_ns = 0;
        return;
    }
    step_back(v, now_ns, out);
    if (v->state == PN_VRRP_ACTIVE && now_ns >= v->timer_ns) {
        advertise(v, now_ns, out);
    } else if (v->state == PN_VRRP_BACKUP && v->priority > 0) {
        if (v->timer_ns == 0)
            wait_for_active(v, now_ns); /* back from standby */
        /* A timer this late says that we were stopped, not that the active router was silent. */
        if (now_ns >= v->timer_ns + v->active_interval_ns)
            wait_for_active(v, now_ns);
        else if (now_ns >= v->timer_ns)
            become_active(v, now_ns, "no advertisement in time", out);
    }
    if (v->timer_ns && v->priority > 0)
        *wake_ns = v->timer_ns;
}
