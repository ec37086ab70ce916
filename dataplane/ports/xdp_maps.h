/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program on one interface: what was left there before, and the maps of ours. */
#ifndef POSTERN_PORTS_XDP_MAPS_H
#define POSTERN_PORTS_XDP_MAPS_H

#include "dataplane/ports/xdp_vip.h"
#include "postern/dpapi.h"

struct pn_xdp_maps {
    int vips_fd, control_fd, addrs_fd; /* -1: none */
    uint32_t prog_id, mode_flags; /* as it was attached */
    int prog_fd; /* for attaching it again; -1: none */
    char pin_path[128]; /* of the VIP map; "" not pinned */
    struct pn_addr vips[PN_XDP_VIPS_MAX]; /* what the map holds */
    unsigned n_vips;
    struct pn_addr addrs[PN_XDP_ADDRS_MAX]; /* what the control addresses' map holds */
    unsigned n_addrs;
};

/* VIPs of a program that a predecessor has left: its successor's map begins with them. */
struct pn_xdp_heritage {
    struct pn_addr addr[PN_XDP_VIPS_MAX];
    uint16_t vip[PN_XDP_VIPS_MAX];
    unsigned n;
};

/* -1 and err when a foreign program holds the interface. */
int pn_xdp_check_foreign(int ifindex, const char *ifname, struct pn_error *err);
/*
 * Takes our own program, left by a predecessor that was stopped or killed, off the interface; its VIPs go to heritage, unless
 * that is NULL. -1 and err when a foreign program holds it: nothing is done then. Returns 1: one was there.
 */
int pn_xdp_clear_stale(int ifindex, const char *ifname, struct pn_xdp_heritage *heritage, struct pn_error *err);

/* Finds the maps of the program attached to the interface now, and pins the VIP map where a bpffs can be had. */
int pn_xdp_maps_open(struct pn_xdp_maps *m, int ifindex, const char *ifname, struct pn_error *err);
/* Unpins and closes; the map's entries stay as they are. */
void pn_xdp_maps_close(struct pn_xdp_maps *m);
/* Detaches our program if it is still there. */
void pn_xdp_detach(const struct pn_xdp_maps *m, int ifindex);
/* Attaches it again if somebody has taken it off. 0: it is there; 1: it is again; -1 with errno, EEXIST: another's is. */
int pn_xdp_attach_again(const struct pn_xdp_maps *m, int ifindex);

/* 0, or -1 with errno. Adding what is there and removing what is not are no errors. */
int pn_xdp_vip_add(struct pn_xdp_maps *m, const struct pn_addr *addr, uint16_t vip);
int pn_xdp_vip_remove(struct pn_xdp_maps *m, const struct pn_addr *addr);
/* The control plane's packets: port, VRRP and addresses, in place of those before. 0, or -1 with errno. */
int pn_xdp_control_set(struct pn_xdp_maps *m, const struct pn_dp_control *control);
bool pn_xdp_vip_known(const struct pn_xdp_maps *m, const struct pn_addr *addr);

#endif
