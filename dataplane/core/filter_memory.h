/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of large tables that are read at random: in huge pages where the kernel has some to spare. free() it. */
#ifndef POSTERN_CORE_FILTER_MEMORY_H
#define POSTERN_CORE_FILTER_MEMORY_H

#include <stdlib.h>
#include <sys/mman.h>

#define PN_FILTER_HUGE (2u << 20)

static inline void *pn_filter_alloc(size_t bytes)
{
    size_t align = bytes >= PN_FILTER_HUGE ? PN_FILTER_HUGE : 128;
    size_t rounded = (bytes + align - 1) / align * align;
    void *mem = aligned_alloc(align, rounded == 0 ? align : rounded);

    if (mem != NULL && align == PN_FILTER_HUGE)
        (void)madvise(mem, rounded, MADV_HUGEPAGE); /* without them it is only slower */
    return mem;
}

#endif
