/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that another node's posternd can answer, and this one cannot: the request goes there as it is, with the name
 * of who asked, and its reply comes back. The node that answers trusts the one that asks to have checked who may.
 */
#ifndef POSTERN_API_RELAY_H
#define POSTERN_API_RELAY_H

#include "controlplane/actors/ask.h"
#include "controlplane/api/api.h"

/* Ends the call, at once or later. Only for commands whose row says remote; not again for a call that is remote. */
void pn_api_relay(struct pn_api_call *call, const char *node);
/* A pn_ask_asked; arg: const struct pn_view. */
void pn_api_relayed(void *view, const char *from, const uint8_t *bytes, size_t len, struct pn_ask_answer *answer);

#endif
