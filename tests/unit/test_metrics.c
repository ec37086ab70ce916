/* SPDX-License-Identifier: BSD-3-Clause */
/* The Prometheus text against a strict reading of its format (version 0.0.4), and what must and must not be in it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "controlplane/metrics/exposition.h"
#include "controlplane/metrics/metrics.h"
#include "tests/unit/fixture_view.h"

#define MAX_SERIES 4096

static struct fixture f;
static char *series[MAX_SERIES]; /* name and labels of each sample */
static unsigned n_series;

static int setup(void **state)
{
    (void)state;
    fixture_up(&f, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_series; i++)
        free(series[i]);
    n_series = 0;
    fixture_down(&f);
    return 0;
}

static bool is_name(const char *s, size_t len)
{
    if (len == 0 || isdigit((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    return true;
}

static bool ends_with(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

/* Past "{a="b",...}", NULL when it is malformed. */
static const char *labels_end(const char *p)
{
    for (p++; *p != '}';) {
        const char *eq = strchr(p, '=');

        if (!eq || !is_name(p, (size_t)(eq - p)) || eq[1] != '"')
            return NULL;
        for (p = eq + 2; *p != '"'; p++) {
            if (*p == '\0' || *p == '\n' || (*p == '\\' && !strchr("\\\"n", *++p)))
                return NULL;
        }
        p++;
        if (*p == ',')
            p++;
        else if (*p != '}')
            return NULL;
    }
    return p + 1;
}

struct family {
    char name[128], type[16];
    bool help, typed;
};

/* NULL: fine; else what is wrong with the line. */
static const char *check_line(const char *line, struct family *now)
{
    const char *p = line, *end;
    char name[128], *rest;
    size_t len;

    if (sscanf(line, "# HELP %127s", name) == 1) {
        *now = (struct family){.help = true};
        snprintf(now->name, sizeof(now->name), "%s", name);
        if (strncmp(name, "postern_", 8) != 0)
            return "family without the prefix";
        return is_name(name, strlen(name)) ? NULL : "family name";
    }
    if (strncmp(line, "# TYPE ", 7) == 0) {
        if (sscanf(line, "# TYPE %127s %15s", name, now->type) != 2 || strcmp(name, now->name) != 0 || now->typed)
            return "TYPE does not follow its HELP";
        now->typed = true;
        if (strcmp(now->type, "counter") == 0)
            return ends_with(name, "_total") ? NULL : "counter without _total";
        if (strcmp(now->type, "gauge") != 0 && strcmp(now->type, "summary") != 0)
            return "unknown type";
        return ends_with(name, "_total") ? "_total that is no counter" : NULL;
    }
    if (line[0] == '#')
        return "other comment";
    len = strcspn(p, "{ ");
    snprintf(name, sizeof(name), "%.*s", (int)len, p);
    if (strcmp(now->type, "summary") == 0 && ends_with(name, "_sum"))
        name[len - 4] = '\0';
    else if (strcmp(now->type, "summary") == 0 && ends_with(name, "_count"))
        name[len - 6] = '\0';
    if (!now->typed || strcmp(name, now->name) != 0)
        return "sample outside its family";
    p += len;
    if (*p == '{' && !(p = labels_end(p)))
        return "labels";
    end = p;
    if (*p++ != ' ')
        return "no single blank before the value";
    if (strtod(p, &rest) < 0 && strcmp(now->type, "counter") == 0)
        return "negative counter";
    if (rest == p || *rest)
        return "value";
    for (unsigned i = 0; i < n_series; i++)
        if (strlen(series[i]) == (size_t)(end - line) && strncmp(series[i], line, (size_t)(end - line)) == 0)
            return "series twice";
    assert_true(n_series < MAX_SERIES);
    series[n_series++] = strndup(line, (size_t)(end - line));
    return NULL;
}

static char *exposition(void)
{
    struct evbuffer *out = evbuffer_new();
    size_t len;
    char *text;

    assert_int_equal(pn_metrics_write(out, &f.view), 0);
    len = evbuffer_get_length(out);
    text = malloc(len + 1);
    if (!text)
        abort();
    evbuffer_remove(out, text, len);
    text[len] = '\0';
    evbuffer_free(out);
    return text;
}

static void check_all(const char *text)
{
    struct family now = {0};
    char seen[256][128];
    unsigned n_seen = 0;

    assert_true(ends_with(text, "\n"));
    while (*text) {
        size_t len = strcspn(text, "\n");
        char line[1024];
        const char *wrong;

        assert_true(len < sizeof(line));
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        text += len + 1;
        wrong = check_line(line, &now);
        if (wrong)
            fail_msg("%s: %s", wrong, line);
        if (strncmp(line, "# HELP", 6) == 0) {
            for (unsigned i = 0; i < n_seen; i++)
                if (strcmp(seen[i], now.name) == 0)
                    fail_msg("family twice: %s", now.name);
            assert_true(n_seen < 256);
            snprintf(seen[n_seen++], sizeof(seen[0]), "%s", now.name);
        }
    }
}

static void has(const char *text, const char *line)
{
    char want[256];

    snprintf(want, sizeof(want), "\n%s\n", line);
    if (!strstr(text, want))
        fail_msg("missing: %s\n%s", line, text);
}

static void test_exposition_is_well_formed(void **state)
{
    char *text = exposition();

    (void)state;
    check_all(text);
    assert_true(n_series > 150);
    free(text);
}

static void test_exposition_says_what_is(void **state)
{
    f.own.n_nodes = 2;
    f.own.sync.ends_ignored = 3;
    char *text = exposition();

    (void)state;
    has(text, "postern_flow_sync_ends_ignored_total 3");
    has(text, "postern_dataplane_up 1");
    has(text, "postern_uptime_seconds 7200");
    has(text, "postern_vip_owner{vip=\"in4\"} 1");
    has(text, "postern_vip_lease_seconds{vip=\"in6\"} 24");
    has(text, "postern_gateway_up{gateway=\"mx1\"} 1");
    has(text, "postern_gateway_up{gateway=\"mx2\"} 0");
    has(text, "postern_gateway_active_flows{gateway=\"mx1\"} 412");
    has(text, "postern_gateway_handshake_seconds_sum{gateway=\"mx1\"} 1.32");
    has(text, "postern_gateway_handshake_seconds_count{gateway=\"mx1\"} 880");
    has(text, "postern_gateway_weight{gateway=\"mx1\"} 75");
    has(text, "postern_member_health{pool=\"mx\",tier=\"primary\",gateway=\"mx2\",health=\"down\"} 1");
    has(text, "postern_tier_in_spill{pool=\"mx\",tier=\"primary\"} 1");
    has(text, "postern_tier_spilled_from_total{pool=\"mx\",tier=\"primary\"} 100");
    has(text, "postern_service_flows_total{service=\"smtp-in\",vip=\"in6\"} 300");
    has(text, "postern_packets_dropped_total{reason=\"parse_truncated\"} 56");
    has(text, "postern_port_receive_bytes_total{port=\"lan\"} 1500000");
    has(text, "postern_worker_busy_seconds_total{worker=\"0\"} 0.25");
    has(text, "postern_check_certificate_expiry_seconds{pool=\"mx\",gateway=\"mx1\",check=\"tls\"} 5270400");
    assert_null(strstr(text, "198.51.100.7")); /* never a client */
    free(text);
}

static void test_without_counters(void **state)
{
    char *text;

    (void)state;
    f.stats.valid = false;
    f.view.dp = NULL;
    text = exposition();
    check_all(text);
    has(text, "postern_dataplane_up 0");
    assert_null(strstr(text, "postern_packets_dropped_total")); /* absent, not 0: rates must not see a reset */
    free(text);
}

static void test_values_and_labels_are_escaped(void **state)
{
    struct pn_expo e = {.out = evbuffer_new()};
    char text[512] = "";

    (void)state;
    pn_expo_family(&e, "postern_x", "gauge", "X.");
    pn_expo_double(&e, 0.0 / 0.0, "l", "a\"b\\c\nd", (const char *)NULL);
    pn_expo_double(&e, 1e300 * 1e300, "l", "i", (const char *)NULL);
    pn_expo_u64(&e, UINT64_MAX, (const char *)NULL);
    evbuffer_remove(e.out, text, sizeof(text) - 1);
    evbuffer_free(e.out);
    assert_string_equal(text, "# HELP postern_x X.\n# TYPE postern_x gauge\npostern_x{l=\"a\\\"b\\\\c\\nd\"} NaN\n"
                              "postern_x{l=\"i\"} +Inf\npostern_x 18446744073709551615\n");
}

/* ---- over HTTP ---- */

static char *http(uint16_t port, const char *request)
{
    static char buf[1 << 18];
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t have = 0;

    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    evutil_make_socket_nonblocking(fd);
    for (int i = 0; i < 200; i++) {
        ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else
            fake_dp_run(f.base, 5);
    }
    close(fd);
    buf[have] = '\0';
    return buf;
}

static void test_http(void **state)
{
    struct pn_metrics_server *s = NULL;
    struct pn_error err;
    uint16_t port = (uint16_t)(20000 + getpid() % 20000);
    char listen[32];

    (void)state;
    for (int i = 0; !s && i < 50; i++) {
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", ++port);
        s = pn_metrics_server_new(f.base, listen, &f.view, &err);
    }
    assert_non_null(s);
    assert_non_null(strstr(http(port, "GET /metrics HTTP/1.0\r\n\r\n"), "\npostern_dataplane_up 1\n"));
    assert_non_null(strstr(http(port, "GET /metrics HTTP/1.0\r\n\r\n"), "text/plain; version=0.0.4"));
    assert_null(strstr(http(port, "HEAD /metrics HTTP/1.0\r\n\r\n"), "\npostern_dataplane_up 1\n"));
    assert_non_null(strstr(http(port, "GET /etc/passwd HTTP/1.0\r\n\r\n"), "404"));
    assert_null(strstr(http(port, "POST /metrics HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), "200 OK"));
    http(port, "\r\n\r\n\x01\x02 nonsense\r\n\r\n");
    assert_non_null(strstr(http(port, "GET / HTTP/1.0\r\n\r\n"), "/metrics"));
    assert_null(pn_metrics_server_new(f.base, listen, &f.view, &err)); /* the port is taken */
    assert_null(pn_metrics_server_new(f.base, "localhost", &f.view, &err));
    assert_null(pn_metrics_server_new(f.base, "127.0.0.1:0", &f.view, &err));
    assert_null(pn_metrics_server_new(f.base, "127.0.0.1:99999", &f.view, &err));
    pn_metrics_server_free(s);
}

static int knock(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    evutil_make_socket_nonblocking(fd);
    return fd;
}

/* Those who connect and say nothing, or too much, keep nobody out. */
static void test_connections_are_bounded(void **state)
{
    struct pn_metrics_server *s = NULL;
    uint16_t port = (uint16_t)(22000 + getpid() % 20000);
    struct pn_error err;
    char listen[32], junk[1000], got[64];
    int fds[80], fd, closed = 0;

    (void)state;
    for (int i = 0; !s && i < 50; i++) {
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", ++port);
        s = pn_metrics_server_new(f.base, listen, &f.view, &err);
    }
    assert_non_null(s);
    for (int i = 0; i < 80; i++) {
        fds[i] = knock(port);
        fake_dp_run(f.base, 1);
    }
    fake_dp_run(f.base, 20);
    assert_non_null(strstr(http(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "\npostern_dataplane_up 1\n"));
    for (int i = 0; i < 80; i++) {
        closed += read(fds[i], got, 1) == 0;
        close(fds[i]);
    }
    assert_int_equal(closed, 80 - 32 + 1);
    fd = knock(port);
    memset(junk, 'x', sizeof(junk));
    for (int i = 0; i < 10; i++) {
        (void)!write(fd, junk, sizeof(junk));
        fake_dp_run(f.base, 5);
    }
    assert_true(read(fd, got, sizeof(got)) >= 12);
    assert_memory_equal(got, "HTTP/1.1 431", 12);
    close(fd);
    assert_non_null(strstr(http(port, "PUT /metrics HTTP/1.1\r\n\r\n"), "405"));
    assert_non_null(strstr(http(port, "GET /metrics\r\n\r\n"), "400"));
    pn_metrics_server_free(s);
}

/* Who connects when no descriptor is left waits; the loop does not spin meanwhile. */
static void test_out_of_descriptors(void **state)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint16_t port = (uint16_t)(21000 + getpid() % 20000);
    struct pn_metrics_server *s = NULL;
    struct rlimit before, none;
    struct pn_error err;
    char listen[32];
    clock_t cpu;
    int fd, next;

    (void)state;
    for (int i = 0; !s && i < 50; i++) {
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", ++port);
        s = pn_metrics_server_new(f.base, listen, &f.view, &err);
    }
    assert_non_null(s);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    sin.sin_port = htons(port);
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    next = dup(fd);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    cpu = clock();
    fake_dp_run(f.base, 300);
    cpu = clock() - cpu;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(cpu, 0, CLOCKS_PER_SEC / 10);
    fake_dp_run(f.base, 600);
    assert_non_null(strstr(http(port, "GET /metrics HTTP/1.0\r\n\r\n"), "\npostern_dataplane_up 1\n"));
    close(fd);
    pn_metrics_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exposition_is_well_formed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exposition_says_what_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_and_labels_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_descriptors, setup, teardown),
    };

    pn_log_init("test", (enum pn_log_level)0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
