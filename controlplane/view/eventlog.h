/* SPDX-License-Identifier: BSD-3-Clause */
/* The last events of the daemon, for `postern log`; each is also a line in the journal. */
#ifndef POSTERN_EVENTLOG_H
#define POSTERN_EVENTLOG_H

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

#define PN_EVENTLOG_DEFAULT 1000u

struct pn_eventlog;

struct pn_eventlog_row {
    uint64_t seq; /* 1, 2, 3, ... since the daemon's start */
    int64_t at_ms; /* wall clock, milliseconds since 1970 */
    enum pn_log_level level;
    const char *kind; /* "gateway", "spill", "order", "reload", "dataplane", "lease", "daemon": static text */
    char subject[72]; /* "mx1", "mx/primary", "" */
    char text[200];
};

/* capacity > 0. wall_ms NULL: the system's clock. */
struct pn_eventlog *pn_eventlog_new(unsigned capacity, int64_t (*wall_ms)(void));
void pn_eventlog_free(struct pn_eventlog *log);
void pn_eventlog_add(struct pn_eventlog *log, enum pn_log_level level, const char *kind, const char *subject,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
uint64_t pn_eventlog_last(const struct pn_eventlog *log); /* seq of the newest; 0: none yet */
/* The row with the lowest seq above `after`; NULL: none. Valid until the next add. */
const struct pn_eventlog_row *pn_eventlog_next(const struct pn_eventlog *log, uint64_t after);

#endif
