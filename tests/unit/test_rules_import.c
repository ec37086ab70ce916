/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists from files and to files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/rules/export.h"
#include "controlplane/rules/order.h"
#include "tests/unit/rules_cluster.h"

static struct rc_cluster c;
static char errors[4096];
static uint64_t progress_rows;

static int setup(void **state)
{
    (void)state;
    memset(&c, 0, sizeof(c));
    rc_start(&c, 2);
    errors[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rc_stop(&c);
    return 0;
}

static void on_error(void *arg, uint64_t line, const char *text)
{
    (void)arg;
    snprintf(errors + strlen(errors), sizeof(errors) - strlen(errors), "%llu: %s\n", (unsigned long long)line, text);
}

static void on_progress(void *arg, uint64_t bytes, uint64_t rows)
{
    (void)arg;
    (void)bytes;
    progress_rows = rows;
}

static int import(enum pn_import_format format, const char *kind, const char *text, bool skip_bad,
                  struct pn_import_result *result, struct pn_error *err)
{
    FILE *f = fmemopen((void *)text, strlen(text), "r");
    const struct pn_import_options o = {.format = format,
                                        .kind = kind ? pn_kind_by_name(kind) : NULL,
                                        .owner = "me@here.example",
                                        .skip_bad = skip_bad,
                                        .progress = on_progress,
                                        .error = on_error};
    int rc = pn_rules_import(c.rules[0], f, &o, result, err);

    fclose(f);
    return rc;
}

static void test_plain_list(void **state)
{
    struct pn_import_result r;
    struct pn_error err;

    (void)state;
    assert_int_equal(
        import(PN_IMPORT_CSV, "blocklist",
               "\xef\xbb\xbf# spammers\r\n\r\nA@Spam.example\r\n*@*.tv\n192.0.2.0/24\n\"q q\"@spam.example", false, &r,
               &err),
        0);
    assert_int_equal(r.added, 4);
    assert_int_equal(rc_get(&c, 0, "blocklist", "\"q q\"@spam.example", NULL), 1);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK_IP), 1);
    assert_int_equal(import(PN_IMPORT_CSV, "blocklist", "a@spam.example\nb@spam.example\n", false, &r, &err), 0);
    assert_int_equal(r.added, 1);
    assert_int_equal(r.unchanged, 1);
}

/* A spreadsheet's "CSV (Macintosh)": two domains are not one, and no comment swallows the next line. */
static void test_csv_carriage_returns(void **state)
{
    static const char alone[] = "1: found a carriage return without a line feed: lines end in LF or CRLF\n";
    static char many[100001];
    struct pn_import_result r;
    struct pn_error err;

    (void)state;
    assert_int_equal(import(PN_IMPORT_CSV, "blocklist", "one.example\rtwo.example\r", false, &r, &err), -1);
    assert_string_equal(errors, alone);
    errors[0] = '\0';
    assert_int_equal(import(PN_IMPORT_CSV, "blocklist", "# mine\rone.example\n", false, &r, &err), -1);
    assert_string_equal(errors, alone);
    errors[0] = '\0';
    assert_int_equal(import(PN_IMPORT_CSV, NULL, "list,value\rblocklist,one.example\r", false, &r, &err), -1);
    assert_string_equal(errors, alone);
    errors[0] = '\0';
    for (unsigned i = 0; i < 10000; i++) /* longer than a line may be */
        memcpy(many + 10 * i, "a.example\r", 10);
    assert_int_equal(import(PN_IMPORT_CSV, "blocklist", many, false, &r, &err), -1);
    assert_string_equal(errors, alone);
    errors[0] = '\0';
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 0);
    assert_int_equal(import(PN_IMPORT_CSV, NULL,
                            "list,value,note\r\nblocklist,\"one.example\",\"a\rb\"\r\r\n\r\nblocklist,x.example\ry,\r\n"
                            "blocklist,two.example,\r",
                            true, &r, &err),
                     0);
    assert_int_equal(r.added, 2);
    assert_int_equal(r.bad, 1);
    assert_non_null(strstr(errors, "4: found a carriage return"));
    errors[0] = '\0';
}

static void test_csv_with_columns(void **state)
{
    struct pn_import_result r;
    struct pn_error err;
    struct pn_rule rule;
    const char *text = "Value;List;Description;Owner\n"
                       "a@spam.example;blacklist;\"says \"\"hello\"\"; and\nmore\";\n"
                       "bad address;blocklist;x;\n"
                       "b@spam.example;personal-blocklist;;You@Here.example\n"
                       "c@spam.example;personal-blocklist;;\n"
                       "d@spam.example;nolist;;\n";

    (void)state;
    assert_int_equal(import(PN_IMPORT_CSV, NULL, text, false, &r, &err), -1);
    assert_non_null(strstr(err.text, "2 of 5"));
    assert_non_null(strstr(errors, "4: ")); /* the quoted field has a line of its own */
    assert_non_null(strstr(errors, "7: there is no list \"nolist\""));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 0);
    assert_int_equal(import(PN_IMPORT_CSV, NULL, text, true, &r, &err), 0);
    assert_int_equal(r.rows, 5);
    assert_int_equal(r.bad, 2);
    assert_int_equal(r.added, 3);
    pn_rule_init(&rule);
    assert_int_equal(rc_get(&c, 0, "blocklist", "a@spam.example", &rule), 1);
    assert_string_equal(rule.description, "says \"hello\"; and more"); /* one line */
    pn_rule_clear(&rule);
}

static void test_json(void **state)
{
    struct pn_import_result r;
    struct pn_error err;
    struct pn_rule rule;

    (void)state;
    assert_int_equal(import(PN_IMPORT_JSON, "welcomelist",
                            "[{\"value\":\"a@good.example\",\"description\":\"{[\\\"}\",\"more\":[{}]},\n"
                            " {\"list\":\"keyword\",\"name\":\"k\",\"text\":{\"words\":[\"x\"]}},\n"
                            " {\"value\":7}, {\"value\":\"a@b@\"},\n {\"value\":\"b@good.example\",}]",
                            true, &r, &err),
                     0);
    assert_int_equal(r.added, 2);
    assert_int_equal(r.bad, 3);
    assert_non_null(strstr(errors, "3: it has no value"));
    assert_non_null(strstr(errors, "4: "));
    pn_rule_init(&rule);
    assert_int_equal(rc_get(&c, 0, "keyword", "k", &rule), 1);
    assert_string_equal(rule.body, "{\"words\":[\"x\"]}");
    pn_rule_clear(&rule);
    assert_int_equal(import(PN_IMPORT_JSON, "welcomelist",
                            "{\"value\":\"c@good.example\"}\n{\"value\":\"d@good.example\"}", false, &r, &err),
                     0);
    assert_int_equal(r.added, 2);
    assert_int_equal(import(PN_IMPORT_JSON, "welcomelist", "[{\"value\":\"e@good.example\"}", true, &r, &err), -1);
    assert_non_null(strstr(err.text, "not closed"));
    assert_int_equal(import(PN_IMPORT_JSON, "welcomelist", "{}\nx", true, &r, &err), -1);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(rc_get(&c, 0, "welcomelist", "e@good.example", NULL), 0);
}

static void test_xml_of_gfi(void **state)
{
    struct pn_import_result r;
    struct pn_error err;
    struct pn_rule_key key;
    const char *text = "<xml xmlns:s='uuid:1' xmlns:rs='urn:schemas-microsoft-com:rowset' xmlns:z='#RowsetSchema'>\n"
                       "<s:Schema id='RowsetSchema'><s:ElementType name='row'/></s:Schema>\n"
                       "<rs:data>\n"
                       "<z:row description=\"awesome &amp; good\" entry=\"*@good.example\" type=\"1\" />\n"
                       "<z:row description=\"\" entry=\"both@good.example\" type=\"5\" />\n"
                       "<z:row description=\"\" entry=\"x@good.example\" type=\"9\" />\n"
                       "</rs:data></xml>\n";

    (void)state;
    assert_int_equal(import(PN_IMPORT_XML, "whitelist", text, true, &r, &err), 0);
    assert_int_equal(r.added, 3);
    assert_int_equal(r.bad, 1);
    assert_non_null(strstr(errors, "6: \"9\" is no type"));
    pn_rule_key_make(&key, pn_kind_by_name("welcomelist"), NULL, "both@good.example", "mime-sender", &err);
    assert_int_equal(pn_rules_get(c.rules[0], &key, NULL, &err), 1);
    pn_rule_key_make(&key, pn_kind_by_name("welcomelist"), NULL, "both@good.example", "smtp-sender", &err);
    assert_int_equal(pn_rules_get(c.rules[0], &key, NULL, &err), 1);
    assert_int_equal(
        import(PN_IMPORT_XML, "whitelist",
               "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x><row entry=\"&b;@x.example\"/></x>", true,
               &r, &err),
        -1);
    assert_non_null(strstr(err.text, "DOCTYPE"));
    assert_int_equal(import(PN_IMPORT_XML, "whitelist", "<x>\n<row entry='a@b.example'>\n</x>", true, &r, &err), -1);
    assert_non_null(strstr(err.text, "line 3"));
    assert_int_equal(rc_get(&c, 0, "welcomelist", "a@b.example", NULL), 0);
    /* Something else is not an empty list. */
    assert_int_equal(import(PN_IMPORT_XML, "whitelist", "<a><entry>a@b.example</entry></a>", true, &r, &err), -1);
    assert_non_null(strstr(err.text, "z:row"));
    assert_int_equal(import(PN_IMPORT_XML, "whitelist", "<xml><data/></xml>", true, &r, &err), 0);
    assert_int_equal(r.added, 0);
}

static void test_what_is_exported_can_be_imported(void **state)
{
    const struct pn_rules_query all = {0};
    struct pn_error err;

    (void)state;
    rc_change(&c, 0, "blocklist", NULL, "a@b.example", "\"quoted\", <&> and more", false);
    rc_change(&c, 0, "personal-welcomelist", "me@here.example", "*@b.example", " leading", false);
    rc_change(&c, 0, "ip-blocklist", NULL, "2001:db8::/32", "", false);
    rc_change(&c, 0, "keyword", NULL, "a, rule", "{\n\t\"words\": [\"x\"]\n}", false);
    for (int format = 0; format < PN_IMPORT_FORMATS; format++) {
        char *first = NULL, *second = NULL;
        size_t len;
        struct pn_import_result r;
        const struct pn_import_options o = {.format = (enum pn_import_format)format, .error = on_error};
        FILE *f = open_memstream(&first, &len);
        assert_int_equal(pn_rules_export(c.rules[0], &all, (enum pn_import_format)format, f, &err), 4);
        fclose(f);
        char path[128];
        snprintf(path, sizeof(path), "%s/n2.db", c.dir);
        pn_rules_close(c.rules[1]);
        for (const char *const *e = (const char *const[]){"", "-wal", "-shm", NULL}; *e; e++) {
            char p[160];
            snprintf(p, sizeof(p), "%s%s", path, *e);
            unlink(p);
        }
        rc_open(&c, 1);
        f = fmemopen(first, strlen(first), "r");
        if (pn_rules_import(c.rules[1], f, &o, &r, &err) != 0)
            fail_msg("%s\n%s\n%s", err.text, errors, first);
        fclose(f);
        assert_int_equal(r.added, 4);
        f = open_memstream(&second, &len);
        assert_int_equal(pn_rules_export(c.rules[1], &all, (enum pn_import_format)format, f, &err), 4);
        fclose(f);
        assert_string_equal(first, second);
        free(first);
        free(second);
    }
}

static void test_a_large_file_in_small_memory(void **state)
{
    enum { ROWS = 12000 };
    char path[128];
    struct pn_import_result r;
    struct pn_error err;
    const struct pn_import_options o = {
        .format = PN_IMPORT_CSV, .kind = pn_kind_by_name("blocklist"), .progress = on_progress};

    (void)state;
    snprintf(path, sizeof(path), "%s/large.csv", c.dir);
    FILE *f = fopen(path, "w+");
    for (unsigned i = 0; i < ROWS; i++)
        fprintf(f, "user%u@example.org\n", i);
    rewind(f);
    assert_int_equal(pn_rules_import(c.rules[0], f, &o, &r, &err), 0);
    fclose(f);
    assert_int_equal(r.added, ROWS);
    assert_int_equal(progress_rows, ROWS);
    struct pn_rules_status st;
    pn_rules_status(c.rules[0], &st);
    assert_int_equal(st.changes, 3); /* groups of 5,000 */
}

static void test_fields_have_bounds(void **state)
{
    static char text[200000];
    struct pn_import_result r;
    struct pn_error err;

    (void)state;
    memset(text, 'a', 150000);
    strcpy(text + 150000, "\nb@good.example\n");
    assert_int_equal(import(PN_IMPORT_CSV, "welcomelist", text, true, &r, &err), 0);
    assert_int_equal(r.bad, 1);
    assert_int_equal(r.added, 1);
    assert_non_null(strstr(errors, "1: the line is longer"));
    memcpy(text, "{\"value\":\"", 10);
    strcpy(text + 150000, "\"}{\"value\":\"c@good.example\"}");
    assert_int_equal(import(PN_IMPORT_JSON, "welcomelist", text, true, &r, &err), 0);
    assert_int_equal(r.bad, 1);
    assert_int_equal(r.added, 1);
}

static void test_order(void **state)
{
    const char *names[] = {"zeta", "b", "a", "c"};

    (void)state;
    pn_rule_order_apply("c\ngone\nzeta\n", names, 4);
    assert_string_equal(names[0], "c");
    assert_string_equal(names[1], "zeta");
    assert_string_equal(names[2], "a");
    assert_string_equal(names[3], "b");
    pn_rule_order_apply(NULL, names, 4);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[3], "zeta");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_plain_list),
        T(test_csv_carriage_returns),
        T(test_csv_with_columns),
        T(test_json),
        T(test_xml_of_gfi),
        T(test_what_is_exported_can_be_imported),
        T(test_a_large_file_in_small_memory),
        T(test_fields_have_bounds),
        T(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
