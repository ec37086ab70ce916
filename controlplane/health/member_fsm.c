/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/member_fsm.h"

static uint16_t counted(uint16_t run)
{
    return run < UINT16_MAX ? (uint16_t)(run + 1) : run;
}

bool pn_check_fsm_step(struct pn_check_fsm *f, enum pn_health result, uint16_t rise, uint16_t fall)
{
    enum pn_health before = f->health;
    bool first = !f->decided, suspect = f->suspect;

    f->decided = true;
    f->suspect = false;
    if (result == PN_HEALTH_DOWN) {
        f->ok_run = 0;
        f->fail_run = counted(f->fail_run);
        if (first || suspect || f->fail_run >= fall)
            f->health = PN_HEALTH_DOWN;
    } else {
        f->fail_run = 0;
        f->ok_run = counted(f->ok_run);
        if (first || f->health != PN_HEALTH_DOWN || f->ok_run >= rise)
            f->health = result;
    }
    return f->health != before;
}

enum pn_health pn_health_worse(enum pn_health a, enum pn_health b)
{
    static const uint8_t rank[PN_HEALTH_COUNT] = {
        [PN_HEALTH_UP] = 0, [PN_HEALTH_UNKNOWN] = 1, [PN_HEALTH_BUSY] = 2, [PN_HEALTH_DOWN] = 3};

    return rank[a] >= rank[b] ? a : b;
}

bool pn_agent_apply(struct pn_rt_gateway *g, const struct pn_agent_report *report)
{
    struct pn_rt_gateway was = *g;

    g->agent_known = report != NULL;
    g->agent_queue = report && report->has_queue ? report->queue : -1;
    if (!report) {
        g->agent_percent = 100;
        g->agent_maxconn = 0;
        return was.agent_known || was.agent_percent != 100 || was.agent_maxconn != 0;
    }
    if (report->ready)
        g->agent_drain = g->agent_maint = false;
    if (report->drain || report->maint) {
        g->agent_drain = report->drain;
        g->agent_maint = report->maint;
    }
    if (report->down)
        g->agent_down = true;
    if (report->up)
        g->agent_down = false;
    if (report->has_percent)
        g->agent_percent = report->percent;
    if (report->has_maxconn)
        g->agent_maxconn = report->maxconn;
    return g->agent_known != was.agent_known || g->agent_drain != was.agent_drain ||
           g->agent_maint != was.agent_maint || g->agent_down != was.agent_down ||
           g->agent_percent != was.agent_percent || g->agent_maxconn != was.agent_maxconn ||
           g->agent_queue != was.agent_queue;
}
