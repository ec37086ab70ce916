/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's store on each of its databases: reports, digests, totals, audit, retention's steps. */
#include "tests/unit/quarantine_taken.h"

static uint64_t event_of(const struct pn_report_line *l, unsigned event)
{
    return l->event[event].count;
}

static void test_report(void **state)
{
    static const struct mail mails[] = {
        {.sender = "S1@x", .recipient = "r1@y", .recipient2 = "r2@y", .rule = "bad", .event = PN_Q_EVENT_SPAM},
        {.sender = "s1@x", .recipient = "r1@y", .rule = "bad", .at_ms = T0 + HOUR},
        {.sender = "s2@x", .recipient = "r1@y", .node = "mx2", .event = PN_Q_EVENT_VIRUS, .at_ms = T0 + HOUR},
        {.kind = PN_Q_RECORD, .event = PN_Q_EVENT_RECEIVED, .sender = "ham@x", .at_ms = T0 + 2 * HOUR},
        {.kind = PN_Q_RECORD, .event = PN_Q_EVENT_REJECTED, .sender = "s2@x", .node = "mx2", .at_ms = T0 + 2 * HOUR},
        {.kind = PN_Q_RECORD, .event = PN_Q_EVENT_RELEASED, .about = "mx1/1", .at_ms = T0 + 2 * HOUR},
        {.kind = PN_Q_RECORD, .event = PN_Q_EVENT_QUARANTINED, .about = "mx1/1", .sender = "s9@x", .at_ms = T0},
    };
    struct pn_report_ask ask = {.from_ms = T0, .to_ms = T0 + 3 * HOUR};
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w);
    for (unsigned i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
        take(&w, &mails[i]);
    struct pn_report *r = pn_host_report(w.host, &ask, &err);
    if (r == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(r->n_points, 3);
    assert_int_equal(r->n_nodes, 2);
    assert_int_equal(event_of(&r->points[0], PN_Q_EVENT_QUARANTINED), 1);
    assert_int_equal(event_of(&r->points[0], PN_Q_EVENT_SPAM), 1);
    assert_int_equal(event_of(&r->points[1], PN_Q_EVENT_QUARANTINED), 2);
    assert_int_equal(event_of(&r->points[2], PN_Q_EVENT_RECEIVED), 1);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_RELEASED), 0); /* it says so, the store did not do it */
    assert_int_equal(event_of(&r->nodes[1], PN_Q_EVENT_REJECTED), 1);
    assert_int_equal(r->total.event[PN_Q_EVENT_QUARANTINED].bytes, 3000);
    assert_int_equal(r->n_names[PN_REPORT_SENDERS], 2);
    assert_string_equal(r->names[PN_REPORT_SENDERS][0].name, "s1@x");
    assert_int_equal(r->names[PN_REPORT_SENDERS][0].cell.count, 2);
    assert_int_equal(r->names[PN_REPORT_SENDERS][1].cell.count, 2); /* held once, rejected once */
    assert_string_equal(r->names[PN_REPORT_RECIPIENTS][0].name, "r1@y");
    assert_int_equal(r->names[PN_REPORT_RECIPIENTS][0].cell.count, 3);
    assert_int_equal(r->n_names[PN_REPORT_RULES], 1);
    pn_report_free(r);
    ask.node = "mx2", ask.top = 1;
    r = pn_host_report(w.host, &ask, &err);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_QUARANTINED), 1);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_VIRUS), 1);
    assert_int_equal(r->n_names[PN_REPORT_SENDERS], 1);
    assert_string_equal(r->names[PN_REPORT_SENDERS][0].name, "s2@x");
    pn_report_free(r);
    /* A release counts when it happens, on the node of the message; purging takes nothing from the counts. */
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    q.sender = "s2@x", q.kind = PN_Q_MESSAGE;
    assert_int_equal(pn_host_state_set(w.host, find(&w, q).numbers[0], PN_HOST_RELEASED, "me", "", &err), 1);
    struct pn_host_purge p = PN_HOST_PURGE_ANY;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 7);
    ask = (struct pn_report_ask){.from_ms = T0, .to_ms = INT64_MAX / 8, .step_ms = 24 * HOUR};
    assert_null(pn_host_report(w.host, &ask, &err)); /* too many steps */
    ask.to_ms = (uint64_t)time(NULL) * 1000 + 24 * HOUR;
    r = pn_host_report(w.host, &ask, &err);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_RELEASED), 1);
    assert_int_equal(event_of(&r->nodes[1], PN_Q_EVENT_RELEASED), 1);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_QUARANTINED), 3);
    pn_report_free(r);
    assert_int_equal(pn_host_report_purge(w.host, T0 + HOUR, &err), 0);
    r = pn_host_report(w.host, &ask, &err);
    assert_int_equal(event_of(&r->total, PN_Q_EVENT_QUARANTINED), 2);
    assert_int_equal(r->names[PN_REPORT_SENDERS][0].cell.count, 2);
    assert_string_equal(r->names[PN_REPORT_SENDERS][0].name, "s2@x");
    pn_report_free(r);
    world_stop(&w);
}

struct dues {
    unsigned n;
    char address[8][32];
    uint64_t upto[8];
};

static int note_due(void *arg, const char *address, uint64_t upto)
{
    struct dues *d = arg;
    snprintf(d->address[d->n], sizeof(d->address[0]), "%s", address);
    d->upto[d->n++] = upto;
    return 0;
}

static struct dues due(struct world *w, uint64_t top, const char *after, unsigned limit)
{
    struct dues d = {.n = 0};
    struct pn_error err;
    if (pn_host_digest_due(w->host, top, after, limit, note_due, &d, &err) != 0)
        fail_msg("%s", err.text);
    return d;
}

static uint64_t last(struct world *w)
{
    struct pn_hostdb_totals t;
    assert_int_equal(pn_host_totals(w->host, &t), 0);
    return t.last;
}

static void test_digest(void **state)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w);
    take(&w, &(struct mail){.recipient = "B@x", .recipient2 = "a@x"});
    take(&w, &(struct mail){.recipient = "a@x"});
    take(&w, &(struct mail){.recipient = "seen@x"});
    take(&w, &(struct mail){.recipient = "done@x"});
    take(&w, &(struct mail){.kind = PN_Q_RECORD, .event = PN_Q_EVENT_SPAM, .recipient = "rec@x"});
    q.recipient = "seen@x";
    assert_int_equal(pn_host_flag_set(w.host, find(&w, q).numbers[0], PN_HOST_SEEN, true, "", &err), 1);
    q.recipient = "done@x";
    assert_int_equal(pn_host_state_set(w.host, find(&w, q).numbers[0], PN_HOST_DELETED, "", "", &err), 1);
    uint64_t top = last(&w);
    struct dues d = due(&w, top, NULL, 10);
    assert_int_equal(d.n, 2);
    assert_string_equal(d.address[0], "a@x");
    assert_string_equal(d.address[1], "b@x");
    assert_int_equal(d.upto[0], 0);
    d = due(&w, top, NULL, 1);
    assert_int_equal(d.n, 1);
    d = due(&w, top, d.address[0], 1);
    assert_string_equal(d.address[0], "b@x");
    assert_int_equal(due(&w, top, d.address[0], 1).n, 0);
    /* One was sent, then the host crashed: the other is due, and what came meanwhile is for the round after. */
    assert_int_equal(pn_host_digest_mark(w.host, "A@x", top, &err), 0);
    pn_host_close(w.host);
    host_start(&w);
    take(&w, &(struct mail){.recipient = "a@x", .subject = "later"});
    assert_int_equal(due(&w, top, NULL, 10).n, 1);
    d = due(&w, last(&w), NULL, 10);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.upto[0], top);
    q = (struct pn_host_query)PN_HOST_QUERY_ANY;
    q.recipient = "a@x", q.after = d.upto[0], q.before = last(&w) + 1;
    assert_int_equal(find(&w, q).n, 1);
    assert_int_equal(pn_host_digest_mark(w.host, "b@x", top, &err), 0);
    assert_int_equal(pn_host_digest_end(w.host, top, &err), 0);
    d = due(&w, last(&w), NULL, 10);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.upto[0], top);
    /* A later round that is behind takes nothing back. */
    assert_int_equal(pn_host_digest_mark(w.host, "a@x", last(&w), &err), 0);
    assert_int_equal(pn_host_digest_mark(w.host, "a@x", 1, &err), 0);
    assert_int_equal(due(&w, last(&w), NULL, 10).n, 0);
    assert_int_equal(pn_host_mark_get(w.host, "round", 7), 7);
    assert_int_equal(pn_host_mark_set(w.host, "round", 12345678901ull, &err), 0);
    pn_host_close(w.host);
    host_start(&w);
    assert_int_equal(pn_host_mark_get(w.host, "round", 7), 12345678901ull);
    world_stop(&w);
}

struct audits {
    unsigned n;
    char text[256];
};

static int note_audit(void *arg, const struct pn_host_audit *a)
{
    struct audits *all = arg;
    size_t n = strlen(all->text);
    all->n++;
    snprintf(all->text + n, sizeof(all->text) - n, "%s/%s/%s;", a->what, a->who, a->detail);
    return 0;
}

struct nodes {
    unsigned n;
    struct pn_hostdb_totals t[4];
};

static int note_node(void *arg, const char *node, const struct pn_hostdb_totals *t)
{
    struct nodes *all = arg;
    (void)node;
    all->t[all->n++] = *t;
    return 0;
}

static void test_totals(void **state)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_hostdb_totals t;
    struct audits a = {.n = 0};
    struct nodes n = {.n = 0};
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w);
    take(&w, &(struct mail){.subject = "one"});
    take(&w, &(struct mail){.subject = "two", .node = "mx2"});
    take(&w, &(struct mail){.subject = "three", .node = "mx2"});
    take(&w, &(struct mail){.kind = PN_Q_RECORD, .event = PN_Q_EVENT_SPAM, .node = "mx2"});
    q.subject = "two";
    uint64_t two = find(&w, q).numbers[0];
    assert_int_equal(pn_host_flag_set(w.host, two, PN_HOST_HOLD, true, "anna", &err), 1);
    assert_int_equal(pn_host_state_set(w.host, two, PN_HOST_RELEASED, "anna", "to b@x", &err), 1);
    assert_int_equal(pn_host_audit_list(w.host, two, note_audit, &a, &err), 0);
    assert_int_equal(a.n, 2);
    assert_string_equal(a.text, "held/anna/;released/anna/to b@x;");
    pn_host_node_totals(w.host, note_node, &n);
    assert_int_equal(n.n, 2);
    assert_int_equal(n.t[1].items, 3);
    assert_int_equal(n.t[1].messages, 2);
    assert_int_equal(n.t[1].waiting, 1);
    /* The quota of mx2: the held one stays though it is older. */
    assert_int_equal(pn_host_purge_node(w.host, "mx2", 0, &err), 1);
    n.n = 0;
    pn_host_node_totals(w.host, note_node, &n);
    assert_int_equal(n.t[0].messages, 1);
    assert_int_equal(n.t[1].messages, 1);
    assert_int_equal(n.t[1].waiting, 0);
    assert_true(n.t[1].file_bytes > 0);
    assert_int_equal(pn_host_totals(w.host, &t), 0);
    assert_int_equal(t.items, 3);
    assert_int_equal(t.messages, 2);
    assert_int_equal(t.waiting, 1);
    assert_int_equal(t.file_bytes, n.t[0].file_bytes + n.t[1].file_bytes);
    struct pn_host_purge p = PN_HOST_PURGE_ANY;
    p.kind = PN_Q_MESSAGE, p.state = PN_HOST_NEW, p.event = PN_Q_EVENT_VIRUS;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 0);
    p.event = PN_Q_EVENT_QUARANTINED, p.received_before_ms = T0;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 0);
    p.received_before_ms = T0 + 1;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 1);
    p = (struct pn_host_purge)PN_HOST_PURGE_ANY;
    p.kind = PN_Q_RECORD, p.node = "mx1";
    assert_int_equal(pn_host_purge(w.host, &p, &err), 0);
    p.node = "mx2";
    assert_int_equal(pn_host_purge(w.host, &p, &err), 1);
    world_stop(&w);
}

/* Steps of a retention round, carried out. */
static void test_retention(void **state)
{
    struct pn_retention_config c = {.age_ms = {[PN_RETENTION_SPAM] = 2 * HOUR, [PN_RETENTION_OTHER] = 5 * HOUR},
                                    .batch = 3};
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_retention r = {.at = 0};
    struct pn_error err;
    struct world w;
    unsigned gone = 0;

    (void)state;
    world_start(&w);
    for (unsigned i = 0; i < 10; i++) {
        take(&w, &(struct mail){.event = PN_Q_EVENT_SPAM, .at_ms = T0 + i * HOUR, .subject = "s"});
        take(&w, &(struct mail){.event = PN_Q_EVENT_QUARANTINED, .at_ms = T0 + i * HOUR, .subject = "q"});
        take(&w, &(struct mail){.kind = PN_Q_RECORD, .event = PN_Q_EVENT_SPAM, .at_ms = T0});
    }
    pn_retention_init(&r, &c);
    for (unsigned i = 0;; i++) {
        struct pn_retention_step s = pn_retention_next(&r, T0 + 10 * HOUR);
        if (s.act == PN_RETENTION_WAIT)
            break;
        assert_int_equal(s.act, PN_RETENTION_PURGE);
        int n = pn_host_purge(w.host, &s.purge, &err);
        pn_retention_done(&r, &s, n);
        gone += (unsigned)n;
        assert_true(i < 20);
    }
    assert_int_equal(gone, 8 + 5);
    q.kind = PN_Q_RECORD;
    assert_int_equal(find(&w, q).n, 10);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_retention),
    };
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
