/* SPDX-License-Identifier: BSD-3-Clause */
/* What ARP and NDP tell posternd of other nodes that want a VIP or have it. */
#ifndef POSTERN_STAGES_CONTROL_H
#define POSTERN_STAGES_CONTROL_H

#include "dataplane/core/pkt.h"
#include "dataplane/stages/ctx.h"

#define PN_CONTROL_SEEN_MS 5u /* one of a kind for each VIP in this time */

/* Somebody at mac did what kind says about the VIP k->vip. */
void pn_control_seen(struct pn_ctx *c, const struct pn_pkt *k, enum pn_dp_probe_kind kind, const struct pn_mac *mac);

/*
 * Somebody at mac says that the VIP k->vip is his. While it is leased here our own announcements, come back from a
 * switch, say the same: they don't count.
 */
void pn_control_claimed(struct pn_ctx *c, const struct pn_pkt *k, const struct pn_mac *mac);

#endif
