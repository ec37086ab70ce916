/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/membership.h"

#include <string.h>

#include "dataplane/core/checksum.h"
#include "dataplane/core/control.h"
#include "dataplane/core/parse.h"

#define IGMP_PROTO 2u
#define ICMP6_PROTO 58u
#define REPORT_IGMP3 0x22u
#define REPORT_MLD2 143u
#define MODE_IS_EXCLUDE 2u /* of no source: all are wanted */
#define CHANGE_TO_INCLUDE 3u /* of no source: none is */

static const struct pn_addr to_v6 = {.b = {0xff, 0x02, [15] = 0x16}};

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* pn_csum_* works on bytes as they lie in memory. */
static void put_sum(uint8_t *p, uint64_t sum)
{
    uint16_t v = pn_csum_finish(sum);
    memcpy(p, &v, sizeof(v));
}

/* Header with Router Alert (RFC 2113), report, one record: 24 + 16 bytes. */
static uint32_t write_v4(uint8_t *p, const struct pn_addr *src, const struct pn_addr *group, uint8_t record)
{
    static const uint8_t to[4] = {224, 0, 0, 22};
    uint8_t *igmp = p + 24;

    memset(p, 0, 40);
    p[0] = 0x46;
    p[1] = 0xc0;
    put16(p + 2, 40);
    p[6] = 0x40;
    p[8] = 1; /* TTL */
    p[9] = IGMP_PROTO;
    if (!pn_addr_is_zero(src))
        memcpy(p + 12, src->b + 12, 4);
    memcpy(p + 16, to, 4);
    p[20] = 0x94;
    p[21] = 4;
    put_sum(p + 10, pn_csum_add(0, p, 24));
    igmp[0] = REPORT_IGMP3;
    put16(igmp + 6, 1);
    igmp[8] = record;
    memcpy(igmp + 12, group->b + 12, 4);
    put_sum(igmp + 2, pn_csum_add(0, igmp, 16));
    return 40;
}

/* Header, hop-by-hop with Router Alert (RFC 2711), report, one record: 40 + 8 + 28 bytes. */
static uint32_t write_v6(uint8_t *p, const struct pn_addr *src, const struct pn_addr *group, uint8_t record)
{
    static const uint8_t alert[8] = {ICMP6_PROTO, 0, 5, 2, 0, 0, 1, 0};
    uint8_t *mld = p + 48;

    memset(p, 0, 76);
    p[0] = 0x60;
    put16(p + 4, 36);
    p[7] = 1; /* hop limit */
    memcpy(p + 8, src->b, 16);
    memcpy(p + 24, to_v6.b, 16);
    memcpy(p + 40, alert, sizeof(alert));
    mld[0] = REPORT_MLD2;
    put16(mld + 6, 1);
    mld[8] = record;
    memcpy(mld + 12, group->b, 16);
    put_sum(mld + 2, pn_csum_add(pn_csum_pseudo6(src->b, to_v6.b, 28, ICMP6_PROTO), mld, 28));
    return 76;
}

uint32_t pn_membership_report(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                              const struct pn_addr *src, const struct pn_addr *group, bool join)
{
    uint8_t record = join ? MODE_IS_EXCLUDE : CHANGE_TO_INCLUDE;
    struct pn_addr to = pn_addr_is_v4(group) ? pn_addr_from_v4(htobe32(0xe0000016)) : to_v6;
    struct pn_mac to_mac;
    uint8_t packet[76];

    if (!pn_control_group_mac(group, &to_mac) || !pn_control_group_mac(&to, &to_mac))
        return 0;
    uint32_t bytes = pn_addr_is_v4(group) ? write_v4(packet, src, group, record) : write_v6(packet, src, group, record);
    return pn_control_frame(buf, size, &to_mac, mac, vlan, packet, bytes);
}
