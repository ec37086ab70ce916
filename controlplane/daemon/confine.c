/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

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

static int give_files(int folder, uid_t uid, gid_t gid)
{
    DIR *d = fdopendir(folder);
    struct stat st;
    int rc = d ? 0 : -1;

    if (!d)
        close(folder);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid != uid)
            rc |= fchownat(dirfd(d), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW);
    if (d)
        closedir(d);
    return rc;
}

int pn_confine_give(const char *user, const char *dir, const char *subfolder, struct pn_error *err)
{
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    uid_t uid = pw ? pw->pw_uid : geteuid();
    gid_t gid = pw ? pw->pw_gid : getegid();
    int fd, sub, rc = 0;

    if (geteuid() != 0 || (user && !pw))
        return 0;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return pn_error_set(err, "%s: %s", dir, strerror(errno));
    rc = fchown(fd, uid, gid);
    sub = openat(fd, subfolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (sub >= 0) {
        rc |= fchown(sub, uid, gid);
        rc |= give_files(sub, uid, gid);
    } else if (errno != ENOENT) {
        rc = -1;
    }
    close(fd);
    return rc ? pn_error_set(err, "%s: cannot be given to %s: %s", dir, user ? user : "root", strerror(errno)) : 0;
}

int pn_confine_thread(struct pn_error *err)
{
    return drop_capabilities(err);
}
