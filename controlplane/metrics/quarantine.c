/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine: what waits, what was taken, space, and on the host what came from whom. */
#include <stdlib.h>
#include <time.h>

#include "controlplane/actors/quarantine.h"
#include "controlplane/metrics/exposition.h"
#include "controlplane/metrics/families.h"
#include "controlplane/view/clock.h"

#define END (const char *)NULL

static void plain(struct pn_expo *e, const char *name, const char *type, const char *help, uint64_t value)
{
    pn_expo_family(e, name, type, help);
    pn_expo_u64(e, value, END);
}

static double lag_seconds(uint64_t oldest_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    double s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)oldest_ms / 1e3;
    return oldest_ms && s > 0 ? s : 0;
}

static void node_families(struct pn_expo *e, const struct pn_quarantine_status *s)
{
    const struct pn_forward_stats *f = &s->forwarding;

    plain(e, "postern_quarantine_spool_open", "gauge", "1: this node takes mail for the quarantine.", s->spool_open);
    pn_expo_family(e, "postern_quarantine_waiting_items", "gauge", "What this node keeps until the host has it.");
    pn_expo_u64(e, s->spool.pending_messages, "kind", "message", END);
    pn_expo_u64(e, s->spool.pending_records, "kind", "record", END);
    plain(e, "postern_quarantine_waiting_bytes", "gauge", "Bytes of the messages that wait, compressed.",
          s->spool.pending_bytes);
    pn_expo_family(e, "postern_quarantine_lag_seconds", "gauge", "Age of the oldest that waits; 0: nothing does.");
    pn_expo_double(e, lag_seconds(s->oldest_ms), END);
    plain(e, "postern_quarantine_space_level", "gauge", "0 ok, 1 first warning, 2 second, 3 full.", s->spool.level);
    plain(e, "postern_quarantine_disk_free_bytes", "gauge", "Free on the spool's disk.", s->disk_free_bytes);
    plain(e, "postern_quarantine_stored_bytes", "gauge", "Bytes of message files in the spool.", s->spool.stored_bytes);
    plain(e, "postern_quarantine_taken_total", "counter",
          "Messages and records taken, each on disk when it was counted.", s->spool.taken);
    plain(e, "postern_quarantine_failed_total", "counter", "Messages and records that could not be written.",
          s->spool.failed);
    plain(e, "postern_quarantine_turned_away_total", "counter", "Messages refused for want of space.", s->spool.full);
    plain(e, "postern_quarantine_evicted_total", "counter", "Messages given up by policy for newer ones.",
          s->spool.evicted);
    plain(e, "postern_quarantine_refused_items", "gauge", "What the host refused for good; kept here.",
          s->spool.refused);
    plain(e, "postern_quarantine_lmtp_sessions", "gauge", "LMTP sessions now.", s->lmtp.open);
    plain(e, "postern_quarantine_lmtp_messages_total", "counter", "Messages taken by LMTP.", s->lmtp.messages);
    plain(e, "postern_quarantine_lmtp_turned_away_total", "counter", "LMTP sessions and messages answered with a 4xx.",
          s->lmtp.refused + s->lmtp.turned_away + s->lmtp_away);
    plain(e, "postern_quarantine_forwarding", "gauge", "1: the host is reached and takes what is sent.",
          f->state == PN_FORWARD_RUNNING);
    plain(e, "postern_quarantine_forwarded_items_total", "counter", "What the host acknowledged.", f->acked_items);
    plain(e, "postern_quarantine_forwarded_bytes_total", "counter", "Bytes of that.", f->acked_bytes);
    plain(e, "postern_quarantine_repeats_total", "counter", "What was sent again for want of an answer.", f->repeats);
}

static void host_families(struct pn_expo *e, const struct pn_quarantine_status *s)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {{"postern_quarantine_received_items_total", "What the host took from a node.",
                 offsetof(struct pn_receive_stats, items)},
                {"postern_quarantine_received_bytes_total", "Bytes of that.", offsetof(struct pn_receive_stats, bytes)},
                {"postern_quarantine_received_repeats_total", "What came once more and was known.",
                 offsetof(struct pn_receive_stats, repeats)},
                {"postern_quarantine_received_refused_total", "What was refused for good.",
                 offsetof(struct pn_receive_stats, refused)}};

    if (!s->is_host)
        return;
    plain(e, "postern_quarantine_store_open", "gauge", "1: the host takes what nodes send.", s->store_open);
    pn_expo_family(e, "postern_quarantine_store_away_seconds", "gauge",
                   "For how long it has taken nothing; 0: it takes what nodes send.");
    pn_expo_double(e, s->store_away_since_ms ? (double)(pn_clock_ms() - s->store_away_since_ms) / 1e3 : 0, END);
    plain(e, "postern_quarantine_store_failures_total", "counter",
          "That the host's store could not be opened, or its database did not answer or not do what it should.",
          s->store_failures);
    plain(e, "postern_quarantine_store_full", "gauge", "1: the host's disk is full, nodes keep what they have.",
          s->store_full);
    plain(e, "postern_quarantine_store_messages", "gauge", "Messages on the host.", s->store.messages);
    plain(e, "postern_quarantine_store_new_messages", "gauge", "Of these, neither released nor deleted.",
          s->store.waiting);
    plain(e, "postern_quarantine_store_bytes", "gauge", "Bytes of message files on the host.", s->store.file_bytes);
    plain(e, "postern_quarantine_purged_total", "counter", "Items whose time was over.", s->purged);
    for (unsigned r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        pn_expo_family(e, rows[r].name, "counter", rows[r].help);
        for (unsigned i = 0; i < s->n_peers; i++)
            pn_expo_u64(e, *(const uint64_t *)((const char *)&s->peers[i].receive + rows[r].offset), "from",
                        s->peers[i].name, END);
    }
}

void pn_metrics_quarantine(struct pn_expo *e, const struct pn_view *v)
{
    struct pn_quarantine_status *s = v->quarantine ? malloc(sizeof(*s)) : NULL;

    if (s)
        pn_quarantine_actor_status(v->quarantine, s);
    if (s && s->host[0]) {
        node_families(e, s);
        host_families(e, s);
    }
    free(s);
}
