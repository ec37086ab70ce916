/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded list of findings: all are counted, the first max are kept. */
#ifndef POSTERN_CONF_REPORT_H
#define POSTERN_CONF_REPORT_H

#include "controlplane/conf/conf.h"

struct pn_report {
    struct pn_conf_error *rows; /* [max], the caller's; may be NULL when max is 0 */
    unsigned max;
    unsigned n; /* found, may exceed max */
};

void pn_report_add(struct pn_report *report, const char *file, uint32_t line, uint32_t column, const char *key,
                   const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Appends ".part" (or "part" to an empty path), cut to fit; returns the length before, to cut back to. */
size_t pn_report_path_add(char *path, size_t size, const char *part);

#endif
