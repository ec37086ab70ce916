/* SPDX-License-Identifier: BSD-3-Clause */
/* The coming and going of postern-dp. */
#include "controlplane/daemon/daemon.h"
#include "controlplane/daemon/filter.h"

static void open_stats(struct pn_daemon *d)
{
    const char *path = pn_dplink_hello(d->dp)->stats_path;
    struct pn_error err;

    if (pn_stats_reader_open(d->reader, path, &err) < 0)
        pn_log_limited(60000, PN_LOG_WARNING, "statistics: %s: no counters and no load until it can be read", err.text);
    pn_stats_read(d->reader, &d->stats);
}

static void on_ports(void *arg, unsigned status, const void *payload, size_t len)
{
    struct pn_daemon *d = arg;
    const struct pn_dp_port *ports = payload;
    size_t n = len / sizeof(*ports);

    if (status != PN_DP_STATUS_OK || len % sizeof(*ports) != 0 || n > PN_MAX_PORTS)
        return;
    for (size_t i = 0; i < n; i++) {
        bool was_up = i < d->view.n_ports && d->ports[i].link_up;
        bool known = i < d->view.n_ports;

        d->ports[i] = ports[i];
        d->ports[i].name[sizeof(ports[i].name) - 1] = '\0';
        d->ports[i].device[sizeof(ports[i].device) - 1] = '\0';
        if (known && was_up != (ports[i].link_up != 0))
            pn_eventlog_add(d->events, ports[i].link_up ? PN_LOG_NOTICE : PN_LOG_WARNING, "port", d->ports[i].name,
                            "link is %s", ports[i].link_up ? "up" : "down");
    }
    d->view.n_ports = (unsigned)n;
    pn_vips_ports(d);
}

static void on_up(void *arg, const struct pn_dp_hello *hello)
{
    struct pn_daemon *d = arg;

    pn_eventlog_add(d->events, PN_LOG_NOTICE, "dataplane", "",
                    "connected: postern-dp %s, process %u, %u workers, snapshot %llu", hello->version, hello->pid,
                    hello->n_workers, (unsigned long long)hello->generation);
    pn_orders_dataplane(d, hello->started_boottime_ns);
    open_stats(d);
    pn_push_dataplane_up(d);
    pn_dplink_send(d->dp, PN_DP_PORTS, NULL, 0, on_ports, d);
    pn_filter_feed_up(d->filter);
}

static void on_down(void *arg, const char *reason)
{
    struct pn_daemon *d = arg;

    pn_eventlog_add(d->events, PN_LOG_ERROR, "dataplane", "", "connection lost: %s", reason);
    pn_stats_reader_close(d->reader);
    pn_stats_read(d->reader, &d->stats);
    d->view.n_ports = 0;
    pn_push_dataplane_down(d);
    pn_filter_feed_down(d->filter);
    pn_notify_status(d);
}

int pn_dataplane_init(struct pn_daemon *d)
{
    struct pn_dplink_callbacks cb = {.up = on_up, .down = on_down, .arg = d};
    struct pn_error err;

    d->reader = pn_stats_reader_new();
    d->dp = d->reader ? pn_dplink_new(d->base, d->opt->dp_socket, &cb, &err) : NULL;
    if (d->dp)
        return 0;
    pn_log_error("dataplane: %s", d->reader ? err.text : "out of memory");
    return -1;
}

void pn_dataplane_refresh(struct pn_daemon *d)
{
    if (!pn_dplink_is_up(d->dp))
        return;
    if (!d->stats.valid)
        open_stats(d);
    pn_dplink_send(d->dp, PN_DP_PORTS, NULL, 0, on_ports, d);
}
