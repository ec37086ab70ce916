/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message files, zstd, named by the SHA-256 of the raw message: ROOT/a/ab12...zst. They are made in ROOT/tmp, or come
 * in pieces in ROOT/partial; data, name and folder are synced before anyone hears of it, and no name that is taken changes
 * to a file that is not.
 * One thread. Several rows may mean one file; who deletes makes sure that none is left.
 */
#ifndef POSTERN_QUARANTINE_FILES_H
#define POSTERN_QUARANTINE_FILES_H

#include <sys/types.h>

#include "controlplane/quarantine/item.h"

struct pn_qfiles;
struct pn_qtmp; /* a file in the making */

/* Makes what is missing, removes what an earlier run left in tmp. 0, or -1 with err. */
int pn_qfiles_open(const char *path, struct pn_qfiles **out, struct pn_error *err);
/* For reading only, beside the one that writes: changes nothing. */
int pn_qfiles_open_reader(const char *path, struct pn_qfiles **out, struct pn_error *err);
void pn_qfiles_close(struct pn_qfiles *f); /* NULL is fine */

/* From raw bytes: begin, append, finish; then publish or drop. */
struct pn_qtmp *pn_qtmp_begin(struct pn_qfiles *f); /* NULL: no memory */
int pn_qtmp_append(struct pn_qtmp *t, const void *bytes, size_t len, struct pn_error *err);
int pn_qtmp_finish(struct pn_qtmp *t, struct pn_error *err);
void pn_qtmp_drop(struct pn_qtmp *t); /* NULL is fine */
/* After finish. raw: the message; file: what lies on disk. */
const uint8_t *pn_qtmp_sha(const struct pn_qtmp *t);
uint64_t pn_qtmp_raw_bytes(const struct pn_qtmp *t);
uint64_t pn_qtmp_file_bytes(const struct pn_qtmp *t);
/* The first bytes of the message, at most PN_QTMP_HEAD_MAX, for its header section. Valid until the file is dropped. */
#define PN_QTMP_HEAD_MAX (32u << 10)
const uint8_t *pn_qtmp_head(const struct pn_qtmp *t, size_t *len);

/* A compressed file that came whole from another node, checked against sha and its raw size. NULL with err. */
struct pn_qtmp *pn_qtmp_import(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t raw_bytes,
                               const void *bytes, size_t len, struct pn_error *err);

/* Pieces. total: file_bytes as the sender tells; a piece of another total starts over. */
int64_t pn_qpartial_bytes(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES],
                          uint64_t total); /* had so far, or -1 */
/* Bytes had after it; a piece that does not join on changes nothing. -1 with err: not written. */
int64_t pn_qpartial_append(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t total, uint64_t offset,
                           const void *bytes, size_t len, struct pn_error *err);
/* All is there: checked like an import. NULL with err; the pieces are gone when they were not the message. */
struct pn_qtmp *pn_qpartial_finish(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t total,
                                   uint64_t raw_bytes, struct pn_error *err);
/* Removes pieces untouched since before_ms (CLOCK_REALTIME); how many. */
unsigned pn_qpartial_purge(struct pn_qfiles *f, uint64_t before_ms);

/*
 * Finished files get their names, durably, with one round of syncs for all of them. ok[i] tells which did; the others
 * are left for pn_qtmp_drop(). err has the last failure. All are still to be dropped by the caller.
 */
void pn_qfiles_publish(struct pn_qfiles *f, struct pn_qtmp **tmps, unsigned n, bool *ok, struct pn_error *err);

bool pn_qfiles_have(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES]);
int pn_qfiles_remove(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES]); /* 0 also when it was not there */
/* Compressed bytes as they lie there; -1: error, errno. Keeps the last file open. */
ssize_t pn_qfiles_read(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t offset, void *buf, size_t len);
/* The raw message to sink, which may stop it by returning non-zero. check: also against its SHA-256, -1 when wrong. */
typedef int pn_qsink(void *arg, const uint8_t *bytes, size_t len);
int pn_qfiles_raw(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], bool check, pn_qsink *sink, void *arg,
                  struct pn_error *err);
/* Each file that has a proper name. keep() says whether it stays; others are removed. How many were, -1 on error. */
typedef bool pn_qkeep(void *arg, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t file_bytes);
int pn_qfiles_sweep(struct pn_qfiles *f, pn_qkeep *keep, void *arg);
int pn_qfiles_free_bytes(struct pn_qfiles *f, uint64_t *free_bytes, uint64_t *size_bytes);

#endif
