/* SPDX-License-Identifier: BSD-3-Clause */
/* The rehearsal's way through a join's connection; host and guest share it. */
#ifndef POSTERN_CLUSTER_JOIN_PORT_H
#define POSTERN_CLUSTER_JOIN_PORT_H

#include "controlplane/cluster/frame.h"
#include "controlplane/cluster/join.h"
#include "controlplane/cluster/join_wire.h"

struct pn_join_port {
    struct pn_join_wire *wire;
    const struct pn_join_rehearsal *ops;
    void *session;
    uint64_t sent_bytes, received_bytes;
    struct pn_join_row rows[PN_JOIN_ROWS_MAX];
    unsigned n_rows;
    bool done, failed;
};

/* false: there is no rehearsal here. */
bool pn_join_port_begin(struct pn_join_port *p, struct pn_join_wire *wire, enum pn_join_role role,
                        const struct pn_join_rehearsal *ops, void *arg);
/* -1: above the allowance. */
int pn_join_port_take(struct pn_join_port *p, const Pnpb__JoinExchange *m);
void pn_join_port_end(struct pn_join_port *p);

#endif
