/* SPDX-License-Identifier: BSD-3-Clause */
/* What the quarantine's handlers share. */
#ifndef POSTERN_API_QUARANTINE_H
#define POSTERN_API_QUARANTINE_H

#include "controlplane/actors/quarantine.h"
#include "controlplane/api/handlers.h"
#include "controlplane/api/json.h"
#include "controlplane/api/work.h"

/*
 * Is it for this node's store to answer? If not, the call went to the node that it is for (the argument "at", else the
 * host), or was refused, and is not the caller's any more.
 */
bool pn_api_store_here(struct pn_api_call *call);
/* The same, and then fn on the reader's or the keeper's thread, with the actor as work->arg. */
void pn_api_store_read(struct pn_api_call *call, pn_api_work_fn *fn);
void pn_api_store_write(struct pn_api_call *call, pn_api_work_fn *fn);
/* The store did not do it, and err says why: refused, or, where its database does not answer, unavailable. */
void pn_api_store_fail(struct pn_api_work *work, struct pn_host *store, const struct pn_error *err);
/* fn on this node's writer, whoever the host is. */
void pn_api_spool_work(struct pn_api_call *call, pn_api_work_fn *fn);

/* Text that others wrote: valid UTF-8 without control characters. */
json_t *pn_json_mail(const char *text);
json_t *pn_json_item(const pn_q_item *item);
json_t *pn_json_row(const struct pn_host_row *row);
json_t *pn_json_base64(const uint8_t *bytes, size_t len);
json_t *pn_json_quarantine(const struct pn_view *v); /* status; null without one */

#endif
