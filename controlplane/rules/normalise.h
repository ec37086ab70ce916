/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries as operators write them -> the one form that is compared, merged and matched. Pure.
 *
 *   User@Example.ORG.     user@example.org          letters of the local part in lower case too: RFC 5321 lets a server
 *                                                   tell them apart, none does, and a list that does misses mail
 *   "user"@example.org    user@example.org          quotes go where they are not needed
 *   @example.org          *@example.org             just that domain
 *   *.example.org         *@*.example.org           what is below it
 *   Bücher.example        xn--bcher-kva.example     the domain and what is below it (IDNA 2008, non-transitional)
 *   192.0.2.7/24          192.0.2.0/24              bits after the prefix are cleared
 *   ::ffff:192.0.2.1      192.0.2.1                 IPv4-mapped is IPv4; so are networks of it
 *   192.0.2.1/32          192.0.2.1
 *
 * A local part outside ASCII (RFC 6531) is kept byte for byte but for ASCII letters. Limits are RFC 5321's, 4.5.3.1:
 * local part 64 octets, domain 253 as A-labels, address 254.
 */
#ifndef POSTERN_RULES_NORMALISE_H
#define POSTERN_RULES_NORMALISE_H

#include "common/addr.h"
#include "controlplane/rules/kinds.h"

#define PN_RULE_VALUE_BYTES 260 /* a normalised value and its NUL */
#define PN_RULE_NAME_BYTES 129 /* a rule's name and its NUL */
#define PN_RULE_INPUT_MAX 1024 /* longer input is refused unread */

struct pn_value {
    char text[PN_RULE_VALUE_BYTES];
    uint8_t type; /* enum pn_value_type */
};

/* Any value that an entry can have, whatever kind: -1 and err names what was found and expected. */
int pn_value_normalise(const char *input, struct pn_value *value, struct pn_error *err);
/* A whole address user@domain: owners of personal lists. */
int pn_value_address(const char *input, struct pn_value *value, struct pn_error *err);
/* The name of a rule: 1 to 128 bytes of UTF-8 without control characters, blanks at the ends dropped, case kept. */
int pn_value_name(const char *input, struct pn_value *value, struct pn_error *err);
/* len bytes of a domain as A-labels, in lower case, without the last dot. out: 254 bytes. */
int pn_value_domain(const char *input, size_t len, char *out, struct pn_error *err);
/* A normalised IP or CIDR value as a network. */
int pn_value_prefix(const char *value, struct pn_prefix *prefix);
bool pn_utf8_valid(const char *text, size_t len); /* no NUL, no surrogates, no overlong forms */

/*
 * What an operator typed for a list -> kind, owner, value, field as they are stored. An IP address typed for the
 * blocklist goes to the ip-blocklist. owner, field may be NULL or "". out_kind: where the entry goes.
 */
struct pn_rule_key;
int pn_rule_key_make(struct pn_rule_key *key, const struct pn_kind *kind, const char *owner, const char *value,
                     const char *field, struct pn_error *err);

#endif
