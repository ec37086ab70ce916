/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster's files: small, 0600, in a folder of their own with mode 0700. A write is whole and durable (file and
 * folder synced) when it returns, or has not happened.
 */
#ifndef POSTERN_CLUSTER_STORE_H
#define POSTERN_CLUSTER_STORE_H

#include "controlplane/cluster/codec.h"

#define PN_STORE_CA_CERT "ca.crt"
#define PN_STORE_CA_KEY "ca.key"
#define PN_STORE_NODE_KEY "node.key"
#define PN_STORE_NODE_CERT "node.crt" /* written last: with it the node is in a cluster, without it not */
#define PN_STORE_MEMBERS "members"
#define PN_STORE_KEYRING "keyring"
#define PN_STORE_INVITES "invites"
#define PN_STORE_ROTATE "rotate" /* there: the keys are to be changed, a removed member knows them */

int pn_store_prepare(const char *dir, struct pn_error *err); /* makes the folder where it is missing */
/* 0 and heap bytes; 1: no such file; -1 and err: unreadable, or longer than max. */
int pn_store_read(const char *dir, const char *name, size_t max, struct pn_bytes *out, struct pn_error *err);
int pn_store_remove(const char *dir, const char *name, struct pn_error *err); /* missing is fine */

#endif
