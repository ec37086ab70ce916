/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/schema_words.h"

#define SEC_MS 1000.0
#define MINUTE_S 60.0
#define HOUR_S 3600.0
#define DAY_S 86400.0
#define MARK_MAX 1e9

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define CLUSTER(member) PN_SEC_CLUSTER, FIELD(struct pn_conf, member)
#define HEARTBEAT(member) PN_SEC_HEARTBEAT, FIELD(struct pn_conf, heartbeat.member)
#define FILTER(member) PN_SEC_FILTER, FIELD(struct pn_conf, filter.member)
#define PATH(member) PN_SEC_NODE_PATH, FIELD(struct pn_conf_path, member)
#define NODE(member) PN_SEC_NODE, FIELD(struct pn_conf_node, member)
#define PORT(member) PN_SEC_NODE_PORT, FIELD(struct pn_conf_port, member)
#define DATAPLANE(member) PN_SEC_NODE_DATAPLANE, FIELD(struct pn_conf_node, member)
#define METRICS(member) PN_SEC_NODE_METRICS, FIELD(struct pn_conf_node, member)
#define MESH(member) PN_SEC_NODE_MESH, FIELD(struct pn_conf_node, member)
#define VIP(member) PN_SEC_VIP, FIELD(struct pn_conf_vip, member)
#define GATEWAY(member) PN_SEC_GATEWAY, FIELD(struct pn_conf_gateway, member)
#define CHECK(member) PN_SEC_CHECK, FIELD(struct pn_conf_check, member)
#define POOL(member) PN_SEC_POOL, FIELD(struct pn_conf_pool, member)
#define TIER(member) PN_SEC_POOL_TIER, FIELD(struct pn_conf_tier, member)
#define SPILL(member) PN_SEC_POOL_TIER_SPILL, FIELD(struct pn_conf_tier, member)
#define SYNC(member) PN_SEC_CLUSTER_SYNC, FIELD(struct pn_conf, sync.member)
#define QUARANTINE(member) PN_SEC_QUARANTINE, FIELD(struct pn_conf, quarantine.member)
#define SERVICE(member) PN_SEC_SERVICE, FIELD(struct pn_conf_service, member)

#define ROW(key_, type_, where_, def_, doc_, ...) ROW_(key_, type_, where_, def_, doc_, ##__VA_ARGS__)
#define ROW_(key_, type_, section_, offset_, size_, def_, doc_, ...)                                                   \
    {                                                                                                                  \
        .key = key_, .type = type_, .section = section_, .offset = offset_, .size = size_, .def = def_, .doc = doc_,   \
        ##__VA_ARGS__                                                                                                  \
    }
#define RANGE(min_, max_, unit_) .min = min_, .max = max_, .unit = unit_
#define REFS(type, count, target_, min_, max_)                                                                         \
    .count_offset = offsetof(type, count), .target = target_, .min = min_, .max = max_

/* Two rows for each measure. */
#define MARK(key_, measure, type_, doc_, ...)                                                                          \
    ROW(key_ "-high", type_, SPILL(marks[measure].high), NULL, doc_, __VA_ARGS__),                                     \
        ROW(key_ "-low", type_, SPILL(marks[measure].low), NULL,                                                       \
            "Low mark for " key_ ", below the high one. Default: 3/4 of it.", __VA_ARGS__ | PN_ROW_UNSET_MINUS_1)

const struct pn_schema_row pn_schema_rows[] = {
    ROW("name", PN_T_NAME, CLUSTER(cluster_name), "postern",
        "Name of the cluster. The default steering seed is made from it."),
    ROW("steering-seed", PN_T_UINT, CLUSTER(steering_seed), "0",
        "Seed of the choice of gateways, the same on all nodes, so that each node chooses the same gateway for a "
        "client. 0: made from the cluster's name. Another seed gives other choices; set it only when the name has to "
        "change and clients should stay where they are.",
        RANGE(0, 18446744073709551615.0, PN_UNIT_NONE)),
    ROW("perimeter", PN_T_NETWORKS, CLUSTER(perimeter), NULL,
        "Networks and addresses that belong to the perimeter besides the nodes' own addresses and the virtual "
        "addresses: outgoing mail servers, for example. postern perimeter export writes all of them for a mail "
        "server's configuration.",
        .count_offset = offsetof(struct pn_conf, n_perimeter), .min = 0, .max = PN_CONF_MAX_PERIMETER),

    ROW("welcomelist", PN_T_BOOL, SYNC(welcomelist), "yes", "The welcomelist for all recipients."),
    ROW("blocklist", PN_T_BOOL, SYNC(blocklist), "yes", "The blocklist for all recipients."),
    ROW("personal-welcomelist", PN_T_BOOL, SYNC(personal_welcomelist), "yes", "The welcomelists of single recipients."),
    ROW("personal-blocklist", PN_T_BOOL, SYNC(personal_blocklist), "yes", "The blocklists of single recipients."),
    ROW("auto-welcomelist", PN_T_BOOL, SYNC(auto_welcomelist), "yes", "Addresses that local users wrote to."),
    ROW("ip-welcomelist", PN_T_BOOL, SYNC(ip_welcomelist), "yes", "Client addresses and networks that are let in."),
    ROW("ip-blocklist", PN_T_BOOL, SYNC(ip_blocklist), "yes", "Client addresses and networks that are kept out."),
    ROW("keyword", PN_T_BOOL, SYNC(keyword), "yes", "Keyword rules."),
    ROW("attachment", PN_T_BOOL, SYNC(attachment), "yes", "Attachment rules."),
    ROW("advanced", PN_T_BOOL, SYNC(advanced), "yes", "Advanced content rules."),
    ROW("decompression", PN_T_BOOL, SYNC(decompression), "yes", "Checks of the decompression engine."),
    ROW("order", PN_T_BOOL, SYNC(order), "yes", "The order in which the rules of an engine are tried."),

    ROW("interval", PN_T_DURATION, HEARTBEAT(interval_ms), "10ms", "Time from one heartbeat to the next.",
        RANGE(1, 60 * SEC_MS, PN_UNIT_MS)),
    ROW("lease", PN_T_DURATION, HEARTBEAT(lease_ms), "25ms",
        "How long a node may answer for its virtual addresses after its last heartbeat was sent. At least twice "
        "interval.",
        RANGE(2, 60 * SEC_MS, PN_UNIT_MS)),
    ROW("takeover", PN_T_DURATION, HEARTBEAT(takeover_ms), "35ms",
        "A backup takes over after it has heard nothing of an owner for this long.",
        RANGE(3, 600 * SEC_MS, PN_UNIT_MS)),
    ROW("probe-lead", PN_T_DURATION, HEARTBEAT(probe_lead_ms), "8ms",
        "This long before it takes over a backup asks by ARP or ND whether somebody still answers.",
        RANGE(1, 60 * SEC_MS, PN_UNIT_MS)),
    ROW("drift", PN_T_NUMBER, HEARTBEAT(drift), "1",
        "How far the clocks of two nodes may run apart, in percent. Virtual machines may need more.",
        RANGE(0, 20, PN_UNIT_PERCENT)),
    ROW("tx-delay", PN_T_DURATION, HEARTBEAT(tx_delay_ms), "1ms",
        "Longest time from a heartbeat's making to its arrival that the times above allow for.",
        RANGE(0, 60 * SEC_MS, PN_UNIT_MS), .flags = PN_ROW_DOUBLE),
    ROW("port", PN_T_UINT, HEARTBEAT(port), "24625", "UDP port of heartbeats and flow sync.",
        RANGE(1, 65535, PN_UNIT_NONE)),
    ROW("mode", PN_T_WORD, HEARTBEAT(mode), "unicast", "To whom they are sent.", .words = pn_words_heartbeat_modes),
    ROW("group-v4", PN_T_ADDRESS, HEARTBEAT(group_v4), "239.255.25.25", "Mode multicast: IPv4 group."),
    ROW("group-v6", PN_T_ADDRESS, HEARTBEAT(group_v6), "ff02::2525", "Mode multicast: IPv6 group."),
    ROW("key-file", PN_T_TEXT, HEARTBEAT(key_file), "/etc/postern/heartbeat.keys",
        "File of the keys that heartbeats and flow sync are sealed with, for nodes that are in no cluster: the same on "
        "all "
        "nodes, mode 0600; postern heartbeat keygen makes it. Read again with each reload; it need not exist. While "
        "not "
        "every node of the configuration is in the cluster, this file's key is sent with and the cluster's are "
        "received "
        "too; afterwards the other way round."),
    ROW("realtime", PN_T_BOOL, HEARTBEAT(realtime), "yes",
        "Carry heartbeats, and VRRP, in threads with real-time priority and locked memory, in posternd and postern-dp, "
        "where the system allows it. Counts when they start."),
    ROW("watch-vrrp", PN_T_BOOL, HEARTBEAT(watch_vrrp), "yes",
        "Report VRRP speakers that announce a virtual address of Postern's. VRRP packets to the group 224.0.0.18 or "
        "ff02::12 on its ports then do not reach the kernel; say no where keepalived runs beside Postern on one "
        "interface and no address has protocol "
        "vrrp."),
    ROW("flow-sync", PN_T_BOOL, HEARTBEAT(flow_sync), "yes",
        "Tell the other nodes of established connections, so that they live on when their node dies."),
    ROW("flow-sync-rate", PN_T_UINT, HEARTBEAT(flow_sync_rate), "100000", "Connections told of, a second, at most.",
        RANGE(100, 10000000, PN_UNIT_NONE)),
    ROW("flow-sync-timeout", PN_T_DURATION, HEARTBEAT(flow_sync_timeout_ms), "30s",
        "How long a node that joins waits for the connections of the others before it takes its addresses back.",
        RANGE(SEC_MS, 3600 * SEC_MS, PN_UNIT_MS)),

    ROW("number", PN_T_UINT, NODE(number), NULL,
        "Number of the node in heartbeats, the same for ever and on all nodes. Default: its position in the file, so "
        "set "
        "it before a node is removed.",
        RANGE(1, PN_MAX_NODES, PN_UNIT_NONE)),
    ROW("release-to", PN_T_LISTEN, NODE(release_to), NULL,
        "Mail server, as the quarantine's host sees it, that takes messages released from this node's quarantine. "
        "Default: release-to of the quarantine."),
    ROW("host-quota", PN_T_UINT, NODE(host_quota_bytes), "0",
        "Bytes that this node's quarantined messages may take on the host, compressed; beyond, its oldest go, but none "
        "on "
        "hold. 0: no limit of its own.",
        RANGE(0, 1e15, PN_UNIT_NONE)),
    ROW("local-interface", PN_T_INTERFACE, NODE(local_interface), NULL,
        "Tap interface through which gateways with mode local receive their packets. It is created when postern-dp "
        "starts.",
        .flags = PN_ROW_RESTART),

    ROW("type", PN_T_WORD, PORT(kind), "af_xdp", "How the port is driven.", .words = pn_words_port_kinds,
        .flags = PN_ROW_RESTART),
    ROW("interface", PN_T_INTERFACE, PORT(interface), NULL,
        "Interface of the kernel. Type af_xdp only, and required there.", .flags = PN_ROW_RESTART),
    ROW("device", PN_T_TEXT, PORT(device), NULL,
        "PCI address of the device, or a DPDK virtual device with its arguments. Type dpdk only, and required there.",
        .flags = PN_ROW_RESTART),
    ROW("exception", PN_T_INTERFACE, PORT(exception), NULL,
        "Tap interface that gives the host its own address on this port: what is not Postern's goes there. Type dpdk "
        "only. Without it such packets are dropped.",
        .flags = PN_ROW_RESTART),
    ROW("queues", PN_T_UINT, PORT(queues), "1",
        "Receive queues. With several workers use as many queues as workers, where the device spreads flows over them.",
        RANGE(1, PN_MAX_WORKERS, PN_UNIT_NONE), .flags = PN_ROW_RESTART),
    ROW("force-copy", PN_T_BOOL, PORT(force_copy), "no",
        "Never use zero-copy, for drivers whose zero-copy is broken. Type af_xdp only.", .flags = PN_ROW_RESTART),
    ROW("address-v4", PN_T_ADDRESS, PORT(address_v4), NULL,
        "This node's IPv4 address on the port: sender of ARP requests and VRRP, and of heartbeats, for which one of "
        "either "
        "family is required with more than one node (unless path sections say it). For ARP alone the kernel's address "
        "on "
        "the interface is the default.",
        .flags = PN_ROW_RESTART),
    ROW("address-v6", PN_T_ADDRESS, PORT(address_v6), NULL,
        "The same for IPv6: sender of neighbour solicitations, and of heartbeats where there is no IPv4 address.",
        .flags = PN_ROW_RESTART),

    ROW("port", PN_T_NAME, PATH(port), NULL, "Port of the node. Default: the first."),
    ROW("vlan", PN_T_UINT, PATH(vlan), "0", "802.1Q VLAN id; 0: untagged.", RANGE(0, 4094, PN_UNIT_NONE)),
    ROW("address-v4", PN_T_ADDRESS, PATH(address_v4), NULL,
        "This node's IPv4 address there. Default: the port's address-v4."),
    ROW("address-v6", PN_T_ADDRESS, PATH(address_v6), NULL,
        "This node's IPv6 address there, used between nodes that have no IPv4 address. Default: the port's "
        "address-v6."),

    ROW("workers", PN_T_UINT, DATAPLANE(workers), "1", "Worker threads, each on its own core.",
        RANGE(1, PN_MAX_WORKERS, PN_UNIT_NONE), .flags = PN_ROW_RESTART),
    ROW("flows", PN_T_UINT, DATAPLANE(flows), "1000000",
        "Connections that the table of one worker holds. Each takes at most 64 bytes of memory.",
        RANGE(1024, 268435456, PN_UNIT_NONE), .flags = PN_ROW_RESTART),
    ROW("idle-sleep-us", PN_T_UINT, DATAPLANE(idle_sleep_us), "50",
        "Longest sleep of a worker that has nothing to do. 0: polls without sleeping, which keeps its core busy.",
        RANGE(0, 100000, PN_UNIT_US), .flags = PN_ROW_RESTART),
    ROW("lcores", PN_T_CORES, DATAPLANE(lcores), NULL,
        "Cores, in the form that DPDK's --lcores takes, main thread first. Default: chosen when postern-dp starts.",
        .flags = PN_ROW_RESTART),
    ROW("huge-pages", PN_T_BOOL, DATAPLANE(huge_pages), "yes",
        "Use huge pages. Without them everything works, but slower.", .flags = PN_ROW_RESTART),
    ROW("memory-mb", PN_T_UINT, DATAPLANE(memory_mb), "0",
        "Memory that DPDK takes when it starts. 0: computed from ports, workers and flows. Otherwise at least 32.",
        RANGE(0, 4194304, PN_UNIT_MIB), .flags = PN_ROW_RESTART),

    ROW("listen", PN_T_LISTEN, METRICS(metrics_listen), NULL,
        "Address and port of the Prometheus endpoint. Default: none. It has no access control, so listen on a "
        "management network or on 127.0.0.1."),

    ROW("listen", PN_T_LISTEN, MESH(mesh_listen), "*:9477",
        "Address and port for the other nodes. Nothing listens before this node is in a cluster (postern cluster "
        "init or join)."),
    ROW("address", PN_T_ADDRESS, MESH(mesh_address[0]), NULL,
        "Address at which the other nodes find this one. Default: that of listen, else of the node's paths."),
    ROW("second-address", PN_T_ADDRESS, MESH(mesh_address[1]), NULL,
        "Another, of the same or the other family, tried when the first does not answer."),

    ROW("address", PN_T_ADDRESS, VIP(addr), NULL, "The virtual address.", .flags = PN_ROW_REQUIRED),
    ROW("port", PN_T_NAME, VIP(port), NULL, "Port of the nodes that it lives on. Default: each node's first."),
    ROW("vlan", PN_T_UINT, VIP(vlan), "0", "802.1Q VLAN id; 0: untagged.", RANGE(0, 4094, PN_UNIT_NONE)),
    ROW("echo", PN_T_BOOL, VIP(echo), "yes", "Answer ICMP echo requests (ping) to the address."),
    ROW("mac", PN_T_VIP_MAC, VIP(mac), "by-protocol",
        "MAC address to answer with. port: the port's own, and neighbours are told of a new owner. auto: a virtual one "
        "that moves with the address, made from its name, or with vrrp the virtual router's (00:00:5e:00:01 or 02, and "
        "vrid); the port must be able to receive for it. by-protocol: port with sealed, auto with vrrp. Or, with "
        "sealed, an address."),
    ROW("priority", PN_T_PRIORITIES, VIP(priority), NULL,
        "Priority of each node, by its name: the highest that is alive owns the address. 0, or a node left out: never "
        "there. The section may be left out while there is one node, which then has 100.",
        RANGE(0, 254, PN_UNIT_NONE), .count_offset = offsetof(struct pn_conf_vip, has_priority)),
    ROW("lease", PN_T_DURATION, VIP(lease_ms), "30s",
        "How long a node without peers may answer after posternd was last alive. With peers the lease follows from "
        "the heartbeat.",
        RANGE(SEC_MS, 3600 * SEC_MS, PN_UNIT_MS)),
    ROW("grace", PN_T_DURATION, VIP(grace_ms), "60s",
        "How long a node that lost the address goes on forwarding the connections that it knows, for senders whose "
        "ARP caches still point to it.",
        RANGE(0, 3600 * SEC_MS, PN_UNIT_MS)),
    ROW("preempt", PN_T_WORD, VIP(preempt), "yes",
        "Whether a node of higher priority takes the address from its owner.", .words = pn_words_preempts),
    ROW("preempt-delay", PN_T_DURATION, VIP(preempt_delay_ms), "30s",
        "With preempt = delay: how long the node has to be there before.", RANGE(0, 86400 * SEC_MS, PN_UNIT_MS)),
    ROW("prefer", PN_T_WORD, VIP(prefer), "available", "What counts more when nodes cannot hear each other.",
        .words = pn_words_prefers),
    ROW("group", PN_T_NAME, VIP(group), NULL,
        "Addresses with the same group move together when one is given over; their priorities are the same."),
    ROW("protocol", PN_T_WORD, VIP(protocol), "sealed", "How the nodes agree on the owner.",
        .words = pn_words_protocols),
    ROW("vrid", PN_T_UINT, VIP(vrid), "0",
        "Virtual router id, for protocol vrrp and required there. Addresses of one family with the same id on the same "
        "network are one virtual router: told of in one advertisement, in the file's order, and moved together.",
        RANGE(0, 255, PN_UNIT_NONE)),
    ROW("vrrp-interval", PN_T_DURATION, VIP(vrrp_interval_ms), "1s",
        "With protocol vrrp: time from one advertisement to the next, in steps of 10 ms. A backup takes over after "
        "three of them and a little more.",
        RANGE(10, 40950, PN_UNIT_MS)),

    ROW("address", PN_T_ADDRESS, GATEWAY(addr), NULL,
        "Address of the gateway: where its MAC address is asked for, and where checks connect to. One of either family "
        "serves virtual addresses of both.",
        .flags = PN_ROW_REQUIRED),
    ROW("check-address", PN_T_ADDRESS, GATEWAY(check_addr), NULL, "Where checks connect to. Default: address."),
    ROW("mode", PN_T_WORD, GATEWAY(mode), "l2dsr", "How packets reach it.", .words = pn_words_fwd_modes),
    ROW("port", PN_T_NAME, GATEWAY(port), NULL,
        "Port of the nodes that it is reached through. Default: each node's first."),
    ROW("vlan", PN_T_UINT, GATEWAY(vlan), "0", "802.1Q VLAN id; 0: untagged.", RANGE(0, 4094, PN_UNIT_NONE)),
    ROW("weight", PN_T_UINT, GATEWAY(weight), "100", "Share of new connections among the gateways of a tier. 0: none.",
        RANGE(0, 256, PN_UNIT_NONE)),
    ROW("mac", PN_T_MAC, GATEWAY(mac), NULL, "MAC address, for a gateway that answers no ARP. Default: asked for."),
    ROW("node", PN_T_NAME, GATEWAY(node), NULL,
        "With mode local: the node that this gateway runs on. The others reach it at its address, as with l2dsr. "
        "Default: every node has its own."),

    ROW("type", PN_T_WORD, CHECK(type), "tcp", "What is done.", .words = pn_words_check_types),
    ROW("port", PN_T_UINT, CHECK(port), NULL,
        "TCP port. Default: 25 for tcp, smtp and smtp-starttls, 465 for smtps, 80 for http, 443 for https; required "
        "for agent.",
        RANGE(1, 65535, PN_UNIT_NONE)),
    ROW("interval", PN_T_DURATION, CHECK(interval_ms), "2s", "Time from the start of one check to the next.",
        RANGE(100, 3600 * SEC_MS, PN_UNIT_MS)),
    ROW("timeout", PN_T_DURATION, CHECK(timeout_ms), "5s", "A check that takes longer has failed.",
        RANGE(10, 600 * SEC_MS, PN_UNIT_MS)),
    ROW("rise", PN_T_UINT, CHECK(rise), "2", "Successes in a row that make a gateway healthy again.",
        RANGE(1, 100, PN_UNIT_NONE)),
    ROW("fall", PN_T_UINT, CHECK(fall), "3", "Failures in a row that make it down.", RANGE(1, 100, PN_UNIT_NONE)),
    ROW("helo", PN_T_TEXT, CHECK(helo), NULL, "Name that an SMTP check says in EHLO. Default: the host's name."),
    ROW("host", PN_T_TEXT, CHECK(host), NULL,
        "Name for the Host header, for TLS server name indication, and that the certificate must carry. Default: the "
        "gateway's address."),
    ROW("path", PN_T_TEXT, CHECK(path), "/", "Path that an HTTP check asks for."),
    ROW("status-min", PN_T_UINT, CHECK(status_min), "200", "Lowest HTTP status that passes.",
        RANGE(100, 599, PN_UNIT_NONE)),
    ROW("status-max", PN_T_UINT, CHECK(status_max), "399", "Highest HTTP status that passes.",
        RANGE(100, 599, PN_UNIT_NONE)),
    ROW("verify", PN_T_BOOL, CHECK(verify), "no", "With TLS: the certificate's chain and name must be valid."),
    ROW("ca-file", PN_T_TEXT, CHECK(ca_file), NULL,
        "File of trusted certificates (PEM) for verify. Default: the system's store."),
    ROW("banner-delay", PN_T_DURATION, CHECK(banner_delay_ms), "0",
        "How late an SMTP banner may come, at most timeout. 0: timeout alone decides.",
        RANGE(0, 600 * SEC_MS, PN_UNIT_MS)),

    ROW("checks", PN_T_REFS, POOL(checks), NULL,
        "Checks that each gateway of the pool must pass. Without any, gateways count as healthy.",
        REFS(struct pn_conf_pool, n_checks, PN_SEC_CHECK, 0, PN_CONF_MAX_CHECKS_PER_POOL)),

    ROW("gateways", PN_T_REFS, TIER(gateways), NULL, "The gateways of the tier.",
        REFS(struct pn_conf_tier, n_gateways, PN_SEC_GATEWAY, 1, PN_MAX_GATEWAYS), .flags = PN_ROW_REQUIRED),

    ROW("mode", PN_T_WORD, SPILL(spill_mode), "overflow", "How much of the new connections goes on.",
        .words = pn_words_spill_modes),
    MARK("active-flows", PN_MEASURE_ACTIVE_FLOWS, PN_T_NUMBER,
         "Established connections, summed over the gateways of the tier.", RANGE(0, MARK_MAX, PN_UNIT_NONE),
         .flags = 0),
    MARK("half-open", PN_MEASURE_HALF_OPEN, PN_T_NUMBER,
         "Connections whose handshake is not complete, summed over the gateways of the tier.",
         RANGE(0, MARK_MAX, PN_UNIT_NONE), .flags = 0),
    MARK("new-flows", PN_MEASURE_NEW_FLOWS, PN_T_NUMBER,
         "New connections a second, summed over the gateways of the tier.", RANGE(0, MARK_MAX, PN_UNIT_NONE),
         .flags = 0),
    MARK("handshake", PN_MEASURE_HANDSHAKE_MS, PN_T_DURATION,
         "Mean time of the TCP handshake, of the slowest gateway of the tier. It holds the client's way, too.",
         RANGE(0, 600 * SEC_MS, PN_UNIT_MS), .flags = PN_ROW_DOUBLE),
    MARK("agent-load", PN_MEASURE_AGENT_LOAD, PN_T_NUMBER,
         "Load that the agents report, of the most loaded gateway of the tier: 100 less the percentage they send.",
         RANGE(0, 100, PN_UNIT_PERCENT), .flags = 0),
    MARK("agent-queue", PN_MEASURE_AGENT_QUEUE, PN_T_NUMBER,
         "Messages in the queues that the agents report, of the gateway of the tier that has most.",
         RANGE(0, MARK_MAX, PN_UNIT_NONE), .flags = 0),
    ROW("ramp-full", PN_T_NUMBER, SPILL(ramp_full), "2",
        "Mode ramp: how many times its high mark a measure reaches when all new connections go on.",
        RANGE(1.01, 100, PN_UNIT_NONE)),
    ROW("hold-up", PN_T_DURATION, SPILL(hold_up_ms), "2s",
        "How long a measure is at its high mark before spill begins.", RANGE(0, 600 * SEC_MS, PN_UNIT_MS)),
    ROW("hold-down", PN_T_DURATION, SPILL(hold_down_ms), "10s",
        "How long all measures are at their low marks before spill ends.", RANGE(0, 3600 * SEC_MS, PN_UNIT_MS)),

    ROW("host", PN_T_NAME, QUARANTINE(host), NULL,
        "Node that collects what all nodes quarantined. Empty: there is no quarantine. Another host: what still waits "
        "on the nodes goes there; what the old one has stays with it."),
    ROW("forward", PN_T_BOOL, QUARANTINE(forward), "yes",
        "Send to the host. With no, all stays on the nodes; turned on again, all that waits is sent."),
    ROW("forward-mail", PN_T_BOOL, QUARANTINE(forward_mail), "yes",
        "With no, quarantined mail stays on the nodes while records are sent. Turned on again, all that waits is "
        "sent."),
    ROW("forward-records", PN_T_BOOL, QUARANTINE(forward_records), "yes", "The same for reporting records."),
    ROW("listen", PN_T_TEXT, QUARANTINE(listen), "/run/postern/lmtp",
        "UNIX socket where mail servers hand in mail for the quarantine by LMTP. Empty: none. Counts at posternd's "
        "start."),
    ROW("listen-group", PN_T_TEXT, QUARANTINE(listen_group), "postfix",
        "Group that may connect to it, besides root. Empty: everybody on this machine. Counts at posternd's start."),
    ROW("sessions", PN_T_UINT, QUARANTINE(sessions), "100", "LMTP sessions at a time.", RANGE(1, 1000, PN_UNIT_NONE)),
    ROW("message-max", PN_T_UINT, QUARANTINE(message_max_bytes), "64mb", "Largest message taken, in bytes.",
        RANGE(65536, 1073741824, PN_UNIT_NONE)),
    ROW("quota", PN_T_UINT, QUARANTINE(quota_bytes), "0",
        "Bytes that mail waiting on a node may take, compressed. 0: only keep-free counts.",
        RANGE(0, 1e15, PN_UNIT_NONE)),
    ROW("keep-free", PN_T_UINT, QUARANTINE(keep_free_bytes), "256mb",
        "Bytes of the disk that new mail never takes, on the nodes and on the host.", RANGE(0, 1e15, PN_UNIT_NONE)),
    ROW("warn", PN_T_UINT, QUARANTINE(warn_percent), "80", "First warning, in percent of what may be used.",
        RANGE(1, 100, PN_UNIT_PERCENT)),
    ROW("high", PN_T_UINT, QUARANTINE(high_percent), "95", "Second warning.", RANGE(1, 100, PN_UNIT_PERCENT)),
    ROW("policy", PN_T_WORD, QUARANTINE(policy), "tempfail", "What happens to new mail when the space is used up.",
        .words = pn_words_quarantine_policies),
    ROW("ballast", PN_T_UINT, QUARANTINE(ballast_bytes), "16mb",
        "Bytes held back on each node's disk, so that the spool can finish what it has begun when the disk is full.",
        RANGE(0, 1073741824, PN_UNIT_NONE)),
    ROW("keep-forwarded", PN_T_DURATION, QUARANTINE(keep_forwarded_s), "1d",
        "How long a node keeps what the host has, in case the host comes back from a backup: longer than the time "
        "from one backup to the next. Given up first when space is short.",
        RANGE(0, 365 * DAY_S, PN_UNIT_S)),
    ROW("backlog-rate", PN_T_UINT, QUARANTINE(backlog_bytes_per_s), "20mb",
        "Bytes a second of the backlog sent to the host. New mail is not held up by it. 0: no limit.",
        RANGE(0, 1e12, PN_UNIT_NONE)),
    ROW("store", PN_T_WORD, QUARANTINE(store), "sqlite", "Where the host keeps its list. Counts at posternd's start.",
        .words = pn_words_quarantine_stores),
    ROW("database", PN_T_TEXT, QUARANTINE(database), NULL,
        "Store postgresql: libpq's connection string, \"service=postern\" for example. Keep the password in a file of "
        "libpq's, not here. A store that is open keeps its own until posternd is restarted."),
    ROW("release-to", PN_T_LISTEN, QUARANTINE(release_to), "127.0.0.1:25",
        "Mail server that takes released messages and digests by SMTP, as the host sees it, where no node has one of "
        "its own."),
    ROW("keep-mail", PN_T_DURATION, QUARANTINE(keep_mail_s), "30d",
        "How long the host keeps a message that nobody released or deleted. 0: for ever. What is on hold stays.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-virus", PN_T_DURATION, QUARANTINE(keep_virus_s), "30d", "The same where a virus was found.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-spam", PN_T_DURATION, QUARANTINE(keep_spam_s), "30d", "The same for what counts as spam.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-released", PN_T_DURATION, QUARANTINE(keep_released_s), "30d", "The same for released messages.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-deleted", PN_T_DURATION, QUARANTINE(keep_deleted_s), "7d", "The same for deleted messages.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-records", PN_T_DURATION, QUARANTINE(keep_records_s), "90d", "The same for reporting records.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("keep-counts", PN_T_DURATION, QUARANTINE(keep_counts_s), "730d", "The same for the counts of reports.",
        RANGE(0, 3650 * DAY_S, PN_UNIT_S)),
    ROW("host-quota", PN_T_UINT, QUARANTINE(host_quota_bytes), "0",
        "Bytes that messages may take on the host, compressed; beyond, the oldest go, but none on hold. 0: no limit.",
        RANGE(0, 1e15, PN_UNIT_NONE)),
    ROW("digest", PN_T_BOOL, QUARANTINE(digest), "no",
        "Once a day, mail each recipient a list of their messages that came into quarantine."),
    ROW("digest-at", PN_T_TEXT, QUARANTINE(digest_at), "07:00", "When, in the host's local time: HH:MM."),
    ROW("digest-from", PN_T_TEXT, QUARANTINE(digest_from), NULL, "Sender's address of digests. Required for them."),
    ROW("digest-url", PN_T_TEXT, QUARANTINE(digest_url), NULL,
        "Where the links of digests lead: a web page that hands what follows this address to postern quarantine link. "
        "Empty: no links."),
    ROW("digest-expiry", PN_T_DURATION, QUARANTINE(digest_expiry_s), "7d", "How long the links of a digest work.",
        RANGE(3600, 90 * DAY_S, PN_UNIT_S)),

    ROW("vips", PN_T_REFS, SERVICE(vips), NULL, "Virtual addresses on which the service is offered.",
        REFS(struct pn_conf_service, n_vips, PN_SEC_VIP, 1, PN_MAX_VIPS), .flags = PN_ROW_REQUIRED),
    ROW("port", PN_T_UINT, SERVICE(l4_port), NULL, "TCP port of the service.", RANGE(1, 65535, PN_UNIT_NONE),
        .flags = PN_ROW_REQUIRED),
    ROW("pool", PN_T_REF, SERVICE(pool), NULL, "Pool that takes the connections.", .target = PN_SEC_POOL,
        .flags = PN_ROW_REQUIRED),
    ROW("affinity", PN_T_WORD, SERVICE(affinity), "none", "What binds connections to the same gateway.",
        .words = pn_words_affinities),
    ROW("affinity-v4-prefix", PN_T_UINT, SERVICE(v4_prefix), "24", "Affinity network: bits of an IPv4 network.",
        RANGE(1, 32, PN_UNIT_NONE)),
    ROW("affinity-v6-prefix", PN_T_UINT, SERVICE(v6_prefix), "64", "Affinity network: bits of an IPv6 network.",
        RANGE(1, 128, PN_UNIT_NONE)),
    ROW("established-timeout", PN_T_DURATION, SERVICE(established_s), "15min",
        "How long an established connection may be idle. RFC 5321 4.5.3.2 lets a client wait 10 minutes for the answer "
        "to its message, so less than 11min draws a warning.",
        RANGE(1, 7 * DAY_S, PN_UNIT_S)),
    ROW("half-open-timeout", PN_T_DURATION, SERVICE(half_open_s), "15s",
        "How long a connection may wait for the client's first ACK.", RANGE(1, 10 * MINUTE_S, PN_UNIT_S)),
    ROW("closing-timeout", PN_T_DURATION, SERVICE(closing_s), "30s",
        "How long a connection is remembered after the client closed it.", RANGE(1, HOUR_S, PN_UNIT_S)),
    ROW("half-open-max", PN_T_UINT, SERVICE(half_open_max), "0",
        "Half-open connections in the table of one worker; older ones give way to newer. 0: a quarter of the table.",
        RANGE(0, 268435456, PN_UNIT_NONE)),
    ROW("filter", PN_T_BOOL, SERVICE(filter), "yes",
        "Whether the addresses and networks of the blocklist are kept out. no: for a service that people use from "
        "anywhere, as submission or webmail may be."),

    ROW("action", PN_T_WORD, FILTER(action), "drop", "What happens to a new connection of a client in the blocklist.",
        .words = pn_words_filter_actions),
};
const unsigned pn_schema_n_rows = sizeof(pn_schema_rows) / sizeof(pn_schema_rows[0]);

const char *const pn_measure_name[PN_MEASURE_COUNT] = {
    [PN_MEASURE_ACTIVE_FLOWS] = "active-flows", [PN_MEASURE_HALF_OPEN] = "half-open",
    [PN_MEASURE_NEW_FLOWS] = "new-flows",       [PN_MEASURE_HANDSHAKE_MS] = "handshake",
    [PN_MEASURE_AGENT_LOAD] = "agent-load",     [PN_MEASURE_AGENT_QUEUE] = "agent-queue",
};
