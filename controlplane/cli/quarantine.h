/* SPDX-License-Identifier: BSD-3-Clause */
/* What the quarantine's commands share. */
#ifndef POSTERN_CLI_QUARANTINE_H
#define POSTERN_CLI_QUARANTINE_H

#include "controlplane/cli/cli.h"

void pn_cli_put(json_t *args, const char *key, const char *value); /* unless it is NULL or empty */
const char *pn_cli_when(int64_t ms, char buf[32]); /* local time; 0: "" */
int64_t pn_cli_time(const char *text); /* ms since 1970 of "2026-11-22 14:30" or "3h" (ago); -1: neither */
int pn_cli_item_args(struct pn_cli *cli, const char *word, const char *at, json_t **args); /* -1: usage was shown */
/* What a command does with one ID. *result: what -j tells of it, the caller's; NULL: nothing was done. An exit status. */
typedef int pn_cli_item_fn(struct pn_cli *cli, const char *word, void *arg, json_t **result);
/*
 * Does it with each of the n IDs (pn_cli_args(): -1 is usage), unless one is none: then with none of them. With -j all of it
 * is one document: "items", and the "errors" of those that failed; an error by itself when there is one ID.
 */
int pn_cli_items_do(struct pn_cli *cli, const char *const words[], int n, pn_cli_item_fn *fn, void *arg);
#define PN_CLI_RECIPIENTS_BYTES 32768
/* Addresses, one a line. -1: too long, usage was shown. */
int pn_cli_recipients(struct pn_cli *cli, const char *const words[], int n, char out[PN_CLI_RECIPIENTS_BYTES]);

#endif
