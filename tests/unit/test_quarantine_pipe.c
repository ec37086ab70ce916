/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames between the quarantine's threads: the receiver is told once, and again after a call that could not be made. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "controlplane/actors/quarantine_pipe.h"

static struct {
    unsigned calls;
    int answer;
} receiver;

static int tell(void *arg)
{
    (void)arg;
    receiver.calls++;
    return receiver.answer;
}

static unsigned take(struct pn_qa_pipe *p, bool *was_full)
{
    struct pn_qa_frame *list = pn_qa_pipe_take(p, was_full);
    unsigned n = 0;

    for (struct pn_qa_frame *f = list; f; f = f->next) {
        assert_int_equal(f->len, 1);
        assert_int_equal(f->peer, 3);
        assert_int_equal(f->bytes[0], n++);
    }
    pn_qa_frames_free(list);
    return n;
}

static void send(struct pn_qa_pipe *p, uint8_t byte)
{
    assert_int_equal(pn_qa_pipe_send(p, 3, &byte, 1), 0);
}

static void test_told_once(void **state)
{
    struct pn_qa_pipe p;
    bool was_full;

    (void)state;
    receiver.calls = 0, receiver.answer = 0;
    assert_int_equal(pn_qa_pipe_init(&p, tell, NULL), 0);
    for (uint8_t i = 0; i < 3; i++)
        send(&p, i);
    assert_int_equal(receiver.calls, 1);
    assert_int_equal(take(&p, &was_full), 3);
    assert_false(was_full);
    send(&p, 0);
    assert_int_equal(receiver.calls, 2);
    pn_qa_pipe_free(&p); /* and what waits */
}

/* No memory for the call: the frame waits, and the next one tries again. */
static void test_told_again(void **state)
{
    struct pn_qa_pipe p;
    bool was_full;

    (void)state;
    receiver.calls = 0, receiver.answer = -1;
    assert_int_equal(pn_qa_pipe_init(&p, tell, NULL), 0);
    send(&p, 0);
    receiver.answer = 0;
    send(&p, 1);
    send(&p, 2);
    assert_int_equal(receiver.calls, 2);
    assert_int_equal(take(&p, &was_full), 3);
    pn_qa_pipe_free(&p);
}

static void test_full(void **state)
{
    static uint8_t half[PN_QA_PIPE_BYTES_MAX / 2];
    struct pn_qa_pipe p;
    bool was_full;

    (void)state;
    receiver.calls = 0, receiver.answer = -1;
    assert_int_equal(pn_qa_pipe_init(&p, tell, NULL), 0);
    assert_int_equal(pn_qa_pipe_send(&p, 0, half, sizeof(half)), 0);
    assert_int_equal(pn_qa_pipe_send(&p, 0, half, sizeof(half)), 0);
    receiver.answer = 0;
    assert_int_equal(pn_qa_pipe_send(&p, 0, half, 1), 1);
    assert_int_equal(receiver.calls, 3); /* a full pipe nobody was told of would stay full */
    pn_qa_frames_free(pn_qa_pipe_take(&p, &was_full));
    assert_true(was_full);
    assert_int_equal(pn_qa_pipe_send(&p, 0, half, sizeof(half)), 0);
    pn_qa_frames_free(pn_qa_pipe_take(&p, &was_full));
    assert_false(was_full);
    pn_qa_pipe_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_once),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
