/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "postern/counters.h"

/* Names are public: lower-case words, unique, as their identifiers say; help fits one line of Prometheus text. */
static void test_table(void **state)
{
    static const char *const ids[] = {
#define ID(id, kind, name, help) #id,
        PN_COUNTERS(ID)
#undef ID
    };

    (void)state;
    for (size_t i = 0; i < PN_C_COUNT; i++) {
        const struct pn_counter_info *c = &pn_counter_info[i];
        assert_true(c->kind != 0 && strchr("TPDE", c->kind) != NULL);
        assert_int_equal(strlen(c->name), strlen(ids[i]));
        for (size_t k = 0; c->name[k]; k++)
            assert_int_equal(c->name[k], tolower((unsigned char)ids[i][k]));
        assert_true(c->help[0] != '\0' && strpbrk(c->help, "\n\\") == NULL);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(c->name, pn_counter_info[j].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
