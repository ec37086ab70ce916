/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/checksum.h"

#include <endian.h>

uint64_t pn_csum_add(uint64_t sum, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    sum = (sum & 0xffffffff) + (sum >> 32);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        sum += (w & 0xffffffff) + (w >> 32);
    }
    if (n > 0) {
        uint64_t w = 0; /* the rest, padded with zeros, in memory order: n is below 8 */
        memcpy(&w, p, n);
        sum += (w & 0xffffffff) + (w >> 32);
    }
    return sum;
}

uint64_t pn_csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint32_t l4_bytes, uint8_t next_header)
{
    return pn_csum_add(pn_csum_add(0, src, 16), dst, 16) + htobe32(l4_bytes) + htobe32(next_header);
}

uint64_t pn_csum_pseudo4(const uint8_t src[4], const uint8_t dst[4], uint16_t l4_bytes, uint8_t protocol)
{
    return pn_csum_add(pn_csum_add(0, src, 4), dst, 4) + htobe16(l4_bytes) + htobe16(protocol);
}
