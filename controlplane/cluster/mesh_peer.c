/* SPDX-License-Identifier: BSD-3-Clause */
/* The other members as this node sees them: who is there, when to dial, whom to tell. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <openssl/rand.h>

#include "common/log.h"
#include "controlplane/cluster/mesh_internal.h"

const struct pn_member *pn_mesh_member(const struct pn_mesh *m, const struct pn_id *id)
{
    return pn_members_find(m->config.members, id);
}

struct mesh_peer *pn_mesh_peer(const struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned i = 0; i < m->n_peers; i++)
        if (pn_id_equal(&m->peers[i]->id, id))
            return m->peers[i];
    return NULL;
}

const char *pn_mesh_peer_name(const struct mesh_peer *p)
{
    const struct pn_member *row = pn_mesh_member(p->mesh, &p->id);

    return row ? row->name : "?";
}

void pn_mesh_tell_up(struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned c = 0; c < PN_CHANNEL_MAX; c++)
        if (m->channels[c].ops && m->channels[c].ops->peer_up)
            m->channels[c].ops->peer_up(m->channels[c].arg, id);
}

void pn_mesh_tell_down(struct pn_mesh *m, const struct pn_id *id)
{
    for (unsigned c = 0; c < PN_CHANNEL_MAX; c++)
        if (m->channels[c].ops && m->channels[c].ops->peer_down)
            m->channels[c].ops->peer_down(m->channels[c].arg, id);
}

/* ---- dialling ---- */

/* Half of the time certain, half by chance: nodes that lost each other at once do not knock at once. */
static void dial_after(struct mesh_peer *p, uint32_t ms)
{
    uint32_t chance = 0;

    RAND_bytes((uint8_t *)&chance, sizeof(chance));
    ms = ms / 2 + (uint32_t)((uint64_t)chance * (ms / 2 + 1) >> 32);
    const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(p->timer, &tv);
}

void pn_mesh_dial_later(struct mesh_peer *p)
{
    const struct pn_mesh_timing *t = &p->mesh->config.timing;
    unsigned doublings = p->failures < 16 ? p->failures : 16;
    uint64_t ms = (uint64_t)t->backoff_min_ms << doublings;

    if (ms > t->backoff_max_ms)
        ms = t->backoff_max_ms;
    if (pn_id_compare(&p->mesh->config.self, &p->id) > 0)
        ms += t->second_dialler_ms;
    dial_after(p, (uint32_t)ms);
}

void pn_mesh_dial_failed(struct mesh_peer *p, const char *reason)
{
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    p->failures++;
    pn_mesh_dial_later(p);
}

static void on_dial(evutil_socket_t fd, short what, void *arg)
{
    struct mesh_peer *p = arg;
    const struct pn_member *row = pn_mesh_member(p->mesh, &p->id);

    (void)fd;
    (void)what;
    if (p->link || p->dialling || !row)
        return;
    if (row->n_endpoints == 0) {
        pn_mesh_dial_failed(p, "it has told no address");
        return;
    }
    p->dialling = pn_link_dial(&p->mesh->request, &row->endpoints[p->turn++ % row->n_endpoints]);
    if (!p->dialling)
        pn_mesh_dial_failed(p, strerror(errno));
}

/* ---- membership ---- */

void pn_mesh_peer_add(struct pn_mesh *m, const struct pn_member *row)
{
    struct mesh_peer *p = calloc(1, sizeof(*p));

    if (!p || !(p->timer = evtimer_new(m->config.base, on_dial, p))) {
        free(p);
        pn_log_error("cluster: out of memory");
        return;
    }
    p->mesh = m;
    p->id = row->id;
    m->peers[m->n_peers++] = p;
    dial_after(p, pn_id_compare(&m->config.self, &p->id) > 0 ? m->config.timing.second_dialler_ms : 0);
}

void pn_mesh_peer_drop(struct pn_mesh *m, unsigned at)
{
    struct mesh_peer *p = m->peers[at];
    struct pn_link *link = p->link;
    struct pn_id id = p->id;

    m->peers[at] = m->peers[--m->n_peers];
    if (p->dialling)
        pn_link_close(p->dialling, PN_BYE_NOT_MEMBER, NULL);
    if (link)
        pn_link_close(link, PN_BYE_NOT_MEMBER, "this node was removed from the cluster");
    event_free(p->timer);
    free(p);
    if (link)
        pn_mesh_tell_down(m, &id);
}
