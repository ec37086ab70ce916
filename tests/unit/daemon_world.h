/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd and a fake dataplane, in a folder of their own. */
#ifndef TESTS_UNIT_DAEMON_WORLD_H
#define TESTS_UNIT_DAEMON_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"
#include "tests/unit/fake_dp.h"

static const char conf_text[] = "cluster { name = \"t\" }\n"
                                "node \"n1\" { port \"lan\" { type = af_xdp; interface = eth0 } }\n"
                                "vip \"in4\" { address = \"192.0.2.25\"; port = \"lan\"; priority { n1 = 200 } }\n"
                                "gateway \"mx1\" { address = \"192.0.2.11\" }\n"
                                "gateway \"mx2\" { address = \"192.0.2.12\" }\n"
                                "pool \"mx\" {\n"
                                "  tier \"primary\" { gateways = [\"mx1\"]; spill { active-flows-high = 10; "
                                "hold-up = 100ms; hold-down = 300ms } }\n"
                                "  tier \"secondary\" { gateways = [\"mx2\"] }\n"
                                "}\n"
                                "service \"smtp-in\" { vips = [\"in4\"]; port = 25; pool = \"mx\" }\n";

static struct fake_dp dp;

static struct pn_daemon *d;

static char dir[64], conf_path[96], sock_path[96], dp_path[96];

static struct pn_daemon_options opt;

static inline void write_conf(const char *text)
{
    FILE *f = fopen(conf_path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The same with a check in the pool. */
static inline void write_conf_checked(const char *check)
{
    static const char in_pool[] = "  checks = [\"c\"]\n";
    const char *at = strstr(conf_text, "  tier \"primary\"");
    char text[2048];

    snprintf(text, sizeof(text), "check \"c\" { %s }\n%.*s%s%s", check, (int)(at - conf_text), conf_text, in_pool, at);
    write_conf(text);
}

static inline int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/pn-daemon.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(conf_path, sizeof(conf_path), "%s/postern.conf", dir);
    snprintf(sock_path, sizeof(sock_path), "%s/postern.sock", dir);
    snprintf(dp_path, sizeof(dp_path), "%s/dp.sock", dir);
    write_conf(conf_text);
    opt = (struct pn_daemon_options){.config = conf_path,
                                     .dp_socket = dp_path,
                                     .socket = sock_path,
                                     .socket_mode = 0600,
                                     .state_dir = dir,
                                     .node = "n1",
                                     .log_level = PN_LOG_ERROR};
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    return 0;
}

static inline int teardown(void **state)
{
    char command[128];

    (void)state;
    if (dp.listener) /* the test has failed: its leaks would only hide that */
        fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = NULL;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static inline struct pn_snapshot running(void)
{
    struct pn_snapshot view;
    struct pn_error err = {""};

    if (pn_snapshot_validate(dp.snapshot, dp.snapshot_len, &view, &err) < 0)
        fail_msg("%s", err.text);
    return view;
}

/* posternd dies; the dataplane, with what it holds and started at started_ns, finds another posternd. */
static inline void daemon_again(uint64_t started_ns)
{
    static struct fake_dp saved;

    memcpy(saved.snapshot, dp.snapshot, sizeof(saved.snapshot));
    saved.snapshot_len = dp.snapshot_len;
    fake_dp_stop(&dp);
    pn_daemon_free(d);
    d = pn_daemon_new(&opt);
    assert_non_null(d);
    fake_dp_start(&dp, d->base, dir);
    dp.started_ns = started_ns;
    memcpy(dp.snapshot, saved.snapshot, sizeof(saved.snapshot));
    dp.snapshot_len = saved.snapshot_len;
}

static inline void start_dp(void)
{
    fake_dp_start(&dp, d->base, dir);
    assert_true(fake_dp_wait(d->base, &dp.asked[PN_DP_LEASE], 1, 5000));
}

#endif
