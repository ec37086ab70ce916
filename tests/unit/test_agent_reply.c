/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_script.h"

static void words(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        struct pn_agent_report want;
        unsigned understood;
        const char *unknown, *reason;
    } rows[] = {
        {"75%", {.has_percent = true, .percent = 75}, 1, "", ""},
        {"0%", {.has_percent = true}, 1, "", ""},
        {"250%", {.has_percent = true, .percent = 100}, 1, "", ""},
        {"up 50%, maxconn:30 queue:12",
         {.up = true,
          .has_percent = true,
          .percent = 50,
          .has_maxconn = true,
          .maxconn = 30,
          .has_queue = true,
          .queue = 12},
         4,
         "",
         ""},
        {"\t up ,,\t", {.up = true}, 1, "", ""},
        {"UP Ready", {.up = true, .ready = true}, 2, "", ""},
        {"drain", {.drain = true}, 1, "", ""},
        {"maint", {.maint = true}, 1, "", ""},
        {"drain ready", {.ready = true}, 2, "", ""},
        {"ready maint", {.maint = true}, 2, "", ""},
        {"down", {.down = true}, 1, "", ""},
        {"failed#disk full", {.down = true}, 1, "", "disk full"},
        {"stopped #by hand, 75%", {.down = true}, 1, "", "by hand, 75%"},
        {"up down", {.down = true}, 2, "", ""},
        {"down up", {.up = true}, 2, "", ""},
        {"hello 10%", {.has_percent = true, .percent = 10}, 1, "hello", ""},
        {"%", {0}, 0, "%", ""},
        {"-5%", {0}, 0, "-5%", ""},
        {"7 5%", {.has_percent = true, .percent = 5}, 1, "7", ""},
        {"9999999999999999999999%", {0}, 0, "9999999999999999999999%", ""},
        {"maxconn:", {0}, 0, "maxconn:", ""},
        {"maxconn:4294967295", {.has_maxconn = true, .maxconn = UINT32_MAX}, 1, "", ""},
        {"maxconn:4294967296", {0}, 0, "maxconn:4294967296", ""},
        {"queue:-1", {0}, 0, "queue:-1", ""},
        {"queue:123456789012345678", {.has_queue = true, .queue = 123456789012345678}, 1, "", ""},
        {"maxconn:0x10 upp \x1b[2J", {0}, 0, "maxconn:0x10", ""},
        {"\x1b[2J\xff", {0}, 0, "?[2J?", ""},
        {"", {0}, 0, "", ""},
        {"# only a reason", {0}, 0, "", " only a reason"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_agent_report r;
        char unknown[32], reason[32];
        unsigned n =
            pn_agent_parse(rows[i].line, strlen(rows[i].line), &r, unknown, sizeof(unknown), reason, sizeof(reason));
        const struct pn_agent_report *w = &rows[i].want;
        if (n != rows[i].understood || r.up != w->up || r.down != w->down || r.drain != w->drain ||
            r.maint != w->maint || r.ready != w->ready || r.has_percent != w->has_percent || r.percent != w->percent ||
            r.has_maxconn != w->has_maxconn || r.maxconn != w->maxconn || r.has_queue != w->has_queue ||
            r.queue != w->queue || strcmp(unknown, rows[i].unknown) != 0 || strcmp(reason, rows[i].reason) != 0)
            fail_msg("\"%s\": %u words, unknown \"%s\", reason \"%s\"", rows[i].line, n, unknown, reason);
    }
    /* Buffers of one byte, and none. */
    struct pn_agent_report r;
    char one[1];
    pn_agent_parse("what #why", 9, &r, one, 1, one, 1);
    assert_int_equal(one[0], '\0');
    pn_agent_parse("what #why", 9, &r, NULL, 0, NULL, 0);
}

static void check_runs(void **state)
{
    (void)state;
    struct pn_conf_check conf = {.type = PN_CHECK_AGENT, .port = 9999, .timeout_ms = 250};
    static char longline[PN_AGENT_LINE_BYTES + 2];
    struct script_result r;

    for (size_t chunk = 0; chunk <= 3; chunk++) {
        r = script_run(&conf, (const char *const[]){"up 75%\r\nignored drain", NULL}, chunk, false, NULL);
        assert_int_equal(r.verdict, PN_HEALTH_UP);
        assert_string_equal(r.reason, "up 75%");
        assert_true(r.agent.up && r.agent.has_percent && !r.agent.drain);
        assert_int_equal(r.agent.percent, 75);
        r = script_run(&conf, (const char *const[]){"drain", NULL}, chunk, true, NULL); /* ended by the connection */
        assert_int_equal(r.verdict, PN_HEALTH_UP);
        assert_true(r.agent.drain);
        r = script_run(&conf, (const char *const[]){"10% brilliant\n", NULL}, chunk, true, NULL);
        assert_int_equal(r.verdict, PN_HEALTH_UP);
        assert_string_equal(r.unknown, "brilliant");
    }
    r = script_run(&conf, (const char *const[]){"up", NULL}, 0, false, NULL);
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_string_equal(r.reason, "timeout after 250 ms waiting for the agent's line");
    r = script_run(&conf, (const char *const[]){NULL}, 0, true, NULL);
    assert_string_equal(r.reason, "connection closed waiting for the agent's line");
    r = script_run(&conf, (const char *const[]){"\n", NULL}, 0, true, NULL);
    assert_string_equal(r.reason, "the agent's line has no word");
    r = script_run(&conf, (const char *const[]){"hello world\n", NULL}, 0, true, NULL);
    assert_int_equal(r.verdict, PN_HEALTH_DOWN);
    assert_string_equal(r.reason, "no word of the agent's is known, the first: hello");
    struct pn_agent_line l = {0};
    size_t used;
    assert_int_equal(pn_agent_line_feed(&l, (const uint8_t *)"\0up\n", 4, &used), PN_AGENT_LINE_DONE);
    assert_memory_equal(l.line, "?up", 3);
    memset(longline, ' ', sizeof(longline) - 1);
    r = script_run(&conf, (const char *const[]){longline, NULL}, 0, true, NULL);
    assert_string_equal(r.reason, "the agent's line is longer than 512 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(check_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
