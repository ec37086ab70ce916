/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reports: what was received, rejected, quarantined and so on, by time and by node, with the names that come up most.
 * Pure: a store counts into it, then it is shown as rows, JSON, CSV or a plot. A quarantined message counts as
 * quarantined, and as its own event where that is another (virus, spam); a record as its event. Records with `about`
 * that say quarantined or released are not counted, the message itself and its release are. The lists of names count
 * what was held or turned away, not what passed.
 */
#ifndef POSTERN_QUARANTINE_REPORT_H
#define POSTERN_QUARANTINE_REPORT_H

#include <jansson.h>

#include "controlplane/quarantine/item.h"

#define PN_REPORT_HOUR_MS 3600000ull
#define PN_REPORT_POINTS_MAX 2000u
#define PN_REPORT_NODES_MAX 64u
#define PN_REPORT_TOP_MAX 100u

enum pn_report_top { PN_REPORT_SENDERS, PN_REPORT_RECIPIENTS, PN_REPORT_RULES, PN_REPORT_TOP_COUNT };

struct pn_report_ask {
    uint64_t from_ms, to_ms; /* whole hours (from is cut, to is filled up); to 0: now must be given */
    uint64_t step_ms; /* a multiple of an hour; 0: an hour up to two days, then a day */
    int64_t offset_ms; /* days begin so much before UTC's: +3600000 for UTC+1 */
    const char *node; /* NULL: all */
    unsigned top; /* names in each list; 0: 10, at most PN_REPORT_TOP_MAX */
};

struct pn_report_cell {
    uint64_t count, bytes;
};
struct pn_report_line { /* a point in time, a node, or all */
    uint64_t at_ms; /* of points: where it begins */
    char node[PN_NAME_BYTES]; /* of nodes */
    struct pn_report_cell event[PN_Q_EVENT_COUNT];
};
struct pn_report_name {
    char *name;
    struct pn_report_cell cell;
};

struct pn_report {
    uint64_t from_ms, to_ms, step_ms;
    int64_t offset_ms;
    char node[PN_NAME_BYTES]; /* "": all */
    unsigned top;
    struct pn_report_line total, *points, *nodes; /* points: without gaps, in order; nodes: by name */
    unsigned n_points, n_nodes;
    struct pn_report_name *names[PN_REPORT_TOP_COUNT]; /* most first */
    unsigned n_names[PN_REPORT_TOP_COUNT];
};

/* NULL with err: times the wrong way round, too many points, step not of hours, memory. */
struct pn_report *pn_report_new(const struct pn_report_ask *ask, struct pn_error *err);
void pn_report_free(struct pn_report *r); /* NULL is fine */
/* For stores. at_ms outside, unknown events and nodes beyond the bound are passed over. -1: no memory. */
int pn_report_count(struct pn_report *r, uint64_t at_ms, const char *node, unsigned event, uint64_t count,
                    uint64_t bytes);
int pn_report_name(struct pn_report *r, enum pn_report_top list, const char *name, uint64_t count, uint64_t bytes);

/* What an item counts as: 0 to 2 events; and whether its sender, recipients and rule count: held or turned away. */
unsigned pn_report_events(const pn_q_item *item, unsigned events[2]);
bool pn_report_named(const pn_q_item *item);

const char *pn_report_top_name(enum pn_report_top list); /* "senders" */
/* "2026-11-22" for steps of days, else "2026-11-22 14:00"; in the report's zone. */
char *pn_report_time(const struct pn_report *r, uint64_t at_ms, char buf[24]);

/* Tables. Sections: "time", "nodes", "senders", "recipients", "rules". The head comes first; non-zero stops. */
typedef int pn_report_row(void *arg, const char *const *cells, unsigned n);
int pn_report_rows(const struct pn_report *r, const char *section, pn_report_row *each, void *arg); /* -1: no such */
/* Each malloc()ed, NULL: no memory (or, CSV, no such section). */
json_t *pn_report_json(const struct pn_report *r); /* a new reference */
char *pn_report_csv(const struct pn_report *r, const char *section); /* RFC 4180, cells safe in spreadsheets */
char *pn_report_svg(const struct pn_report *r, const char *title); /* counts by time as stacked bars */

#endif
