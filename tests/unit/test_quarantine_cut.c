/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A power cut at any moment. A child takes, forwards, receives and acknowledges under ptrace, and every call that changes
 * a file or a folder is noted, with what each sync made durable. Then, for many moments, a disk is made as it could be
 * found after the cut: all that was durable, and of the rest some: data in any mix, even parts of a write, names as a prefix
 * of their order. On that disk everything starts anew: what had been promised by then must be found, exactly once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/hash.h"
#include "quarantine_trace.h"

#define OPS_MAX 20000u
#define FDS 256u
#define PATH_BYTES 200u
#define INODES_MAX 1000u

enum op_type { OP_MKDIR, OP_CREATE, OP_RENAME, OP_UNLINK, OP_WRITE, OP_SIZE, OP_TOLD };

static struct op {
    enum op_type type;
    unsigned inode, durable; /* durable: when, as a number of ops; UINT_MAX: never */
    uint64_t offset, len;
    uint8_t *bytes;
    char path[PATH_BYTES], to[PATH_BYTES];
} ops[OPS_MAX];
static unsigned n_ops, n_inodes, n_syncs;

static struct {
    char path[PATH_BYTES];
    unsigned inode; /* 0: a folder */
    uint64_t at;
    bool used;
} fds[FDS];

static struct { /* the names as they are while it runs, and later as they are after the cut */
    char path[PATH_BYTES];
    unsigned inode; /* 0: a folder */
} names[INODES_MAX];
static unsigned n_names;

static int name_find(const char *path)
{
    for (unsigned i = 0; i < n_names; i++)
        if (strcmp(names[i].path, path) == 0)
            return (int)i;
    return -1;
}
static void name_set(const char *path, unsigned inode)
{
    int i = name_find(path);

    if (i < 0) {
        assert_true(n_names < INODES_MAX);
        i = (int)n_names++;
        snprintf(names[i].path, PATH_BYTES, "%s", path);
    }
    names[i].inode = inode;
}
static void name_drop(const char *path)
{
    int i = name_find(path);

    if (i >= 0)
        names[i] = names[--n_names];
}

static struct op *op_add(enum op_type type, const char *path)
{
    assert_true(n_ops < OPS_MAX);
    struct op *o = &ops[n_ops++];

    memset(o, 0, sizeof(*o));
    o->type = type;
    o->durable = UINT32_MAX;
    snprintf(o->path, sizeof(o->path), "%s", path);
    return o;
}

static bool in_folder(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return path[0] && strncmp(path, folder, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

static void synced(const char *folder, unsigned inode, bool all)
{
    n_syncs++;
    for (unsigned i = 0; i < n_ops; i++) {
        struct op *o = &ops[i];
        bool data = o->type == OP_WRITE || o->type == OP_SIZE;
        bool hit =
            all || (data ? inode && o->inode == inode
                         : folder && o->type != OP_TOLD && (in_folder(o->path, folder) || in_folder(o->to, folder)));
        if (hit && o->durable == UINT32_MAX)
            o->durable = n_ops;
    }
}

/* --- watching --- */

static void at_path(pid_t pid, uint64_t fd, uint64_t text, char out[PATH_BYTES])
{
    char name[PATH_BYTES], folder[PATH_BYTES];

    trace_text(pid, text, name, sizeof(name));
    if (name[0] == '/') {
        memcpy(out, name, PATH_BYTES);
        return;
    }
    trace_fd_path(pid, (int)fd, folder, sizeof(folder));
    if (snprintf(out, PATH_BYTES, "%s/%s", folder, name) >= (int)PATH_BYTES)
        fail_msg("a path is too long");
}

static void wrote(pid_t pid, unsigned fd, uint64_t from, uint64_t offset, uint64_t len)
{
    struct op *o = op_add(OP_WRITE, fds[fd].path);

    o->inode = fds[fd].inode;
    o->offset = offset;
    o->len = len;
    o->bytes = malloc(len ? len : 1);
    trace_read(pid, from, o->bytes, len);
}

static void sized(unsigned fd, uint64_t len)
{
    struct op *o = op_add(OP_SIZE, fds[fd].path);

    o->inode = fds[fd].inode;
    o->len = len;
}

static void opened(pid_t pid, const char *root, uint64_t flags, unsigned fd)
{
    memset(&fds[fd], 0, sizeof(fds[fd]));
    trace_fd_path(pid, (int)fd, fds[fd].path, PATH_BYTES);
    /* -shm is memory that SQLite makes anew. */
    if (strncmp(fds[fd].path, root, strlen(root)) != 0 || strstr(fds[fd].path, "-shm"))
        return;
    int i = name_find(fds[fd].path);
    fds[fd].used = true;
    if (i >= 0) {
        fds[fd].inode = names[i].inode;
    } else if (flags & O_CREAT) {
        struct op *o = op_add(OP_CREATE, fds[fd].path);
        fds[fd].inode = o->inode = ++n_inodes;
        name_set(fds[fd].path, n_inodes);
    }
    if (flags & O_TRUNC && fds[fd].inode)
        sized(fd, 0);
}

static void watch(void *root, pid_t pid, const struct __ptrace_syscall_info *in, int64_t rv)
{
    const uint64_t *a = in->entry.args;
    char path[PATH_BYTES], to[PATH_BYTES];
    unsigned fd = a[0] < FDS ? (unsigned)a[0] : 0;

    if (rv < 0)
        return;
    switch (in->entry.nr) {
    case SYS_openat:
        if (rv < FDS)
            opened(pid, root, a[2], (unsigned)rv);
        break;
    case SYS_close:
        fds[fd].used = false;
        break;
    case SYS_lseek:
        fds[fd].at = (uint64_t)rv;
        break;
    case SYS_write:
        if (a[0] == 3) {
            struct op *o = op_add(OP_TOLD, "");
            trace_read(pid, a[1], path, 1);
            o->len = (uint8_t)path[0];
        } else if (fds[fd].used && fds[fd].inode) {
            wrote(pid, fd, a[1], fds[fd].at, (uint64_t)rv);
            fds[fd].at += (uint64_t)rv;
        }
        break;
    case SYS_pwrite64:
        if (fds[fd].used && fds[fd].inode)
            wrote(pid, fd, a[1], a[3], (uint64_t)rv);
        break;
    case SYS_writev:
    case SYS_pwritev:
    case SYS_copy_file_range:
    case SYS_rename:
    case SYS_linkat:
    case SYS_link:
        fail_msg("call %u is not modelled here", (unsigned)in->entry.nr);
        break;
    case SYS_ftruncate:
        if (fds[fd].used && fds[fd].inode)
            sized(fd, a[1]);
        break;
    case SYS_mkdir:
    case SYS_mkdirat:
        at_path(pid, in->entry.nr == SYS_mkdir ? (uint64_t)AT_FDCWD : a[0], a[in->entry.nr == SYS_mkdirat], path);
        op_add(OP_MKDIR, path);
        name_set(path, 0);
        break;
    case SYS_unlink:
    case SYS_unlinkat:
        at_path(pid, in->entry.nr == SYS_unlink ? (uint64_t)AT_FDCWD : a[0], a[in->entry.nr == SYS_unlinkat], path);
        if (name_find(path) >= 0)
            op_add(OP_UNLINK, path);
        name_drop(path);
        break;
    case SYS_renameat2: /* with RENAME_NOREPLACE */
    case SYS_renameat: {
        at_path(pid, a[0], a[1], path);
        at_path(pid, a[2], a[3], to);
        int i = name_find(path);
        assert_true(i >= 0);
        struct op *o = op_add(OP_RENAME, path);
        memcpy(o->to, to, PATH_BYTES);
        unsigned inode = o->inode = names[i].inode;
        name_drop(path);
        name_set(to, inode);
        break;
    }
    case SYS_fsync:
    case SYS_fdatasync:
        if (fds[fd].used)
            synced(fds[fd].inode ? NULL : fds[fd].path, fds[fd].inode, false);
        break;
    case SYS_syncfs:
        synced(NULL, 0, true);
        break;
    default:
        break;
    }
}

static void record(char *dir, unsigned messages)
{
    struct trace t = {.watch = watch, .arg = dir};

    for (unsigned i = 0; i < n_ops; i++)
        free(ops[i].bytes);
    n_ops = n_inodes = n_names = n_syncs = 0;
    memset(fds, 0, sizeof(fds));
    name_set(dir, 0);
    trace_run(&t, dir, messages);
}

/* --- the disk after the cut --- */

static void parent_of(const char path[PATH_BYTES], char out[PATH_BYTES])
{
    memcpy(out, path, PATH_BYTES);
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

/* Some of what is not durable came through all the same. mode 0: nothing of it, 1: all, else by chance. */
static bool lucky(const struct op *o, unsigned at, unsigned mode, unsigned names_left, uint64_t *random)
{
    if (o->durable <= at)
        return true;
    if (mode < 2)
        return mode == 1;
    if (o->type == OP_WRITE || o->type == OP_SIZE)
        return pn_hash_split(random) % 2;
    return names_left > 0;
}

static void disk_make(const char *root, const char *target, unsigned at, unsigned mode, uint64_t *random)
{
    static int files[INODES_MAX];
    char parent[PATH_BYTES], full[PATH_BYTES + 80], staged[160];
    unsigned pending = 0;

    for (unsigned i = 0; i < at; i++)
        pending += ops[i].durable > at && ops[i].type <= OP_UNLINK;
    unsigned left = mode >= 2 && pending ? (unsigned)(pn_hash_split(random) % (pending + 1)) : 0;
    n_names = 0;
    name_set(root, 0);
    for (unsigned i = 0; i <= n_inodes; i++) {
        snprintf(staged, sizeof(staged), "%s/.i%u", target, i);
        files[i] = open(staged, O_RDWR | O_CREAT, 0600);
        assert_true(files[i] >= 0);
    }
    for (unsigned i = 0; i < at; i++) {
        const struct op *o = &ops[i];
        bool name_op = o->type <= OP_UNLINK, apply = o->type != OP_TOLD && lucky(o, at, mode, left, random);
        if (name_op && o->durable > at && left > 0)
            left--;
        if (!apply)
            continue;
        switch (o->type) {
        case OP_MKDIR:
        case OP_CREATE:
            name_set(o->path, o->type == OP_MKDIR ? 0 : o->inode);
            break;
        case OP_RENAME:
            name_drop(o->path);
            name_set(o->to, o->inode);
            break;
        case OP_UNLINK:
            name_drop(o->path);
            break;
        case OP_WRITE: {
            /* What is not durable may be there in part. */
            uint64_t len = o->durable > at && mode >= 2 ? pn_hash_split(random) % (o->len + 1) : o->len;
            assert_int_equal(pwrite(files[o->inode], o->bytes, len, (off_t)o->offset), (ssize_t)len);
            break;
        }
        case OP_SIZE:
            assert_int_equal(ftruncate(files[o->inode], (off_t)o->len), 0);
            break;
        case OP_TOLD:
            break;
        }
    }
    /* Folders first, from the top; what has no folder any more is gone. */
    for (unsigned round = 0; round < 6; round++)
        for (unsigned i = 0; i < n_names; i++) {
            parent_of(names[i].path, parent);
            if (names[i].inode == 0 && name_find(parent) >= 0) {
                snprintf(full, sizeof(full), "%s%s", target, names[i].path + strlen(root));
                mkdir(full, 0700);
            }
        }
    for (unsigned i = 0; i < n_names; i++) {
        if (names[i].inode == 0)
            continue;
        snprintf(full, sizeof(full), "%s%s", target, names[i].path + strlen(root));
        snprintf(staged, sizeof(staged), "%s/.i%u", target, names[i].inode);
        if (link(staged, full) != 0 && errno != ENOENT)
            fail_msg("%s: %s", full, strerror(errno));
    }
    for (unsigned i = 0; i <= n_inodes; i++) {
        close(files[i]);
        snprintf(staged, sizeof(staged), "%s/.i%u", target, i);
        unlink(staged);
    }
}

static void cut_at(const char *root, unsigned at, unsigned mode, uint64_t *random)
{
    char target[64], when[64];
    uint8_t told[256];
    unsigned n_told = 0;

    fixture_dir(target);
    disk_make(root, target, at, mode, random);
    for (unsigned i = 0; i < at; i++)
        if (ops[i].type == OP_TOLD)
            told[n_told++] = (uint8_t)ops[i].len;
    snprintf(when, sizeof(when), "cut after change %u of %u, way %u", at, n_ops, mode);
    ends_check(target, when, told, n_told);
    fixture_remove(target);
}

static void cuts(char *dir, unsigned messages, unsigned moments)
{
    uint64_t random = 7;
    unsigned n = 0;

    record(dir, messages);
    fixture_remove(dir);
    assert_in_range(n_ops, 50, OPS_MAX);
    assert_true(n_syncs > 10);
    unsigned step = getenv("PN_CUT_ALL") ? 1 : n_ops / moments + 1;
    for (unsigned at = 1; at <= n_ops; at += step)
        for (unsigned mode = 0; mode < (getenv("PN_CUT_ALL") ? 6 : 3); mode++, n++)
            cut_at(dir, at, mode, &random);
    print_message("%u changes, %u syncs, cut %u times\n", n_ops, n_syncs, n);
}

static void test_small_batches(void **state)
{
    char dir[64];

    (void)state;
    if (!trace_allowed())
        skip();
    cuts(fixture_dir(dir), 6, 40);
}

/* On a disk, where large batches are synced with one call. */
static void test_large_batch(void **state)
{
    char dir[64] = "/var/tmp/pn-quarantine.XXXXXX";

    (void)state;
    if (!trace_allowed() || mkdtemp(dir) == NULL)
        skip();
    cuts(dir, 40, 25);
}

/* The model itself: a file whose sync is left out is not there afterwards. */
static void test_model(void **state)
{
    char dir[64] = "/x", target[64], path[160];
    uint64_t random = 1;
    struct stat st;

    (void)state;
    n_ops = 0;
    n_inodes = 1;
    op_add(OP_CREATE, "/x/a")->inode = 1;
    struct op *w = op_add(OP_WRITE, "/x/a");
    w->inode = 1;
    w->len = 3;
    w->bytes = (uint8_t *)strdup("abc");
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1)
            synced(NULL, 1, false); /* the data, not the name */
        if (i == 2)
            synced("/x", 0, false);
        fixture_dir(target);
        disk_make(dir, target, n_ops, i == 3, &random);
        snprintf(path, sizeof(path), "%s/a", target);
        assert_int_equal(stat(path, &st), i < 2 ? -1 : 0);
        if (i >= 2)
            assert_int_equal(st.st_size, 3);
        fixture_remove(target);
    }
    free(w->bytes);
    n_ops = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model), cmocka_unit_test(test_small_batches),
                                       cmocka_unit_test(test_large_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
