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
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "quarantine_ends.h"

#define MESSAGES 6u

struct order { /* what the calls say about durability */
    char path[256][160]; /* by descriptor */
    bool synced[256];
    char unsynced_dir[64][160]; /* got a file, not synced since */
    unsigned n_dirs, renames, wrong;
    char what[200];
};

static void child_text(pid_t pid, uint64_t at, char *out, size_t size)
{
    size_t n = 0;
    while (n + 8 < size) {
        long w = ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)(at + n), NULL);
        memcpy(out + n, &w, 8);
        if (memchr(&w, 0, 8))
            return;
        n += 8;
    }
    out[n] = '\0';
}

static void wrong(struct order *o, const char *what, const char *path)
{
    if (o->wrong++ == 0)
        snprintf(o->what, sizeof(o->what), "%s: %.150s", what, path);
}

/* After each call; descriptors are small numbers here. */
static void watch(struct order *o, pid_t pid, const struct __ptrace_syscall_info *in, int64_t rv)
{
    uint64_t nr = in->entry.nr, a0 = in->entry.args[0];
    char text[160], link[64];

    if (nr == SYS_openat && rv >= 0 && rv < 256) {
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)rv);
        ssize_t n = readlink(link, o->path[rv], sizeof(o->path[rv]) - 1);
        o->path[rv][n > 0 ? n : 0] = '\0';
        o->synced[rv] = false;
    } else if (nr == SYS_write && a0 < 256) {
        o->synced[a0] = false;
        if (a0 == 3 && o->n_dirs)
            wrong(o, "told before the folder was synced", o->unsynced_dir[0]);
    } else if ((nr == SYS_fsync || nr == SYS_fdatasync) && a0 < 256) {
        o->synced[a0] = true;
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)a0);
        ssize_t n = readlink(link, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        for (unsigned i = 0; i < o->n_dirs; i++)
            if (strcmp(o->unsynced_dir[i], text) == 0)
                memcpy(o->unsynced_dir[i--], o->unsynced_dir[--o->n_dirs], sizeof(text));
    } else if (nr == SYS_renameat && rv == 0) {
        char from[160], dir[160] = "", full[330];
        child_text(pid, in->entry.args[1], from, sizeof(from));
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)a0);
        ssize_t n = readlink(link, dir, sizeof(dir) - 1);
        dir[n > 0 ? n : 0] = '\0';
        snprintf(full, sizeof(full), "%s/%s", dir, from);
        bool ok = false;
        for (unsigned fd = 0; fd < 256; fd++)
            ok |= strcmp(o->path[fd], full) == 0 && o->synced[fd];
        if (!ok)
            wrong(o, "named before it was synced", full);
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)in->entry.args[2]);
        n = readlink(link, dir, sizeof(dir) - 1);
        dir[n > 0 ? n : 0] = '\0';
        child_text(pid, in->entry.args[3], from, sizeof(from)); /* "a/ab12...": the folder is a */
        char *slash = strchr(from, '/');
        if (slash)
            *slash = '\0';
        if (o->n_dirs < 64)
            snprintf(o->unsynced_dir[o->n_dirs++], sizeof(o->unsynced_dir[0]), "%.100s/%.50s", dir, from);
        o->renames++;
    }
}

/* Calls made until the end, or `at` when it was killed there. told: numbers that came through the pipe. */
static unsigned run(const char *dir, unsigned at, uint8_t *told, unsigned *n_told, struct order *o)
{
    int pipe_fds[2], status, rv;
    unsigned calls = 0;
    bool counting = false, entered = false;
    struct __ptrace_syscall_info in = {0}, out;

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 3);
        close_range(4, 100, 0);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        ends_work(dir, MESSAGES);
    }
    close(pipe_fds[1]);
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGUSR1) {
            counting = true;
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            entered = !entered;
            if (entered && ++calls == at) {
                kill(pid, SIGKILL);
                continue;
            }
            if (o && entered)
                ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(in), &in);
            else if (o && ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(out), &out) > 0 &&
                     out.op == PTRACE_SYSCALL_INFO_EXIT && in.op == PTRACE_SYSCALL_INFO_ENTRY)
                watch(o, pid, &in, out.exit.rval);
        }
        ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, NULL);
    }
    if (at == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the child ended with %#x", status);
    rv = (int)read(pipe_fds[0], told, 64);
    *n_told = rv > 0 ? (unsigned)rv : 0;
    close(pipe_fds[0]);
    return calls;
}

static bool traced(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_order(void **state)
{
    static struct order o;
    uint8_t told[64];
    unsigned n_told;
    char dir[64];

    (void)state;
    if (!traced())
        skip();
    run(fixture_dir(dir), 0, told, &n_told, &o);
    assert_int_equal(n_told, MESSAGES + 1);
    assert_int_equal(o.renames, 2 * MESSAGES); /* on the node, on the host */
    if (o.wrong)
        fail_msg("%s", o.what);
    ends_check(dir, "at the end", told, n_told);
    fixture_remove(dir);
}

static void test_kill(void **state)
{
    const char *all = getenv("PN_KILL_ALL");
    uint8_t told[64];
    unsigned n_told, calls, at, runs = 0, step;
    char dir[64], at_text[40];

    (void)state;
    if (!traced())
        skip();
    calls = run(fixture_dir(dir), 0, told, &n_told, NULL);
    fixture_remove(dir);
    assert_in_range(calls, 100, 20000);
    /* Every call when asked for; otherwise a walk through them that fits into seconds. */
    step = all ? 1 : calls / 60 + 1;
    for (at = 1; at <= calls; at += step, runs++) {
        snprintf(at_text, sizeof(at_text), "killed at call %u", at);
        run(fixture_dir(dir), at, told, &n_told, NULL);
        ends_check(dir, at_text, told, n_told);
        fixture_remove(dir);
    }
    print_message("%u system calls, killed at %u of them\n", calls, runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
