/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/mesh.h"

#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/cluster/mesh_internal.h"

const struct pn_mesh_timing pn_mesh_timing_default = {
    .backoff_min_ms = 200, .backoff_max_ms = 30000, .second_dialler_ms = 1500, .steady_ms = 5000};

void pn_mesh_members_changed(struct pn_mesh *m)
{
    const struct pn_members *members = m->config.members;
    const struct pn_member *self = pn_mesh_member(m, &m->config.self);
    bool alone = !self || !pn_member_active(self); /* we are out: talk to nobody */

    for (unsigned i = m->n_peers; i-- > 0;) {
        const struct pn_member *row = i < m->n_peers ? pn_mesh_member(m, &m->peers[i]->id) : NULL;
        if (i < m->n_peers && (alone || !row || !pn_member_active(row)))
            pn_mesh_peer_drop(m, i);
    }
    for (unsigned i = 0; !alone && i < members->n; i++) {
        const struct pn_member *row = &members->rows[i];
        if (pn_member_active(row) && !pn_id_equal(&row->id, &m->config.self) && !pn_mesh_peer(m, &row->id) &&
            m->n_peers < PN_MAX_NODES)
            pn_mesh_peer_add(m, row);
    }
}

struct pn_mesh *pn_mesh_new(const struct pn_mesh_config *config, struct pn_error *err)
{
    struct pn_mesh *m = calloc(1, sizeof(*m));

    if (!m) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    m->config = *config;
    SSL_CTX_up_ref(config->ctx);
    pn_mesh_transport_init(m);
    pn_mesh_links_init(m);
    if (pn_mesh_listen(m, err) < 0) {
        pn_mesh_free(m);
        return NULL;
    }
    pn_mesh_members_changed(m);
    return m;
}

void pn_mesh_free(struct pn_mesh *m)
{
    if (!m)
        return;
    pn_mesh_unlisten(m);
    while (m->links)
        pn_link_free(m->links);
    for (unsigned i = 0; i < m->n_peers; i++) {
        event_free(m->peers[i]->timer);
        free(m->peers[i]);
    }
    SSL_CTX_free(m->config.ctx);
    free(m);
}

struct pn_transport *pn_mesh_transport(struct pn_mesh *m)
{
    return &m->transport;
}

void pn_mesh_set_identity(struct pn_mesh *m, SSL_CTX *ctx)
{
    SSL_CTX_up_ref(ctx);
    SSL_CTX_free(m->config.ctx);
    m->config.ctx = m->request.ctx = ctx;
}

uint16_t pn_mesh_port(const struct pn_mesh *m)
{
    return m->port;
}

const struct pn_mesh_counters *pn_mesh_counters(const struct pn_mesh *m)
{
    return &m->counters;
}
