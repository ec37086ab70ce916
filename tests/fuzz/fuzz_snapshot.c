/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a snapshot: a verdict with a text, and what is accepted can be compiled, classified and steered by. */
#include <stdlib.h>

#include "dataplane/core/classify.h"
#include "dataplane/core/steer.h"
#include "postern/snapshot.h"

#define TIERS_MAX 24 /* compiling more takes long and shows nothing new */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct pn_dpsnap *s)
{
    for (unsigned i = 0; i < s->view.header->n_vips; i++) {
        const struct pn_snap_vip *v = &s->view.vips[i];
        if (pn_classify_vip(s, &v->addr, v->vlan, (uint8_t)v->port) != v->id)
            abort();
    }
    for (unsigned i = 0; i < s->view.header->n_services; i++) {
        const struct pn_snap_service *v = &s->view.services[i];
        if (pn_classify_service(s, v->vip, v->ip_proto, v->l4_port) != v->id)
            abort();
        for (uint16_t port = 1; port < 5; port++) {
            const uint64_t client[2] = {port & 1 ? 0 : 0xb80d0120, 0x0a000001ffff0000ull * port};
            struct pn_steer_choice c;
            pn_steer(s, v->id, client, port, NULL, &c);
            if (c.verdict == PN_STEER_OK &&
                (c.gateway >= PN_MAX_GATEWAYS || !s->gateways[c.gateway].used || !s->gateways[c.gateway].accepts))
                abort();
            if (c.verdict == PN_STEER_NO_SERVICE)
                abort();
        }
    }
}

static void try(const void *message, size_t len)
{
    struct pn_snapshot view;
    struct pn_error err;

    memset(&err, 0x55, sizeof(err));
    if (pn_snapshot_validate(message, len, &view, &err) != 0) {
        if (err.text[0] == 0 || memchr(err.text, 0, sizeof(err.text)) == NULL)
            abort();
        return;
    }
    if (view.header->n_tiers > TIERS_MAX)
        return;
    struct pn_dpsnap *s = pn_dpsnap_build(message, len, 100, &err);
    if (s == NULL)
        abort();
    use(s);
    struct pn_dpsnap *again = pn_dpsnap_rebuild(message, len, 100, s, &err);
    if (again == NULL)
        abort();
    pn_dpsnap_free(s);
    use(again);
    pn_dpsnap_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *message = malloc(size ? size : 1); /* aligned, and ends where the input ends */

    if (message == NULL)
        return 0;
    memcpy(message, data, size);
    try(message, size);
    if (size >= sizeof(struct pn_snap_header)) { /* past the first checks, whatever the input's length became */
        struct pn_snap_header *h = message;
        h->magic = PN_SNAPSHOT_MAGIC;
        h->version = PN_SNAPSHOT_VERSION;
        h->total_bytes = (uint32_t)size;
        try(message, size);
    }
    free(message);
    return 0;
}
