/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

#define GIVE_DEPTH_MAX 6u
#define GIVE_FILES_MAX 4000000u /* a few tens of seconds, once */

static int become(const char *user, struct pn_error *err)
{
    const struct passwd *pw = getpwnam(user);

    if (!pw)
        return pn_error_set(err, "no user %s", user);
    if (initgroups(user, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
        return pn_error_set(err, "cannot become user %s: %s", user, strerror(errno));
    return 0;
}

static int drop_capabilities(struct pn_error *err)
{
    cap_t none = cap_init();
    int rc = none ? cap_set_proc(none) : -1;

    if (none)
        cap_free(none);
    return rc < 0 ? pn_error_set(err, "cannot drop capabilities: %s", strerror(errno)) : 0;
}

/* Not under the address sanitizer: its leak checker traces its own process. */
#if !defined(__SANITIZE_ADDRESS__)
static int close_system_calls(struct pn_error *err)
{
    static const int calls[] = {
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(delete_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(reboot),
        SCMP_SYS(swapon),
        SCMP_SYS(swapoff),
        SCMP_SYS(setns),
        SCMP_SYS(unshare),
        SCMP_SYS(add_key),
        SCMP_SYS(keyctl),
        SCMP_SYS(request_key),
        SCMP_SYS(iopl),
        SCMP_SYS(ioperm),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(move_mount),
        SCMP_SYS(fsopen),
        SCMP_SYS(settimeofday),
        SCMP_SYS(clock_settime),
        SCMP_SYS(acct),
        SCMP_SYS(personality),
        SCMP_SYS(quotactl),
        SCMP_SYS(syslog),
        SCMP_SYS(mknod),
        SCMP_SYS(mknodat),
        SCMP_SYS(io_uring_setup),
    };
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx ? 0 : -ENOMEM;

    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); /* the ownership thread, too */
    for (unsigned i = 0; rc == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
    if (rc == 0)
        rc = seccomp_load(ctx);
    if (ctx)
        seccomp_release(ctx);
    return rc < 0 ? pn_error_set(err, "cannot close system calls: %s", strerror(-rc)) : 0;
}

#else
static int close_system_calls(struct pn_error *err)
{
    (void)err;
    return 0;
}
#endif

int pn_confine(const char *user, struct pn_error *err)
{
    if (user && become(user, err) < 0)
        return -1;
    /* No core dump and no /proc/PID/mem for others: keys are in memory. Changing the user resets it, so after that. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return pn_error_set(err, "cannot forbid core dumps: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return pn_error_set(err, "cannot set no_new_privs: %s", strerror(errno));
    if (drop_capabilities(err) < 0)
        return -1;
    return close_system_calls(err);
}

struct give {
    uid_t uid;
    gid_t gid;
    dev_t dev;
    unsigned left; /* entries that may still be looked at */
    char why[96]; /* the first thing that could not be given; "": nothing */
};

static void give_failed(struct give *g, const char *name, const char *why)
{
    if (!g->why[0])
        snprintf(g->why, sizeof(g->why), "%.40s: %.50s", name, why);
}

static void give_one(struct give *g, int fd, const char *name, const struct stat *st)
{
    if ((st->st_uid != g->uid || st->st_gid != g->gid) && fchownat(fd, "", g->uid, g->gid, AT_EMPTY_PATH) < 0)
        give_failed(g, name, strerror(errno));
}

static void give_entry(struct give *g, int folder, const char *name, unsigned depth);

/* A folder below the first level that is the user's has been given with all in it: it comes last. */
static void give_folder(struct give *g, int path_fd, const char *name, const struct stat *st, unsigned depth)
{
    int fd;
    DIR *d;

    if (st->st_dev != g->dev || depth >= GIVE_DEPTH_MAX) {
        if (st->st_uid != g->uid)
            give_failed(g, name, depth >= GIVE_DEPTH_MAX ? "too deep" : "another file system");
        return;
    }
    if (depth > 1 && st->st_uid == g->uid)
        return;
    fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        give_failed(g, name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *e = readdir(d); e && g->left; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            give_entry(g, fd, e->d_name, depth + 1);
    closedir(d);
    if (g->left)
        give_one(g, path_fd, name, st);
    else
        give_failed(g, name, "too many files");
}

/* No link is followed, and what has a second name may be anybody's file. */
static void give_entry(struct give *g, int folder, const char *name, unsigned depth)
{
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return;
    g->left--;
    if (fd < 0 || fstat(fd, &st) < 0)
        give_failed(g, name, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        give_folder(g, fd, name, &st, depth);
    else if (S_ISREG(st.st_mode) && st.st_nlink > 1 && st.st_uid != g->uid)
        give_failed(g, name, "has more than one name");
    else if (S_ISREG(st.st_mode))
        give_one(g, fd, name, &st);
    if (fd >= 0)
        close(fd);
}

int pn_confine_give(const char *user, const char *dir, struct pn_error *err)
{
    static const char *const names[] = {"cluster", "spool", "quarantine", "rules.db", "rules.db-wal", "rules.db-shm"};
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    struct give g = {.uid = pw ? pw->pw_uid : geteuid(), .gid = pw ? pw->pw_gid : getegid(), .left = GIVE_FILES_MAX};
    struct stat st;
    int fd;

    if (geteuid() != 0 || (user && !pw))
        return 0;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0) {
        pn_error_set(err, "%s: %s", dir, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    g.dev = st.st_dev;
    if (fchown(fd, g.uid, g.gid) < 0)
        give_failed(&g, dir, strerror(errno));
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        give_entry(&g, fd, names[i], 1);
    close(fd);
    return g.why[0]
               ? pn_error_set(err, "%s: cannot be given to %s (chown -R does): %s", dir, user ? user : "root", g.why)
               : 0;
}

int pn_confine_thread(struct pn_error *err)
{
    return drop_capabilities(err);
}
