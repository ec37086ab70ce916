/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/json.h"

#include "common/addr.h"

json_t *pn_json_text_n(const char *text, size_t len)
{
    char clean[1024];
    size_t n = 0;

    for (; n < len && n < sizeof(clean) - 1 && text[n]; n++)
        clean[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    clean[n] = '\0';
    return json_stringn_nocheck(clean, n);
}

json_t *pn_json_text(const char *text)
{
    return pn_json_text_n(text, strlen(text));
}

json_t *pn_json_addr(const struct pn_addr *addr)
{
    char text[PN_ADDR_TEXT_BYTES];
    return json_string_nocheck(pn_addr_format(addr, text, sizeof(text)));
}

json_t *pn_json_mac(const struct pn_mac *mac)
{
    char text[PN_MAC_TEXT_BYTES];
    return json_string_nocheck(pn_mac_format(mac, text, sizeof(text)));
}

json_t *pn_json_u64(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}
