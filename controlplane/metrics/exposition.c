/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/metrics/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include <event2/buffer.h>

void pn_expo_family(struct pn_expo *e, const char *name, const char *type, const char *help)
{
    e->family = name;
    if (evbuffer_add_printf(e->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type) < 0)
        e->failed = true;
}

static void label_value(struct pn_expo *e, const char *value)
{
    for (; *value; value++) {
        const char *escaped = *value == '\\' ? "\\\\" : *value == '"' ? "\\\"" : *value == '\n' ? "\\n" : NULL;
        if (evbuffer_add(e->out, escaped ? escaped : value, escaped ? 2 : 1) < 0)
            e->failed = true;
    }
}

static void start(struct pn_expo *e, const char *suffix, va_list labels)
{
    const char *name, *sep = "{";

    evbuffer_add_printf(e->out, "%s%s", e->family, suffix);
    while ((name = va_arg(labels, const char *))) {
        evbuffer_add_printf(e->out, "%s%s=\"", sep, name);
        label_value(e, va_arg(labels, const char *));
        evbuffer_add(e->out, "\"", 1);
        sep = ",";
    }
    if (*sep == ',')
        evbuffer_add(e->out, "}", 1);
}

void pn_expo_u64(struct pn_expo *e, uint64_t value, ...)
{
    va_list labels;

    va_start(labels, value);
    start(e, "", labels);
    va_end(labels);
    if (evbuffer_add_printf(e->out, " %" PRIu64 "\n", value) < 0)
        e->failed = true;
}

static void finish(struct pn_expo *e, double value)
{
    int rc;

    /* The format's own words: printf's would be "nan" and "inf". */
    if (isnan(value))
        rc = evbuffer_add_printf(e->out, " NaN\n");
    else if (isinf(value))
        rc = evbuffer_add_printf(e->out, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        rc = evbuffer_add_printf(e->out, " %.15g\n", value);
    if (rc < 0)
        e->failed = true;
}

void pn_expo_double(struct pn_expo *e, double value, ...)
{
    va_list labels;

    va_start(labels, value);
    start(e, "", labels);
    va_end(labels);
    finish(e, value);
}

void pn_expo_double_suffix(struct pn_expo *e, const char *suffix, double value, ...)
{
    va_list labels;

    va_start(labels, value);
    start(e, suffix, labels);
    va_end(labels);
    finish(e, value);
}
