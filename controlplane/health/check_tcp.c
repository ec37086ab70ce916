/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp: the port takes a connection. */
#include "controlplane/health/check.h"

static enum pn_check_act start(struct pn_check_run *r)
{
    return pn_check_verdict(r, PN_HEALTH_UP, "connected");
}

const struct pn_check_type_ops pn_check_tcp = {.type = PN_CHECK_TCP, .name = "tcp", .start = start};
