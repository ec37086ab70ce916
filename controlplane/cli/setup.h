/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a gateway's host needs for direct server return: it must accept packets to the VIPs without ever telling the
 * network that it has them. The VIPs go to a dummy interface; arp_ignore and arp_announce keep the other interfaces
 * silent about them. (IPv6 answers for an address on the interface that has it only, so it needs no sysctl.)
 */
#ifndef POSTERN_CLI_SETUP_H
#define POSTERN_CLI_SETUP_H

#include <stdio.h>

#include "common/addr.h"
#include "controlplane/cli/cli.h"

#define PN_SETUP_INTERFACE "postern-vip"
#define PN_SETUP_LOOPBACK "lo" /* for kernels without dummy interfaces; does as well, but shows less */
#define PN_SETUP_MAX_VIPS 64

enum pn_setup_persist {
    PN_PERSIST_NONE,
    PN_PERSIST_NETWORKD,
    PN_PERSIST_IFUPDOWN,
    PN_PERSIST_SCRIPT,
    PN_PERSIST_COUNT
};

struct pn_setup {
    const char *interface;
    bool apply, undo;
    FILE *out; /* where steps are told */
    enum pn_setup_persist persist;
    unsigned n;
    struct pn_setup_vip {
        char text[PN_ADDR_TEXT_BYTES];
        bool v4;
    } vips[PN_SETUP_MAX_VIPS];
};

struct pn_setup_sysctl {
    const char *name, *value;
};
extern const struct pn_setup_sysctl pn_setup_sysctls[];
bool pn_setup_on_loopback(const struct pn_setup *s);
extern const unsigned pn_setup_n_sysctls;

/* setup_files.c: the i-th file of the persistent form; false: no more. text: malloc'd. */
struct pn_setup_file {
    char path[128];
    char *text;
    unsigned mode;
};
bool pn_setup_file(const struct pn_setup *s, unsigned i, struct pn_setup_file *file);

/* setup_apply.c. An exit status. */
int pn_setup_apply(struct pn_setup *s); /* may change interface to the loopback */
int pn_setup_undo(struct pn_setup *s);
/* Remarks on this host as it is: rp_filter. */
void pn_setup_notes(const struct pn_setup *s, void (*note)(void *arg, const char *text), void *arg);

#endif
