/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's nodes beside the cluster's members, and texts of others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controlplane/actors/roster.h"
#include "controlplane/cluster/envelope.h"

static struct pn_conf conf;
static struct pn_cluster_copy copy;
static struct pn_roster_row rows[PN_ROSTER_MAX];

static void seat(unsigned i, const char *name, int number, const char *version)
{
    struct pn_cluster_seat *s = &copy.seats[i];

    memset(s, 0, sizeof(*s));
    s->id.b[0] = (uint8_t)(i + 1);
    strcpy(s->name, name);
    strcpy(s->version, version);
    s->number = number;
    copy.n_seats = i + 1;
}

/* Configured n1, n2, n3; here is n1. Members are given in the cluster's own order and numbers. */
static void stage(void)
{
    static struct pn_conf_node nodes[3];

    memset(&conf, 0, sizeof(conf));
    memset(&copy, 0, sizeof(copy));
    conf.nodes = nodes;
    conf.n_nodes = 3;
    for (unsigned i = 0; i < 3; i++)
        snprintf(nodes[i].name, sizeof(nodes[i].name), "n%u", i + 1);
    copy.status.state = PN_CLUSTER_ACTIVE;
}

static void test_rows(void **state)
{
    (void)state;
    stage();
    seat(0, "n3", 0, "1");
    seat(1, "stray", 1, "1");
    seat(2, "n1", 2, "1");
    copy.status.peers[0].id.b[0] = 1;
    copy.status.n_peers = 1;
    copy.status.skewed[0] = true;
    assert_int_equal(pn_roster_make(&conf, &copy, rows), 4);
    assert_string_equal(rows[0].name, "n3");
    assert_int_equal(rows[0].node, 2);
    assert_ptr_equal(rows[0].peer, &copy.status.peers[0]);
    assert_true(rows[0].skewed);
    assert_int_equal(rows[1].node, -1);
    assert_int_equal(rows[2].node, 0);
    assert_null(rows[2].peer);
    assert_string_equal(rows[3].name, "n2");
    assert_null(rows[3].seat);
}

static void test_complete(void **state)
{
    (void)state;
    stage();
    seat(0, "n1", 0, "1");
    seat(1, "n2", 1, "1");
    assert_false(pn_roster_complete(&conf, 0, &copy)); /* n3 is none */
    seat(2, "n3", 2, "");
    assert_false(
        pn_roster_complete(&conf, 0, &copy)); /* admitted, but has not said anything: its keys may not be there */
    seat(2, "n3", 2, "1");
    assert_true(pn_roster_complete(&conf, 0, &copy));
    copy.seats[2].number = -1;
    assert_false(pn_roster_complete(&conf, 0, &copy)); /* no seat */
    copy.seats[2].number = 2;
    copy.status.state = PN_CLUSTER_REMOVED;
    assert_false(pn_roster_complete(&conf, 0, &copy));
}

static void test_texts_of_others(void **state)
{
    struct pn_control c = {.kind = PN_CONTROL_BYE}, *got = &(struct pn_control){.kind = PN_CONTROL_PING};
    struct pn_member row = {.joined = 1, .admin_stamp = 1};
    struct pn_bytes b;
    struct pn_error err;
    char text[8];
    (void)state;

    assert_string_equal(pn_text_clean("a\033[2J\nb", text, sizeof(text)), "a?[2J?b");
    assert_string_equal(pn_text_clean("too long a text", text, sizeof(text)), "too lon");
    strcpy(c.bye.text, "bye\n\033[31m");
    b = pn_control_encode(&c);
    assert_int_equal(pn_control_decode(b.data, b.len, got, &err), 0);
    assert_string_equal(got->bye.text, "bye??[31m");
    assert_false(got->bye.has_row);
    pn_bytes_free(&b);
    row.id.b[0] = 1;
    strcpy(row.claim_name, "n1");
    strcpy(row.version, "1.0");
    assert_null(pn_member_fault(&row));
    strcpy(row.version, "1.0\n");
    assert_non_null(pn_member_fault(&row));
}

/* A stamp at the end of time, from a member gone bad: changes go on being rows that others take. */
static void test_stamps_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(pn_stamp_next(PN_STAMP_MAX, 1), PN_STAMP_MAX);
    assert_int_equal(pn_stamp_next(PN_STAMP_MAX - 1, 1), PN_STAMP_MAX);
    assert_int_equal(pn_stamp_next(5, 1), 1 << 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_texts_of_others),
        cmocka_unit_test(test_stamps_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
