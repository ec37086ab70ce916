/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/icmp.h"

#include "dataplane/core/parse.h"

#define ICMP_BYTES 8u
#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define QUOTED_L4_BYTES 8u /* RFC 792: the quote holds the header and 64 bits; more since RFC 1812 */
#define REPLY_TTL 64u

enum { ICMP4_ECHO_REPLY = 0, ICMP4_UNREACHABLE = 3, ICMP4_ECHO = 8, ICMP4_TIME_EXCEEDED = 11, ICMP4_PARAMETER = 12 };
enum { ICMP6_UNREACHABLE = 1, ICMP6_PARAMETER = 4, ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129 };

/* ports at quoted bytes[off..]; src and client as they stand in the quote. */
static enum pn_icmp_kind take_quote(const uint8_t *bytes, const struct pn_addr *src, const struct pn_addr *client,
                                    bool client_bad, uint8_t proto, const struct pn_addr *vip,
                                    struct pn_icmp_quote *quote)
{
    quote->client = *client;
    quote->ip_proto = proto;
    quote->service_port = pn_get16(bytes);
    quote->client_port = pn_get16(bytes + 2);
    if (proto != PN_IP_TCP || !pn_addr_equal(src, vip) || client_bad || quote->client_port == 0)
        return PN_ICMP_NO_FLOW;
    return PN_ICMP_ERROR;
}

static enum pn_icmp_kind quote_v4(const uint8_t *q, uint32_t q_bytes, const struct pn_addr *vip,
                                  struct pn_icmp_quote *quote)
{
    if (q_bytes < IP4_BYTES || q[0] >> 4 != 4)
        return PN_ICMP_MALFORMED;
    uint32_t header_bytes = (uint32_t)(q[0] & 15) * 4;
    if (header_bytes < IP4_BYTES || q_bytes < header_bytes + QUOTED_L4_BYTES)
        return PN_ICMP_MALFORMED;
    if (pn_load16(q + 6) & htobe16(0x1fff))
        return PN_ICMP_NO_FLOW; /* a later fragment: no ports */
    struct pn_addr src = pn_addr_from_v4(pn_load32(q + 12)), client = pn_addr_from_v4(pn_load32(q + 16));
    return take_quote(q + header_bytes, &src, &client, pn_source4_bad(pn_load32(q + 16)), q[9], vip, quote);
}

static enum pn_icmp_kind quote_v6(const uint8_t *q, uint32_t q_bytes, const struct pn_addr *vip,
                                  struct pn_icmp_quote *quote)
{
    struct pn_addr src, client;

    if (q_bytes < IP6_BYTES + QUOTED_L4_BYTES || q[0] >> 4 != 6)
        return PN_ICMP_MALFORMED;
    memcpy(src.b, q + 8, 16);
    memcpy(client.b, q + 24, 16);
    struct pn_ip6_walk w = {.off = IP6_BYTES, .proto = q[6]};
    enum pn_ip6_end found = pn_ip6_walk(q, q_bytes, &w);
    if (found == PN_IP6_END_FRAGMENT) {
        if (pn_load16(q + w.off + 2) & htobe16(0xfff8))
            return PN_ICMP_NO_FLOW;
        w.off += 8;
        w.headers++;
        found = pn_ip6_walk(q, q_bytes, &w);
    }
    if (found != PN_IP6_END_PROTO)
        return PN_ICMP_NO_FLOW;
    if (q_bytes < w.off + QUOTED_L4_BYTES)
        return PN_ICMP_MALFORMED;
    return take_quote(q + w.off, &src, &client, pn_source6_bad(client.q[0]), w.proto, vip, quote);
}

enum pn_icmp_kind pn_icmp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p,
                                struct pn_icmp_quote *quote)
{
    const uint8_t *ip = frame + p->l3_off, *icmp = frame + p->l4_off;
    uint32_t icmp_bytes = p->l3_off + pn_pkt_ip_bytes(frame, p) - p->l4_off;

    memset(quote, 0, sizeof(*quote));
    if (icmp_bytes < ICMP_BYTES || p->l4_off + ICMP_BYTES > contiguous)
        return PN_ICMP_MALFORMED;
    bool echo = icmp[0] == (p->is_v6 ? ICMP6_ECHO : ICMP4_ECHO);
    if (p->l4_off + icmp_bytes <= contiguous) {
        uint64_t sum = p->is_v6 ? pn_csum_pseudo6(ip + 8, ip + 24, icmp_bytes, PN_IP_ICMPV6) : 0;
        if (!pn_csum_ok(pn_csum_add(sum, icmp, icmp_bytes)))
            return PN_ICMP_MALFORMED;
    } else if (!echo) {
        return PN_ICMP_MALFORMED;
    }
    if (echo) {
        bool plain = p->l4_off == p->l3_off + (p->is_v6 ? IP6_BYTES : IP4_BYTES);
        return plain ? PN_ICMP_ECHO : PN_ICMP_OTHER;
    }
    struct pn_addr vip = pn_pkt_dst(frame, p);
    if (p->is_v6)
        return icmp[0] >= ICMP6_UNREACHABLE && icmp[0] <= ICMP6_PARAMETER
                   ? quote_v6(icmp + ICMP_BYTES, icmp_bytes - ICMP_BYTES, &vip, quote)
                   : PN_ICMP_OTHER;
    return icmp[0] == ICMP4_UNREACHABLE || icmp[0] == ICMP4_TIME_EXCEEDED || icmp[0] == ICMP4_PARAMETER
               ? quote_v4(icmp + ICMP_BYTES, icmp_bytes - ICMP_BYTES, &vip, quote)
               : PN_ICMP_OTHER;
}

static void swap_addresses(uint8_t *a, uint8_t *b, size_t n)
{
    uint8_t kept[16];

    memcpy(kept, a, n);
    memcpy(a, b, n);
    memcpy(b, kept, n);
}

void pn_icmp_reply(uint8_t *frame, const struct pn_pkt *p, const struct pn_mac *mac)
{
    uint8_t *ip = frame + p->l3_off, *icmp = frame + p->l4_off;
    uint16_t old_word = pn_load16(icmp), csum = pn_load16(icmp + 2);

    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, mac->b, 6);
    icmp[0] = p->is_v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;
    /* The pseudo-header's sum is the same with both addresses swapped, so only the type counts. */
    csum = pn_csum_update16(csum, old_word, pn_load16(icmp));
    /* Zero is right unless all else is zero too; its other form is right in both cases (RFC 1624, 3). */
    if (csum == 0)
        csum = 0xffff;
    memcpy(icmp + 2, &csum, 2);
    if (p->is_v6) {
        swap_addresses(ip + 8, ip + 24, 16);
        ip[7] = REPLY_TTL;
        return;
    }
    swap_addresses(ip + 12, ip + 16, 4);
    ip[8] = REPLY_TTL;
    memset(ip + 10, 0, 2);
    csum = pn_csum_finish(pn_csum_add(0, ip, IP4_BYTES));
    memcpy(ip + 10, &csum, 2);
}
