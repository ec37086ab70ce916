/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP (RFC 792, 1122) and ICMPv6 (RFC 4443) to a VIP: echo answered, errors traced to the flow they quote. Pure. */
#ifndef PN_CORE_ICMP_H
#define PN_CORE_ICMP_H

#include "dataplane/core/pkt.h"

enum pn_icmp_kind {
    PN_ICMP_MALFORMED = 0, /* too short, checksum wrong: PN_C_ICMP_MALFORMED */
    PN_ICMP_ECHO, /* request that pn_icmp_reply can answer */
    PN_ICMP_ERROR, /* quotes a TCP segment that the VIP sent; *quote filled */
    PN_ICMP_NO_FLOW, /* an error, but it quotes nothing that this VIP can have sent: PN_C_ICMP_NO_FLOW */
    PN_ICMP_OTHER, /* any other type; echo with IP options or extension headers: PN_C_ICMP_IGNORED */
};

/* The quoted packet went from the VIP's service to the client: the flow's own key, seen from the other end. */
struct pn_icmp_quote {
    struct pn_addr client;
    uint16_t client_port; /* host order */
    uint16_t service_port;
    uint8_t ip_proto;
};

/*
 * p: with edge ICMP. Relayed errors: ICMP 3 (all codes: fragmentation needed above all), 11, 12; ICMPv6 1, 2 (packet too
 * big), 3, 4. The quoted source must be the address the error was sent to, the quote a first fragment or
 * whole. An error must be contiguous to its end; an echo need not be (its checksum is then left to the asker, since
 * the reply's is derived from it).
 */
enum pn_icmp_kind pn_icmp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p,
                                struct pn_icmp_quote *quote);

/* Turns an ECHO into its reply, from mac and the VIP back to the asker; length and VLAN tag stay, TTL is 64. */
void pn_icmp_reply(uint8_t *frame, const struct pn_pkt *p, const struct pn_mac *mac);

#endif
