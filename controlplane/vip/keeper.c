/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/vip.h"

#include <stdio.h>

#define NS_PER_MS UINT64_C(1000000)

const char *const pn_vip_state_name[PN_VIP_STATE_COUNT] = {"init", "backup", "owner"};

void pn_vip_keeper_init(struct pn_vip_keeper *k, const struct pn_vip_policy *policy)
{
    memset(k, 0, sizeof(*k));
    k->policy = policy;
}

const struct pn_vip *pn_vip_find(const struct pn_vip_keeper *k, const char *name)
{
    for (unsigned i = 0; i < k->n; i++)
        if (strcmp(k->vips[i].name, name) == 0)
            return &k->vips[i];
    return NULL;
}

void pn_vip_keeper_configure(struct pn_vip_keeper *k, const struct pn_vip_want *want, unsigned n)
{
    struct pn_vip old[PN_MAX_VIPS];
    unsigned n_old = k->n;

    memcpy(old, k->vips, sizeof(old));
    memset(k->vips, 0, sizeof(k->vips));
    k->n = n < PN_MAX_VIPS ? n : PN_MAX_VIPS;
    for (unsigned i = 0; i < k->n; i++) {
        struct pn_vip *v = &k->vips[i];

        v->reason = "not in the dataplane yet";
        for (unsigned o = 0; o < n_old; o++)
            if (strcmp(old[o].name, want[i].name) == 0 && old[o].id == want[i].id)
                *v = old[o];
        snprintf(v->name, sizeof(v->name), "%s", want[i].name);
        v->id = want[i].id;
        v->priority = want[i].priority;
        if (v->lease_ms != want[i].lease_ms)
            v->due_ns = 0; /* a shorter lease must not wait for a third of the longer one */
        v->lease_ms = want[i].lease_ms;
        v->again_ns = 0;
    }
}

void pn_vip_keeper_installed(struct pn_vip_keeper *k, const uint16_t *ids, unsigned n)
{
    for (unsigned i = 0; i < k->n; i++) {
        struct pn_vip *v = &k->vips[i];
        bool there = false;

        for (unsigned j = 0; ids && j < n; j++)
            there |= ids[j] == v->id;
        if (there && !v->installed)
            v->due_ns = 0;
        if (!there)
            v->deadline_ns = 0;
        v->installed = there;
    }
}

void pn_vip_keeper_renew_all(struct pn_vip_keeper *k)
{
    for (unsigned i = 0; i < k->n; i++)
        k->vips[i].due_ns = 0;
}

static void set_state(struct pn_vip_keeper *k, struct pn_vip *v, enum pn_vip_state state, uint64_t now_ns)
{
    enum pn_vip_state before = v->state;

    if (before == state && v->since_ns != 0)
        return;
    v->state = state;
    v->since_ns = now_ns;
    v->due_ns = 0;
    /* Whatever the dataplane holds from before, this node or an earlier life of this daemon, ends with BACKUP. */
    v->release = state == PN_VIP_BACKUP;
    if (before != state && k->changed)
        k->changed(k->arg, v, before);
}

/* Asks the policy; returns how long a lease lasts, 0 when the VIP is not ours. */
static uint32_t decide(struct pn_vip_keeper *k, struct pn_vip *v, uint64_t now_ns)
{
    struct pn_vip_facts facts = {.name = v->name,
                                 .now_ns = now_ns,
                                 .lease_ms = v->lease_ms,
                                 .priority = v->priority,
                                 .standby = k->standby,
                                 .state = v->state};
    struct pn_vip_verdict verdict = {.reason = ""};

    if (!v->installed) {
        v->reason = "not in the dataplane yet";
        set_state(k, v, PN_VIP_INIT, now_ns);
        return 0;
    }
    k->policy->decide(k->policy->arg, &facts, &verdict);
    v->reason = verdict.reason;
    v->again_ns = verdict.again_ns;
    set_state(k, v, verdict.own ? PN_VIP_OWNER : PN_VIP_BACKUP, now_ns);
    return verdict.own ? verdict.lease_ms : 0;
}

unsigned pn_vip_keeper_step(struct pn_vip_keeper *k, uint64_t now_ns, struct pn_dp_lease out[PN_MAX_VIPS],
                            uint64_t *wake_ns)
{
    unsigned n = 0;

    *wake_ns = UINT64_MAX;
    for (unsigned i = 0; i < k->n; i++) {
        struct pn_vip *v = &k->vips[i];
        uint32_t lease_ms = decide(k, v, now_ns);

        if (v->again_ns && v->again_ns < *wake_ns)
            *wake_ns = v->again_ns;
        if (v->state == PN_VIP_INIT || (v->state == PN_VIP_BACKUP && !v->release))
            continue;
        if (now_ns >= v->due_ns) {
            uint64_t deadline = v->state == PN_VIP_OWNER ? now_ns + lease_ms * NS_PER_MS : 0;

            out[n++] = (struct pn_dp_lease){
                .vip = v->id,
                .flags = deadline < v->deadline_ns || deadline == 0 ? PN_DP_LEASE_SHORTEN : 0,
                .deadline_boottime_ns = deadline,
            };
            v->due_ns = now_ns + (v->state == PN_VIP_OWNER ? lease_ms : v->lease_ms) * NS_PER_MS / 3;
        }
        if (v->due_ns < *wake_ns)
            *wake_ns = v->due_ns;
    }
    return n;
}

void pn_vip_keeper_answer(struct pn_vip_keeper *k, const struct pn_dp_lease *leases, unsigned n, bool ok,
                          uint64_t now_ns)
{
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < k->n; j++) {
            struct pn_vip *v = &k->vips[j];
            uint64_t retry_ns = now_ns + PN_VIP_RETRY_MS * NS_PER_MS;

            if (v->id != leases[i].vip)
                continue;
            if (!ok) {
                v->failures++;
                if (v->due_ns > retry_ns)
                    v->due_ns = retry_ns;
                continue;
            }
            v->renewals++;
            if (v->installed)
                v->deadline_ns = leases[i].deadline_boottime_ns;
            if (leases[i].deadline_boottime_ns == 0 && v->state == PN_VIP_BACKUP)
                v->release = false;
        }
    }
}
