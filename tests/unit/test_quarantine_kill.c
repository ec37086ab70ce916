/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill -9 at every system call. A child takes mail into a spool, forwards it to a host store and acknowledges, all under
 * ptrace; for each n it is killed at its n-th system call. What it said was durable (a pipe carries that, like an SMTP
 * answer) must be there after the next start, exactly once; then all is carried to the end and counted again.
 * The calls themselves are checked too, for the power cut: a message file is synced before it gets its name, and its
 * folder before anyone is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "controlplane/quarantine/forward_spool.h"
#include "controlplane/quarantine/receive.h"
#include "quarantine_fixture.h"

#define MESSAGES 6u

struct ends {
    struct pn_spool *spool;
    struct pn_host *host;
    struct pn_forward *forward;
    struct pn_receive *receive;
    struct {
        uint8_t *bytes[64];
        size_t len[64];
        unsigned n;
    } up, down;
};

#define SEND(name)                                                                                                     \
    static int send_##name(void *arg, const uint8_t *bytes, size_t len)                                                \
    {                                                                                                                  \
        struct ends *e = arg;                                                                                          \
        if (e->name.n == 64)                                                                                           \
            return 1;                                                                                                  \
        e->name.bytes[e->name.n] = malloc(len);                                                                        \
        memcpy(e->name.bytes[e->name.n], bytes, len);                                                                  \
        e->name.len[e->name.n++] = len;                                                                                \
        return 0;                                                                                                      \
    }
SEND(up)
SEND(down)

static int ends_open(struct ends *e, const char *dir)
{
    static char spool[96], host[96];
    struct pn_spool_options so = {.path = spool, .node = "mx1", .ballast_bytes = 4096};
    struct pn_host_options ho = {.path = host};
    struct pn_forward_options fo = {.node = "mx1", .seed = 1};
    struct pn_error err;

    memset(e, 0, sizeof(*e));
    snprintf(spool, sizeof(spool), "%s/spool", dir);
    snprintf(host, sizeof(host), "%s/host", dir);
    if (pn_spool_open(&so, &e->spool, NULL, &err) != 0 || pn_host_open(&ho, &e->host, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    e->forward = pn_forward_new(&fo, &pn_forward_spool_ops, e->spool, send_up, e);
    e->receive = pn_receive_new(e->host, "mx1", send_down, e);
    return 0;
}

static void ends_close(struct ends *e)
{
    pn_forward_free(e->forward);
    pn_spool_close(e->spool);
    pn_host_close(e->host);
    pn_receive_free(e->receive);
    for (unsigned i = 0; i < e->up.n; i++)
        free(e->up.bytes[i]);
    for (unsigned i = 0; i < e->down.n; i++)
        free(e->down.bytes[i]);
}

static void carry(struct ends *e)
{
    struct pn_spool_totals t;
    struct pn_error err;
    uint64_t now = 1;

    pn_forward_up(e->forward, 77, now);
    for (unsigned turn = 0; turn < 100; turn++) {
        pn_forward_pump(e->forward, ++now);
        for (unsigned i = 0; i < e->up.n; i++) {
            pn_receive_frame(e->receive, e->up.bytes[i], e->up.len[i]);
            free(e->up.bytes[i]);
        }
        e->up.n = 0;
        pn_host_commit(e->host);
        pn_receive_flush(e->receive);
        unsigned n = e->down.n;
        for (unsigned i = 0; i < n; i++) {
            pn_forward_frame(e->forward, e->down.bytes[i], e->down.len[i], now);
            free(e->down.bytes[i]);
        }
        e->down.n = 0;
        pn_spool_totals(e->spool, &t);
        if (t.pending_messages == 0 && t.pending_records == 0)
            break;
    }
    pn_spool_purge(e->spool, INT64_MAX, 100, &err);
}

static void tell(void *arg, const struct pn_spool_result *r)
{
    unsigned char number = (unsigned char)(uintptr_t)arg;
    if (r->ok && write(3, &number, 1) != 1)
        _exit(9);
}

/* In the child: numbers of what is durable go to descriptor 3. */
static void work(const char *dir)
{
    struct pn_error err;
    struct ends e;
    pn_q_item rec = PN__Q__ITEM__INIT;

    raise(SIGUSR1); /* counting starts here */
    if (ends_open(&e, dir) != 0)
        _exit(8);
    for (unsigned i = 1; i <= MESSAGES; i++) {
        fixture_intake(e.spool, i, i == 3 ? 400000 : 900, tell, (void *)(uintptr_t)i);
        if (i % 3 == 0)
            pn_spool_commit(e.spool);
    }
    pn_spool_record(e.spool, &rec, tell, (void *)(uintptr_t)200, &err);
    pn_spool_commit(e.spool);
    carry(&e);
    ends_close(&e);
    _exit(0);
}

struct order { /* what the calls say about durability */
    char path[256][160]; /* by descriptor */
    bool synced[256];
    char unsynced_dir[64][160]; /* got a file, not synced since */
    unsigned n_dirs, renames, wrong;
    char what[200];
};

static void child_text(pid_t pid, uint64_t at, char *out, size_t size)
{
    size_t n = 0;
    while (n + 8 < size) {
        long w = ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)(at + n), NULL);
        memcpy(out + n, &w, 8);
        if (memchr(&w, 0, 8))
            return;
        n += 8;
    }
    out[n] = '\0';
}

static void wrong(struct order *o, const char *what, const char *path)
{
    if (o->wrong++ == 0)
        snprintf(o->what, sizeof(o->what), "%s: %.150s", what, path);
}

/* After each call; descriptors are small numbers here. */
static void watch(struct order *o, pid_t pid, const struct __ptrace_syscall_info *in, int64_t rv)
{
    uint64_t nr = in->entry.nr, a0 = in->entry.args[0];
    char text[160], link[64];

    if (nr == SYS_openat && rv >= 0 && rv < 256) {
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)rv);
        ssize_t n = readlink(link, o->path[rv], sizeof(o->path[rv]) - 1);
        o->path[rv][n > 0 ? n : 0] = '\0';
        o->synced[rv] = false;
    } else if (nr == SYS_write && a0 < 256) {
        o->synced[a0] = false;
        if (a0 == 3 && o->n_dirs)
            wrong(o, "told before the folder was synced", o->unsynced_dir[0]);
    } else if ((nr == SYS_fsync || nr == SYS_fdatasync) && a0 < 256) {
        o->synced[a0] = true;
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)a0);
        ssize_t n = readlink(link, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        for (unsigned i = 0; i < o->n_dirs; i++)
            if (strcmp(o->unsynced_dir[i], text) == 0)
                memcpy(o->unsynced_dir[i--], o->unsynced_dir[--o->n_dirs], sizeof(text));
    } else if (nr == SYS_renameat && rv == 0) {
        char from[160], dir[160] = "", full[330];
        child_text(pid, in->entry.args[1], from, sizeof(from));
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)a0);
        ssize_t n = readlink(link, dir, sizeof(dir) - 1);
        dir[n > 0 ? n : 0] = '\0';
        snprintf(full, sizeof(full), "%s/%s", dir, from);
        bool ok = false;
        for (unsigned fd = 0; fd < 256; fd++)
            ok |= strcmp(o->path[fd], full) == 0 && o->synced[fd];
        if (!ok)
            wrong(o, "named before it was synced", full);
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)in->entry.args[2]);
        n = readlink(link, dir, sizeof(dir) - 1);
        dir[n > 0 ? n : 0] = '\0';
        child_text(pid, in->entry.args[3], from, sizeof(from)); /* "a/ab12...": the folder is a */
        char *slash = strchr(from, '/');
        if (slash)
            *slash = '\0';
        if (o->n_dirs < 64)
            snprintf(o->unsynced_dir[o->n_dirs++], sizeof(o->unsynced_dir[0]), "%.100s/%.50s", dir, from);
        o->renames++;
    }
}

/* Calls made until the end, or `at` when it was killed there. told: numbers that came through the pipe. */
static unsigned run(const char *dir, unsigned at, uint8_t *told, unsigned *n_told, struct order *o)
{
    int pipe_fds[2], status, rv;
    unsigned calls = 0;
    bool counting = false, entered = false;
    struct __ptrace_syscall_info in = {0}, out;

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 3);
        close_range(4, 100, 0);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        work(dir);
    }
    close(pipe_fds[1]);
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGUSR1) {
            counting = true;
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            entered = !entered;
            if (entered && ++calls == at) {
                kill(pid, SIGKILL);
                continue;
            }
            if (o && entered)
                ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(in), &in);
            else if (o && ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(out), &out) > 0 &&
                     out.op == PTRACE_SYSCALL_INFO_EXIT && in.op == PTRACE_SYSCALL_INFO_ENTRY)
                watch(o, pid, &in, out.exit.rval);
        }
        ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, NULL);
    }
    if (at == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the child ended with %#x", status);
    rv = (int)read(pipe_fds[0], told, 64);
    *n_told = rv > 0 ? (unsigned)rv : 0;
    close(pipe_fds[0]);
    return calls;
}

struct shown {
    unsigned seen[256], n;
    struct pn_host *host;
    uint64_t messages[64];
    unsigned n_messages;
};
static int show(void *arg, const struct pn_host_row *row)
{
    struct shown *s = arg;
    unsigned number = row->item->kind == PN_Q_RECORD ? 200 : (unsigned)(row->item->received_ms - 1700000000000ull);
    s->seen[number & 255]++;
    s->n++;
    if (row->item->kind == PN_Q_MESSAGE && s->n_messages < 64)
        s->messages[s->n_messages++] = row->number;
    return 0;
}
static int nothing(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
    return 0;
}

static void check(const char *dir, unsigned at, const uint8_t *told, unsigned n_told)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_spool_totals t;
    struct shown s = {.n = 0};
    struct pn_error err;
    struct ends e;

    if (ends_open(&e, dir) != 0)
        fail_msg("killed at call %u: cannot be opened again", at);
    carry(&e);
    pn_spool_totals(e.spool, &t);
    if (t.pending_messages || t.pending_records || t.refused)
        fail_msg("killed at call %u: %u wait, %u refused", at, (unsigned)t.pending_messages, (unsigned)t.refused);
    q.limit = 1000;
    assert_int_equal(pn_host_find(e.host, &q, show, &s, &err), 0);
    for (unsigned i = 0; i < 256; i++)
        if (s.seen[i] > 1)
            fail_msg("killed at call %u: item %u is shown %u times", at, i, s.seen[i]);
    for (unsigned i = 0; i < n_told; i++)
        if (s.seen[told[i]] != 1)
            fail_msg("killed at call %u: item %u was promised and is lost", at, told[i]);
    for (unsigned i = 0; i < s.n_messages; i++)
        if (pn_host_raw(e.host, s.messages[i], nothing, NULL, &err) != 0)
            fail_msg("killed at call %u: %s", at, err.text);
    ends_close(&e);
}

static bool traced(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_order(void **state)
{
    static struct order o;
    uint8_t told[64];
    unsigned n_told;
    char dir[64];

    (void)state;
    if (!traced())
        skip();
    run(fixture_dir(dir), 0, told, &n_told, &o);
    assert_int_equal(n_told, MESSAGES + 1);
    assert_int_equal(o.renames, 2 * MESSAGES); /* on the node, on the host */
    if (o.wrong)
        fail_msg("%s", o.what);
    check(dir, 0, told, n_told);
    fixture_remove(dir);
}

static void test_kill(void **state)
{
    const char *all = getenv("PN_KILL_ALL");
    uint8_t told[64];
    unsigned n_told, calls, at, runs = 0, step;
    char dir[64];

    (void)state;
    if (!traced())
        skip();
    calls = run(fixture_dir(dir), 0, told, &n_told, NULL);
    fixture_remove(dir);
    assert_in_range(calls, 100, 20000);
    /* Every call when asked for; otherwise a walk through them that fits into seconds. */
    step = all ? 1 : calls / 60 + 1;
    for (at = 1; at <= calls; at += step, runs++) {
        run(fixture_dir(dir), at, told, &n_told, NULL);
        check(dir, at, told, n_told);
        fixture_remove(dir);
    }
    print_message("%u system calls, killed at %u of them\n", calls, runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
