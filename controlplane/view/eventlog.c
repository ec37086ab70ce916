/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/view/eventlog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct pn_eventlog {
    int64_t (*wall_ms)(void);
    uint64_t last;
    unsigned capacity;
    struct pn_eventlog_row rows[]; /* seq s stands at s % capacity */
};

static int64_t system_wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct pn_eventlog *pn_eventlog_new(unsigned capacity, int64_t (*wall_ms)(void))
{
    struct pn_eventlog *log;

    if (capacity == 0)
        return NULL;
    log = calloc(1, sizeof(*log) + capacity * sizeof(log->rows[0]));
    if (!log)
        return NULL;
    log->capacity = capacity;
    log->wall_ms = wall_ms ? wall_ms : system_wall_ms;
    return log;
}

void pn_eventlog_free(struct pn_eventlog *log)
{
    free(log);
}

void pn_eventlog_add(struct pn_eventlog *log, enum pn_log_level level, const char *kind, const char *subject,
                     const char *format, ...)
{
    struct pn_eventlog_row *row = &log->rows[++log->last % log->capacity];
    va_list args;

    row->seq = log->last;
    row->at_ms = log->wall_ms();
    row->level = level;
    row->kind = kind;
    snprintf(row->subject, sizeof(row->subject), "%s", subject);
    va_start(args, format);
    vsnprintf(row->text, sizeof(row->text), format, args);
    va_end(args);
    pn_log(level, "%s%s%s: %s", kind, *subject ? " " : "", subject, row->text);
}

uint64_t pn_eventlog_last(const struct pn_eventlog *log)
{
    return log->last;
}

const struct pn_eventlog_row *pn_eventlog_next(const struct pn_eventlog *log, uint64_t after)
{
    uint64_t oldest = log->last > log->capacity ? log->last - log->capacity + 1 : 1;
    uint64_t seq = after + 1 > oldest ? after + 1 : oldest;

    if (after >= log->last)
        return NULL;
    return &log->rows[seq % log->capacity];
}
