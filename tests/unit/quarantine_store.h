/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The database under a host's store in a test: the embedded one, or a private PostgreSQL cluster in a temporary folder, on a
 * unix socket, run by an unprivileged user and ended by its pid. Each store in it has a schema of its own.
 */
#ifndef POSTERN_TESTS_QUARANTINE_STORE_H
#define POSTERN_TESTS_QUARANTINE_STORE_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/quarantine/host.h"
#include "quarantine_fixture.h"

struct store {
    bool postgresql;
    char dir[64], bin[160], data[96];
    pid_t server, owner;
    uid_t uid;
    gid_t gid;
    unsigned schema;
    char where[256];
};
static struct store store;

static inline pid_t store_spawn(char *const *argv)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (store.uid && (setgroups(0, NULL) != 0 || setgid(store.gid) != 0 || setuid(store.uid) != 0))
        _exit(120);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (chdir(store.dir) != 0)
        _exit(121);
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    close_range(3, 1000, 0);
    execv(argv[0], argv);
    _exit(122);
}

static inline int store_wait(pid_t pid)
{
    int status = -1;

    waitpid(pid, &status, 0);
    return status;
}

/* A program of PostgreSQL's, or psql with a command. */
static inline int store_psql(const char *sql)
{
    char path[200], host[96];
    char *argv[] = {
        path,         (char *)"-X",       (char *)"-q", (char *)"-h",           host, (char *)"-U", (char *)"postern",
        (char *)"-d", (char *)"postgres", (char *)"-c", (char *)(uintptr_t)sql, NULL};

    snprintf(path, sizeof(path), "%s/psql", store.bin);
    snprintf(host, sizeof(host), "%s", store.dir);
    return store_wait(store_spawn(argv));
}

static inline void store_server_start(void)
{
    char path[200];
    char *argv[] = {path,
                    (char *)"-D",
                    store.data,
                    (char *)"-k",
                    store.dir,
                    (char *)"-c",
                    (char *)"listen_addresses=",
                    (char *)"-c",
                    (char *)"shared_buffers=16MB",
                    (char *)"-c",
                    (char *)"max_connections=20",
                    (char *)"-c",
                    (char *)"max_wal_size=256MB",
                    (char *)"-c",
                    (char *)"wal_level=minimal",
                    (char *)"-c",
                    (char *)"max_wal_senders=0",
                    NULL};

    snprintf(path, sizeof(path), "%s/postgres", store.bin);
    store.server = store_spawn(argv);
    for (unsigned i = 0; i < 200; i++) {
        if (store_psql("SELECT 1") == 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    fprintf(stderr, "PostgreSQL did not start; see %s/log\n", store.dir);
    exit(1);
}

static inline void store_server_stop(int how)
{
    if (store.server > 0) {
        kill(store.server, how);
        store_wait(store.server);
    }
    store.server = 0;
}

static inline void store_end(void)
{
    if (!store.postgresql || store.owner != getpid())
        return;
    store_server_stop(SIGQUIT);
    fixture_remove(store.dir);
}

/* From main: argv[1] names the database. Its return value is the exit status to end with, -1: go on. */
static inline int store_begin(int argc, char **argv)
{
    char path[200];
    glob_t g;

    if (argc < 2 || strcmp(argv[1], "postgresql") != 0)
        return -1;
    /* Debian keeps them out of PATH. Continuous integration installs them: there they must be. */
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) != 0) {
        fprintf(stderr, "no PostgreSQL server here (/usr/lib/postgresql/*/bin/initdb)\n");
        return getenv("CI") ? 1 : 77;
    }
    snprintf(store.bin, sizeof(store.bin), "%.*s", (int)(strlen(g.gl_pathv[g.gl_pathc - 1]) - strlen("/initdb")),
             g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
    if (getuid() == 0) { /* the server refuses to be root */
        struct passwd *pw = getpwnam("nobody");
        store.uid = pw ? pw->pw_uid : 65534;
        store.gid = pw ? pw->pw_gid : 65534;
    }
    fixture_dir(store.dir);
    if (store.uid && chown(store.dir, store.uid, store.gid) != 0)
        return 1;
    snprintf(store.data, sizeof(store.data), "%s/data", store.dir);
    snprintf(path, sizeof(path), "%s/initdb", store.bin);
    char *init[] = {path,
                    (char *)"-D",
                    store.data,
                    (char *)"-A",
                    (char *)"trust",
                    (char *)"-U",
                    (char *)"postern",
                    (char *)"-E",
                    (char *)"UTF8",
                    (char *)"--locale=C.UTF-8",
                    (char *)"-N",
                    NULL};
    if (store_wait(store_spawn(init)) != 0) {
        fprintf(stderr, "initdb failed; see %s/log\n", store.dir);
        return 1;
    }
    store.postgresql = true;
    store.owner = getpid();
    atexit(store_end);
    store_server_start();
    return -1;
}

/* Another empty store from here on. */
static inline void store_new(void)
{
    char sql[64];

    if (!store.postgresql)
        return;
    snprintf(sql, sizeof(sql), "CREATE SCHEMA w%u", ++store.schema);
    if (store_psql(sql) != 0) {
        fprintf(stderr, "no schema\n");
        exit(1);
    }
    snprintf(store.where, sizeof(store.where), "host=%s user=postern dbname=postgres options='-c search_path=w%u'",
             store.dir, store.schema);
}

static inline void store_options(struct pn_host_options *o)
{
    if (store.postgresql) {
        o->database = "postgresql";
        o->where = store.where;
    }
}

static inline void store_copy(const char *from, const char *to)
{
    char cmd[512];

    snprintf(cmd, sizeof(cmd), "rm -rf %s && cp -a %s %s", to, from, to);
    if (system(cmd) != 0)
        exit(1);
}

/* With the host closed: all of it as it is now, and back to that. host: its folder. */
static inline void store_backup(const char *host, bool restore)
{
    char copy[160], data_copy[160];

    snprintf(copy, sizeof(copy), "%s.backup", host);
    snprintf(data_copy, sizeof(data_copy), "%s.backup", store.data);
    store_copy(restore ? copy : host, restore ? host : copy);
    if (!store.postgresql)
        return;
    store_server_stop(SIGINT);
    store_copy(restore ? data_copy : store.data, restore ? store.data : data_copy);
    store_server_start();
}

/* Hands item in, a message of these bytes or a record; sha: of item, as long as it is used. */
static inline void store_put(struct pn_host *host, pn_q_item *item, const char *raw, uint8_t sha[PN_Q_SHA_BYTES],
                             pn_host_done *done, void *arg)
{
    struct pn_qtmp *tmp = NULL;
    struct pn_error err;

    if (item->kind == PN_Q_MESSAGE) {
        tmp = pn_qtmp_begin(pn_host_files(host));
        assert_int_equal(pn_qtmp_append(tmp, raw, strlen(raw), &err), 0);
        assert_int_equal(pn_qtmp_finish(tmp, &err), 0);
        memcpy(sha, pn_qtmp_sha(tmp), PN_Q_SHA_BYTES);
    } else {
        assert_int_equal(pn_q_record_sha(item, sha), 0);
    }
    item->sha256 = (ProtobufCBinaryData){PN_Q_SHA_BYTES, sha};
    if (pn_host_put(host, item, tmp, done, arg, &err) != 0)
        fail_msg("%s", err.text);
}

#endif
