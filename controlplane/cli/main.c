/* SPDX-License-Identifier: BSD-3-Clause */
/* postern(8): finds the row of the table that noun and verb name, and runs it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/wipe.h"
#include "controlplane/api/api.h"
#include "controlplane/cli/cli.h"

/* clang-format off */
static const struct pn_cli_command commands[] = {
    {"status",    NULL,       pn_cli_status,          "",                                    "node, VIPs, services, tiers and gateways at a glance"},
    {"watch",     NULL,       pn_cli_watch,           "[-n SECONDS] [--count N]",            "status again and again, with rates"},
    {"vip",       "list",     pn_cli_vip_list,        "",                                    "virtual IPs: who owns them, and for how long"},
    {"vip",       "show",     pn_cli_vip_show,        "NAME",                                "one VIP in full"},
    {"vip",       "move",     pn_cli_vip_move,        "NAME [NODE]",                         "gives it over to another node, without losing a packet"},
    {"vip",       "force",    pn_cli_vip_force,       "NAME",                                "an exclusive VIP without votes: the other nodes are dead"},
    {"service",   "list",     pn_cli_service_list,    "",                                    "services and what they carried"},
    {"service",   "show",     pn_cli_service_show,    "NAME",                                "one service in full"},
    {"pool",      "list",     pn_cli_pool_list,       "",                                    "pools: tiers, their load and spill"},
    {"pool",      "show",     pn_cli_pool_show,       "NAME",                                "one pool in full: members, marks, reasons"},
    {"gateway",   "list",     pn_cli_gateway_list,    "",                                    "gateways: state, weight, flows"},
    {"gateway",   "show",     pn_cli_gateway_show,    "NAME",                                "one gateway in full, with its checks"},
    {"gateway",   "drain",    pn_cli_gateway_drain,   "NAME [--wait] [--timeout SECONDS]",   "no new flows to it; those it has go on"},
    {"gateway",   "enable",   pn_cli_gateway_enable,  "NAME",                                "back in service (ends drain and disable)"},
    {"gateway",   "disable",  pn_cli_gateway_disable, "NAME [--wait] [--timeout SECONDS]",   "out of service: no new flows, half-open ones move"},
    {"gateway",   "weight",   pn_cli_gateway_weight,  "NAME 0..256|default",                 "its share of new flows among its tier"},
    {"gateway",   "setup",    pn_cli_gateway_setup,   "NAME | --vip ADDRESS... [--apply | --undo] [--persist systemd-networkd|ifupdown|script] [--interface IF]",
                                                                                             "what a gateway's host needs for direct server return"},
    {"check",     "list",     pn_cli_check_list,      "[GATEWAY]",                           "health checks and their last results"},
    {"check",     NULL,       pn_cli_check,           "[FILE]",                              "reads a configuration and tells what is wrong with it"},
    {"diff",      NULL,       pn_cli_diff,            "[--exit-code] [FILE]",                "what FILE would change in the running configuration"},
    {"reload",    NULL,       pn_cli_reload,          "",                                    "reads the configuration again; a bad one is refused"},
    {"flow",      "list",     pn_cli_flow_list,       "[--client NET] [--service NAME] [--gateway NAME] [--max N]",
                                                                                             "flows in the dataplane's tables"},
    {"flow",      "show",     pn_cli_flow_show,       "CLIENT:PORT",                         "one client's flow"},
    {"explain",   NULL,       pn_cli_explain,         "CLIENT[:PORT] [[--service] SERVICE]",            "which gateway a client meets now, and why"},
    {"trace",     NULL,       pn_cli_trace,           "[CLIENT-NET] [-n PACKETS] [--timeout SECONDS]",
                                                                                             "a few packets, stage by stage"},
    {"stats",     NULL,       pn_cli_stats,           "[--all] [--drops]",                   "counters: where packets ended"},
    {"port",      "list",     pn_cli_port_list,       "",                                    "the dataplane's ports"},
    {"neighbour", "list",     pn_cli_neighbour_list,  "",                                    "MAC addresses of gateways"},
    {"node",      "show",     pn_cli_node,            "",                                    "this node"},
    {"node",      "list",     pn_cli_node_list,       "",                                    "all nodes: who is heard, what was refused, flow sync"},
    {"node",      "hold",     pn_cli_node_hold,       "SECONDS|off [--timeout SECONDS]",     "asks the others to wait for a restart of this one"},
    {"node",      "standby",  pn_cli_node_standby,    "",                                    "gives up every VIP until told otherwise"},
    {"node",      "active",   pn_cli_node_active,     "",                                    "ends standby"},
    {"cluster",   "status",   pn_cli_cluster_status,  "",                                    "this node's cluster: links, keys, certificate, clocks"},
    {"cluster",   "members",  pn_cli_cluster_members, "",                                    "who is in it, and whether the configuration has it"},
    {"cluster",   "init",     pn_cli_cluster_init,    "[NAME] [--passphrase | --passphrase-file FILE]",
                                                                                             "makes a cluster with this node as its first member"},
    {"cluster",   "invite",   pn_cli_cluster_invite,  "[--expires TIME] [--passphrase | --passphrase-file FILE] [--ca-passphrase | --ca-passphrase-file FILE]",
                                                                                             "prints a token with which one node can join, once"},
    {"cluster",   "join",     pn_cli_cluster_join,    "[HOST[:PORT]] TOKEN|- [--dry-run] [--passphrase | --passphrase-file FILE]",
                                                                                             "makes this node a member"},
    {"cluster",   "rename",   pn_cli_cluster_rename,  "NAME NEW-NAME",                       "gives a member another name"},
    {"cluster",   "remove",   pn_cli_cluster_remove,  "NAME [--yes]",                        "takes a member out for ever; its own name: it leaves"},
    {"cluster",   "rotate-keys", pn_cli_cluster_rotate, "",                                  "new keys for heartbeats and flow sync, without a gap"},
    {"cluster",   "renew",    pn_cli_cluster_renew,   "[--passphrase | --passphrase-file FILE]",
                                                                                             "a new certificate for this node, now"},
    {"perimeter", "list",     pn_cli_perimeter_list,  "",                                    "networks of the cluster's own machines"},
    {"perimeter", "export",   pn_cli_perimeter_export, "--format postfix|cidr|rspamd",       "the same for a mail server's configuration"},
    {"heartbeat", "keygen",   pn_cli_heartbeat_keygen, "[FILE]",                             "makes a key; FILE is made, or gets one more"},
    {"rule",      "status",    pn_cli_rule_status,       "",
                                                                                             "lists and their sizes, and which nodes have the same"},
    {"rule",      "add",       pn_cli_rule_add,          "LIST VALUE... [--owner USER@DOMAIN] [--field FIELD] [--note TEXT]",
                                                                                             "adds entries; on disk when it returns, then on all nodes"},
    {"rule",      "remove",    pn_cli_rule_remove,       "LIST VALUE... [--owner USER@DOMAIN] [--field FIELD]",
                                                                                             "takes entries or rules out, on all nodes"},
    {"rule",      "hit",       pn_cli_rule_hit,          "LIST VALUE [--owner USER@DOMAIN] [--field FIELD] [--count N] | --stdin",
                                                                                             "counts uses of an entry; --stdin: one a line"},
    {"rule",      "learn",     pn_cli_rule_learn,        "auto-welcomelist ADDRESS [--field FIELD] [--count N] | --stdin",
                                                                                             "the same, and makes the entry where there is none"},
    {"rule",      "list",      pn_cli_rule_list,         "[LIST] [--owner USER@DOMAIN] [--search TEXT] [--deleted] [--limit N]",
                                                                                             "entries and rules"},
    {"rule",      "search",    pn_cli_rule_search,       "TEXT [LIST] [--owner USER@DOMAIN] [--deleted] [--limit N]",
                                                                                             "entries with TEXT in value, owner or note"},
    {"rule",      "show",      pn_cli_rule_show,         "LIST VALUE [--owner USER@DOMAIN] [--field FIELD] [--text]",
                                                                                             "one entry or rule in full; --text: its text alone"},
    {"rule",      "put",       pn_cli_rule_put,          "LIST NAME [--file FILE | --text TEXT] [--note TEXT]",
                                                                                             "makes or replaces a content rule or a setting"},
    {"rule",      "order",     pn_cli_rule_order,        "LIST [NAME...]",
                                                                                             "the order in which rules are tried; with names, sets it"},
    {"rule",      "import",    pn_cli_rule_import,       "FILE [--format csv|json|xml] [--list LIST] [--owner USER@DOMAIN] [--dry-run] [--skip-bad]",
                                                                                             "entries from a file; - is standard input"},
    {"rule",      "export",    pn_cli_rule_export,       "[LIST] [--format csv|json|xml] [--owner USER@DOMAIN] [--output FILE]",
                                                                                             "entries to a file"},
    {"rule",      "log",       pn_cli_rule_log,          "[LIST VALUE] [--owner USER@DOMAIN] [--field FIELD] [--limit N]",
                                                                                             "versions of before: of one entry, or the newest of all"},
    {"rule",      "restore",   pn_cli_rule_restore,      "LIST VALUE [VERSION] [--node NODE] [--owner USER@DOMAIN] [--field FIELD]",
                                                                                             "an earlier version again; without VERSION the one before"},
    {"rule",      "review",    pn_cli_rule_review,       "[accept|drop LIST VALUE [--owner USER@DOMAIN] [--field FIELD] | accept|drop --all]",
                                                                                             "what a node brought after a long absence: keep or drop"},
    {"rule",      "held",      pn_cli_rule_held,         "",
                                                                                             "versions from clocks that run ahead, waiting"},
    {"rule",      "sync",      pn_cli_rule_sync,         "[--wait] [--timeout SECONDS]",
                                                                                             "compares with all nodes; --wait: until all are the same"},
    {"rule",      "reset-clock", pn_cli_rule_reset_clock,  "",
                                                                                             "stamps follow the clock again after it was set far back"},
    {"quarantine", "list",    pn_cli_quarantine_list, "[WORDS] [--sender A] [--recipient A] [--subject WORDS] [--node N] [--rule R] [--reason WORDS] [--event E] [--state new|released|deleted] [--kind message|record|any] [--since T] [--until T] [--unseen] [--limit N] [--before ID] [--waiting] [--at NODE]",
                                                                                             "what is in quarantine, newest first"},
    {"quarantine", "search",  pn_cli_quarantine_list, "WORDS, and options as list has them [...]",
                                                                                             "the same as list"},
    {"quarantine", "show",    pn_cli_quarantine_show, "ID [--raw | --headers] [--at NODE]",              "one item in full; --raw: the message as it came"},
    {"quarantine", "release", pn_cli_quarantine_release, "ID... [--to ADDRESS] [--welcomelist] [--again] [--at NODE]",
                                                                                             "delivers it, once; --welcomelist: its sender, too"},
    {"quarantine", "delete",  pn_cli_quarantine_mark, "ID... [--at NODE]",                               "nobody gets it any more"},
    {"quarantine", "seen",    pn_cli_quarantine_mark, "ID... [--at NODE]",                               "marks as seen"},
    {"quarantine", "unseen",  pn_cli_quarantine_mark, "ID... [--at NODE]",                               "takes that back"},
    {"quarantine", "hold",    pn_cli_quarantine_mark, "ID... [--at NODE]",                               "keeps it, however old it gets"},
    {"quarantine", "unhold",  pn_cli_quarantine_mark, "ID... [--at NODE]",                               "takes that back"},
    {"quarantine", "audit",   pn_cli_quarantine_audit, "ID [--at NODE]",                                 "who did what with it"},
    {"quarantine", "add",     pn_cli_quarantine_add,  "--recipient ADDRESS... [--sender ADDRESS] [--reason TEXT] [--rule NAME] [--gateway NAME] [--event EVENT] [--direction in|out] < MESSAGE",
                                                                                             "hands a message in; says so once it is on disk"},
    {"quarantine", "status",  pn_cli_quarantine_status, "",                                  "spool, space, host and links"},
    {"quarantine", "retry",   pn_cli_quarantine_retry, "",                                   "offers the host again what it refused"},
    {"quarantine", "purge",   pn_cli_quarantine_purge, "[--dry-run] [--at NODE]",                        "what is older than the configuration says goes now"},
    {"quarantine", "digest",  pn_cli_quarantine_digest, "run [--dry-run] [--at NODE]",                   "mails recipients a list of what was held back, now"},
    {"quarantine", "link",    pn_cli_quarantine_link, "TOKEN",                               "does what a digest's link allows; for a web page"},
    {"quarantine", "report",  pn_cli_report,          "[--by day|hour] [--since T] [--until T] [--node N] [--format table|json|csv|svg] [--section time|nodes|senders|recipients|rules] [--top N] [--at NODE]",
                                                                                             "what was received, rejected, quarantined, released"},
    {"report",    NULL,       pn_cli_report,          "[--by day|hour] [--since T] [--until T] [--node N] [--format table|json|csv|svg] [--section time|nodes|senders|recipients|rules] [--top N] [--at NODE]",               "the same as quarantine report"},
    {"report",    "add",      pn_cli_report_add,      "EVENT [--sender A] [--recipient A]... [--rule R] [--reason TEXT] [--gateway NAME] [--subject TEXT] [--about ID] [--direction in|out] [--bytes N]",
                                                                                             "hands in a reporting record"},
    {"quarantine", "backlog", pn_cli_quarantine_backlog, "[--watch] [-n SECONDS]",           "what waits for the host, and how long it takes"},
    {"log",       NULL,       pn_cli_log,             "[-n LINES] [-f]",                     "the last events"},
    {"version",   NULL,       pn_cli_version,         "",                                    "versions of this program and the daemons"},
    {"help",      NULL,       pn_cli_help,            "[COMMAND]",                           "this list, or one command"},
    {"names",     NULL,       pn_cli_names,           "gateway|service|vip|pool|node|member | command | verb NOUN | option NOUN [VERB]", ""},
    {NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */

/* Takes the options that every command knows out of argv, wherever they stand. -1: usage. */
static int common_options(struct pn_cli *cli, int *argc, char *argv[], bool *help)
{
    int n = 1;

    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc)
                argv[n++] = argv[i++];
        } else if (strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (strcmp(argv[i], "--no-color") == 0) {
            cli->color = false;
        } else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            *help = true;
        } else if (strncmp(argv[i], "--socket=", 9) == 0) {
            cli->socket = argv[i] + 9;
        } else if (strcmp(argv[i], "--socket") == 0 || strcmp(argv[i], "-s") == 0) {
            if (i + 1 == *argc)
                return pn_cli_usage(cli, "option %s needs a path", argv[i]), -1;
            cli->socket = argv[++i];
        } else {
            argv[n++] = argv[i];
        }
    }
    argv[n] = NULL;
    *argc = n;
    return *cli->socket ? 0 : (pn_cli_usage(cli, "option --socket needs a path"), -1);
}

int main(int argc, char *argv[])
{
    const char *no_color = getenv("NO_COLOR");
    struct pn_cli cli = {.socket = PN_API_DEFAULT_SOCKET, .fd = -1, .commands = commands};
    static char version[] = "version", self[] = "postern", check[] = "check", list[] = "list";
    static char *check_list[] = {self, check, list, NULL};
    struct winsize window;
    bool help = false;
    int used = 0, status;

    signal(SIGPIPE, SIG_DFL); /* postern log | head */
    json_set_alloc_funcs(malloc, pn_wiping_free); /* tokens and passphrases travel in JSON */
    cli.color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
        cli.columns = window.ws_col;
    if (common_options(&cli, &argc, argv, &help) < 0)
        return PN_EXIT_USAGE;
    if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0))
        argv[1] = version;
    if (argc < 2) {
        pn_cli_help(&cli, 0, NULL);
        return help ? PN_EXIT_OK : PN_EXIT_USAGE;
    }
    if (strcmp(argv[1], "check-list") == 0 || strcmp(argv[1], "checks") == 0) {
        argv = check_list;
        argc = 3;
    }
    cli.command = pn_cli_find(&cli, argv[1], argv[2], &used);
    if (!cli.command && argc == 3 && strcmp(argv[2], "help") == 0)
        return pn_cli_help(&cli, 1, argv + 1);
    if (!cli.command)
        return pn_cli_unknown(&cli, argv[1], argv[2]);
    if (help)
        return pn_cli_help(&cli, argc - 1, argv + 1);
    status = cli.command->run(&cli, argc - 1 - used, argv + 1 + used);
    if (cli.fd >= 0)
        close(cli.fd);
    /* What was printed must have arrived: a full disk behind > is a failure. */
    if (fflush(stdout) != 0 && status == PN_EXIT_OK)
        status = PN_EXIT_FAILED;
    return status;
}
