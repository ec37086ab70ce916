/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine: state, lists, items. The host's store answers, wherever the question is put. */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/quarantine.h"
#include "controlplane/api/relay.h"

#define REPLY_BYTES_MAX (700u << 10) /* of a list: within what one message between nodes may be */
#define ROW_BYTES 700u /* of JSON around the texts of a row */
#define RAW_BYTES_NEAR (6u << 20) /* of a message in one answer */
#define RAW_BYTES_FAR (512u << 10) /* the same to another node */

static bool is_off(struct pn_api_call *call)
{
    if (!call->view->quarantine)
        pn_api_fail(call, PN_API_UNAVAILABLE, "the quarantine does not run here; posternd's log says why");
    else if (!call->view->conf->quarantine.host[0])
        pn_api_fail(call, PN_API_REFUSED, "there is no quarantine: quarantine.host is not set in the configuration");
    else
        return false;
    return true;
}

bool pn_api_store_here(struct pn_api_call *call)
{
    const struct pn_conf *conf = call->view->conf;
    const char *at = pn_api_text(call, "at"), *where = at ? at : conf->quarantine.host;

    if (is_off(call))
        return false;
    if (strcmp(where, conf->nodes[call->view->node].name) == 0)
        return true;
    pn_api_relay(call, where);
    return false;
}

void pn_api_store_read(struct pn_api_call *call, pn_api_work_fn *fn)
{
    if (pn_api_store_here(call))
        pn_api_work(call, pn_quarantine_actor_reader(call->view->quarantine), fn, call->view->quarantine);
}

void pn_api_store_write(struct pn_api_call *call, pn_api_work_fn *fn)
{
    if (pn_api_store_here(call))
        pn_api_work(call, pn_quarantine_actor_keeper(call->view->quarantine), fn, call->view->quarantine);
}

void pn_api_store_fail(struct pn_api_work *w, struct pn_host *store, const struct pn_error *err)
{
    struct pn_hostdb_health health;

    pn_host_health(store, &health);
    pn_api_work_fail(w, health.text[0] ? PN_API_UNAVAILABLE : PN_API_REFUSED, "%s", err->text);
}

void pn_api_spool_work(struct pn_api_call *call, pn_api_work_fn *fn)
{
    if (!is_off(call))
        pn_api_work(call, pn_quarantine_actor_writer(call->view->quarantine), fn, call->view->quarantine);
}

/* For everybody's monitoring; null where there is no quarantine. */
void pn_cmd_quarantine_status(struct pn_api_call *call)
{
    if (!call->view->quarantine)
        is_off(call);
    else
        pn_api_ok(call,
                  json_pack("{s:s, s:o, s:I}", "node", call->view->conf->nodes[call->view->node].name, "quarantine",
                            pn_json_quarantine(call->view), "at_ms", (json_int_t)call->view->now_ms()));
}

/* ---- lists ---- */

struct list {
    json_t *rows;
    size_t bytes;
    uint64_t last;
    bool cut;
};

static int list_add(void *arg, const struct pn_host_row *row)
{
    struct list *l = arg;
    const pn_q_item *i = row->item;

    l->bytes += ROW_BYTES + 3 * (strlen(i->sender) + strlen(i->subject) + strlen(i->from) + strlen(i->reason));
    for (size_t r = 0; r < i->n_recipients; r++)
        l->bytes += 3 * strlen(i->recipients[r]) + 4;
    if (l->bytes > REPLY_BYTES_MAX && l->last) {
        l->cut = true;
        return 1;
    }
    json_array_append_new(l->rows, pn_json_row(row));
    l->last = row->number;
    return 0;
}

static int word(struct pn_api_work *w, const char *name, int (*parse)(const char *), const char *known, int *out)
{
    const char *text = pn_api_work_text(w, name);

    if (!text)
        return 0;
    *out = parse(text);
    if (*out >= 0)
        return 0;
    pn_api_work_fail(w, PN_API_BAD_REQUEST, "\"%s\" is no %s (%s)", text, name, known);
    return -1;
}

static int parse_kind(const char *text)
{
    return strcmp(text, "message") == 0 ? PN_Q_MESSAGE : strcmp(text, "record") == 0 ? PN_Q_RECORD : -1;
}

static int parse_state(const char *text)
{
    static const char *const states[] = {"new", "released", "deleted"};

    for (int i = 0; i < 3; i++)
        if (strcmp(states[i], text) == 0)
            return i;
    return -1;
}

static void list_work(struct pn_api_work *w)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct list l = {0};
    struct pn_error err;
    struct pn_host *store = pn_quarantine_actor_store(w->arg, &err);

    if (!store) {
        pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
        return;
    }
    q.kind = PN_Q_MESSAGE;
    if (pn_api_work_text(w, "kind") && strcmp(pn_api_work_text(w, "kind"), "any") == 0)
        q.kind = -1;
    else if (word(w, "kind", parse_kind, "message, record, any", &q.kind) < 0)
        return;
    if (word(w, "event", pn_q_event_parse, PN_Q_EVENT_WORDS, &q.event) < 0 ||
        word(w, "state", parse_state, "new, released, deleted", &q.state) < 0)
        return;
    q.sender = pn_api_work_text(w, "sender");
    q.recipient = pn_api_work_text(w, "recipient");
    q.node = pn_api_work_text(w, "node");
    q.rule = pn_api_work_text(w, "rule");
    q.subject = pn_api_work_text(w, "subject");
    q.reason = pn_api_work_text(w, "reason");
    q.text = pn_api_work_text(w, "text");
    q.from_ms = (uint64_t)pn_api_work_int(w, "from_ms", 0);
    q.to_ms = (uint64_t)pn_api_work_int(w, "to_ms", 0);
    q.before = (uint64_t)pn_api_work_int(w, "before", 0);
    q.unseen = pn_api_work_bool(w, "unseen");
    q.limit = (unsigned)pn_api_work_int(w, "limit", 100);
    l.rows = json_array();
    if (pn_host_find(store, &q, list_add, &l, &err) < 0) {
        json_decref(l.rows);
        pn_api_store_fail(w, store, &err);
        return;
    }
    bool more = l.cut || json_array_size(l.rows) == q.limit;
    pn_api_work_ok(w, json_pack("{s:o, s:b, s:o}", "items", l.rows, "more", more, "next_before",
                                more ? pn_json_u64(l.last) : json_null()));
}

void pn_cmd_quarantine_list(struct pn_api_call *call)
{
    pn_api_store_read(call, list_work);
}

/* What waits in this node's own spool. */
static void waiting_work(struct pn_api_work *w)
{
    static const enum pn_q_kind kinds[] = {PN_Q_RECORD, PN_Q_MESSAGE};
    uint64_t limit = (uint64_t)pn_api_work_int(w, "limit", 100), after = (uint64_t)pn_api_work_int(w, "after", 0),
             n = 0;
    struct pn_error err;
    struct pn_spool *s = pn_quarantine_actor_spool(w->arg, &err);
    json_t *list;

    if (!s) {
        pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
        return;
    }
    list = json_array();
    for (unsigned k = 0; k < 2; k++) {
        struct pn_spool_row row;
        uint64_t at = after;
        while (n < limit && pn_spool_next(s, kinds[k], at, &row) == 1) {
            struct pn_pb_budget budget;
            pn_q_item *item = pn_q_item_decode(&budget, row.item, row.item_len, NULL);
            at = row.id.sequence;
            if (!item)
                continue;
            json_array_append_new(list, pn_json_item(item));
            pn_pb_free(&budget, item);
            n++;
        }
    }
    pn_api_work_ok(w, json_pack("{s:o, s:b}", "items", list, "more", n == limit));
}

void pn_cmd_quarantine_waiting(struct pn_api_call *call)
{
    pn_api_spool_work(call, waiting_work);
}

/* ---- one item ---- */

static int row_take(void *arg, const struct pn_host_row *row)
{
    *(json_t **)arg = pn_json_row(row);
    return 0;
}

/* NULL: answered. */
static json_t *row_of(struct pn_api_work *w, struct pn_host *store)
{
    uint64_t id = (uint64_t)pn_api_work_int(w, "id", 0);
    struct pn_error err;
    json_t *row = NULL;
    int rc = pn_host_get(store, id, row_take, &row, &err);

    if (rc == 0)
        pn_api_work_fail(w, PN_API_NOT_FOUND, "no item %llu in the quarantine", (unsigned long long)id);
    else if (rc < 0)
        pn_api_store_fail(w, store, &err);
    else if (!row)
        pn_api_work_fail(w, PN_API_BUSY, "posternd is out of memory");
    return row;
}

static struct pn_host *store_of(struct pn_api_work *w)
{
    struct pn_error err;
    struct pn_host *store = pn_quarantine_actor_store(w->arg, &err);

    if (!store)
        pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
    return store;
}

static int audit_add(void *arg, const struct pn_host_audit *row)
{
    json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:o}", "at_ms", pn_json_u64(row->at_ms), "what",
                                         pn_json_mail(row->what), "who", pn_json_mail(row->who), "detail",
                                         pn_json_mail(row->detail)));
    return 0;
}

static void audit_work(struct pn_api_work *w)
{
    struct pn_host *store = store_of(w);
    json_t *row = store ? row_of(w, store) : NULL, *list;
    struct pn_error err;

    if (!row)
        return;
    list = json_array();
    if (pn_host_audit_list(store, (uint64_t)pn_api_work_int(w, "id", 0), audit_add, list, &err) < 0) {
        json_decref(row);
        json_decref(list);
        pn_api_store_fail(w, store, &err);
        return;
    }
    pn_api_work_ok(w, json_pack("{s:o, s:o}", "item", row, "audit", list));
}

void pn_cmd_quarantine_audit(struct pn_api_call *call)
{
    pn_api_store_read(call, audit_work);
}

struct window {
    uint64_t skip;
    uint8_t *bytes;
    size_t len, size;
};

static int window_add(void *arg, const uint8_t *bytes, size_t len)
{
    struct window *o = arg;
    uint64_t skip = o->skip < len ? o->skip : len;
    size_t n = len - (size_t)skip < o->size - o->len ? len - (size_t)skip : o->size - o->len;

    memcpy(o->bytes + o->len, bytes + skip, n);
    o->skip -= skip;
    o->len += n;
    return o->len == o->size;
}

/* A piece of the message as it is, in base64. */
static void raw_work(struct pn_api_work *w)
{
    uint64_t offset = (uint64_t)pn_api_work_int(w, "offset", 0);
    struct pn_host *store = store_of(w);
    json_t *row = store ? row_of(w, store) : NULL;
    struct pn_error err;

    if (!row)
        return;
    struct window o = {.skip = offset, .size = w->remote ? RAW_BYTES_FAR : RAW_BYTES_NEAR};
    o.bytes = malloc(o.size);
    int rc = o.bytes ? pn_host_raw(store, (uint64_t)pn_api_work_int(w, "id", 0), window_add, &o, &err)
                     : pn_error_set(&err, "posternd is out of memory");
    if (rc < 0 && o.len < o.size) {
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
        json_decref(row);
    } else {
        uint64_t size = (uint64_t)json_integer_value(json_object_get(row, "size_bytes"));
        pn_api_work_ok(w, json_pack("{s:o, s:o, s:o, s:b}", "item", row, "offset", pn_json_u64(offset), "base64",
                                    pn_json_base64(o.bytes, o.len), "end", offset + o.len >= size));
    }
    free(o.bytes);
}

void pn_cmd_quarantine_raw(struct pn_api_call *call)
{
    pn_api_store_read(call, raw_work);
}

/* ---- changes ---- */

static struct pn_host *host_of(struct pn_api_work *w)
{
    struct pn_error err;
    struct pn_host *host = pn_quarantine_actor_host(w->arg, &err);

    if (!host)
        pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
    return host;
}

static void flag_work(struct pn_api_work *w)
{
    static const struct {
        const char *command;
        enum pn_host_flag flag;
        bool on;
    } rows[] = {{"quarantine seen", PN_HOST_SEEN, true},
                {"quarantine unseen", PN_HOST_SEEN, false},
                {"quarantine hold", PN_HOST_HOLD, true},
                {"quarantine unhold", PN_HOST_HOLD, false}};
    struct pn_host *host = host_of(w);
    struct pn_error err;
    json_t *row;
    unsigned i = 0;

    if (!host)
        return;
    while (strcmp(rows[i].command, w->command) != 0)
        i++;
    uint64_t id = (uint64_t)pn_api_work_int(w, "id", 0);
    int rc = pn_host_flag_set(host, id, rows[i].flag, rows[i].on, w->who, &err);
    if (rc == 0)
        pn_api_work_fail(w, PN_API_NOT_FOUND, "no item %llu in the quarantine, or its time was over",
                         (unsigned long long)id);
    else if (rc < 0)
        pn_api_store_fail(w, host, &err);
    else if ((row = row_of(w, host)))
        pn_api_work_ok(w, json_pack("{s:o}", "item", row));
}

void pn_cmd_quarantine_flag(struct pn_api_call *call)
{
    pn_api_store_write(call, flag_work);
}

static void delete_work(struct pn_api_work *w)
{
    struct pn_host *host = host_of(w);
    json_t *row = host ? row_of(w, host) : NULL;
    struct pn_error err;

    if (!row)
        return;
    uint64_t id = (uint64_t)pn_api_work_int(w, "id", 0);
    bool open = json_is_true(json_object_get(row, "release_open"));
    int rc = open ? 0 : pn_host_state_set(host, id, PN_HOST_DELETED, w->who, "", &err);
    if (rc == 1) {
        json_decref(row);
        if ((row = row_of(w, host)))
            pn_api_work_ok(w, json_pack("{s:o}", "item", row));
        return;
    }
    if (rc < 0)
        pn_api_store_fail(w, host, &err);
    else if (open)
        pn_api_work_fail(w, PN_API_REFUSED,
                         "item %llu: a release is under way, or its end is not known (postern "
                         "quarantine audit %llu)",
                         (unsigned long long)id, (unsigned long long)id);
    else
        pn_api_work_fail(w, PN_API_REFUSED, "item %llu is %s already", (unsigned long long)id,
                         json_string_value(json_object_get(row, "state")));
    json_decref(row);
}

void pn_cmd_quarantine_delete(struct pn_api_call *call)
{
    pn_api_store_write(call, delete_work);
}
