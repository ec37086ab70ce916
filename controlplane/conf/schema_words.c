/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/schema_words.h"

const struct pn_schema_word pn_words_port_kinds[] = {
    {"af_xdp", PN_PORT_AF_XDP, "an interface that the kernel goes on using; only Postern's packets leave it"},
    {"dpdk", PN_PORT_DPDK, "a device owned by DPDK"},
    {0},
};

const struct pn_schema_word pn_words_fwd_modes[] = {
    {"l2dsr", PN_FWD_L2DSR, "the frame's destination MAC is rewritten, the gateway answers the client itself"},
    {"local", PN_FWD_LOCAL, "delivered to the kernel of this node"},
    {0},
};

const struct pn_schema_word pn_words_check_types[] = {
    {"tcp", PN_CHECK_TCP, "connects"},
    {"smtp", PN_CHECK_SMTP, "banner, EHLO, QUIT; 421 and 4xx mean busy, not dead"},
    {"smtp-starttls", PN_CHECK_SMTP_STARTTLS, "the same with STARTTLS"},
    {"smtps", PN_CHECK_SMTPS, "the same over TLS"},
    {"http", PN_CHECK_HTTP, "GET, and the status asked for"},
    {"https", PN_CHECK_HTTPS, "the same over TLS"},
    {"agent", PN_CHECK_AGENT,
     "one line from the gateway's agent: 75%, drain, maint, ready, up, down, maxconn:N, queue:N"},
    {0},
};

const struct pn_schema_word pn_words_heartbeat_modes[] = {
    {"unicast", PN_CONF_UNICAST, "to each node by itself"},
    {"multicast", PN_CONF_MULTICAST, "to a group that switches must carry"},
    {0},
};

const struct pn_schema_word pn_words_preempts[] = {
    {"yes", PN_CONF_PREEMPT_YES, "at once, when its flows are synchronised and its configuration is the same"},
    {"no", PN_CONF_PREEMPT_NO, "only when its owner is gone"},
    {"delay", PN_CONF_PREEMPT_DELAY, "after preempt-delay"},
    {0},
};

const struct pn_schema_word pn_words_prefers[] = {
    {"available", PN_CONF_AVAILABLE,
     "somebody answers; two nodes cut off from each other in every way both do, each on its side"},
    {"exclusive", PN_CONF_EXCLUSIVE,
     "nobody but one answers, for which a majority of the nodes must agree; of two nodes both, so the death of one is "
     "the end of the address until postern vip force"},
    {0},
};

const struct pn_schema_word pn_words_protocols[] = {
    {"sealed", PN_CONF_SEALED, "Postern's own heartbeats, authenticated and encrypted"},
    {"vrrp", PN_CONF_VRRP,
     "VRRP version 3 (RFC 9568), with routers that are not Postern, keepalived for one; it has no authentication"},
    {0},
};

const struct pn_schema_word pn_words_spill_modes[] = {
    {"overflow", PN_SPILL_OVERFLOW, "only what is above the mark goes on"},
    {"ramp", PN_SPILL_RAMP, "a share that grows with the measure goes on"},
    {0},
};

const struct pn_schema_word pn_words_filter_actions[] = {
    {"drop", PN_FILTER_DROP, "its first packet is dropped: it tries for minutes and learns nothing"},
    {"reset", PN_FILTER_RESET, "its first packet is answered with a TCP reset: it gives up at once"},
    {0},
};

const struct pn_schema_word pn_words_affinities[] = {
    {"none", PN_AFFINITY_NONE, "each connection by itself"},
    {"client", PN_AFFINITY_CLIENT, "connections of one address meet the same gateway"},
    {"network", PN_AFFINITY_NETWORK, "connections of one network meet the same gateway (greylisting)"},
    {0},
};

const struct pn_schema_word pn_words_quarantine_policies[] = {
    {"tempfail", PN_CONF_FULL_TEMPFAIL, "new mail is refused until there is room, its sender keeps it"},
    {"oldest", PN_CONF_FULL_OLDEST, "the oldest mail that waits here is given up, and a record of each says so"},
    {"deliver-tagged", PN_CONF_FULL_DELIVER_TAGGED,
     "the filter delivers the message, marked, instead of keeping it; by LMTP the same as tempfail"},
    {0},
};

const struct pn_schema_word pn_words_quarantine_stores[] = {
    {"sqlite", PN_CONF_STORE_SQLITE, "a file beside the messages"},
    {"postgresql", PN_CONF_STORE_POSTGRESQL, "a PostgreSQL database; the messages stay files of the host"},
    {0},
};
