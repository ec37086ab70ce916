/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: records of one byte of options, one of length, then a frame. ICMP is answered or traced to its flow;
 * fragments go through one small table, where no handle may be lost, come twice, or go to a wrong gateway.
 * Options: bits 0-2 milliseconds passed x 300, bits 3-4 the gateway of a first fragment, bit 5 drop the first, bit 6 make
 * the ICMP checksum right first, bit 7 the checksum is the NIC's word.
 */
#include <assert.h>
#include <stdlib.h>

#include "dataplane/core/frag.h"
#include "dataplane/core/icmp.h"
#include "dataplane/core/parse.h"

#define RECORDS_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pn_mac own = {{0x02, 0, 0, 0, 0, 0x01}};
static uint8_t held[RECORDS_MAX]; /* by handle: 1 while the table has it */

static void on_drop(void *arg, uint64_t handle, enum pn_counter why)
{
    (void)arg;
    assert(handle < RECORDS_MAX && held[handle] == 1);
    assert(why == PN_C_FRAG_NO_FIRST || why == PN_C_FRAG_TABLE_FULL || why == PN_C_FRAG_MALFORMED);
    held[handle] = 0;
}

static uint64_t icmp_sum(const uint8_t *frame, const struct pn_pkt *p, uint32_t icmp_bytes)
{
    const uint8_t *ip = frame + p->l3_off;
    uint64_t sum = p->is_v6 ? pn_csum_pseudo6(ip + 8, ip + 24, icmp_bytes, PN_IP_ICMPV6) : 0;

    return pn_csum_add(sum, frame + p->l4_off, icmp_bytes);
}

static void check_icmp(uint8_t *frame, uint32_t bytes, struct pn_pkt *p, bool fix)
{
    struct pn_icmp_quote quote;
    uint32_t icmp_bytes = p->l3_off + pn_pkt_ip_bytes(frame, p) - p->l4_off;

    if (fix && icmp_bytes >= 4 && p->l4_off + icmp_bytes <= bytes) {
        memset(frame + p->l4_off + 2, 0, 2);
        uint16_t csum = pn_csum_finish(icmp_sum(frame, p, icmp_bytes));
        memcpy(frame + p->l4_off + 2, &csum, 2);
    }
    switch (pn_icmp_parse(frame, bytes, p, &quote)) {
    case PN_ICMP_ECHO:
        pn_icmp_reply(frame, p, &own);
        assert(pn_csum_ok(icmp_sum(frame, p, icmp_bytes)));
        assert(p->is_v6 || pn_csum_ipv4_20_ok(frame + p->l3_off));
        break;
    case PN_ICMP_ERROR:
        assert(quote.ip_proto == PN_IP_TCP && quote.client_port != 0);
        assert(pn_addr_is_v4(&quote.client) != p->is_v6);
        break;
    default:
        break;
    }
}

static void check_fragment(struct pn_frag_table *t, const uint8_t *frame, uint32_t bytes, struct pn_pkt *p,
                           uint8_t options, uint64_t handle, uint32_t now_ms)
{
    uint64_t released[PN_FRAG_HELD_PER_DATAGRAM];
    struct pn_frag_info info;
    unsigned n_released;
    uint16_t gateway, counter;

    p->vip = frame[p->l3_off] & 1;
    counter = pn_frag_inspect(frame, bytes, p, &info);
    if (counter != PN_COUNTER_NONE) {
        assert(counter < PN_C_COUNT);
        return;
    }
    if (!info.first) {
        held[handle] = 1;
        enum pn_frag_verdict v = pn_frag_later(t, &info, handle, now_ms, &gateway, &counter);
        if (v != PN_FRAG_HELD)
            held[handle] = 0;
        assert(v != PN_FRAG_FORWARD || gateway < 4);
        assert((v == PN_FRAG_DROP) == (counter != PN_COUNTER_NONE));
    } else if (options & 0x20) {
        pn_frag_forget(t, &info);
    } else if (pn_frag_first(t, &info, options >> 3 & 3, now_ms, released, &n_released, &counter) == PN_FRAG_FORWARD) {
        for (unsigned i = 0; i < n_released; i++)
            on_drop(NULL, released[i], PN_C_FRAG_NO_FIRST);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory;
    const struct pn_frag_config config = {
        .datagrams = 5, .held_max = 12, .timeout_ms = 2000, .hash_seed = 99, .drop = on_drop};
    uint32_t now_ms = UINT32_MAX - 2000;

    if (memory == NULL && (memory = aligned_alloc(64, (pn_frag_table_bytes(5) + 63) & ~(size_t)63)) == NULL)
        abort();
    struct pn_frag_table *t = pn_frag_table_init(memory, &config);
    memset(held, 0, sizeof(held));
    for (uint64_t record = 0; record < RECORDS_MAX && size >= 2; record++) {
        uint8_t options = data[0];
        uint32_t bytes = data[1] < size - 2 ? data[1] : (uint32_t)size - 2;
        uint8_t *frame = malloc(bytes ? bytes : 1);
        struct pn_pkt p;
        if (frame == NULL)
            break;
        memcpy(frame, data + 2, bytes);
        data += 2 + bytes;
        size -= 2 + bytes;
        now_ms += (options & 7u) * 300;
        pn_frag_expire(t, now_ms);
        enum pn_edge edge = pn_parse(frame, bytes, bytes, options & 0x80 ? PN_RX_IP_CSUM_GOOD : 0, &p);
        if (edge == PN_EDGE_ICMP)
            check_icmp(frame, bytes, &p, options & 0x40);
        if (edge == PN_EDGE_FRAGMENT)
            check_fragment(t, frame, bytes, &p, options, record, now_ms);
        free(frame);
        uint32_t have = 0;
        for (unsigned i = 0; i < RECORDS_MAX; i++)
            have += held[i];
        assert(have == pn_frag_held(t) && have <= 12);
    }
    pn_frag_flush(t);
    assert(pn_frag_held(t) == 0);
    return 0;
}
