/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The secrets that heartbeats and flow sync are sealed with, as a file: one key a line, "ID send|receive-only SECRET",
 * SECRET 32 bytes as base64 (44 characters) or hexadecimal (64). '#' begins a comment. Exactly one key is for sending.
 * Rotation without a gap: the new key receive-only on every node, reload; then send there and the old one
 * receive-only, reload; then the old one goes.
 */
#ifndef POSTERN_KEYS_H
#define POSTERN_KEYS_H

#include "common/seal.h"

#define PN_KEYS_FILE_MAX 4u /* keys of a file */
#define PN_KEYS_MAX_BYTES 16384u
#define PN_KEYS_LINE_BYTES 80

/* 0, or -1 and err names the line. *ring is empty then. */
int pn_keys_parse(const char *text, size_t bytes, struct pn_seal_ring *ring, struct pn_error *err);
/* The same from a regular file that nobody but its owner (root or the caller) may read or write. */
int pn_keys_load(const char *path, struct pn_seal_ring *ring, struct pn_error *err);
/* What is wrong with the file for postern check; 0 too when there is none, or when only its owner can see that. */
int pn_keys_look(const char *path, struct pn_error *err);
/* One line with its newline; returns line. */
char *pn_keys_line(const struct pn_seal_key *key, char line[PN_KEYS_LINE_BYTES]);
/*
 * One ring of both sources, either of which may be empty. cluster_sends: whose key is used for sending; it counts only
 * where both have keys. What is not sent with is still received. A cluster's ids become 128 to 255, so a file's keys of
 * the same id are left out; their number is the result.
 */
unsigned pn_keys_combine(const struct pn_seal_ring *file, const struct pn_seal_ring *cluster, bool cluster_sends,
                         struct pn_seal_ring *out);
void pn_keys_forget(struct pn_seal_ring *ring);

#endif
