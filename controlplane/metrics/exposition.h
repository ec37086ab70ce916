/* SPDX-License-Identifier: BSD-3-Clause */
/* Families and samples in the text format: HELP and TYPE once, then the family's samples, no other in between. */
#ifndef POSTERN_METRICS_EXPOSITION_H
#define POSTERN_METRICS_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

struct evbuffer;

struct pn_expo {
    struct evbuffer *out;
    const char *family;
    bool failed; /* memory ran out somewhere */
};

/* type: "counter", "gauge", "summary". name and help: static text. */
void pn_expo_family(struct pn_expo *e, const char *name, const char *type, const char *help);
/* Labels as name, value pairs ended by NULL; values are escaped. suffix: "" or "_sum", "_count". */
void pn_expo_u64(struct pn_expo *e, uint64_t value, ...);
void pn_expo_double(struct pn_expo *e, double value, ...);
void pn_expo_double_suffix(struct pn_expo *e, const char *suffix, double value, ...);

#endif
