/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast groups that the ports need behind switches that listen to memberships (IGMP and MLD snooping, RFC 4541): that of
 * heartbeats, VRRP's, and the solicited-node group of each IPv6 VIP. Where the network has a kernel's interface (af_xdp, the
 * exception tap, a VLAN of one), the kernel joins and answers queries; elsewhere reports of our own go out now and then.
 */
#ifndef POSTERN_DATAPLANE_GROUPS_H
#define POSTERN_DATAPLANE_GROUPS_H

#include "postern/types.h"

struct pn_dataplane;

#define PN_GROUPS_EVERY_MS 1000u
#define PN_GROUPS_REPORT_MS                                                                                            \
    25000u /* switches forget after 260 s (RFC 3376 8.4), those with short queries after about 70 */
#define PN_GROUPS_MAX 160u

struct pn_groups {
    int fd_v4, fd_v6; /* sockets that hold the kernel's memberships; -1: none */
    struct pn_group {
        struct pn_addr addr;
        uint16_t port, vlan;
        int ifindex; /* the kernel's; 0: our own reports */
        bool wanted, joined, failed;
        bool asking; /* the kernel has been asked and has not answered */
        uint64_t report_ms; /* next of our own */
        unsigned reports;
    } group[PN_GROUPS_MAX];
    unsigned n;
};

void pn_groups_start(struct pn_dataplane *dp);
/* All of them, while the workers can still send. */
void pn_groups_leave(struct pn_dataplane *dp);
void pn_groups_stop(struct pn_dataplane *dp);
/* Joins and leaves what has changed; every PN_GROUPS_EVERY_MS. */
void pn_groups_tick(struct pn_dataplane *dp);

#endif
