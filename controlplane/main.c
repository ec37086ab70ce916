/* SPDX-License-Identifier: BSD-3-Clause */
/* posternd(8): the control plane. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/wipe.h"
#include "controlplane/conf/dpargs.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/vip/keys.h"

#define MAX_ERRORS 64

/* outside: with the files that it names. */
static struct pn_conf *load(const struct pn_daemon_options *o, bool outside)
{
    struct pn_conf_error errors[MAX_ERRORS];
    char text[PN_CONF_ERROR_TEXT_BYTES];
    unsigned n = 0;
    struct pn_conf *conf = pn_conf_load(o->config, errors, MAX_ERRORS, &n);

    if (conf && outside && (n = pn_conf_outside(conf, pn_keys_look, errors, MAX_ERRORS)) > 0) {
        pn_conf_free(conf);
        conf = NULL;
    }
    for (unsigned i = 0; !conf && i < n && i < MAX_ERRORS; i++)
        fprintf(stderr, "%s\n", pn_conf_error_text(&errors[i], text, sizeof(text)));
    if (!conf && n > MAX_ERRORS)
        fprintf(stderr, "and %u more\n", n - MAX_ERRORS);
    return conf;
}

static int check(const struct pn_daemon_options *o)
{
    struct pn_conf *conf = load(o, true);
    char text[PN_CONF_ERROR_TEXT_BYTES];

    if (!conf)
        return 1;
    if (o->node && pn_conf_node_find(conf, o->node) < 0) {
        fprintf(stderr, "%s: %s\n", o->config, pn_conf_no_node(conf, o->node, text, sizeof(text)));
        pn_conf_free(conf);
        return 1;
    }
    for (unsigned i = 0; i < conf->n_warnings; i++)
        fprintf(stderr, "%s\n", pn_conf_warning_text(&conf->warnings[i], text, sizeof(text)));
    printf("%s: OK: %s\n", o->config, pn_conf_counts(conf, text, sizeof(text)));
    pn_conf_free(conf);
    return 0;
}

/* Whole or not at all: postern-dp may start from the old file while this one is being written. */
static int write_file(const char *path, const char *text)
{
    char temporary[4096];
    int fd, rc = -1;
    size_t len = strlen(text);

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    if (write(fd, text, len) == (ssize_t)len && fsync(fd) == 0 && rename(temporary, path) == 0)
        rc = 0;
    int error = errno;
    close(fd);
    if (rc < 0)
        unlink(temporary);
    errno = error;
    return rc;
}

static int dataplane_args(const struct pn_daemon_options *o)
{
    struct pn_dpargs_options options = {.socket = strcmp(o->dp_socket, PN_DP_SOCKET_DEFAULT) ? o->dp_socket : NULL};
    static char text[PN_DPARGS_MAX_BYTES];
    struct pn_conf *conf = load(o, false);
    struct pn_error err;
    int node, rc = 1;

    if (!conf)
        return 1;
    node = pn_conf_node_find(conf, o->node);
    if (node < 0)
        fprintf(stderr, "%s: %s\n", o->config, pn_conf_no_node(conf, o->node, err.text, sizeof(err.text)));
    else if (pn_dpargs_write(conf, (unsigned)node, &options, text, sizeof(text), &err) < 0)
        fprintf(stderr, "%s: %s\n", o->config, err.text);
    else if (!o->dp_args_file)
        rc = fputs(text, stdout) < 0 || fflush(stdout) != 0;
    else if (write_file(o->dp_args_file, text) < 0)
        fprintf(stderr, "%s: %s\n", o->dp_args_file, strerror(errno));
    else
        rc = 0;
    pn_conf_free(conf);
    return rc;
}

static int run(const struct pn_daemon_options *o)
{
    struct pn_daemon *d;
    int rc;

    json_set_alloc_funcs(malloc, pn_wiping_free); /* tokens and passphrases travel in JSON */
    pn_log_init("posternd", (enum pn_log_level)o->log_level);
    d = pn_daemon_new(o);
    if (!d)
        return 1;
    rc = pn_daemon_run(d);
    pn_daemon_free(d);
    return rc;
}

int main(int argc, char *argv[])
{
    struct pn_daemon_options o;
    struct pn_error err;

    if (pn_daemon_options_parse(&o, argc, argv, &err) < 0) {
        fprintf(stderr, "posternd: %s (see: posternd --help)\n", err.text);
        return 2;
    }
    switch (o.mode) {
    case PN_DAEMON_CHECK:
        return check(&o);
    case PN_DAEMON_DP_ARGS:
        return dataplane_args(&o);
    case PN_DAEMON_VERSION:
        puts("posternd " PN_VERSION);
        return 0;
    case PN_DAEMON_HELP:
        pn_daemon_usage(stdout);
        return 0;
    default:
        return run(&o);
    }
}
