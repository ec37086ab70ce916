/* SPDX-License-Identifier: BSD-3-Clause */
/* A postern-dp for tests: speaks include/postern/dpapi.h on a UNIX socket within the test's own event loop. */
#ifndef FAKE_DP_H
#define FAKE_DP_H

#include "postern/dpapi.h"
#include "postern/stats.h"

struct event_base;
struct evconnlistener;
struct bufferevent;

#define FAKE_DP_CONNS 4

struct fake_dp {
    struct event_base *base;
    struct evconnlistener *listener;
    struct bufferevent *conns[FAKE_DP_CONNS];
    struct bufferevent *control; /* that sent the last PN_DP_CONTROL */
    struct pn_dp_control control_says;
    struct fake_dp *wire; /* where its packets arrive; NULL: nowhere */
    char socket[108], stats_path[108];
    uint32_t pid;
    uint64_t started_ns; /* CLOCK_BOOTTIME, as HELLO tells it */

    /* what it was told */
    uint64_t snapshot[PN_SNAPSHOT_MAX_BYTES / 8];
    size_t snapshot_len;
    struct pn_dp_lease leases[PN_MAX_VIPS]; /* last one for each id */
    unsigned asked[PN_DP_TYPE_COUNT];

    /* how it answers */
    unsigned put_status; /* enum pn_dp_status for PUT */
    bool mute; /* reads, answers nothing */
    bool bad_seq, bad_length; /* spoil the next reply's header */
    struct pn_dp_flow flows[8];
    unsigned n_flows;
    struct pn_dp_explain explain;
    struct pn_dp_filter_answer filter;
    struct pn_dp_trace_record trace[4];
    unsigned n_trace;
    struct pn_dp_neighbour neighbours[2];
    unsigned n_neighbours;

    struct pn_stats_header *stats; /* mapped; worker blocks follow */
};

/* dir: a folder of the test's own. The object is large: static or malloc'd. */
void fake_dp_start(struct fake_dp *f, struct event_base *base, const char *dir);
void fake_dp_stop(struct fake_dp *f);
void fake_dp_hang_up(struct fake_dp *f); /* every connection */
void fake_dp_hang_up_daemon(struct fake_dp *f); /* all but that of the ownership thread */
/* An unasked message, to whom PN_DP_CONTROL came from. */
void fake_dp_tell(struct fake_dp *f, enum pn_dp_type type, const void *payload, size_t len);
struct pn_stats_worker *fake_dp_worker(struct fake_dp *f, unsigned i);

/* Runs the loop until *n reaches want or ms have passed; true when it did. */
bool fake_dp_wait(struct event_base *base, const unsigned *n, unsigned want, unsigned ms);
void fake_dp_run(struct event_base *base, unsigned ms);

#endif
