/* SPDX-License-Identifier: BSD-3-Clause */
/* One message of dpapi.h in, one reply out. All checks of what a client sent are here; the effects are in ops. */
#ifndef POSTERN_IPC_HANDLER_H
#define POSTERN_IPC_HANDLER_H

#include <stddef.h>

#include "postern/dpapi.h"

#define PN_IPC_LEASES_MAX 64u

/* What the dataplane does for a message. Arguments are checked for form, ids may still be unknown. */
struct pn_ipc_ops {
    void (*hello)(void *arg, struct pn_dp_hello *out);
    /* -1 and err: refused, nothing has changed. 1: it is being looked at, the answer comes later (server.h). */
    int (*snapshot_put)(void *arg, const void *message, size_t len, struct pn_error *err);
    /* The running snapshot's message; NULL: none. Valid until the next call. */
    const void *(*snapshot_get)(void *arg, size_t *len);
    /* 1: taken, but a worker that may still answer as before has not come round. */
    int (*lease)(void *arg, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err);
    /* The rest return PN_DP_STATUS_*; err is filled when that is not OK. out holds at least max elements. */
    enum pn_dp_status (*flows)(void *arg, const struct pn_dp_flows_query *q, struct pn_dp_flows_head *head,
                               struct pn_dp_flow *out, struct pn_error *err);
    enum pn_dp_status (*explain)(void *arg, const struct pn_dp_explain_query *q, struct pn_dp_explain *out,
                                 struct pn_error *err);
    enum pn_dp_status (*trace_start)(void *arg, const struct pn_dp_trace_query *q, struct pn_error *err);
    unsigned (*trace_read)(void *arg, struct pn_dp_trace_record *out, unsigned max);
    unsigned (*neighbours)(void *arg, struct pn_dp_neighbour *out, unsigned max);
    unsigned (*ports)(void *arg, struct pn_dp_port *out, unsigned max);
    enum pn_dp_status (*control)(void *arg, const struct pn_dp_control *control, struct pn_error *err);
    enum pn_dp_status (*packet_tx)(void *arg, const struct pn_dp_packet *packet, const uint8_t *l3,
                                   struct pn_error *err);
    enum pn_dp_status (*probe)(void *arg, uint16_t vip, struct pn_error *err);
    enum pn_dp_status (*listen)(void *arg, const struct pn_dp_listen *listen, struct pn_dp_listened *out,
                                struct pn_error *err);
    enum pn_dp_status (*announce)(void *arg, uint16_t vip, struct pn_error *err);
    enum pn_dp_status (*flows_in)(void *arg, const struct pn_dp_flow *flows, unsigned n, struct pn_error *err);
    enum pn_dp_status (*flows_resync)(void *arg, struct pn_error *err);
    enum pn_dp_status (*filter_begin)(void *arg, const struct pn_dp_filter_begin *begin, struct pn_error *err);
    enum pn_dp_status (*filter_add)(void *arg, const struct pn_dp_filter_add *add, const struct pn_dp_prefix *prefixes,
                                    struct pn_error *err);
    enum pn_dp_status (*filter_commit)(void *arg, const struct pn_dp_filter_commit *commit, struct pn_error *err);
    enum pn_dp_status (*filter_patch)(void *arg, const struct pn_dp_filter_patch *patch,
                                      const struct pn_dp_prefix *changes, struct pn_error *err);
    /* out is zeroed. */
    void (*filter_get)(void *arg, struct pn_dp_filter *out);
    void (*filter_ask)(void *arg, const struct pn_addr *client, struct pn_dp_filter_answer *out);
    /* The unasked message with this header was pushed out of its queue by a newer one (server.h). NULL allowed. */
    void (*lost)(void *arg, const struct pn_dp_header *message);
};

/*
 * Bytes a whole message must have, from its first sizeof(struct pn_dp_header) bytes; 0: no such length is possible,
 * the stream cannot go on after the reply.
 */
size_t pn_ipc_message_bytes(const struct pn_dp_header *header);

/*
 * message: 8-byte aligned, len as pn_ipc_message_bytes said, or len == sizeof(header) with a bad length in it, which
 * is answered as such. reply: 8-byte aligned, PN_DPAPI_MAX_BYTES. Returns the reply's bytes; 0: it comes later.
 */
size_t pn_ipc_handle(const struct pn_ipc_ops *ops, void *arg, const void *message, size_t len, void *reply);

#endif
