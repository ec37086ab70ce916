/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/agent_reply.h"

#include <string.h>
#include <strings.h>

enum pn_agent_line_status pn_agent_line_feed(struct pn_agent_line *l, const uint8_t *data, size_t len, size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        *used = i + 1;
        if (data[i] == '\r' || data[i] == '\n')
            return PN_AGENT_LINE_DONE;
        if (l->len >= sizeof(l->line))
            return PN_AGENT_LINE_TOO_LONG;
        l->line[l->len++] = data[i] ? (char)data[i] : '?'; /* so that the line prints whole */
    }
    *used = len;
    return PN_AGENT_LINE_MORE;
}

/* Decimal digits only, up to max. */
static bool number(const char *text, size_t len, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;

    if (!len || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *value = v;
    return v <= max;
}

static bool is(const char *word, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(word, name, len) == 0;
}

static bool begins(const char *word, size_t len, const char *name)
{
    return len > strlen(name) && strncasecmp(word, name, strlen(name)) == 0;
}

static bool word_take(const char *w, size_t len, struct pn_agent_report *r)
{
    uint64_t v;

    if (is(w, len, "up")) {
        r->up = true;
        r->down = false;
    } else if (is(w, len, "down") || is(w, len, "failed") || is(w, len, "stopped")) {
        r->down = true;
        r->up = false;
    } else if (is(w, len, "ready")) {
        r->ready = true;
        r->drain = r->maint = false;
    } else if (is(w, len, "drain")) {
        r->drain = true;
        r->ready = r->maint = false;
    } else if (is(w, len, "maint")) {
        r->maint = true;
        r->ready = r->drain = false;
    } else if (len > 1 && w[len - 1] == '%' && number(w, len - 1, 1000000, &v)) {
        r->has_percent = true;
        r->percent = v > 100 ? 100 : (uint8_t)v;
    } else if (begins(w, len, "maxconn:") && number(w + 8, len - 8, UINT32_MAX, &v)) {
        r->has_maxconn = true;
        r->maxconn = (uint32_t)v;
    } else if (begins(w, len, "queue:") && number(w + 6, len - 6, INT64_MAX, &v)) {
        r->has_queue = true;
        r->queue = (int64_t)v;
    } else {
        return false;
    }
    return true;
}

static void copy(char *to, size_t size, const char *from, size_t len)
{
    if (!size)
        return;
    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] > 0x1f && from[i] < 0x7f ? from[i] : '?';
    to[len] = '\0';
}

unsigned pn_agent_parse(const char *line, size_t len, struct pn_agent_report *report, char *unknown,
                        size_t unknown_size, char *reason, size_t reason_size)
{
    unsigned understood = 0;
    size_t at = 0;

    memset(report, 0, sizeof(*report));
    copy(unknown, unknown_size, "", 0);
    copy(reason, reason_size, "", 0);
    while (at < len) {
        size_t end = at;

        while (end < len && line[end] != ' ' && line[end] != '\t' && line[end] != ',' && line[end] != '#')
            end++;
        if (end > at) {
            if (word_take(line + at, end - at, report))
                understood++;
            else if (unknown_size && !unknown[0])
                copy(unknown, unknown_size, line + at, end - at);
        }
        if (end < len && line[end] == '#') {
            copy(reason, reason_size, line + end + 1, len - end - 1);
            break;
        }
        at = end + 1;
    }
    return understood;
}
