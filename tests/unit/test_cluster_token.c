/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/cluster/token.h"

static struct pn_token sample(unsigned n_endpoints)
{
    struct pn_token t;

    memset(&t, 0, sizeof(t));
    for (unsigned i = 0; i < sizeof(t.invite); i++)
        t.invite[i] = (uint8_t)(i * 37 + 1);
    for (unsigned i = 0; i < sizeof(t.secret); i++)
        t.secret[i] = (uint8_t)(i * 91 + 5);
    for (unsigned i = 0; i < sizeof(t.ca); i++)
        t.ca[i] = (uint8_t)(i * 59 + 200);
    t.passphrase = n_endpoints & 1;
    t.n_endpoints = n_endpoints;
    for (unsigned i = 0; i < n_endpoints; i++) {
        if (i & 1)
            pn_addr_parse("2001:db8::7", &t.endpoints[i].addr, NULL);
        else
            pn_addr_parse("192.0.2.7", &t.endpoints[i].addr, NULL);
        t.endpoints[i].port = (uint16_t)(9477 + i);
    }
    return t;
}

static bool equal(const struct pn_token *a, const struct pn_token *b)
{
    if (memcmp(a->invite, b->invite, sizeof(a->invite)) || memcmp(a->secret, b->secret, sizeof(a->secret)) ||
        memcmp(a->ca, b->ca, sizeof(a->ca)) || a->passphrase != b->passphrase || a->n_endpoints != b->n_endpoints)
        return false;
    for (unsigned i = 0; i < a->n_endpoints; i++)
        if (!pn_addr_equal(&a->endpoints[i].addr, &b->endpoints[i].addr) ||
            a->endpoints[i].port != b->endpoints[i].port)
            return false;
    return true;
}

static void test_there_and_back(void **state)
{
    char text[PN_TOKEN_TEXT_BYTES];
    struct pn_error err;
    (void)state;

    for (unsigned n = 0; n <= PN_TOKEN_ENDPOINTS_MAX; n++) {
        struct pn_token t = sample(n), back;

        assert_non_null(pn_token_format(&t, text));
        assert_true(strlen(text) < PN_TOKEN_TEXT_BYTES - 1);
        assert_int_equal(pn_token_parse(text, &back, &err), 0);
        assert_true(equal(&t, &back));
        strcat(text, "0"); /* one digit too many */
        assert_int_equal(pn_token_parse(text, &back, &err), -1);
    }
}

static void test_as_people_write_it(void **state)
{
    char text[PN_TOKEN_TEXT_BYTES], typed[2 * PN_TOKEN_TEXT_BYTES];
    struct pn_token t = sample(2), back;
    struct pn_error err;
    size_t n = 0;
    (void)state;

    pn_token_format(&t, text);
    typed[n++] = ' ';
    for (const char *p = text; *p; p++) {
        typed[n++] = (char)(p - text >= 4 && *p == '0' ? 'o' : *p == '1' && p - text >= 4 ? 'l' : *p | 0x20);
        if (*p == '-')
            typed[n - 1] = p - text == 3 ? '-' : '\n';
    }
    typed[n] = '\0';
    assert_int_equal(pn_token_parse(typed, &back, &err), 0);
    assert_true(equal(&t, &back));
}

/* Whatever is done to one character, the token is refused or still the same. */
static void test_one_character_changed(void **state)
{
    char text[PN_TOKEN_TEXT_BYTES];
    struct pn_token t = sample(2), back;
    struct pn_error err;
    unsigned refused = 0, same = 0;
    (void)state;

    pn_token_format(&t, text);
    size_t n = strlen(text);
    for (size_t at = 0; at < n; at++) {
        char kept = text[at];
        for (int c = 1; c < 256; c++) {
            text[at] = (char)c;
            err.text[0] = '\0';
            if (pn_token_parse(text, &back, &err) == 0) {
                assert_true(equal(&t, &back));
                same++;
            } else {
                assert_true(err.text[0] != '\0');
                refused++;
            }
        }
        text[at] = kept;
    }
    for (size_t len = 0; len < n; len++) { /* cut short */
        char cut[PN_TOKEN_TEXT_BYTES];
        memcpy(cut, text, len);
        cut[len] = '\0';
        assert_int_equal(pn_token_parse(cut, &back, &err), -1);
    }
    assert_true(refused > n * 200 && same > n);
}

static void test_other_texts(void **state)
{
    static const char *const bad[] = {"", "PN1-", "PN2-00000000", "hello", "PN1-UUUU", "PN1-00000000-00000000"};
    struct pn_token t;
    struct pn_error err;
    char *huge = malloc(100001);
    (void)state;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(pn_token_parse(bad[i], &t, &err), -1);
    memset(huge, '7', 100000);
    memcpy(huge, "PN1-", 4);
    huge[100000] = '\0';
    assert_int_equal(pn_token_parse(huge, &t, &err), -1);
    free(huge);
    t = sample(4);
    t.n_endpoints = 5;
    char text[PN_TOKEN_TEXT_BYTES];
    assert_null(pn_token_format(&t, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_as_people_write_it),
        cmocka_unit_test(test_one_character_changed),
        cmocka_unit_test(test_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
