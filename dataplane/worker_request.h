/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's end of its mailbox. */
#ifndef POSTERN_WORKER_REQUEST_H
#define POSTERN_WORKER_REQUEST_H

#include "dataplane/worker.h"

/* Executes the posted request: bounded work, between bursts. */
void pn_worker_answer(struct pn_worker *w);

#endif
