/* SPDX-License-Identifier: BSD-3-Clause */
/* LMTP into a spool, on libevent. 250 leaves only after the spool's commit; sessions share commits. */
#ifndef POSTERN_QUARANTINE_LMTP_SERVER_H
#define POSTERN_QUARANTINE_LMTP_SERVER_H

#include <sys/types.h>

#include "controlplane/quarantine/spool.h"

struct event_base;

struct pn_lmtp_server_options {
    const char *hostname;
    unsigned connections_max; /* 0: 100; more are answered 421 */
    unsigned recipients_max; /* 0: 100 */
    uint64_t message_bytes_max; /* 0: 64 MiB */
    uint32_t idle_ms; /* 0: 300000 (RFC 5321 4.5.3.2.7) */
    const char *reason, *rule, *gateway; /* what is noted of messages that come here; may be NULL */
    unsigned direction; /* enum pn_q_direction */
    void (*committed)(void *arg); /* something was stored; may be NULL */
    void *arg;
};

struct pn_lmtp_server_stats {
    uint64_t connections, turned_away, messages, refused, bytes;
    unsigned open;
};

/* A listening socket at path, with this mode; an old socket there is replaced, one that somebody listens at is not. -1
 * with err. */
int pn_lmtp_listen_unix(const char *path, mode_t mode, struct pn_error *err);
struct pn_lmtp_server;
/* fd: listening, taken over when it succeeds. The spool outlives the server. NULL with err. */
struct pn_lmtp_server *pn_lmtp_server_new(struct event_base *base, int fd, struct pn_spool *spool,
                                          const struct pn_lmtp_server_options *o, struct pn_error *err);
void pn_lmtp_server_free(struct pn_lmtp_server *s); /* commits what is queued first */
void pn_lmtp_server_stats(const struct pn_lmtp_server *s, struct pn_lmtp_server_stats *out);

#endif
