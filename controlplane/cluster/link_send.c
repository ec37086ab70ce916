/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/link_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

size_t pn_link_queued(const struct pn_link *l)
{
    return l->bev ? evbuffer_get_length(bufferevent_get_output(l->bev)) : 0;
}

uint64_t pn_link_received_bytes(const struct pn_link *l)
{
    return l->drained_bytes + evbuffer_get_length(bufferevent_get_input(l->bev));
}

static int frame_put(struct pn_link *l, unsigned channel, const void *bytes, size_t len)
{
    struct evbuffer *out = bufferevent_get_output(l->bev);
    size_t body = pn_envelope_size(channel, len), all = PN_FRAME_HEAD_BYTES + body;
    struct evbuffer_iovec vec;

    if (evbuffer_reserve_space(out, (ev_ssize_t)all, &vec, 1) != 1 || vec.iov_len < all)
        return -1;
    pn_frame_head_put(vec.iov_base, body);
    pn_envelope_encode(channel, bytes, len, (uint8_t *)vec.iov_base + PN_FRAME_HEAD_BYTES);
    vec.iov_len = all;
    if (evbuffer_commit_space(out, &vec, 1) < 0)
        return -1;
    l->stats.sent_bytes += all;
    l->stats.sent_messages++;
    return 0;
}

void pn_link_control(struct pn_link *l, const struct pn_control *c)
{
    struct pn_bytes b = pn_control_encode(c);

    /* A peer that lets even goodbyes and pings pile up is stalled; the marks leave room for some. */
    if (b.data && pn_link_queued(l) <= l->rq.limits->queue_high_bytes + PN_FRAME_BYTES_MAX + 65536)
        frame_put(l, PN_CHANNEL_CONTROL, b.data, b.len);
    pn_bytes_free(&b);
}

enum pn_send_result pn_link_send(struct pn_link *l, unsigned channel, const void *bytes, size_t len)
{
    if (len > PN_TRANSPORT_MESSAGE_MAX)
        return PN_SEND_TOO_LARGE;
    if (l->state != LINK_UP)
        return PN_SEND_DOWN;
    if (pn_link_queued(l) >= l->rq.limits->queue_high_bytes || frame_put(l, channel, bytes, len) < 0) {
        l->stats.refused_sends++;
        l->was_full = true;
        return PN_SEND_FULL;
    }
    return PN_SEND_OK;
}
