/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 at every system call. A child takes mail into a spool, forwards it to a host store and acknowledges, all under
 * ptrace; for each n it is killed at its n-th system call. What it said was durable (a pipe carries that, like an SMTP
 * answer) must be there after the next start, exactly once; then all is carried to the end and counted again.
 * The calls themselves are checked too, for the power cut: a message file is synced before it gets its name, and its
 * folder before anyone is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/syscall.h>

#include "quarantine_trace.h"

#define MESSAGES 6u

struct order { /* what the calls say about durability */
    char path[256][160]; /* by descriptor */
    bool synced[256];
    char unsynced_dir[64][160]; /* got a file, not synced since */
    unsigned n_dirs, renames, wrong;
    char what[200];
};

static void wrong(struct order *o, const char *what, const char *path)
{
    if (o->wrong++ == 0)
        snprintf(o->what, sizeof(o->what), "%s: %.150s", what, path);
}

/* Descriptors are small numbers here. */
static void watch(void *arg, pid_t pid, const struct __ptrace_syscall_info *in, int64_t rv)
{
    struct order *o = arg;
    uint64_t nr = in->entry.nr, a0 = in->entry.args[0];
    char text[160];

    if (nr == SYS_openat && rv >= 0 && rv < 256) {
        trace_fd_path(pid, (int)rv, o->path[rv], sizeof(o->path[rv]));
        o->synced[rv] = false;
    } else if (nr == SYS_write && a0 < 256) {
        o->synced[a0] = false;
        if (a0 == 3 && o->n_dirs)
            wrong(o, "told before the folder was synced", o->unsynced_dir[0]);
    } else if ((nr == SYS_fsync || nr == SYS_fdatasync) && a0 < 256) {
        o->synced[a0] = true;
        trace_fd_path(pid, (int)a0, text, sizeof(text));
        for (unsigned i = 0; i < o->n_dirs; i++)
            if (strcmp(o->unsynced_dir[i], text) == 0)
                memcpy(o->unsynced_dir[i--], o->unsynced_dir[--o->n_dirs], sizeof(text));
    } else if (nr == SYS_renameat && rv == 0) {
        char from[160], dir[160], full[330];
        trace_text(pid, in->entry.args[1], from, sizeof(from));
        trace_fd_path(pid, (int)a0, dir, sizeof(dir));
        snprintf(full, sizeof(full), "%s/%s", dir, from);
        bool ok = false;
        for (unsigned fd = 0; fd < 256; fd++)
            ok |= strcmp(o->path[fd], full) == 0 && o->synced[fd];
        if (!ok)
            wrong(o, "named before it was synced", full);
        trace_fd_path(pid, (int)in->entry.args[2], dir, sizeof(dir));
        trace_text(pid, in->entry.args[3], from, sizeof(from)); /* "a/ab12...": the folder is a */
        char *slash = strchr(from, '/');
        if (slash)
            *slash = '\0';
        if (o->n_dirs < 64)
            snprintf(o->unsynced_dir[o->n_dirs++], sizeof(o->unsynced_dir[0]), "%.100s/%.50s", dir, from);
        o->renames++;
    }
}

static void test_order(void **state)
{
    static struct order o;
    struct trace t = {.watch = watch, .arg = &o};
    char dir[64];

    (void)state;
    if (!trace_allowed())
        skip();
    trace_run(&t, fixture_dir(dir), MESSAGES);
    assert_int_equal(t.n_told, MESSAGES + 1);
    assert_int_equal(o.renames, 2 * MESSAGES); /* on the node, on the host */
    if (o.wrong)
        fail_msg("%s", o.what);
    ends_check(dir, "at the end", t.told, t.n_told);
    fixture_remove(dir);
}

static void test_kill(void **state)
{
    const char *all = getenv("PN_KILL_ALL");
    struct trace t = {.watch = NULL};
    unsigned calls, runs = 0, step;
    char dir[64], at_text[40];

    (void)state;
    if (!trace_allowed())
        skip();
    calls = trace_run(&t, fixture_dir(dir), MESSAGES);
    fixture_remove(dir);
    assert_in_range(calls, 100, 20000);
    /* Every call when asked for; otherwise a walk through them that fits into seconds. */
    step = all ? 1 : calls / 60 + 1;
    for (t.kill_at = 1; t.kill_at <= calls; t.kill_at += step, runs++) {
        snprintf(at_text, sizeof(at_text), "killed at call %u", t.kill_at);
        trace_run(&t, fixture_dir(dir), MESSAGES);
        ends_check(dir, at_text, t.told, t.n_told);
        fixture_remove(dir);
    }
    print_message("%u system calls, killed at %u of them\n", calls, runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
