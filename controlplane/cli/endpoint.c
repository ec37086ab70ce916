/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cli/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || value == 0 || value > 65535)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

int pn_endpoint_parse(const char *text, struct pn_endpoint *e)
{
    const char *start = text, *end = text + strlen(text), *port = NULL, *colon = strchr(text, ':');
    struct pn_addr addr;
    struct pn_error err;

    e->port = 0;
    if (text[0] == '[') {
        const char *close = strchr(text, ']');

        if (!close || (close[1] && close[1] != ':'))
            return -1;
        start = text + 1;
        end = close;
        port = close[1] ? close + 2 : NULL;
    } else if (colon && !strchr(colon + 1, ':')) {
        /* Exactly one colon: an IPv4 address and a port. */
        end = colon;
        port = colon + 1;
    }
    if ((size_t)(end - start) >= sizeof(e->address))
        return -1;
    memcpy(e->address, start, (size_t)(end - start));
    e->address[end - start] = '\0';
    if (pn_addr_parse(e->address, &addr, &err) < 0)
        return -1;
    return port ? parse_port(port, &e->port) : 0;
}

const char *pn_endpoint_format(const char *address, int64_t port, char *buf, size_t size)
{
    if (port == 0)
        snprintf(buf, size, "%s", address);
    else
        snprintf(buf, size, strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, (long long)port);
    return buf;
}
