/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine beside the main loop, and the questions between nodes: their start and end, their events. */
#include "controlplane/actors/quarantine.h"

#include "common/error.h"
#include "controlplane/api/relay.h"
#include "controlplane/daemon/daemon.h"

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct pn_daemon *d = arg;
    pn_eventlog_add(d->events, (enum pn_log_level)level, "quarantine", subject, "%s", text);
}

void pn_daemon_quarantine_init(struct pn_daemon *d)
{
    struct pn_quarantine_actor_options o = {.conf = d->conf,
                                            .node = (unsigned)d->node,
                                            .state_dir = d->opt->state_dir,
                                            .main = d->loop,
                                            .event = on_event,
                                            .arg = d};
    struct pn_error err;

    d->quarantine = pn_quarantine_actor_new(&o, &err);
    if (!d->quarantine)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "quarantine", "", "cannot start: %s", err.text);
}

void pn_daemon_quarantine_attach(struct pn_daemon *d)
{
    struct pn_error err;

    if (d->quarantine && d->cluster && pn_quarantine_actor_attach(d->quarantine, d->cluster, &err) < 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "quarantine", "", "does not reach other nodes: %s", err.text);
    d->ask = d->cluster ? pn_ask_new(d->cluster, d->loop, pn_api_relayed, &d->view, &err) : NULL;
    if (d->cluster && !d->ask)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "cluster", "", "asks no other node: %s", err.text);
    d->view.ask = d->ask;
}

void pn_daemon_quarantine_go(struct pn_daemon *d)
{
    struct pn_error err;

    if (d->quarantine && pn_quarantine_actor_start(d->quarantine, &err) < 0) {
        pn_eventlog_add(d->events, PN_LOG_ERROR, "quarantine", "", "%s", err.text);
        return;
    }
    d->view.quarantine = d->quarantine;
}

void pn_daemon_quarantine_follow(struct pn_daemon *d)
{
    if (d->quarantine)
        pn_quarantine_actor_reconfigure(d->quarantine, d->conf, (unsigned)d->node);
}

void pn_daemon_quarantine_stop(struct pn_daemon *d)
{
    d->view.quarantine = NULL;
    pn_quarantine_actor_stop(d->quarantine);
}

void pn_daemon_quarantine_free(struct pn_daemon *d)
{
    d->view.ask = NULL;
    pn_ask_free(d->ask);
    pn_quarantine_actor_free(d->quarantine);
    d->ask = NULL;
    d->quarantine = NULL;
}
