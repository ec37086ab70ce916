/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding between a spool and a host over a bad network: frames are lost, repeated and reordered, both ends restart.
 * In the end the host shows each item exactly once and the node waits for nothing. And the host's store by itself.
 */
#include <poll.h>
#include <sqlite3.h>

#include "tests/unit/quarantine_net.h"

static void test_clean(void **state)
{
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 1, 0);
    add(&w, 60);
    link_up(&w);
    drain(&w);
    check_host(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.acked_items, 60);
    assert_int_equal(st.repeats, 0);
    assert_int_equal(st.bad_frames, 0);
    world_stop(&w);
}

static void test_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world w;
        world_start(&w, seed * 7919, 20);
        add(&w, 30);
        link_up(&w);
        for (unsigned i = 0; i < 300; i++) {
            step(&w);
            unsigned d = dice(&w, 100);
            if (d == 0) {
                host_stop(&w);
                host_start(&w);
                link_up(&w);
            } else if (d == 1) {
                node_stop(&w);
                node_start(&w);
                link_up(&w);
            } else if (d == 2) {
                link_up(&w);
            } else if (d < 6) {
                add(&w, 1 + dice(&w, 3));
            }
        }
        drain(&w);
        check_host(&w);
        world_stop(&w);
    }
}

static void test_restored_host(void **state)
{
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 5, 0);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    host_stop(&w);
    store_backup(w.host_path, false);
    host_start(&w);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    w.now += 10000;
    pn_forward_pump(w.forward, w.now); /* it notes how much the host has taken */
    host_stop(&w);
    store_backup(w.host_path, true);
    host_start(&w);
    link_up(&w);
    for (unsigned i = 0; i < 50; i++)
        step(&w);
    drain(&w);
    check_host(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.restored, 1);
    world_stop(&w);
}

/* A database that goes and comes back with less, while nodes and host stay connected: the host says Welcome again. */
static void test_restored_database(void **state)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Hello hello = PN__Q__HELLO__INIT;
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 6, 0);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    host_stop(&w);
    store_backup(w.host_path, false);
    host_start(&w);
    add(&w, 20);
    pn_forward_down(w.forward);
    pn_forward_up(w.forward, 77, w.now);
    drain(&w);
    host_stop(&w);
    store_backup(w.host_path, true);
    host_start(&w);
    net_clear(&w.down);
    hello.node = (char *)(uintptr_t) "mx1";
    hello.session = 77;
    frame.hello = &hello; /* of the same session: the node itself goes on as before */
    assert_int_equal(pn_qframe_send(&frame, 77, net_send, &w.up), 0);
    for (unsigned i = 0; i < 50; i++)
        step(&w);
    drain(&w);
    check_host(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.restored, 1);
    assert_int_equal(st.state, PN_FORWARD_RUNNING);
    world_stop(&w);
}

/* Behind the host's back. */
static void store_change(struct world *w, const char *verb, const char *table, const char *rest)
{
    char path[120], sql[160], schema[16] = "";
    sqlite3 *db;

    if (store.postgresql)
        snprintf(schema, sizeof(schema), "w%u.", store.schema);
    snprintf(sql, sizeof(sql), "%s %s%s %s", verb, schema, table, rest);
    if (store.postgresql) {
        assert_int_equal(store_psql(sql), 0);
        return;
    }
    snprintf(path, sizeof(path), "%s/host.db", w->host_path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The same so quickly that the host never was without it. */
static void test_other_database_at_once(void **state)
{
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 7, 0);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    store_change(&w, "UPDATE", "node", "SET accepted = accepted - 10");
    add(&w, 3);
    for (unsigned i = 0; i < 300; i++)
        step(&w);
    drain(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.restored, 1);
    world_stop(&w);
}

/* What the node sends at once is with the host. */
static void sent_arrives(struct world *w)
{
    pn_forward_pump(w->forward, w->now);
    for (unsigned i = 0; i < w->up.n; i++)
        pn_receive_frame(w->receive, w->up.q[i].bytes, w->up.q[i].len);
    net_clear(&w->up);
}

static void all_arrives(struct world *w)
{
    for (unsigned i = 0; i < 300; i++)
        step(w);
    drain(w);
    check_host(w);
    world_stop(w);
}

/* The same before an acknowledgement has gone: what the new one has not is not acknowledged, nor behind a Welcome. */
static void test_other_database_before_ack(void **state)
{
    struct world w;

    (void)state;
    for (unsigned welcomed = 0; welcomed < 2; welcomed++) {
        world_start(&w, 9, 0);
        add(&w, 300); /* more than are offered again at once */
        link_up(&w);
        drain(&w);
        add(&w, 3);
        sent_arrives(&w);
        assert_true(pn_host_commit(w.host) > 0);
        store_change(&w, "DELETE FROM", "item", "WHERE seq > 299");
        store_change(&w, "UPDATE", "node", "SET accepted = 299");
        if (welcomed)
            pn_receive_again(w.receive);
        pn_receive_flush(w.receive);
        all_arrives(&w);
    }
}

/* The database is a standby that has the first n items, and not the last change. */
static void standby(struct world *w, unsigned n)
{
    char rest[80];

    snprintf(rest, sizeof(rest), "WHERE seq > %u", n);
    store_change(w, "DELETE FROM", "item", rest);
    snprintf(rest, sizeof(rest), "SET accepted = %u", n);
    store_change(w, "UPDATE", "node", rest);
    store_change(w, "UPDATE", "meta", "SET value = 1 WHERE key = 'change'");
    assert_int_equal(store_psql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                                " WHERE datname = 'postgres' AND pid <> pg_backend_pid()"),
                     0);
    w->uncounted = n;
}

/* Of 30 items it has 25, and some since. */
static void standby_with(struct world *w, unsigned since)
{
    add(w, 30);
    link_up(w);
    drain(w);
    standby(w, 25);
    add(w, since);
    sent_arrives(w);
    assert_true(pn_host_commit(w->host) > 5);
}

/* A standby that had not had all, with more new items since than it lacks: the count alone tells nothing. */
static void test_standby_with_less(void **state)
{
    struct world w;

    (void)state;
    if (!store.postgresql)
        skip();
    world_start(&w, 10, 0);
    standby_with(&w, 40);
    all_arrives(&w);
}

/* The link broke with what says so: the next one tells it, too. */
static void test_standby_link_breaks(void **state)
{
    struct world w;

    (void)state;
    if (!store.postgresql)
        skip();
    world_start(&w, 14, 0);
    standby_with(&w, 10);
    pn_receive_flush(w.receive);
    pn_receive_free(w.receive);
    w.receive = pn_receive_new(w.host, "mx1", net_send, &w.down);
    link_up(&w);
    all_arrives(&w);
}

/* It came after a round's change and before the answers: they are of the database before. */
static void test_standby_before_answers(void **state)
{
    struct pn_error err;
    struct world w;

    (void)state;
    if (!store.postgresql)
        skip();
    world_start(&w, 12, 0);
    host_stop(&w);
    struct pn_host_options o = {.path = w.host_path, .background = true};
    store_options(&o);
    assert_int_equal(pn_host_open(&o, &w.host, &err), 0);
    w.receive = pn_receive_new(w.host, "mx1", net_send, &w.down);
    add(&w, 300);
    link_up(&w);
    drain(&w);
    add(&w, 3);
    sent_arrives(&w);
    pn_host_commit_begin(w.host);
    struct pollfd done = {.fd = pn_host_commit_fd(w.host), .events = POLLIN};
    assert_int_equal(poll(&done, 1, 10000), 1);
    standby(&w, 300);
    pn_receive_again(w.receive);
    assert_int_equal(pn_host_commit_poll(w.host), 0);
    pn_receive_flush(w.receive);
    all_arrives(&w);
}

static bool offer_fails;

static int offer_again(void *arg)
{
    return offer_fails ? -1 : pn_forward_spool_ops.offer_again(arg);
}

/* The host says it once; the spool could not do it then. */
static void test_standby_spool_fails(void **state)
{
    struct pn_forward_ops ops = pn_forward_spool_ops;
    struct pn_forward_options f = {.node = "mx1", .retry_ms = 200, .retry_max_ms = 2000};
    struct world w;

    (void)state;
    if (!store.postgresql)
        skip();
    world_start(&w, 13, 0);
    ops.offer_again = offer_again;
    pn_forward_free(w.forward);
    w.forward = pn_forward_new(&f, &ops, w.spool, net_send, &w.up);
    standby_with(&w, 40);
    offer_fails = true;
    for (unsigned i = 0; i < 50; i++)
        step(&w);
    offer_fails = false;
    all_arrives(&w);
}

/* A host that was none for a moment, its links up: it has forgotten the session, and the node says Hello again. */
static void test_forgotten_session(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 8, 0);
    add(&w, 5);
    link_up(&w);
    drain(&w);
    pn_receive_free(w.receive);
    w.receive = pn_receive_new(w.host, "mx1", net_send, &w.down);
    add(&w, 5);
    for (unsigned i = 0; i < 3000 && pending(&w); i++)
        step(&w);
    assert_int_equal(pending(&w), 0);
    check_host(&w);
    world_stop(&w);
}

struct one {
    struct pn_host_row row;
    unsigned n;
    char subject[64], sender[64];
};

static int take_one(void *arg, const struct pn_host_row *row)
{
    struct one *o = arg;
    o->row = *row;
    o->n++;
    snprintf(o->subject, sizeof(o->subject), "%s", row->item->subject);
    snprintf(o->sender, sizeof(o->sender), "%s", row->item->sender);
    return 0;
}

static struct one find(struct world *w, struct pn_host_query q)
{
    struct one o = {.n = 0};
    struct pn_error err;
    if (pn_host_find(w->host, &q, take_one, &o, &err) != 0)
        fail_msg("%s", err.text);
    return o;
}

static void test_host(void **state)
{
    struct pn_host_query any = PN_HOST_QUERY_ANY, q;
    struct pn_host_purge p = PN_HOST_PURGE_ANY;
    struct pn_hostdb_totals t;
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w, 11, 0);
    for (unsigned i = 1; i <= 5; i++)
        fixture_intake(w.spool, i, 1000, NULL, NULL);
    pn_spool_commit(w.spool);
    w.added = 5;
    link_up(&w);
    drain(&w);
    q = any, q.recipient = "R3@Example.NET";
    struct one o = find(&w, q);
    assert_int_equal(o.n, 1);
    assert_string_equal(o.subject, "message 3");
    uint64_t number = o.row.number;
    q = any, q.recipient = "@example.net";
    assert_int_equal(find(&w, q).n, 5);
    q = any, q.sender = "@example.org", q.node = "mx1", q.limit = 2;
    assert_int_equal(find(&w, q).n, 2);
    q = any, q.sender = "@example.com";
    assert_int_equal(find(&w, q).n, 0);
    q = any, q.subject = "message 4";
    assert_int_equal(find(&w, q).n, 1);
    q = any, q.text = "s2@example.org OR \"x";
    assert_int_equal(find(&w, q).n, 0); /* words, not operators */
    q = any, q.text = "s2@example.org", q.recipient = "r2@example.net";
    assert_int_equal(find(&w, q).n, 1);
    q = any, q.reason = "test", q.before = number;
    assert_int_equal(find(&w, q).n, 2);
    q = any, q.from_ms = 1700000000004ull;
    assert_int_equal(find(&w, q).n, 2);
    /* States only go forward, and one caller wins. */
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_RELEASED, "admin", "to r3", &err), 1);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_RELEASED, "other", "", &err), 0);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_DELETED, "other", "", &err), 0);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_NEW, "other", "", &err), -1);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_SEEN, true, "admin", &err), 1);
    q = any, q.state = PN_HOST_RELEASED;
    o = find(&w, q);
    assert_int_equal(o.n, 1);
    assert_int_equal(o.row.flags, PN_HOST_SEEN);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_HOLD, true, "admin", &err), 1);
    p.received_before_ms = 1700000000002ull;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 1);
    assert_int_equal(pn_host_raw(w.host, number - 2, nothing, NULL, &err), -1);
    p.received_before_ms = INT64_MAX;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 3); /* the held one stays */
    assert_int_equal(pn_host_totals(w.host, &t), 0);
    assert_int_equal(t.items, 1);
    assert_int_equal(t.waiting, 0);
    assert_int_equal(pn_host_raw(w.host, number, nothing, NULL, &err), 0);
    assert_int_equal(pn_host_purge_size(w.host, 0, &err), 0);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_HOLD, false, "admin", &err), 1);
    assert_int_equal(pn_host_purge_size(w.host, 0, &err), 1);
    assert_int_equal(find(&w, any).n, 0);
    /* What was purged is still known: offered again, it is acknowledged and not shown. */
    assert_int_equal(pn_spool_offer_again(w.spool, true, false, &err), 0);
    link_up(&w);
    drain(&w);
    assert_int_equal(find(&w, any).n, 0);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    int end = store_begin(argc, argv);

    if (end >= 0)
        return end;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_restored_host),
        cmocka_unit_test(test_restored_database),
        cmocka_unit_test(test_forgotten_session),
        cmocka_unit_test(test_other_database_at_once),
        cmocka_unit_test(test_other_database_before_ack),
        cmocka_unit_test(test_standby_with_less),
        cmocka_unit_test(test_standby_before_answers),
        cmocka_unit_test(test_standby_spool_fails),
        cmocka_unit_test(test_standby_link_breaks),
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
