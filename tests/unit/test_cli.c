/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line as people see it: the real program against a daemon whose state stands still, compared with
 * golden/cli.txt. PN_GOLDEN_WRITE=1 writes the file anew; read the difference before you commit it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/api/api.h"
#include "tests/unit/fixture_view.h"

static struct fixture f;
static char sock_path[128];
static pid_t daemon_pid;

static bool blind; /* no counters of the dataplane */
static bool older; /* a daemon that was not restarted after an upgrade */

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* The daemon is a child: the program under test blocks this process. */
static int setup(void **state)
{
    char dir[] = "/tmp/pn-cli.XXXXXX";
    struct pn_error err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(sock_path, sizeof(sock_path), "%s/postern.sock", dir);
    daemon_pid = fork();
    if (daemon_pid == 0) {
        fixture_up(&f, true);
        if (blind)
            memset(&f.stats, 0, sizeof(f.stats));
        if (older)
            f.view.version = "0.0.9";
        pn_log_init("test", (enum pn_log_level)0);
        pn_eventlog_add(f.events, PN_LOG_WARNING, "gateway", "mx/mx2", "down: smtp: timeout");
        pn_eventlog_add(f.events, PN_LOG_NOTICE, "spill", "mx/primary", "begins: active-flows 412 >= 400 for 2 s");
        if (!pn_api_server_new(f.base, sock_path, 0600, &f.view, &err))
            _exit(1);
        event_add(evsignal_new(f.base, SIGTERM, on_term, f.base), NULL);
        event_base_dispatch(f.base);
        unlink(f.dp.socket);
        unlink(f.dp.stats_path);
        rmdir(f.dir);
        _exit(0);
    }
    for (int i = 0; i < 400 && access(sock_path, F_OK) != 0; i++)
        usleep(5000);
    return 0;
}

static int setup_blind(void **state)
{
    blind = true;
    return setup(state);
}

static int setup_older(void **state)
{
    int rc;

    older = true;
    rc = setup(state);
    older = false;
    return rc;
}

static int teardown(void **state)
{
    char dir[128];

    (void)state;
    kill(daemon_pid, SIGTERM);
    waitpid(daemon_pid, NULL, 0);
    unlink(sock_path);
    snprintf(dir, sizeof(dir), "%s", sock_path);
    *strrchr(dir, '/') = '\0';
    return rmdir(dir);
}

static const char *const commands[] = {
    "status",
    "vip",
    "vip show in4",
    "service list",
    "service show smtp-in",
    "pool",
    "pool show mx",
    "gateway",
    "gateway show mx1",
    "gateway show mx2",
    "gateway show mx9",
    "check list",
    "check list mx1",
    "flow list",
    "flow list --max 1",
    "flow show 198.51.100.7:40002",
    "flow show 198.51.100.7:40009",
    "flow show 198.51.100.7",
    "explain 198.51.100.7:40001",
    "explain 2001:db8::7 smtp-in",
    "explain mail",
    "trace 198.51.100.0/24 -n 2",
    "stats",
    "stats --drops",
    "neighbour",
    "port",
    "node",
    "node list",
    "node hold 5",
    "node hold 99",
    "vip move in4 n1",
    "vip force",
    "log -n 2",
    "-j gateway list",
    "-j vip show in4",
    "-j trace -n 1",
    "gateway drain mx1",
    "gateway weight mx1 20",
    "gateway weight mx1 300",
    "gateway weight mx1 default",
    "gateway enable mx1",
    "gateway disable mx1 --wait --timeout 1",
    "gateway enable mx1",
    "gateway explode mx1",
    "gateway drain",
    "gateway drain mx1 mx2",
    "gateway drain --fast mx1",
    "reload",
    "node standby",
    "node active",
    "names gateway",
    "gateway setup mx1",
    "gateway setup --vip 192.0.2.25 2001:db8::25 --persist ifupdown",
    "gateway setup",
    "gateway setup --vip 192.0.2.25 --apply --undo",
    "quarantine show 7 --raw --headers",
    "quarantine delete 7 8x",
    "quarantine release 7 8x",
    "quarantine release",
    "quarantine hold",
    "quarantine digest",
    "report --format pdf",
    "report --section week",
    "report --section time --format svg",
    "report --section time -j",
    "frobnicate",
    "drain mx1",
    "add blocklist a@b.example",
    "list",
    "vips",
    "vip help",
    "frobnicate help",
    "watch -n",
    "watch --interval",
    "flow list --client=",
    "gateway drain mx1 --wait=5",
    "rule list -dx",
};

/* Counters' meanings are worded elsewhere. */
static void put_line(char *line, FILE *out)
{
    for (unsigned i = 0; i < PN_C_COUNT; i++) {
        char *at = strstr(line, pn_counter_info[i].help);

        if (!at)
            continue;
        fprintf(out, "%.*s(help)%s", (int)(at - line), line, at + strlen(pn_counter_info[i].help));
        return;
    }
    fputs(line, out);
}

static char *run_all(void)
{
    size_t len;
    char *all = NULL;
    FILE *out = open_memstream(&all, &len);

    setenv("TZ", "UTC", 1);
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char line[512], text[4096];
        FILE *p;

        snprintf(line, sizeof(line), "timeout 20 %s --socket %s %s 2>&1", PN_CLI_PATH, sock_path, commands[i]);
        fprintf(out, "$ postern %s\n", commands[i]);
        p = popen(line, "r");
        assert_non_null(p);
        while (fgets(text, sizeof(text), p)) {
            /* The host's own: times of this run and its sysctls are not part of the golden text. */
            if (strncmp(text, "# note: rp_filter", 17) == 0)
                continue;
            if (text[0] == '#' && strstr(text, " -> ") && strchr(text, '.'))
                fprintf(out, "#%c (time) %s", text[1], strstr(text, "  "));
            else if (strstr(text, "\"at_us\"") == NULL)
                put_line(text, out);
        }
        int status = pclose(p);
        if (WEXITSTATUS(status))
            fprintf(out, "[exit %d]\n", WEXITSTATUS(status));
        fputc('\n', out);
    }
    fclose(out);
    return all;
}

static char *read_file(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text;
    long len;

    if (!in)
        return strdup("");
    fseek(in, 0, SEEK_END);
    len = ftell(in);
    rewind(in);
    text = calloc(1, (size_t)len + 1);
    if (fread(text, 1, (size_t)len, in) != (size_t)len)
        text[0] = '\0';
    fclose(in);
    return text;
}

static void test_golden(void **state)
{
    char *got = run_all(), *want = read_file(PN_GOLDEN_PATH);
    const char *g = got, *w = want;
    unsigned line = 1;

    (void)state;
    if (getenv("PN_GOLDEN_WRITE")) {
        FILE *out = fopen(PN_GOLDEN_PATH, "w");
        assert_non_null(out);
        fputs(got, out);
        fclose(out);
    } else if (strcmp(got, want) != 0) {
        while (*g && *g == *w) {
            size_t gl = strcspn(g, "\n"), wl = strcspn(w, "\n");
            if (gl != wl || strncmp(g, w, gl) != 0)
                break;
            g += gl + (g[gl] != '\0');
            w += wl + (w[wl] != '\0');
            line++;
        }
        fail_msg("golden/cli.txt:%u\n  expected: %.*s\n  got:      %.*s", line, (int)strcspn(w, "\n"), w,
                 (int)strcspn(g, "\n"), g);
    }
    /* What servers say reaches no terminal as it is. */
    assert_null(strchr(got, '\033'));
    for (const char *c = got; *c; c++)
        assert_true((*c >= ' ' && *c <= '~') || *c == '\n');
    free(got);
    free(want);
}

static int exit_of(const char *socket, const char *words)
{
    char line[512];

    snprintf(line, sizeof(line), "timeout 20 %s --socket %s %s 2>/dev/null", PN_CLI_PATH, socket, words);
    return WEXITSTATUS(system(line));
}

static void test_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(exit_of(sock_path, "status > /dev/null"), 0);
    assert_int_equal(exit_of(sock_path, "check /nonexistent > /dev/null"), 1);
    assert_int_equal(exit_of(sock_path, "vip show > /dev/null"), 2);
    assert_int_equal(exit_of(sock_path, " > /dev/null"), 2);
    assert_int_equal(exit_of(sock_path, "vip show nothing > /dev/null"), 4);
    assert_int_equal(exit_of(sock_path, "gateway drain mx1 --wait --timeout 1 > /dev/null"), 5);
    assert_int_equal(exit_of("/nonexistent/postern.sock", "status > /dev/null"), 3);
    assert_int_equal(exit_of("/nonexistent/postern.sock", "help > /dev/null"), 0);
    assert_int_equal(exit_of(sock_path, "status > /dev/full"), 1); /* what was not printed was not told */
}

/* What it says of words, wherever it says it. */
static void wants_said(const char *words, const char *said, bool expected)
{
    char line[512], text[4096] = "";
    FILE *p;

    snprintf(line, sizeof(line), "timeout 20 %s --socket %s %s 2>&1", PN_CLI_PATH, sock_path, words);
    p = popen(line, "r");
    assert_non_null(p);
    text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
    pclose(p);
    if ((strstr(text, said) != NULL) != expected)
        fail_msg("%s: %s\"%s\" in: %s", words, expected ? "no " : "", said, text);
}

/* A daemon of another version may not know what it is asked: that is said, and only then. */
static void test_other_version(void **state)
{
    (void)state;
    wants_said("flow list --client nonsense", "posternd is version 0.0.9, this program " PN_VERSION, true);
    wants_said("vip show nothing", "is version", false);
}

static void test_same_version(void **state)
{
    (void)state;
    wants_said("flow list --client nonsense", "is version", false);
    wants_said("gateway setup --vip 192.0.2.99 --undo", "192.0.2.99 is not on", true); /* and touches nothing */
    wants_said("gateway setup --vip 192.0.2.99 --undo", "+ ip", false);
    wants_said("--socket= status", "option --socket needs a path", true);
    wants_said("--socket=/etc/passwd status", "/etc/passwd: not a socket", true);
    wants_said("--socket=/nonexistent status", "/nonexistent: posternd is not running", true);
}

/* Without counters a drained gateway may have any number of flows. */
static void test_unknown_is_not_none(void **state)
{
    (void)state;
    assert_int_equal(exit_of(sock_path, "gateway drain mx2 --wait --timeout 1 > /dev/null"), blind ? 5 : 0);
    blind = false;
}

/* A line of JSON each time, also when the daemon has gone. */
static void test_watch_stays_json(void **state)
{
    char line[512], text[65536];
    unsigned n = 0;
    json_t *r = NULL;
    FILE *p;

    (void)state;
    snprintf(line, sizeof(line), "timeout 20 %s --socket %s -j watch --count 2", PN_CLI_PATH, sock_path);
    p = popen(line, "r");
    for (; fgets(text, sizeof(text), p); n++) {
        json_decref(r);
        r = json_loads(text, 0, NULL);
        assert_non_null(r);
        kill(daemon_pid, SIGTERM);
    }
    assert_int_equal(WEXITSTATUS(pclose(p)), 3);
    assert_int_equal(n, 2);
    assert_string_equal(json_string_value(json_object_get(r, "code")), "unreachable");
    json_decref(r);
}

static void test_check_tells_warnings(void **state)
{
    static const char conf[] = "node n1 { port lan { interface = e0 } }\nvip a { address = 192.0.2.25 }\n"
                               "gateway g { address = 192.0.2.11 }\npool p {\n  tier t { gateways = g }\n}\n"
                               "service s { vips = a; port = 25; pool = p }\n";
    char path[] = "/tmp/pn-cli-conf.XXXXXX", line[512], text[4096] = "";
    json_t *r;
    FILE *p;
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, conf, strlen(conf)), (ssize_t)strlen(conf));
    close(fd);
    snprintf(line, sizeof(line), "%s check %s 2>&1 > /dev/null", PN_CLI_PATH, path);
    p = popen(line, "r");
    text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
    assert_int_equal(pclose(p), 0);
    snprintf(line, sizeof(line), "%s:4: pool.p.checks: warning: none", path);
    assert_non_null(strstr(text, line));
    snprintf(line, sizeof(line), "%s -j check %s 2> /dev/null", PN_CLI_PATH, path);
    p = popen(line, "r");
    r = json_loadf(p, 0, NULL);
    pclose(p);
    assert_int_equal(json_array_size(json_object_get(r, "warnings")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(r, "warnings"), 0), "line")), 4);
    json_decref(r);
    unlink(path);
}

static void test_uses_are_lines(void **state)
{
    static const char uses[] = "# nothing\r\n\r\nblocklist a@b.example\rblocklist c@d.example\n# x\ry\n";
    char path[] = "/tmp/pn-cli-uses.XXXXXX", words[64];
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, uses, sizeof(uses) - 1), (ssize_t)sizeof(uses) - 1);
    close(fd);
    snprintf(words, sizeof(words), "rule hit --stdin < %s", path);
    wants_said(words, "line 3: found a carriage return without a line feed", true);
    wants_said(words, "line 4: found a carriage return without a line feed", true);
    wants_said(words, "2 lines could not be used", true);
    unlink(path);
}

static void test_colour_only_where_asked(void **state)
{
    char line[512], text[4096];
    FILE *p;
    bool colour = false;

    (void)state;
    snprintf(line, sizeof(line),
             "TERM=xterm timeout 20 script -qec '%s --socket %s vip' /dev/null < /dev/null 2>/dev/null", PN_CLI_PATH,
             sock_path);
    if (system("command -v script > /dev/null 2>&1") != 0)
        skip();
    p = popen(line, "r");
    while (fgets(text, sizeof(text), p))
        colour |= strchr(text, '\033') != NULL;
    pclose(p);
    assert_true(colour);
    setenv("NO_COLOR", "1", 1);
    p = popen(line, "r");
    while (fgets(text, sizeof(text), p))
        assert_null(strchr(text, '\033'));
    pclose(p);
    unsetenv("NO_COLOR");
}

/* On a terminal of 80 columns the table of gateways fits, and what does not stands below its line, whole. */
static void test_tables_fit_the_terminal(void **state)
{
    char line[512], text[4096];
    bool folded = false, whole = false;
    unsigned n = 0;
    FILE *p;

    (void)state;
    snprintf(
        line, sizeof(line),
        "NO_COLOR=1 timeout 20 script -qec 'stty cols 80; %s --socket %s gateway' /dev/null < /dev/null 2>/dev/null",
        PN_CLI_PATH, sock_path);
    if (system("command -v script > /dev/null 2>&1") != 0)
        skip();
    p = popen(line, "r");
    for (; fgets(text, sizeof(text), p); n++) {
        if (strcspn(text, "\r\n") > 80)
            fail_msg("%zu columns: %s", strcspn(text, "\r\n"), text);
        folded |= strncmp(text, "    smtp: 554", 13) == 0;
        whole |= strstr(text, "\"no\"") != NULL;
    }
    pclose(p);
    assert_true(n > 4 && folded && whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_is_not_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_is_not_none, setup_blind, teardown),
        cmocka_unit_test_setup_teardown(test_other_version, setup_older, teardown),
        cmocka_unit_test_setup_teardown(test_same_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_stays_json, setup, teardown),
        cmocka_unit_test(test_check_tells_warnings),
        cmocka_unit_test(test_uses_are_lines),
        cmocka_unit_test_setup_teardown(test_colour_only_where_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_fit_the_terminal, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
