/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/show.h"

static json_t *marks(const struct pn_conf_tier *tier)
{
    json_t *list = json_array();

    for (unsigned m = 0; tier->has_marks && m < PN_MEASURE_COUNT; m++)
        if (tier->marks[m].high > 0)
            json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "measure", pn_measure_name[m], "high",
                                                  tier->marks[m].high, "low", tier->marks[m].low));
    return list;
}

json_t *pn_show_tier(const struct pn_view *v, unsigned p, unsigned t)
{
    const struct pn_conf_tier *conf = &v->conf->pools[p].tiers[t];
    const struct pn_rt_tier *rt = pn_rt_tier(v->rt, p, t);
    const struct pn_spill_state *spill = &v->spills[p * PN_MAX_TIERS_PER_POOL + t];
    uint16_t id = pn_view_tier_id(v, p, t);
    static const struct pn_stats_tier none;
    const struct pn_stats_tier *stats = id < PN_MAX_TIERS ? &v->stats->sum.tiers[id] : &none;
    json_t *members = json_array();
    int64_t active = 0, half_open = 0;
    double new_per_s = 0;
    unsigned eligible = 0;

    for (unsigned i = 0; i < conf->n_gateways; i++) {
        unsigned g = conf->gateways[i];
        const struct pn_rt_member *m = pn_rt_member(v->rt, p, t, i);
        const char *refuses = pn_view_member_refuses(v, p, t, i);
        uint16_t gid = pn_view_gateway_id(v, g);

        eligible += refuses == NULL;
        if (gid < PN_MAX_GATEWAYS) {
            active += v->stats->sum.gateways[gid].active;
            half_open += v->stats->sum.gateways[gid].half_open;
        }
        new_per_s += v->loads[g].new_per_s;
        json_array_append_new(members, json_pack("{s:s, s:s, s:o, s:i, s:b, s:s}", "gateway", v->conf->gateways[g].name,
                                                 "health", pn_view_health_name[m->health], "reason",
                                                 pn_json_text(m->reason), "weight", (int)pn_rt_gateway_weight(v->rt, g),
                                                 "eligible", refuses == NULL, "refuses", refuses ? refuses : ""));
    }
    return json_pack(
        "{s:s, s:i, s:o, s:i, s:I, s:I, s:f, s:s, s:o, s:f, s:b, s:b, s:b, s:b, s:f, s:I, s:I, s:o, s:o, s:o, s:o}",
        "name", conf->name, "rank", (int)t, "members", members, "eligible", (int)eligible, "active", (json_int_t)active,
        "half_open", (json_int_t)half_open, "new_per_s", new_per_s, "spill_mode",
        conf->spill_mode == PN_SPILL_RAMP ? "ramp" : "overflow", "marks", marks(conf), "ramp_full", conf->ramp_full,
        "in_spill", rt->in_spill, "accepts_spill", pn_rt_tier_takes_spill(v->rt, p, t), "at_mark", spill->at_mark,
        "load_unknown", spill->unknown, "share", (double)rt->share / 65535.0, "above_active",
        (json_int_t)rt->above_active, "spill_for_ms", (json_int_t)(rt->since_ms ? v->now_ms() - rt->since_ms : 0),
        "reason", pn_json_text(rt->reason), "flows_new", pn_json_u64(stats->flows_new), "spilled_from",
        pn_json_u64(stats->spilled_from), "spilled_into", pn_json_u64(stats->spilled_into));
}

json_t *pn_show_pool(const struct pn_view *v, unsigned p)
{
    const struct pn_conf_pool *conf = &v->conf->pools[p];
    json_t *checks = json_array(), *tiers = json_array(), *services = json_array();

    for (unsigned i = 0; i < conf->n_checks; i++)
        json_array_append_new(checks, json_string(v->conf->checks[conf->checks[i]].name));
    for (unsigned t = 0; t < conf->n_tiers; t++)
        json_array_append_new(tiers, pn_show_tier(v, p, t));
    for (unsigned s = 0; s < v->conf->n_services; s++)
        if (v->conf->services[s].pool == p)
            json_array_append_new(services, json_string(v->conf->services[s].name));
    return json_pack("{s:s, s:o, s:o, s:o}", "name", conf->name, "checks", checks, "services", services, "tiers",
                     tiers);
}
