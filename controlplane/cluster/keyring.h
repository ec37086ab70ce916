/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The secrets of heartbeats and flow sync, and their change without a gap. Every node holds the same object:
 *
 *   STABLE      one key                             --rotate-->
 *   DISTRIBUTE  the old sends, a new one receives   --all active members hold exactly this--> SWITCH
 *   SWITCH      the new sends, the old receives     --all hold exactly this, and a grace time--> STABLE, epoch + 1
 *
 * Any node that sees the condition takes the step, and each takes the same one, so no coordinator can be lost. Of two
 * different objects the greater (epoch, phase) wins, at a tie the greater digest: two rotations begun at once leave one.
 * A new key is never used for sending before every member has acknowledged it. Pure: no I/O, time is given.
 */
#ifndef POSTERN_CLUSTER_KEYRING_H
#define POSTERN_CLUSTER_KEYRING_H

#include "common/seal.h"

enum pn_keyring_phase { PN_KEYRING_STABLE, PN_KEYRING_DISTRIBUTE, PN_KEYRING_SWITCH, PN_KEYRING_PHASE_COUNT };
extern const char *const pn_keyring_phase_name[PN_KEYRING_PHASE_COUNT];

#define PN_KEYRING_EPOCH_MAX (UINT64_C(1) << 48)

struct pn_keyring {
    uint64_t epoch; /* 1..PN_KEYRING_EPOCH_MAX; 0: none yet */
    enum pn_keyring_phase phase;
    struct pn_seal_ring ring; /* one key when STABLE, else the old and the new, in this order */
};

/* secret: random, the caller's to make and wipe. */
void pn_keyring_first(struct pn_keyring *k, const uint8_t secret[PN_SEAL_SECRET_BYTES]);
/* -1: one is under way. */
int pn_keyring_rotate(struct pn_keyring *k, const uint8_t secret[PN_SEAL_SECRET_BYTES]);
/* all_hold: every active member, this one too, is known to hold exactly this object; since_ms: how long it has been
 * so. true: the ring took a step, and is to be stored and sent on. */
#define PN_KEYRING_GRACE_MS 5000u /* for datagrams under way when the old key goes */
bool pn_keyring_step(struct pn_keyring *k, bool all_hold, uint64_t since_ms, uint64_t grace_ms);

/* NULL, or what is impossible about a ring that came from outside. */
const char *pn_keyring_fault(const struct pn_keyring *k);
/* true: theirs was newer and is now ours. theirs: faultless. */
bool pn_keyring_merge(struct pn_keyring *k, const struct pn_keyring *theirs);

void pn_keyring_digest(const struct pn_keyring *k, uint8_t digest[32]);
uint64_t pn_keyring_digest64(const struct pn_keyring *k);
void pn_keyring_wipe(struct pn_keyring *k);

#endif
