/* SPDX-License-Identifier: BSD-3-Clause */
/* dpdk-testpmd as a child process, measured while it runs. */
#ifndef PN_TESTS_TESTPMD_H
#define PN_TESTS_TESTPMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Forwards what the pcap file holds, over and over, in this mode ("5tswap", "macswap") for about ms milliseconds.
 * Returns packets a second of its forwarding thread's own CPU time, 0 when it could not be run (a line says why).
 */
double testpmd_pps(const char *program, const char *cores, const char *mode, const char *pcap, unsigned mbufs,
                   unsigned ms);

/* CPU nanoseconds of a thread so far, 0 when unknown. pid 0: of this process. */
uint64_t thread_cpu_ns(pid_t pid, pid_t tid);
/* The thread of this process whose name begins so; 0: none. */
pid_t thread_named(pid_t pid, const char *name);

#endif
