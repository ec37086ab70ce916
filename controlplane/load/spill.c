/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/load/load.h"

#include <stdio.h>

#define SHARE_ONE 65535u
#define SHARE_TOLD 1024u /* smaller changes are not worth a snapshot, */
#define SHARE_TOLD_AT_ONCE 8192u /* and those up to this not more than one a second */
#define SHARE_TOLD_MS 1000u
#define STEP 0.125 /* the first share, and the most it grows in a hold-up at high; twice that at 2 x high */
#define PROBE_MAX (15.0 / 16) /* measures that only new flows renew keep a trickle to be measured by */
#define WINDUP 0.25 /* a share that no tier takes runs at most this far ahead of what really leaves */
#define DT_MAX_MS 5000u /* a daemon that was stopped does not catch up in one step */

/* What one step knows; kept apart from the state so that the functions below stay small. */
struct step {
    const struct pn_conf_tier *tier;
    double x[PN_MEASURE_COUNT], high[PN_MEASURE_COUNT], low[PN_MEASURE_COUNT];
    bool marked[PN_MEASURE_COUNT], known[PN_MEASURE_COUNT];
    double dt_s, hold_up_s, hold_down_s;
    double effective; /* share of the offered flows that really leaves; negative: not known */
    bool any_high, all_low, blind;
    int worst; /* measure furthest above its mark, -1 none */
};

static double clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Whether the condition has held for hold_ms; *since follows it. 0 is kept for "not so". */
static bool held_for(uint64_t *since_ms, bool holds, uint64_t hold_ms, uint64_t now_ms)
{
    if (!holds) {
        *since_ms = 0;
        return false;
    }
    if (!*since_ms)
        *since_ms = now_ms;
    return now_ms - *since_ms >= hold_ms;
}

static void marks_read(struct step *p, const struct pn_spill_state *s, const struct pn_load_sample *sample)
{
    double spilled = sample->spilled_per_s, own = sample->value[PN_MEASURE_NEW_FLOWS];

    p->effective = -1;
    if (sample->spilled_known && sample->known[PN_MEASURE_NEW_FLOWS] && own + spilled >= 1)
        p->effective = spilled / (own + spilled);
    for (int m = 0; m < PN_MEASURE_COUNT; m++) {
        const struct pn_conf_mark *mark = &p->tier->marks[m];

        p->marked[m] = mark->high > 0;
        p->known[m] = sample->known[m];
        p->high[m] = mark->high;
        p->low[m] = mark->low > 0 && mark->low < mark->high ? mark->low : mark->high * 0.75;
        p->x[m] = sample->value[m];
    }
    /* A rate is judged by what is offered: the tier's own rate falls as soon as it spills. */
    if (sample->spilled_known)
        p->x[PN_MEASURE_NEW_FLOWS] += spilled;
    else if (s->in_spill && !s->above_active)
        p->x[PN_MEASURE_NEW_FLOWS] /= clamp(1 - (double)s->share / SHARE_ONE, 1.0 / 16, 1);
}

static void judge(struct step *p, struct pn_spill_state *s, const struct pn_load_sample *sample, uint64_t now_ms)
{
    double most = 0;
    bool above_middle = false;

    p->all_low = true;
    p->worst = -1;
    s->unknown = false;
    for (int m = 0; m < PN_MEASURE_COUNT; m++) {
        if (!p->marked[m]) {
            s->level[m] = 0;
            s->high_since_ms[m] = s->low_since_ms[m] = 0;
            continue;
        }
        if (!p->known[m] || sample->partial[m])
            s->unknown = true;
        held_for(&s->high_since_ms[m], p->known[m] && p->x[m] >= p->high[m], 0, now_ms);
        held_for(&s->low_since_ms[m], p->known[m] && p->x[m] <= p->low[m], 0, now_ms);
        if (!p->known[m]) {
            p->blind = true;
            continue;
        }
        if (p->x[m] >= p->high[m]) {
            p->any_high = true;
            if (p->x[m] / p->high[m] > most) {
                most = p->x[m] / p->high[m];
                p->worst = m;
            }
        }
        p->all_low &= p->x[m] <= p->low[m];
        above_middle |= p->x[m] > (p->low[m] + p->high[m]) / 2;
    }
    s->at_mark = p->any_high || (s->at_mark && above_middle);
}

/* A state made from what the dataplane was last told (the daemon restarted): each measure goes on from that share. */
static void resume(const struct step *p, struct pn_spill_state *s)
{
    if (s->stepped || !s->in_spill || s->above_active)
        return;
    for (int m = 0; m < PN_MEASURE_COUNT; m++)
        if (p->marked[m])
            s->level[m] = (double)s->share / SHARE_ONE;
    s->relieved = true;
}

static void slopes(const struct step *p, struct pn_spill_state *s)
{
    for (int m = 0; m < PN_MEASURE_COUNT; m++) {
        if (!p->known[m]) {
            s->slope[m] = 0;
            continue;
        }
        if (s->stepped && p->dt_s > 0) {
            double now = (p->x[m] - s->last_value[m]) / p->dt_s;
            s->slope[m] += p->dt_s / (p->dt_s + p->hold_up_s) * (now - s->slope[m]);
        }
        s->last_value[m] = p->x[m];
    }
}

/*
 * The share of a measure that gives no target by itself. Above high it grows, the faster the longer it has been above,
 * unless the measure is already on its way down or nobody takes what is spilled. Below low it shrinks, slowly first,
 * and reaches nothing when hold-down is over, so that leaving is no step; if the load is still there, the measure passes
 * its low mark on the way, and the share stays where the tier is between its marks.
 */
static void integrate(const struct step *p, struct pn_spill_state *s, int m, uint64_t now_ms)
{
    double cap = m == PN_MEASURE_AGENT_LOAD || m == PN_MEASURE_AGENT_QUEUE ? 1 : PROBE_MAX;

    if (s->low_since_ms[m]) {
        double t = (double)(now_ms - s->low_since_ms[m]) / 1000 / p->hold_down_s, before = t - p->dt_s / p->hold_down_s;
        before = before > 0 ? before : 0;
        s->level[m] *= t < 1 ? (1 - t * t * t) / (1 - before * before * before) : 0;
        return;
    }
    if (!s->high_since_ms[m])
        return;
    if (s->level[m] <= 0) {
        s->level[m] = clamp(p->effective, STEP, cap);
        return;
    }
    if (s->slope[m] < 0 && p->x[m] - p->high[m] <= -s->slope[m] * 8 * p->hold_up_s)
        return;
    if (p->effective >= 0 && s->level[m] > p->effective + WINDUP)
        return;
    double above = (double)(now_ms - s->high_since_ms[m]) / 1000 / p->hold_up_s;
    s->level[m] += (s->relieved ? STEP / 4 : STEP) * p->dt_s / p->hold_up_s * clamp(p->x[m] / p->high[m], 1, 2) *
                   clamp(above, 0.125, s->relieved ? 4 : 1);
    if (s->level[m] > cap)
        s->level[m] = cap;
}

/* Follows a target that the measure gives directly. */
static void follow(const struct step *p, struct pn_spill_state *s, int m, double target)
{
    /* What new flows themselves bring about answers at once and steeply: followed slowly, or it swings. */
    bool direct = m == PN_MEASURE_NEW_FLOWS || m == PN_MEASURE_ACTIVE_FLOWS;
    double lag_s = direct ? p->hold_up_s : 4 * p->hold_up_s;

    if (!p->known[m])
        return;
    s->level[m] += p->dt_s / (p->dt_s + lag_s) * (target - s->level[m]);
    if (target <= 0 && s->level[m] < 1.0 / 128)
        s->level[m] = 0;
}

static double ramp_target(const struct step *p, int m)
{
    double full = p->tier->ramp_full > 1 ? p->tier->ramp_full : 2.0;

    return clamp((p->x[m] - p->high[m]) / (p->high[m] * (full - 1)), 0, 1);
}

/* The share that is wanted, 0..1, and above_active beside it. A measure that is not known keeps what it asked for. */
static double share_wanted(const struct step *p, struct pn_spill_state *s, uint32_t *above_active, uint64_t now_ms)
{
    bool overflow = p->tier->spill_mode == PN_SPILL_OVERFLOW;
    double most = 0;

    *above_active = 0;
    for (int m = 0; m < PN_MEASURE_COUNT; m++) {
        if (!p->marked[m] || (overflow && m == PN_MEASURE_ACTIVE_FLOWS))
            continue;
        if (!overflow)
            follow(p, s, m, ramp_target(p, m));
        else if (m == PN_MEASURE_NEW_FLOWS)
            follow(p, s, m, p->x[m] > p->high[m] ? 1 - p->high[m] / p->x[m] : 0);
        else
            integrate(p, s, m, now_ms);
        most = s->level[m] > most ? s->level[m] : most;
    }
    if (!overflow || !p->marked[PN_MEASURE_ACTIVE_FLOWS])
        return most;
    if (most <= 0) {
        /* The dataplane counts for itself: it admits up to the mark and spills every flow above it. */
        double high = p->high[PN_MEASURE_ACTIVE_FLOWS];
        s->level[PN_MEASURE_ACTIVE_FLOWS] = 0;
        *above_active = high < 1 ? 1 : high > UINT32_MAX ? UINT32_MAX : (uint32_t)high;
        return 1;
    }
    /* Its limit works on all spilled flows at once, so beside another measure active-flows is steered like that one. */
    integrate(p, s, PN_MEASURE_ACTIVE_FLOWS, now_ms);
    return s->level[PN_MEASURE_ACTIVE_FLOWS] > most ? s->level[PN_MEASURE_ACTIVE_FLOWS] : most;
}

static void publish(struct pn_spill_state *s, double want, uint32_t above_active, uint64_t now_ms)
{
    uint16_t q = (uint16_t)(clamp(want, 0, 1) * SHARE_ONE + 0.5);
    unsigned diff = q > s->share ? q - s->share : s->share - q;
    bool end = q != s->share && (q == 0 || q == SHARE_ONE);

    if (end || diff > SHARE_TOLD_AT_ONCE || (diff > SHARE_TOLD && now_ms - s->told_ms >= SHARE_TOLD_MS)) {
        s->share = q;
        s->told_ms = now_ms;
    }
    s->above_active = above_active;
}

static void reason_seconds(char *buf, size_t size, uint64_t ms)
{
    if (ms % 1000)
        snprintf(buf, size, "%llu.%llu s", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100));
    else
        snprintf(buf, size, "%llu s", (unsigned long long)(ms / 1000));
}

static void enter(const struct step *p, struct pn_spill_state *s, uint64_t now_ms)
{
    static const char *const unit[PN_MEASURE_COUNT] = {
        [PN_MEASURE_ACTIVE_FLOWS] = "",    [PN_MEASURE_HALF_OPEN] = "",   [PN_MEASURE_NEW_FLOWS] = "/s",
        [PN_MEASURE_HANDSHAKE_MS] = " ms", [PN_MEASURE_AGENT_LOAD] = "%", [PN_MEASURE_AGENT_QUEUE] = "",
    };
    char held[32];
    int m = p->worst;

    reason_seconds(held, sizeof(held), now_ms - s->above_since_ms);
    snprintf(s->reason, sizeof(s->reason), "%s %.0f%s >= %.10g%s for %s", pn_measure_name[m], p->x[m], unit[m],
             p->high[m], unit[m], held);
    s->in_spill = true;
    s->relieved = false;
    s->since_ms = now_ms;
    s->below_since_ms = 0;
}

static void leave(struct pn_spill_state *s, uint64_t now_ms, const char *why)
{
    memset(s->level, 0, sizeof(s->level));
    s->in_spill = false;
    s->since_ms = now_ms;
    s->above_since_ms = s->below_since_ms = 0;
    s->share = 0;
    s->above_active = 0;
    snprintf(s->reason, sizeof(s->reason), "%s", why);
}

static void decide(struct step *p, struct pn_spill_state *s, uint64_t now_ms)
{
    uint32_t above_active;
    double want;

    if (!s->in_spill) {
        if (!held_for(&s->above_since_ms, p->any_high, p->tier->hold_up_ms, now_ms))
            return;
        enter(p, s, now_ms);
    } else if (held_for(&s->below_since_ms, p->all_low && !p->blind, p->tier->hold_down_ms, now_ms)) {
        char why[80], held[32];
        reason_seconds(held, sizeof(held), now_ms - s->below_since_ms);
        snprintf(why, sizeof(why), "all measures at or below their low marks for %s", held);
        leave(s, now_ms, why);
        return;
    }
    s->relieved |= !p->any_high;
    want = share_wanted(p, s, &above_active, now_ms);
    publish(s, want, above_active, now_ms);
}

bool pn_spill_step(struct pn_spill_state *s, const struct pn_conf_tier *tier, const struct pn_load_sample *sample,
                   uint64_t now_ms)
{
    struct pn_spill_state before = *s;
    struct step p = {.tier = tier};
    uint64_t dt_ms;

    if (!now_ms)
        now_ms = 1; /* 0 means "not so" in the state */
    dt_ms = s->stepped && now_ms > s->step_ms ? now_ms - s->step_ms : 0;
    p.dt_s = (double)(dt_ms > DT_MAX_MS ? DT_MAX_MS : dt_ms) / 1000;
    p.hold_up_s = tier->hold_up_ms > 1000 ? tier->hold_up_ms / 1000.0 : 1;
    p.hold_down_s = tier->hold_down_ms > 1000 ? tier->hold_down_ms / 1000.0 : 1;

    if (!tier->has_marks) {
        if (s->in_spill)
            leave(s, now_ms, "no marks configured");
        s->at_mark = s->unknown = false;
    } else {
        marks_read(&p, s, sample);
        judge(&p, s, sample, now_ms);
        resume(&p, s);
        slopes(&p, s);
        decide(&p, s, now_ms);
    }
    s->step_ms = now_ms;
    s->stepped = true;
    return s->in_spill != before.in_spill || s->share != before.share || s->above_active != before.above_active ||
           pn_spill_accepts(s, 1) != pn_spill_accepts(&before, 1);
}
