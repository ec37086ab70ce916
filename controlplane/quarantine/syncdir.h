/* SPDX-License-Identifier: BSD-3-Clause */
/* A name is durable once its folder is synced. */
#ifndef POSTERN_QUARANTINE_SYNCDIR_H
#define POSTERN_QUARANTINE_SYNCDIR_H

#include "postern/types.h"

/* Syncs the folder that path's last name lies in. 0, also when that may not be read; -1 with err. */
int pn_qsync_folder_of(const char *path, struct pn_error *err);

#endif
