/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/telemetry.h"

#include <pthread.h>

#include <rte_telemetry.h>

/* DPDK asks from a thread of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct pn_stats_seg *source;

static int counters(const char *command, const char *params, struct rte_tel_data *d)
{
    (void)command;
    (void)params;
    rte_tel_data_start_dict(d);
    pthread_mutex_lock(&lock);
    for (unsigned c = 0; source && c < PN_C_COUNT; c++) {
        uint64_t sum = 0;
        for (unsigned w = 0; w <= source->header->n_workers; w++)
            sum += __atomic_load_n(&pn_stats_seg_worker(source, w)->counters[c], __ATOMIC_RELAXED);
        rte_tel_data_add_dict_u64(d, pn_counter_info[c].name, sum);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

void pn_telemetry_start(const struct pn_stats_seg *seg)
{
    source = seg;
    rte_telemetry_register_cmd("/postern/counters", counters, "Postern's packet counters, summed over the workers.");
}

void pn_telemetry_stop(void)
{
    pthread_mutex_lock(&lock);
    source = NULL;
    pthread_mutex_unlock(&lock);
}
