/* SPDX-License-Identifier: BSD-3-Clause */
/* What the dataplane's counters and the gateways' agents say of load, to the spill decision, to the runtime. */
#include <stdlib.h>

#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"

#define SLOT(pool, tier) ((pool)*PN_MAX_TIERS_PER_POOL + (tier))

static struct pn_load_reading reading_of(const struct pn_stats_gateway *s)
{
    return (struct pn_load_reading){.flows_new = s->flows_new,
                                    .handshake_count = s->handshake_count,
                                    .handshake_us_sum = s->handshake_us_sum,
                                    .syn_retries = s->syn_retries,
                                    .syn_expired = s->syn_expired,
                                    .flows_established = s->flows_established,
                                    .active = s->active,
                                    .half_open = s->half_open};
}

static bool gateways_step(struct pn_daemon *d, uint64_t now_ms)
{
    bool changed = false;

    for (unsigned g = 0; g < d->conf->n_gateways; g++) {
        uint16_t id = pn_view_gateway_id(&d->view, g);
        struct pn_rt_gateway *rt = &d->rt->gateways[g];
        struct pn_load_reading now;
        bool full;

        if (id >= PN_MAX_GATEWAYS)
            continue;
        now = reading_of(&d->stats.sum.gateways[id]);
        pn_load_gateway_step(&d->loads[g], &now, now_ms);
        if (d->loads[g].suspect) {
            pn_log_info("gateway %s: SYNs repeated and no handshake, checking it now", d->conf->gateways[g].name);
            pn_health_suspect(d->health, d->conf->gateways[g].name);
        }
        full = pn_load_maxconn_full(rt->agent_full, rt->agent_maxconn, now.active);
        changed |= full != rt->agent_full;
        rt->agent_full = full;
    }
    return changed;
}

static void members_of(const struct pn_daemon *d, unsigned p, unsigned t, struct pn_load_member *m)
{
    const struct pn_conf_tier *tier = &d->conf->pools[p].tiers[t];

    for (unsigned i = 0; i < tier->n_gateways; i++) {
        unsigned g = tier->gateways[i];
        const struct pn_rt_gateway *rt = &d->rt->gateways[g];

        m[i] = (struct pn_load_member){.load = d->stats.valid ? &d->loads[g] : NULL,
                                       .takes_flows = !pn_view_member_refuses(&d->view, p, t, i),
                                       .agent_known = rt->agent_known,
                                       .agent_percent = rt->agent_percent,
                                       .agent_queue = rt->agent_queue};
    }
}

/* To the runtime, with an event when the tier begins or ends to spill. */
static void spill_apply(struct pn_daemon *d, unsigned p, unsigned t, bool was_in_spill)
{
    const struct pn_conf_pool *pool = &d->conf->pools[p];
    const struct pn_spill_state *s = &d->spills[SLOT(p, t)];
    struct pn_rt_tier *rt = pn_rt_tier(d->rt, p, t);
    char subject[2 * PN_NAME_BYTES + 1];

    rt->in_spill = s->in_spill;
    rt->accepts_spill = pn_spill_accepts(s, 1);
    rt->share = s->share;
    rt->above_active = s->above_active;
    rt->since_ms = s->since_ms;
    snprintf(rt->reason, sizeof(rt->reason), "%s", s->reason);
    if (s->in_spill == was_in_spill)
        return;
    snprintf(subject, sizeof(subject), "%s/%s", pool->name, pool->tiers[t].name);
    pn_eventlog_add(d->events, PN_LOG_NOTICE, "spill", subject, "%s: %s", s->in_spill ? "begins" : "ends", s->reason);
}

static bool tier_step(struct pn_daemon *d, unsigned p, unsigned t, uint64_t now_ms)
{
    const struct pn_conf_tier *tier = &d->conf->pools[p].tiers[t];
    struct pn_load_tier *load = &d->tier_loads[SLOT(p, t)];
    struct pn_spill_state *s = &d->spills[SLOT(p, t)];
    struct pn_load_member members[PN_MAX_GATEWAYS];
    struct pn_load_sample sample;
    uint16_t id = pn_view_tier_id(&d->view, p, t);
    bool was = s->in_spill;

    if (!tier->has_marks)
        return false;
    if (d->stats.valid && id < PN_MAX_TIERS)
        pn_load_tier_step(load, d->stats.sum.tiers[id].spilled_from, now_ms);
    members_of(d, p, t, members);
    pn_load_tier_combine(&sample, d->stats.valid ? load : NULL, members, tier->n_gateways, now_ms);
    /* The first step may find the load known and low: no change to the machine, but to what the runtime began with. */
    if (!pn_spill_step(s, tier, &sample, now_ms) && pn_rt_tier(d->rt, p, t)->accepts_spill == pn_spill_accepts(s, 1))
        return false;
    spill_apply(d, p, t, was);
    return true;
}

void pn_feed_tick(struct pn_daemon *d)
{
    uint64_t now_ms = pn_clock_ms();
    bool changed = false;

    pn_stats_read(d->reader, &d->stats);
    pn_vips_refresh(d);
    pn_vips_loads(d);
    if (d->stats.valid)
        changed = gateways_step(d, now_ms);
    for (unsigned p = 0; p < d->conf->n_pools; p++)
        for (unsigned t = 0; t < d->conf->pools[p].n_tiers; t++)
            changed |= tier_step(d, p, t, now_ms);
    if (changed)
        pn_push_changed(d);
}

/* ---- after a restart ---- */

static const struct pn_snap_tier *snap_tier(const struct pn_snapshot *s, uint16_t id)
{
    for (unsigned i = 0; i < s->header->n_tiers; i++)
        if (s->tiers[i].id == id)
            return &s->tiers[i];
    return NULL;
}

static void seed_member(const struct pn_snapshot *s, const struct pn_snap_tier *tier, struct pn_rt_member *m,
                        uint16_t gateway)
{
    for (unsigned i = 0; i < tier->member_count; i++) {
        const struct pn_snap_member *was = &s->members[tier->member_first + i];

        if (was->gateway != gateway || m->health != PN_HEALTH_UNKNOWN || was->flags == 0)
            continue;
        m->health = was->flags & PN_SNAP_MEMBER_DOWN ? PN_HEALTH_DOWN : PN_HEALTH_BUSY;
        m->since_ms = pn_clock_ms();
        snprintf(m->reason, sizeof(m->reason), "as it was before posternd's restart");
    }
}

/* The dataplane ran on without us: what it holds of health and spill stands until we know better. */
void pn_feed_seed(struct pn_daemon *d, const struct pn_snapshot *running)
{
    for (unsigned p = 0; p < d->conf->n_pools; p++) {
        for (unsigned t = 0; t < d->conf->pools[p].n_tiers; t++) {
            const struct pn_conf_tier *conf = &d->conf->pools[p].tiers[t];
            const struct pn_snap_tier *tier = snap_tier(running, pn_view_tier_id(&d->view, p, t));
            struct pn_spill_state *s = &d->spills[SLOT(p, t)];

            if (!tier)
                continue;
            /* Where no check judges, the flags are an agent's "down", which its next answer tells again. */
            for (unsigned i = 0; pn_rt_pool_is_judged(d->conf, p) && i < conf->n_gateways; i++)
                seed_member(running, tier, pn_rt_member(d->rt, p, t, i),
                            pn_view_gateway_id(&d->view, conf->gateways[i]));
            if (conf->has_marks && !s->in_spill && (tier->spill_share || tier->spill_above_active)) {
                s->in_spill = true;
                s->share = tier->spill_share;
                s->above_active = tier->spill_above_active;
                s->since_ms = pn_clock_ms();
                snprintf(s->reason, sizeof(s->reason), "in spill before posternd's restart");
                spill_apply(d, p, t, true);
            }
        }
    }
}

/* ---- over a reload ---- */

void pn_feed_carry(struct pn_daemon *d, const struct pn_conf *before)
{
    struct pn_load_gateway *loads = malloc(sizeof(d->loads));
    struct pn_load_tier *tier_loads = malloc(sizeof(d->tier_loads));
    struct pn_spill_state *spills = malloc(sizeof(d->spills));

    if (loads && tier_loads && spills) {
        memcpy(loads, d->loads, sizeof(d->loads));
        memcpy(tier_loads, d->tier_loads, sizeof(d->tier_loads));
        memcpy(spills, d->spills, sizeof(d->spills));
    }
    memset(d->loads, 0, sizeof(d->loads));
    memset(d->tier_loads, 0, sizeof(d->tier_loads));
    memset(d->spills, 0, sizeof(d->spills));
    for (unsigned g = 0; loads && tier_loads && spills && g < d->conf->n_gateways; g++) {
        int was = pn_view_gateway(before, d->conf->gateways[g].name);
        if (was >= 0)
            d->loads[g] = loads[was];
    }
    for (unsigned p = 0; loads && tier_loads && spills && p < d->conf->n_pools; p++) {
        int was = pn_view_pool(before, d->conf->pools[p].name);

        for (unsigned t = 0; was >= 0 && t < d->conf->pools[p].n_tiers; t++) {
            for (unsigned o = 0; o < before->pools[was].n_tiers; o++) {
                if (strcmp(before->pools[was].tiers[o].name, d->conf->pools[p].tiers[t].name) != 0 ||
                    !d->conf->pools[p].tiers[t].has_marks)
                    continue;
                d->tier_loads[SLOT(p, t)] = tier_loads[SLOT((unsigned)was, o)];
                d->spills[SLOT(p, t)] = spills[SLOT((unsigned)was, o)];
            }
        }
    }
    free(loads);
    free(tier_loads);
    free(spills);
}
