/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: from arguments to started DPDK devices and back. Main lcore only, before and after the workers run, except
 * for pn_ports_vips_*() and the queries, which may be called while they do.
 *
 * Index: configured ports stand first, in the order of --port (the snapshot's port numbers); taps follow.
 */
#ifndef POSTERN_PORTS_PORT_H
#define POSTERN_PORTS_PORT_H

#include "dataplane/args.h"
#include "dataplane/ports/xdp_maps.h"
#include "postern/dpapi.h"

#define PN_PORT_MBUFS 8192 /* each receive queue's pool */
#define PN_PORT_MAIN_MBUFS 2048 /* the main lcore's own frames */
#define PN_PORT_RX_DESC 2048
#define PN_PORT_TX_DESC 2048
#define PN_PORT_NO_INDEX (-1)

struct rte_mempool;

struct pn_port {
    char name[PN_NAME_BYTES];
    char device[64]; /* DPDK's name */
    enum pn_port_kind kind;
    struct pn_port_args args; /* of configured ports */
    uint16_t dev_id;
    uint16_t n_rxq, n_txq;
    uint16_t mtu;
    struct pn_mac mac;
    int exception; /* index of its exception tap, PN_PORT_NO_INDEX: none */
    int peer; /* tap: index of the port whose host it serves */
    char ifname[16]; /* the kernel's interface on this network: shared, or the exception tap; "" none */
    int ifindex; /* its number; 0: none */
    bool probed, started;
    bool link_up;
    struct rte_mempool *pools[PN_DP_QUEUES_MAX];
    struct pn_xdp_maps xdp; /* af_xdp */
    struct pn_xdp_heritage heritage;
    bool xdp_lost; /* our program is not on the interface, and cannot be brought back */
    int member_fd; /* packet socket that holds multicast and address memberships; -1: none */
    struct pn_mac extra_macs[PN_MAX_VIPS]; /* virtual MACs received beside the port's own */
    unsigned n_extra_macs;
    uint64_t lost_missed, lost_no_buffer; /* as its device last counted */
    int frames_fd; /* af_xdp: what the interface received, the kernel's frames too; -1: not known */
};

struct pn_ports {
    struct pn_port port[PN_MAX_PORTS];
    unsigned n; /* taps included */
    unsigned n_configured;
    int local; /* index of the local delivery tap, or PN_PORT_NO_INDEX */
    bool replaced; /* a shared interface was deleted and made anew: only a restart can open it */
};

/* What is particular to a kind; ports/port.c holds the table. */
struct pn_port_ops {
    /* Checks and prepares what the device stands on, fills device name and arguments for the vdev bus ("" name: PCI,
     * probed already). */
    int (*prepare)(struct pn_port *p, const struct pn_dp_args *args, char *device, size_t device_size, char *devargs,
                   size_t devargs_size, struct pn_error *err);
    /* Right before the first receive queue is made. */
    int (*queues)(struct pn_port *p, struct pn_error *err);
    /* After the device has started. */
    int (*started)(struct pn_port *p, struct pn_error *err);
    /* After the device is closed. */
    void (*closed)(struct pn_port *p);
};
extern const struct pn_port_ops pn_port_ops_af_xdp, pn_port_ops_dpdk, pn_port_ops_tap;

/* Opens and starts all ports and taps of args with queues for n_workers. On -1 what was opened is closed again. */
int pn_ports_open(struct pn_ports *ports, const struct pn_dp_args *args, unsigned n_workers, struct pn_error *err);
/*
 * Stops and closes the devices. XDP programs that know VIPs stay, and drop the VIPs' frames until a successor takes over: the
 * kernel, which may hold a VIP for a local server, must not answer for it meanwhile.
 */
void pn_ports_close(struct pn_ports *ports);

/* Takes programs off that were left on the af_xdp ports of args. 0, or -1: logged. */
int pn_ports_release(const struct pn_dp_args *args);

/* The port takes frames for these VIPs of the snapshot too: call after workers know them. */
void pn_ports_vips_add(struct pn_ports *ports, const struct pn_snapshot *snap);
/* Only these VIPs from now on (NULL: none): call before workers forget the others. */
void pn_ports_vips_keep(struct pn_ports *ports, const struct pn_snapshot *snap);

/* The port takes these packets of the control plane's too, from now on only these. */
void pn_ports_control(struct pn_ports *ports, const struct pn_dp_control *control);

/*
 * Frames that the port has received, those for the kernel too. Some may be counted twice: it tells only whether any came. -1: it
 * cannot be known.
 */
int pn_port_frames(const struct pn_port *p, uint64_t *frames);

/* Adds what devices have lost since the last call; about once a second. */
void pn_ports_poll_losses(struct pn_ports *ports, uint64_t *missed, uint64_t *no_buffer);

/*
 * Whether our XDP program is still where it was; it is attached again if somebody took it off (`ip link set dev X xdp off`:
 * VIPs' frames would be the kernel's). Looking waits for the kernel's RTNL lock, so it may be done on another thread; what was
 * seen is logged and kept by pn_port_xdp_tell().
 */
struct pn_port_xdp_look {
    bool there; /* the port has such an interface, still the same */
    int rc, error; /* of pn_xdp_attach_again(); errno */
};
struct pn_port_xdp_look pn_port_xdp_look(const struct pn_port *p);
void pn_port_xdp_tell(struct pn_port *p, const struct pn_port_xdp_look *look);

/* Reads link states and logs changes; call about once a second. Returns the bits of ports whose link came up. */
uint32_t pn_ports_poll_link(struct pn_ports *ports);

#endif
