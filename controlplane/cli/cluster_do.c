/* SPDX-License-Identifier: BSD-3-Clause */
/* What changes the cluster: init, invite, rename, remove, rotate-keys, renew. Joining is in cluster_join.c. */
#include <string.h>

#include "controlplane/cli/secret.h"

/* "90", "90s", "15m", "2h", "7d"; -1 after a usage error. */
static long seconds_of(const struct pn_cli *cli, const char *text)
{
    static const char units[] = "smhd";
    static const long factors[] = {1, 60, 3600, 86400};
    char digits[24];
    size_t n = strlen(text);
    const char *unit = n ? strchr(units, text[n - 1]) : NULL;
    long value;

    if (n >= sizeof(digits)) {
        pn_cli_usage(cli, "--expires \"%s\" is not a time such as 30m, 2h or 7d", text);
        return -1;
    }
    memcpy(digits, text, n + 1);
    if (unit)
        digits[n - 1] = '\0';
    if (pn_cli_number(cli, "time", digits, 1, 604800, &value) < 0)
        return -1;
    value *= unit ? factors[unit - units] : 1;
    if (value < 60 || value > 604800) {
        pn_cli_usage(cli, "--expires \"%s\": a token is good for one minute to seven days", text);
        return -1;
    }
    return value;
}

/* Sends and prints; for commands that answer where the node stands. NULL text: the caller prints. */
static int order(struct pn_cli *cli, const char *command, json_t *args, json_t **out)
{
    json_t *r;
    int status = pn_cli_call(cli, command, args, &r);

    if (status != PN_EXIT_OK)
        return status;
    if (*pn_js(r, "problem"))
        fprintf(stderr, "postern: warning: %s\n", pn_js(r, "problem"));
    if (!cli->json) {
        *out = r;
        return PN_EXIT_OK;
    }
    *out = NULL;
    return pn_cli_print_json(r);
}

int pn_cli_cluster_init(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    struct pn_secret_from from = {0};
    const struct pn_cli_option options[] = {
        {"passphrase", 0, NULL, &from.ask}, {"passphrase-file", 0, &from.file, NULL}, {NULL, 0, NULL, NULL}};
    char passphrase[PN_SECRET_BYTES];
    json_t *args, *r;
    int status;

    if (pn_cli_args(cli, argc, argv, options, &name, 1) < 0)
        return PN_EXIT_USAGE;
    status = pn_secret_read(&from, "New passphrase of the CA's key", true, passphrase);
    if (status == PN_EXIT_OK) {
        args = json_object();
        if (name)
            json_object_set_new(args, "name", json_string(name));
        pn_secret_set(args, "passphrase", passphrase);
        status = order(cli, "cluster init", args, &r);
        if (status == PN_EXIT_OK && r) {
            printf("cluster %s made; %s is its first member, number %lld. Next, for each other node: postern cluster "
                   "invite\n",
                   pn_js(r, "cluster"), pn_js(r, "node"), (long long)pn_ji(r, "number"));
            json_decref(r);
        }
    }
    explicit_bzero(passphrase, sizeof(passphrase));
    return status;
}

static void invite_hints(const json_t *r)
{
    long long minutes = (long long)pn_ji(r, "ttl_s") / 60;

    fprintf(stderr,
            "A token for one node, good for %lld minute%s, once. It is a secret: whoever has it first can join.\n"
            "On the new node:  postern cluster join TOKEN%s  (--dry-run first shows what would be merged)\n",
            minutes, minutes == 1 ? "" : "s", pn_jb(r, "passphrase") ? " --passphrase" : "");
    if (pn_jb(r, "passphrase"))
        fprintf(stderr, "It does not work without the passphrase: send that another way.\n");
}

int pn_cli_cluster_invite(struct pn_cli *cli, int argc, char *argv[])
{
    const char *expires = NULL;
    struct pn_secret_from from = {0}, ca = {0};
    const struct pn_cli_option options[] = {{"expires", 0, &expires, NULL},
                                            {"ttl", 0, &expires, NULL},
                                            {"passphrase", 0, NULL, &from.ask},
                                            {"passphrase-file", 0, &from.file, NULL},
                                            {"ca-passphrase", 0, NULL, &ca.ask},
                                            {"ca-passphrase-file", 0, &ca.file, NULL},
                                            {NULL, 0, NULL, NULL}};
    char passphrase[PN_SECRET_BYTES] = "", ca_passphrase[PN_SECRET_BYTES] = "";
    json_t *args, *r = NULL;
    long ttl_s = 3600;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 || (expires && (ttl_s = seconds_of(cli, expires)) < 0))
        return PN_EXIT_USAGE;
    status = pn_secret_read(&from, "New passphrase of the token", true, passphrase);
    if (status == PN_EXIT_OK)
        status = pn_secret_read(&ca, "Passphrase of the CA's key", false, ca_passphrase);
    if (status == PN_EXIT_OK) {
        args = json_pack("{s:I}", "ttl_s", (json_int_t)ttl_s);
        pn_secret_set(args, "passphrase", passphrase);
        pn_secret_set(args, "ca_passphrase", ca_passphrase);
        status = pn_cli_call(cli, "cluster invite", args, &r);
    }
    explicit_bzero(passphrase, sizeof(passphrase));
    explicit_bzero(ca_passphrase, sizeof(ca_passphrase));
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    puts(pn_js(r, "token")); /* alone, so that it can be piped */
    fflush(stdout);
    invite_hints(r);
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_cluster_rename(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL};
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, NULL, pos, 2), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n < 2)
        return pn_cli_usage(cli, "which member, and how shall it be called?");
    status = order(cli, "cluster rename", json_pack("{s:s, s:s}", "name", pos[0], "new_name", pos[1]), &r);
    if (status == PN_EXIT_OK && r) {
        printf("%s is called %s now; rename it in the configuration too\n", pos[0], pos[1]);
        json_decref(r);
    }
    return status;
}

/* 0: go on. */
static int remove_confirm(struct pn_cli *cli, const char *name)
{
    char question[256];
    json_t *r;
    bool self;
    int yes, status = pn_cli_call(cli, "cluster status", NULL, &r);

    if (status != PN_EXIT_OK)
        return status;
    self = strcmp(pn_js(r, "node"), name) == 0;
    snprintf(question, sizeof(question),
             self ? "This node leaves the cluster %s. Without a key file it then owns no VIP while other nodes are "
                    "configured. Go on?"
                  : "Remove %2$s from the cluster %1$s? It is refused at once on every node, and the keys rotate.",
             pn_js(r, "cluster"), name);
    json_decref(r);
    yes = cli->json ? -1 : pn_secret_confirm(question);
    if (yes < 0)
        return pn_cli_usage(cli, "nobody can be asked here: add --yes");
    if (!yes)
        fprintf(stderr, "postern: nothing was changed\n");
    return yes ? PN_EXIT_OK : PN_EXIT_FAILED;
}

int pn_cli_cluster_remove(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    bool sure = false;
    const struct pn_cli_option options[] = {{"yes", 'y', NULL, &sure}, {NULL, 0, NULL, NULL}};
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, options, &name, 1), status;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which member?");
    if (!sure && (status = remove_confirm(cli, name)) != PN_EXIT_OK)
        return status;
    status = order(cli, "cluster remove", json_pack("{s:s}", "name", name), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (strcmp(pn_js(r, "state"), "removed") == 0)
        printf("%s has left the cluster %s\n", name, pn_js(r, "cluster"));
    else
        printf("%s is removed: it is refused on every node as soon as that node hears of it. %lld member%s left; the "
               "keys rotate\n",
               name, (long long)pn_ji(r, "members"), pn_ji(r, "members") == 1 ? "" : "s");
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_cluster_rotate(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = order(cli, "cluster rotate-keys", NULL, &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    printf("rotation begun (epoch %lld, %s); it ends some seconds after all members are connected (postern cluster "
           "status)\n",
           (long long)pn_ji(r, "keys_epoch"), pn_js(r, "keys_phase"));
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_cluster_renew(struct pn_cli *cli, int argc, char *argv[])
{
    struct pn_secret_from from = {0};
    const struct pn_cli_option options[] = {
        {"passphrase", 0, NULL, &from.ask}, {"passphrase-file", 0, &from.file, NULL}, {NULL, 0, NULL, NULL}};
    char passphrase[PN_SECRET_BYTES];
    json_t *args, *r = NULL;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_secret_read(&from, "Passphrase of the CA's key", false, passphrase);
    if (status == PN_EXIT_OK) {
        args = json_object();
        pn_secret_set(args, "ca_passphrase", passphrase);
        status = order(cli, "cluster renew", args, &r);
    }
    explicit_bzero(passphrase, sizeof(passphrase));
    if (status != PN_EXIT_OK || !r)
        return status;
    printf("%s has a new certificate\n", pn_js(r, "node"));
    json_decref(r);
    return PN_EXIT_OK;
}
