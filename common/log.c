/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 128
#define LINE_BYTES 2048
#define TAIL_BYTES 64

static const char *log_program = "postern";
static int log_max = PN_LOG_NOTICE;
static bool log_journal;

/* systemd.exec(5): $JOURNAL_STREAM holds device:inode of the stream, to be compared with our stderr. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uint64_t dev, ino;
    struct stat st;

    if (stream == NULL || sscanf(stream, "%" SCNu64 ":%" SCNu64, &dev, &ino) != 2)
        return false;
    return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void pn_log_init(const char *program, enum pn_log_level max_level)
{
    log_program = program;
    log_journal = stderr_is_journal();
    pn_log_set_level(max_level);
}

void pn_log_set_level(enum pn_log_level max_level)
{
    __atomic_store_n(&log_max, (int)max_level, __ATOMIC_RELAXED);
}

bool pn_log_enabled(enum pn_log_level level)
{
    return (int)level <= __atomic_load_n(&log_max, __ATOMIC_RELAXED);
}

static const struct {
    const char *word;
    enum pn_log_level level;
} levels[] = {
    {"error", PN_LOG_ERROR}, {"warning", PN_LOG_WARNING}, {"notice", PN_LOG_NOTICE},
    {"info", PN_LOG_INFO},   {"debug", PN_LOG_DEBUG},
};

int pn_log_level_parse(const char *word)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(word, levels[i].word) == 0)
            return (int)levels[i].level;
    return -1;
}

static const char *level_word(enum pn_log_level level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (levels[i].level == level)
            return levels[i].word;
    return "?";
}

size_t pn_log_escape(const char *text, char *out, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool control = *p < 0x20 || *p == 0x7f;
        size_t need = !control ? 1 : *p == '\n' || *p == '\t' || *p == '\r' ? 2 : 4;
        if (n + need >= size)
            break;
        if (!control) {
            out[n++] = (char)*p;
            continue;
        }
        out[n++] = '\\';
        if (need == 2) {
            out[n++] = *p == '\n' ? 'n' : *p == '\t' ? 't' : 'r';
        } else {
            out[n++] = 'x';
            out[n++] = hex[*p >> 4];
            out[n++] = hex[*p & 15];
        }
    }
    out[n] = '\0';
    return n;
}

static size_t line_head(enum pn_log_level level, char *line, size_t size)
{
    struct timespec now;
    struct tm tm;
    char when[32] = "";
    int n;

    if (log_journal) {
        n = snprintf(line, size, "<%d>", (int)level);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        if (gmtime_r(&now.tv_sec, &tm) != NULL)
            strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
        n = snprintf(line, size, "%s.%03ldZ %.32s: %s: ", when, now.tv_nsec / 1000000, log_program, level_word(level));
    }
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void write_line(enum pn_log_level level, const char *text, uint32_t suppressed)
{
    char line[HEAD_BYTES + LINE_BYTES + TAIL_BYTES];
    size_t n = line_head(level, line, HEAD_BYTES);

    n += pn_log_escape(text, line + n, LINE_BYTES);
    if (suppressed > 0) {
        int more = snprintf(line + n, TAIL_BYTES, " (%" PRIu32 " more like this held back)", suppressed);
        n += more > 0 && more < TAIL_BYTES ? (size_t)more : 0;
    }
    line[n++] = '\n'; /* the parts above leave room for it */
    /* A log that cannot be written must not stop the daemon: nothing to do on failure but to go on. */
    while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
        continue;
}

void pn_logv(enum pn_log_level level, const char *format, va_list args)
{
    char text[LINE_BYTES];

    if (!pn_log_enabled(level))
        return;
    int saved = errno;
    if (vsnprintf(text, sizeof(text), format, args) >= 0)
        write_line(level, text, 0);
    errno = saved;
}

void pn_log(enum pn_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pn_logv(level, format, args);
    va_end(args);
}

bool pn_log_limit_pass(struct pn_log_limit *limit, uint64_t now_ms, uint32_t interval_ms, uint32_t *suppressed)
{
    uint64_t next = __atomic_load_n(&limit->next_ms, __ATOMIC_RELAXED);

    /* next_ms is 0 only before the first line, so the stored value is kept above it. */
    if ((next != 0 && now_ms < next) ||
        !__atomic_compare_exchange_n(&limit->next_ms, &next, now_ms + interval_ms + (now_ms + interval_ms == 0), false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&limit->suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    *suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED);
    return true;
}

void pn_log_limited_at(struct pn_log_limit *limit, uint32_t interval_ms, enum pn_log_level level, const char *format,
                       ...)
{
    struct timespec now;
    char text[LINE_BYTES];
    uint32_t suppressed = 0;
    va_list args;

    if (!pn_log_enabled(level))
        return;
    int saved = errno;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (pn_log_limit_pass(limit, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, interval_ms,
                          &suppressed)) {
        va_start(args, format);
        int n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (n >= 0)
            write_line(level, text, suppressed);
    }
    errno = saved;
}
