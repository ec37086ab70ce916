/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The order in which an engine's rules are tried: an object of its own (kind "order", named like the engine), a rule's name
 * a line. Merged as one; so a name may be missing in it or be of a rule that is gone. Pure.
 */
#ifndef POSTERN_RULES_ORDER_H
#define POSTERN_RULES_ORDER_H

#include "controlplane/rules/record.h"

/* Sorts the names: those in the order first, as there; the others behind, by name. order NULL: none. */
void pn_rule_order_apply(const char *order, const char **names, size_t n);

#endif
