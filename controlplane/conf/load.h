/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of pn_conf_load(), for its own files, tests and the fuzz target. */
#ifndef POSTERN_CONF_LOAD_H
#define POSTERN_CONF_LOAD_H

#include "controlplane/conf/report.h"
#include "controlplane/conf/ucl.h"

/* pn_conf_load() with files from io instead of the disk. */
struct pn_conf *pn_conf_load_io(const struct pn_ucl_io *io, const char *path, struct pn_conf_error *errors,
                                unsigned max_errors, unsigned *n_errors);

extern const struct pn_ucl_io pn_conf_disk; /* files.c */

/* Tree to structs by the schema: types, ranges, defaults, references. */
void pn_conf_fill(struct pn_conf *conf, const struct pn_ucl_doc *doc, struct pn_report *errors);

/* Values that follow from others where they are not set (low marks, check ports, seed, ...). */
void pn_conf_finish(struct pn_conf *conf);

/* What no single value shows: duplicates, contradictions, references to ports; and what is allowed but odd. */
void pn_conf_validate(const struct pn_conf *conf, const struct pn_ucl_doc *doc, struct pn_report *errors,
                      struct pn_report *warnings);

/* Position of the node that a host's name means, in full or up to its first dot; or -1. */
int pn_conf_node_of_host(const struct pn_conf *conf, const char *host);

/* Priority a lone node has where nobody wrote one. */
#define PN_CONF_PRIORITY_ALONE 100

#endif
