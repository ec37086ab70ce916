/* SPDX-License-Identifier: BSD-3-Clause */
/* A call's question to the dataplane. */
#include <stdlib.h>

#include "controlplane/api/api.h"

struct ask {
    struct pn_api_call *call;
    pn_api_dp_fn *fn;
};

static void on_reply(void *arg, unsigned status, const void *payload, size_t len)
{
    struct ask ask = *(struct ask *)arg;

    free(arg);
    if (status == PN_DP_STATUS_OK)
        ask.fn(ask.call, payload, len);
    else if (status == PN_DP_STATUS_BUSY)
        pn_api_fail(ask.call, PN_API_BUSY, "the dataplane is busy, ask again");
    else if (status == PN_DPLINK_LOST)
        pn_api_fail(ask.call, PN_API_UNAVAILABLE, "the connection to postern-dp was lost: %.*s", (int)len,
                    (const char *)payload);
    else
        pn_api_fail(ask.call, PN_API_REFUSED, "%s: %.*s", pn_dplink_status_text(status), (int)(len < 256 ? len : 256),
                    (const char *)payload);
}

void pn_api_ask_dp(struct pn_api_call *call, enum pn_dp_type type, const void *payload, size_t len, pn_api_dp_fn *fn)
{
    struct pn_dplink *dp = call->view->dp;
    struct ask *ask;

    if (!dp || !pn_dplink_is_up(dp)) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "postern-dp cannot be reached: %s",
                    dp ? pn_dplink_problem(dp) : "no link");
        return;
    }
    ask = malloc(sizeof(*ask));
    if (ask)
        *ask = (struct ask){.call = call, .fn = fn};
    if (!ask || pn_dplink_send(dp, type, payload, len, on_reply, ask) == 0) {
        free(ask);
        pn_api_fail(call, PN_API_BUSY, "too many questions to the dataplane are under way, ask again");
    }
}
