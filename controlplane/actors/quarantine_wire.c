/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames between the writer (this node) and the keeper (the host), and to and from the other nodes. What the other nodes
 * send comes to the keeper, since most of it is a host's mail; a host's answers go on to the writer.
 */
#include <stdio.h>
#include <string.h>

#include "controlplane/actors/quarantine_internal.h"

/* ---- on the keeper ---- */

static void news_arrive(void *arg);

/* The writer hears of it now, or within a second when there is no memory for the call. */
static void news_put(struct pn_quarantine_actor *a, unsigned peer, bool room)
{
    struct pn_qa_news *n = &a->news[peer];

    pthread_mutex_lock(&a->lock);
    if (room) {
        n->room = true;
    } else {
        n->link = true;
        n->up = a->guests[peer].up;
        memcpy(n->name, a->guests[peer].name, sizeof(n->name));
    }
    pthread_mutex_unlock(&a->lock);
    pn_loop_call(a->writer, news_arrive, a);
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
        news_put(a, PN_QA_SELF, true);
}

static void answer(void *arg)
{
    pn_qa_host_answer(arg);
}

static void at_writer(void *arg)
{
    struct pn_quarantine_actor *a = arg;
    bool was_full;
    struct pn_qa_frame *list = pn_qa_pipe_take(&a->to_writer, &was_full);

    for (struct pn_qa_frame *f = list; f; f = f->next)
        pn_qa_node_frame(a, f->peer, f->bytes, f->len);
    pn_qa_frames_free(list);
    if (was_full) /* acknowledgements wait for room; what else did not find any comes again */
        pn_loop_call(a->keeper, answer, a);
}

int pn_qa_send_as_host(void *guest, const uint8_t *bytes, size_t len)
{
    struct pn_qa_guest *g = guest;

    if (g->index == PN_QA_SELF)
        return pn_qa_pipe_send(&g->actor->to_writer, PN_QA_SELF, bytes, len);
    return g->actor->courier ? pn_courier_send(g->actor->courier, g->index, bytes, len) : -1;
}

static void on_up(void *arg, unsigned peer, const char *name)
{
    struct pn_quarantine_actor *a = arg;

    a->guests[peer].up = true;
    snprintf(a->guests[peer].name, sizeof(a->guests[peer].name), "%s", name);
    news_put(a, peer, false);
    pn_qa_host_follow(a);
}

static void on_down(void *arg, unsigned peer)
{
    struct pn_quarantine_actor *a = arg;

    a->guests[peer].up = false;
    news_put(a, peer, false);
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
    news_put(arg, peer, true);
    pn_qa_host_answer(arg);
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

static void link_arrive(struct pn_quarantine_actor *a, struct pn_qa_peer *p, const struct pn_qa_news *n)
{
    if (n->up && p->up) { /* the link is another one: what was under way on the one before is lost */
        p->up = false;
        pn_qa_node_follow(a);
    }
    p->up = n->up;
    if (n->up)
        memcpy(p->name, n->name, sizeof(p->name));
    pn_qa_node_follow(a);
}

static void news_arrive(void *arg)
{
    struct pn_quarantine_actor *a = arg;

    for (unsigned i = 0; i < PN_QA_PEERS; i++) {
        pthread_mutex_lock(&a->lock);
        struct pn_qa_news n = a->news[i];
        a->news[i] = (struct pn_qa_news){.room = false};
        pthread_mutex_unlock(&a->lock);
        if (n.link)
            link_arrive(a, &a->peers[i], &n);
        if (n.room && (int)i == a->target)
            pn_qa_node_pump(a);
    }
}

void pn_qa_wire_second(struct pn_quarantine_actor *a)
{
    news_arrive(a);
}

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
