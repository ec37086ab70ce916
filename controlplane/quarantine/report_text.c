/* SPDX-License-Identifier: BSD-3-Clause */
/* A report as rows, CSV and JSON. */
#include "controlplane/quarantine/report.h"

#include <stdio.h>
#include <stdlib.h>

/* In the order people read them. */
static const unsigned shown[] = {PN_Q_EVENT_RECEIVED, PN_Q_EVENT_REJECTED, PN_Q_EVENT_QUARANTINED, PN_Q_EVENT_RELEASED,
                                 PN_Q_EVENT_VIRUS,    PN_Q_EVENT_SPAM,     PN_Q_EVENT_EVICTED};
#define SHOWN (sizeof(shown) / sizeof(shown[0]))
#define CELLS (1 + 2 * SHOWN)

static int lines(const struct pn_report *r, bool nodes, pn_report_row *each, void *arg)
{
    char heads[CELLS][32], texts[CELLS][32];
    const char *cells[CELLS];
    unsigned n = nodes ? r->n_nodes : r->n_points;
    int rc;

    snprintf(heads[0], sizeof(heads[0]), "%s", nodes ? "node" : "time");
    for (unsigned e = 0; e < SHOWN; e++) {
        snprintf(heads[1 + 2 * e], sizeof(heads[0]), "%s", pn_q_event_name(shown[e]));
        snprintf(heads[2 + 2 * e], sizeof(heads[0]), "%s_bytes", pn_q_event_name(shown[e]));
    }
    for (unsigned c = 0; c < CELLS; c++)
        cells[c] = heads[c];
    rc = each(arg, cells, CELLS);
    for (unsigned i = 0; i <= n && rc == 0; i++) {
        const struct pn_report_line *l = i == n ? &r->total : nodes ? &r->nodes[i] : &r->points[i];
        if (i == n)
            snprintf(texts[0], sizeof(texts[0]), "all");
        else if (nodes)
            snprintf(texts[0], sizeof(texts[0]), "%s", l->node);
        else
            pn_report_time(r, l->at_ms, texts[0]);
        for (unsigned e = 0; e < SHOWN; e++) {
            snprintf(texts[1 + 2 * e], sizeof(texts[0]), "%llu", (unsigned long long)l->event[shown[e]].count);
            snprintf(texts[2 + 2 * e], sizeof(texts[0]), "%llu", (unsigned long long)l->event[shown[e]].bytes);
        }
        for (unsigned c = 0; c < CELLS; c++)
            cells[c] = texts[c];
        rc = each(arg, cells, CELLS);
    }
    return 0;
}

static int names(const struct pn_report *r, unsigned list, pn_report_row *each, void *arg)
{
    const char *head[] = {"name", "count", "bytes"};
    char count[24], bytes[24];
    int rc = each(arg, head, 3);

    for (unsigned i = 0; i < r->n_names[list] && rc == 0; i++) {
        const struct pn_report_name *n = &r->names[list][i];
        const char *cells[] = {n->name, count, bytes};
        snprintf(count, sizeof(count), "%llu", (unsigned long long)n->cell.count);
        snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)n->cell.bytes);
        rc = each(arg, cells, 3);
    }
    return 0;
}

int pn_report_rows(const struct pn_report *r, const char *section, pn_report_row *each, void *arg)
{
    if (strcmp(section, "time") == 0 || strcmp(section, "nodes") == 0)
        return lines(r, section[0] == 'n', each, arg);
    for (unsigned l = 0; l < PN_REPORT_TOP_COUNT; l++)
        if (strcmp(section, pn_report_top_name(l)) == 0)
            return names(r, l, each, arg);
    return -1;
}

/* A cell that a spreadsheet would run as a formula gets an apostrophe in front: names are what strangers wrote. */
static void csv_cell(FILE *f, const char *text)
{
    bool formula = text[0] && strchr("=+-@\t\r", text[0]) != NULL;
    bool quote = formula || strpbrk(text, ",\"\r\n") != NULL;

    if (!quote) {
        fputs(text, f);
        return;
    }
    fputs(formula ? "\"'" : "\"", f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static int csv_row(void *arg, const char *const *cells, unsigned n)
{
    FILE *f = arg;

    for (unsigned i = 0; i < n; i++) {
        if (i)
            fputc(',', f);
        csv_cell(f, cells[i]);
    }
    fputs("\r\n", f);
    return ferror(f);
}

char *pn_report_csv(const struct pn_report *r, const char *section)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (f == NULL)
        return NULL;
    int rc = pn_report_rows(r, section, csv_row, f);
    bool failed = ferror(f);
    if (fclose(f) != 0 || failed || rc != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static json_t *line_json(const struct pn_report_line *l)
{
    json_t *o = json_object();

    for (unsigned e = 0; o && e < SHOWN; e++)
        json_object_set_new(o, pn_q_event_name(shown[e]),
                            json_pack("{s:I,s:I}", "count", (json_int_t)l->event[shown[e]].count, "bytes",
                                      (json_int_t)l->event[shown[e]].bytes));
    return o;
}

json_t *pn_report_json(const struct pn_report *r)
{
    json_t *points = json_array(), *nodes = json_array(), *o;
    char text[24];

    for (unsigned i = 0; i < r->n_points; i++)
        json_array_append_new(points, json_pack("{s:I,s:s,s:o}", "at_ms", (json_int_t)r->points[i].at_ms, "time",
                                                pn_report_time(r, r->points[i].at_ms, text), "events",
                                                line_json(&r->points[i])));
    for (unsigned i = 0; i < r->n_nodes; i++)
        json_array_append_new(nodes,
                              json_pack("{s:s,s:o}", "node", r->nodes[i].node, "events", line_json(&r->nodes[i])));
    o = json_pack("{s:I,s:I,s:I,s:I,s:s,s:o,s:o,s:o}", "from_ms", (json_int_t)r->from_ms, "to_ms", (json_int_t)r->to_ms,
                  "step_ms", (json_int_t)r->step_ms, "offset_ms", (json_int_t)r->offset_ms, "node", r->node, "total",
                  line_json(&r->total), "time", points, "nodes", nodes);
    for (unsigned l = 0; o && l < PN_REPORT_TOP_COUNT; l++) {
        json_t *list = json_array();
        for (unsigned i = 0; i < r->n_names[l]; i++) {
            const struct pn_report_name *n = &r->names[l][i];
            json_t *name = json_string(n->name); /* NULL when it is not UTF-8 */
            json_array_append_new(list, json_pack("{s:o,s:I,s:I}", "name", name ? name : json_string("?"), "count",
                                                  (json_int_t)n->cell.count, "bytes", (json_int_t)n->cell.bytes));
        }
        json_object_set_new(o, pn_report_top_name(l), list);
    }
    return o;
}
