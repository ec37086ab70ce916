/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program on one interface: what was left there before, and the maps of ours. */
#ifndef POSTERN_PORTS_XDP_MAPS_H
#define POSTERN_PORTS_XDP_MAPS_H

#include "dataplane/ports/xdp_vip.h"
#include "postern/dpapi.h"

struct pn_xdp_maps {
    int vips_fd, control_fd, addrs_fd; /* -1: none */
    uint32_t prog_id;
    char pin_path[128]; /* of the VIP map; "" not pinned */
    struct pn_addr vips[PN_XDP_VIPS_MAX]; /* what the map holds */
    unsigned n_vips;
    struct pn_addr addrs[PN_XDP_ADDRS_MAX]; /* what the control addresses' map holds */
    unsigned n_addrs;
};

/*
 * Takes our own program, left by a killed predecessor, off the interface. -1 and err when a foreign program holds
 * it: nothing is done then.
 */
int pn_xdp_clear_stale(int ifindex, const char *ifname, struct pn_error *err);

/* Finds the maps of the program attached to the interface now, and pins the VIP map where a bpffs can be had. */
int pn_xdp_maps_open(struct pn_xdp_maps *m, int ifindex, const char *ifname, struct pn_error *err);
/* Unpins and closes; the map's entries stay as they are. */
void pn_xdp_maps_close(struct pn_xdp_maps *m);
/* Detaches our program if it is still there. */
void pn_xdp_detach(const struct pn_xdp_maps *m, int ifindex);

/* 0, or -1 with errno. Adding what is there and removing what is not are no errors. */
int pn_xdp_vip_add(struct pn_xdp_maps *m, const struct pn_addr *addr, uint16_t vip);
int pn_xdp_vip_remove(struct pn_xdp_maps *m, const struct pn_addr *addr);
/* The control plane's packets: port, VRRP and addresses, in place of those before. 0, or -1 with errno. */
int pn_xdp_control_set(struct pn_xdp_maps *m, const struct pn_dp_control *control);
bool pn_xdp_vip_known(const struct pn_xdp_maps *m, const struct pn_addr *addr);

#endif
