/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules beside the main loop: their start and end, what the configuration says of them, their events. */
#include "controlplane/actors/rules.h"

#include "common/error.h"
#include "controlplane/actors/cluster.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/daemon/filter.h"

static const struct {
    uint8_t kind;
    size_t offset; /* of the switch in struct pn_conf_sync */
} switches[] = {
    {PN_KIND_WELCOME, offsetof(struct pn_conf_sync, welcomelist)},
    {PN_KIND_BLOCK, offsetof(struct pn_conf_sync, blocklist)},
    {PN_KIND_WELCOME_PERSONAL, offsetof(struct pn_conf_sync, personal_welcomelist)},
    {PN_KIND_BLOCK_PERSONAL, offsetof(struct pn_conf_sync, personal_blocklist)},
    {PN_KIND_WELCOME_AUTO, offsetof(struct pn_conf_sync, auto_welcomelist)},
    {PN_KIND_WELCOME_IP, offsetof(struct pn_conf_sync, ip_welcomelist)},
    {PN_KIND_BLOCK_IP, offsetof(struct pn_conf_sync, ip_blocklist)},
    {PN_KIND_KEYWORD, offsetof(struct pn_conf_sync, keyword)},
    {PN_KIND_ATTACHMENT, offsetof(struct pn_conf_sync, attachment)},
    {PN_KIND_ADVANCED, offsetof(struct pn_conf_sync, advanced)},
    {PN_KIND_DECOMPRESSION, offsetof(struct pn_conf_sync, decompression)},
    {PN_KIND_ORDER, offsetof(struct pn_conf_sync, order)},
};

static uint64_t classes(const struct pn_conf *conf)
{
    uint64_t on = UINT64_MAX; /* kinds of a newer Postern too */

    for (unsigned i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (!*(const bool *)((const char *)&conf->sync + switches[i].offset))
            on &= ~PN_KIND_BIT(switches[i].kind);
    return on;
}

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct pn_daemon *d = arg;
    pn_eventlog_add(d->events, (enum pn_log_level)level, "rules", subject, "%s", text);
}

static void on_members(void *arg, enum pn_cluster_state state, const struct pn_members *members)
{
    (void)state;
    (void)members;
    pn_rules_actor_members(arg);
}

static void filter_init(struct pn_daemon *d)
{
    const struct pn_filter_feed_options o = {
        .base = d->base, .rules = d->rules, .dp = d->dp, .events = d->events, .action = d->conf->filter.action};

    d->filter = pn_filter_feed_new(&o);
    if (!d->filter)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "filter", "", "out of memory: the dataplane gets no blocked networks");
    else
        d->view.filter = pn_filter_feed_status(d->filter);
    if (pn_dplink_is_up(d->dp))
        pn_filter_feed_up(d->filter);
}

void pn_daemon_rules_init(struct pn_daemon *d)
{
    struct pn_rules_actor_options o = {.loop = pn_cluster_actor_loop(d->cluster),
                                       .cluster = d->cluster ? pn_cluster_actor_cluster(d->cluster) : NULL,
                                       .main = d->loop,
                                       .classes = classes(d->conf),
                                       .event = on_event,
                                       .arg = d};
    struct pn_error err = {"the state folder's name is too long"};

    memcpy(o.node, d->conf->nodes[d->node].name, sizeof(o.node));
    if (snprintf(o.state_dir, sizeof(o.state_dir), "%s", d->opt->state_dir) < (int)sizeof(o.state_dir))
        d->rules = pn_rules_actor_new(&o, &err);
    if (d->rules && pn_rules_actor_start(d->rules, &err) < 0) {
        pn_rules_actor_free(d->rules);
        d->rules = NULL;
    }
    if (d->rules && d->cluster && pn_cluster_actor_on_members(d->cluster, on_members, d->rules) < 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "rules", "", "they do not hear of new members: too many listeners");
    if (!d->rules)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "rules", "", "cannot start: %s", err.text);
    d->view.rules = d->rules;
    d->view.rules_equal = pn_rules_actor_equal;
    if (d->rules)
        filter_init(d);
}

void pn_daemon_rules_follow(struct pn_daemon *d)
{
    pn_filter_feed_action(d->filter, d->conf->filter.action);
    if (d->rules)
        pn_rules_actor_reconfigure(d->rules, d->conf->nodes[d->node].name, classes(d->conf));
}

/* After the cluster's thread has ended, before the cluster itself goes. */
void pn_daemon_rules_free(struct pn_daemon *d)
{
    pn_filter_feed_stop(d->filter);
    d->view.filter = NULL;
    pn_rules_actor_free(d->rules);
    d->rules = d->view.rules = NULL;
}
