/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT:PORT as people write it: 192.0.2.1, 192.0.2.1:25, 2001:db8::1, [2001:db8::1]:25. Pure. */
#ifndef POSTERN_CLI_ENDPOINT_H
#define POSTERN_CLI_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

struct pn_endpoint {
    char address[PN_ADDR_TEXT_BYTES];
    uint16_t port; /* 0: none given */
};

int pn_endpoint_parse(const char *text, struct pn_endpoint *e); /* -1: not one */
const char *pn_endpoint_format(const char *address, int64_t port, char *buf, size_t size);

#endif
