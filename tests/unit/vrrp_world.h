/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes of node_world.h with VIPs of protocol vrrp. */
#ifndef TESTS_UNIT_VRRP_WORLD_H
#define TESTS_UNIT_VRRP_WORLD_H

#include "tests/unit/node_world.h"

#include "controlplane/vip/vrrp.h"
#include "controlplane/vip/wire.h"

#define INTERVAL_MS 100u
#define LEASE_NS (INTERVAL_MS * WORLD_MS * 21 / 8)
#define TAKEOVER_MS 364u /* three intervals, the skew of priority 99, and the wire */

static inline void vrrp(struct pn_node_conf *conf, unsigned node)
{
    for (unsigned v = 0; v < conf->n_vips; v++) {
        struct pn_node_vip *vip = &conf->vips[v];
        vip->protocol = PN_VIP_VRRP;
        vip->vrid = 5;
        vip->vrrp_interval_cs = INTERVAL_MS / 10;
        vip->vrrp_source = conf->paths[0].v4;
        vip->mac = pn_vrrp_mac(false, 5);
        vip->want.priority = (uint16_t[]){200, 99, 40}[node]; /* equal ones would claim at the same time */
    }
}

static inline void no_preempt(struct pn_node_conf *conf, unsigned node)
{
    vrrp(conf, node);
    conf->vips[0].want.preempt = PN_PREEMPT_NO;
}

#endif
