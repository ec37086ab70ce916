/* SPDX-License-Identifier: BSD-3-Clause */
/* Is the peer still there, how far away, and what does its clock say. */
#include <time.h>

#include "controlplane/cluster/link_internal.h"

static uint64_t clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t pn_link_now_ms(void)
{
    return clock_us(CLOCK_BOOTTIME) / 1000u;
}

static void next(struct pn_link *l)
{
    uint32_t ms = l->rq.limits->ping_ms;

    const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(l->timer, &tv);
}

static void ping(struct pn_link *l)
{
    struct pn_control c = {.kind = PN_CONTROL_PING};

    l->rq.ops->fill_ping(l->rq.arg, &c);
    c.ping.sent_us = clock_us(CLOCK_BOOTTIME);
    pn_link_control(l, &c);
}

void pn_link_keepalive_start(struct pn_link *l)
{
    l->progress_ms = l->taken_ms = pn_link_now_ms();
    ping(l);
    next(l);
}

void pn_link_keepalive(struct pn_link *l)
{
    const struct pn_link_limits *limits = l->rq.limits;
    uint64_t now = pn_link_now_ms(), received = pn_link_received_bytes(l);
    size_t queued = pn_link_queued(l);
    uint64_t taken = l->stats.sent_bytes - queued;

    if (received != l->seen_received_bytes)
        l->progress_ms = now;
    l->seen_received_bytes = received;
    if (taken != l->seen_taken_bytes || queued == 0)
        l->taken_ms = now;
    l->seen_taken_bytes = taken;

    /* Drops of a large frame count as life, but not for ever. */
    if (now - l->progress_ms >= limits->dead_ms || now - l->stats.heard_ms >= 6 * (uint64_t)limits->dead_ms) {
        pn_link_broken(l, "nothing heard for %u ms", (unsigned)(now - l->stats.heard_ms));
        return;
    }
    if (now - l->taken_ms >= limits->stall_ms) {
        pn_link_broken(l, "it has taken nothing for %u ms, %zu bytes wait", (unsigned)(now - l->taken_ms), queued);
        return;
    }
    ping(l);
    next(l);
}

void pn_link_ping_taken(struct pn_link *l, const struct pn_control *c)
{
    struct pn_control pong = {.kind = PN_CONTROL_PONG};

    pong.pong.sent_us = c->ping.sent_us;
    pong.pong.wall_us = clock_us(CLOCK_REALTIME);
    pn_link_control(l, &pong);
    l->rq.ops->ping(l->rq.arg, l, c->ping.members_digest, c->ping.keyring_digest);
}

/* The clock is judged by the quickest of the last answers: its error is at most half of its time. */
void pn_link_pong_taken(struct pn_link *l, const struct pn_control *c)
{
    uint64_t now_us = clock_us(CLOCK_BOOTTIME), wall_us = clock_us(CLOCK_REALTIME);
    unsigned best = 0, n;

    if (c->pong.sent_us > now_us || now_us - c->pong.sent_us > 3600u * 1000000u || c->pong.wall_us > INT64_MAX)
        return; /* not an answer to anything of ours */
    uint32_t rtt_us = (uint32_t)(now_us - c->pong.sent_us);
    l->samples[l->n_samples++ % LINK_RTT_SAMPLES].rtt_us = rtt_us ? rtt_us : 1;
    l->samples[(l->n_samples - 1) % LINK_RTT_SAMPLES].skew_us =
        (int64_t)c->pong.wall_us - (int64_t)(wall_us - rtt_us / 2);
    n = l->n_samples < LINK_RTT_SAMPLES ? l->n_samples : LINK_RTT_SAMPLES;
    for (unsigned i = 1; i < n; i++)
        if (l->samples[i].rtt_us < l->samples[best].rtt_us)
            best = i;
    l->stats.rtt_us = rtt_us ? rtt_us : 1;
    l->stats.skew_us = l->samples[best].skew_us;
    l->stats.skew_known = true;
}
