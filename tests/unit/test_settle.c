/* SPDX-License-Identifier: BSD-3-Clause */
/* The wait for workers, on one CPU with a worker of less priority: it must get there to come round. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/settle.h"

#define WAIT_US 20000

static struct rte_rcu_qsbr *qsbr;
static atomic_bool stop, stuck, is_stuck, ready;
static uint64_t tsc_hz;

static void *worker(void *arg)
{
    (void)arg;
    rte_rcu_qsbr_thread_register(qsbr, 0);
    rte_rcu_qsbr_thread_online(qsbr, 0);
    atomic_store(&ready, true);
    while (!atomic_load(&stop))
        if (!atomic_load(&stuck))
            rte_rcu_qsbr_quiescent(qsbr, 0);
        else
            atomic_store(&is_stuck, true);
    rte_rcu_qsbr_thread_offline(qsbr, 0);
    rte_rcu_qsbr_thread_unregister(qsbr, 0);
    return NULL;
}

static uint64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void measure_tsc(void)
{
    const struct timespec t = {.tv_nsec = 5000000};
    uint64_t tsc = rte_rdtsc(), ns = clock_ns();
    nanosleep(&t, NULL);
    tsc_hz = (uint64_t)((double)(rte_rdtsc() - tsc) * 1e9 / (double)(clock_ns() - ns));
}

static void test_a_worker_on_the_same_cpu_comes_round(void **state)
{
    const struct sched_param fifo = {.sched_priority = 10}, other = {.sched_priority = 0};
    const struct timespec t = {.tv_nsec = 1000000};
    cpu_set_t before, one;
    pthread_t thread;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0); /* its thread inherits it */
    assert_int_equal(pthread_create(&thread, NULL, worker, NULL), 0);
    while (!atomic_load(&ready))
        nanosleep(&t, NULL);
    bool realtime = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo) == 0;
    bool settled = pn_settle(qsbr, tsc_hz, 20 * WAIT_US); /* ordinary threads of others run here, too */
    atomic_store(&stuck, true);
    while (!atomic_load(&is_stuck)) /* it may have been put off the CPU on its way to come round once more */
        nanosleep(&t, NULL);
    uint64_t begin_ns = clock_ns();
    bool settled_stuck = pn_settle(qsbr, tsc_hz, WAIT_US);
    uint64_t waited_ns = clock_ns() - begin_ns;
    if (realtime)
        assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &other), 0);
    sched_setaffinity(0, sizeof(before), &before);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_true(settled || !realtime); /* without the right to it, the machine's load decides */
    assert_false(settled_stuck);
    assert_true(waited_ns >= WAIT_US * 900u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_worker_on_the_same_cpu_comes_round),
    };
    size_t bytes = rte_rcu_qsbr_get_memsize(1);
    qsbr = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!qsbr || rte_rcu_qsbr_init(qsbr, 1))
        return 1;
    measure_tsc();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(qsbr);
    return rc;
}
