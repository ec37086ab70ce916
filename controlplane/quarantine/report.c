/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/error.h"

#define DAY_MS (24 * PN_REPORT_HOUR_MS)

static const char *const tops[PN_REPORT_TOP_COUNT] = {"senders", "recipients", "rules"};

const char *pn_report_top_name(enum pn_report_top list)
{
    return (unsigned)list < PN_REPORT_TOP_COUNT ? tops[list] : "?";
}

unsigned pn_report_events(const pn_q_item *item, unsigned events[2])
{
    unsigned n = 0;

    if (item->kind == PN_Q_MESSAGE)
        events[n++] = PN_Q_EVENT_QUARANTINED;
    else if (item->about[0] && (item->event == PN_Q_EVENT_QUARANTINED || item->event == PN_Q_EVENT_RELEASED))
        return 0; /* the message and its release count by themselves */
    if (n == 0 || item->event != PN_Q_EVENT_QUARANTINED)
        events[n++] = item->event;
    return n;
}

bool pn_report_named(const pn_q_item *item)
{
    unsigned events[2];

    if (pn_report_events(item, events) == 0)
        return false;
    return item->kind == PN_Q_MESSAGE || item->event == PN_Q_EVENT_QUARANTINED || item->event == PN_Q_EVENT_REJECTED ||
           item->event == PN_Q_EVENT_VIRUS || item->event == PN_Q_EVENT_SPAM;
}

/* Down to a whole step of the report's zone. */
static uint64_t step_floor(uint64_t ms, uint64_t step, int64_t offset)
{
    int64_t local = (int64_t)ms + offset;
    int64_t floor = local - (local % (int64_t)step + (int64_t)step) % (int64_t)step - offset;

    return floor > 0 ? (uint64_t)floor : 0;
}

struct pn_report *pn_report_new(const struct pn_report_ask *ask, struct pn_error *err)
{
    struct pn_report *r;
    uint64_t to = ask->to_ms, step = ask->step_ms;

    if (to > INT64_MAX / 4 || ask->from_ms >= to) {
        pn_error_set(err, "report: it ends before it begins");
        return NULL;
    }
    if (ask->offset_ms > (int64_t)DAY_MS || ask->offset_ms < -(int64_t)DAY_MS) {
        pn_error_set(err, "report: the zone is more than a day off");
        return NULL;
    }
    if (step == 0)
        step = to - ask->from_ms <= 2 * DAY_MS ? PN_REPORT_HOUR_MS : DAY_MS;
    if (step % PN_REPORT_HOUR_MS != 0) {
        pn_error_set(err, "report: a step is whole hours");
        return NULL;
    }
    if ((to - ask->from_ms) / step >= PN_REPORT_POINTS_MAX) {
        pn_error_set(err, "report: more than %u steps; ask for longer steps or less time", PN_REPORT_POINTS_MAX);
        return NULL;
    }
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        goto no_memory;
    r->step_ms = step;
    /* Counts are of hours since 1970, so a zone of half hours is taken as the hour. */
    r->offset_ms = ask->offset_ms / (int64_t)PN_REPORT_HOUR_MS * (int64_t)PN_REPORT_HOUR_MS;
    r->from_ms = ask->from_ms / PN_REPORT_HOUR_MS * PN_REPORT_HOUR_MS;
    r->to_ms = (to + PN_REPORT_HOUR_MS - 1) / PN_REPORT_HOUR_MS * PN_REPORT_HOUR_MS;
    snprintf(r->node, sizeof(r->node), "%s", ask->node ? ask->node : "");
    r->top = ask->top == 0 ? 10 : ask->top > PN_REPORT_TOP_MAX ? PN_REPORT_TOP_MAX : ask->top;
    uint64_t first = step_floor(r->from_ms, step, r->offset_ms);
    r->n_points = (unsigned)((r->to_ms - first + step - 1) / step);
    r->points = calloc(r->n_points, sizeof(*r->points));
    r->nodes = calloc(PN_REPORT_NODES_MAX, sizeof(*r->nodes));
    if (r->points == NULL || r->nodes == NULL)
        goto no_memory;
    for (unsigned i = 0; i < r->n_points; i++)
        r->points[i].at_ms = first + i * step;
    return r;
no_memory:
    pn_report_free(r);
    pn_error_set(err, "no memory");
    return NULL;
}

void pn_report_free(struct pn_report *r)
{
    if (r == NULL)
        return;
    for (unsigned l = 0; l < PN_REPORT_TOP_COUNT; l++) {
        for (unsigned i = 0; i < r->n_names[l]; i++)
            free(r->names[l][i].name);
        free(r->names[l]);
    }
    free(r->points);
    free(r->nodes);
    free(r);
}

static void add(struct pn_report_line *line, unsigned event, uint64_t count, uint64_t bytes)
{
    line->event[event].count += count;
    line->event[event].bytes += bytes;
}

static struct pn_report_line *node_line(struct pn_report *r, const char *node)
{
    unsigned i = 0;
    int order = 1;

    while (i < r->n_nodes && (order = strcmp(r->nodes[i].node, node)) < 0)
        i++;
    if (i < r->n_nodes && order == 0)
        return &r->nodes[i];
    if (r->n_nodes == PN_REPORT_NODES_MAX || strlen(node) >= PN_NAME_BYTES)
        return NULL;
    memmove(&r->nodes[i + 1], &r->nodes[i], (r->n_nodes - i) * sizeof(r->nodes[0]));
    r->n_nodes++;
    memset(&r->nodes[i], 0, sizeof(r->nodes[i]));
    strcpy(r->nodes[i].node, node);
    return &r->nodes[i];
}

int pn_report_count(struct pn_report *r, uint64_t at_ms, const char *node, unsigned event, uint64_t count,
                    uint64_t bytes)
{
    if (at_ms < r->from_ms || at_ms >= r->to_ms || event >= PN_Q_EVENT_COUNT)
        return 0;
    uint64_t i = (at_ms - r->points[0].at_ms) / r->step_ms;
    struct pn_report_line *line = node_line(r, node);
    if (i < r->n_points)
        add(&r->points[i], event, count, bytes);
    if (line)
        add(line, event, count, bytes);
    add(&r->total, event, count, bytes);
    return 0;
}

int pn_report_name(struct pn_report *r, enum pn_report_top list, const char *name, uint64_t count, uint64_t bytes)
{
    unsigned n = r->n_names[list];

    if (r->names[list] == NULL)
        r->names[list] = calloc(r->top, sizeof(**r->names));
    if (r->names[list] == NULL)
        return -1;
    if (n == r->top)
        return 0;
    char *copy = strdup(name);
    if (copy == NULL)
        return -1;
    while (n > 0 && r->names[list][n - 1].cell.count < count) { /* stores give the most first; others are put right */
        r->names[list][n] = r->names[list][n - 1];
        n--;
    }
    r->names[list][n] = (struct pn_report_name){copy, {count, bytes}};
    r->n_names[list]++;
    return 0;
}

char *pn_report_time(const struct pn_report *r, uint64_t at_ms, char buf[24])
{
    int64_t local = (int64_t)at_ms + r->offset_ms;
    time_t t = (time_t)((local - (local % 1000 + 1000) % 1000) / 1000);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(buf, 24, r->step_ms % DAY_MS ? "%Y-%m-%d %H:%M" : "%Y-%m-%d", &tm) == 0)
        strcpy(buf, "?");
    return buf;
}
