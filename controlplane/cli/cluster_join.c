/* SPDX-License-Identifier: BSD-3-Clause */
/* cluster join: the daemon does it; here its progress is shown, and how it ended. */
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "controlplane/cli/secret.h"
#include "controlplane/cluster/token.h"

#define STEP_US 100000

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

/*
 * "HOST", "HOST:PORT", "[V6]:PORT", V6 alone; names are looked up here, the daemon never waits for a name server. Into
 * what the daemon takes. Exit status.
 */
static int host_resolve(const char *text, char *out, size_t size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    const char *colon = strrchr(text, ':'), *port = "";
    char host[256], number[80];
    size_t len = strlen(text);
    int rc;

    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':')) {
            fprintf(stderr, "postern: \"%s\" is not [ADDRESS]:PORT\n", text);
            return PN_EXIT_USAGE;
        }
        port = end[1] ? end + 2 : "";
        text++;
        len = (size_t)(end - text);
    } else if (colon && strchr(text, ':') == colon) {
        port = colon + 1;
        len = (size_t)(colon - text);
    }
    if (len == 0 || len >= sizeof(host)) {
        fprintf(stderr, "postern: \"%s\" is not a host\n", text);
        return PN_EXIT_USAGE;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    rc = getaddrinfo(host, NULL, &hints, &found);
    if (rc == 0)
        rc = getnameinfo(found->ai_addr, found->ai_addrlen, number, sizeof(number), NULL, 0, NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
    if (rc != 0) {
        fprintf(stderr, "postern: %s: %s\n", host, gai_strerror(rc));
        return PN_EXIT_FAILED;
    }
    snprintf(out, size, "%s%s%s%s%s", strchr(number, ':') ? "[" : "", number, strchr(number, ':') ? "]" : "",
             *port ? ":" : "", port);
    return PN_EXIT_OK;
}

/* Says at once what is wrong with it; tells whether it needs a passphrase. */
static int token_check(const char *text, bool *passphrase)
{
    struct pn_token token;
    struct pn_error err;

    if (pn_token_parse(text, &token, &err) < 0) {
        fprintf(stderr, "postern: %s\n", err.text);
        return PN_EXIT_USAGE;
    }
    *passphrase = token.passphrase;
    pn_token_wipe(&token);
    return PN_EXIT_OK;
}

static void progress_show(const json_t *r, bool dry_run)
{
    char line[160];

    if (strcmp(pn_js(r, "step"), "connecting") == 0)
        snprintf(line, sizeof(line), "connecting to %s port %lld", pn_js(r, "address"), (long long)pn_ji(r, "port"));
    else if (dry_run && pn_ji(r, "received_bytes") + pn_ji(r, "sent_bytes"))
        snprintf(line, sizeof(line), "%s: %lld kB sent, %lld kB received", pn_js(r, "step"),
                 (long long)pn_ji(r, "sent_bytes") / 1000, (long long)pn_ji(r, "received_bytes") / 1000);
    else
        snprintf(line, sizeof(line), "%s", pn_js(r, "step"));
    fprintf(stderr, "\r\033[K%s ...", line);
    fflush(stderr);
}

/* Until it is over; takes r over and gives the last reply. */
static int follow(struct pn_cli *cli, json_t **r)
{
    struct sigaction sa = {.sa_handler = on_signal}, before;
    bool screen = isatty(STDERR_FILENO) && !cli->json;
    int status = PN_EXIT_OK;

    sigaction(SIGINT, &sa, &before);
    while (status == PN_EXIT_OK && strcmp(pn_js(*r, "state"), "running") == 0) {
        bool dry_run = pn_jb(*r, "dry_run");

        if (screen)
            progress_show(*r, dry_run);
        json_decref(*r);
        usleep(STEP_US);
        status = pn_cli_call(cli, stop ? "cluster join-cancel" : "cluster join-progress", NULL, r);
    }
    sigaction(SIGINT, &before, NULL);
    if (screen)
        fputs("\r\033[K", stderr);
    return status;
}

static void rehearsal_table(const struct pn_cli *cli, const json_t *rows)
{
    struct pn_table *t = pn_table_new(cli, "LIST", ">HERE", ">THERE", ">COMMON", ">ADDED", ">TOTAL", NULL);
    static const char *const keys[] = {"here", "there", "common", "added", "total"};
    json_int_t sums[5] = {0};
    json_t *row;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(row, "list"));
        for (unsigned k = 0; k < 5; k++) {
            sums[k] += pn_ji(row, keys[k]);
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(row, keys[k]));
        }
    }
    if (json_array_size(rows) > 1) {
        pn_table_cell(t, PN_BOLD, "all");
        for (unsigned k = 0; k < 5; k++)
            pn_table_cell(t, PN_BOLD, "%lld", (long long)sums[k]);
    }
    pn_table_print(t, stdout);
}

static int ended(struct pn_cli *cli, json_t *r)
{
    bool failed = strcmp(pn_js(r, "state"), "done") != 0;
    const json_t *now = pn_jo(r, "now");

    if (failed)
        fprintf(stderr, "postern: not joined: %s\n", *pn_js(r, "error") ? pn_js(r, "error") : "posternd forgot it");
    if (!failed && *pn_js(now, "problem"))
        fprintf(stderr, "postern: warning: %s\n", pn_js(now, "problem"));
    if (cli->json) {
        pn_cli_print_json(r);
        return failed ? PN_EXIT_FAILED : PN_EXIT_OK;
    }
    if (!failed && pn_jb(r, "dry_run")) {
        rehearsal_table(cli, pn_jo(r, "rows"));
        printf("ADDED is what this node would get. Nothing was changed; the token for the cluster %s stays good.\n",
               pn_js(r, "cluster"));
    } else if (!failed) {
        printf("joined the cluster %s as %s, number %lld; %lld members (postern cluster status)\n",
               pn_js(now, "cluster"), pn_js(now, "node"), (long long)pn_ji(now, "number"),
               (long long)pn_ji(now, "members"));
    }
    json_decref(r);
    return failed ? PN_EXIT_FAILED : PN_EXIT_OK;
}

static int join(struct pn_cli *cli, const char *host, const char *token, bool dry_run, struct pn_secret_from *from)
{
    char passphrase[PN_SECRET_BYTES] = "", address[128];
    bool needed = false;
    json_t *args, *r = NULL;
    int status = token_check(token, &needed);

    if (status == PN_EXIT_OK && host)
        status = host_resolve(host, address, sizeof(address));
    if (status != PN_EXIT_OK)
        return status;
    if (needed && !pn_secret_given(from) && pn_secret_terminal())
        from->ask = true;
    status = pn_secret_read(from, "Passphrase of the token", false, passphrase);
    if (status == PN_EXIT_OK) {
        args = json_pack("{s:s, s:b}", "token", token, "dry_run", dry_run);
        if (host)
            json_object_set_new(args, "host", json_string(address));
        pn_secret_set(args, "passphrase", passphrase);
        status = pn_cli_call(cli, "cluster join", args, &r);
    }
    explicit_bzero(passphrase, sizeof(passphrase));
    if (status == PN_EXIT_OK)
        status = follow(cli, &r);
    return status == PN_EXIT_OK ? ended(cli, r) : status;
}

int pn_cli_cluster_join(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL};
    struct pn_secret_from from = {0};
    bool dry_run = false;
    const struct pn_cli_option options[] = {{"dry-run", 'n', NULL, &dry_run},
                                            {"passphrase", 0, NULL, &from.ask},
                                            {"passphrase-file", 0, &from.file, NULL},
                                            {NULL, 0, NULL, NULL}};
    char token[PN_SECRET_BYTES] = "";
    int n = pn_cli_args(cli, argc, argv, options, pos, 2), status = PN_EXIT_OK;

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which token? (postern cluster invite prints one, on a member)");
    if (strcmp(pos[n - 1], "-") == 0) {
        status = pn_secret_stdin("token", token);
    } else if (strlen(pos[n - 1]) < sizeof(token)) {
        memcpy(token, pos[n - 1], strlen(pos[n - 1]) + 1);
        memset((char *)(uintptr_t)pos[n - 1], 'x', strlen(pos[n - 1])); /* ps shows it no longer */
    }
    if (status == PN_EXIT_OK)
        status = join(cli, n == 2 ? pos[0] : NULL, token, dry_run, &from);
    explicit_bzero(token, sizeof(token));
    return status;
}
