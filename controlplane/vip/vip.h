/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who owns each VIP, and the leases that follow from it. Pure: time comes in, lease messages come out; the daemon
 * sends them. Whether this node should own a VIP is asked of a policy: "always" for a node without peers, elections
 * in their own file later. States as in the design: INIT until the dataplane runs the VIP, then BACKUP or OWNER.
 *
 * A lease is asked for until `now + lease`, now taken when the message is sent, and asked for again after a third of
 * that, so two renewals in a row may be lost. It is never taken back when the daemon stops: mail goes on until it ends.
 */
#ifndef POSTERN_VIP_H
#define POSTERN_VIP_H

#include "postern/dpapi.h"
#include "postern/types.h"

enum pn_vip_state { PN_VIP_INIT = 0, PN_VIP_BACKUP, PN_VIP_OWNER, PN_VIP_STATE_COUNT };
extern const char *const pn_vip_state_name[PN_VIP_STATE_COUNT]; /* "init", "backup", "owner" */

/* What a policy decides on and what it answers. */
struct pn_vip_facts {
    const char *name;
    uint64_t now_ns; /* CLOCK_BOOTTIME */
    uint32_t lease_ms; /* configured for a node without peers */
    uint16_t priority; /* of this node; 0: never owns it */
    bool standby; /* the administrator took this node out of service */
    enum pn_vip_state state;
};
struct pn_vip_verdict {
    bool own;
    uint32_t lease_ms; /* how long a lease lasts from the moment its renewal is sent */
    uint64_t again_ns; /* when the answer may change by itself; 0: only when facts do */
    const char *reason; /* static text */
};
struct pn_vip_policy {
    const char *name;
    void (*decide)(void *arg, const struct pn_vip_facts *facts, struct pn_vip_verdict *verdict);
    void *arg;
};
extern const struct pn_vip_policy pn_vip_policy_always; /* priority above 0 and not in standby: owner */

struct pn_vip {
    char name[PN_NAME_BYTES];
    uint16_t id; /* vip.id in the dataplane */
    uint16_t priority;
    uint32_t lease_ms;
    bool installed; /* in the snapshot that the dataplane runs */
    enum pn_vip_state state;
    uint64_t since_ns; /* of the state */
    const char *reason;
    uint64_t deadline_ns; /* that the dataplane confirmed; 0: none known */
    uint64_t due_ns; /* next renewal (or release) is sent at or after this */
    uint64_t again_ns; /* policy is asked again */
    bool release; /* the dataplane may hold a lease that is to be given up */
    uint64_t renewals, failures;
};

struct pn_vip_keeper {
    struct pn_vip vips[PN_MAX_VIPS];
    unsigned n;
    bool standby;
    const struct pn_vip_policy *policy;
    /* Called by step when a state changed; may be NULL. */
    void (*changed)(void *arg, const struct pn_vip *vip, enum pn_vip_state before);
    void *arg;
};

void pn_vip_keeper_init(struct pn_vip_keeper *k, const struct pn_vip_policy *policy);

/* The VIPs of a new configuration; those that keep their name keep their state. n <= PN_MAX_VIPS. */
struct pn_vip_want {
    const char *name;
    uint16_t id;
    uint16_t priority;
    uint32_t lease_ms;
};
void pn_vip_keeper_configure(struct pn_vip_keeper *k, const struct pn_vip_want *want, unsigned n);

/* Which ids the dataplane's running snapshot has (ids NULL: it is gone, and all go back to INIT). */
void pn_vip_keeper_installed(struct pn_vip_keeper *k, const uint16_t *ids, unsigned n);
/* Renew everything at the next step, e.g. after the connection was made anew. */
void pn_vip_keeper_renew_all(struct pn_vip_keeper *k);

/*
 * States and the leases due at now_ns, to be sent at once in one message. Returns their number; *wake_ns: when to
 * come again at the latest (UINT64_MAX: nothing to wait for).
 */
unsigned pn_vip_keeper_step(struct pn_vip_keeper *k, uint64_t now_ns, struct pn_dp_lease out[PN_MAX_VIPS],
                            uint64_t *wake_ns);
/* What became of a message: confirmed, or (ok false) lost, refused or never sent: due again in PN_VIP_RETRY_MS. */
#define PN_VIP_RETRY_MS 200u
void pn_vip_keeper_answer(struct pn_vip_keeper *k, const struct pn_dp_lease *leases, unsigned n, bool ok,
                          uint64_t now_ns);

const struct pn_vip *pn_vip_find(const struct pn_vip_keeper *k, const char *name);

#endif
