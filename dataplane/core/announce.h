/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a VIP is announced (gratuitous ARP, unsolicited NA): at once when it starts, a few times more in case the
 * first are lost or the switch is still learning, then slowly for ever. Pure: time in, "due" out.
 */
#ifndef PN_CORE_ANNOUNCE_H
#define PN_CORE_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#define PN_ANNOUNCE_REFRESH_MS 60000u

/* Zero-initialised: stopped. */
struct pn_announce {
    uint32_t start_ms;
    uint32_t next_ms; /* when the next is due */
    uint16_t sent; /* since the start; stops counting at UINT16_MAX */
    bool running;
};

/* The VIP has begun to answer here, or its MAC has changed. */
void pn_announce_start(struct pn_announce *a, uint32_t now_ms);
void pn_announce_stop(struct pn_announce *a);

/*
 * true: announce now (both ARP forms, or one NA); at most one is due however late the call. refresh_ms: 0 for none
 * after the burst.
 */
bool pn_announce_due(struct pn_announce *a, uint32_t now_ms, uint32_t refresh_ms);

/* Milliseconds until the next, UINT32_MAX when none will come. */
uint32_t pn_announce_wait_ms(const struct pn_announce *a, uint32_t now_ms);

#endif
