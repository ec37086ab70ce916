/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

/* stderr goes to a file from here on; give_back reads it and restores. */
static int kept_stderr;
static FILE *capture;

static void take(void)
{
    capture = tmpfile();
    assert_non_null(capture);
    kept_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
}

static void give_back(char *text, size_t size)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    rewind(capture);
    text[fread(text, 1, size - 1, capture)] = '\0';
    fclose(capture);
}

static void test_escape(void **state)
{
    char out[32];

    (void)state;
    assert_int_equal(pn_log_escape("a\nb\tc\x1b[0m", out, sizeof(out)), 14);
    assert_string_equal(out, "a\\nb\\tc\\x1b[0m");
    pn_log_escape("123456\x01", out, 10); /* the escape does not fit whole: left out whole */
    assert_string_equal(out, "123456");
}

static void test_line_cannot_be_forged(void **state)
{
    char text[512];

    (void)state;
    pn_log_init("test", PN_LOG_INFO);
    take();
    pn_log_info("peer said \"%s\"", "x\n<0>forged");
    pn_log_debug("not shown");
    give_back(text, sizeof(text));
    assert_non_null(strstr(text, "test: info: peer said \"x\\n<0>forged\"\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_long_line_is_one_line(void **state)
{
    static char text[8192];
    char *big = calloc(1, 5000);

    (void)state;
    memset(big, '\x01', 4999);
    pn_log_init("test", PN_LOG_INFO);
    take();
    pn_log_info("%s", big);
    give_back(text, sizeof(text));
    free(big);
    assert_true(strlen(text) > 1900 && strlen(text) < 2300);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_journal_prefix(void **state)
{
    char text[512], stream[64];
    struct stat st;

    (void)state;
    take();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    pn_log_init("test", PN_LOG_INFO);
    pn_log_warning("w");
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    pn_log_init("test", PN_LOG_INFO);
    pn_log_warning("v");
    give_back(text, sizeof(text));
    unsetenv("JOURNAL_STREAM");
    pn_log_init("test", PN_LOG_INFO);
    assert_memory_equal(text, "<4>w\n", 5);
    assert_non_null(strstr(text, "test: warning: v\n"));
}

static void test_limit(void **state)
{
    struct pn_log_limit limit = {0};
    uint32_t held = 99;

    (void)state;
    assert_true(pn_log_limit_pass(&limit, 0, 1000, &held));
    assert_int_equal(held, 0);
    assert_false(pn_log_limit_pass(&limit, 1, 1000, &held));
    assert_false(pn_log_limit_pass(&limit, 999, 1000, &held));
    assert_true(pn_log_limit_pass(&limit, 1000, 1000, &held));
    assert_int_equal(held, 2);
    assert_false(pn_log_limit_pass(&limit, 1001, 1000, &held));
    assert_true(pn_log_limit_pass(&limit, 5000, 1000, &held));
    assert_int_equal(held, 1);
}

static void test_limited_per_site(void **state)
{
    char text[1024];

    (void)state;
    pn_log_init("test", PN_LOG_INFO);
    take();
    for (int i = 0; i < 5; i++)
        pn_log_limited(60000, PN_LOG_INFO, "first %d", i);
    pn_log_limited(60000, PN_LOG_INFO, "second");
    give_back(text, sizeof(text));
    assert_non_null(strstr(text, "first 0\n"));
    assert_null(strstr(text, "first 1"));
    assert_non_null(strstr(text, "second\n"));
}

static void test_level_words(void **state)
{
    (void)state;
    assert_int_equal(pn_log_level_parse("debug"), PN_LOG_DEBUG);
    assert_int_equal(pn_log_level_parse("error"), PN_LOG_ERROR);
    assert_int_equal(pn_log_level_parse("loud"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_line_cannot_be_forged),
        cmocka_unit_test(test_long_line_is_one_line),
        cmocka_unit_test(test_journal_prefix),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limited_per_site),
        cmocka_unit_test(test_level_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
