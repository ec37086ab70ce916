/* SPDX-License-Identifier: BSD-3-Clause */
/* postern-dp: start, the main lcore's loop, end. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "dataplane/eal.h"
#include "dataplane/realtime.h"
#include "dataplane/runtime.h"
#include "dataplane/sandbox.h"
#include "dataplane/telemetry.h"

#define TICK_NS 1000000

static struct pn_dataplane dataplane;
static bool stopping;
static int exit_status;

/* DPDK's log lines, one call each, at the level they were written with. */
static ssize_t eal_log_write(void *cookie, const char *buf, size_t size)
{
    (void)cookie;
    static const enum pn_log_level levels[] = {
        [0] = PN_LOG_INFO,
        [RTE_LOG_EMERG] = PN_LOG_ERROR,
        [RTE_LOG_ALERT] = PN_LOG_ERROR,
        [RTE_LOG_CRIT] = PN_LOG_ERROR,
        [RTE_LOG_ERR] = PN_LOG_ERROR,
        [RTE_LOG_WARNING] = PN_LOG_WARNING,
        [RTE_LOG_NOTICE] = PN_LOG_INFO,
        [RTE_LOG_INFO] = PN_LOG_DEBUG,
        [RTE_LOG_DEBUG] = PN_LOG_DEBUG,
    };
    int level = rte_log_cur_msg_loglevel();
    size_t n = size;
    while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
        n--;
    if (n)
        pn_log(level >= 0 && level <= (int)RTE_LOG_DEBUG ? levels[level] : PN_LOG_INFO, "dpdk: %.*s", (int)n, buf);
    return (ssize_t)size;
}

static int eal_start(const struct pn_dp_args *args)
{
    static struct pn_eal_argv eal;
    struct pn_eal_host host;
    struct pn_error err;
    bool no_huge;
    pn_eal_host_probe(&host);
    if (pn_eal_argv_build(&eal, args, &host, &no_huge, &err)) {
        pn_log_error("%s", err.text);
        return -1;
    }
    if (no_huge && !args->no_huge)
        pn_log_warning("%llu MiB of free huge pages, %u MiB needed: going without (slower)",
                       (unsigned long long)host.huge_free_mb, pn_eal_memory_mb(args));

    cookie_io_functions_t io = {.write = eal_log_write};
    FILE *log = fopencookie(NULL, "w", io);
    if (log) {
        setvbuf(log, NULL, _IOLBF, 1024);
        rte_openlog_stream(log);
    }
    rte_log_set_global_level(args->log_level >= PN_LOG_DEBUG ? RTE_LOG_DEBUG : RTE_LOG_NOTICE);
    if (rte_eal_init(eal.argc, eal.argv) < 0) {
        pn_log_error("DPDK does not start: %s", rte_strerror(rte_errno));
        return -1;
    }
    /* The tap driver calls it an error that it cannot offload flows, or reach secondary processes: nobody asks it to.
     * A tap that fails is reported where it is opened. */
    if (args->log_level < PN_LOG_DEBUG)
        rte_log_set_level_regexp("pmd\\.net\\.tap", RTE_LOG_CRIT);
    return 0;
}

/*
 * Heartbeats must come through whatever else runs. Threads made later inherit the priority among ordinary ones; workers raise
 * theirs while they sleep now and then (realtime.h), and the right to do so again must outlast the sandbox.
 */
static void realtime_threads(void)
{
    if (setpriority(PRIO_PROCESS, 0, -15))
        pn_log_warning("--realtime: no higher priority for workers: %s", strerror(errno));
    const struct rlimit rtprio = {PN_REALTIME_MAIN, PN_REALTIME_MAIN};
    struct rlimit now;
    if (getrlimit(RLIMIT_RTPRIO, &now) || (now.rlim_cur < rtprio.rlim_cur && setrlimit(RLIMIT_RTPRIO, &rtprio)))
        pn_log_warning("--realtime: RLIMIT_RTPRIO: %s: after a flood, workers stay ordinary", strerror(errno));
}

/* The main lcore sleeps between events, so it can have the CPU at once whenever one comes. */
static void realtime_main(void)
{
    const struct sched_param param = {.sched_priority = PN_REALTIME_MAIN};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
        pn_log_warning("--realtime: SCHED_FIFO: %s", strerror(errno));
    /*
     * What is in use stays; EAL's reservations of address space are not filled for it, but they count. With a limit,
     * and the right to pass it given up in the sandbox, no memory could be had any more.
     */
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY)
        pn_log_warning("--realtime: memory not locked: RLIMIT_MEMLOCK is not unlimited");
    else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
        pn_log_warning("--realtime: locking memory: %s", strerror(errno));
}

static void tick_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    uint64_t expired;
    if (read(source->fd, &expired, sizeof(expired)) == sizeof(expired))
        pn_dataplane_tick(&dataplane);
    if (dataplane.ports.replaced) {
        /* The service manager starts us again, with the interface that is there now. */
        exit_status = 1;
        stopping = true;
    }
    if (pn_dataplane_left(&dataplane))
        stopping = true;
}

static void signal_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    pn_log_notice("signal %u: stopping", info.ssi_signo);
    if (dataplane.leaving.since_ms || !pn_dataplane_leave(&dataplane))
        stopping = true;
}

/* While every worker comes round: the service manager restarts a dataplane that hangs. */
static void watchdog_kick(uint64_t watchdog_us)
{
    static uint64_t next_ms;
    if (!watchdog_us || dataplane.now_ms < next_ms)
        return;
    next_ms = dataplane.now_ms + watchdog_us / 4000;
    if (pn_dataplane_alive(&dataplane))
        sd_notify(0, "WATCHDOG=1");
    else
        pn_log_limited(1000, PN_LOG_ERROR, "a worker does not come round: watchdog not fed");
}

static void run(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    struct pn_loop_source signals = {.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = signal_ready};
    struct pn_loop_source timer = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                   .ready = tick_ready};
    struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    if (signals.fd < 0 || timer.fd < 0 || pn_loop_add(dataplane.loop, &signals, EPOLLIN) ||
        pn_loop_add(dataplane.loop, &timer, EPOLLIN) || timerfd_settime(timer.fd, 0, &every, NULL)) {
        pn_log_error("event loop: %s", strerror(errno));
        return;
    }
    uint64_t watchdog_us = 0;
    if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
        watchdog_us = 0;
    sd_notifyf(0, "READY=1\nSTATUS=%u workers, %u ports", dataplane.n_workers, dataplane.ports.n_configured);
    pn_log_notice("ready: %u workers, %u ports, control socket %s", dataplane.n_workers, dataplane.ports.n_configured,
                  dataplane.args->socket);
    while (!stopping) {
        pn_loop_run_once(dataplane.loop, -1);
        watchdog_kick(watchdog_us);
    }
    sd_notify(0, "STOPPING=1");
    close(signals.fd);
    close(timer.fd);
}

static void signals_prepare(void)
{
    /* Blocked before any thread is made, so that all inherit it and the main loop reads them. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

/* What this file may use as compiled (-Dmarch) and this CPU does not have: an answer instead of SIGILL. NULL: all there. */
static const char *cpu_lacks(void)
{
    __builtin_cpu_init();
#ifdef __AVX2__
    if (!__builtin_cpu_supports("avx2"))
        return "AVX2";
#endif
#ifdef __BMI2__
    if (!__builtin_cpu_supports("bmi2"))
        return "BMI2";
#endif
#ifdef __AVX512F__
    if (!__builtin_cpu_supports("avx512f"))
        return "AVX-512";
#endif
    return NULL;
}

int main(int argc, char **argv)
{
    struct pn_dp_args args;
    struct pn_error err;
    if (pn_dp_args_parse(&args, argc, argv, &err)) {
        fprintf(stderr, "postern-dp: %s (see: postern-dp --help)\n", err.text);
        return 2;
    }
    if (args.help || args.version) {
        if (args.help)
            pn_dp_args_usage(stdout);
        else
            printf("postern-dp %s\n", PN_VERSION);
        return 0;
    }
    pn_log_init("postern-dp", (enum pn_log_level)args.log_level);
    const char *lacks = cpu_lacks();
    if (lacks) {
        pn_log_error("this CPU has no %s, which this build uses: build with -Dmarch=x86-64-v2", lacks);
        return 1;
    }
    if (args.release)
        return pn_ports_release(&args) ? 1 : 0;
    signals_prepare();
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    /* AF_XDP pins its buffers. */
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited);

    if (args.realtime)
        realtime_threads();
    if (eal_start(&args))
        return 1;
    char runtime_folder[256];
    snprintf(runtime_folder, sizeof(runtime_folder), "%s", rte_eal_get_runtime_dir());
    if (pn_dataplane_start(&dataplane, &args, &err)) {
        pn_log_error("%s", err.text);
        rte_eal_cleanup();
        return 1;
    }
    pn_telemetry_start(&dataplane.stats);
    if (args.realtime)
        realtime_main();
    if (args.no_sandbox)
        pn_log_warning("running with all rights (--no-sandbox)");
    else if (pn_sandbox_enter(&err))
        pn_log_warning("sandbox: %s", err.text);
    run();
    pn_telemetry_stop();
    pn_dataplane_stop(&dataplane);
    rte_eal_cleanup();
    rmdir(runtime_folder);
    pn_log_notice("stopped");
    return exit_status;
}
