/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_script.h"

static struct script_result get(const char *answer, size_t chunk, bool eof)
{
    struct pn_conf_check conf = {.type = PN_CHECK_HTTP, .port = 80, .timeout_ms = 5000};

    return script_run(&conf, (const char *const[]){answer, NULL}, chunk, eof, NULL);
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool eof;
        enum pn_health verdict;
        const char *reason;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", true, PN_HEALTH_UP, "HTTP/1.1 200 OK"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", false, PN_HEALTH_UP, "HTTP/1.1 200 OK"},
        {"HTTP/1.0 204\r\n\r\n", true, PN_HEALTH_UP, "HTTP/1.0 204"},
        {"HTTP/1.0 399 \n\n", true, PN_HEALTH_UP, "HTTP/1.0 399 "},
        {"HTTP/1.1 400 Bad\r\n\r\n", true, PN_HEALTH_DOWN, "status not within 200-399: HTTP/1.1 400 Bad"},
        {"HTTP/1.1 503 Busy\r\n\r\n", true, PN_HEALTH_DOWN, "status not within 200-399: HTTP/1.1 503 Busy"},
        {"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true, PN_HEALTH_UP, "HTTP/1.1 200 OK"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n", true, PN_HEALTH_DOWN,
         "connection closed waiting for the end of the HTTP header"},
        {"HTTP/1.1 200 OK\r\n", false, PN_HEALTH_DOWN, "timeout after 5 s waiting for the end of the HTTP header"},
        {"", false, PN_HEALTH_DOWN, "timeout after 5 s waiting for the HTTP status"},
        {"HTTP/1.1 2", true, PN_HEALTH_DOWN, "connection closed waiting for the HTTP status"},
        {"HTTP/2 200\r\n\r\n", true, PN_HEALTH_DOWN, "no HTTP/1 status line"},
        {"HTTP/1.1 20 OK\r\n\r\n", true, PN_HEALTH_DOWN, "no HTTP/1 status line"},
        {"HTTP/1.1 2000\r\n\r\n", true, PN_HEALTH_DOWN, "no HTTP/1 status line"},
        {"HTTP/1.1 099 x\r\n\r\n", true, PN_HEALTH_DOWN, "HTTP status that does not exist"},
        {"220 mx ESMTP\r\n", true, PN_HEALTH_DOWN, "no HTTP/1 status line"},
        {"\r\n\r\n", true, PN_HEALTH_DOWN, "no HTTP/1 status line"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t chunk = 0; chunk <= 3; chunk++) {
            struct script_result r = get(rows[i].in, chunk, rows[i].eof);
            if (r.verdict != rows[i].verdict || strcmp(r.reason, rows[i].reason) != 0)
                fail_msg("row %u chunk %zu: verdict %d \"%s\"", i, chunk, r.verdict, r.reason);
        }
    }
}

static void request(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_HTTP, .port = 80, .timeout_ms = 5000, .path = "/up?x=1"};
    const char *const parts[] = {"HTTP/1.1 200 OK\r\n\r\n", NULL};
    struct script_result r = script_run(&conf, parts, 0, true, NULL);

    assert_string_equal(r.sent, "GET /up?x=1 HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: postern\r\nAccept: */*\r\n"
                                "Connection: close\r\n\r\n");
    conf.port = 8080;
    conf.path[0] = '\0';
    strcpy(conf.host, "2001:db8::1");
    r = script_run(&conf, parts, 0, true, NULL);
    assert_non_null(strstr(r.sent, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n"));
    conf.type = PN_CHECK_HTTPS;
    conf.port = 443;
    strcpy(conf.host, "mx.example");
    r = script_run(&conf, parts, 0, true, NULL);
    assert_non_null(strstr(r.sent, "Host: mx.example\r\n"));
    r = script_run(&conf, parts, 0, true, "certificate has expired");
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_string_equal(r.reason, "TLS: certificate has expired");
    assert_string_equal(r.sent, "");
}

static void status_range(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_HTTP, .port = 80, .status_min = 401, .status_max = 401};

    assert_int_equal(script_run(&conf, (const char *const[]){"HTTP/1.1 401 x\r\n\r\n", NULL}, 0, true, NULL).verdict,
                     PN_HEALTH_UP);
    assert_int_equal(script_run(&conf, (const char *const[]){"HTTP/1.1 200 x\r\n\r\n", NULL}, 0, true, NULL).verdict,
                     PN_HEALTH_DOWN);
}

static void limits(void **state)
{
    (void)state;
    static char big[PN_HTTP_HEADER_BYTES + 64];
    struct script_result r;

    strcpy(big, "HTTP/1.1 200 ");
    memset(big + 13, 'x', PN_HTTP_STATUS_BYTES);
    r = get(big, 0, true);
    assert_string_equal(r.reason, "HTTP status line too long");
    memset(big, 'x', sizeof(big) - 1);
    memcpy(big, "HTTP/1.1 200 OK\r\n", 17);
    r = get(big, 0, true);
    assert_string_equal(r.reason, "HTTP header too long");
    big[0] = '\0';
    for (unsigned i = 0; i <= PN_HTTP_INTERIM_MAX; i++)
        strcat(big, "HTTP/1.1 100 C\r\n\r\n");
    strcat(big, "HTTP/1.1 200 OK\r\n\r\n");
    r = get(big, 0, true);
    assert_string_equal(r.reason, "too many interim responses");
    r = get(big + 18, 0, true);
    assert_int_equal(r.verdict, PN_HEALTH_UP);

    struct pn_http_reply p = {0};
    size_t used;
    assert_int_equal(pn_http_reply_feed(&p, (const uint8_t *)"HTTP/1.1 200 \0", 14, &used), PN_HTTP_REPLY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(request),
        cmocka_unit_test(status_range),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
