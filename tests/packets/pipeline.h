/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fixtures of the whole pipeline as data: a scenario is a fresh world and rows that it lives through, each one frame in
 * and what must come of it: the frame out (or none) and the counters that grow, all others standing still.
 */
#ifndef PN_TESTS_PIPELINE_H
#define PN_TESTS_PIPELINE_H

#include "tests/packets/world.h"

#define EVENTS_MAX 5
#define OUT_NONE (-1)

struct row {
    const char *what;
    void (*before)(struct world *w); /* changes the world first */

    /* Frame in: a TCP segment, or what make builds. */
    struct {
        const char *src, *dst;
        uint16_t src_port, dst_port;
        uint8_t flags;
        uint16_t vlan;
    } tcp;
    void (*make)(struct pn_fb *fb);
    uint8_t in_port; /* enum world_port */
    uint8_t worker;
    uint16_t segments; /* bytes in each segment of the mbuf; 0: one segment */

    /* Frame out: as it came in, with these changes; or, from expect, compared whole. */
    int8_t out; /* enum world_port or OUT_NONE */
    const struct pn_mac *to; /* destination MAC, and then the source is the node's; NULL: MACs as they were */
    bool keep_source; /* with to: source MAC as it was */
    uint16_t out_vlan;
    void (*expect)(struct pn_fb *fb);
    uint8_t more_out; /* further frames that leave too, not looked at */

    int16_t end; /* enum pn_counter T, P or D; END_HELD: it waits */
    uint8_t ends; /* how often end grows; 0: once */
    enum pn_counter events[EVENTS_MAX]; /* kind E, each grows once; 0 ends the list */
    void (*after)(struct world *w); /* further checks, cmocka asserts */
};
#define END_HELD (-1)

struct scenario {
    const char *name;
    struct world_config config;
    const struct row *rows;
    unsigned n_rows;
};
#define SCENARIO(title, table, ...)                                                                                    \
    {                                                                                                                  \
        .name = title, .config = {__VA_ARGS__}, .rows = table, .n_rows = sizeof(table) / sizeof((table)[0])            \
    }

/* NULL-named scenario ends each. */
extern const struct scenario pipeline_flow[], pipeline_answer[], pipeline_edge[], pipeline_fragment[], pipeline_peer[],
    pipeline_filter[];

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:7::7"
#define VIP4 "203.0.113.25"
#define VIP6 "2001:db8:25::25"
#define VIP_VLAN "203.0.113.26"
#define VIP_MUTE "203.0.113.27"
#define HOST4 "203.0.113.9"
#define HOST6 "2001:db8:25::9"

#endif
