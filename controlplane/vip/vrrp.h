/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VRRP version 3 (RFC 9568) for VIPs shared with routers that are not Postern, keepalived above all. Pure: packets and time
 * in, packets and leases out. One virtual router has one VRID, one address family and one or more VIPs.
 *
 * VRRP proves nothing about its speakers. What Postern adds is the lease: the dataplane answers only for LEASE_PART of
 * the time after which backups take over, counted from each advertisement sent, so a stopped or killed daemon leaves
 * no second responder behind even here.
 */
#ifndef POSTERN_VRRP_H
#define POSTERN_VRRP_H

#include <stddef.h>

#include "postern/types.h"

#define PN_VRRP_IP_PROTO 112u
#define PN_VRRP_MAX_ADDRS 16u
#define PN_VRRP_HEADER_BYTES 8u
#define PN_VRRP_MAX_BYTES (PN_VRRP_HEADER_BYTES + PN_VRRP_MAX_ADDRS * 16u)

/* 224.0.0.18 or ff02::12 (RFC 9568, 5.1.1.2 and 5.1.2.2), and the virtual router's MAC address (7.3). */
struct pn_addr pn_vrrp_group(bool v6);
struct pn_mac pn_vrrp_mac(bool v6, uint8_t vrid);

struct pn_vrrp_advert {
    bool v6;
    uint8_t vrid; /* 1..255 */
    uint8_t priority; /* 0: gives up; 255: owns the addresses */
    uint16_t interval_cs; /* centiseconds, 1..4095 */
    uint8_t n_addrs;
    struct pn_addr addrs[PN_VRRP_MAX_ADDRS];
};

/* VRRP message (without IP header), its checksum over the pseudo-header too (5.2.8, as keepalived sends it). 0: no room. */
size_t pn_vrrp_encode(const struct pn_vrrp_advert *a, const struct pn_addr *src, const struct pn_addr *dst,
                      uint8_t *out, size_t cap);

/*
 * The checks of RFC 9568, 7.1, on a whole IP packet: TTL or hop limit 255, protocol, version, type, length, count and
 * checksum (for IPv4 with or without pseudo-header: both are in the field). 0, or -1 and *field says which failed.
 */
int pn_vrrp_decode(const uint8_t *ip_packet, size_t n, struct pn_vrrp_advert *a, struct pn_addr *src,
                   const char **field);

struct pn_vrrp;
/* How long the dataplane may answer after an advertisement was made: less than any backup waits. */
uint64_t pn_vrrp_lease_ns(const struct pn_vrrp *v);

enum pn_vrrp_state { PN_VRRP_INITIALIZE = 0, PN_VRRP_BACKUP, PN_VRRP_ACTIVE };
extern const char *const pn_vrrp_state_name[];

struct pn_vrrp {
    /* configured */
    bool v6;
    uint8_t vrid;
    uint8_t priority; /* 1..254, 255 if the addresses are this node's own; 0 while it must not own */
    const char *unfit; /* priority 0: why, static text */
    bool preempt;
    uint64_t preempt_delay_ns; /* how long a lower one was heard before */
    bool wait; /* preempts nothing: not ready yet to carry what the active router carries */
    uint64_t interval_ns;
    struct pn_addr primary; /* source of our advertisements: the interface's address, link-local for IPv6 */
    uint8_t n_addrs;
    struct pn_addr addrs[PN_VRRP_MAX_ADDRS];
    /* state */
    enum pn_vrrp_state state;
    uint64_t since_ns;
    uint64_t timer_ns; /* advertisement due (ACTIVE) or active down (BACKUP) */
    uint64_t active_interval_ns; /* of the router that is active now */
    uint64_t lease_ns; /* deadline last given */
    struct pn_addr active; /* who advertised last; zero: nobody or we */
    uint8_t active_priority;
    bool yielded; /* given away by order: not wanted back while another is active */
    uint64_t better_since_ns; /* a lower one is active; 0: none */
    uint64_t sent_ns; /* last advertisement of ours */
    uint64_t beside_since_ns, beside_ns; /* a lower one advertises beside us: since when, and when last; 0: none */
    uint64_t sent, received, refused;
    char reason[96];
};

struct pn_vrrp_out {
    bool send; /* an advertisement, with this priority */
    uint8_t priority;
    bool lease_change; /* deadline_ns is to be given to the dataplane; 0 gives the lease up. Before the sending. */
    uint64_t deadline_ns;
    bool changed; /* state changed: reason says why */
    bool beside; /* who was heard is lower and goes on: it does not hear us, and both answer */
};

/* The dataplane runs the VIPs (true) or not. */
void pn_vrrp_startup(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out);
/* The same, where the dataplane still holds a lease of ours: nobody else can be active, so we go on. */
void pn_vrrp_resume(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out);
/* Gives up with an advertisement of priority 0, as a planned stop should (6.4.3). */
void pn_vrrp_shutdown(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out);
/* ACTIVE: lets another router take over, and takes back only what nobody wanted. */
void pn_vrrp_yield(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out);
/* An advertisement that decoded and has our VRID and family. */
void pn_vrrp_heard(struct pn_vrrp *v, const struct pn_vrrp_advert *a, const struct pn_addr *src, uint64_t now_ns,
                   struct pn_vrrp_out *out);
/* Timers. Call at *wake_ns at the latest. */
void pn_vrrp_step(struct pn_vrrp *v, uint64_t now_ns, struct pn_vrrp_out *out, uint64_t *wake_ns);

#endif
