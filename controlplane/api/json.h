/* SPDX-License-Identifier: BSD-3-Clause */
/* Small values as JSON. All return a new reference, NULL when memory is short (json_pack then fails as a whole). */
#ifndef POSTERN_API_JSON_H
#define POSTERN_API_JSON_H

#include <jansson.h>

#include "postern/types.h"

/* Text that may hold what a server or client said: anything but printable ASCII becomes '?'. */
json_t *pn_json_text(const char *text);
json_t *pn_json_text_n(const char *text, size_t len);
json_t *pn_json_addr(const struct pn_addr *addr);
json_t *pn_json_mac(const struct pn_mac *mac);
json_t *pn_json_u64(uint64_t value); /* above 2^63-1: that */

#endif
