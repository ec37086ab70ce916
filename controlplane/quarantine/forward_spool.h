/* SPDX-License-Identifier: BSD-3-Clause */
/* A spool as what is forwarded: pass these with the spool as arg. */
#ifndef POSTERN_QUARANTINE_FORWARD_SPOOL_H
#define POSTERN_QUARANTINE_FORWARD_SPOOL_H

#include "controlplane/quarantine/forward.h"
#include "controlplane/quarantine/spool.h"

extern const struct pn_forward_ops pn_forward_spool_ops;

#endif
