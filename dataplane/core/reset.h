/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_CORE_RESET_H
#define POSTERN_CORE_RESET_H

#include "dataplane/core/pkt.h"

/*
 * Makes a SYN, as parsed in p, into the reset that answers it (RFC 9293 3.10.7.1, no connection), in place, from mac.
 * Returns the bytes of the frame that count now: never more than it had.
 */
uint32_t pn_tcp_reset(uint8_t *frame, const struct pn_pkt *p, const struct pn_mac *mac);

#endif
