/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries as operators write them, in their normal form or refused with a reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/rules/record.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D127 L63 "." L63

static void test_normal_forms(void **state)
{
    static const struct {
        const char *in, *out;
        uint8_t type;
    } cases[] = {
        {"User@Example.ORG", "user@example.org", PN_VALUE_ADDRESS},
        {"  user@example.org.\t", "user@example.org", PN_VALUE_ADDRESS},
        {"<user@example.org>", "user@example.org", PN_VALUE_ADDRESS},
        {"\"user\"@example.org", "user@example.org", PN_VALUE_ADDRESS},
        {"\"us\\er\"@example.org", "user@example.org", PN_VALUE_ADDRESS},
        {"\"a b\"@example.org", "\"a b\"@example.org", PN_VALUE_ADDRESS},
        {"\"a@b\"@example.org", "\"a@b\"@example.org", PN_VALUE_ADDRESS},
        {"\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org", PN_VALUE_ADDRESS},
        {"o'brien+x@localhost", "o'brien+x@localhost", PN_VALUE_ADDRESS},
        {"J\xc3\xb6rg@b\xc3\xbc"
         "cher.example",
         "j\xc3\xb6rg@xn--bcher-kva.example", PN_VALUE_ADDRESS},
        {"user@[192.0.2.1]", "user@[192.0.2.1]", PN_VALUE_ADDRESS},
        {"user@[ipv6:2001:DB8:0::1]", "user@[IPv6:2001:db8::1]", PN_VALUE_ADDRESS},
        {"*@Example.org", "*@example.org", PN_VALUE_AT_DOMAIN},
        {"@example.org", "*@example.org", PN_VALUE_AT_DOMAIN},
        {"*@*.RU", "*@*.ru", PN_VALUE_AT_SUBDOMAINS},
        {"*.example.org", "*@*.example.org", PN_VALUE_AT_SUBDOMAINS},
        {".example.org", "*@*.example.org", PN_VALUE_AT_SUBDOMAINS},
        {"Example.org.", "example.org", PN_VALUE_DOMAIN},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", PN_VALUE_DOMAIN},
        {"BU\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example", PN_VALUE_DOMAIN}, /* decomposed */
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example", PN_VALUE_DOMAIN},
        {"stra\xc3\x9f"
         "e.example",
         "xn--strae-oqa.example", PN_VALUE_DOMAIN}, /* not strasse: IDNA 2008 */
        {"_mail.example.org", "_mail.example.org", PN_VALUE_DOMAIN},
        {D127 "." L63 "."
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         D127 "." L63 "."
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         PN_VALUE_DOMAIN}, /* 253 */
        {"192.0.2.1", "192.0.2.1", PN_VALUE_IP},
        {"192.0.2.1/32", "192.0.2.1", PN_VALUE_IP},
        {"192.0.2.7/24", "192.0.2.0/24", PN_VALUE_CIDR},
        {"10.255.1.2/9", "10.128.0.0/9", PN_VALUE_CIDR},
        {"::ffff:192.0.2.1", "192.0.2.1", PN_VALUE_IP},
        {"::FFFF:c000:201/128", "192.0.2.1", PN_VALUE_IP},
        {"::ffff:192.0.2.7/120", "192.0.2.0/24", PN_VALUE_CIDR},
        {"2001:DB8:0:0::1", "2001:db8::1", PN_VALUE_IP},
        {"[2001:db8::1]", "2001:db8::1", PN_VALUE_IP},
        {"2001:db8::1/32", "2001:db8::/32", PN_VALUE_CIDR},
        {"2001:db8::1/128", "2001:db8::1", PN_VALUE_IP},
    };
    struct pn_error err = {""};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pn_value v, again;
        if (pn_value_normalise(cases[i].in, &v, &err) != 0)
            fail_msg("\"%s\": %s", cases[i].in, err.text);
        assert_string_equal(v.text, cases[i].out);
        assert_int_equal(v.type, cases[i].type);
        assert_int_equal(pn_value_normalise(v.text, &again, &err), 0); /* a normal form is its own */
        assert_string_equal(again.text, v.text);
        assert_int_equal(again.type, v.type);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *in, *why;
    } cases[] = {
        {"", "empty"},
        {"   ", "empty"},
        {"a\nb@example.org", "control"},
        {"\xff@example.org", "UTF-8"},
        {"\xc0\xaf@example.org", "UTF-8"},
        {"\xed\xa0\x80@example.org", "UTF-8"},
        {"a b@example.org", "quotes"},
        {".a@example.org", "quotes"},
        {"a..b@example.org", "quotes"},
        {"\"\"@example.org", "nothing before"},
        {"\"a\"b\"@example.org", "backslash"},
        {L63 "ab@example.org", "64 octets"},
        {"a@", "no domain"},
        {"a@.", "empty part|no domain"},
        {"a@b..c", "empty part"},
        {"a@-b.example", "hyphen"},
        {"a@b-.example", "hyphen"},
        {"a@b c.example", "character"},
        {"a@" L63 "a.example", "63 octets"},
        {"a@" D127 "." L63 "." L63, "254|253 octets"},
        {D127 "." L63 "." L63, "253 octets"},
        {"ab@" D127 "." L63 "."
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "254 octets"},
        {"us*r@example.org", "stands alone"},
        {"user@*.example.org", "a \\* stands only|in the domain"},
        {"*@ex*mple.org", "in the domain"},
        {"*@*", "in the domain"},
        {"*@*.", "no domain"},
        {"ex*mple.org", "stands only"},
        {"com", "top-level"},
        {"1.2.3", "not an IP"},
        {"1.2.3.4.5", "not an IP"},
        {"256.1.1.1", "not an IP"},
        {"01.2.3.4", "not an IP"},
        {"192.0.2.0/33", "prefix length"},
        {"192.0.2.0/", "prefix length"},
        {"192.0.2.0/-1", "prefix length"},
        {"192.0.2.0/0", "every address"},
        {"::/0", "every address"},
        {"::ffff:0:0/96", "every address"},
        {"::ffff:1.2.3.4/24", "97 to 128"},
        {"2001:db8::1%eth0", "not an IP"},
        {"user@[192.0.2.1", "literal"},
        {"user@[192.0.2.0/24]", "literal"},
        {"user@[]", "literal"},
        {"xn--a.example", "international"},
        {"xn--\xc3\xa4.example", "international"},
    };
    struct pn_error err;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pn_value v;
        char why[64], *part, *save = NULL;
        bool found = false;
        err.text[0] = '\0';
        if (pn_value_normalise(cases[i].in, &v, &err) == 0)
            fail_msg("\"%s\" taken as %s", cases[i].in, v.text);
        snprintf(why, sizeof(why), "%s", cases[i].why);
        for (part = strtok_r(why, "|", &save); part; part = strtok_r(NULL, "|", &save))
            found |= strstr(err.text, part) != NULL;
        if (!found)
            fail_msg("\"%s\": %s", cases[i].in, err.text);
    }
    char big[5000];
    struct pn_value v;
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(pn_value_normalise(big, &v, &err), -1);
    assert_non_null(strstr(err.text, "1024"));
}

static void test_keys(void **state)
{
    struct pn_rule_key key;
    struct pn_error err;
    const struct pn_kind *block = pn_kind_by_name("Blacklist"), *personal = pn_kind_by_name("personal_whitelist");

    (void)state;
    assert_non_null(block);
    assert_non_null(personal);
    assert_int_equal(personal->number, PN_KIND_WELCOME_PERSONAL);
    assert_null(pn_kind_by_name("greylist"));
    assert_null(pn_kind_by_name("block"));
    assert_int_equal(pn_rule_key_make(&key, block, NULL, "X@Y.example", "MIME FROM", &err), 0);
    assert_int_equal(key.kind, PN_KIND_BLOCK);
    assert_int_equal(key.field, PN_FIELD_MIME_SENDER);
    assert_string_equal(key.value, "x@y.example");
    assert_int_equal(pn_rule_key_make(&key, block, "", "x@y.example", "", &err), 0);
    assert_int_equal(key.field, PN_FIELD_SMTP_SENDER);
    assert_int_equal(pn_rule_key_make(&key, block, NULL, "192.0.2.9/24", NULL, &err), 0);
    assert_int_equal(key.kind, PN_KIND_BLOCK_IP);
    assert_int_equal(key.field, PN_FIELD_NONE);
    assert_int_equal(pn_rule_key_make(&key, personal, "Me@Here.example", "*@y.example", NULL, &err), 0);
    assert_string_equal(key.owner, "me@here.example");
    assert_int_equal(pn_rule_key_make(&key, personal, NULL, "*@y.example", NULL, &err), -1);
    assert_non_null(strstr(err.text, "recipient"));
    assert_int_equal(pn_rule_key_make(&key, personal, "me@here.example", "192.0.2.1", NULL, &err), -1);
    assert_non_null(strstr(err.text, "takes an address"));
    assert_int_equal(pn_rule_key_make(&key, personal, "*@here.example", "a@b.example", NULL, &err), -1);
    assert_int_equal(pn_rule_key_make(&key, block, "me@here.example", "a@b.example", NULL, &err), -1);
    assert_int_equal(pn_rule_key_make(&key, block, NULL, "a@b.example", "subject", &err), -1);
    assert_int_equal(pn_rule_key_make(&key, pn_kind_by_name("ip-blocklist"), NULL, "a@b.example", NULL, &err), -1);
    assert_int_equal(pn_rule_key_make(&key, pn_kind_by_name("keyword"), NULL, " No \xe2\x82\xac spam ", NULL, &err), 0);
    assert_string_equal(key.value, "No \xe2\x82\xac spam");
}

static void test_kind_rows_are_sound(void **state)
{
    uint64_t seen = 0;

    (void)state;
    for (unsigned i = 0; i < pn_kinds_count; i++) {
        const struct pn_kind *k = &pn_kinds[i];
        assert_true(k->number > 0 && k->number < PN_KIND_LIMIT);
        assert_false(seen & PN_KIND_BIT(k->number));
        seen |= PN_KIND_BIT(k->number);
        assert_ptr_equal(pn_kind_by_name(k->name), k);
        if (k->for_net)
            assert_int_equal(pn_kind_by_number(k->for_net)->welcomes, k->welcomes);
        if (k->welcomes)
            assert_false(k->present_is_safe);
        char aliases[256], *save = NULL;
        snprintf(aliases, sizeof(aliases), "%s", k->aliases);
        for (char *a = strtok_r(aliases, " ", &save); a; a = strtok_r(NULL, " ", &save))
            assert_ptr_equal(pn_kind_by_name(a), k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_kind_rows_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
