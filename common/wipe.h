/* SPDX-License-Identifier: BSD-3-Clause */
/* For libraries that let their memory be given back by us: what may have held a secret is wiped first. */
#ifndef PN_COMMON_WIPE_H
#define PN_COMMON_WIPE_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static inline void pn_wiping_free(void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

#endif
