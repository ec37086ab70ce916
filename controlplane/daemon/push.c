/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snapshots to the dataplane: compiled a few milliseconds after the last change, so that a burst of changes is one
 * snapshot; one under way at a time; nothing sent that differs in its generation only.
 */
#include <stdlib.h>

#include <event2/event.h>

#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"

#define DEBOUNCE_MS 5u
#define BUSY_FIRST_MS 50u
#define BUSY_MAX_MS 1000u
#define SETTLE_MS 1u

static void arm(struct pn_daemon *d, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    evtimer_add(d->push.timer, &tv);
}

static void again_later(struct pn_daemon *d)
{
    struct pn_push *p = &d->push;
    arm(d, p->backoff_ms);
    p->backoff_ms = p->backoff_ms * 2 > BUSY_MAX_MS ? BUSY_MAX_MS : p->backoff_ms * 2;
}

static void refused(struct pn_daemon *d, const char *who, const char *text, size_t len)
{
    struct pn_push_status *s = &d->push.status;
    char error[sizeof(s->error)];

    snprintf(error, sizeof(error), "%s: %.*s", who, (int)(len < 200 ? len : 200), text);
    s->rejected++;
    s->rejected_at_ms = pn_clock_ms();
    /* Load may ask for a new one ten times a second: each reason is told once. */
    if (strcmp(error, s->error) != 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "snapshot", "", "refused, the one before goes on: %s", error);
    memcpy(s->error, error, sizeof(error));
}

static void running_is(struct pn_daemon *d, const void *message, size_t len)
{
    struct pn_push *p = &d->push;
    struct pn_snapshot view;
    struct pn_error err;

    memcpy(p->running, message, len);
    p->running_len = len;
    if (pn_snapshot_validate(p->running, len, &view, &err) < 0) {
        p->running_len = 0;
        pn_vips_installed(d, NULL);
        return;
    }
    p->status.running_generation = view.header->generation;
    pn_vips_installed(d, &view);
}

/* ---- sending ---- */

static void on_put(void *arg, unsigned status, const void *payload, size_t len)
{
    struct pn_daemon *d = arg;
    struct pn_push *p = &d->push;

    p->in_flight = false;
    if (status == PN_DPLINK_LOST)
        return;
    if (status == PN_DP_STATUS_BUSY) {
        p->dirty = true;
        again_later(d);
        return;
    }
    if (status != PN_DP_STATUS_OK) {
        refused(d, "postern-dp", payload, len);
    } else {
        if (p->status.error[0])
            pn_eventlog_add(d->events, PN_LOG_NOTICE, "snapshot", "", "accepted again");
        p->status.pushed++;
        p->status.error[0] = '\0';
        p->status.rejected_at_ms = 0;
        p->backoff_ms = BUSY_FIRST_MS;
        running_is(d, p->work, p->work_len);
    }
    p->status.pending = p->dirty;
    if (p->dirty)
        arm(d, DEBOUNCE_MS);
}

static bool same_but_for_generation(const void *a, const void *b, size_t len)
{
    struct pn_snap_header x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    x.generation = y.generation = 0;
    return memcmp(&x, &y, sizeof(x)) == 0 &&
           memcmp((const char *)a + sizeof(x), (const char *)b + sizeof(x), len - sizeof(x)) == 0;
}

static void push_now(struct pn_daemon *d)
{
    struct pn_push *p = &d->push;
    struct pn_error err;

    if (p->in_flight || !p->dirty)
        return;
    if (pn_compile_snapshot(d->conf, (unsigned)d->node, d->rt, &d->ids, p->generation + 1, p->work,
                            PN_SNAPSHOT_MAX_BYTES, &p->work_len, &err) < 0) {
        p->dirty = false;
        p->status.pending = true;
        refused(d, "compiler", err.text, strlen(err.text));
        return;
    }
    pn_vips_configure(d);
    if (d->ids_due) {
        d->ids_due = false;
        pn_orders_keep(d);
    }
    if (p->running_len == p->work_len && same_but_for_generation(p->running, p->work, p->work_len)) {
        p->dirty = p->status.pending = false;
        return;
    }
    if (pn_dplink_send(d->dp, PN_DP_SNAPSHOT_PUT, p->work, p->work_len, on_put, d) == 0) {
        again_later(d);
        return;
    }
    p->generation++;
    p->dirty = false;
    p->in_flight = true;
}

/* ---- reading back ---- */

static void on_get(void *arg, unsigned status, const void *payload, size_t len)
{
    struct pn_daemon *d = arg;
    struct pn_push *p = &d->push;
    struct pn_snapshot view;
    struct pn_error err;

    p->in_flight = false;
    if (status == PN_DPLINK_LOST)
        return;
    if (status == PN_DP_STATUS_BUSY) {
        again_later(d);
        return;
    }
    if (status == PN_DP_STATUS_OK && len > 0 && len <= PN_SNAPSHOT_MAX_BYTES) {
        if (pn_snapshot_validate(payload, len, &view, &err) < 0) {
            pn_eventlog_add(d->events, PN_LOG_ERROR, "snapshot", "", "what postern-dp runs cannot be read: %s",
                            err.text);
        } else {
            pn_ids_learn(&d->ids, &view);
            if (view.header->generation > p->generation)
                p->generation = view.header->generation;
            if (!d->seeded)
                pn_feed_seed(d, &view);
            pn_vips_configure(d);
            running_is(d, payload, len);
            pn_eventlog_add(d->events, PN_LOG_INFO, "snapshot", "", "postern-dp runs generation %llu, taken over",
                            (unsigned long long)view.header->generation);
        }
    }
    d->seeded = true;
    p->phase = PN_PUSH_READY;
    p->dirty = true;
    p->backoff_ms = BUSY_FIRST_MS;
    push_now(d);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_daemon *d = arg;
    struct pn_push *p = &d->push;

    (void)fd;
    (void)what;
    if (p->phase == PN_PUSH_READY) {
        push_now(d);
    } else if (p->phase == PN_PUSH_LEARN && !p->in_flight) {
        if (pn_dplink_send(d->dp, PN_DP_SNAPSHOT_GET, NULL, 0, on_get, d) == 0)
            again_later(d);
        else
            p->in_flight = true;
    }
}

/* ---- from outside ---- */

int pn_push_init(struct pn_daemon *d)
{
    d->push.work = calloc(1, PN_SNAPSHOT_MAX_BYTES);
    d->push.running = calloc(1, PN_SNAPSHOT_MAX_BYTES);
    d->push.timer = evtimer_new(d->base, on_timer, d);
    d->push.backoff_ms = BUSY_FIRST_MS;
    return d->push.work && d->push.running && d->push.timer ? 0 : -1;
}

void pn_push_free(struct pn_daemon *d)
{
    if (d->push.timer)
        event_free(d->push.timer);
    free(d->push.work);
    free(d->push.running);
}

void pn_push_changed(struct pn_daemon *d)
{
    struct pn_push *p = &d->push;

    p->dirty = p->status.pending = true;
    if (p->phase == PN_PUSH_READY && !p->in_flight && !evtimer_pending(p->timer, NULL))
        arm(d, DEBOUNCE_MS);
}

void pn_push_dataplane_up(struct pn_daemon *d)
{
    d->push.phase = PN_PUSH_LEARN;
    d->push.in_flight = false;
    d->push.backoff_ms = BUSY_FIRST_MS;
    arm(d, SETTLE_MS);
}

void pn_push_dataplane_down(struct pn_daemon *d)
{
    d->push.phase = PN_PUSH_OFF;
    d->push.in_flight = false;
    d->push.running_len = 0;
    d->push.status.running_generation = 0;
    d->push.status.pending = true;
    evtimer_del(d->push.timer);
    /* What it ran stands for the ownership thread: whether the dataplane itself is gone, its own connection tells it. */
}
