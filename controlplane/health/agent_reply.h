/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer of a gateway's agent: HAProxy's agent-check protocol, one line up to the first CR, LF or the end of the
 * connection, words separated by blanks, tabs or commas:
 *   75%        weight, percent of the configured one (above 100 counts as 100)
 *   ready      cancels drain and maint          up       cancels down
 *   drain      no new flows                     maint    out of service
 *   down, failed, stopped   no new flows; what follows a '#' says why
 *   maxconn:N  no new flows above N             queue:N  messages queued (Postern's own word)
 */
#ifndef POSTERN_HEALTH_AGENT_REPLY_H
#define POSTERN_HEALTH_AGENT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/health/health.h"

#define PN_AGENT_LINE_BYTES 512u

/* Zeroes are the state to start from. */
struct pn_agent_line {
    uint16_t len;
    char line[PN_AGENT_LINE_BYTES];
};

enum pn_agent_line_status { PN_AGENT_LINE_MORE, PN_AGENT_LINE_DONE, PN_AGENT_LINE_TOO_LONG };
enum pn_agent_line_status pn_agent_line_feed(struct pn_agent_line *l, const uint8_t *data, size_t len, size_t *used);

/*
 * Words of a line into report. Returns how many were understood; unknown (size > 0) gets the first that was not, "" if
 * there is none, reason what followed '#'. Numbers out of range are unknown words. Of down and up in one line, and of
 * ready against drain and maint, the last said holds.
 */
unsigned pn_agent_parse(const char *line, size_t len, struct pn_agent_report *report, char *unknown,
                        size_t unknown_size, char *reason, size_t reason_size);

#endif
