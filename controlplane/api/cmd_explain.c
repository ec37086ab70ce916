/* SPDX-License-Identifier: BSD-3-Clause */
/* Which gateway a client meets, and why: the dataplane's own answer for each service, put into words. */
#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "controlplane/api/handlers.h"

struct explain_job {
    struct pn_dp_explain_query query;
    unsigned service, k; /* the one that is being asked for: service, position in its vips */
    int only; /* service asked for, -1 all */
    bool v4;
    struct pn_dp_filter_answer filter;
};

static void next(struct pn_api_call *call);

static void bucket(const struct pn_conf_service *svc, const struct pn_addr *client, unsigned port, char *buf,
                   size_t size)
{
    bool v4 = pn_addr_is_v4(client);
    struct pn_prefix prefix;
    char text[PN_PREFIX_TEXT_BYTES];

    switch (svc->affinity) {
    case PN_AFFINITY_NETWORK:
        prefix.len = v4 ? 96 + svc->v4_prefix : svc->v6_prefix;
        prefix.addr = pn_addr_masked(client, prefix.len);
        snprintf(buf, size, "%s", pn_prefix_format(&prefix, text, sizeof(text)));
        return;
    case PN_AFFINITY_CLIENT:
        snprintf(buf, size, "%s", pn_addr_format(client, text, sizeof(text)));
        return;
    default:
        if (port == 0) {
            snprintf(buf, size, "%s, any port: each may meet another gateway",
                     pn_addr_format(client, text, sizeof(text)));
            return;
        }
        snprintf(buf, size, v4 ? "%s:%u" : "[%s]:%u", pn_addr_format(client, text, sizeof(text)), port);
    }
}

static int tier_of_id(const struct pn_view *v, unsigned pool, uint16_t id)
{
    for (unsigned t = 0; id != PN_ID_NONE && t < v->conf->pools[pool].n_tiers; t++)
        if (pn_view_tier_id(v, pool, t) == id)
            return (int)t;
    return -1;
}

static bool tier_eligible(const struct pn_view *v, unsigned pool, unsigned tier)
{
    for (unsigned i = 0; i < v->conf->pools[pool].tiers[tier].n_gateways; i++)
        if (!pn_view_member_refuses(v, pool, tier, i))
            return true;
    return false;
}

static const char *match(const struct pn_dp_filter_answer *f, unsigned list, char *buf, size_t size)
{
    struct pn_prefix prefix = {.addr = f->match[list].addr, .len = f->match[list].prefix_len};

    return pn_prefix_format(&prefix, buf, size);
}

/* What the lists say of the client; nothing when it is in none. */
static void why_filter(json_t *lines, const struct pn_conf_service *svc, const struct pn_dp_filter_answer *f)
{
    char block[PN_PREFIX_TEXT_BYTES], welcome[PN_PREFIX_TEXT_BYTES], text[384];
    bool blocked = f->found[PN_FILTER_BLOCK], welcomed = f->found[PN_FILTER_WELCOME];

    match(f, PN_FILTER_BLOCK, block, sizeof(block));
    match(f, PN_FILTER_WELCOME, welcome, sizeof(welcome));
    if (blocked && !svc->filter)
        snprintf(text, sizeof(text), "in the blocklist (%s), but this service has filter = no", block);
    else if (blocked && welcomed)
        snprintf(text, sizeof(text), "let in by the welcomelist (%s), though %s is in the blocklist", welcome, block);
    else if (blocked)
        snprintf(text, sizeof(text), "blocked by the blocklist (%s): its new flows are %s", block,
                 f->block_action == PN_FILTER_RESET ? "reset" : "dropped");
    else if (welcomed && svc->filter)
        snprintf(text, sizeof(text), "in the welcomelist (%s)", welcome);
    else
        return;
    json_array_append_new(lines, json_string(text));
}

static json_t *show_match(const struct pn_dp_filter_answer *f, unsigned list)
{
    char text[PN_PREFIX_TEXT_BYTES];

    return f->found[list] ? json_string(match(f, list, text, sizeof(text))) : json_null();
}

static json_t *show_filter(const struct pn_dp_filter_answer *f)
{
    static const char *const verdicts[PN_FILTER_VERDICT_COUNT] = {"none", "blocklist", "welcomelist"};

    return json_pack("{s:s, s:s, s:o, s:o}", "list", verdicts[f->verdict % PN_FILTER_VERDICT_COUNT], "action",
                     f->block_action == PN_FILTER_RESET ? "reset" : "drop", "blocklist", show_match(f, PN_FILTER_BLOCK),
                     "welcomelist", show_match(f, PN_FILTER_WELCOME));
}

/* One line a step of the decision, in the order in which it is made. */
static json_t *why(const struct pn_view *v, const struct explain_job *job, int tier, const struct pn_dp_explain *e,
                   const char *gateway, const char *by_default, const char *flow_gateway)
{
    const struct pn_conf_service *svc = &v->conf->services[job->service];
    unsigned pool = svc->pool;
    const struct pn_conf_pool *conf = &v->conf->pools[pool];
    json_t *lines = json_array();
    char text[384];

    if (!e->lease_valid) {
        snprintf(text, sizeof(text), "no valid lease: this node does not answer for the VIP and takes no new flows");
        json_array_append_new(lines, json_string(text));
    }
    if (e->flow_known) {
        snprintf(text, sizeof(text), "known flow: its packets go to %s, whatever the tiers say now", flow_gateway);
        json_array_append_new(lines, pn_json_text(text));
    }
    why_filter(lines, svc, &job->filter);
    if (e->gateway == PN_ID_NONE || tier < 0) {
        json_array_append_new(lines, json_string("no tier has a gateway that takes new flows: new flows are dropped"));
        return lines;
    }
    for (int t = 0; t < tier; t++) {
        const struct pn_rt_tier *rt = pn_rt_tier(v->rt, pool, (unsigned)t);

        if (!tier_eligible(v, pool, (unsigned)t))
            snprintf(text, sizeof(text), "tier %s: no gateway takes new flows", conf->tiers[t].name);
        else if (rt->in_spill && rt->above_active)
            snprintf(text, sizeof(text), "tier %s: in spill above %u active flows (%s)", conf->tiers[t].name,
                     rt->above_active, rt->reason);
        else if (rt->in_spill)
            snprintf(text, sizeof(text), "tier %s: in spill, passes on %.0f %% of new flows (%s)", conf->tiers[t].name,
                     rt->share * 100.0 / 65535.0, rt->reason);
        else
            snprintf(text, sizeof(text), "tier %s: passed over", conf->tiers[t].name);
        json_array_append_new(lines, pn_json_text(text));
    }
    snprintf(text, sizeof(text), "tier %s: slot %u of %u is %s%s%s", conf->tiers[tier].name, e->maglev_slot,
             e->maglev_size, gateway, e->spilled ? "; without spill it would be " : "", e->spilled ? by_default : "");
    json_array_append_new(lines, pn_json_text(text));
    return lines;
}

static json_t *explain_one(const struct pn_view *v, const struct explain_job *job, const struct pn_dp_explain *e)
{
    const struct pn_conf_service *svc = &v->conf->services[job->service];
    unsigned vip = svc->vips[job->k];
    const struct pn_own_vip *state = pn_own_vip_find(v->own, v->conf->vips[vip].name);
    int g = pn_view_gateway_of_id(v, e->gateway), d = pn_view_gateway_of_id(v, e->default_gateway),
        f = e->flow_known ? pn_view_gateway_of_id(v, e->flow.gateway) : -1, tier = tier_of_id(v, svc->pool, e->tier);
    const char *gateway = g >= 0 ? v->conf->gateways[g].name : "(removed)";
    const char *by_default = d >= 0 ? v->conf->gateways[d].name : "(none)";
    const char *flow_gateway = f >= 0 ? v->conf->gateways[f].name : "(removed)";
    json_t *tiers = json_array();
    char text[112], hash[20];

    for (unsigned t = 0; t < v->conf->pools[svc->pool].n_tiers; t++)
        json_array_append_new(tiers, pn_show_tier(v, svc->pool, t));
    bucket(svc, &job->query.client, job->query.client_port, text, sizeof(text));
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)e->affinity_hash);
    return json_pack(
        "{s:s, s:i, s:s, s:o, s:s, s:s, s:b, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:i, s:b, s:b, s:o, "
        "s:o, s:I}",
        "service", svc->name, "service_port", svc->l4_port, "vip", v->conf->vips[vip].name, "vip_address",
        pn_json_addr(&v->conf->vips[vip].addr), "vip_state", pn_election_state_name[state ? state->state : PN_EL_INIT],
        "vip_reason", state ? state->reason : "", "lease_valid", e->lease_valid != 0, "lease_left_ms",
        (json_int_t)e->lease_left_ms, "affinity", pn_view_affinity_name[svc->affinity], "bucket", text, "hash", hash,
        "pool", v->conf->pools[svc->pool].name, "tiers", tiers, "tier",
        tier >= 0 ? json_string(v->conf->pools[svc->pool].tiers[tier].name) : json_null(), "gateway",
        e->gateway != PN_ID_NONE ? json_string(gateway) : json_null(), "default_gateway",
        d >= 0 ? json_string(by_default) : json_null(), "slot", e->maglev_slot, "slots", e->maglev_size, "spilled",
        e->spilled != 0, "blocked", svc->filter && job->filter.verdict == PN_FILTER_BLOCKED, "why",
        why(v, job, tier, e, gateway, by_default, flow_gateway), "flow",
        e->flow_known ? pn_show_flow(v, &e->flow) : json_null(), "generation", (json_int_t)e->generation);
}

static void on_explain(struct pn_api_call *call, const void *payload, size_t len)
{
    struct explain_job *job = call->job;

    if (len != sizeof(struct pn_dp_explain)) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed explanation (%zu bytes)", len);
        return;
    }
    /* A reload in between may have shortened the lists. */
    if (job->service < call->view->conf->n_services && job->k < call->view->conf->services[job->service].n_vips)
        json_array_append_new(call->partial, explain_one(call->view, job, payload));
    job->k++;
    next(call);
}

/* Asks for the next service that this client can reach: VIPs of its own address family. */
static void next(struct pn_api_call *call)
{
    const struct pn_conf *conf = call->view->conf;
    struct explain_job *job = call->job;
    json_t *list;

    for (; job->service < conf->n_services; job->service++, job->k = 0) {
        const struct pn_conf_service *svc = &conf->services[job->service];

        if (job->only >= 0 && (unsigned)job->only != job->service)
            continue;
        for (; job->k < svc->n_vips; job->k++) {
            uint16_t id = pn_view_service_id(call->view, job->service, svc->vips[job->k]);

            if (id == PN_ID_NONE || pn_addr_is_v4(&conf->vips[svc->vips[job->k]].addr) != job->v4)
                continue;
            job->query.service = id;
            pn_api_ask_dp(call, PN_DP_EXPLAIN, &job->query, sizeof(job->query), on_explain);
            return;
        }
    }
    if (json_array_size(call->partial) == 0) {
        pn_api_fail(call, PN_API_NOT_FOUND, "no %sservice with an %s VIP runs here", job->only >= 0 ? "such " : "",
                    job->v4 ? "IPv4" : "IPv6");
        return;
    }
    list = call->partial;
    call->partial = NULL;
    pn_api_ok(call, json_pack("{s:o, s:i, s:o, s:o}", "client", pn_json_addr(&job->query.client), "port",
                              job->query.client_port, "filter", show_filter(&job->filter), "services", list));
}

static void on_filter(struct pn_api_call *call, const void *payload, size_t len)
{
    struct explain_job *job = call->job;

    if (len != sizeof(job->filter)) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed answer about its lists (%zu bytes)", len);
        return;
    }
    memcpy(&job->filter, payload, len);
    next(call);
}

void pn_cmd_explain(struct pn_api_call *call)
{
    const char *service = pn_api_text(call, "service");
    struct explain_job *job = calloc(1, sizeof(*job));
    struct pn_error err;

    call->job = job;
    call->partial = json_array();
    if (!job || !call->partial) {
        pn_api_fail(call, PN_API_BUSY, "posternd is out of memory");
        return;
    }
    if (pn_addr_parse(pn_api_text(call, "client"), &job->query.client, &err) < 0) {
        pn_api_fail(call, PN_API_BAD_REQUEST, "client: %s", err.text);
        return;
    }
    if (!call->view->dp || !pn_dplink_is_up(call->view->dp)) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "postern-dp cannot be reached: %s",
                    call->view->dp ? pn_dplink_problem(call->view->dp) : "no link");
        return;
    }
    job->v4 = pn_addr_is_v4(&job->query.client);
    job->query.client_port = (uint16_t)pn_api_int(call, "port", 0);
    job->only = service ? pn_view_service(call->view->conf, service) : -1;
    if (service && job->only < 0) {
        pn_api_fail(call, PN_API_NOT_FOUND, "no service \"%s\" in the running configuration", service);
        return;
    }
    const struct pn_dp_filter_query query = {.client = job->query.client};
    pn_api_ask_dp(call, PN_DP_FILTER_ASK, &query, sizeof(query), on_filter);
}
