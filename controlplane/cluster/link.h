/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of the mesh: TLS, hello, frames, queue, pings. It knows nothing of other connections. Limits in time
 * and memory hold in each state, for a peer that is hostile, slow, or gone without a word.
 */
#ifndef POSTERN_CLUSTER_LINK_H
#define POSTERN_CLUSTER_LINK_H

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "controlplane/cluster/ca.h"
#include "controlplane/cluster/envelope.h"

struct event_base;
struct bufferevent;
struct pn_link;

struct pn_link_limits {
    uint32_t handshake_ms; /* from connect or accept to the hello */
    uint32_t ping_ms;
    uint32_t dead_ms; /* nothing heard; a frame under way may take six times as long */
    uint32_t stall_ms; /* queue not empty and nothing taken */
    uint32_t linger_ms; /* for the last bytes after a goodbye */
    size_t queue_high_bytes, queue_low_bytes;
};
extern const struct pn_link_limits pn_link_limits_default;

struct pn_link_ops {
    /* The peer's certificate is verified. NULL: welcome; else what to tell it (enum pn_bye, text) before closing. */
    const char *(*judge)(void *arg, struct pn_link *link, const struct pn_cert_name *who, enum pn_bye *reason);
    /* Its hello too, with its own row when it sent one. As judge(). */
    const char *(*hello)(void *arg, struct pn_link *link, const struct pn_control *hello, enum pn_bye *reason);
    void (*up)(void *arg, struct pn_link *link);
    void (*message)(void *arg, struct pn_link *link, unsigned channel, const uint8_t *bytes, size_t len);
    void (*ping)(void *arg, struct pn_link *link, uint64_t members_digest, uint64_t keyring_digest);
    void (*writable)(void *arg, struct pn_link *link);
    /* Once, whatever state it was in; not after pn_link_close(). The link frees itself later. reason: valid during. */
    void (*down)(void *arg, struct pn_link *link, const char *reason);
    /* An accepted connection asks to join: bev (handshake done) is the callee's now, the link is gone. */
    void (*join)(void *arg, struct bufferevent *bev, const struct sockaddr_storage *from);
    /* A peer whom judge() welcomed says that this node was removed, and shows the row. It is gone after it. */
    void (*removed)(void *arg, struct pn_link *link, const struct pn_member *row);
    void (*fill_bye)(void *arg, struct pn_link *link, struct pn_control *bye);
    void (*fill_hello)(void *arg, struct pn_control *hello);
    void (*fill_ping)(void *arg, struct pn_control *ping);
};

struct pn_link_stats {
    uint32_t rtt_us;
    bool skew_known;
    int64_t skew_us;
    uint64_t heard_ms;
    uint64_t sent_messages, received_messages, sent_bytes, received_bytes, refused_sends;
};

struct pn_link_request {
    struct event_base *base;
    const struct pn_link_limits *limits;
    const struct pn_link_ops *ops;
    void *arg;
    SSL_CTX *ctx;
    struct pn_link **all; /* head of the owner's list: every link that is not freed yet */
};

uint64_t pn_link_now_ms(void); /* CLOCK_BOOTTIME */

/* fd: connected or connecting, non-blocking; taken over, also on failure. NULL: memory. */
struct pn_link *pn_link_new(const struct pn_link_request *request, int fd, bool accepted,
                            const struct sockaddr_storage *peer);
/* Connects. NULL and errno. */
struct pn_link *pn_link_dial(const struct pn_link_request *request, const struct pn_endpoint *to);

bool pn_link_is_up(const struct pn_link *l);
bool pn_link_accepted(const struct pn_link *l);
const struct sockaddr_storage *pn_link_address(const struct pn_link *l);
const struct pn_cert_name *pn_link_peer(const struct pn_link *l); /* zero before the handshake */
uint16_t pn_link_proto(const struct pn_link *l);
const char *pn_link_version(const struct pn_link *l);
const struct pn_link_stats *pn_link_stats(const struct pn_link *l);
size_t pn_link_queued(const struct pn_link *l);

enum pn_send_result pn_link_send(struct pn_link *l, unsigned channel, const void *bytes, size_t len);
/* Hears nothing any more from this call on; says goodbye when the handshake is done, lets the queue drain for
 * linger_ms, frees itself. */
void pn_link_close(struct pn_link *l, enum pn_bye reason, const char *text);
/* At once, without a word. From outside of callbacks only. */
void pn_link_free(struct pn_link *l);

#endif
