/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/load/load.h"

#define SMOOTH_MS 1000.0

/* First-order smoothing over about a second, whatever the distance between readings. */
static double smooth(double old, double now, uint64_t dt_ms)
{
    double a = (double)dt_ms / ((double)dt_ms + SMOOTH_MS);

    return old + a * (now - old);
}

static bool went_back(const struct pn_load_reading *a, const struct pn_load_reading *b)
{
    return b->flows_new < a->flows_new || b->handshake_count < a->handshake_count ||
           b->handshake_us_sum < a->handshake_us_sum || b->syn_retries < a->syn_retries ||
           b->syn_expired < a->syn_expired || b->flows_established < a->flows_established;
}

static void start_over(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t now_ms)
{
    *g = (struct pn_load_gateway){.last = *now, .last_ms = now_ms, .handshake_ms = -1, .primed = true};
}

static void handshake_step(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t dt_ms,
                           uint64_t now_ms)
{
    uint64_t count = now->handshake_count - g->last.handshake_count;

    if (count > 0) {
        double mean = (double)(now->handshake_us_sum - g->last.handshake_us_sum) / 1000.0 / (double)count;
        g->handshake_ms = g->handshake_ms < 0 ? mean : smooth(g->handshake_ms, mean, dt_ms);
        g->handshake_at_ms = now_ms;
        g->waiting_since_ms = 0;
        return;
    }
    if (g->handshake_ms >= 0 && now_ms - g->handshake_at_ms > PN_LOAD_HANDSHAKE_KEEP_MS)
        g->handshake_ms = -1;
    if (now->half_open <= 0)
        g->waiting_since_ms = 0;
    else if (!g->waiting_since_ms)
        g->waiting_since_ms = now_ms;
}

static void suspect_step(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t now_ms)
{
    uint64_t silent = now->syn_retries - g->last.syn_retries + (now->syn_expired - g->last.syn_expired);
    bool answered =
        now->handshake_count != g->last.handshake_count || now->flows_established != g->last.flows_established;

    g->suspect = false;
    if (answered || (g->silent_syns && now_ms - g->silent_at_ms > PN_LOAD_SUSPECT_KEEP_MS)) {
        g->silent_syns = 0;
        g->suspect_at_ms = 0;
    }
    /* Repeats in a period that also saw handshakes are ordinary loss. */
    if (answered || !silent)
        return;
    g->silent_syns = silent > UINT32_MAX - g->silent_syns ? UINT32_MAX : g->silent_syns + (uint32_t)silent;
    g->silent_at_ms = now_ms;
    if (g->silent_syns < PN_LOAD_SUSPECT_SYNS)
        return;
    if (!g->suspect_at_ms || now_ms - g->suspect_at_ms >= PN_LOAD_SUSPECT_AGAIN_MS) {
        g->suspect = true;
        g->suspect_at_ms = now_ms ? now_ms : 1;
    }
}

void pn_load_gateway_step(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t now_ms)
{
    if (!g->primed || now_ms < g->last_ms || went_back(&g->last, now)) {
        start_over(g, now, now_ms);
        return;
    }
    if (now_ms == g->last_ms)
        return; /* no time, no rate; the difference is kept for the next call */
    uint64_t dt_ms = now_ms - g->last_ms;

    g->new_per_s = smooth(g->new_per_s, (double)(now->flows_new - g->last.flows_new) * 1000.0 / (double)dt_ms, dt_ms);
    handshake_step(g, now, dt_ms, now_ms);
    suspect_step(g, now, now_ms);
    g->last = *now;
    g->last_ms = now_ms;
}

double pn_load_gateway_handshake_ms(const struct pn_load_gateway *g, uint64_t now_ms)
{
    double ms = g->handshake_ms < 0 ? 0 : g->handshake_ms;

    /* Only in an episode of repeated SYNs: one scanner's lone SYN must not look like a slow gateway. */
    if (g->suspect_at_ms && g->waiting_since_ms && now_ms > g->waiting_since_ms) {
        double waited = (double)(now_ms - g->waiting_since_ms);
        if (waited > ms)
            ms = waited;
    }
    return ms;
}

void pn_load_tier_step(struct pn_load_tier *t, uint64_t spilled_from, uint64_t now_ms)
{
    if (!t->primed || now_ms < t->last_ms || spilled_from < t->last_spilled) {
        *t = (struct pn_load_tier){.last_spilled = spilled_from, .last_ms = now_ms, .primed = true};
        return;
    }
    if (now_ms == t->last_ms)
        return;
    uint64_t dt_ms = now_ms - t->last_ms;

    t->spilled_per_s =
        smooth(t->spilled_per_s, (double)(spilled_from - t->last_spilled) * 1000.0 / (double)dt_ms, dt_ms);
    t->last_spilled = spilled_from;
    t->last_ms = now_ms;
}

static void add(struct pn_load_sample *s, enum pn_measure m, double value)
{
    s->value[m] += value;
    s->known[m] = true;
}

static void worst(struct pn_load_sample *s, enum pn_measure m, bool known, double value)
{
    if (!known) {
        s->partial[m] = true;
        return;
    }
    if (!s->known[m] || value > s->value[m])
        s->value[m] = value;
    s->known[m] = true;
}

void pn_load_tier_combine(struct pn_load_sample *sample, const struct pn_load_tier *tier,
                          const struct pn_load_member *m, unsigned n, uint64_t now_ms)
{
    struct pn_load_sample s = {0};

    for (unsigned i = 0; i < n; i++) {
        const struct pn_load_gateway *g = m[i].load && m[i].load->primed ? m[i].load : NULL;

        if (g) {
            add(&s, PN_MEASURE_ACTIVE_FLOWS, g->last.active > 0 ? (double)g->last.active : 0);
            add(&s, PN_MEASURE_HALF_OPEN, g->last.half_open > 0 ? (double)g->last.half_open : 0);
            add(&s, PN_MEASURE_NEW_FLOWS, g->new_per_s);
        } else if (m[i].takes_flows) {
            s.partial[PN_MEASURE_ACTIVE_FLOWS] = true;
            s.partial[PN_MEASURE_HALF_OPEN] = true;
            s.partial[PN_MEASURE_NEW_FLOWS] = true;
        }
        /* A gateway that is down or drained says nothing about how the tier serves new flows. */
        if (!m[i].takes_flows)
            continue;
        worst(&s, PN_MEASURE_HANDSHAKE_MS, g != NULL, g ? pn_load_gateway_handshake_ms(g, now_ms) : 0);
        unsigned percent = m[i].agent_percent > 100 ? 100 : m[i].agent_percent;
        worst(&s, PN_MEASURE_AGENT_LOAD, m[i].agent_known, 100.0 - percent);
        worst(&s, PN_MEASURE_AGENT_QUEUE, m[i].agent_known && m[i].agent_queue >= 0, (double)m[i].agent_queue);
    }
    if (tier && tier->primed) {
        s.spilled_per_s = tier->spilled_per_s;
        s.spilled_known = true;
    }
    *sample = s;
}

bool pn_load_maxconn_full(bool was_full, uint32_t maxconn, int64_t active)
{
    if (!maxconn)
        return false;
    if (active >= (int64_t)maxconn)
        return true;
    uint32_t slack = maxconn / 16 ? maxconn / 16 : 1;
    return was_full && active > (int64_t)maxconn - (int64_t)slack;
}
