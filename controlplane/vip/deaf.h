/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does anything still arrive on a port? A node that sends but hears nothing is heard by its peers as an owner, so they may not
 * take over: it has to find out by itself. Heartbeats that do not come are no proof, peers may be dead; a quiet network is
 * none either. So while no peer is heard there, hosts that answered before are asked, and the port's frames are counted,
 * whoever they are for. Nobody to ask: no verdict. Pure: times and answers come in.
 */
#ifndef POSTERN_VIP_DEAF_H
#define POSTERN_VIP_DEAF_H

#include "postern/types.h"

#define PN_DEAF_MIN_NS UINT64_C(150000000) /* the verdict takes this long at least, else 4 x takeover */
#define PN_DEAF_TAKEOVERS 4u
#define PN_DEAF_ASKED 3u /* questions in a row without a frame since */
#define PN_DEAF_EVERY_NS UINT64_C(20000000) /* between questions at least, else takeover / 2 */
#define PN_DEAF_SLOW 4u /* while frames come, or once deaf: so many verdict times between looks */
#define PN_DEAF_RETURNS 3u /* looks in a row that found new frames end it, unless a peer is heard first */

struct pn_deaf {
    bool watching; /* no peer is heard on this port */
    bool waiting, asking; /* a look is under way; with questions */
    bool counted; /* frames is of this dataplane */
    bool frames_come; /* at the last look */
    bool deaf;
    unsigned asked, returns;
    uint64_t frames, frame_ns; /* when a look found new ones last */
    uint64_t sent_ns, due_ns; /* the look under way, the next one */
};

/* The time without a frame that makes a port deaf. */
uint64_t pn_deaf_time(uint64_t takeover_ns);
/* silent: no peer was heard on this port for takeover. true: look now, and ask if *ask. */
bool pn_deaf_step(struct pn_deaf *d, bool silent, uint64_t takeover_ns, uint64_t now_ns, bool *ask);
/* What the look has found: the port's counter as it was before hosts were asked, and how many were. */
void pn_deaf_answer(struct pn_deaf *d, uint64_t frames, unsigned hosts, uint64_t takeover_ns, uint64_t now_ns);
/* There is no answer: the dataplane cannot look. */
void pn_deaf_unanswered(struct pn_deaf *d, uint64_t now_ns);
/* Another connection, maybe another dataplane: no answer comes, its counters start anew. A verdict stands. */
void pn_deaf_relinked(struct pn_deaf *d);

#endif
