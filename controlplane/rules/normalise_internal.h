/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_RULES_NORMALISE_INTERNAL_H
#define POSTERN_RULES_NORMALISE_INTERNAL_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include "controlplane/rules/normalise.h"

/* text: an address or network, brackets allowed. */
int pn_value_net(const char *text, struct pn_value *value, struct pn_error *err);
/* Meant as an address or network, well written or not: the error should speak of that. */
bool pn_value_looks_net(const char *text);

#endif
