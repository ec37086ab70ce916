/* SPDX-License-Identifier: BSD-3-Clause */
/* What posternd gives up once it has opened what it needs. */
#ifndef POSTERN_CONFINE_H
#define POSTERN_CONFINE_H

#include "postern/types.h"

/*
 * In this order: become user (NULL: stay), no core dumps, no new privileges, no capabilities, and system calls that a control plane
 * never needs (exec, ptrace, mount, modules, ...) fail with EPERM. -1 and err at the first step that fails.
 */
int pn_confine(const char *user, struct pn_error *err);

/*
 * Makes dir and what posternd keeps in it (cluster, spool, quarantine, rules.db) the user's, as they have to be once we are that
 * user. user NULL: our own. Nothing to do unless we are root. Follows no link, stays on dir's file system. -1 and err:
 * something could not be given; the rest was.
 */
int pn_confine_give(const char *user, const char *dir, struct pn_error *err);

/* For a thread that was made before that: capabilities are each thread's own. */
int pn_confine_thread(struct pn_error *err);

#endif
