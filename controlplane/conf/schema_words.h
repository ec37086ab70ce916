/* SPDX-License-Identifier: BSD-3-Clause */
/* The words that keys of type PN_T_WORD take, and what they mean: for rows of schema.c. */
#ifndef POSTERN_CONF_SCHEMA_WORDS_H
#define POSTERN_CONF_SCHEMA_WORDS_H

#include "controlplane/conf/schema.h"

extern const struct pn_schema_word pn_words_port_kinds[];
extern const struct pn_schema_word pn_words_fwd_modes[];
extern const struct pn_schema_word pn_words_check_types[];
extern const struct pn_schema_word pn_words_heartbeat_modes[];
extern const struct pn_schema_word pn_words_preempts[];
extern const struct pn_schema_word pn_words_prefers[];
extern const struct pn_schema_word pn_words_protocols[];
extern const struct pn_schema_word pn_words_spill_modes[];
extern const struct pn_schema_word pn_words_filter_actions[];
extern const struct pn_schema_word pn_words_affinities[];
extern const struct pn_schema_word pn_words_quarantine_policies[];
extern const struct pn_schema_word pn_words_quarantine_stores[];

#endif
