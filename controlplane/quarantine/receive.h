/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of one node's link: frames in, answers out. Acknowledgements leave only after pn_host_commit(): call
 * pn_receive_flush() then. Commit before freeing one that still has items queued.
 */
#ifndef POSTERN_QUARANTINE_RECEIVE_H
#define POSTERN_QUARANTINE_RECEIVE_H

#include "controlplane/quarantine/frame.h"
#include "controlplane/quarantine/host.h"

struct pn_receive_stats {
    uint64_t items, repeats, chunks, bytes, refused_later, refused, bad_frames;
    char reason[256];
};

struct pn_receive;
/* node: the peer's name as its certificate says; items of other nodes are refused. */
struct pn_receive *pn_receive_new(struct pn_host *host, const char *node, pn_qsend *send, void *send_arg);
void pn_receive_free(struct pn_receive *r);
void pn_receive_frame(struct pn_receive *r, const uint8_t *bytes, size_t len);
void pn_receive_flush(struct pn_receive *r);
void pn_receive_again(struct pn_receive *r); /* the store takes items again: the node need not wait for its next try */
void pn_receive_stats(const struct pn_receive *r, struct pn_receive_stats *out);

#endif
