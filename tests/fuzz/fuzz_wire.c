/* SPDX-License-Identifier: BSD-3-Clause */
/* Control packets from the wire: what parses lies within the packet, and what we make parses back. */
#include <stdlib.h>

#include "controlplane/vip/vrrp.h"
#include "controlplane/vip/wire.h"

/* An advertisement that is taken is one that we could have made. */
static void vrrp(const uint8_t *data, size_t size)
{
    struct pn_vrrp_advert a, again;
    struct pn_addr src, group;
    const char *field;
    uint8_t message[PN_VRRP_MAX_BYTES], packet[PN_VRRP_MAX_BYTES + 40];
    memset(&a, 0, sizeof(a));
    memset(&again, 0, sizeof(again));
    if (pn_vrrp_decode(data, size, &a, &src, &field) != 0) {
        if (!field)
            abort();
        return;
    }
    group = pn_vrrp_group(a.v6);
    size_t n = pn_vrrp_encode(&a, &src, &group, message, sizeof(message));
    n = n ? pn_wire_ip_build(&src, &group, PN_IPPROTO_VRRP, message, n, packet, sizeof(packet)) : 0;
    /* Not with a sender that no wire can carry: an IPv4 one in IPv6. */
    if (pn_addr_is_v4(&src) == a.v6)
        return;
    if (n == 0 || pn_vrrp_decode(packet, n, &again, &src, &field) != 0 || memcmp(&a, &again, sizeof(a)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_wire_packet w, again;
    uint8_t out[2200];
    vrrp(data, size);
    if (size > 2048 || pn_wire_parse(data, size, &w) != PN_WIRE_OK)
        return 0;
    if (w.payload < data || w.payload + w.bytes > data + size)
        abort();
    if (w.ip_proto != PN_IPPROTO_UDP)
        return 0;
    struct pn_wire_udp u = {.src = w.src, .dst = w.dst, .src_port = w.src_port, .dst_port = w.dst_port};
    size_t n = pn_wire_udp_build(&u, w.payload, w.bytes, out, sizeof(out));
    if (n == 0 || pn_wire_parse(out, n, &again) != PN_WIRE_OK || again.bytes != w.bytes ||
        memcmp(again.payload, w.payload, w.bytes) != 0)
        abort();
    return 0;
}
