/* SPDX-License-Identifier: BSD-3-Clause */
/* What ARP and NDP have in common here: the MAC a VIP answers with, and what is told to the main lcore. */
#ifndef POSTERN_STAGES_LEARN_H
#define POSTERN_STAGES_LEARN_H

#include <rte_ring_elem.h>

#include "dataplane/core/pkt.h"
#include "dataplane/stages/ctx.h"

static inline const struct pn_mac *pn_vip_mac(const struct pn_ctx *c, const struct pn_pkt *k)
{
    static const struct pn_mac none;
    const struct pn_mac *mac = &c->snap->vips[k->vip].mac;

    return memcmp(mac, &none, sizeof(none)) != 0 ? mac : &c->shared->ports[k->in_port].mac;
}

/* A full ring loses the word: who needs it asks again. */
static inline void pn_learn(struct pn_ctx *c, const struct pn_pkt *k, const struct pn_addr *addr,
                            const struct pn_mac *mac, uint8_t flags)
{
    const struct pn_learn_msg msg = {.addr = *addr, .mac = *mac, .port = k->in_port, .flags = flags, .vlan = k->vlan};

    (void)rte_ring_sp_enqueue_elem(c->learn, (void *)(uintptr_t)&msg, sizeof(msg));
}

#endif
