/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom the address filter keeps out. */
#ifndef POSTERN_STAGES_FILTER_H
#define POSTERN_STAGES_FILTER_H

#include "dataplane/core/pkt.h"
#include "dataplane/stages/ctx.h"

/*
 * One packet that would begin a flow here, by its fields client, port_svc, vip and tcp_flags; one that the welcome list lets in
 * is counted. true: it is kept out.
 */
bool pn_filter_keeps_out(struct pn_ctx *c, const struct pn_pkt *k);

#endif
