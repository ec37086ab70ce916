/* SPDX-License-Identifier: BSD-3-Clause */
/* The work of quarantine_ends.h in a child under ptrace: each of its system calls can be watched, and it killed at one. */
#ifndef POSTERN_TESTS_QUARANTINE_TRACE_H
#define POSTERN_TESTS_QUARANTINE_TRACE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "quarantine_ends.h"

struct trace {
    /* After each call, with its result; may be NULL. */
    void (*watch)(void *arg, pid_t pid, const struct __ptrace_syscall_info *in, int64_t rv);
    void *arg;
    unsigned kill_at; /* the call it is killed at, from 1 on; 0: it works to its end */
    uint8_t told[64]; /* numbers that came through the pipe */
    unsigned n_told;
};

/* Whether this machine lets us trace. */
static inline bool trace_allowed(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline void trace_read(pid_t pid, uint64_t at, void *out, size_t len)
{
    struct iovec here = {out, len}, there = {(void *)(uintptr_t)at, len};

    assert_int_equal(process_vm_readv(pid, &here, 1, &there, 1, 0), (ssize_t)len);
}

static inline void trace_text(pid_t pid, uint64_t at, char *out, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        trace_read(pid, at + n, out + n, 1);
        if (out[n] == '\0')
            return;
    }
    out[size - 1] = '\0';
}

static inline void trace_fd_path(pid_t pid, int fd, char *out, size_t size)
{
    char link[64];

    snprintf(link, sizeof(link), fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(link, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
}

static inline pid_t trace_start(const char *dir, unsigned messages, int *told_fd)
{
    int pipe_fds[2], status;

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 3);
        close_range(4, 100, 0);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        ends_work(dir, messages);
    }
    close(pipe_fds[1]);
    *told_fd = pipe_fds[0];
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    return pid;
}

/* The calls it made from its SIGUSR1 on. */
static inline unsigned trace_run(struct trace *t, const char *dir, unsigned messages)
{
    struct __ptrace_syscall_info in = {0}, out;
    int told_fd, status, rv;
    unsigned calls = 0;
    bool counting = false, entered = false;

    pid_t pid = trace_start(dir, messages, &told_fd);
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGUSR1) {
            counting = true;
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            entered = !entered;
            if (entered && ++calls == t->kill_at) {
                kill(pid, SIGKILL);
                continue;
            }
            if (t->watch && entered)
                ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(in), &in);
            else if (t->watch && ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(out), &out) > 0 &&
                     out.op == PTRACE_SYSCALL_INFO_EXIT && in.op == PTRACE_SYSCALL_INFO_ENTRY)
                t->watch(t->arg, pid, &in, out.exit.rval);
        }
        ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, NULL);
    }
    if (t->kill_at == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the child ended with %#x", status);
    rv = (int)read(told_fd, t->told, sizeof(t->told));
    t->n_told = rv > 0 ? (unsigned)rv : 0;
    close(told_fd);
    return calls;
}

#endif
