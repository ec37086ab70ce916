/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canonical form: every key of every object, defaults included, objects in the order of their names (tiers and
 * ports in theirs). It is itself a configuration, and reading it gives the same one.
 */
#ifndef POSTERN_CONF_CANON_H
#define POSTERN_CONF_CANON_H

#include "controlplane/conf/schema.h"

/* One key as one would write it; "" where nothing is set. malloc'd, NULL: out of memory. object: the section's struct. */
char *pn_canon_value(const struct pn_conf *conf, const struct pn_schema_row *row, const void *object);

/* Positions of a section's objects in canonical order, n of them, into order[section->max]. */
unsigned pn_canon_order(const struct pn_schema_section *section, const void *parent, unsigned *order);

/* malloc'd, NULL: out of memory. */
char *pn_canon_text(const struct pn_conf *conf);

/* SHA-256 of the canonical text into conf->digest. -1: out of memory. */
int pn_canon_digest(struct pn_conf *conf);

#endif
