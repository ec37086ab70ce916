/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits and small types that both planes and every client share. */
#ifndef POSTERN_TYPES_H
#define POSTERN_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PN_NAME_BYTES 32 /* a name, NUL included; [A-Za-z0-9._-]+ */

#define PN_MAX_PORTS 8
#define PN_MAX_WORKERS 16
#define PN_MAX_VIPS 64
#define PN_MAX_SERVICES 256
#define PN_MAX_TIERS_PER_POOL 9
#define PN_MAX_TIERS 512
#define PN_MAX_GATEWAYS 256
#define PN_MAX_MEMBERS 2048 /* (tier, gateway) pairs over all pools */
#define PN_MAX_NODES 9

#define PN_ID_NONE UINT16_MAX

/* An IPv6 address, or an IPv4 one in its IPv4-mapped form (RFC 4291, 2.5.5.2), network byte order. */
struct pn_addr {
    union {
        uint8_t b[16];
        uint64_t q[2]; /* loaded whole: narrow stores followed by wide loads stall */
    };
};

struct pn_mac {
    uint8_t b[6];
};

static inline bool pn_addr_is_v4(const struct pn_addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline bool pn_addr_equal(const struct pn_addr *a, const struct pn_addr *b)
{
    return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline bool pn_addr_is_zero(const struct pn_addr *a)
{
    return (a->q[0] | a->q[1]) == 0;
}

/* v4_be: the address as it stands in the packet (network byte order). */
static inline struct pn_addr pn_addr_from_v4(uint32_t v4_be)
{
    struct pn_addr a;
    a.q[0] = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    a.q[1] = ((uint64_t)v4_be << 32) | 0xffff0000u;
#else
    a.q[1] = 0x0000ffff00000000ull | v4_be;
#endif
    return a;
}

/* Why a call failed, for people: "gateway[3].weight: 70000 is above 65535". Always NUL-terminated. */
struct pn_error {
    char text[256];
};

enum pn_affinity {
    PN_AFFINITY_NONE = 0, /* client address and port */
    PN_AFFINITY_CLIENT = 1, /* client address */
    PN_AFFINITY_NETWORK = 2, /* client network, /24 and /64 by default (greylisting) */
    PN_AFFINITY_COUNT
};

enum pn_fwd_mode {
    PN_FWD_L2DSR = 0, /* destination MAC rewritten, the gateway answers the client itself */
    PN_FWD_LOCAL = 1, /* delivered to this node's own kernel */
    PN_FWD_COUNT
};

#endif
