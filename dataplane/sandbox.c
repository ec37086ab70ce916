/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"

/* Netlink requests for neighbours, and taking the XDP program off at exit. All else is open already. */
#define CAPS_KEPT (1u << CAP_NET_ADMIN)

/*
 * What a running dataplane calls: memory, clocks, sleeping and futexes of its threads, the descriptors it has, netlink
 * and UNIX sockets, bpf(2) on its maps, ioctl(2) of drivers, and the clean-up at exit. No execve, ptrace, mount,
 * module, keyring, process or file-system administration.
 */
static const int calls_allowed[] = {
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(access),
    SCMP_SYS(bind),
    SCMP_SYS(bpf),
    SCMP_SYS(brk),
    SCMP_SYS(capget),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fallocate),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(get_mempolicy),
    SCMP_SYS(getcpu),
    SCMP_SYS(getdents64),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpeername),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(ioctl),
    SCMP_SYS(kill),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(mbind),
    SCMP_SYS(membarrier),
    SCMP_SYS(mlock),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(prctl),
    SCMP_SYS(pread64),
    SCMP_SYS(prlimit64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(read),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rmdir),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(set_mempolicy),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(signalfd4),
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(sysinfo),
    SCMP_SYS(tgkill),
    SCMP_SYS(timer_create),
    SCMP_SYS(timer_delete),
    SCMP_SYS(timer_settime),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(umask),
    SCMP_SYS(uname),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

static sem_t caps_done;
static volatile sig_atomic_t caps_failed;

static int caps_reduce(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2];
    if (syscall(SYS_capget, &h, d))
        return -1;
    d[0].effective &= CAPS_KEPT;
    d[0].permitted &= CAPS_KEPT;
    d[1].effective = d[1].permitted = 0;
    d[0].inheritable = d[1].inheritable = 0;
    return (int)syscall(SYS_capset, &h, d);
}

static void caps_signal(int sig)
{
    (void)sig;
    int saved = errno;
    if (caps_reduce())
        caps_failed = 1;
    sem_post(&caps_done);
    errno = saved;
}

static int thread_wait(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    while (sem_timedwait(&caps_done, &until)) {
        if (errno != EINTR)
            return -1;
    }
    return 0;
}

/* Capabilities are each thread's own, so each is made to give up its own, as glibc does for setuid(2). */
static int caps_drop_all_threads(struct pn_error *err)
{
    int sig = SIGRTMAX - 1;
    struct sigaction act = {.sa_handler = caps_signal, .sa_flags = SA_RESTART}, old;
    if (sem_init(&caps_done, 0, 0) || sigaction(sig, &act, &old))
        return pn_error_set(err, "capabilities: %s", strerror(errno));
    DIR *d = opendir("/proc/self/task");
    int missed = !d;
    for (struct dirent *e; d && (e = readdir(d));) {
        int tid = atoi(e->d_name);
        if (tid <= 0 || tid == gettid())
            continue;
        if (syscall(SYS_tgkill, getpid(), tid, sig) == 0 && thread_wait())
            missed++;
    }
    if (d)
        closedir(d);
    if (!missed)
        sigaction(sig, &old, NULL);
    if (caps_reduce())
        return pn_error_set(err, "capabilities: %s", strerror(errno));
    if (missed || caps_failed)
        return pn_error_set(err, "capabilities: %d threads did not give theirs up", missed ? missed : 1);
    return 0;
}

/* Calls off the list fail with EPERM: the process stays up, and what was not foreseen shows in its log. */
static int calls_filter(struct pn_error *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < sizeof(calls_allowed) / sizeof(calls_allowed[0]); i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_allowed[i], 0);
        if (rc == -EDOM || rc == -EFAULT) /* not on this architecture */
            rc = 0;
    }
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = seccomp_load(ctx);
    if (ctx)
        seccomp_release(ctx);
    return rc ? pn_error_set(err, "seccomp: %s", strerror(-rc)) : 0;
}

int pn_sandbox_enter(struct pn_error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return pn_error_set(err, "no_new_privs: %s", strerror(errno));
    if (caps_drop_all_threads(err))
        return -1;
    return calls_filter(err);
}
