/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/ctx.h"

int pn_mbuf_meta_offset = -1;

int pn_mbuf_meta_register(void)
{
    static const struct rte_mbuf_dynfield field = {
        .name = "postern_meta",
        .size = sizeof(struct pn_mbuf_meta),
        .align = __alignof__(uint64_t),
    };

    /* Registering the same field again gives its offset back. */
    pn_mbuf_meta_offset = rte_mbuf_dynfield_register(&field);
    return pn_mbuf_meta_offset < 0 ? -1 : 0;
}
