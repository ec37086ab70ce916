/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/reset.h"

#include "dataplane/core/checksum.h"
#include "dataplane/core/parse.h"

#define TCP_BYTES 20u
#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define RESET_TTL 64u

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Its sequence number is 0; it acknowledges the SYN and what data came with it. */
static void tcp_make(uint8_t *tcp, uint32_t src_dst_port, uint32_t ack)
{
    const uint32_t none = 0, ack_be = htobe32(ack);

    memset(tcp, 0, TCP_BYTES);
    memcpy(tcp, (const uint8_t *)&src_dst_port + 2, 2);
    memcpy(tcp + 2, &src_dst_port, 2);
    memcpy(tcp + 4, &none, sizeof(none));
    memcpy(tcp + 8, &ack_be, sizeof(ack_be));
    tcp[12] = (TCP_BYTES / 4) << 4;
    tcp[13] = PN_TCP_RST | PN_TCP_ACK;
}

static void reset4(uint8_t *ip, uint32_t ports, uint32_t ack)
{
    uint8_t addrs[8];

    memcpy(addrs, ip + 16, 4);
    memcpy(addrs + 4, ip + 12, 4);
    memset(ip, 0, IP4_BYTES);
    ip[0] = 0x45;
    put16(ip + 2, IP4_BYTES + TCP_BYTES);
    ip[6] = 0x40; /* don't fragment */
    ip[8] = RESET_TTL;
    ip[9] = PN_IP_TCP;
    memcpy(ip + 12, addrs, 8);
    uint16_t sum = pn_csum_finish(pn_csum_add(0, ip, IP4_BYTES));
    memcpy(ip + 10, &sum, 2);
    uint8_t *tcp = ip + IP4_BYTES;
    tcp_make(tcp, ports, ack);
    sum = pn_csum_finish(pn_csum_add(pn_csum_pseudo4(addrs, addrs + 4, TCP_BYTES, PN_IP_TCP), tcp, TCP_BYTES));
    memcpy(tcp + 16, &sum, 2);
}

static void reset6(uint8_t *ip, uint32_t ports, uint32_t ack)
{
    uint8_t addrs[32];

    memcpy(addrs, ip + 24, 16);
    memcpy(addrs + 16, ip + 8, 16);
    memset(ip, 0, IP6_BYTES);
    ip[0] = 0x60;
    put16(ip + 4, TCP_BYTES);
    ip[6] = PN_IP_TCP;
    ip[7] = RESET_TTL;
    memcpy(ip + 8, addrs, 32);
    uint8_t *tcp = ip + IP6_BYTES;
    tcp_make(tcp, ports, ack);
    uint16_t sum =
        pn_csum_finish(pn_csum_add(pn_csum_pseudo6(addrs, addrs + 16, TCP_BYTES, PN_IP_TCP), tcp, TCP_BYTES));
    memcpy(tcp + 16, &sum, 2);
}

uint32_t pn_tcp_reset(uint8_t *frame, const struct pn_pkt *p, const struct pn_mac *mac)
{
    uint8_t *ip = frame + p->l3_off, *tcp = frame + p->l4_off;
    uint32_t data = p->l3_off + pn_pkt_ip_bytes(frame, p) - p->l4_off - (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t ports = pn_load32(tcp), ack = pn_get32(tcp + 4) + 1 + data;

    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, mac->b, 6);
    if (p->is_v6)
        reset6(ip, ports, ack);
    else
        reset4(ip, ports, ack);
    return p->l3_off + (p->is_v6 ? IP6_BYTES : IP4_BYTES) + TCP_BYTES;
}
