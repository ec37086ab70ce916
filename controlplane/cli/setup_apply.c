/* SPDX-License-Identifier: BSD-3-Clause */
/* Does it on this host: sysctls through /proc, the rest with ip(8), called with an argument list and no shell. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/cli/setup.h"
#include "controlplane/conf/conf.h"

extern char **environ;

static int run(const struct pn_setup *s, const char *const argv[])
{
    pid_t pid;
    int status, rc;

    for (unsigned i = 0; argv[i]; i++)
        fprintf(s->out, "%s%s", i ? " " : "+ ", argv[i]);
    fputc('\n', s->out);
    fflush(s->out);
    rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    if (rc != 0) {
        fprintf(stderr, "postern: %s: %s\n", argv[0], strerror(rc));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static bool interface_exists(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/class/net/%s", name);
    if (access(path, F_OK) == 0)
        return true;
    /* A namespace without its own /sys: ask where the kernel always answers for the caller's namespace. */
    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s", name);
    return access(path, F_OK) == 0;
}

/* ---- sysctls ---- */

static void sysctl_path(const char *name, char *path, size_t size)
{
    snprintf(path, size, "/proc/sys/%s", name);
    for (char *c = path + strlen("/proc/sys/"); *c; c++)
        if (*c == '.')
            *c = '/';
}

static int sysctl_read(const char *name, long *value)
{
    char path[400];
    FILE *f;
    int n;

    sysctl_path(name, path, sizeof(path));
    f = fopen(path, "re");
    if (!f)
        return -1;
    n = fscanf(f, "%ld", value);
    fclose(f);
    return n == 1 ? 0 : -1;
}

static int sysctl_write(const struct pn_setup *s, const char *name, const char *value)
{
    char path[400];
    int fd, rc;

    fprintf(s->out, "+ sysctl -w %s=%s\n", name, value);
    sysctl_path(name, path, sizeof(path));
    fd = open(path, O_WRONLY | O_CLOEXEC);
    rc = fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value) ? -1 : 0;
    if (rc < 0)
        fprintf(stderr, "postern: %s: %s%s\n", path, strerror(errno), errno == EACCES ? " (be root)" : "");
    if (fd >= 0)
        close(fd);
    return rc;
}

/*
 * What the values were before, for --undo. Kept for the host itself only: other network namespaces share its /run and
 * start with the kernel's own values, which are 0.
 */
#define RECORD "/run/postern-vip.sysctl"

static bool is_host_namespace(void)
{
    struct stat own, host;

    return stat("/proc/self/ns/net", &own) == 0 && stat("/proc/1/ns/net", &host) == 0 && own.st_ino == host.st_ino;
}

static void record_save(void)
{
    FILE *f;
    int fd;

    if (!is_host_namespace())
        return;
    fd = open(RECORD, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return; /* there already: it holds the values from before the first time */
    f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        return;
    }
    for (unsigned i = 0; i < pn_setup_n_sysctls; i++) {
        long value = 0;

        sysctl_read(pn_setup_sysctls[i].name, &value);
        fprintf(f, "%ld\n", value);
    }
    fclose(f);
}

static void record_restore(const struct pn_setup *s)
{
    FILE *f = is_host_namespace() ? fopen(RECORD, "re") : NULL;
    char value[32];

    for (unsigned i = 0; i < pn_setup_n_sysctls; i++) {
        if (!f || !fgets(value, sizeof(value), f))
            snprintf(value, sizeof(value), "0");
        value[strcspn(value, "\n")] = '\0';
        sysctl_write(s, pn_setup_sysctls[i].name, value);
    }
    if (f) {
        fclose(f);
        unlink(RECORD);
    }
}

/* ---- apply and undo ---- */

static int write_file(const struct pn_setup *s, const struct pn_setup_file *file)
{
    int fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, file->mode);
    size_t len = strlen(file->text);
    int rc = fd < 0 || write(fd, file->text, len) != (ssize_t)len || fsync(fd) < 0 ? -1 : 0;

    fprintf(s->out, "+ write %s\n", file->path);
    if (rc < 0)
        fprintf(stderr, "postern: %s: %s\n", file->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

static int address(const struct pn_setup *s, const struct pn_setup_vip *vip, const char *verb)
{
    char text[PN_PREFIX_TEXT_BYTES];

    snprintf(text, sizeof(text), "%s/%d", vip->text, vip->v4 ? 32 : 128);
    if (vip->v4 || strcmp(verb, "del") == 0) {
        const char *const argv[] = {"ip", vip->v4 ? "-4" : "-6", "addr", verb, text, "dev", s->interface, NULL};
        return run(s, argv);
    }
    const char *const argv[] = {"ip",         "-6",    "addr",          verb, text, "dev",
                                s->interface, "nodad", "preferred_lft", "0",  NULL};
    return run(s, argv);
}

/* The interface for the VIPs, made and up; the loopback where this kernel has no dummy interfaces. */
static int interface_make(struct pn_setup *s)
{
    const char *const add[] = {"ip", "link", "add", s->interface, "type", "dummy", NULL};
    const char *const up[] = {"ip", "link", "set", s->interface, "arp", "off", "up", NULL};

    if (pn_setup_on_loopback(s))
        return 0;
    if (interface_exists(s->interface) || run(s, add) == 0)
        return run(s, up);
    if (s->persist == PN_PERSIST_NETWORKD || s->persist == PN_PERSIST_IFUPDOWN)
        return -1;
    fprintf(stderr, "postern: note: no dummy interface to be had here: the VIPs go to %s\n", PN_SETUP_LOOPBACK);
    s->interface = PN_SETUP_LOOPBACK;
    return 0;
}

int pn_setup_apply(struct pn_setup *s)
{
    struct pn_setup_file file;

    /* Silence first: there must be no moment in which this host answers ARP for a VIP. */
    record_save();
    for (unsigned i = 0; i < pn_setup_n_sysctls; i++) {
        long value;

        if (sysctl_read(pn_setup_sysctls[i].name, &value) == 0 && value >= strtol(pn_setup_sysctls[i].value, NULL, 10))
            continue;
        if (sysctl_write(s, pn_setup_sysctls[i].name, pn_setup_sysctls[i].value) < 0)
            return PN_EXIT_FAILED;
    }
    if (interface_make(s) < 0)
        return PN_EXIT_FAILED;
    for (unsigned i = 0; i < s->n; i++)
        if (address(s, &s->vips[i], "replace") < 0)
            return PN_EXIT_FAILED;
    for (unsigned i = 0; pn_setup_file(s, i, &file); i++) {
        int rc = write_file(s, &file);
        free(file.text);
        if (rc < 0)
            return PN_EXIT_FAILED;
    }
    return PN_EXIT_OK;
}

/* What cannot be asked counts as there: ip(8) says more. */
static bool has_address(const struct pn_setup *s, const struct pn_setup_vip *vip)
{
    unsigned n = 0;
    struct pn_conf_link *links = pn_conf_links(&n);
    struct pn_addr addr;
    bool there = !links || pn_addr_parse(vip->text, &addr, NULL) < 0;

    for (unsigned i = 0; i < n && !there; i++)
        there = links[i].has_address && strcmp(links[i].interface, s->interface) == 0 &&
                pn_addr_equal(&links[i].address, &addr);
    free(links);
    return there;
}

int pn_setup_undo(struct pn_setup *s)
{
    struct pn_setup_file file;
    int rc = PN_EXIT_OK;

    for (unsigned i = 0; pn_setup_file(s, i, &file); i++) {
        fprintf(s->out, "+ remove %s\n", file.path);
        if (unlink(file.path) < 0 && errno != ENOENT) {
            fprintf(stderr, "postern: %s: %s\n", file.path, strerror(errno));
            rc = PN_EXIT_FAILED;
        }
        free(file.text);
    }
    if (!interface_exists(s->interface))
        s->interface = PN_SETUP_LOOPBACK; /* where apply puts them when it cannot make its own */
    const char *const del[] = {"ip", "link", "del", s->interface, NULL};
    for (unsigned i = 0; i < s->n; i++) {
        if (!has_address(s, &s->vips[i]))
            fprintf(s->out, "# %s is not on %s\n", s->vips[i].text, s->interface);
        else if (address(s, &s->vips[i], "del") < 0)
            rc = PN_EXIT_FAILED;
    }
    if (s->n)
        return rc; /* only these; without --vip and NAME everything goes */
    if (!pn_setup_on_loopback(s) && run(s, del) < 0)
        return PN_EXIT_FAILED;
    record_restore(s);
    return rc;
}

void pn_setup_notes(const struct pn_setup *s, void (*note)(void *arg, const char *text), void *arg)
{
    DIR *dir = opendir("/proc/sys/net/ipv4/conf");
    const struct dirent *entry;
    long all = 0;

    if (!dir)
        return;
    sysctl_read("net.ipv4.conf.all.rp_filter", &all);
    while ((entry = readdir(dir))) {
        char name[320], text[768];
        long own = 0;

        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0 || strcmp(entry->d_name, "default") == 0 ||
            strcmp(entry->d_name, "lo") == 0 || strcmp(entry->d_name, s->interface) == 0 || strchr(entry->d_name, '.'))
            continue;
        snprintf(name, sizeof(name), "net.ipv4.conf.%s.rp_filter", entry->d_name);
        if (sysctl_read(name, &own) < 0 || (own > all ? own : all) != 1)
            continue;
        snprintf(text, sizeof(text),
                 "rp_filter is strict (1) on %s: fine while the way back to clients leaves by %s; else set it to 2",
                 entry->d_name, entry->d_name);
        note(arg, text);
    }
    closedir(dir);
}
