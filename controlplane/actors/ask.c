/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/ask.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/actors/courier.h"
#include "controlplane/view/clock.h"

#define VERSION 1u
#define KIND_QUESTION 0u
#define KIND_ANSWER 1u
#define UNDER_WAY_MAX (8u << 20)

struct head {
    uint8_t version, kind, zero[6];
    uint64_t number_be64;
};
_Static_assert(sizeof(struct head) == 16, "on the wire");

struct waiting {
    uint64_t number; /* 0: free */
    unsigned peer;
    uint64_t until_ms;
    pn_ask_done *done;
    void *arg;
};

struct peer {
    bool up;
    char name[PN_NAME_BYTES];
    uint32_t link; /* counts links, so that an answer is not sent on another one */
    unsigned asked; /* its questions that wait for us */
};

struct pn_ask {
    struct pn_courier *courier;
    struct event *timer;
    pn_ask_asked *asked;
    void *arg;
    struct peer peers[PN_COURIER_PEERS_MAX];
    struct waiting waiting[PN_ASK_WAITING_MAX];
    struct pn_ask_answer *answers;
    uint64_t last;
};

struct pn_ask_answer {
    struct pn_ask *ask; /* NULL: it has ended meanwhile */
    struct pn_ask_answer *next, **prev;
    unsigned peer;
    uint32_t link;
    uint64_t number;
};

static int send_message(struct pn_ask *a, unsigned peer, unsigned kind, uint64_t number, const void *bytes, size_t len)
{
    struct head head = {.version = VERSION, .kind = (uint8_t)kind, .number_be64 = htobe64(number)};
    uint8_t *all = malloc(sizeof(head) + len);
    int rc = PN_COURIER_DOWN;

    if (all) {
        memcpy(all, &head, sizeof(head));
        memcpy(all + sizeof(head), bytes, len);
        rc = pn_courier_send(a->courier, peer, all, sizeof(head) + len);
    }
    free(all);
    return rc;
}

static void finish(struct waiting *w, const uint8_t *bytes, size_t len, const char *error)
{
    struct waiting copy = *w;

    w->number = 0;
    copy.done(copy.arg, bytes, len, error);
}

/* ---- from the other nodes ---- */

static void on_up(void *arg, unsigned peer, const char *name)
{
    struct pn_ask *a = arg;

    snprintf(a->peers[peer].name, sizeof(a->peers[peer].name), "%s", name);
    a->peers[peer].up = true;
    a->peers[peer].link++;
}

static void on_down(void *arg, unsigned peer)
{
    struct pn_ask *a = arg;
    char text[128];

    a->peers[peer].up = false;
    snprintf(text, sizeof(text), "the connection to node %s was lost", a->peers[peer].name);
    for (unsigned i = 0; i < PN_ASK_WAITING_MAX; i++)
        if (a->waiting[i].number && a->waiting[i].peer == peer)
            finish(&a->waiting[i], NULL, 0, text);
}

static void answer_free(struct pn_ask_answer *w)
{
    if (w->ask) {
        w->ask->peers[w->peer].asked--;
        *w->prev = w->next;
        if (w->next)
            w->next->prev = w->prev;
    }
    free(w);
}

static void on_question(struct pn_ask *a, unsigned peer, uint64_t number, const uint8_t *bytes, size_t len)
{
    struct pn_ask_answer *w = a->peers[peer].asked < PN_ASK_WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;

    if (!w)
        return; /* the one who asks gives up by itself */
    *w = (struct pn_ask_answer){.ask = a, .peer = peer, .link = a->peers[peer].link, .number = number};
    w->prev = &a->answers;
    w->next = a->answers;
    if (w->next)
        w->next->prev = &w->next;
    a->answers = w;
    a->peers[peer].asked++;
    a->asked(a->arg, a->peers[peer].name, bytes, len, w);
}

static void on_message(void *arg, unsigned peer, const uint8_t *bytes, size_t len)
{
    struct pn_ask *a = arg;
    struct head head;
    uint64_t number;

    if (len < sizeof(head))
        return;
    memcpy(&head, bytes, sizeof(head));
    number = be64toh(head.number_be64);
    if (head.version != VERSION || number == 0)
        return;
    bytes += sizeof(head);
    len -= sizeof(head);
    if (head.kind == KIND_QUESTION)
        on_question(a, peer, number, bytes, len);
    for (unsigned i = 0; head.kind == KIND_ANSWER && i < PN_ASK_WAITING_MAX; i++)
        if (a->waiting[i].number == number && a->waiting[i].peer == peer) {
            finish(&a->waiting[i], bytes, len, NULL);
            return;
        }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_ask *a = arg;
    uint64_t now_ms = pn_clock_ms();

    (void)fd;
    (void)what;
    pn_courier_look(a->courier);
    for (unsigned i = 0; i < PN_ASK_WAITING_MAX; i++)
        if (a->waiting[i].number && now_ms >= a->waiting[i].until_ms) {
            char text[128];
            snprintf(text, sizeof(text), "node %s does not answer", a->peers[a->waiting[i].peer].name);
            finish(&a->waiting[i], NULL, 0, text);
        }
}

/* ---- for users ---- */

static int peer_of(const struct pn_ask *a, const char *node)
{
    for (unsigned i = 0; i < PN_COURIER_PEERS_MAX; i++)
        if (a->peers[i].up && strcmp(a->peers[i].name, node) == 0)
            return (int)i;
    return -1;
}

bool pn_ask_reaches(const struct pn_ask *a, const char *node)
{
    return a && peer_of(a, node) >= 0;
}

int pn_ask(struct pn_ask *a, const char *node, const void *bytes, size_t len, pn_ask_done *done, void *arg,
           struct pn_error *err)
{
    int peer = peer_of(a, node);
    struct waiting *w = NULL;

    if (peer < 0)
        return pn_error_set(err, "node %s cannot be reached (postern cluster status)", node);
    for (unsigned i = 0; i < PN_ASK_WAITING_MAX && !w; i++)
        if (a->waiting[i].number == 0)
            w = &a->waiting[i];
    if (!w || len > PN_ASK_BYTES_MAX)
        return pn_error_set(err, w ? "the question is too large" : "too many questions to other nodes are under way");
    if (send_message(a, (unsigned)peer, KIND_QUESTION, a->last + 1, bytes, len) != PN_COURIER_OK)
        return pn_error_set(err, "the connection to node %s takes nothing now", node);
    *w = (struct waiting){++a->last, (unsigned)peer, pn_clock_ms() + PN_ASK_TIMEOUT_MS, done, arg};
    return 0;
}

void pn_ask_reply(struct pn_ask_answer *w, const void *bytes, size_t len)
{
    struct pn_ask *a = w->ask;

    if (a && a->peers[w->peer].up && a->peers[w->peer].link == w->link && len <= PN_ASK_BYTES_MAX)
        send_message(a, w->peer, KIND_ANSWER, w->number, bytes, len);
    answer_free(w);
}

struct pn_ask *pn_ask_new(struct pn_cluster_actor *cluster, struct pn_loop *main, pn_ask_asked *asked, void *arg,
                          struct pn_error *err)
{
    static const struct pn_courier_ops ops = {.up = on_up, .down = on_down, .message = on_message};
    static const struct timeval second = {1, 0};
    struct pn_ask *a = calloc(1, sizeof(*a));

    if (!a) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    struct pn_courier_options o = {.channel = PN_CHANNEL_ASK,
                                   .out_bytes_max = UNDER_WAY_MAX,
                                   .in_bytes_max = UNDER_WAY_MAX,
                                   .ops = &ops,
                                   .arg = a};
    a->asked = asked;
    a->arg = arg;
    a->timer = event_new(pn_loop_base(main), -1, EV_PERSIST, on_timer, a);
    if (!a->timer || event_add(a->timer, &second) < 0)
        pn_error_set(err, "out of memory");
    else if ((a->courier = pn_courier_new(cluster, main, &o, err)))
        return a;
    pn_ask_free(a);
    return NULL;
}

void pn_ask_free(struct pn_ask *a)
{
    if (!a)
        return;
    for (unsigned i = 0; i < PN_ASK_WAITING_MAX; i++)
        if (a->waiting[i].number)
            finish(&a->waiting[i], NULL, 0, "posternd is stopping");
    for (struct pn_ask_answer *w = a->answers; w; w = w->next)
        w->ask = NULL;
    if (a->timer)
        event_free(a->timer);
    pn_courier_free(a->courier);
    free(a);
}
