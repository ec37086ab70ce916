/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines to stderr, one write(2) each: with syslog's <N> prefix when stderr is the journal, otherwise with the
 * time and the program's name. Control characters in the text are escaped, so what peers send cannot forge a line.
 * Any thread may call; never on a worker's packet path.
 */
#ifndef PN_COMMON_LOG_H
#define PN_COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pn_log_level { /* values of syslog(3) */
                    PN_LOG_ERROR = 3,
                    PN_LOG_WARNING = 4,
                    PN_LOG_NOTICE = 5,
                    PN_LOG_INFO = 6,
                    PN_LOG_DEBUG = 7
};

/* program: kept by pointer. Before this call lines up to NOTICE are written under the name "postern". */
void pn_log_init(const char *program, enum pn_log_level max_level);
void pn_log_set_level(enum pn_log_level max_level);
bool pn_log_enabled(enum pn_log_level level);
/* -1: no such word (error, warning, notice, info, debug). */
int pn_log_level_parse(const char *word);

void pn_log(enum pn_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pn_logv(enum pn_log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* At most one line an interval; zero-initialise. suppressed: lines held back since the last that passed. */
struct pn_log_limit {
    uint64_t next_ms;
    uint32_t suppressed;
};
bool pn_log_limit_pass(struct pn_log_limit *limit, uint64_t now_ms, uint32_t interval_ms, uint32_t *suppressed);
void pn_log_limited_at(struct pn_log_limit *limit, uint32_t interval_ms, enum pn_log_level level, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

/* For lines that outsiders can provoke: each call site has its own limit and tells how many it held back. */
#define pn_log_limited(interval_ms, level, ...)                                                                        \
    do {                                                                                                               \
        static struct pn_log_limit pn_log_limit_here;                                                                  \
        pn_log_limited_at(&pn_log_limit_here, interval_ms, level, __VA_ARGS__);                                        \
    } while (0)

#define pn_log_error(...) pn_log(PN_LOG_ERROR, __VA_ARGS__)
#define pn_log_warning(...) pn_log(PN_LOG_WARNING, __VA_ARGS__)
#define pn_log_notice(...) pn_log(PN_LOG_NOTICE, __VA_ARGS__)
#define pn_log_info(...) pn_log(PN_LOG_INFO, __VA_ARGS__)
#define pn_log_debug(...) pn_log(PN_LOG_DEBUG, __VA_ARGS__)

/* Copies text to out (size > 0) with control characters as \n, \t, \xNN; returns out's length. */
size_t pn_log_escape(const char *text, char *out, size_t size);

#endif
