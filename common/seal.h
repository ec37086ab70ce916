/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sealed datagrams between nodes: AES-256-GCM (NIST SP 800-38D) under a key of one sender, one boot and one purpose,
 * derived with HKDF-SHA256 (RFC 5869) from a shared secret. Heartbeats and flow sync travel in them. Nothing here
 * reads a clock or keeps state on disk.
 *
 *   0  2  magic "PN"          4  1  key id        8  8  boot id of the sender, random per start
 *   2  1  version (1)         5  1  sender       16  8  counter, grows by one with each datagram of this boot
 *   3  1  purpose             6  2  reserved, 0  24  .. ciphertext, then 16 bytes of tag
 *
 * Integers are big-endian. The header is authenticated. The nonce is the counter, so a key never meets one twice:
 * a sender stops at 2^63. Receiving is in two steps, so that nothing changes before a datagram is known to be good:
 * pn_unseal() proves who made it, pn_replay_accept() that it is new.
 */
#ifndef POSTERN_SEAL_H
#define POSTERN_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "postern/types.h"

#define PN_SEAL_HEADER_BYTES 24u
#define PN_SEAL_TAG_BYTES 16u
#define PN_SEAL_OVERHEAD (PN_SEAL_HEADER_BYTES + PN_SEAL_TAG_BYTES)
#define PN_SEAL_MAX_BYTES 1400u /* whole datagram: never an IP fragment */
#define PN_SEAL_SECRET_BYTES 32u
#define PN_SEAL_MAX_KEYS 8u

enum pn_seal_purpose { PN_SEAL_HEARTBEAT = 1, PN_SEAL_FLOW_SYNC = 2 };

/* Rotation without a gap: receive-only on all nodes first, then both, then the old one goes. */
struct pn_seal_key {
    uint8_t id;
    bool send; /* exactly one key of a ring is used for sending; the others only open */
    uint8_t secret[PN_SEAL_SECRET_BYTES];
};

struct pn_seal_ring {
    struct pn_seal_key keys[PN_SEAL_MAX_KEYS];
    unsigned n_keys;
};

enum pn_seal_verdict {
    PN_SEAL_OK = 0,
    PN_SEAL_SHORT, /* shorter than header and tag, or longer than PN_SEAL_MAX_BYTES */
    PN_SEAL_FORMAT, /* magic, version, purpose or reserved bytes are not ours */
    PN_SEAL_UNKNOWN_KEY, /* key id not in the ring */
    PN_SEAL_FORGED, /* the tag does not fit */
    PN_SEAL_REPLAYED, /* from pn_replay_accept: seen already, or older than the window */
    PN_SEAL_ERROR, /* the library failed (memory) */
    PN_SEAL_VERDICT_COUNT
};
extern const char *const pn_seal_verdict_name[PN_SEAL_VERDICT_COUNT];

struct pn_seal_header {
    uint8_t purpose, key_id, sender;
    uint64_t boot_id, counter;
};

struct pn_sealer; /* sends for one node, one boot, one purpose */

/* NULL: memory, or no key of the ring may send. boot_id must come from a good random source. */
struct pn_sealer *pn_sealer_new(const struct pn_seal_ring *ring, enum pn_seal_purpose purpose, uint8_t sender,
                                uint64_t boot_id);
void pn_sealer_free(struct pn_sealer *s);
/* Takes another ring's sending key from the next datagram on; the counter goes on. 0, or -1: nothing changed. */
int pn_sealer_rekey(struct pn_sealer *s, const struct pn_seal_ring *ring);
/* Whole datagram to out. Its length, or 0: cap or plain_bytes too large, counter used up, library failure. */
size_t pn_seal(struct pn_sealer *s, const void *plain, size_t plain_bytes, uint8_t *out, size_t cap);

struct pn_opener; /* opens what one purpose's senders seal; keeps a few derived keys so that known senders are cheap */

struct pn_opener *pn_opener_new(const struct pn_seal_ring *ring, enum pn_seal_purpose purpose);
void pn_opener_free(struct pn_opener *o);
int pn_opener_rekey(struct pn_opener *o, const struct pn_seal_ring *ring);
/*
 * OK: header and the plain text (at most PN_SEAL_MAX_BYTES - PN_SEAL_OVERHEAD bytes) are authentic, not yet known to be
 * fresh. Anything else: *plain_bytes is 0 and nothing is remembered of the datagram.
 */
enum pn_seal_verdict pn_unseal(struct pn_opener *o, const uint8_t *datagram, size_t bytes,
                               struct pn_seal_header *header, uint8_t *plain, size_t *plain_bytes);

/* Sliding window over the counters of one sender's boot (RFC 4303, 3.4.3). Zeroed memory is a fresh one. */
#define PN_REPLAY_WINDOW 1024u
struct pn_replay {
    uint64_t highest; /* counters start at 1; 0: none seen */
    uint64_t bits[PN_REPLAY_WINDOW / 64];
};
enum pn_seal_verdict pn_replay_accept(struct pn_replay *r, uint64_t counter);

#endif
