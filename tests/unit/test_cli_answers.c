/* SPDX-License-Identifier: BSD-3-Clause */
/* What the real program asks of a daemon, and what it makes of one answer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

static void read_all(int fd, void *to, size_t len)
{
    assert_int_equal(recv(fd, to, len, MSG_WAITALL), len);
}

/* Answers the program's requests as posternd might. What it asked first; what it printed, and its status. */
static json_t *converse_all(const char *words, const char *const answers[], unsigned n, char *printed, size_t size,
                            int *status)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    char line[512], text[2048];
    uint32_t frame;
    FILE *p;

    snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/pn-cli-%d.sock", (int)getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(listener, 1), 0);
    snprintf(line, sizeof(line), "timeout 10 %s --socket %s 2>&1 %s", PN_CLI_PATH, sun.sun_path, words);
    p = popen(line, "r");
    int fd = accept(listener, NULL, NULL);
    unlink(sun.sun_path);
    assert_true(fd >= 0);
    json_t *asked = NULL;
    for (unsigned i = 0; i < n; i++) {
        read_all(fd, &frame, sizeof(frame));
        assert_in_range(ntohl(frame), 1, sizeof(text));
        read_all(fd, text, ntohl(frame));
        if (i == 0)
            asked = json_loadb(text, ntohl(frame), 0, NULL);
        frame = htonl((uint32_t)strlen(answers[i]));
        assert_int_equal(send(fd, &frame, sizeof(frame), 0), sizeof(frame));
        assert_int_equal(send(fd, answers[i], strlen(answers[i]), 0), strlen(answers[i]));
    }
    printed[fread(printed, 1, size - 1, p)] = '\0';
    *status = WEXITSTATUS(pclose(p));
    close(fd);
    close(listener);
    return asked;
}

static json_t *converse(const char *words, const char *answer, char *printed, size_t size, int *status)
{
    return converse_all(words, &answer, 1, printed, size, status);
}

/* What "report add" asks for: every recipient, wherever it stands, and the event. */
static void test_report_add_takes_every_recipient(void **state)
{
    char text[512];
    int status;

    (void)state;
    json_t *asked = converse("report add -r a@x --recipient=b@x rejected -rc@x",
                             "{\"ok\": true, \"result\": {\"sequence\": 1}}", text, sizeof(text), &status);
    json_t *args = json_object_get(asked, "args");
    assert_string_equal(json_string_value(json_object_get(args, "recipients")), "a@x\nb@x\nc@x");
    assert_string_equal(json_string_value(json_object_get(args, "event")), "rejected");
    json_decref(asked);
    assert_string_equal(text, "record 1 of this node\n");
    assert_int_equal(status, 0);
}

static void test_vip_show_is_aligned(void **state)
{
    static const char answer[] =
        "{\"ok\": true, \"result\": {\"vips\": [{\"name\": \"in4\", \"address\": \"192.0.2.25\", \"state\": \"owner\", "
        "\"nodes\": [{\"node\": \"n1\", \"state\": \"backup\"}, {\"node\": \"mail2\", \"state\": \"init\"}]}]}}";
    char text[2048], *line, *rest = text;
    unsigned lines = 0;
    int status;

    (void)state;
    json_decref(converse("vip show in4", answer, text, sizeof(text), &status));
    assert_non_null(strstr(text, "  on mail2"));
    for (strsep(&rest, "\n"); (line = strsep(&rest, "\n")) && *line; lines++)
        if (strlen(line) < 14 || line[12] != ' ' || line[13] == ' ')
            fail_msg("not in its column: %s", line);
    assert_true(lines >= 8);
}

/* What to type stands whole on its line. */
static void test_no_cluster_says_what_to_type(void **state)
{
    char text[1024];
    int status;

    (void)state;
    json_decref(converse("cluster", "{\"ok\": true, \"result\": {\"state\": \"none\", \"node\": \"n1\"}}", text,
                         sizeof(text), &status));
    assert_int_equal(strncmp(text, "n1 is in no cluster.\n", 21), 0);
    assert_non_null(strstr(text, "postern cluster init NAME\n"));
    assert_non_null(strstr(text, "postern cluster invite on a member, then here postern cluster join TOKEN\n"));
    assert_int_equal(status, 0);
}

/* One of the report's tables, or all that have something. */
static void test_report_sections(void **state)
{
    static const char answer[] =
        "{\"ok\": true, \"result\": {\"time\": [], \"total\": {}, \"nodes\": [{\"node\": \"n1\"}], "
        "\"senders\": [{\"name\": \"a@x\", \"count\": 2, \"bytes\": 10}]}}";
    char text[2048];
    int status;

    (void)state;
    json_decref(converse("report --section senders", answer, text, sizeof(text), &status));
    assert_string_equal(text, "TOP SENDERS  COUNT  BYTES\na@x              2   10 B\n");
    json_decref(converse("report --section rules", answer, text, sizeof(text), &status));
    assert_string_equal(text, "TOP RULES  COUNT  BYTES\n");
    json_decref(converse("report", answer, text, sizeof(text), &status));
    assert_int_equal(strncmp(text, "TIME ", 5), 0);
    assert_non_null(strstr(text, "\n\nNODE "));
    assert_non_null(strstr(text, "\n\nTOP SENDERS "));
    assert_null(strstr(text, "TOP RULES"));
}

/* The list of yesterday stays when there is none of today. */
static void holds(const char *path, const char *expected)
{
    char text[256];
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, expected);
}

static void test_export_refused_keeps_the_file(void **state)
{
    static const char refusal[] = "{\"ok\": false, \"code\": \"denied\", \"error\": \"no\"}";
    static const char none[] = "{\"ok\": true, \"result\": {\"rules\": [], \"more\": false}}";
    char path[] = "/tmp/pn-cli-export.XXXXXX", words[128], printed[512];
    int fd = mkstemp(path), status;

    (void)state;
    assert_int_equal(write(fd, "kept\n", 5), 5);
    close(fd);
    snprintf(words, sizeof(words), "rule export --format csv --output %s", path);
    json_decref(converse(words, refusal, printed, sizeof(printed), &status));
    assert_int_equal(status, 1);
    holds(path, "kept\n");
    json_decref(converse("rule export", refusal, printed, sizeof(printed), &status));
    assert_string_equal(printed, "postern: no\n");
    json_decref(converse(words, none, printed, sizeof(printed), &status));
    assert_int_equal(status, 0);
    holds(path, "list,value,field,owner,description,text,hits\n");
    unlink(path);
}

/* A refusal names the command as it was typed, not the request that it became. */
static void test_refused_as_typed(void **state)
{
    static const char *const rows[][3] = {
        {"diff", "config", "postern diff"},
        {"trace", "trace start", "postern trace"},
        {"rule reset-clock", "rule clock-reset", "postern rule reset-clock"},
        {"rule search x", "rule list", "postern rule search"},
        {"gateway setup mx1", "gateway vips", "postern gateway setup"},
        {"quarantine show 7 --raw", "quarantine raw", "postern quarantine show"},
        {"report", "quarantine report", "postern report"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char answer[256], text[512], expected[256];
        int status;

        snprintf(answer, sizeof(answer), "{\"ok\": false, \"code\": \"denied\", \"error\": \"\\\"%s\\\" is for root\"}",
                 rows[i][1]);
        json_t *asked = converse(rows[i][0], answer, text, sizeof(text), &status);
        assert_string_equal(json_string_value(json_object_get(asked, "command")), rows[i][1]);
        json_decref(asked);
        snprintf(expected, sizeof(expected), "postern: \"%s\" is for root\n", rows[i][2]);
        assert_string_equal(text, expected);
        assert_int_equal(status, 1);
    }
}

static const char *id_of(const json_t *doc, const char *list, unsigned i, json_int_t *id)
{
    const json_t *row = json_array_get(json_object_get(doc, list), i);

    *id = json_integer_value(json_object_get(row, "id"));
    return json_string_value(json_object_get(row, "error"));
}

/* What -j says of several IDs is one document. */
static void test_several_ids_are_one_document(void **state)
{
    static const char done[] =
        "{\"ok\": true, \"result\": {\"id\": 7, \"result\": \"released\", \"item\": {\"id\": 7}}}";
    static const char refused[] = "{\"ok\": false, \"code\": \"not-found\", \"error\": \"no such item\"}";
    const char *const both[] = {done, refused}, *const neither[] = {refused, refused};
    static const char *const verbs[] = {"release", "delete"};
    char words[64], text[1024];
    json_int_t id;
    int status;

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        snprintf(words, sizeof(words), "-j quarantine %s 7 8 2>/dev/null", verbs[v]);
        json_decref(converse_all(words, both, 2, text, sizeof(text), &status));
        json_t *doc = json_loads(text, 0, NULL);
        if (!doc)
            fail_msg("%s: not one document: %s", words, text);
        assert_int_equal(status, 4);
        assert_int_equal(json_array_size(json_object_get(doc, "items")), 1);
        id_of(doc, "items", 0, &id);
        assert_int_equal(id, 7);
        assert_int_equal(json_array_size(json_object_get(doc, "errors")), 1);
        assert_string_equal(id_of(doc, "errors", 0, &id), "no such item");
        assert_int_equal(id, 8);
        json_decref(doc);
        json_decref(converse_all(words, neither, 2, text, sizeof(text), &status));
        doc = json_loads(text, 0, NULL);
        assert_non_null(doc);
        assert_int_equal(json_array_size(json_object_get(doc, "errors")), 2);
        json_decref(doc);
        /* One that fails is told as everywhere. */
        snprintf(words, sizeof(words), "-j quarantine %s 8 2>/dev/null", verbs[v]);
        json_decref(converse(words, refused, text, sizeof(text), &status));
        doc = json_loads(text, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(doc, "code")), "not-found");
        json_decref(doc);
    }
}

/* One that is released, and whose sender cannot be welcome: the document says both. */
static void test_no_sender_to_welcome(void **state)
{
    static const char *const answers[] = {
        "{\"ok\": true, \"result\": {\"id\": 7, \"result\": \"released\"}}",
        "{\"ok\": true, \"result\": {\"item\": {\"id\": 7, \"sender\": \"\", \"recipients\": [\"a@example.org\"]}}}"};
    char text[1024];
    json_int_t id;
    int status;

    (void)state;
    json_decref(
        converse_all("-j quarantine release 7 --welcomelist 2>/dev/null", answers, 2, text, sizeof(text), &status));
    json_t *doc = json_loads(text, 0, NULL);
    assert_non_null(doc);
    assert_int_equal(status, 1);
    id_of(doc, "items", 0, &id);
    assert_int_equal(id, 7);
    const char *error = id_of(doc, "errors", 0, &id);
    assert_non_null(error);
    assert_non_null(strstr(error, "no sender"));
    assert_int_equal(id, 7);
    json_decref(doc);
}

/* Changes have a status of their own, as with diff(1). */
static void test_diff_exit_code(void **state)
{
    static const char eth1[] = "{\"ok\": true, \"result\": {\"text\": \"node n1 { port lan { interface = eth1 } }\"}}";
    static const char eth2[] = "{\"ok\": true, \"result\": {\"text\": \"node n1 { port lan { interface = eth2 } }\"}}";
    static const char refusal[] = "{\"ok\": false, \"code\": \"denied\", \"error\": \"no\"}";
    static const struct {
        const char *words, *answer;
        int status;
    } rows[] = {
        {"diff @", eth1, 0},
        {"diff --exit-code @", eth2, 0},
        {"diff --exit-code @", eth1, 1},
        {"diff --exit-code @ > /dev/full", eth1, 2},
        {"diff --exit-code @.gone", eth1, 2},
        {"diff @.gone", eth1, 1},
        {"diff --exit-code @", refusal, 2},
        {"diff @", refusal, 1},
    };
    char path[] = "/tmp/pn-cli-diff.XXXXXX", words[128], printed[1024];
    int fd = mkstemp(path), status;

    (void)state;
    dprintf(fd, "node n1 { port lan { interface = eth2 } }\n");
    close(fd);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = strchr(rows[i].words, '@');
        snprintf(words, sizeof(words), "%.*s%s%s", (int)(at - rows[i].words), rows[i].words, path, at + 1);
        json_decref(converse(words, rows[i].answer, printed, sizeof(printed), &status));
        if (status != rows[i].status)
            fail_msg("%s: status %d: %s", words, status, printed);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_add_takes_every_recipient),
        cmocka_unit_test(test_refused_as_typed),
        cmocka_unit_test(test_vip_show_is_aligned),
        cmocka_unit_test(test_no_cluster_says_what_to_type),
        cmocka_unit_test(test_report_sections),
        cmocka_unit_test(test_export_refused_keeps_the_file),
        cmocka_unit_test(test_diff_exit_code),
        cmocka_unit_test(test_several_ids_are_one_document),
        cmocka_unit_test(test_no_sender_to_welcome),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
