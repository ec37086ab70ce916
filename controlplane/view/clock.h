/* SPDX-License-Identifier: BSD-3-Clause */
/* The control plane's clock: CLOCK_BOOTTIME, which goes on while a machine is suspended, as leases need it. */
#ifndef POSTERN_CLOCK_H
#define POSTERN_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t pn_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t pn_clock_ms(void)
{
    return pn_clock_ns() / 1000000u;
}

#endif
