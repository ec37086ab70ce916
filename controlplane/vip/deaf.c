/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/deaf.h"

#define NO_ANSWER_NS UINT64_C(1000000000)

static uint64_t every(uint64_t takeover_ns)
{
    return takeover_ns / 2 > PN_DEAF_EVERY_NS ? takeover_ns / 2 : PN_DEAF_EVERY_NS;
}

uint64_t pn_deaf_time(uint64_t takeover_ns)
{
    uint64_t ns = PN_DEAF_TAKEOVERS * takeover_ns;
    return ns > PN_DEAF_MIN_NS ? ns : PN_DEAF_MIN_NS;
}

bool pn_deaf_step(struct pn_deaf *d, bool silent, uint64_t takeover_ns, uint64_t now_ns, bool *ask)
{
    if (!silent) {
        bool waiting = d->waiting; /* its answer still comes, and must not pass for another's */
        memset(d, 0, sizeof(*d));
        d->waiting = waiting;
        return false;
    }
    if (!d->watching) {
        d->watching = true;
        d->frame_ns = d->due_ns = now_ns;
    }
    if (d->waiting || now_ns < d->due_ns)
        return false;
    d->waiting = true;
    *ask = d->asking = !d->frames_come;
    d->sent_ns = now_ns;
    d->due_ns = now_ns + every(takeover_ns);
    return true;
}

/* Whatever is known is too old, or of another dataplane: from the beginning. A verdict stands until frames come. */
static void anew(struct pn_deaf *d, uint64_t now_ns)
{
    d->frame_ns = now_ns;
    d->asked = d->returns = 0;
}

void pn_deaf_answer(struct pn_deaf *d, uint64_t frames, unsigned hosts, uint64_t takeover_ns, uint64_t now_ns)
{
    bool late =
        now_ns - d->sent_ns > 2 * every(takeover_ns); /* somebody was stopped: what came meanwhile is not read yet */
    bool fresh = !d->counted || frames != d->frames;
    d->waiting = false;
    if (!d->watching)
        return;
    if (late || !d->counted) {
        anew(d, now_ns);
        d->frames_come = false;
    } else if (fresh) {
        unsigned returns = d->returns + 1;
        anew(d, now_ns);
        d->returns = returns;
        d->frames_come = true;
        d->deaf &= returns < PN_DEAF_RETURNS;
    } else {
        d->frames_come = false;
        d->asked += d->asking && hosts > 0;
        d->deaf |= d->asked >= PN_DEAF_ASKED && now_ns - d->frame_ns >= pn_deaf_time(takeover_ns);
        if (now_ns - d->frame_ns >= PN_DEAF_SLOW * pn_deaf_time(takeover_ns))
            d->returns = 0;
    }
    d->counted = true;
    d->frames = frames;
    if (d->frames_come || d->deaf)
        d->due_ns = d->sent_ns + (d->deaf ? 1 : PN_DEAF_SLOW) * pn_deaf_time(takeover_ns);
}

void pn_deaf_unanswered(struct pn_deaf *d, uint64_t now_ns)
{
    d->waiting = false;
    d->due_ns = now_ns + NO_ANSWER_NS;
    anew(d, now_ns);
}

void pn_deaf_relinked(struct pn_deaf *d)
{
    d->waiting = d->counted = d->frames_come = false;
    d->asked = d->returns = 0;
}
