/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules: how many there are, who has the same, what waits; and the networks of them in the dataplane. */
#include <stdlib.h>

#include "controlplane/actors/rules.h"
#include "controlplane/metrics/families.h"

#define END (const char *)NULL

typedef const struct pn_rules_actor_status *status_p;
typedef const struct pn_rules_peer_status *peer_p;

static double p_up(status_p s, peer_p p)
{
    (void)s;
    return p->up && p->sync.greeted;
}
static double p_equal(status_p s, peer_p p)
{
    (void)s;
    return p->up && p->sync.equal;
}
static double p_lag(status_p s, peer_p p)
{
    (void)s;
    return (double)p->lag_ms / 1e3;
}
static double p_skew(status_p s, peer_p p)
{
    (void)s;
    return (double)p->sync.skew_ms / 1e3;
}
static double p_sent(status_p s, peer_p p)
{
    (void)s;
    return (double)p->sync.bytes_out;
}
static double p_received(status_p s, peer_p p)
{
    (void)s;
    return (double)p->sync.bytes_in;
}
static double p_waiting(status_p s, peer_p p)
{
    (void)s;
    return (double)p->waiting_bytes;
}
static double p_bad(status_p s, peer_p p)
{
    (void)s;
    return (double)p->sync.bad_entries;
}
static double p_violations(status_p s, peer_p p)
{
    (void)s;
    return (double)p->violations;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(status_p s, peer_p p);
} peer_families[] = {
    {"postern_rules_peer_up", "gauge", "1: rules are exchanged with that node.", p_up},
    {"postern_rules_peer_equal", "gauge", "1: that node had the same rules when they were compared last.", p_equal},
    {"postern_rules_peer_lag_seconds", "gauge", "Since both had the same rules; 0 while they have.", p_lag},
    {"postern_rules_peer_clock_skew_seconds", "gauge", "Its clock less ours, as its last frame told.", p_skew},
    {"postern_rules_peer_sent_bytes_total", "counter", "Sent since its link came up.", p_sent},
    {"postern_rules_peer_received_bytes_total", "counter", "Received since its link came up.", p_received},
    {"postern_rules_peer_waiting_bytes", "gauge", "What its link has not taken yet.", p_waiting},
    {"postern_rules_peer_bad_entries_total", "counter", "Entries of it that were not in order and not taken.", p_bad},
    {"postern_rules_peer_violations_total", "counter", "Exchanges ended since it broke the protocol.", p_violations},
};

static void lists(struct pn_expo *e, status_p s)
{
    pn_expo_family(e, "postern_rules_entries", "gauge", "Entries and rules, by list.");
    for (unsigned i = 0; i < pn_kinds_count; i++)
        pn_expo_u64(e, s->classes[pn_kinds[i].number].entries, "list", pn_kinds[i].name, END);
    pn_expo_family(e, "postern_rules_tombstones", "gauge", "Deletions that are remembered, by list.");
    for (unsigned i = 0; i < pn_kinds_count; i++)
        pn_expo_u64(e, s->classes[pn_kinds[i].number].tombstones, "list", pn_kinds[i].name, END);
    pn_expo_family(e, "postern_rules_synchronised", "gauge", "1: the list is the same on all nodes that have it so.");
    for (unsigned i = 0; i < pn_kinds_count; i++)
        pn_expo_u64(e, s->classes[pn_kinds[i].number].on, "list", pn_kinds[i].name, END);
}

static void store(struct pn_expo *e, status_p s)
{
    pn_expo_family(e, "postern_rules_open", "gauge", "1: the rules' database can be used.");
    pn_expo_u64(e, s->open, END);
    pn_expo_family(e, "postern_rules_held", "gauge", "Versions from clocks that run ahead, which wait.");
    pn_expo_u64(e, s->store.held, END);
    pn_expo_family(e, "postern_rules_review", "gauge", "Entries that somebody must decide about.");
    pn_expo_u64(e, s->store.review, END);
    pn_expo_family(e, "postern_rules_changes_total", "counter", "Commits that changed something.");
    pn_expo_u64(e, s->store.changes, END);
    pn_expo_family(e, "postern_rules_database_errors_total", "counter", "Failures of the database.");
    pn_expo_u64(e, s->store.errors, END);
    pn_expo_family(e, "postern_rules_log_bytes", "gauge", "Size of the database's write-ahead log.");
    pn_expo_u64(e, s->store.wal_bytes, END);
    pn_expo_family(e, "postern_rules_clock_ahead_seconds", "gauge",
                   "How far stamps of changes run ahead of the clock: it was set back.");
    pn_expo_double(e, (double)s->store.clock_ahead_ms / 1e3, END);
}

static void filter(struct pn_expo *e, const struct pn_filter_status *f)
{
    static const char *const list[PN_FILTER_LISTS] = {[PN_FILTER_BLOCK] = "block", [PN_FILTER_WELCOME] = "welcome"};
    static const char *const family[2] = {"4", "6"};

    pn_expo_family(e, "postern_filter_prefixes", "gauge", "Networks in the dataplane's address filter.");
    for (unsigned l = 0; f->known && l < PN_FILTER_LISTS; l++)
        for (unsigned i = 0; i < 2; i++)
            pn_expo_u64(e, f->dp.count[l][i], "list", list[l], "ip", family[i], END);
    pn_expo_family(e, "postern_filter_current", "gauge", "1: the dataplane has what the rules say.");
    pn_expo_u64(e, f->known && !f->loading && !f->error[0], END);
    pn_expo_family(e, "postern_filter_failures_total", "counter", "Sets and changes that the dataplane did not take.");
    pn_expo_u64(e, f->failures, END);
}

void pn_metrics_rules(struct pn_expo *e, const struct pn_view *v)
{
    struct pn_rules_actor_status *s = v->rules ? malloc(sizeof(*s)) : NULL;

    e->failed |= v->rules && !s;
    if (!s)
        return;
    pn_rules_actor_status(v->rules, s);
    store(e, s);
    if (s->open)
        lists(e, s);
    for (unsigned i = 0; s->n_peers && i < sizeof(peer_families) / sizeof(peer_families[0]); i++) {
        pn_expo_family(e, peer_families[i].name, peer_families[i].type, peer_families[i].help);
        for (unsigned p = 0; p < s->n_peers; p++)
            pn_expo_double(e, peer_families[i].value(s, &s->peers[p]), "peer", s->peers[p].name, END);
    }
    if (v->filter)
        filter(e, v->filter);
    free(s);
}
