/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders on disk: what is written is read; what is damaged is kept aside and never stops the daemon. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "controlplane/daemon/statefile.h"

static char dir[64];
static struct pn_state written, got;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/pn-state.XXXXXX");
    assert_non_null(mkdtemp(dir));
    memset(&written, 0, sizeof(written));
    written.standby = true;
    written.n = 2;
    written.dataplane_ns = UINT64_MAX - 1;
    written.dataplane_args = 77;
    written.n_ids = 1;
    written.ids[0] = (struct pn_state_id){.key = "gateway/mx9", .id = 9};
    written.gateways[0] = (struct pn_state_gateway){.name = "mx1", .drain = true, .weight = -1};
    written.gateways[1] = (struct pn_state_gateway){.name = "mx2", .disabled = true, .weight = 50};
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void put(const char *name, const char *text, size_t len)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static bool there(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void test_written_is_read(void **state)
{
    struct pn_error err;
    struct stat st;
    char path[128];

    (void)state;
    assert_int_equal(pn_state_load(dir, &got, &err), 1); /* a first start */
    assert_int_equal(pn_state_save(dir, &written, &err), 0);
    assert_int_equal(pn_state_save(dir, &written, &err), 0); /* over the old one */
    assert_int_equal(pn_state_load(dir, &got, &err), 0);
    assert_true(got.standby);
    assert_int_equal(got.n, 2);
    assert_string_equal(got.gateways[0].name, "mx1");
    assert_true(got.gateways[0].drain);
    assert_int_equal(got.gateways[0].weight, -1);
    assert_true(got.gateways[1].disabled);
    assert_int_equal(got.gateways[1].weight, 50);
    assert_true(got.dataplane_ns == UINT64_MAX - 1 && got.dataplane_args == 77);
    assert_int_equal(got.n_ids, 1);
    assert_string_equal(got.ids[0].key, "gateway/mx9");
    assert_int_equal(got.ids[0].id, 9);
    assert_false(there(PN_STATEFILE_NAME ".new"));
    snprintf(path, sizeof(path), "%s/" PN_STATEFILE_NAME, dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_every_truncation_is_kept_aside(void **state)
{
    char *text = pn_state_format(&written);
    size_t len = strlen(text);
    struct pn_error err;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        put(PN_STATEFILE_NAME, text, cut);
        assert_int_equal(pn_state_load(dir, &got, &err), -1);
        assert_int_equal(got.n, 0);
        assert_false(got.standby);
        assert_false(there(PN_STATEFILE_NAME));
        assert_true(there(PN_STATEFILE_NAME ".bad"));
        assert_non_null(strstr(err.text, PN_STATEFILE_NAME));
    }
    free(text);
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"version\":2}",
        "{\"gateways\":{}}",
        "{\"version\":1,\"gateways\":[]}",
        "{\"version\":1,\"gateways\":{\"mx1\":7}}",
        "{\"version\":1,\"gateways\":{\"mx1\":{\"weight\":257}}}",
        "{\"version\":1,\"gateways\":{\"mx1\":{\"weight\":-2}}}",
        "{\"version\":1,\"gateways\":{\"mx1\":{\"drain\":1}}}",
        "{\"version\":1,\"gateways\":{\"mx1\":{\"colour\":true}}}",
        "{\"version\":1,\"gateways\":{\"\":{}}}",
        "{\"version\":1,\"gateways\":{\"a-name-that-is-longer-than-31-bytes\":{}}}",
        "{\"version\":1,\"retired\":[]}",
        "{\"version\":1,\"retired\":{\"gateway/a\":65535}}",
        "{\"version\":1,\"retired\":{\"gateway/a\":-1}}",
        "{\"version\":1,\"retired\":{\"gateway/a\":\"1\"}}",
        "{\"version\":1,\"retired\":{\"\":1}}",
        "{\"version\":1,\"dataplane\":\"12\"}",
        "{\"version\":1,\"dataplane\":\"12-ab-\"}",
        "{\"version\":1,\"dataplane\":7}",
        "{\"version\":1,\"version\":1}",
        "{\"version\":1} x",
    };
    struct pn_error err;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(PN_STATEFILE_NAME, bad[i], strlen(bad[i]));
        if (pn_state_load(dir, &got, &err) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(got.n, 0);
    }
    put(PN_STATEFILE_NAME, "{\"version\":1}", 13);
    assert_int_equal(pn_state_load(dir, &got, &err), 0);
}

static void test_a_folder_that_is_not_there(void **state)
{
    struct pn_error err;

    (void)state;
    assert_int_equal(pn_state_save("/nonexistent/postern", &written, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/postern"));
    assert_int_equal(pn_state_load("/nonexistent/postern", &got, &err), 1);
}

/* What could not be put in place is not left lying about. */
static void test_a_failed_write_leaves_nothing(void **state)
{
    struct pn_error err;
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/" PN_STATEFILE_NAME, dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(pn_state_save(dir, &written, &err), -1);
    assert_false(there(PN_STATEFILE_NAME ".new"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_truncation_is_kept_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_write_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
