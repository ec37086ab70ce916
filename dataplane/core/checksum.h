/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept as 64-bit words in memory
 * order, so no byte swapping is needed: the folded result is in network byte order as it stands.
 */
#ifndef PN_CORE_CHECKSUM_H
#define PN_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One's complement sum of bytes[0..n-1] added to sum; an odd last byte is padded with zero. n below 2^20. */
uint64_t pn_csum_add(uint64_t sum, const void *bytes, size_t n);

static inline uint16_t pn_csum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The value for a checksum field that held zero while summing. */
static inline uint16_t pn_csum_finish(uint64_t sum)
{
    return (uint16_t)~pn_csum_fold(sum);
}

/* Sum over data with its checksum field in place: right when it folds to all ones. */
static inline int pn_csum_ok(uint64_t sum)
{
    return pn_csum_fold(sum) == 0xffff;
}

/* IPv6 pseudo-header (RFC 8200, 8.1), addresses straight from the packet; length in host order. */
uint64_t pn_csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint32_t l4_bytes, uint8_t next_header);
uint64_t pn_csum_pseudo4(const uint8_t src[4], const uint8_t dst[4], uint16_t l4_bytes, uint8_t protocol);

/* RFC 1624, eqn. 3: a 16-bit field went from old to new; all values as they stand in the packet. */
static inline uint16_t pn_csum_update16(uint16_t csum, uint16_t old_field, uint16_t new_field)
{
    uint32_t sum = (uint32_t)(uint16_t)~csum + (uint16_t)~old_field + new_field;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Whether the IPv4 header without options at h sums right: five 32-bit loads. */
static inline int pn_csum_ipv4_20_ok(const uint8_t *h)
{
    uint64_t a, b;
    uint32_t c, sum;

    memcpy(&a, h, 8);
    memcpy(&b, h + 8, 8);
    memcpy(&c, h + 16, 4);
    /* One's complement sums, each with its carry brought round: of 64 bits, of 32, of 16. */
    a += b;
    a += a < b;
    a += c;
    a += a < c;
    sum = (uint32_t)((a + (a >> 32 | a << 32)) >> 32);
    return (sum + (sum >> 16 | sum << 16)) >> 16 == 0xffff;
}

#endif
