/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: joining. */
#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/cluster_internal.h"

static void grant_use(struct pn_cluster *c, const struct pn_join_grant *g, struct pn_error *err)
{
    pn_cluster_stop(c);
    pn_cluster_unload(c);
    if (pn_cluster_install(c, g->ca, &g->ca_key, g->key, g->certificate, &g->members, &g->keyring, err) < 0 ||
        pn_cluster_load(c, err) < 0)
        return;
    pn_cluster_start(c);
    pn_cluster_event(c, PN_LOG_NOTICE, c->who.name, "joined the cluster %s", c->cluster_name);
    if (c->ops->state)
        c->ops->state(c->arg, c->state);
    if (c->ops->members)
        c->ops->members(c->arg, &c->members);
}

static void on_joined(void *arg, const struct pn_join_result *result)
{
    struct pn_cluster *c = arg;
    struct pn_join_result told = *result;
    struct pn_error err = {""};

    c->guest = NULL;
    if (result->grant)
        grant_use(c, result->grant, &err);
    if (err.text[0])
        told.error = err.text;
    c->guest_done(c->guest_arg, &told);
}

int pn_cluster_join(struct pn_cluster *c, const struct pn_endpoint *host, const char *token, const char *passphrase,
                    bool dry_run, void (*done)(void *arg, const struct pn_join_result *result), void *arg,
                    struct pn_error *err)
{
    struct pn_member self = c->opt.self;
    struct pn_token t;
    struct pn_join_guest_config config = {.base = c->opt.base,
                                          .token = &t,
                                          .passphrase = passphrase,
                                          .self = &self,
                                          .proto_min = c->opt.proto_min,
                                          .proto_max = c->opt.proto_max,
                                          .dry_run = dry_run,
                                          .rehearsal = c->rehearsal,
                                          .rehearsal_arg = c->rehearsal_arg,
                                          .done = on_joined,
                                          .arg = c};

    if (c->state == PN_CLUSTER_ACTIVE)
        return pn_error_set(err, "this node is in the cluster \"%s\" already", c->cluster_name);
    if (c->guest)
        return pn_error_set(err, "a join is under way");
    if (pn_token_parse(token, &t, err) < 0)
        return -1;
    if (t.passphrase != (passphrase != NULL)) {
        bool wanted = t.passphrase;
        pn_token_wipe(&t);
        return pn_error_set(err, wanted ? "this token needs its passphrase" : "this token has no passphrase");
    }
    memset(self.claim_name, 0, sizeof(self.claim_name));
    memcpy(self.claim_name, c->opt.name, strlen(c->opt.name));
    if (self.n_endpoints && self.endpoints[0].port == 0)
        self.n_endpoints = 0; /* not known before listening; told as soon as it is */
    config.endpoints = host ? host : t.endpoints;
    config.n_endpoints = host ? 1 : t.n_endpoints;
    c->guest = pn_join_guest_start(&config, err);
    pn_token_wipe(&t);
    c->guest_done = done;
    c->guest_arg = arg;
    return c->guest ? 0 : -1;
}

void pn_cluster_join_cancel(struct pn_cluster *c)
{
    pn_join_guest_cancel(c->guest);
    c->guest = NULL;
}

bool pn_cluster_join_progress(const struct pn_cluster *c, struct pn_join_progress *out)
{
    if (c->guest)
        pn_join_guest_progress(c->guest, out);
    return c->guest != NULL;
}
