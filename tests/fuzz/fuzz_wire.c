/* SPDX-License-Identifier: BSD-3-Clause */
/* Control packets from the wire: what parses lies within the packet, and what we make parses back. */
#include <stdlib.h>

#include "controlplane/vip/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_wire_packet w, again;
    uint8_t out[2200];
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
