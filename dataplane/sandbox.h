/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up rights once everything is set up: capabilities but CAP_NET_ADMIN, and system calls not on a list. */
#ifndef POSTERN_DATAPLANE_SANDBOX_H
#define POSTERN_DATAPLANE_SANDBOX_H

#include "postern/types.h"

/* For all threads of the process; main thread, after they have started. -1 and err: some of it could not be done. */
int pn_sandbox_enter(struct pn_error *err);

#endif
