/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signed links of digest mails: what they allow, for whom and until when, under HMAC-SHA256. The token is
 * "1.KEY.STORE.NUMBER.ACTION.EXPIRY.RECIPIENT.MAC" (numbers in hex, recipient and MAC base64url), safe in a URL. Keys
 * lie in a file (0600), the newest signs, older ones verify until they are rotated out.
 */
#ifndef POSTERN_QUARANTINE_LINK_H
#define POSTERN_QUARANTINE_LINK_H

#include "controlplane/quarantine/item.h"

#define PN_QLINK_KEYS 3u /* the newest first */
#define PN_QLINK_KEY_BYTES 32u
#define PN_QLINK_TOKEN_BYTES 1024u /* with NUL */

enum pn_qlink_action { PN_QLINK_RELEASE, PN_QLINK_RELEASE_WHITELIST, PN_QLINK_VIEW, PN_QLINK_ACTION_COUNT };

struct pn_qlink {
    uint64_t store, number; /* of pn_host_store() and the item */
    enum pn_qlink_action action;
    uint64_t expiry_ms; /* since 1970; whole seconds count */
    char recipient[PN_Q_ADDRESS_MAX + 1];
};

struct pn_qlink_keys {
    struct pn_qlink_key {
        uint32_t id; /* 0: no key in this place */
        uint64_t made_ms;
        uint8_t key[PN_QLINK_KEY_BYTES];
    } keys[PN_QLINK_KEYS];
};

/* Reads path, makes it (0600, durable) with a new key when it is not there. -1 with err: damaged, readable by others. */
int pn_qlink_keys_load(const char *path, uint64_t now_ms, struct pn_qlink_keys *out, struct pn_error *err);
/* A new key in front once the newest is older than every_ms; the oldest goes. every_ms * 2 should exceed a link's life.
 * 1: rotated and on disk, 0: not yet, -1 with err (keys as they were). */
int pn_qlink_keys_rotate(const char *path, uint64_t now_ms, uint64_t every_ms, struct pn_qlink_keys *keys,
                         struct pn_error *err);
void pn_qlink_keys_wipe(struct pn_qlink_keys *keys);

const char *pn_qlink_action_name(enum pn_qlink_action action); /* "release", "release-whitelist", "view" */
int pn_qlink_sign(const struct pn_qlink_keys *keys, const struct pn_qlink *link, char token[PN_QLINK_TOKEN_BYTES],
                  struct pn_error *err);
/* 0: genuine, of this store, not expired; *out is what it allows. -1 with err, which is fit for a web page. */
int pn_qlink_verify(const struct pn_qlink_keys *keys, uint64_t store, uint64_t now_ms, const char *token,
                    struct pn_qlink *out, struct pn_error *err);

#endif
