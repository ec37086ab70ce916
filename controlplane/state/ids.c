/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "controlplane/state/runtime.h"

void pn_id_key(char key[3 * PN_NAME_BYTES], const char *kind, const char *a, const char *b)
{
    snprintf(key, 3 * PN_NAME_BYTES, "%s/%.*s%s%.*s", kind, PN_NAME_BYTES - 1, a, b ? "/" : "", PN_NAME_BYTES - 1,
             b ? b : "");
}

uint16_t pn_id_find(const struct pn_id_row *rows, unsigned n, const char *key)
{
    for (unsigned i = 0; i < n; i++)
        if (rows[i].used && strcmp(rows[i].key, key) == 0)
            return (uint16_t)i;
    return PN_ID_NONE;
}

static uint16_t id_take(struct pn_id_row *rows, unsigned i, const char *key)
{
    rows[i] = (struct pn_id_row){.id = (uint16_t)i, .used = true, .live = true};
    snprintf(rows[i].key, sizeof(rows[i].key), "%s", key);
    return (uint16_t)i;
}

uint16_t pn_id_get(struct pn_id_row *rows, unsigned n, const char *key)
{
    uint16_t id = pn_id_find(rows, n, key);
    unsigned longest = n;
    if (id != PN_ID_NONE) {
        rows[id].live = true;
        return id;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!rows[i].used)
            return id_take(rows, i, key);
        if (!rows[i].live && (longest == n || rows[i].idle > rows[longest].idle))
            longest = i;
    }
    /* Flows may still carry an old id: it goes to another object only when there is no other way. */
    return longest < n ? id_take(rows, longest, key) : PN_ID_NONE;
}

static void ids_begin(struct pn_id_row *rows, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        rows[i].idle = rows[i].live ? 1 : rows[i].idle + (rows[i].idle < UINT32_MAX);
        rows[i].live = false;
    }
}

void pn_ids_begin(struct pn_ids *ids)
{
    ids_begin(ids->vips, PN_MAX_VIPS);
    ids_begin(ids->services, PN_MAX_SERVICES);
    ids_begin(ids->tiers, PN_MAX_TIERS);
    ids_begin(ids->gateways, PN_MAX_GATEWAYS);
}

void pn_id_keep(struct pn_id_row *rows, unsigned n, const char *key)
{
    uint16_t id = pn_id_find(rows, n, key);
    if (id != PN_ID_NONE)
        rows[id].live = true;
}

/* The dataplane's flows and counters go by these: they win over what was given out before. */
static void ids_learn(struct pn_id_row *rows, unsigned n, uint16_t id, const char *key)
{
    uint16_t had = pn_id_find(rows, n, key);
    if (id >= n)
        return;
    if (had != PN_ID_NONE && had != id)
        rows[had] = (struct pn_id_row){0};
    id_take(rows, id, key);
}

void pn_ids_learn(struct pn_ids *ids, const struct pn_snapshot *running)
{
    const struct pn_snap_header *h = running->header;
    char key[3 * PN_NAME_BYTES];
    for (unsigned i = 0; i < h->n_vips; i++) {
        pn_id_key(key, "vip", running->vips[i].name, NULL);
        ids_learn(ids->vips, PN_MAX_VIPS, running->vips[i].id, key);
    }
    for (unsigned i = 0; i < h->n_gateways; i++) {
        pn_id_key(key, "gateway", running->gateways[i].name, NULL);
        ids_learn(ids->gateways, PN_MAX_GATEWAYS, running->gateways[i].id, key);
    }
    for (unsigned i = 0; i < h->n_services; i++) {
        const struct pn_snap_service *s = &running->services[i];
        const char *vip = NULL;
        for (unsigned v = 0; v < h->n_vips; v++)
            if (running->vips[v].id == s->vip)
                vip = running->vips[v].name;
        if (vip) {
            pn_id_key(key, "service", s->name, vip);
            ids_learn(ids->services, PN_MAX_SERVICES, s->id, key);
        }
        for (unsigned t = s->tier_first; t < (unsigned)s->tier_first + s->tier_count; t++) {
            pn_id_key(key, "tier", s->pool, running->tiers[t].name);
            ids_learn(ids->tiers, PN_MAX_TIERS, running->tiers[t].id, key);
        }
    }
}
