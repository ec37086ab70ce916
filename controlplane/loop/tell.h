/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines for the event log from a thread of its own, told on the loop that keeps the log. */
#ifndef POSTERN_TELL_H
#define POSTERN_TELL_H

#include <stdarg.h>

#include "controlplane/loop/loop.h"

typedef void pn_tell_fn(void *arg, int log_level, const char *subject, const char *text);

/*
 * From any thread; fn(arg, ...) runs on that loop, and may outlive the caller. fn NULL: nothing is told. A subject is cut
 * at 71 bytes, a text at 299. Lost without memory, and when the loop has stopped.
 */
void pn_tell(struct pn_loop *to, pn_tell_fn *fn, void *arg, int log_level, const char *subject, const char *format,
             va_list args) __attribute__((format(printf, 6, 0)));

#endif
