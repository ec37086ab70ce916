/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The argument file of postern-dp for one node, one argument a line, as dataplane/args.c reads it: what a running
 * dataplane cannot change (ports, workers, table size). `posternd --dataplane-args` writes it before postern-dp starts.
 */
#ifndef POSTERN_CONF_DPARGS_H
#define POSTERN_CONF_DPARGS_H

#include "controlplane/conf/conf.h"

#define PN_DPARGS_MAX_BYTES 16384

struct pn_dpargs_options {
    const char *socket; /* NULL: postern-dp's own default */
    const char *stats; /* NULL: postern-dp's own default */
};

/* Text into buf, NUL-terminated. -1 and err: it does not fit, or a value cannot be written as an argument. */
int pn_dpargs_write(const struct pn_conf *conf, unsigned node, const struct pn_dpargs_options *options, char *buf,
                    size_t size, struct pn_error *err);

#endif
