/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node tells the log, by name, and how often. */
#include "controlplane/vip/node.h"

#include <stdarg.h>
#include <stdio.h>

void pn_node_say(struct pn_node *n, enum pn_log_level level, const char *kind, const char *subject, const char *format,
                 ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n->io.event(n->io.arg, level, kind, subject, text);
}

const char *pn_node_name(const struct pn_node *n, uint8_t node)
{
    return node < PN_MAX_NODES && n->conf.names[node][0] ? n->conf.names[node] : "(unknown)";
}

/* One line a minute, whatever somebody sends. */
bool pn_node_may_tell(uint64_t *told_ns, uint64_t every_ns, uint64_t now_ns)
{
    if (*told_ns && now_ns - *told_ns < every_ns)
        return false;
    *told_ns = now_ns;
    return true;
}
