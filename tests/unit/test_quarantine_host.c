/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's store on each of its databases: words, odd bytes, pages, the reader. */
#include "tests/unit/quarantine_taken.h"

/* The same words are found in each database. */
static void test_words(void **state)
{
    static const struct mail mails[] = {
        {.subject = "Invoice No. 4711-b for Stra\xc3\x9f"
                    "e",
         .reason = "score 7.5: BAYES_99",
         .headers = "X-Mailer: Foo/2.0\r\n"},
        {.subject = "Caf\xc3\xa9 au lait", .reason = "virus Eicar-Test", .headers = "List-Id: <news.example.org>\r\n"},
        {.subject = "it's \"quoted\" \\ done", .reason = "", .headers = "From: a.b@example.org\r\n"},
        {.subject = "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", .reason = "invoice"},
        {.subject =
             "=?utf-8?q?Z=C3=BCrich_?= =?koi8-r?B?8NLJ18XU?= =?utf-8?q?x"}, /* as nodes of older versions send it */
    };
    static const struct {
        const char *subject, *reason, *text;
        unsigned bits; /* of mails */
    } rows[] = {
        {"invoice", NULL, NULL, 1},
        {"INVOICE", NULL, NULL, 1},
        {"invoi", NULL, NULL, 0},
        {"4711-b", NULL, NULL, 1},
        {"b-4711", NULL, NULL, 0}, /* parts of one word stand in order */
        {"4711 for", NULL, NULL, 1},
        {"for invoice", NULL, NULL, 1}, /* words do not */
        {"cafe", NULL, NULL, 2},
        {"CAF\xc3\x89", NULL, NULL, 2},
        {"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", NULL, NULL, 24},
        {"stra\xc3\x9f"
         "e",
         NULL, NULL, 1},
        {"it's", NULL, NULL, 4},
        {"\"quoted\"", NULL, NULL, 4},
        {"\\", NULL, NULL, 0},
        {"---", NULL, NULL, 0}, /* nothing but punctuation is in no text */
        {"invoice ---", NULL, NULL, 0},
        {"invoice OR cafe", NULL, NULL, 0},
        {"NOT", NULL, NULL, 0},
        {"inv*", NULL, NULL, 0},
        {"'a':A | 'b'", NULL, NULL, 0},
        {NULL, "bayes_99", NULL, 1},
        {NULL, "7.5", NULL, 1},
        {NULL, "5.7", NULL, 0},
        {NULL, "eicar", NULL, 2},
        {NULL, "invoice", NULL, 8}, /* of the reason alone */
        {NULL, NULL, "invoice", 1}, /* subject and headers, not the reason */
        {NULL, NULL, "foo/2.0", 1},
        {NULL, NULL, "a.b@example.org", 4},
        {NULL, NULL, "example.org", 6},
        {NULL, NULL, "news.example", 2},
        {"cafe", "virus", "list-id", 2},
        {"cafe", "invoice", NULL, 0},
        {"  cafe \t lait ", NULL, NULL, 2},
        {"done a", NULL, NULL, 0},
        {"z\xc3\xbcrich", NULL, NULL, 16},
        {"koi8", NULL, NULL, 0},
        {"utf", NULL, NULL, 16}, /* what cannot be decoded stays */
    };
    struct pn_host_query any = PN_HOST_QUERY_ANY;
    struct world w;

    (void)state;
    world_start(&w);
    for (unsigned i = 0; i < 5; i++)
        take(&w, &mails[i]);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_host_query q = any;
        q.subject = rows[i].subject, q.reason = rows[i].reason, q.text = rows[i].text;
        struct found f = find(&w, q);
        unsigned bits = 0;
        for (unsigned k = 0; k < f.n; k++)
            bits |= 1u << (f.sequences[k] - 1);
        if (bits != rows[i].bits)
            fail_msg("row %u (%s, %s, %s): %x, not %x", i, rows[i].subject, rows[i].reason, rows[i].text, bits,
                     rows[i].bits);
    }
    world_stop(&w);
}

static void test_odd_bytes(void **state)
{
    static const struct mail odd = {.sender = "a\xff@Example.ORG",
                                    .recipient = "\"x, y\"@example.net",
                                    .recipient2 = "b{}\\@x",
                                    .subject = "bad \xc3 utf8 \x01",
                                    .rule = "r\xe9gle",
                                    .node = "mx1"};
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct world w;

    (void)state;
    world_start(&w);
    take(&w, &odd);
    q.recipient = "\"X, y\"@example.net";
    assert_int_equal(find(&w, q).n, 1);
    q.recipient = "b{}\\@x";
    assert_int_equal(find(&w, q).n, 1);
    q.recipient = "b{}@x";
    assert_int_equal(find(&w, q).n, 0);
    q.recipient = NULL;
    q.sender = "@example.org";
    assert_int_equal(find(&w, q).n, 1);
    q.sender = "a\xff@example.org";
    assert_int_equal(find(&w, q).n, 1);
    q.sender = NULL;
    q.rule = "r\xe9gle";
    assert_int_equal(find(&w, q).n, 1);
    world_stop(&w);
}

static void test_pages(void **state)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w);
    for (unsigned i = 0; i < 10; i++)
        take(&w, &(struct mail){.recipient = "a@x", .subject = "same", .at_ms = T0 + i});
    q.limit = 4;
    struct found f = find(&w, q);
    assert_int_equal(f.n, 4);
    assert_int_equal(f.sequences[0], 10);
    q.before = f.numbers[3];
    assert_int_equal(find(&w, q).sequences[0], 6);
    q.after = find(&w, q).numbers[2];
    assert_int_equal(find(&w, q).n, 2);
    assert_int_equal(pn_host_flag_set(w.host, f.numbers[1], PN_HOST_SEEN, true, "a", &err), 1);
    struct pn_host_query u = PN_HOST_QUERY_ANY;
    u.unseen = true, u.recipient = "a@x";
    assert_int_equal(find(&w, u).n, 9);
    assert_int_equal(pn_host_flag_set(w.host, f.numbers[1], PN_HOST_SEEN, false, "a", &err), 1);
    assert_int_equal(find(&w, u).n, 10);
    u.from_ms = T0 + 2, u.to_ms = T0 + 5, u.recipient = NULL, u.node = "mx1";
    f = find(&w, u);
    assert_int_equal(f.n, 3);
    assert_int_equal(f.sequences[0], 5);
    world_stop(&w);
}

/* A second handle for another thread sees what the first has committed, and what comes later. */
static void test_reader(void **state)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_host_options o = {.reader = true};
    struct world w, second = {.host = NULL};
    struct pn_error err;

    (void)state;
    world_start(&w);
    take(&w, &(struct mail){.subject = "one"});
    o.path = w.path;
    store_options(&o);
    if (pn_host_open(&o, &second.host, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(find(&second, q).n, 1);
    take(&w, &(struct mail){.subject = "two"});
    assert_int_equal(find(&second, q).n, 2);
    assert_int_equal(pn_host_store(second.host), pn_host_store(w.host));
    pn_host_close(second.host);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_odd_bytes),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_reader),
    };
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
