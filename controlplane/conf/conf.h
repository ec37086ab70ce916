/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as the daemon uses it: typed, validated, references resolved to positions. Made by
 * pn_conf_load(), never changed afterwards; whoever holds one frees it with pn_conf_free().
 */
#ifndef POSTERN_CONF_H
#define POSTERN_CONF_H

#include <stddef.h>

#include "common/addr.h"
#include "postern/dpapi.h"
#include "postern/snapshot.h"
#include "postern/types.h"

#define PN_CONF_MAX_POOLS 64
#define PN_CONF_MAX_CHECKS 64
#define PN_CONF_MAX_CHECKS_PER_POOL 8
#define PN_CONF_TEXT_BYTES 256
#define PN_CONF_MAX_PERIMETER 64

/* Where an object was written, for messages that come later than parsing. */
struct pn_conf_where {
    const char *file; /* owned by the configuration */
    uint32_t line;
};

struct pn_conf_port {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    enum pn_port_kind kind;
    char interface[16];
    char device[PN_CONF_TEXT_BYTES];
    char exception[16]; /* tap interface, "" none */
    uint16_t queues;
    bool force_copy; /* af_xdp: never zero-copy */
    struct pn_addr address_v4,
        address_v6; /* sender of ARP requests and solicitations where the kernel has none; or 0 */
};

/* A way from node to node for heartbeats; paths of one name lead to the same network. */
struct pn_conf_path {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    char port[PN_NAME_BYTES]; /* "" = the first */
    uint16_t vlan;
    struct pn_addr address_v4, address_v6; /* or 0; the node's own there */
    bool implied; /* nobody wrote it: the first port */
};
#define PN_CONF_MAX_PATHS 2

struct pn_conf_node {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    uint16_t number; /* 1 .. PN_MAX_NODES, unique; 0 until pn_conf_finish() */
    struct pn_conf_path paths[PN_CONF_MAX_PATHS]; /* none written: one over the first port, made by pn_conf_finish() */
    unsigned n_paths;
    struct pn_conf_port ports[PN_MAX_PORTS];
    unsigned n_ports;
    uint16_t workers;
    uint32_t flows; /* entries in one worker's table */
    uint32_t idle_sleep_us; /* 0: pure polling */
    char lcores[64]; /* EAL core list, "" = chosen */
    bool huge_pages; /* false: --no-huge */
    uint32_t memory_mb; /* EAL memory, 0 = computed */
    char local_interface[16];
    char release_to[64]; /* mail server that takes this node's released messages; "": quarantine.release_to */
    uint64_t host_quota_bytes; /* of this node's quarantined messages on the host; 0: no limit */
    char metrics_listen[64]; /* address:port of the Prometheus endpoint, "" none */
    char mesh_listen[64]; /* address:port for the other nodes */
    struct pn_addr mesh_address[2]; /* where they find this one; or 0 */
};

enum pn_conf_preempt { PN_CONF_PREEMPT_YES, PN_CONF_PREEMPT_NO, PN_CONF_PREEMPT_DELAY };
enum pn_conf_prefer { PN_CONF_AVAILABLE, PN_CONF_EXCLUSIVE };
enum pn_conf_protocol { PN_CONF_SEALED, PN_CONF_VRRP };

/* vip.mac of `mac = auto` and of the default, `by-protocol`, which pn_conf_vip_mac() resolves. */
#define PN_CONF_MAC_AUTO ((struct pn_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
#define PN_CONF_MAC_BY_PROTOCOL ((struct pn_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}})

struct pn_conf_vip {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    struct pn_addr addr;
    char port[PN_NAME_BYTES]; /* port name; resolved per node */
    uint16_t vlan;
    bool echo;
    struct pn_mac mac; /* zero: the port's own; PN_CONF_MAC_*: see pn_conf_vip_mac() */
    uint16_t priority[PN_MAX_NODES]; /* by node position; 0: this node never owns it */
    bool has_priority; /* the section was written */
    uint32_t lease_ms; /* of a node without peers; default 30000 */
    uint32_t grace_ms;
    enum pn_conf_preempt preempt;
    uint32_t preempt_delay_ms;
    enum pn_conf_prefer prefer;
    char group[PN_NAME_BYTES]; /* VIPs that move together; "" none */
    enum pn_conf_protocol protocol;
    uint16_t vrid; /* 1..255 with vrrp, else 0 */
    uint32_t vrrp_interval_ms; /* a multiple of 10 with vrrp */
};

struct pn_conf_gateway {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    struct pn_addr addr; /* resolved to a MAC, and checked */
    struct pn_addr check_addr; /* where checks connect to; addr where not set */
    enum pn_fwd_mode mode;
    char port[PN_NAME_BYTES]; /* "" = the first */
    uint16_t vlan;
    uint16_t weight; /* 0..256, default 100 */
    bool has_mac;
    struct pn_mac mac;
    char node[PN_NAME_BYTES]; /* mode local: only on this node ("" any) */
};

enum pn_check_type {
    PN_CHECK_TCP,
    PN_CHECK_SMTP,
    PN_CHECK_SMTP_STARTTLS,
    PN_CHECK_SMTPS,
    PN_CHECK_HTTP,
    PN_CHECK_HTTPS,
    PN_CHECK_AGENT,
    PN_CHECK_TYPE_COUNT
};

struct pn_conf_check {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    enum pn_check_type type;
    uint16_t port;
    uint32_t interval_ms, timeout_ms;
    uint16_t rise, fall;
    char helo[PN_CONF_TEXT_BYTES]; /* smtp: EHLO argument */
    char host[PN_CONF_TEXT_BYTES]; /* http Host:, TLS SNI and name to verify; "" = gateway's address */
    char path[PN_CONF_TEXT_BYTES]; /* http */
    uint16_t status_min, status_max; /* http, default 200..399 */
    bool verify; /* TLS: chain and name must verify */
    char ca_file[PN_CONF_TEXT_BYTES]; /* "" = system store */
    uint32_t banner_delay_ms; /* smtp: how late the banner may come within timeout; 0 = timeout */
};

enum pn_spill_mode { PN_SPILL_OVERFLOW, PN_SPILL_RAMP };

enum pn_measure {
    PN_MEASURE_ACTIVE_FLOWS, /* flows */
    PN_MEASURE_HALF_OPEN, /* flows */
    PN_MEASURE_NEW_FLOWS, /* flows a second */
    PN_MEASURE_HANDSHAKE_MS, /* mean SYN to ACK, milliseconds */
    PN_MEASURE_AGENT_LOAD, /* percent, as the gateway's agent reports: 100 - weight% */
    PN_MEASURE_AGENT_QUEUE, /* messages queued, agent's queue:N */
    PN_MEASURE_COUNT
};
extern const char *const pn_measure_name[PN_MEASURE_COUNT]; /* "active-flows", "half-open", ... */

struct pn_conf_mark {
    double
        high; /* 0: measure not used; summed over the tier's gateways (rates, flows) or their worst (times, percent) */
    double low; /* < high */
};

struct pn_conf_tier {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    uint16_t gateways[PN_MAX_GATEWAYS]; /* positions in conf.gateways */
    unsigned n_gateways;
    enum pn_spill_mode spill_mode;
    struct pn_conf_mark marks[PN_MEASURE_COUNT];
    bool has_marks;
    double ramp_full; /* ramp: share is 1 at high x ramp_full (default 2.0) */
    uint32_t hold_up_ms, hold_down_ms;
};

struct pn_conf_pool {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    uint16_t checks[PN_CONF_MAX_CHECKS_PER_POOL]; /* positions in conf.checks */
    unsigned n_checks;
    struct pn_conf_tier tiers[PN_MAX_TIERS_PER_POOL];
    unsigned n_tiers;
};

struct pn_conf_service {
    char name[PN_NAME_BYTES];
    struct pn_conf_where where;
    uint16_t vips[PN_MAX_VIPS]; /* positions in conf.vips; one snapshot service each */
    unsigned n_vips;
    uint16_t l4_port;
    uint16_t pool; /* position in conf.pools */
    enum pn_affinity affinity;
    uint8_t v4_prefix, v6_prefix;
    uint32_t established_s, half_open_s, closing_s, half_open_max;
    bool filter; /* the blocklist's addresses are kept out */
};

struct pn_conf_error;

enum pn_conf_heartbeat_mode { PN_CONF_UNICAST, PN_CONF_MULTICAST };

/* Of two or more nodes; docs/ownership.md, "Times". */
struct pn_conf_heartbeat {
    uint32_t interval_ms, lease_ms, takeover_ms, probe_lead_ms;
    double drift; /* percent */
    double tx_delay_ms;
    uint16_t port; /* UDP */
    enum pn_conf_heartbeat_mode mode;
    struct pn_addr group_v4, group_v6;
    char key_file[PN_CONF_TEXT_BYTES];
    bool realtime;
    bool watch_vrrp;
    bool flow_sync;
    uint32_t flow_sync_rate; /* flows a second */
    uint32_t flow_sync_timeout_ms;
};

struct pn_conf_filter {
    enum pn_filter_action action;
};

enum pn_conf_full_policy { PN_CONF_FULL_TEMPFAIL, PN_CONF_FULL_OLDEST, PN_CONF_FULL_DELIVER_TAGGED };
enum pn_conf_store { PN_CONF_STORE_SQLITE, PN_CONF_STORE_POSTGRESQL };

/* docs/quarantine.md */
struct pn_conf_quarantine {
    char host[PN_NAME_BYTES]; /* name of a node; "": no quarantine */
    bool forward, forward_mail, forward_records; /* the first: any of them */
    char listen[96], listen_group[PN_NAME_BYTES];
    uint32_t sessions;
    uint64_t message_max_bytes, quota_bytes, keep_free_bytes, ballast_bytes;
    uint8_t warn_percent, high_percent;
    enum pn_conf_full_policy policy;
    uint32_t keep_forwarded_s;
    uint64_t backlog_bytes_per_s; /* 0: no limit */
    enum pn_conf_store store;
    char database[PN_CONF_TEXT_BYTES];
    char release_to[64]; /* address:port */
    uint32_t keep_mail_s, keep_virus_s, keep_spam_s, keep_released_s, keep_deleted_s, keep_records_s,
        keep_counts_s; /* on the host; 0: for ever */
    uint64_t host_quota_bytes;
    bool digest;
    char digest_at[8]; /* "07:30" */
    char digest_from[PN_CONF_TEXT_BYTES], digest_url[PN_CONF_TEXT_BYTES];
    uint32_t digest_expiry_s;
};

/* Which rules this node has in common with the others (docs/rules.md). */
struct pn_conf_sync {
    bool welcomelist, blocklist, personal_welcomelist, personal_blocklist, auto_welcomelist, ip_welcomelist,
        ip_blocklist;
    bool keyword, attachment, advanced, decompression, order;
};

struct pn_conf {
    char cluster_name[PN_NAME_BYTES];
    struct pn_prefix perimeter[PN_CONF_MAX_PERIMETER];
    unsigned n_perimeter;
    struct pn_conf_sync sync;
    struct pn_conf_heartbeat heartbeat;
    struct pn_conf_filter filter;
    struct pn_conf_quarantine quarantine;
    uint64_t steering_seed; /* from cluster.steering-seed, else hashed from its name */
    struct pn_conf_node *nodes;
    struct pn_conf_vip *vips;
    struct pn_conf_gateway *gateways;
    struct pn_conf_check *checks;
    struct pn_conf_pool *pools;
    struct pn_conf_service *services;
    unsigned n_nodes, n_vips, n_gateways, n_checks, n_pools, n_services;
    char digest[65]; /* SHA-256 of the canonical form, hex: equal on nodes with the same configuration */
    char **files; /* every file read, for messages */
    unsigned n_files;
    struct pn_conf_error *warnings; /* what is allowed but probably not meant */
    unsigned n_warnings;
};

struct pn_conf_error {
    char file[PN_CONF_TEXT_BYTES];
    uint32_t line; /* 0: the file as a whole */
    char key[128]; /* "pool.mx.tier.primary.spill.hold-up" */
    char text[PN_CONF_TEXT_BYTES]; /* what was found and what was expected */
    uint32_t column; /* 0: unknown */
};

/*
 * Reads path and what it includes. NULL and *n_errors <= max_errors rows of errors when anything is wrong (the last
 * row says how many more there were): a configuration is whole or not at all.
 */
struct pn_conf *pn_conf_load(const char *path, struct pn_conf_error *errors, unsigned max_errors, unsigned *n_errors);
void pn_conf_free(struct pn_conf *conf);
#define PN_CONF_ERROR_TEXT_BYTES 704
/* "FILE:LINE: KEY: TEXT" as all programs print it, into buf, which it returns. */
const char *pn_conf_error_text(const struct pn_conf_error *error, char *buf, size_t size);
const char *pn_conf_warning_text(const struct pn_conf_error *warning, char *buf, size_t size);
/* -1 and the error when the file at path could not be used. */
typedef int (*pn_conf_look_fn)(const char *path, struct pn_error *err);
/*
 * Errors of the files that it names, as this process sees them: how many, the first max of them in errors. keys looks at
 * heartbeat.key-file (pn_keys_look()); NULL: nobody does.
 */
unsigned pn_conf_outside(const struct pn_conf *conf, pn_conf_look_fn keys, struct pn_conf_error *errors, unsigned max);

/* An interface of this machine, or one of its addresses with the network it is in. */
struct pn_conf_link {
    char interface[16];
    bool has_address;
    struct pn_addr address;
    struct pn_prefix network;
};
/* What this machine has, to be freed; NULL: it cannot be asked. */
struct pn_conf_link *pn_conf_links(unsigned *n);
/* What does not fit this machine, which is that node: warnings, counted as above. */
unsigned pn_conf_here(const struct pn_conf *conf, unsigned node, const struct pn_conf_link *links, unsigned n_links,
                      struct pn_conf_error *warnings, unsigned max);

/* The MAC that a VIP answers with; zero: the port's own. */
struct pn_mac pn_conf_vip_mac(const struct pn_conf_vip *vip);
/* The node's own IPv4 address on the VIP's network, from a path or the port; zero: none is configured. */
struct pn_addr pn_conf_vip_source(const struct pn_conf_node *node, const struct pn_conf_vip *vip);

/* VIPs are shared with other nodes, or by VRRP with other routers: somebody takes over when this node is late. */
bool pn_conf_is_shared(const struct pn_conf *conf);

/* "2 nodes, 1 VIP, ...": what check tells of a file that is right. size 160 or so. Returns buf. */
char *pn_conf_counts(const struct pn_conf *conf, char *buf, size_t size);

/* Position of this machine's node, or -1. name NULL: the host's name, or the only node there is. */
int pn_conf_node_find(const struct pn_conf *conf, const char *name);
/* What to say when it is not found: size 256 or so. Returns buf. */
char *pn_conf_no_node(const struct pn_conf *conf, const char *name, char *buf, size_t size);

#endif
