/* SPDX-License-Identifier: BSD-3-Clause */
/* A message as a person reads it, and what has been counted. On the reader's thread. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/quarantine.h"
#include "controlplane/quarantine/qview.h"

#define HEADER_BYTES_MAX (96u << 10) /* shown of them */
#define TEXT_BYTES_FAR (192u << 10) /* of the text, in an answer to another node */

/* ---- show ---- */

static json_t *headers_of(const struct pn_qview *v)
{
    json_t *list = json_array();
    size_t bytes = 0;

    for (unsigned i = 0; i < v->n_headers; i++) {
        bytes += strlen(v->headers[i].name) + strlen(v->headers[i].value) + 16;
        if (bytes > HEADER_BYTES_MAX)
            break;
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", pn_json_mail(v->headers[i].name), "value",
                                              pn_json_mail(v->headers[i].value)));
    }
    return list;
}

static json_t *parts_of(const struct pn_qview *v)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < v->n_parts; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:i, s:b}", "name", pn_json_mail(v->parts[i].name), "type",
                                        pn_json_mail(v->parts[i].type), "bytes", pn_json_u64(v->parts[i].bytes),
                                        "depth", (int)v->parts[i].depth, "attachment", v->parts[i].attachment));
    return list;
}

static int row_take(void *arg, const struct pn_host_row *row)
{
    *(json_t **)arg = pn_json_row(row);
    return 0;
}

/* What cannot be read as a message is said, and the row is shown all the same. */
static void view_add(struct pn_api_work *w, struct pn_host *store, json_t *reply)
{
    struct pn_qview_limits limits = {.text_bytes = w->remote ? TEXT_BYTES_FAR : 0};
    struct pn_qgather g = {.bytes = NULL};
    struct pn_error err;
    struct pn_qview *v = NULL;

    if (pn_host_raw(store, (uint64_t)pn_api_work_int(w, "id", 0), pn_qgather_sink, &g, &err) == 0 || g.cut)
        v = pn_qview_make(g.bytes, g.len, &limits, &err);
    if (v) {
        json_object_set_new(reply, "headers", headers_of(v));
        json_object_set_new(reply, "text", json_string(v->text));
        json_object_set_new(reply, "from_html", json_boolean(v->from_html));
        json_object_set_new(reply, "parts", parts_of(v));
        json_object_set_new(reply, "cut",
                            json_string(v->cut  ? v->cut
                                        : g.cut ? "the message is larger than is read"
                                                : ""));
    } else {
        json_object_set_new(reply, "problem", pn_json_mail(err.text));
    }
    pn_qview_free(v);
    free(g.bytes);
}

static void show_work(struct pn_api_work *w)
{
    uint64_t id = (uint64_t)pn_api_work_int(w, "id", 0);
    struct pn_error err;
    struct pn_host *store = pn_quarantine_actor_store(w->arg, &err);
    json_t *row = NULL, *reply;
    int rc = store ? pn_host_get(store, id, row_take, &row, &err) : -1;

    if (!store || rc < 0) {
        if (store)
            pn_api_store_fail(w, store, &err);
        else
            pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
        return;
    }
    if (rc == 0) {
        pn_api_work_fail(w, PN_API_NOT_FOUND, "no item %llu in the quarantine", (unsigned long long)id);
        return;
    }
    bool message = row && strcmp(json_string_value(json_object_get(row, "kind")), "message") == 0;
    bool purged = row && json_is_true(json_object_get(row, "purged"));
    reply = json_pack("{s:o}", "item", row);
    if (reply && message && !purged)
        view_add(w, store, reply);
    pn_api_work_ok(w, reply);
}

void pn_cmd_quarantine_show(struct pn_api_call *call)
{
    pn_api_store_read(call, show_work);
}

/* ---- report ---- */

static void report_work(struct pn_api_work *w)
{
    const char *format = pn_api_work_text(w, "format"), *section = pn_api_work_text(w, "section");
    struct pn_report_ask ask = {.from_ms = (uint64_t)pn_api_work_int(w, "from_ms", 0),
                                .to_ms = (uint64_t)pn_api_work_int(w, "to_ms", 0),
                                .step_ms = (uint64_t)pn_api_work_int(w, "step_ms", 0),
                                .offset_ms = pn_api_work_int(w, "offset_ms", 0),
                                .node = pn_api_work_text(w, "node"),
                                .top = (unsigned)pn_api_work_int(w, "top", 10)};
    struct pn_error err;
    struct pn_host *store = pn_quarantine_actor_store(w->arg, &err);
    struct pn_report *report = store ? pn_host_report(store, &ask, &err) : NULL;
    char *text = NULL;

    if (!report) {
        if (store)
            pn_api_store_fail(w, store, &err);
        else
            pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
        return;
    }
    if (format && strcmp(format, "csv") == 0)
        text = pn_report_csv(report, section ? section : "time");
    else if (format && strcmp(format, "svg") == 0)
        text = pn_report_svg(report, "Mail, as the quarantine counted it");
    else if (!format || strcmp(format, "json") == 0) {
        pn_api_work_ok(w, pn_report_json(report));
        pn_report_free(report);
        return;
    }
    if (!text)
        pn_api_work_fail(w, PN_API_BAD_REQUEST, "no report as \"%s\" of \"%s\"", format, section ? section : "time");
    else
        pn_api_work_ok(w, json_pack("{s:s}", "text", text));
    free(text);
    pn_report_free(report);
}

void pn_cmd_quarantine_report(struct pn_api_call *call)
{
    pn_api_store_read(call, report_work);
}

/* ---- purge, on the keeper's thread ---- */

static void purge_add(void *arg, int kind, int state, int event, uint64_t before_ms, unsigned n, bool more)
{
    static const char *const states[] = {"new", "released", "deleted"};

    json_array_append_new(
        arg, json_pack("{s:s, s:s, s:s, s:o, s:i, s:b}", "kind", kind == PN_Q_RECORD ? "record" : "message", "state",
                       state < 0 ? "any" : states[state], "event", event < 0 ? "any" : pn_q_event_name((unsigned)event),
                       "before_ms", pn_json_u64(before_ms), "items", (int)n, "more", more));
}

static void purge_work(struct pn_api_work *w)
{
    json_t *rows = json_array();
    struct pn_error err;

    if (pn_quarantine_purge_rehearse(w->arg, purge_add, rows, &err) < 0) {
        json_decref(rows);
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
        return;
    }
    if (!pn_api_work_bool(w, "dry_run"))
        pn_quarantine_purge_now(w->arg);
    pn_api_work_ok(w, json_pack("{s:o, s:b}", "rows", rows, "begun", !pn_api_work_bool(w, "dry_run")));
}

void pn_cmd_quarantine_purge(struct pn_api_call *call)
{
    pn_api_store_write(call, purge_work);
}
