/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way out, and the places that are still to be asked about. */
#include <stdlib.h>

#include "common/log.h"
#include "controlplane/rules/sync_internal.h"

void sync_begin(struct pn_sync *s, uint32_t request, uint32_t done)
{
    s->wire_request = request;
    pn_wire_begin(&s->wire, s->rules->clock.last, pn_rules_wall_ms(s->rules), request, done);
}

void sync_send(struct pn_sync *s)
{
    if (s->wire.failed || s->wire.len > PN_WIRE_FRAME_MAX) {
        pn_log_limited(10000, PN_LOG_ERROR, "rules: a frame for %s could not be made (%zu bytes)", s->peer,
                       s->wire.len);
        return;
    }
    s->st.frames_out++;
    s->st.bytes_out += s->wire.len;
    s->answered += s->wire.len;
    s->out(s->arg, s->wire.data, s->wire.len);
}

uint32_t sync_request_new(struct pn_sync *s)
{
    if (s->n_waiting == sizeof(s->waiting) / sizeof(s->waiting[0]))
        return 0; /* sent without waiting for an answer */
    if (++s->last_request == 0)
        s->last_request = 1;
    s->waiting[s->n_waiting++] = s->last_request;
    return s->last_request;
}

void sync_send_part(struct pn_sync *s)
{
    if (s->wire.len < PN_WIRE_FRAME_GOAL)
        return;
    sync_send(s);
    sync_begin(s, s->asked ? 0 : sync_request_new(s), 0);
}

int sync_queue(struct pn_sync *s, uint8_t kind, struct pn_digest_place at)
{
    /* Nobody has asked, or the peer tells of places without end: the next Hello shows whether there is more. */
    if (!s->st.running || s->n_queue == SYNC_QUEUE_MAX || ++s->run_places > SYNC_RUN_PLACES_MAX)
        return 0;
    if (s->n_queue == s->queue_size) {
        size_t size = s->queue_size ? 2 * s->queue_size : 256;
        void *queue = realloc(s->queue, size * sizeof(*s->queue));
        if (queue == NULL)
            return -1;
        s->queue = queue;
        s->queue_size = size;
    }
    s->queue[s->n_queue++] = (struct sync_place){kind, at};
    return 0;
}
