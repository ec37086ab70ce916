/* SPDX-License-Identifier: BSD-3-Clause */
/* agent: one line from the gateway's agent, without being asked. */
#include "controlplane/health/check.h"

static enum pn_check_act start(struct pn_check_run *r)
{
    r->waiting = "the agent's line";
    return PN_CHECK_MORE;
}

static enum pn_check_act judge(struct pn_check_run *r)
{
    const struct pn_agent_line *l = &r->u.agent;
    char why[64];
    unsigned n =
        pn_agent_parse(l->line, l->len, &r->agent, r->agent_unknown, sizeof(r->agent_unknown), why, sizeof(why));

    if (!n && r->agent_unknown[0])
        return pn_check_verdict(r, PN_HEALTH_DOWN, "no word of the agent's is known, the first: %s", r->agent_unknown);
    if (!n)
        return pn_check_verdict(r, PN_HEALTH_DOWN, "the agent's line has no word");
    return pn_check_verdict(r, PN_HEALTH_UP, "%.*s", l->len < 100 ? (int)l->len : 100, l->line);
}

static enum pn_check_act input(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used)
{
    enum pn_agent_line_status status = pn_agent_line_feed(&r->u.agent, data, len, used);

    *used = len;
    if (status == PN_AGENT_LINE_MORE)
        return PN_CHECK_MORE;
    if (status == PN_AGENT_LINE_TOO_LONG)
        return pn_check_verdict(r, PN_HEALTH_DOWN, "the agent's line is longer than %u bytes", PN_AGENT_LINE_BYTES);
    return judge(r);
}

static enum pn_check_act eof(struct pn_check_run *r)
{
    if (!r->u.agent.len)
        return pn_check_verdict(r, PN_HEALTH_DOWN, "connection closed waiting for %s", r->waiting);
    return judge(r);
}

const struct pn_check_type_ops pn_check_agent = {
    .type = PN_CHECK_AGENT, .name = "agent", .agent = true, .start = start, .input = input, .eof = eof};
