/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/evp.h>

#include "common/addr.h"
#include "controlplane/conf/load.h"
#include "controlplane/conf/schema.h"

#define LOW_OF_HIGH 0.75

static void finish_tier(struct pn_conf_tier *tier)
{
    for (unsigned m = 0; m < PN_MEASURE_COUNT; m++) {
        struct pn_conf_mark *mark = &tier->marks[m];
        if (mark->low < 0)
            mark->low = mark->high * LOW_OF_HIGH;
        tier->has_marks |= mark->high > 0;
    }
}

/* The same on every node and for ever: clients keep their gateways over restarts and upgrades. */
static uint64_t finish_seed(const char *name)
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    uint64_t seed = 0;
    EVP_Digest(name, strlen(name), sum, &len, EVP_sha256(), NULL);
    for (unsigned i = 0; i < 8; i++)
        seed = seed << 8 | sum[i];
    return seed ? seed : 1;
}

void pn_conf_finish(struct pn_conf *conf)
{
    if (conf->steering_seed == 0)
        conf->steering_seed = finish_seed(conf->cluster_name);
    for (unsigned i = 0; i < conf->n_gateways; i++) {
        struct pn_conf_gateway *gw = &conf->gateways[i];
        gw->has_mac = !pn_mac_is_zero(&gw->mac);
        if (pn_addr_is_zero(&gw->check_addr))
            gw->check_addr = gw->addr;
    }
    for (unsigned i = 0; i < conf->n_checks; i++)
        if (conf->checks[i].port == 0)
            conf->checks[i].port = pn_schema_check_port(conf->checks[i].type);
    for (unsigned p = 0; p < conf->n_pools; p++)
        for (unsigned t = 0; t < conf->pools[p].n_tiers; t++)
            finish_tier(&conf->pools[p].tiers[t]);
    for (unsigned i = 0; i < conf->n_vips && conf->n_nodes == 1; i++)
        if (!conf->vips[i].has_priority)
            conf->vips[i].priority[0] = PN_CONF_PRIORITY_ALONE;
}
