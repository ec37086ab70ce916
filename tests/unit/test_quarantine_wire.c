/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames and news between the quarantine's threads, with neighbours of paper: what cannot be told at once is told later. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/actors/quarantine_internal.h"
#include "tests/unit/fake_loop.h"

#define HOST 2u /* a peer */

static struct {
    unsigned pumps, answers, downs, ups;
    bool up;
} seen;

void pn_qa_node_pump(struct pn_quarantine_actor *a)
{
    (void)a;
    seen.pumps++;
}

void pn_qa_node_follow(struct pn_quarantine_actor *a)
{
    bool up = a->peers[HOST].up;

    seen.ups += up && !seen.up;
    seen.downs += !up && seen.up;
    seen.up = up;
}

void pn_qa_node_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len)
{
    (void)a, (void)peer, (void)bytes, (void)len;
}

bool pn_qa_host_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len)
{
    (void)a, (void)peer, (void)bytes, (void)len;
    return true;
}

void pn_qa_host_follow(struct pn_quarantine_actor *a)
{
    (void)a;
}

void pn_qa_host_answer(struct pn_quarantine_actor *a)
{
    (void)a;
    seen.answers++;
}

int pn_courier_send(struct pn_courier *c, unsigned peer, const void *bytes, size_t len)
{
    (void)c, (void)peer, (void)bytes, (void)len;
    return PN_COURIER_FULL;
}

static int setup(void **state)
{
    struct pn_quarantine_actor *a = calloc(1, sizeof(*a));

    memset(&seen, 0, sizeof(seen));
    memset(&fake_loop, 0, sizeof(fake_loop));
    pthread_mutex_init(&a->lock, NULL);
    for (unsigned i = 0; i < PN_QA_PEERS; i++) {
        a->peers[i].actor = a->guests[i].actor = a;
        a->peers[i].index = a->guests[i].index = i;
    }
    a->target = HOST;
    *state = a;
    return pn_qa_wire_init(a);
}

static int teardown(void **state)
{
    struct pn_quarantine_actor *a = *state;

    pn_qa_wire_free(a);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return 0;
}

static void test_news(void **state)
{
    struct pn_quarantine_actor *a = *state;

    pn_qa_wire_ops.up(a, HOST, "n3");
    fake_loop_run();
    assert_true(a->peers[HOST].up);
    assert_string_equal(a->peers[HOST].name, "n3");
    pn_qa_wire_ops.room(a, HOST);
    pn_qa_wire_ops.room(a, HOST + 1); /* not the host */
    fake_loop_run();
    assert_int_equal(seen.pumps, 1);
    pn_qa_wire_ops.down(a, HOST);
    fake_loop_run();
    assert_false(a->peers[HOST].up);
    assert_int_equal(seen.ups, 1);
    assert_int_equal(seen.downs, 1);
}

/* No memory for the call: within a second it is known all the same. */
static void test_news_without_memory(void **state)
{
    struct pn_quarantine_actor *a = *state;

    fake_loop.no_memory = true;
    pn_qa_wire_ops.up(a, HOST, "n3");
    assert_false(a->peers[HOST].up);
    pn_qa_wire_second(a);
    assert_true(a->peers[HOST].up);
    assert_string_equal(a->peers[HOST].name, "n3");
    pn_qa_wire_ops.room(a, HOST);
    pn_qa_wire_second(a);
    assert_int_equal(seen.pumps, 1);
    pn_qa_wire_second(a);
    assert_int_equal(seen.pumps, 1); /* once */
    /* Another link in the place of the one before: a new session begins. */
    pn_qa_wire_ops.down(a, HOST);
    pn_qa_wire_ops.up(a, HOST, "n3");
    pn_qa_wire_second(a);
    assert_int_equal(seen.downs, 1);
    assert_int_equal(seen.ups, 2);
    pn_qa_wire_ops.down(a, HOST);
    pn_qa_wire_second(a);
    assert_false(a->peers[HOST].up);
}

static uint8_t half[PN_QA_PIPE_BYTES_MAX / 2];

/* Frames that the host's part had no room for are sent once it has. */
static void test_keeper_was_full(void **state)
{
    struct pn_quarantine_actor *a = *state;

    a->target = PN_QA_SELF;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pn_qa_send_as_node(&a->peers[PN_QA_SELF], half, sizeof(half)), i == 2);
    fake_loop_run();
    assert_int_equal(seen.pumps, 0);
    fake_loop_run();
    assert_int_equal(seen.pumps, 1);
    assert_int_equal(seen.answers, 0);
}

/* Acknowledgements that found no room are sent once there is some, and not with the next mail. */
static void test_answers_wait_for_room(void **state)
{
    struct pn_quarantine_actor *a = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pn_qa_send_as_host(&a->guests[PN_QA_SELF], half, sizeof(half)), i == 2);
    fake_loop_run();
    fake_loop_run();
    assert_int_equal(seen.answers, 1);
    a->courier = (struct pn_courier *)a;
    assert_int_equal(pn_qa_send_as_host(&a->guests[HOST], half, 1), PN_COURIER_FULL);
    pn_qa_wire_ops.room(a, HOST);
    assert_int_equal(seen.answers, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_news, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeper_was_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_wait_for_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
