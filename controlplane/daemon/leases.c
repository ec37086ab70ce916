/* SPDX-License-Identifier: BSD-3-Clause */
/* Carries the lease keeper's messages to the dataplane. */
#include <stdlib.h>

#include <event2/event.h>

#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"

struct batch {
    struct pn_daemon *d;
    unsigned n;
    struct pn_dp_lease leases[PN_MAX_VIPS];
};

static void on_answer(void *arg, unsigned status, const void *payload, size_t len)
{
    struct batch *b = arg;
    struct pn_daemon *d = b->d;
    bool ok = status == PN_DP_STATUS_OK;

    if (!ok && status != PN_DPLINK_LOST)
        pn_log_limited(5000, PN_LOG_ERROR, "lease: %s: %.*s", pn_dplink_status_text(status),
                       (int)(len < 200 ? len : 200), len ? (const char *)payload : "");
    pn_vip_keeper_answer(&d->vips, b->leases, b->n, ok, pn_clock_ns());
    free(b);
    if (!ok && status != PN_DPLINK_LOST)
        pn_leases_run(d);
}

void pn_leases_run(struct pn_daemon *d)
{
    struct batch *b = malloc(sizeof(*b));
    uint64_t now_ns = pn_clock_ns(), wake_ns = UINT64_MAX;

    if (b) {
        b->d = d;
        b->n = pn_vip_keeper_step(&d->vips, now_ns, b->leases, &wake_ns);
    }
    if (b && b->n && pn_dplink_send(d->dp, PN_DP_LEASE, b->leases, b->n * sizeof(b->leases[0]), on_answer, b) == 0) {
        pn_vip_keeper_answer(&d->vips, b->leases, b->n, false, now_ns);
        wake_ns = now_ns + PN_VIP_RETRY_MS * UINT64_C(1000000);
        free(b);
    } else if (!b || !b->n) {
        if (!b)
            wake_ns = now_ns + PN_VIP_RETRY_MS * UINT64_C(1000000);
        free(b);
    }
    if (wake_ns == UINT64_MAX) {
        evtimer_del(d->lease_timer);
    } else {
        uint64_t us = wake_ns > now_ns ? (wake_ns - now_ns) / 1000u : 0;
        struct timeval tv = {.tv_sec = (time_t)(us / 1000000u), .tv_usec = (suseconds_t)(us % 1000000u)};
        evtimer_add(d->lease_timer, &tv);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_leases_run(arg);
}

static void on_changed(void *arg, const struct pn_vip *vip, enum pn_vip_state before)
{
    struct pn_daemon *d = arg;
    enum pn_log_level level = before == PN_VIP_OWNER ? PN_LOG_WARNING : PN_LOG_NOTICE;

    pn_eventlog_add(d->events, level, "vip", vip->name, "%s -> %s: %s", pn_vip_state_name[before],
                    pn_vip_state_name[vip->state], vip->reason);
}

int pn_leases_init(struct pn_daemon *d)
{
    pn_vip_keeper_init(&d->vips, &pn_vip_policy_always);
    d->vips.changed = on_changed;
    d->vips.arg = d;
    d->lease_timer = evtimer_new(d->base, on_timer, d);
    return d->lease_timer ? 0 : -1;
}

void pn_leases_configure(struct pn_daemon *d)
{
    struct pn_vip_want want[PN_MAX_VIPS];
    unsigned n = d->conf->n_vips < PN_MAX_VIPS ? d->conf->n_vips : PN_MAX_VIPS;

    for (unsigned i = 0; i < n; i++)
        want[i] = (struct pn_vip_want){.name = d->conf->vips[i].name,
                                       .id = pn_view_vip_id(&d->view, i),
                                       .priority = d->conf->vips[i].priority[d->node],
                                       .lease_ms = d->conf->vips[i].lease_ms};
    pn_vip_keeper_configure(&d->vips, want, n);
}

void pn_leases_installed(struct pn_daemon *d, const struct pn_snapshot *running)
{
    uint16_t ids[PN_MAX_VIPS];
    unsigned n = 0;

    for (; running && n < running->header->n_vips && n < PN_MAX_VIPS; n++)
        ids[n] = running->vips[n].id;
    pn_vip_keeper_installed(&d->vips, running ? ids : NULL, n);
    pn_leases_run(d);
}
