/* SPDX-License-Identifier: BSD-3-Clause */
#include "postern/counters.h"

#define KIND_T 'T'
#define KIND_P 'P'
#define KIND_D 'D'
#define KIND_E 'E'

const struct pn_counter_info pn_counter_info[PN_C_COUNT] = {
#define ROW(id, kind, counter_name, counter_help) [PN_C_##id] = {counter_name, counter_help, KIND_##kind},
    PN_COUNTERS(ROW)
#undef ROW
};
