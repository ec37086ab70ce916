/* SPDX-License-Identifier: BSD-3-Clause */
/* What files.c and its neighbours share. */
#ifndef POSTERN_QUARANTINE_FILES_INTERNAL_H
#define POSTERN_QUARANTINE_FILES_INTERNAL_H

#include <openssl/evp.h>
#include <zstd.h>

#include "controlplane/quarantine/files.h"

#define PN_QSMALL_BYTES (256u << 10) /* messages up to here are compressed in one go */
#define PN_QFOLDERS 16u /* few: each that a batch touches costs an fsync */
#define PN_QNAME_BYTES (3 + PN_Q_SHA_TEXT_BYTES + 4)
#define PN_QWINDOW_LOG_MAX 23 /* of what others compressed: 8 MiB of memory at most */

struct pn_qfiles {
    int root, tmp, partial; /* folders */
    uint64_t next_tmp;
    ZSTD_CCtx *small;
    ZSTD_DCtx *unpack;
    EVP_MD_CTX *hash; /* of what is unpacked */
    void *out; /* of out_size, for compressing and reading */
    size_t out_size;
    bool whole; /* this file system's syncfs() is as good as fsync() of each file */
    int meminfo; /* -1: cannot be asked */
    int read_fd; /* last file read, -1: none */
    uint8_t read_sha[PN_Q_SHA_BYTES];
    char path[256];
};

struct pn_qtmp {
    struct pn_qfiles *f;
    int dir, fd; /* of the folder it lies in, of the file or -1 */
    char name[PN_QNAME_BYTES + 16];
    uint8_t *buf; /* raw: all of a small message, the head of a large one */
    size_t len, size;
    ZSTD_CCtx *stream; /* large ones */
    EVP_MD_CTX *hash;
    uint8_t sha[PN_Q_SHA_BYTES];
    uint64_t raw_bytes, file_bytes;
    bool finished, published;
};

/* files_sync.c: one sync of all is better for n files. */
bool pn_qfiles_sync_at_once(const struct pn_qfiles *f, unsigned n);
/* tmps[i] with ok[i] on disk; ok[i] goes where it failed. */
void pn_qfiles_sync_data(struct pn_qfiles *f, struct pn_qtmp **tmps, unsigned n, bool *ok, struct pn_error *err);
/* The same for folders by number: touched in, bad out. */
void pn_qfiles_sync_folders(struct pn_qfiles *f, const bool touched[PN_QFOLDERS], bool bad[PN_QFOLDERS],
                            struct pn_error *err);
void pn_qfiles_sync_open(struct pn_qfiles *f);
int pn_qfiles_write(int fd, const void *bytes, size_t len, uint64_t *count); /* all of it, or -1 with errno */
char *pn_qfiles_name(const uint8_t sha[PN_Q_SHA_BYTES], char name[PN_QNAME_BYTES]); /* "a/ab12....zst" */
struct pn_qtmp *pn_qtmp_new(struct pn_qfiles *f);
/* Decompresses fd, checks size and hash where they are given (raw_bytes UINT64_MAX: any size). 0, -1 with err. */
int pn_qfiles_unpack(struct pn_qfiles *f, int fd, const uint8_t *sha, uint64_t raw_bytes, pn_qsink *sink, void *arg,
                     struct pn_error *err);

#endif
