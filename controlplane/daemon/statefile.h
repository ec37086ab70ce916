/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administrators' orders, and what only posternd knows of the running dataplane, on disk, so that they survive a restart: DIR/state.json, written whole to a temporary file,
 * fsynced, renamed over the old one, and the folder fsynced.
 */
#ifndef POSTERN_STATEFILE_H
#define POSTERN_STATEFILE_H

#include "postern/types.h"

#define PN_STATEFILE_NAME "state.json"
#define PN_STATEFILE_MAX_BYTES (1u << 20)

struct pn_state_gateway {
    char name[PN_NAME_BYTES];
    bool drain, disabled;
    int32_t weight; /* -1: as configured */
};

/* An id that the dataplane's flows may still carry, though its object is not configured any more. */
struct pn_state_id {
    char key[3 * PN_NAME_BYTES]; /* as pn_id_key() writes it */
    uint16_t id;
};
#define PN_STATE_IDS_MAX 1024u

struct pn_state {
    bool standby;
    /* The dataplane that runs: its start, and a digest of the arguments it was started with. 0: not known. */
    uint64_t dataplane_ns, dataplane_args;
    unsigned n_ids;
    struct pn_state_id ids[PN_STATE_IDS_MAX];
    unsigned n;
    struct pn_state_gateway gateways[PN_MAX_GATEWAYS];
};

/*
 * 0: read. 1: there is none (a first start). -1: unreadable or damaged, err says how; a damaged file is renamed to
 * state.json.bad so that it can be looked at. *state is empty unless 0.
 */
int pn_state_load(const char *dir, struct pn_state *state, struct pn_error *err);
int pn_state_save(const char *dir, const struct pn_state *state, struct pn_error *err);

/* The text forms, for the two above and for tests. parse: -1 when anything is not as save writes it. */
int pn_state_parse(const char *text, size_t len, struct pn_state *state, struct pn_error *err);
char *pn_state_format(const struct pn_state *state); /* malloc'd */

#endif
