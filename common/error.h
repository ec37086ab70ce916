/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PN_COMMON_ERROR_H
#define PN_COMMON_ERROR_H

#include "postern/types.h"

/* Fills err (may be NULL) with a printf text, cut to fit, NUL-terminated. Returns -1, so callers can return it. */
int pn_error_set(struct pn_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
