/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters through DPDK's telemetry socket: "/postern/counters". */
#ifndef POSTERN_DATAPLANE_TELEMETRY_H
#define POSTERN_DATAPLANE_TELEMETRY_H

#include "dataplane/stats_seg.h"

/* seg must stay until pn_telemetry_stop. Without effect where telemetry is not running. */
void pn_telemetry_start(const struct pn_stats_seg *seg);
void pn_telemetry_stop(void);

#endif
