/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules between this node and one peer: frames in, frames out. The transport carries frames in order, whole, to an
 * authenticated member; it is told nothing else. Frames that are lost or come twice or late do no harm: what is missed is
 * found with the next Hello.
 *
 * Local changes go out at once (pn_sync_push). Hellos tell digests, class by class; where they differ, one of the two
 * compares trees from the root down. It asks, the other answers without keeping anything in mind, and an
 * answer to one frame is bounded. The asker has few frames on the way, so it goes at the pace of the slower.
 *
 * Back-pressure: while the link's output is long, the transport calls pn_sync_pause(s, true) and stops reading from it.
 */
#ifndef POSTERN_RULES_SYNC_H
#define POSTERN_RULES_SYNC_H

#include "controlplane/rules/rules.h"

#define PN_SYNC_FRAME_MAX (1u << 20) /* bytes; a longer frame is an error on either side */
#define PN_SYNC_HELLO_MS 5000

struct pn_sync;

/* Copy the frame if it is to be kept. */
typedef void pn_sync_out_fn(void *arg, const uint8_t *frame, size_t len);

/* rules and peer's name (copied) outlive nothing here; the owner frees the sync before the rules. NULL: no memory. */
struct pn_sync *pn_sync_new(struct pn_rules *rules, const char *peer, pn_sync_out_fn *out, void *arg);
void pn_sync_free(struct pn_sync *sync);

void pn_sync_start(struct pn_sync *sync); /* the link is up */
/* 0; -1: the peer does not keep to the protocol, err says how: close the link. */
int pn_sync_input(struct pn_sync *sync, const uint8_t *frame, size_t len, struct pn_error *err);
void pn_sync_push(struct pn_sync *sync, uint8_t kind, const uint8_t *frame, size_t len);
void pn_sync_tick(struct pn_sync *sync); /* every 100 ms to 1 s */
void pn_sync_pause(struct pn_sync *sync, bool paused);
/* Asks the peer for its digests now: `postern rule sync --wait` repeats it until status.equal. */
void pn_sync_check(struct pn_sync *sync);

struct pn_sync_class {
    bool both; /* on at both ends */
    bool equal; /* when digests were last compared */
    uint64_t peer_count;
};
struct pn_sync_status {
    bool greeted; /* a Hello has come */
    bool running; /* comparing trees */
    bool equal; /* all classes that are on at both ends, and nothing has changed here since */
    uint64_t equal_ms; /* wall clock when it was last so; 0: never */
    int64_t skew_ms; /* peer's wall clock less ours, the way of a frame included */
    bool skew_alarm;
    uint32_t peer_version; /* of its frames */
    uint64_t frames_in, frames_out, bytes_in, bytes_out, entries_in, entries_out;
    uint64_t bad_entries; /* that could not be taken */
    uint64_t refused; /* entries that went to review, here or there */
    uint64_t missed_pushes; /* while paused */
    struct pn_sync_class classes[PN_KIND_LIMIT];
};
void pn_sync_status(const struct pn_sync *sync, struct pn_sync_status *status);

#endif
