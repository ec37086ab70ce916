/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing mail in from another process: what posternd is asked, what its answers mean, connections that break. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "controlplane/client/quarantine.h"

#define BIG 100000u

/* A posternd of one connection after the other: puts the pieces together and answers as told. */
static struct {
    char path[64];
    int listening;
    pthread_t thread;
    const char *refuse; /* command that is refused */
    const char *hang_up; /* command at which the connection ends */
    char begin[2048]; /* arguments of the last begin */
    uint8_t got[BIG + 100];
    size_t n;
    unsigned connections, ended;
} s;

static bool read_all(int fd, void *p, size_t n)
{
    for (ssize_t got; n; p = (char *)p + got, n -= (size_t)got)
        if ((got = read(fd, p, n)) <= 0)
            return false;
    return true;
}

static json_t *answer(const char *command, json_t *args)
{
    const char *text = json_string_value(json_object_get(args, "base64"));

    if (s.refuse && strcmp(s.refuse, command) == 0)
        return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "refused", "error", "the disk is full");
    if (strcmp(command, "quarantine add begin") == 0) {
        char *dump = json_dumps(args, JSON_SORT_KEYS);
        snprintf(s.begin, sizeof(s.begin), "%s", dump);
        free(dump);
        s.n = 0;
        return json_pack("{s:b, s:{s:i}}", "ok", 1, "result", "number", 7);
    }
    if (json_integer_value(json_object_get(args, "number")) != 7)
        return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "not-found", "error", "no such message");
    if (strcmp(command, "quarantine add data") == 0) {
        uint8_t piece[65536];
        int len = EVP_DecodeBlock(piece, (const uint8_t *)text, (int)strlen(text));
        for (size_t i = strlen(text); i && text[i - 1] == '='; i--)
            len--;
        memcpy(s.got + s.n, piece, (size_t)len);
        s.n += (size_t)len;
        return json_pack("{s:b, s:n}", "ok", 1, "result");
    }
    s.ended++;
    return json_pack("{s:b, s:{s:i, s:s}}", "ok", 1, "result", "sequence", 42, "sha256", "abc");
}

static void serve(int fd)
{
    static char text[1 << 20];
    uint32_t len;

    while (read_all(fd, &len, 4) && (len = ntohl(len)) < sizeof(text) && read_all(fd, text, len)) {
        json_t *request = json_loadb(text, len, 0, NULL), *reply;
        const char *command = json_string_value(json_object_get(request, "command"));
        char *out;

        if (s.hang_up && strcmp(s.hang_up, command) == 0) {
            json_decref(request);
            return;
        }
        reply = answer(command, json_object_get(request, "args"));
        out = json_dumps(reply, JSON_COMPACT);
        len = htonl((uint32_t)strlen(out));
        if (write(fd, &len, 4) != 4 || write(fd, out, strlen(out)) < 0)
            abort();
        free(out);
        json_decref(reply);
        json_decref(request);
    }
}

static void *server(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(s.listening, NULL, NULL)) >= 0; close(fd)) {
        s.connections++;
        serve(fd);
    }
    return NULL;
}

static int up(void **state)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    (void)state;
    memset(&s, 0, sizeof(s));
    snprintf(s.path, sizeof(s.path), "/tmp/pn-qclient.%d", (int)getpid());
    unlink(s.path);
    memcpy(sun.sun_path, s.path, strlen(s.path) + 1);
    s.listening = socket(AF_UNIX, SOCK_STREAM, 0);
    return bind(s.listening, (struct sockaddr *)&sun, sizeof(sun)) || listen(s.listening, 4) ||
           pthread_create(&s.thread, NULL, server, NULL);
}

static int down(void **state)
{
    (void)state;
    shutdown(s.listening, SHUT_RDWR);
    pthread_join(s.thread, NULL);
    close(s.listening);
    unlink(s.path);
    return 0;
}

static const char *const to[] = {"a@example.net", "b@example.net"};
static const struct pn_qclient_mail mail = {.sender = "x@example.org",
                                            .recipients = to,
                                            .n_recipients = 2,
                                            .reason = "keyword",
                                            .event = "spam",
                                            .size_bytes = BIG};

static void test_handed_in(void **state)
{
    static uint8_t message[BIG];
    struct pn_qclient_taken taken;
    struct pn_error err;
    struct pn_qclient *q = pn_qclient_open(s.path, 5, &err);

    (void)state;
    assert_non_null(q);
    for (unsigned i = 0; i < BIG; i++)
        message[i] = (uint8_t)(i * 7 + i / 251);
    for (unsigned round = 1; round <= 2; round++) {
        assert_int_equal(pn_qclient_begin(q, &mail, &err), 0);
        assert_string_equal(s.begin, "{\"event\": \"spam\", \"reason\": \"keyword\", \"recipients\": "
                                     "\"a@example.net\\nb@example.net\", \"sender\": \"x@example.org\", "
                                     "\"size_bytes\": 100000}");
        assert_int_equal(pn_qclient_begin(q, &mail, &err), -1); /* one at a time */
        for (unsigned at = 0, part = 1; at < BIG; at += part, part = part * 3 + round) {
            if (part > BIG - at)
                part = BIG - at;
            assert_int_equal(pn_qclient_data(q, message + at, part, &err), 0);
        }
        assert_int_equal(pn_qclient_end(q, &taken, &err), 0);
        assert_int_equal(taken.sequence, 42);
        assert_string_equal(taken.sha256, "abc");
        assert_int_equal(s.n, BIG);
        assert_memory_equal(s.got, message, BIG);
        assert_int_equal(s.ended, round);
    }
    assert_int_equal(s.connections, 1);
    pn_qclient_close(q);
}

static void test_refused(void **state)
{
    static const char *const none[] = {"\xff@example.net"};
    struct pn_qclient_taken taken;
    struct pn_error err;
    struct pn_qclient *q = pn_qclient_open(s.path, 5, &err);
    struct pn_qclient_mail bad = mail;

    (void)state;
    assert_int_equal(pn_qclient_data(q, "x", 1, &err), -1);
    assert_int_equal(pn_qclient_end(q, &taken, &err), -1);
    bad.n_recipients = 0;
    assert_int_equal(pn_qclient_begin(q, &bad, &err), -1);
    bad = (struct pn_qclient_mail){.recipients = none, .n_recipients = 1};
    assert_int_equal(pn_qclient_begin(q, &bad, &err), -1);
    s.refuse = "quarantine add end";
    assert_int_equal(pn_qclient_begin(q, &mail, &err), 0);
    assert_int_equal(pn_qclient_data(q, "x", 1, &err), 0);
    assert_int_equal(pn_qclient_end(q, &taken, &err), -1);
    assert_string_equal(err.text, "the disk is full");
    s.refuse = NULL;
    assert_int_equal(pn_qclient_begin(q, &mail, &err), 0); /* the next one goes */
    assert_int_equal(pn_qclient_end(q, &taken, &err), 0);
    pn_qclient_close(q);
}

static void test_broken(void **state)
{
    struct pn_qclient_taken taken;
    struct pn_error err;
    struct pn_qclient *q = pn_qclient_open(s.path, 5, &err);

    (void)state;
    s.hang_up = "quarantine add end";
    assert_int_equal(pn_qclient_begin(q, &mail, &err), 0);
    assert_int_equal(pn_qclient_data(q, "x", 1, &err), 0);
    assert_int_equal(pn_qclient_end(q, &taken, &err), -1);
    assert_non_null(strstr(err.text, s.path));
    s.hang_up = NULL;
    assert_int_equal(pn_qclient_begin(q, &mail, &err), 0); /* on another connection */
    assert_int_equal(pn_qclient_end(q, &taken, &err), 0);
    assert_int_equal(s.connections, 2);
    pn_qclient_close(q);
    assert_null(pn_qclient_open("/nonexistent/socket", 1, &err));
    assert_non_null(strstr(err.text, "/nonexistent/socket"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handed_in, up, down),
        cmocka_unit_test_setup_teardown(test_refused, up, down),
        cmocka_unit_test_setup_teardown(test_broken, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
