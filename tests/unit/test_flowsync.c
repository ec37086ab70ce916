/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/flowsync.h"

static struct pn_flowsync some_flows(unsigned n)
{
    struct pn_flowsync m = {.type = PN_FLOWSYNC_FLOWS, .node = 3, .n = (uint8_t)n};
    for (unsigned i = 0; i < n; i++)
        m.flows[i] = (struct pn_flowsync_flow){.client = {.b = {0x20, 1, 0x0d, 0xb8, [15] = (uint8_t)i}},
                                               .client_port = (uint16_t)(1000 + i),
                                               .state = i % 3 == 0   ? PN_FLOW_FREE
                                                        : i % 3 == 1 ? PN_FLOW_ESTABLISHED
                                                                     : PN_FLOW_CLOSING,
                                               .flags = i & 1 ? PN_FLOW_F_SPILLED : 0,
                                               .service = 0x11223344u + i,
                                               .gateway = 0x55667788u + i,
                                               .expires_ms = 900000u + i};
    return m;
}

static struct pn_flowsync some_marks(enum pn_flowsync_type type)
{
    struct pn_flowsync m = {.type = (uint8_t)type, .node = 1, .n = 2};
    m.marks[0] = (struct pn_flowsync_mark){.node = 2, .number = 77, .lost = type == PN_FLOWSYNC_END ? 5 : 0};
    m.marks[1] = (struct pn_flowsync_mark){.node = 8, .number = 0xfffffffeu};
    return m;
}

static void test_there_and_back(void **state)
{
    uint8_t bytes[PN_FLOWSYNC_MAX_BYTES];
    const char *field;
    (void)state;
    for (unsigned n = 1; n <= PN_FLOWSYNC_MAX_FLOWS; n++) {
        struct pn_flowsync in = some_flows(n), out;
        size_t len = pn_flowsync_encode(&in, bytes, sizeof(bytes));
        assert_int_equal(len, 8 + 32 * n);
        assert_int_equal(pn_flowsync_decode(bytes, len, &out, &field), 0);
        assert_int_equal(out.n, n);
        assert_int_equal(out.node, 3);
        for (unsigned i = 0; i < n; i++)
            assert_memory_equal(&out.flows[i], &in.flows[i], sizeof(in.flows[0]));
        assert_int_equal(pn_flowsync_encode(&in, bytes, len - 1), 0);
        assert_int_equal(pn_flowsync_decode(bytes, len - 1, &out, &field), -1);
        assert_string_equal(field, "length");
    }
    for (unsigned type = PN_FLOWSYNC_REQUEST; type < PN_FLOWSYNC_TYPE_COUNT; type++) {
        struct pn_flowsync in = some_marks(type), out;
        size_t len = pn_flowsync_encode(&in, bytes, sizeof(bytes));
        assert_int_equal(len, 8 + 2 * 12);
        assert_int_equal(pn_flowsync_decode(bytes, len, &out, &field), 0);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(out.marks[i].node, in.marks[i].node);
            assert_int_equal(out.marks[i].number, in.marks[i].number);
            assert_int_equal(out.marks[i].lost, in.marks[i].lost);
        }
    }
}

static void test_vector(void **state)
{
    static const uint8_t known[] = {1,   1,  1,   4, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0xff, 0xff,
                                    198, 51, 100, 7, 0x9c, 0x41, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0x0d, 0xbb, 0xa0};
    struct pn_flowsync m = {.type = PN_FLOWSYNC_FLOWS, .node = 4, .n = 1};
    uint8_t bytes[64];
    (void)state;
    m.flows[0] = (struct pn_flowsync_flow){.client = pn_addr_from_v4(0x076433c6u),
                                           .client_port = 40001,
                                           .state = PN_FLOW_ESTABLISHED,
                                           .flags = PN_FLOW_F_SPILLED,
                                           .service = 0x01020304,
                                           .gateway = 0x05060708,
                                           .expires_ms = 900000};
    assert_int_equal(pn_flowsync_encode(&m, bytes, sizeof(bytes)), sizeof(known));
    assert_memory_equal(bytes, known, sizeof(known));
}

static void test_what_is_refused(void **state)
{
    static const struct {
        unsigned at;
        uint8_t value;
        const char *field;
    } flow_rows[] =
        {
            {0, 2, "version"},
            {1, 0, "type"},
            {1, 5, "type"},
            {2, 0, "count"},
            {2, 43, "count"},
            {3, 9, "node"},
            {5, 1, "reserved"},
            {2, 1, "length"},
            {2, 3, "length"},
            {8 + 18, 4, "flow.state"},
            {8 + 19, 2, "flow.flags"},
            {8 + 19, 0x81, "flow.flags"},
        },
      mark_rows[] = {
          {2, 10, "count"},         {8, 9, "mark.node"}, {8 + 2, 1, "mark.reserved"},
          {8 + 11, 1, "mark.lost"}, {1, 1, "length"},
      };
    uint8_t bytes[PN_FLOWSYNC_MAX_BYTES], copy[PN_FLOWSYNC_MAX_BYTES];
    struct pn_flowsync m = some_flows(2), out;
    const char *field;
    (void)state;
    size_t len = pn_flowsync_encode(&m, bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(flow_rows) / sizeof(flow_rows[0]); i++) {
        memcpy(copy, bytes, len);
        copy[flow_rows[i].at] = flow_rows[i].value;
        assert_int_equal(pn_flowsync_decode(copy, len, &out, &field), -1);
        assert_string_equal(field, flow_rows[i].field);
    }
    memcpy(copy, bytes, len);
    copy[8 + 16] = copy[8 + 17] = 0;
    assert_int_equal(pn_flowsync_decode(copy, len, &out, &field), -1);
    assert_string_equal(field, "flow.client_port");
    m = some_marks(PN_FLOWSYNC_REQUEST);
    len = pn_flowsync_encode(&m, bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(mark_rows) / sizeof(mark_rows[0]); i++) {
        memcpy(copy, bytes, len);
        copy[mark_rows[i].at] = mark_rows[i].value;
        assert_int_equal(pn_flowsync_decode(copy, len, &out, &field), -1);
        assert_string_equal(field, mark_rows[i].field);
    }
    for (size_t n = 0; n < len; n++)
        assert_int_equal(pn_flowsync_decode(bytes, n, &out, &field), -1);
    m.n = 10;
    assert_int_equal(pn_flowsync_encode(&m, bytes, sizeof(bytes)), 0);
    m.n = 0;
    assert_int_equal(pn_flowsync_encode(&m, bytes, sizeof(bytes)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
