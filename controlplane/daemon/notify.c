/* SPDX-License-Identifier: BSD-3-Clause */
/* What the service manager is told (sd_notify(3)); nothing happens when there is none. */
#include <time.h>

#include <systemd/sd-daemon.h>

#include "controlplane/daemon/daemon.h"

void pn_notify_ready(const struct pn_daemon *d)
{
    (void)d;
    sd_notify(0, "READY=1");
}

void pn_notify_reloading(void)
{
    struct timespec ts;

    /* Type=notify-reload wants the moment on CLOCK_MONOTONIC. */
    clock_gettime(CLOCK_MONOTONIC, &ts);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)ts.tv_sec * 1000000ull + (unsigned long long)ts.tv_nsec / 1000ull);
}

void pn_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=stopping; leases run on");
}

void pn_notify_status(const struct pn_daemon *d)
{
    unsigned owned = 0, up = 0;

    for (unsigned i = 0; i < d->ownership.n; i++)
        owned += d->ownership.vips[i].state == PN_EL_OWNER;
    for (unsigned g = 0; g < d->conf->n_gateways; g++) {
        const char *reason;
        enum pn_health health = pn_view_gateway_health(&d->view, g, &reason);
        up += health == PN_HEALTH_UP || health == PN_HEALTH_BUSY;
    }
    sd_notifyf(0, "STATUS=dataplane %s, owner of %u of %u VIPs, %u of %u gateways up",
               pn_dplink_is_up(d->dp) ? "connected" : "not connected", owned, d->conf->n_vips, up, d->conf->n_gateways);
}

uint64_t pn_notify_watchdog_us(void)
{
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? us / 3 : 0;
}

void pn_notify_alive(void)
{
    sd_notify(0, "WATCHDOG=1");
}
