/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/vip/keys.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static int parse(const char *text, struct pn_seal_ring *ring, struct pn_error *err)
{
    return pn_keys_parse(text, strlen(text), ring, err);
}

static void test_both_forms(void **state)
{
    struct pn_seal_ring ring;
    struct pn_error err = {""};
    (void)state;
    assert_int_equal(parse("# keys of the pair\n\n 7\tsend " BASE64 " # new\r\n255 receive-only " HEX, &ring, &err), 0);
    assert_int_equal(ring.n_keys, 2);
    assert_int_equal(ring.keys[0].id, 7);
    assert_true(ring.keys[0].send);
    assert_int_equal(ring.keys[1].id, 255);
    assert_false(ring.keys[1].send);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(ring.keys[0].secret[i], i);
    assert_memory_equal(ring.keys[0].secret, ring.keys[1].secret, 32);
    char line[PN_KEYS_LINE_BYTES];
    assert_string_equal(pn_keys_line(&ring.keys[0], line), "7 send " BASE64 "\n");
    pn_keys_forget(&ring);
    assert_int_equal(ring.n_keys, 0);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "no key is for sending"},
        {"1 receive-only " HEX "\n", "no key is for sending"},
        {"1 send " HEX "\n2 send " HEX "\n", "line 2: keys 1 and 2 are both"},
        {"1 send " HEX "\n1 receive-only " HEX "\n", "line 2: key 1 is given twice"},
        {"256 send " HEX, "line 1: the id"},
        {"-1 send " HEX, "line 1: the id"},
        {"x send " HEX, "line 1: the id"},
        {"1 both " HEX, "line 1: key 1: expected send or receive-only"},
        {"1 send", "line 1: expected three words"},
        {"1 send " HEX " 4", "line 1: expected three words"},
        {"1 send " HEX "0", "line 1: key 1: the secret"},
        {"\n\n1 send g" HEX, "line 3: key 1: the secret"},
        {"1 send AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh==", "line 1: key 1: the secret"},
        {"1 send AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8h", "line 1: key 1: the secret"},
        {"1 send !AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "line 1: key 1: the secret"},
        {"1 send " HEX "\n2 receive-only " HEX "\n3 receive-only " HEX "\n4 receive-only " HEX "\n5 receive-only " HEX,
         "line 5: more than 4 keys"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_seal_ring ring;
        struct pn_error err = {""};
        assert_int_equal(parse(rows[i].text, &ring, &err), -1);
        assert_int_equal(ring.n_keys, 0);
        if (!strstr(err.text, rows[i].want))
            fail_msg("row %u: \"%s\", not \"%s\"", i, err.text, rows[i].want);
        assert_null(strstr(err.text, "0001")); /* never a secret in a message */
    }
    struct pn_seal_ring ring;
    struct pn_error err = {""};
    assert_int_equal(pn_keys_parse("1 send\0" HEX, 7 + 64, &ring, &err), -1);
}

static void test_the_file(void **state)
{
    char dir[] = "/tmp/pn-keys.XXXXXX", path[64], link_path[64];
    struct pn_seal_ring ring;
    struct pn_error err = {""};
    FILE *f;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/keys", dir);
    snprintf(link_path, sizeof(link_path), "%s/link", dir);
    assert_int_equal(pn_keys_load(path, &ring, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
    f = fopen(path, "w");
    fputs("1 send " HEX "\n", f);
    fclose(f);
    chmod(path, 0640);
    assert_int_equal(pn_keys_load(path, &ring, &err), -1);
    assert_non_null(strstr(err.text, "mode 640"));
    chmod(path, 0600);
    assert_int_equal(pn_keys_load(path, &ring, &err), 0);
    assert_int_equal(ring.n_keys, 1);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(pn_keys_load(link_path, &ring, &err), -1);
    assert_int_equal(pn_keys_load(dir, &ring, &err), -1);
    f = fopen(path, "w");
    for (unsigned i = 0; i < 20000; i++)
        fputc('#', f);
    fclose(f);
    assert_int_equal(pn_keys_load(path, &ring, &err), -1);
    unlink(path);
    unlink(link_path);
    rmdir(dir);
}

static void test_both_sources(void **state)
{
    struct pn_seal_ring none = {.n_keys = 0}, out;
    struct pn_seal_ring file = {
        .n_keys = 3,
        .keys = {{.id = 1, .send = true, .secret = {11}}, {.id = 2, .secret = {12}}, {.id = 0x81, .secret = {13}}}};
    struct pn_seal_ring cluster = {.n_keys = 2,
                                   .keys = {{.id = 0x81, .send = true, .secret = {21}}, {.id = 2, .secret = {22}}}};
    (void)state;
    assert_int_equal(pn_keys_combine(&none, &none, true, &out), 0);
    assert_int_equal(out.n_keys, 0);
    /* Alone, each sends whatever is asked for. */
    assert_int_equal(pn_keys_combine(&file, &none, true, &out), 0);
    assert_int_equal(out.n_keys, 3);
    assert_true(out.keys[0].send && out.keys[0].id == 1);
    assert_int_equal(pn_keys_combine(&none, &cluster, false, &out), 0);
    assert_int_equal(out.n_keys, 2);
    assert_true(out.keys[0].send && out.keys[0].id == 0x81 && out.keys[1].id == 0x82);
    /* Together one key sends, all receive, and no id is there twice. */
    for (unsigned sends = 0; sends < 2; sends++) {
        unsigned senders = 0;
        assert_int_equal(pn_keys_combine(&file, &cluster, sends, &out), 1);
        assert_int_equal(out.n_keys, 4);
        for (unsigned i = 0; i < out.n_keys; i++) {
            senders += out.keys[i].send;
            if (out.keys[i].send)
                assert_int_equal(out.keys[i].secret[0], sends ? 21 : 11);
            for (unsigned j = 0; j < i; j++)
                assert_true(out.keys[i].id != out.keys[j].id);
        }
        assert_int_equal(senders, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_file),
        cmocka_unit_test(test_both_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
