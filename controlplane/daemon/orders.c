/* SPDX-License-Identifier: BSD-3-Clause */
/* What has to survive a restart of posternd: orders, ids that flows may still carry, and what the dataplane was started with. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/conf/dpargs.h"
#include "controlplane/daemon/daemon.h"

/* ---- ids of what is not configured any more ---- */

static void ids_collect(const struct pn_id_row *rows, unsigned n, struct pn_state *state)
{
    for (unsigned i = 0; i < n && state->n_ids < PN_STATE_IDS_MAX; i++) {
        struct pn_state_id *id = &state->ids[state->n_ids];

        if (!rows[i].used || rows[i].live)
            continue;
        memcpy(id->key, rows[i].key, sizeof(id->key));
        id->id = rows[i].id;
        state->n_ids++;
    }
}

/* Its row is taken, so that nothing else gets the id while there are free ones. */
static void id_retire(struct pn_ids *ids, const struct pn_state_id *was)
{
    const struct {
        const char *kind;
        struct pn_id_row *rows;
        unsigned n;
    } kinds[] = {{"vip/", ids->vips, PN_MAX_VIPS},
                 {"service/", ids->services, PN_MAX_SERVICES},
                 {"tier/", ids->tiers, PN_MAX_TIERS},
                 {"gateway/", ids->gateways, PN_MAX_GATEWAYS}};

    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        if (strncmp(was->key, kinds[k].kind, strlen(kinds[k].kind)) != 0 || was->id >= kinds[k].n ||
            kinds[k].rows[was->id].used)
            continue;
        struct pn_id_row *row = &kinds[k].rows[was->id];
        *row = (struct pn_id_row){.id = was->id, .used = true, .idle = 1};
        memcpy(row->key, was->key, sizeof(row->key));
    }
}

/* ---- what the dataplane was started with ---- */

/* FNV-1a of the arguments that this configuration gives it; 0: it gives none. */
static uint64_t args_digest(const struct pn_daemon *d)
{
    static char text[PN_DPARGS_MAX_BYTES];
    const struct pn_dpargs_options options = {.socket = NULL};
    struct pn_error err;
    uint64_t h = UINT64_C(14695981039346656037);

    if (pn_dpargs_write(d->conf, (unsigned)d->node, &options, text, sizeof(text), &err) < 0)
        return 0;
    for (const char *p = text; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
    return h ? h : 1;
}

void pn_orders_dataplane(struct pn_daemon *d, uint64_t started_ns)
{
    uint64_t now = args_digest(d);

    if (started_ns != d->dataplane_ns) {
        /* A new one reads the file that we read. */
        d->dataplane_ns = started_ns;
        d->dataplane_args = now;
        pn_orders_keep(d);
    }
    d->reload.restart_needed = d->dataplane_args && now != d->dataplane_args;
}

/* ---- orders ---- */

void pn_daemon_orders_collect(const struct pn_daemon *d, struct pn_state *state)
{
    memset(state, 0, sizeof(*state));
    state->standby = d->ownership.standby;
    for (unsigned g = 0; g < d->conf->n_gateways; g++) {
        const struct pn_rt_gateway *rt = &d->rt->gateways[g];
        struct pn_state_gateway *s = &state->gateways[state->n];

        if (!rt->drain && !rt->disabled && rt->weight_override < 0)
            continue;
        memcpy(s->name, d->conf->gateways[g].name, sizeof(s->name));
        s->drain = rt->drain;
        s->disabled = rt->disabled;
        s->weight = rt->weight_override;
        state->n++;
    }
    ids_collect(d->ids.vips, PN_MAX_VIPS, state);
    ids_collect(d->ids.services, PN_MAX_SERVICES, state);
    ids_collect(d->ids.tiers, PN_MAX_TIERS, state);
    ids_collect(d->ids.gateways, PN_MAX_GATEWAYS, state);
    state->dataplane_ns = d->dataplane_ns;
    state->dataplane_args = d->dataplane_args;
}

void pn_daemon_orders_apply(struct pn_daemon *d, const struct pn_state *state)
{
    pn_vips_standby(d, state->standby);
    d->dataplane_ns = state->dataplane_ns;
    d->dataplane_args = state->dataplane_args;
    for (unsigned i = 0; i < state->n_ids; i++)
        id_retire(&d->ids, &state->ids[i]);
    for (unsigned i = 0; i < state->n; i++) {
        int g = pn_view_gateway(d->conf, state->gateways[i].name);

        if (g < 0) {
            pn_log_warning("orders for gateway %s forgotten: it is not in the configuration any more",
                           state->gateways[i].name);
            continue;
        }
        d->rt->gateways[g].drain = state->gateways[i].drain;
        d->rt->gateways[g].disabled = state->gateways[i].disabled;
        d->rt->gateways[g].weight_override = state->gateways[i].weight;
    }
}

/* 0, or 1 and err: the order counts, but a restart would forget it. */
int pn_orders_save(struct pn_daemon *d, struct pn_error *err)
{
    struct pn_state *state = malloc(sizeof(*state));
    struct pn_error why = {"out of memory"};
    int rc = -1;

    if (state) {
        pn_daemon_orders_collect(d, state);
        rc = pn_state_save(d->opt->state_dir, state, &why);
    }
    free(d->kept);
    d->kept = rc == 0 ? state : NULL;
    if (rc == 0)
        return 0;
    free(state);
    pn_eventlog_add(d->events, PN_LOG_ERROR, "order", "", "cannot be saved: %s", why.text);
    pn_error_set(err, "in effect, but not saved (a restart of posternd forgets it): %.150s", why.text);
    return 1;
}

/* After a reload or a new dataplane: nobody waits for the answer, and mostly nothing has changed. */
void pn_orders_keep(struct pn_daemon *d)
{
    struct pn_state *state = malloc(sizeof(*state));
    struct pn_error err;
    bool same = false;

    if (state && d->kept) {
        pn_daemon_orders_collect(d, state);
        same = memcmp(state, d->kept, sizeof(*state)) == 0;
    }
    free(state);
    if (!same)
        pn_orders_save(d, &err);
}

void pn_orders_load(struct pn_daemon *d)
{
    struct pn_state *state = malloc(sizeof(*state));
    struct pn_error err;
    int rc;

    if (!state)
        return;
    rc = pn_state_load(d->opt->state_dir, state, &err);
    if (rc == 0)
        pn_daemon_orders_apply(d, state);
    else if (rc < 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "order", "", "those given before are lost: %s", err.text);
    free(state);
}
