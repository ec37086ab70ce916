/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile agent says, and what a gateway's state becomes of it. */
#include "check_drive.h"

#include "controlplane/health/member_fsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_rt_gateway g = {.agent_percent = 100, .agent_queue = -1};
    struct pn_agent_report report;
    char unknown[8], reason[8];

    check_drive(PN_CHECK_AGENT, data, size);
    pn_agent_parse((const char *)data, size, &report, unknown, sizeof(unknown), reason, sizeof(reason));
    pn_agent_apply(&g, &report);
    drive_assert(g.agent_percent <= 100 && g.agent_queue >= -1);
    drive_assert(!(g.agent_drain && g.agent_maint));
    return 0;
}
