/* SPDX-License-Identifier: BSD-3-Clause */
/* A node without peers: nobody can be waited for, so it owns what it may own. */
#include "controlplane/vip/vip.h"

static void decide_always(void *arg, const struct pn_vip_facts *facts, struct pn_vip_verdict *verdict)
{
    (void)arg;
    verdict->lease_ms = facts->lease_ms;
    verdict->again_ns = 0;
    if (facts->priority == 0) {
        verdict->own = false;
        verdict->reason = "priority 0: this node never owns it";
    } else if (facts->standby) {
        verdict->own = false;
        verdict->reason = "node in standby by order";
    } else {
        verdict->own = true;
        verdict->reason = "no peers: ownership always";
    }
}

const struct pn_vip_policy pn_vip_policy_always = {.name = "always", .decide = decide_always};
