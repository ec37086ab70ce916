/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the configuration names: whether they could be used, before somebody relies on it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "controlplane/conf/report.h"

/* Why not; NULL: it is one. */
static const char *not_certificates(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const char *why = NULL;

    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &st) < 0)
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "not a regular file";
    close(fd);
    if (why)
        return why;
    X509_STORE *store = X509_STORE_new();
    if (!store || X509_STORE_load_file(store, path) != 1)
        why = "no certificate in PEM form";
    X509_STORE_free(store);
    ERR_clear_error();
    return why;
}

unsigned pn_conf_outside(const struct pn_conf *conf, pn_conf_look_fn keys, struct pn_conf_error *errors, unsigned max)
{
    struct pn_report report = {.rows = errors, .max = max};
    struct pn_error err;

    if (keys && conf->n_nodes > 1 && keys(conf->heartbeat.key_file, &err) < 0)
        pn_report_add(&report, conf->n_files ? conf->files[0] : "", 0, 0, "heartbeat.key-file", "%s", err.text);

    for (unsigned i = 0; i < conf->n_checks; i++) {
        const struct pn_conf_check *check = &conf->checks[i];
        const char *why = check->ca_file[0] ? not_certificates(check->ca_file) : NULL;

        char key[64];

        if (!why)
            continue;
        snprintf(key, sizeof(key), "check.%s.ca-file", check->name);
        pn_report_add(&report, check->where.file, check->where.line, 0, key, "%.160s: %s", check->ca_file, why);
    }
    return report.n;
}
