/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocked and welcomed networks on their way from the rules to the dataplane's filter: the whole set when postern-dp
 * comes up, single changes afterwards. One part is under way at a time, so neither side is flooded.
 */
#ifndef POSTERN_DAEMON_FILTER_H
#define POSTERN_DAEMON_FILTER_H

#include "controlplane/actors/rules.h"
#include "controlplane/dplink/dplink.h"
#include "controlplane/view/eventlog.h"
#include "controlplane/view/view.h"

struct event_base;
struct pn_filter_feed;

struct pn_filter_feed_options {
    struct event_base *base; /* of the main loop */
    struct pn_rules_actor *rules;
    struct pn_dplink *dp;
    struct pn_eventlog *events;
    enum pn_filter_action action;
};

struct pn_filter_feed *pn_filter_feed_new(const struct pn_filter_feed_options *options); /* NULL: no memory */
/* After the rules have gone and what they had given to the main loop has run. */
void pn_filter_feed_free(struct pn_filter_feed *f);
void pn_filter_feed_stop(struct pn_filter_feed *f); /* asks nobody for anything any more */
void pn_filter_feed_up(struct pn_filter_feed *f); /* postern-dp answers */
void pn_filter_feed_down(struct pn_filter_feed *f);
void pn_filter_feed_action(struct pn_filter_feed *f, enum pn_filter_action action); /* the configuration has changed */
const struct pn_filter_status *pn_filter_feed_status(const struct pn_filter_feed *f);

#endif
