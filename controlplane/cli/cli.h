/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line `postern`: a table of nouns and verbs, each noun in its own file. Commands ask posternd over its
 * socket (controlplane/api/api.h), print a table for people or, with -j, the result as JSON, and end with one of the
 * statuses below, which postern(8) promises.
 */
#ifndef POSTERN_CLI_H
#define POSTERN_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum pn_exit {
    PN_EXIT_OK = 0,
    PN_EXIT_FAILED = 1, /* refused, or did not work */
    PN_EXIT_USAGE = 2,
    PN_EXIT_UNREACHABLE = 3, /* posternd, or postern-dp for what only it knows */
    PN_EXIT_NOT_FOUND = 4,
    PN_EXIT_TIMEOUT = 5,
};

struct pn_cli {
    const char *socket;
    bool json;
    bool color; /* stdout is a terminal and NO_COLOR is not set */
    unsigned columns; /* of the terminal that stdout is; 0: none, lines may be as long as they like */
    int fd; /* connection, kept from call to call; -1 */
    const struct pn_cli_command *commands; /* all of them, ended by noun NULL */
    const struct pn_cli_command *command; /* for usage */
    json_t *errors; /* with -j they are gathered here for one document; NULL: each is printed at once */
    bool list_options; /* pn_cli_args() prints what it would take, and refuses: for completion */
};

struct pn_cli_command {
    const char *noun;
    const char *verb; /* NULL: the noun alone */
    int (*run)(struct pn_cli *cli, int argc, char *argv[]); /* argv[0] is the first word after noun and verb */
    const char *args; /* for usage: "NAME [--wait]" */
    const char *help;
};
extern const char *const pn_cli_common[]; /* options that every command knows, ended by NULL */
/* The row that noun and verb (may be NULL) name; a noun without its verb means its list. *used: how many words. */
const struct pn_cli_command *pn_cli_find(const struct pn_cli *cli, const char *noun, const char *verb, int *used);

/* Says that there is no such command, or that noun has no such verb, and which may have been meant; PN_EXIT_USAGE. */
int pn_cli_unknown(const struct pn_cli *cli, const char *noun, const char *verb);

/* ---- asking (client.c) ---- */

/*
 * Sends one command and waits for its reply. args is taken over, NULL: none. 0 and *result (the caller's reference),
 * or an exit status after the reason went to stderr (and as JSON to stdout with -j).
 */
int pn_cli_call(struct pn_cli *cli, const char *command, json_t *args, json_t **result);
/* The same, for a result that -j prints as it is: then *result is NULL, and the command is done. */
int pn_cli_get(struct pn_cli *cli, const char *command, json_t *args, json_t **result);
int pn_cli_get_plain(struct pn_cli *cli, int argc, char *argv[], const char *command,
                     json_t **result); /* takes no words */
/* As pn_cli_call() for programs that print nothing: quiet, errors only as status. */
int pn_cli_ask(struct pn_cli *cli, const char *command, json_t *args, json_t **result, bool quiet);
int pn_cli_print_json(json_t *value); /* takes it over; PN_EXIT_OK */

/* Says why it is not done, to stderr (and as JSON to stdout with -j). status. */
int pn_cli_fail(const struct pn_cli *cli, int status, const char *code, const char *text);

/* ---- arguments (args.c) ---- */

struct pn_cli_option {
    const char *name; /* "timeout": given as --timeout V or --timeout=V; NULL ends the list */
    char letter; /* 0: none */
    const char **value; /* takes a value; NULL as flag is: the value is one more word, and it may be given often */
    bool *flag; /* or not */
};
/*
 * Options may stand anywhere; "--" ends them. Positional words go to pos[0..max-1]. Their number, or -1 after a
 * message and the command's usage.
 */
int pn_cli_args(struct pn_cli *cli, int argc, char *argv[], const struct pn_cli_option *options, const char **pos,
                int max);
int pn_cli_usage(const struct pn_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whole number within min..max, or usage error (-1). */
int pn_cli_number(const struct pn_cli *cli, const char *what, const char *text, long min, long max, long *out);

/* ---- values of a reply (values.c); a missing member is "", 0, false ---- */

const char *pn_js(const json_t *object, const char *key);
int64_t pn_ji(const json_t *object, const char *key);
double pn_jf(const json_t *object, const char *key);
bool pn_jb(const json_t *object, const char *key);
bool pn_jnull(const json_t *object, const char *key); /* missing or null */
json_t *pn_jo(const json_t *object, const char *key); /* borrowed */

#define PN_FMT_BYTES 48
const char *pn_fmt_duration(int64_t ms, char buf[PN_FMT_BYTES]); /* "350 ms", "12 s", "3 h 12 min" */
const char *pn_fmt_rate(double per_s, char buf[PN_FMT_BYTES]); /* "0.0", "12.3", "4567" */
const char *pn_fmt_bytes(double bytes, char buf[PN_FMT_BYTES]); /* "12 B", "1.2 MB" (powers of ten) */
const char *pn_fmt_time(int64_t ms, char buf[PN_FMT_BYTES]); /* since 1970; local time; "" for 0 */
const char *pn_fmt_count(int64_t n, char buf[PN_FMT_BYTES]); /* "1,234,567" */
/* Joins strings of an array with ", ". */
const char *pn_fmt_list(const json_t *array, char *buf, size_t size);

/* ---- tables (table.c) ---- */

enum pn_color { PN_PLAIN, PN_GREEN, PN_YELLOW, PN_RED, PN_BOLD };
enum pn_color pn_color_of(const char *state); /* "up", "owner": green; "drain", "busy": yellow; "down": red */
const char *pn_color_on(const struct pn_cli *cli, enum pn_color color); /* escape sequence or "" */
const char *pn_color_off(const struct pn_cli *cli, enum pn_color color);

#define PN_TABLE_COLUMNS 16
struct pn_table;
/* Column titles, ended by NULL; one that begins with '>' is right-aligned. */
struct pn_table *pn_table_new(const struct pn_cli *cli, ...) __attribute__((sentinel));
void pn_table_cell(struct pn_table *t, enum pn_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pn_table_free(struct pn_table *t); /* unwritten */
/* Writes rows in the order they were filled, columns as wide as their widest cell, and frees the table. */
void pn_table_print(struct pn_table *t, FILE *out);

/* ---- commands ---- */

int pn_cli_status(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_watch(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_node(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_node_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_node_hold(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_vip_move(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_vip_force(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_heartbeat_keygen(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_status(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_members(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_init(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_invite(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_join(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_rename(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_remove(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_rotate(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_cluster_renew(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_perimeter_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_perimeter_export(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_node_standby(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_node_active(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_vip_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_vip_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_service_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_service_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_pool_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_pool_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_drain(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_enable(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_disable(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_weight(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_gateway_setup(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_check_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_flow_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_flow_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_port_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_neighbour_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_stats(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_explain(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_trace(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_log(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_status(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_add(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_remove(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_hit(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_learn(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_search(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_put(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_order(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_import(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_export(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_log(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_restore(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_review(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_held(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_sync(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_rule_reset_clock(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_reload(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_check(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_diff(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_version(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_help(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_add(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_list(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_show(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_audit(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_mark(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_status(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_backlog(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_release(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_retry(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_purge(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_link(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_quarantine_digest(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_report(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_report_add(struct pn_cli *cli, int argc, char *argv[]);
int pn_cli_names(struct pn_cli *cli, int argc, char *argv[]); /* for completion: names of a kind, one a line */

/* status.c, also for watch: the screen of one reply; before: the reply an interval ago, for rates, or NULL. */
void pn_status_print(const struct pn_cli *cli, const json_t *now, const json_t *before, FILE *out);
/* The table of gateways, for status and `gateway`. */
void pn_gateway_table(const struct pn_cli *cli, const json_t *gateways, FILE *out);
void pn_node_table(const struct pn_cli *cli, const json_t *nodes, FILE *out);
/* For status: one line, and what somebody should look at. quarantine: null or as the API has it. */
void pn_quarantine_line(const json_t *quarantine, FILE *out);
void pn_quarantine_alarms(const struct pn_cli *cli, const json_t *quarantine, FILE *out);
void pn_vip_table(const struct pn_cli *cli, const json_t *vips, FILE *out);
void pn_service_table(const struct pn_cli *cli, const json_t *services, FILE *out);
void pn_pool_table(const struct pn_cli *cli, const json_t *pools, FILE *out);
void pn_flow_table(const struct pn_cli *cli, const json_t *flows, FILE *out);
void pn_check_table(const struct pn_cli *cli, const json_t *checks, bool with_gateway, FILE *out);

#endif
