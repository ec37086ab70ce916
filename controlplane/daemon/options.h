/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd's command line; posternd(8) explains it. */
#ifndef POSTERN_DAEMON_OPTIONS_H
#define POSTERN_DAEMON_OPTIONS_H

#include <stdio.h>
#include <sys/types.h>

#include "postern/types.h"

#define PN_CONF_DEFAULT "/etc/postern/postern.conf"
#define PN_DP_SOCKET_DEFAULT "/run/postern/dp.sock"
#define PN_STATE_DIR_DEFAULT "/var/lib/postern"

enum pn_daemon_mode { PN_DAEMON_RUN, PN_DAEMON_CHECK, PN_DAEMON_DP_ARGS, PN_DAEMON_VERSION, PN_DAEMON_HELP };

struct pn_daemon_options {
    enum pn_daemon_mode mode;
    const char *config;
    const char *node; /* NULL: this machine's */
    const char *dp_socket;
    const char *socket;
    mode_t socket_mode;
    const char *state_dir;
    const char *user; /* NULL: stay who we are */
    const char *dp_args_file; /* NULL: standard output */
    int log_level;
    bool realtime; /* heartbeats may ask for real-time priority and locked memory */
    bool confine; /* drop capabilities and close system calls */
};

/* argv as main has it. -1 and err names the option at fault. */
int pn_daemon_options_parse(struct pn_daemon_options *o, int argc, char *argv[], struct pn_error *err);
void pn_daemon_usage(FILE *out);

#endif
