/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's side of an interface: flags, features, sysctls. */
#ifndef POSTERN_PORTS_NETIF_H
#define POSTERN_PORTS_NETIF_H

#include "postern/types.h"

int pn_netif_index(const char *ifname); /* 0: no such interface */
bool pn_netif_may_admin(void); /* this process has CAP_NET_ADMIN */
int pn_netif_up(const char *ifname); /* 0, or -1 with errno */
bool pn_netif_running(const char *ifname); /* up, with carrier */
/* Receive queues now in use, at least 1; 1 too where the driver does not say. */
unsigned pn_netif_queues(const char *ifname);
/* VLAN tags then stay in the frame, where XDP sees them. 0: they do now; -1: the driver refused. */
int pn_netif_rx_vlan_keep(const char *ifname);

/* family "ipv4" or "ipv6": /proc/sys/net/<family>/conf/<ifname>/<key>. -1 with errno. */
int pn_netif_sysctl_set(const char *family, const char *ifname, const char *key, int value);
int pn_netif_sysctl_get(const char *family, const char *ifname, const char *key, int *value);

/*
 * Makes the interface this process's, until it ends. -1 with errno, EBUSY: another process of root's or of this user's
 * has it.
 */
int pn_netif_claim(int ifindex);

/*
 * The interface's counter of received frames, open for pn_netif_frames(): reading it takes no lock of the kernel's
 * configuration. -1 with errno, ENODEV: sysfs is another network namespace's.
 */
int pn_netif_frames_open(const char *ifname, int ifindex);
int pn_netif_frames(int fd, uint64_t *frames); /* -1 with errno */

/*
 * A packet socket that receives nothing and holds memberships, which the kernel drops with the process.
 * -1 with errno.
 */
int pn_netif_member_open(int ifindex);
int pn_netif_member_allmulti(int fd, int ifindex);
int pn_netif_member_mac(int fd, int ifindex, const struct pn_mac *mac, bool join);

#endif
