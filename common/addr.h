/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text. Strict: no leading zeros, no zone, no blanks, no host bits in a network, and an IPv4 address is
 * written as one (the IPv4-mapped IPv6 form is refused, since struct pn_addr could not tell them apart).
 */
#ifndef PN_COMMON_ADDR_H
#define PN_COMMON_ADDR_H

#include <stddef.h>

#include "postern/types.h"

#define PN_ADDR_TEXT_BYTES 46 /* the longest address and its NUL */
#define PN_PREFIX_TEXT_BYTES 50
#define PN_MAC_TEXT_BYTES 18

/* A network. len counts in the 128-bit form, 0..128: an IPv4 /n is 96 + n. */
struct pn_prefix {
    struct pn_addr addr; /* host bits zero */
    uint8_t len;
};

/* 0, or -1 and err says what is wrong with the text. */
int pn_addr_parse(const char *text, struct pn_addr *addr, struct pn_error *err);
int pn_mac_parse(const char *text, struct pn_mac *mac, struct pn_error *err); /* aa:bb:cc:dd:ee:ff */
/* "a.b.c.d/n", "v6/n", or a bare address, which is /32 or /128. */
int pn_prefix_parse(const char *text, struct pn_prefix *prefix, struct pn_error *err);

/* Write into buf and return it; a buffer of PN_*_TEXT_BYTES always suffices, a smaller one gets a cut text. */
char *pn_addr_format(const struct pn_addr *addr, char *buf, size_t size); /* IPv6 as RFC 5952 wants it */
char *pn_prefix_format(const struct pn_prefix *prefix, char *buf, size_t size);
char *pn_mac_format(const struct pn_mac *mac, char *buf, size_t size);

struct sockaddr_storage;
/* For connect(2) and the like; returns its length. */
unsigned pn_addr_sockaddr(const struct pn_addr *addr, uint16_t port, struct sockaddr_storage *out);
struct pn_addr pn_addr_of_sockaddr(const struct sockaddr_storage *ss); /* zero: neither IPv4 nor IPv6 */

/* Bits after the first len (0..128, 128-bit form) cleared. */
struct pn_addr pn_addr_masked(const struct pn_addr *addr, unsigned len);
bool pn_prefix_contains(const struct pn_prefix *prefix, const struct pn_addr *addr);

/* What no interface may own: unspecified, loopback, multicast, limited broadcast, IPv4 class E and 0/8. */
bool pn_addr_is_unicast_host(const struct pn_addr *addr);
static inline bool pn_mac_is_zero(const struct pn_mac *mac)
{
    return (mac->b[0] | mac->b[1] | mac->b[2] | mac->b[3] | mac->b[4] | mac->b[5]) == 0;
}
static inline bool pn_mac_is_multicast(const struct pn_mac *mac)
{
    return mac->b[0] & 1;
}

#endif
