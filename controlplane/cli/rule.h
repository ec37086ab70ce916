/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of `postern rule` share. */
#ifndef POSTERN_CLI_RULE_H
#define POSTERN_CLI_RULE_H

#include "controlplane/cli/cli.h"
#include "controlplane/rules/record.h"

#define PN_RULE_WORDS_MAX 512 /* values of one command */

/* "blocklist user@example.org", with owner and field where they are not what one would think. */
const char *pn_rule_words(const json_t *rule, char *buf, size_t size);
/* The names of lists for a message, and of those with a text. */
const char *pn_rule_lists(char *buf, size_t size, bool with_text_only);
/* Arguments that name one entry; members that are NULL are left out. */
json_t *pn_rule_args(const char *list, const char *value, const char *owner, const char *field);
/* Asks for page after page and gives each rule to fn until it returns not 0. An exit status. */
int pn_rule_pages(struct pn_cli *cli, json_t *args, long limit, int (*fn)(void *arg, const json_t *rule), void *arg,
                  bool *more);

#endif
