/* SPDX-License-Identifier: BSD-3-Clause */
/* The fragment table: hash chains for finding, one list by age for expiry and eviction, all by index. */
#include "dataplane/core/frag.h"

#include "dataplane/core/parse.h"

#define NONE UINT16_MAX
#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define IP6_FRAGMENT_BYTES 8u
#define TCP_BYTES 20u

struct datagram {
    uint64_t src[2];
    uint32_t id;
    uint16_t vip;
    uint16_t gateway; /* PN_ID_NONE: its first fragment has not come */
    uint32_t began_ms;
    uint16_t chain; /* next of the same hash, or of the free list */
    uint16_t newer, older;
    uint16_t first_bytes; /* payload of the first fragment: what no later one may cover */
    uint16_t n_held;
    uint16_t held_offset[PN_FRAG_HELD_PER_DATAGRAM];
    uint64_t held[PN_FRAG_HELD_PER_DATAGRAM];
};

struct pn_frag_table {
    struct pn_frag_config config;
    uint32_t held;
    uint16_t free, oldest, newest;
    uint16_t mask; /* chains - 1 */
    uint16_t *heads;
    struct datagram *datagrams;
};

/* ---- one fragment ---- */

static uint16_t inspect_range(struct pn_frag_info *info)
{
    uint32_t end = (uint32_t)info->offset_bytes + info->payload_bytes;

    if (info->payload_bytes == 0 || end > 65535 || (info->more && info->payload_bytes % 8 != 0))
        return PN_C_FRAG_MALFORMED;
    return PN_COUNTER_NONE;
}

static uint16_t inspect_ports(const uint8_t *frame, uint32_t contiguous, uint32_t l4_bytes, struct pn_pkt *p,
                              const struct pn_frag_info *info)
{
    if (p->ip_proto != PN_IP_TCP)
        return PN_COUNTER_NONE; /* classify finds no service for it */
    if (!info->first)
        return info->offset_bytes < TCP_BYTES ? PN_C_FRAG_MALFORMED : PN_COUNTER_NONE;
    uint16_t why = pn_parse_tcp(frame, contiguous, l4_bytes, p);
    return why == PN_C_PARSE_L4_HEADER ? PN_C_FRAG_MALFORMED : why;
}

static uint16_t inspect_v4(const uint8_t *frame, uint32_t contiguous, struct pn_pkt *p, struct pn_frag_info *info)
{
    const uint8_t *ip = frame + p->l3_off;
    uint16_t field = pn_get16(ip + 6);

    info->id = (uint32_t)ip[9] << 16 | pn_get16(ip + 4);
    info->offset_bytes = (uint16_t)((field & 0x1fff) * 8);
    info->more = (field & 0x2000) != 0;
    info->first = info->offset_bytes == 0;
    info->payload_bytes = (uint16_t)(pn_pkt_ip_bytes(frame, p) - (p->l4_off - p->l3_off));
    uint16_t why = inspect_range(info);
    return why != PN_COUNTER_NONE ? why : inspect_ports(frame, contiguous, info->payload_bytes, p, info);
}

/* p->l4_off is at the fragment header, p->ip_proto what follows it: parse left it so. */
static uint16_t inspect_v6(const uint8_t *frame, uint32_t contiguous, struct pn_pkt *p, struct pn_frag_info *info)
{
    const uint8_t *h = frame + p->l4_off;
    uint16_t field = pn_get16(h + 2);
    uint32_t ip_end = p->l3_off + pn_pkt_ip_bytes(frame, p);
    uint32_t payload = ip_end - p->l4_off - IP6_FRAGMENT_BYTES;

    info->id = pn_get32(h + 4);
    info->offset_bytes = field & 0xfff8;
    info->more = field & 1;
    info->first = info->offset_bytes == 0;
    if (payload > UINT16_MAX)
        return PN_C_FRAG_MALFORMED;
    info->payload_bytes = (uint16_t)payload;
    uint16_t why = inspect_range(info);
    if (why != PN_COUNTER_NONE)
        return why;
    struct pn_ip6_walk w = {.off = p->l4_off + IP6_FRAGMENT_BYTES, .proto = p->ip_proto, .headers = 1};
    if (info->first) { /* the whole header chain must be here (RFC 7112) */
        if (pn_ip6_walk(frame, ip_end < contiguous ? ip_end : contiguous, &w) != PN_IP6_END_PROTO ||
            w.off - p->l3_off > PN_L3_BYTES_MAX)
            return PN_C_FRAG_MALFORMED;
        p->ip_proto = w.proto;
        p->l4_off = (uint8_t)w.off;
    }
    return inspect_ports(frame, contiguous, ip_end - w.off, p, info);
}

uint16_t pn_frag_inspect(const uint8_t *frame, uint32_t contiguous, struct pn_pkt *p, struct pn_frag_info *info)
{
    memset(info, 0, sizeof(*info));
    info->src[0] = p->client[0];
    info->src[1] = p->client[1];
    info->vip = p->vip;
    return p->is_v6 ? inspect_v6(frame, contiguous, p, info) : inspect_v4(frame, contiguous, p, info);
}

/* ---- the table ---- */

static uint32_t chains_for(uint32_t datagrams)
{
    uint32_t n = 1;

    while (n < datagrams && n < 32768)
        n *= 2;
    return n;
}

static size_t heads_offset(void)
{
    return (sizeof(struct pn_frag_table) + 63) & ~(size_t)63;
}

static size_t datagrams_offset(uint32_t datagrams)
{
    return (heads_offset() + chains_for(datagrams) * sizeof(uint16_t) + 63) & ~(size_t)63;
}

size_t pn_frag_table_bytes(uint32_t datagrams)
{
    return datagrams_offset(datagrams) + datagrams * sizeof(struct datagram);
}

struct pn_frag_table *pn_frag_table_init(void *memory, const struct pn_frag_config *config)
{
    struct pn_frag_table *t = memory;
    uint32_t chains = chains_for(config->datagrams);

    memset(memory, 0, pn_frag_table_bytes(config->datagrams));
    t->config = *config;
    t->heads = (uint16_t *)(void *)((char *)memory + heads_offset());
    t->datagrams = (struct datagram *)(void *)((char *)memory + datagrams_offset(config->datagrams));
    t->mask = (uint16_t)(chains - 1);
    t->oldest = t->newest = NONE;
    for (uint32_t i = 0; i < chains; i++)
        t->heads[i] = NONE;
    for (uint32_t i = 0; i < config->datagrams; i++)
        t->datagrams[i].chain = (uint16_t)(i + 1 < config->datagrams ? i + 1 : NONE);
    t->free = 0;
    return t;
}

static uint16_t *chain_of(struct pn_frag_table *t, const uint64_t src[2], uint32_t id, uint16_t vip)
{
    uint64_t h = t->config.hash_seed ^ src[0];

    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull + src[1];
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull + ((uint64_t)vip << 32 | id);
    h = (h ^ h >> 32) * 0x94d049bb133111ebull;
    return &t->heads[(h >> 40) & t->mask];
}

static struct datagram *find(struct pn_frag_table *t, const struct pn_frag_info *info)
{
    for (uint16_t i = *chain_of(t, info->src, info->id, info->vip); i != NONE; i = t->datagrams[i].chain) {
        struct datagram *d = &t->datagrams[i];
        if (d->src[0] == info->src[0] && d->src[1] == info->src[1] && d->id == info->id && d->vip == info->vip)
            return d;
    }
    return NULL;
}

static void end_datagram(struct pn_frag_table *t, struct datagram *d, enum pn_counter why)
{
    uint16_t self = (uint16_t)(d - t->datagrams);
    uint16_t *link = chain_of(t, d->src, d->id, d->vip);

    for (unsigned i = 0; i < d->n_held; i++)
        t->config.drop(t->config.drop_arg, d->held[i], why);
    t->held -= d->n_held;
    d->n_held = 0;
    while (*link != self)
        link = &t->datagrams[*link].chain;
    *link = d->chain;
    *(d->older != NONE ? &t->datagrams[d->older].newer : &t->oldest) = d->newer;
    *(d->newer != NONE ? &t->datagrams[d->newer].older : &t->newest) = d->older;
    d->chain = t->free;
    t->free = self;
}

static struct datagram *begin_datagram(struct pn_frag_table *t, const struct pn_frag_info *info, uint32_t now_ms)
{
    if (t->free == NONE)
        end_datagram(t, &t->datagrams[t->oldest], PN_C_FRAG_TABLE_FULL);
    uint16_t self = t->free, *head = chain_of(t, info->src, info->id, info->vip);
    struct datagram *d = &t->datagrams[self];
    t->free = d->chain;
    *d = (struct datagram){
        .src = {info->src[0], info->src[1]},
        .id = info->id,
        .vip = info->vip,
        .gateway = PN_ID_NONE,
        .began_ms = now_ms,
        .chain = *head,
        .newer = NONE,
        .older = t->newest,
    };
    *head = self;
    *(t->newest != NONE ? &t->datagrams[t->newest].newer : &t->oldest) = self;
    t->newest = self;
    return d;
}

/* A datagram past its time must not lend its gateway to a new one of the same id, even before expiry ran. */
static struct datagram *find_live(struct pn_frag_table *t, const struct pn_frag_info *info, uint32_t now_ms)
{
    struct datagram *d = find(t, info);

    if (d != NULL && now_ms - d->began_ms >= t->config.timeout_ms) {
        end_datagram(t, d, PN_C_FRAG_NO_FIRST);
        return NULL;
    }
    return d;
}

enum pn_frag_verdict pn_frag_first(struct pn_frag_table *t, const struct pn_frag_info *info, uint16_t gateway,
                                   uint32_t now_ms, uint64_t released[PN_FRAG_HELD_PER_DATAGRAM], unsigned *n_released,
                                   uint16_t *counter)
{
    struct datagram *d = find_live(t, info, now_ms);

    *n_released = 0;
    *counter = PN_COUNTER_NONE;
    if (d != NULL && d->gateway != PN_ID_NONE) {
        /* A copy of it is harmless; another size or another way is an overlap (RFC 5722) or an attempt at one. */
        if (d->gateway == gateway && d->first_bytes == info->payload_bytes)
            return PN_FRAG_FORWARD;
        *counter = PN_C_FRAG_MALFORMED;
        return PN_FRAG_DROP;
    }
    if (d == NULL)
        d = begin_datagram(t, info, now_ms);
    d->gateway = gateway;
    d->first_bytes = info->payload_bytes;
    for (unsigned i = 0; i < d->n_held; i++) {
        if (d->held_offset[i] < d->first_bytes)
            t->config.drop(t->config.drop_arg, d->held[i], PN_C_FRAG_MALFORMED);
        else
            released[(*n_released)++] = d->held[i];
    }
    t->held -= d->n_held;
    d->n_held = 0;
    return PN_FRAG_FORWARD;
}

enum pn_frag_verdict pn_frag_later(struct pn_frag_table *t, const struct pn_frag_info *info, uint64_t handle,
                                   uint32_t now_ms, uint16_t *gateway, uint16_t *counter)
{
    struct datagram *d = find_live(t, info, now_ms);

    *gateway = PN_ID_NONE;
    *counter = PN_COUNTER_NONE;
    if (d != NULL && d->gateway != PN_ID_NONE) {
        if (info->offset_bytes < d->first_bytes) {
            *counter = PN_C_FRAG_MALFORMED;
            return PN_FRAG_DROP;
        }
        *gateway = d->gateway;
        return PN_FRAG_FORWARD;
    }
    if (t->held >= t->config.held_max || (d != NULL && d->n_held == PN_FRAG_HELD_PER_DATAGRAM)) {
        *counter = PN_C_FRAG_TABLE_FULL;
        return PN_FRAG_DROP;
    }
    if (d == NULL)
        d = begin_datagram(t, info, now_ms);
    d->held_offset[d->n_held] = info->offset_bytes;
    d->held[d->n_held++] = handle;
    t->held++;
    return PN_FRAG_HELD;
}

void pn_frag_forget(struct pn_frag_table *t, const struct pn_frag_info *info)
{
    struct datagram *d = find(t, info);

    if (d != NULL && d->gateway == PN_ID_NONE)
        end_datagram(t, d, PN_C_FRAG_NO_FIRST);
}

void pn_frag_expire(struct pn_frag_table *t, uint32_t now_ms)
{
    while (t->oldest != NONE && now_ms - t->datagrams[t->oldest].began_ms >= t->config.timeout_ms)
        end_datagram(t, &t->datagrams[t->oldest], PN_C_FRAG_NO_FIRST);
}

uint32_t pn_frag_held(const struct pn_frag_table *t)
{
    return t->held;
}

void pn_frag_flush(struct pn_frag_table *t)
{
    while (t->oldest != NONE)
        end_datagram(t, &t->datagrams[t->oldest], PN_C_FRAG_NO_FIRST);
}
