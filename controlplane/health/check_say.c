/* SPDX-License-Identifier: BSD-3-Clause */
/* What a type of check says: its verdict, or what goes to the server. */
#include "controlplane/health/check.h"

#include <stdarg.h>
#include <stdio.h>

static void printable(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
}

enum pn_check_act pn_check_verdict(struct pn_check_run *r, enum pn_health verdict, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->reason, sizeof(r->reason), format, args);
    va_end(args);
    printable(r->reason);
    r->verdict = verdict;
    return PN_CHECK_DONE;
}

enum pn_check_act pn_check_send(struct pn_check_run *r, const char *waiting, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(r->out, sizeof(r->out), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(r->out))
        return pn_check_verdict(r, PN_HEALTH_DOWN, "request longer than %zu bytes", sizeof(r->out) - 1);
    r->out_len = (size_t)n;
    r->waiting = waiting;
    r->wait_ms = 0;
    return PN_CHECK_SEND;
}
