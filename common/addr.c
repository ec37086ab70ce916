/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/addr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/error.h"

int pn_addr_parse(const char *text, struct pn_addr *addr, struct pn_error *err)
{
    uint32_t v4_be;
    struct pn_addr a;

    if (strchr(text, ':') == NULL) {
        if (inet_pton(AF_INET, text, &v4_be) != 1)
            return pn_error_set(err, "\"%.64s\" is not an IP address", text);
        *addr = pn_addr_from_v4(v4_be);
        return 0;
    }
    if (inet_pton(AF_INET6, text, a.b) != 1)
        return pn_error_set(err, "\"%.64s\" is not an IPv6 address", text);
    if (pn_addr_is_v4(&a))
        return pn_error_set(err, "\"%.64s\" is an IPv4-mapped address: write it as IPv4", text);
    *addr = a;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int pn_mac_parse(const char *text, struct pn_mac *mac, struct pn_error *err)
{
    struct pn_mac m;

    if (strlen(text) != PN_MAC_TEXT_BYTES - 1)
        return pn_error_set(err, "\"%.64s\" is not a MAC address (aa:bb:cc:dd:ee:ff)", text);
    for (unsigned i = 0; i < 6; i++) {
        int hi = hex_digit(text[3 * i]), lo = hex_digit(text[3 * i + 1]);
        if (hi < 0 || lo < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return pn_error_set(err, "\"%.64s\" is not a MAC address (aa:bb:cc:dd:ee:ff)", text);
        m.b[i] = (uint8_t)(hi << 4 | lo);
    }
    *mac = m;
    return 0;
}

/* Digits only, no sign, no leading zero, at most max. -1: it is not that. */
static int parse_len(const char *text, int max)
{
    int value = 0;

    if (text[0] == '\0' || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
        return -1;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        value = value * 10 + (*p - '0');
    }
    return value <= max ? value : -1;
}

int pn_prefix_parse(const char *text, struct pn_prefix *prefix, struct pn_error *err)
{
    char head[PN_ADDR_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    struct pn_prefix p;

    if (n >= sizeof(head))
        return pn_error_set(err, "\"%.64s\" is not a network", text);
    memcpy(head, text, n);
    head[n] = '\0';
    if (pn_addr_parse(head, &p.addr, err) != 0)
        return -1;
    bool v4 = pn_addr_is_v4(&p.addr);
    p.len = 128;
    if (slash != NULL) {
        int len = parse_len(slash + 1, v4 ? 32 : 128);
        if (len < 0)
            return pn_error_set(err, "\"%.64s\": the prefix length must be 0 to %d", text, v4 ? 32 : 128);
        p.len = (uint8_t)(v4 ? 96 + len : len);
    }
    struct pn_addr masked = pn_addr_masked(&p.addr, p.len);
    if (!pn_addr_equal(&masked, &p.addr)) {
        char want[PN_PREFIX_TEXT_BYTES];
        p.addr = masked;
        return pn_error_set(err, "\"%.64s\" has bits after its prefix: did you mean %s?", text,
                            pn_prefix_format(&p, want, sizeof(want)));
    }
    *prefix = p;
    return 0;
}

char *pn_addr_format(const struct pn_addr *addr, char *buf, size_t size)
{
    char text[INET6_ADDRSTRLEN];

    if (pn_addr_is_v4(addr))
        inet_ntop(AF_INET, addr->b + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, addr->b, text, sizeof(text));
    if (size > 0)
        snprintf(buf, size, "%s", text);
    return buf;
}

char *pn_prefix_format(const struct pn_prefix *prefix, char *buf, size_t size)
{
    char text[PN_ADDR_TEXT_BYTES];
    bool v4 = pn_addr_is_v4(&prefix->addr) && prefix->len >= 96;

    pn_addr_format(&prefix->addr, text, sizeof(text));
    if (size > 0)
        snprintf(buf, size, "%s/%u", text, v4 ? prefix->len - 96u : prefix->len);
    return buf;
}

char *pn_mac_format(const struct pn_mac *mac, char *buf, size_t size)
{
    const uint8_t *b = mac->b;

    if (size > 0)
        snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
    return buf;
}

struct pn_addr pn_addr_masked(const struct pn_addr *addr, unsigned len)
{
    struct pn_addr m = *addr;

    if (len > 128)
        len = 128;
    uint64_t hi = len == 0 ? 0 : len >= 64 ? UINT64_MAX : UINT64_MAX << (64 - len);
    uint64_t lo = len <= 64 ? 0 : UINT64_MAX << (128 - len);
    m.q[0] &= htobe64(hi);
    m.q[1] &= htobe64(lo);
    return m;
}

bool pn_prefix_contains(const struct pn_prefix *prefix, const struct pn_addr *addr)
{
    struct pn_addr m = pn_addr_masked(addr, prefix->len);
    return pn_addr_equal(&m, &prefix->addr);
}

bool pn_addr_is_unicast_host(const struct pn_addr *addr)
{
    if (pn_addr_is_v4(addr)) {
        uint8_t first = addr->b[12];
        return first != 0 && first != 127 && first < 224;
    }
    bool loopback = addr->q[0] == 0 && addr->q[1] == htobe64(1);
    return !pn_addr_is_zero(addr) && !loopback && addr->b[0] != 0xff;
}

struct pn_addr pn_addr_of_sockaddr(const struct sockaddr_storage *ss)
{
    struct pn_addr a;

    memset(&a, 0, sizeof(a));
    if (ss->ss_family == AF_INET)
        return pn_addr_from_v4(((const struct sockaddr_in *)ss)->sin_addr.s_addr);
    if (ss->ss_family == AF_INET6)
        memcpy(a.b, &((const struct sockaddr_in6 *)ss)->sin6_addr, 16);
    return a;
}

unsigned pn_addr_sockaddr(const struct pn_addr *addr, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    memset(out, 0, sizeof(*out));
    if (pn_addr_is_v4(addr)) {
        memcpy(&in.sin_addr, addr->b + 12, 4);
        memcpy(out, &in, sizeof(in));
        return sizeof(in);
    }
    memcpy(&in6.sin6_addr, addr->b, 16);
    memcpy(out, &in6, sizeof(in6));
    return sizeof(in6);
}
