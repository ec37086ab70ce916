/* SPDX-License-Identifier: BSD-3-Clause */
/* A state folder of root's becomes another user's: all that is ours in it, and nothing else. As root only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "common/error.h"
#include "controlplane/daemon/confine.h"
#include "tests/unit/quarantine_fixture.h"

static char dir[64];

static const char *at(const char *name)
{
    static char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void file(const char *name)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static uid_t owner(const char *name)
{
    struct stat st;

    assert_int_equal(lstat(at(name), &st), 0);
    return st.st_uid;
}

static void test_give(void **state)
{
    static const char *const folders[] = {"cluster",    "spool", "spool/mail",     "spool/mail/ab",
                                          "quarantine", "other", "quarantine/mail"};
    static const char *const ours[] = {"cluster/key",        "spool/spool.db", "spool/mail/ab/m",
                                       "quarantine/host.db", "rules.db",       "rules.db-wal"};
    static const char *const theirs[] = {"other/file", "file", "rules.db.old"};
    const struct passwd *pw = getpwnam("nobody");
    struct pn_error err;
    char target[200];

    (void)state;
    if (geteuid() != 0 || !pw)
        skip();
    uid_t uid = pw->pw_uid;
    fixture_dir(dir);
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_int_equal(mkdir(at(folders[i]), 0700), 0);
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        file(ours[i]);
    for (unsigned i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        file(theirs[i]);
    snprintf(target, sizeof(target), "%s", at("other"));
    assert_int_equal(symlink(target, at("quarantine/away")), 0);
    snprintf(target, sizeof(target), "%s", at("other/file"));
    assert_int_equal(symlink(target, at("spool/away")), 0);
    if (pn_confine_give("nobody", dir, &err) != 0)
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_int_equal(owner(ours[i]), uid);
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_int_equal(owner(folders[i]), strcmp(folders[i], "other") == 0 ? 0 : uid);
    for (unsigned i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        assert_int_equal(owner(theirs[i]), 0);
    assert_int_equal(owner("spool/away"), 0);

    file("spool/spool.db-wal"); /* by hand, as root */
    assert_int_equal(link(target, at("cluster/shadow")), 0); /* somebody else's file under a name of ours */
    assert_int_equal(pn_confine_give("nobody", dir, &err), -1);
    assert_non_null(strstr(err.text, "shadow"));
    assert_int_equal(owner("other/file"), 0);
    assert_int_equal(owner("spool/spool.db-wal"), uid);
    assert_int_equal(unlink(at("cluster/shadow")), 0);

    assert_int_equal(pn_confine_give(NULL, dir, &err), 0); /* and back */
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_int_equal(owner(ours[i]), 0);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_give)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
