/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files that are there whole, the old or the new, whatever happens meanwhile. */
#ifndef PN_COMMON_REPLACE_H
#define PN_COMMON_REPLACE_H

#include <stddef.h>

#include "postern/types.h"

/*
 * Writes dir/name, mode 0600, over one that may be there. On disk when it returns 0; after -1 and err the old one is, but
 * for a folder that could not be synced: then either may be. Not from two sides at once.
 */
int pn_file_replace(const char *dir, const char *name, const void *data, size_t len, struct pn_error *err);

#endif
