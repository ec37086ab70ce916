/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How nodes talk, whatever carries it: the mesh of TLS connections (mesh.h) for two to nine nodes, a message system
 * beyond. Messages of one channel to one peer arrive whole, once and in order as long as the link is up; a link that
 * goes down loses what was queued, so users reconcile in peer_up. All on one thread; callbacks may call back in,
 * except that none may free the transport.
 */
#ifndef POSTERN_CLUSTER_TRANSPORT_H
#define POSTERN_CLUSTER_TRANSPORT_H

#include "controlplane/cluster/members.h"

/* Numbers are part of the protocol. A channel that a peer does not know is counted there and skipped. */
enum pn_channel {
    PN_CHANNEL_CONTROL = 0, /* the transport's own */
    PN_CHANNEL_MEMBERS = 1,
    PN_CHANNEL_KEYRING = 2,
    PN_CHANNEL_RULES = 8,
    PN_CHANNEL_QUARANTINE = 9,
    PN_CHANNEL_REPORTING = 10,
    PN_CHANNEL_STATUS = 11,
    PN_CHANNEL_ASK = 12, /* commands that another node answers */
    PN_CHANNEL_MAX = 32
};

#define PN_TRANSPORT_MESSAGE_MAX ((1u << 20) - 16) /* bytes of one message */

enum pn_send_result {
    PN_SEND_OK, /* queued */
    PN_SEND_FULL, /* above the high mark, nothing was queued: go on when `writable` is called */
    PN_SEND_DOWN, /* no link to this peer */
    PN_SEND_TOO_LARGE
};

/* Users of one channel. Any may be NULL. bytes are the transport's. */
struct pn_channel_ops {
    void (*message)(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len);
    void (*peer_up)(void *arg, const struct pn_id *peer);
    void (*peer_down)(void *arg, const struct pn_id *peer);
    void (*writable)(void *arg, const struct pn_id *peer); /* below the low mark again after PN_SEND_FULL */
};

struct pn_transport_peer {
    struct pn_id id;
    char name[PN_NAME_BYTES];
    int number;
    bool up;
    uint64_t since_ms; /* CLOCK_BOOTTIME of the last change of `up`; 0: never up */
    uint16_t proto; /* agreed on; 0: down */
    char version[PN_MEMBER_VERSION_BYTES]; /* of its software, as last heard */
    uint32_t rtt_us; /* 0: not measured yet */
    bool skew_known;
    int64_t skew_us; /* its clock minus ours */
    size_t queued_bytes; /* not yet taken by the kernel */
    uint64_t heard_ms; /* CLOCK_BOOTTIME of its last message; 0 never */
    uint64_t sent_messages, received_messages, sent_bytes, received_bytes;
    uint64_t refused_sends; /* PN_SEND_FULL */
    uint32_t connects; /* links that came up */
    bool digests_known; /* it has pinged since the link came up */
    bool members_equal, keyring_equal; /* as that ping told */
    char reason[160]; /* why it is down, or why it last was */
};

struct pn_transport;
struct pn_transport_ops {
    enum pn_send_result (*send)(struct pn_transport *t, const struct pn_id *to, enum pn_channel channel,
                                const void *bytes, size_t len);
    /* To all that are up; the number of peers that did not take it (queue full). */
    unsigned (*broadcast)(struct pn_transport *t, enum pn_channel channel, const void *bytes, size_t len);
    /* One user a channel; ops are kept by pointer. -1: taken. */
    int (*subscribe)(struct pn_transport *t, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg);
    unsigned (*peers)(const struct pn_transport *t, struct pn_transport_peer *out, unsigned max);
    bool (*peer)(const struct pn_transport *t, const struct pn_id *id, struct pn_transport_peer *out);
};

/* First member of each implementation. */
struct pn_transport {
    const struct pn_transport_ops *ops;
};

static inline enum pn_send_result pn_transport_send(struct pn_transport *t, const struct pn_id *to,
                                                    enum pn_channel channel, const void *bytes, size_t len)
{
    return t->ops->send(t, to, channel, bytes, len);
}
static inline unsigned pn_transport_broadcast(struct pn_transport *t, enum pn_channel channel, const void *bytes,
                                              size_t len)
{
    return t->ops->broadcast(t, channel, bytes, len);
}
static inline int pn_transport_subscribe(struct pn_transport *t, enum pn_channel channel,
                                         const struct pn_channel_ops *ops, void *arg)
{
    return t->ops->subscribe(t, channel, ops, arg);
}
static inline unsigned pn_transport_peers(const struct pn_transport *t, struct pn_transport_peer *out, unsigned max)
{
    return t->ops->peers(t, out, max);
}
static inline bool pn_transport_peer(const struct pn_transport *t, const struct pn_id *id,
                                     struct pn_transport_peer *out)
{
    return t->ops->peer(t, id, out);
}

#endif
