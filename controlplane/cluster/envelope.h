/* SPDX-License-Identifier: BSD-3-Clause */
/* The body of a mesh's frame, and the mesh's own messages on channel 0. Pure. */
#ifndef POSTERN_CLUSTER_ENVELOPE_H
#define POSTERN_CLUSTER_ENVELOPE_H

#include "controlplane/cluster/codec.h"
#include "controlplane/cluster/frame.h"
#include "controlplane/cluster/transport.h"

/* payload points into memory of its own, to be given back with pn_envelope_free(). */
struct pn_envelope {
    unsigned channel;
    const uint8_t *payload;
    size_t len;
    void *message;
    struct pn_pb_budget budget;
};
int pn_envelope_decode(const uint8_t *body, size_t len, struct pn_envelope *e); /* -1: malformed */
void pn_envelope_free(struct pn_envelope *e);
/* Bytes of the body for a payload of len bytes; what pn_envelope_encode() writes. */
size_t pn_envelope_size(unsigned channel, size_t len);
void pn_envelope_encode(unsigned channel, const void *payload, size_t len, uint8_t *out);

enum pn_control_kind { PN_CONTROL_HELLO, PN_CONTROL_PING, PN_CONTROL_PONG, PN_CONTROL_BYE };
enum pn_bye {
    PN_BYE_OTHER,
    PN_BYE_DUPLICATE, /* another connection of this pair stays */
    PN_BYE_NOT_MEMBER, /* unknown, removed, or without a seat */
    PN_BYE_VERSION, /* no protocol version in common */
    PN_BYE_SHUTDOWN,
    PN_BYE_COUNT
};
extern const char *const pn_bye_text[PN_BYE_COUNT];

#define PN_BYE_TEXT_BYTES 160u

struct pn_control {
    enum pn_control_kind kind;
    union {
        struct {
            uint16_t proto_min, proto_max;
            char version[PN_MEMBER_VERSION_BYTES];
            struct pn_id cluster, node;
            bool has_self;
            struct pn_member self;
        } hello;
        struct {
            uint64_t sent_us, members_digest, keyring_digest;
        } ping;
        struct {
            uint64_t sent_us, wall_us;
        } pong;
        struct {
            enum pn_bye reason;
            char text[PN_BYE_TEXT_BYTES]; /* printable */
            bool has_row; /* the receiver's own: it was removed */
            struct pn_member row;
        } bye;
    };
};
struct pn_bytes pn_control_encode(const struct pn_control *c);
int pn_control_decode(const void *bytes, size_t len, struct pn_control *c, struct pn_error *err);

#endif
