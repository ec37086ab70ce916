/* SPDX-License-Identifier: BSD-3-Clause */
/* What the handlers of `rule` commands share. All but the handlers themselves run on the rules' loop. */
#ifndef POSTERN_API_RULE_H
#define POSTERN_API_RULE_H

#include "controlplane/actors/rules.h"
#include "controlplane/api/work.h"

#define PN_RULE_IMPORT_MAX 5000 /* rows of one request */
#define PN_RULE_REPLY_BYTES (8u << 20) /* about; a longer list ends there and says that there is more */

/* Gives the call to the rules' loop; unavailable where they do not run. arg of the work: struct pn_rules_actor. */
void pn_rule_work(struct pn_api_call *call, pn_api_work_fn *fn);
/* NULL after answering why there is none. */
struct pn_rules *pn_rule_store(struct pn_api_work *work);
/* From list, value, owner, field. -1 after answering. */
int pn_rule_key(struct pn_api_work *work, struct pn_rule_key *key);
/* The kind called by argument "list", NULL: not given; found -1 after answering. */
const struct pn_kind *pn_rule_list(struct pn_api_work *work, int *found);

/* list, value, and owner, field where there are some. New reference, NULL: memory. */
json_t *pn_rule_key_json(const struct pn_rule_key *key);
json_t *pn_rule_json(const struct pn_rule *rule, bool with_text);
const char *pn_rule_version_format(uint64_t stamp, char buf[20]);
int pn_rule_version_parse(const char *text, uint64_t *stamp); /* -1: it is none */

#endif
