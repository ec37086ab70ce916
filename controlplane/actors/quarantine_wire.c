/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames between the writer (this node) and the keeper (the host), and to and from the other nodes. What the other nodes
 * send comes to the keeper, since most of it is a host's mail; a host's answers go on to the writer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/actors/quarantine_internal.h"

/* ---- on the keeper ---- */

static void pump(void *arg)
{
    pn_qa_node_pump(arg);
}

static void at_keeper(void *arg)
{
    struct pn_quarantine_actor *a = arg;
    bool was_full;
    struct pn_qa_frame *list = pn_qa_pipe_take(&a->to_keeper, &was_full);

    for (struct pn_qa_frame *f = list; f; f = f->next)
        pn_qa_host_frame(a, f->peer, f->bytes, f->len);
    pn_qa_frames_free(list);
    if (was_full)
        pn_loop_call(a->writer, pump, a);
}

static void at_writer(void *arg)
{
    struct pn_quarantine_actor *a = arg;
    bool was_full;
    struct pn_qa_frame *list = pn_qa_pipe_take(&a->to_writer, &was_full);

    for (struct pn_qa_frame *f = list; f; f = f->next)
        pn_qa_node_frame(a, f->peer, f->bytes, f->len);
    pn_qa_frames_free(list); /* what did not find room comes again */
}

int pn_qa_send_as_host(void *guest, const uint8_t *bytes, size_t len)
{
    struct pn_qa_guest *g = guest;

    if (g->index == PN_QA_SELF)
        return pn_qa_pipe_send(&g->actor->to_writer, PN_QA_SELF, bytes, len);
    return g->actor->courier ? pn_courier_send(g->actor->courier, g->index, bytes, len) : -1;
}

struct news { /* of a node, for the writer */
    struct pn_quarantine_actor *actor;
    unsigned peer;
    bool up, room;
    char name[PN_NAME_BYTES];
};

static void news_arrive(void *arg)
{
    struct news *n = arg;
    struct pn_quarantine_actor *a = n->actor;
    struct pn_qa_peer *p = &a->peers[n->peer];

    if (n->room) {
        if ((int)n->peer == a->target)
            pn_qa_node_pump(a);
    } else {
        p->up = n->up;
        if (n->up)
            memcpy(p->name, n->name, sizeof(p->name));
        pn_qa_node_follow(a);
    }
    free(n);
}

static void news_send(struct pn_quarantine_actor *a, unsigned peer, bool up, bool room)
{
    struct news *n = calloc(1, sizeof(*n));

    if (!n)
        return;
    *n = (struct news){.actor = a, .peer = peer, .up = up, .room = room};
    memcpy(n->name, a->guests[peer].name, sizeof(n->name));
    if (pn_loop_call(a->writer, news_arrive, n) < 0)
        free(n);
}

static void on_up(void *arg, unsigned peer, const char *name)
{
    struct pn_quarantine_actor *a = arg;

    a->guests[peer].up = true;
    snprintf(a->guests[peer].name, sizeof(a->guests[peer].name), "%s", name);
    news_send(a, peer, true, false);
    pn_qa_host_follow(a);
}

static void on_down(void *arg, unsigned peer)
{
    struct pn_quarantine_actor *a = arg;

    a->guests[peer].up = false;
    news_send(a, peer, false, false);
    pn_qa_host_follow(a);
}

static void on_message(void *arg, unsigned peer, const uint8_t *bytes, size_t len)
{
    struct pn_quarantine_actor *a = arg;

    if (!pn_qa_host_frame(a, peer, bytes, len))
        pn_qa_pipe_send(&a->to_writer, peer, bytes, len);
}

static void on_room(void *arg, unsigned peer)
{
    news_send(arg, peer, true, true);
}

const struct pn_courier_ops pn_qa_wire_ops = {on_up, on_down, on_message, on_room};

static void follow(void *arg)
{
    pn_qa_node_follow(arg);
}

void pn_qa_wire_follow(struct pn_quarantine_actor *a)
{
    pn_loop_call(a->writer, follow, a);
}

/* ---- on the writer ---- */

int pn_qa_send_as_node(void *peer, const uint8_t *bytes, size_t len)
{
    struct pn_qa_peer *p = peer;
    struct pn_quarantine_actor *a = p->actor;

    if (p->index != PN_QA_SELF)
        return a->courier ? pn_courier_send(a->courier, p->index, bytes, len) : -1;
    return pn_qa_pipe_send(&a->to_keeper, PN_QA_SELF, bytes, len);
}

/* ---- life ---- */

static int tell_keeper(void *arg)
{
    struct pn_quarantine_actor *a = arg;
    return pn_loop_call(a->keeper, at_keeper, a);
}

static int tell_writer(void *arg)
{
    struct pn_quarantine_actor *a = arg;
    return pn_loop_call(a->writer, at_writer, a);
}

int pn_qa_wire_init(struct pn_quarantine_actor *a)
{
    return pn_qa_pipe_init(&a->to_keeper, tell_keeper, a) == 0 && pn_qa_pipe_init(&a->to_writer, tell_writer, a) == 0
               ? 0
               : -1;
}

void pn_qa_wire_free(struct pn_quarantine_actor *a)
{
    pn_qa_pipe_free(&a->to_keeper);
    pn_qa_pipe_free(&a->to_writer);
}
