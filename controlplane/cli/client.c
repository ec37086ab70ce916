/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"
#include "controlplane/client/client.h"

#define REPLY_TIMEOUT_S 30

int pn_cli_fail(const struct pn_cli *cli, int status, const char *code, const char *text)
{
    fprintf(stderr, "postern: %s\n", text);
    if (cli->json && cli->errors)
        json_array_append_new(cli->errors, json_pack("{s:s, s:s}", "code", code, "error", text));
    else if (cli->json)
        pn_cli_print_json(json_pack("{s:s, s:s}", "code", code, "error", text));
    return status;
}

static int fail(const struct pn_cli *cli, bool quiet, int status, const char *code, const char *text)
{
    return quiet ? status : pn_cli_fail(cli, status, code, text);
}

static int unreachable(const struct pn_cli *cli, bool quiet, int error)
{
    char text[512];
    struct stat st;

    if (error == ECONNREFUSED && stat(cli->socket, &st) == 0 && !S_ISSOCK(st.st_mode))
        snprintf(text, sizeof(text), "%s: not a socket", cli->socket);
    else if (error == ENOENT || error == ECONNREFUSED)
        snprintf(text, sizeof(text), "%s: posternd is not running (start it with: systemctl start posternd)",
                 cli->socket);
    else if (error == EACCES || error == EPERM)
        snprintf(text, sizeof(text), "%s: permission denied (be root, or a member of group postern)", cli->socket);
    else if (error == EAGAIN)
        snprintf(text, sizeof(text), "%s: posternd does not answer", cli->socket);
    else
        snprintf(text, sizeof(text), "%s: %s", cli->socket, strerror(error));
    return fail(cli, quiet, PN_EXIT_UNREACHABLE, "unreachable", text);
}

static int status_of(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } row[] = {{"bad-request", PN_EXIT_USAGE}, {"not-found", PN_EXIT_NOT_FOUND}, {"unavailable", PN_EXIT_UNREACHABLE}};

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (strcmp(row[i].code, code) == 0)
            return row[i].status;
    return PN_EXIT_FAILED;
}

/* posternd names what it was asked, which is not always what was typed: "config" for postern diff. */
static const char *as_typed(const struct pn_cli *cli, const char *asked, const char *error, char *buf, size_t size)
{
    size_t n = strlen(asked);

    if (error[0] != '"' || strncmp(error + 1, asked, n) != 0 || error[1 + n] != '"')
        return error;
    snprintf(buf, size, "\"postern %s%s%s\"%s", cli->command->noun, cli->command->verb ? " " : "",
             cli->command->verb ? cli->command->verb : "", error + n + 2);
    return buf;
}

/* A request that posternd does not know may be one of another version's. */
static void version_tell(struct pn_cli *cli)
{
    json_t *reply = pn_client_ask(cli->fd, "node show", NULL);
    const char *version = pn_js(pn_jo(reply, "result"), "version");

    if (*version && strcmp(version, PN_VERSION) != 0)
        fprintf(stderr, "postern: posternd is version %s, this program %s: restart posternd after an upgrade\n",
                version, PN_VERSION);
    json_decref(reply);
}

int pn_cli_ask(struct pn_cli *cli, const char *command, json_t *args, json_t **result, bool quiet)
{
    char text[1024];
    json_t *reply;
    int status, error;

    *result = NULL;
    if (cli->fd < 0)
        cli->fd = pn_client_open(cli->socket, REPLY_TIMEOUT_S);
    if (cli->fd < 0) {
        error = errno;
        json_decref(args);
        return unreachable(cli, quiet, error);
    }
    reply = pn_client_ask(cli->fd, command, args);
    if (!reply) {
        error = errno;
        close(cli->fd);
        cli->fd = -1;
        return unreachable(cli, quiet, error);
    }
    if (pn_jb(reply, "ok")) {
        *result = json_incref(pn_jo(reply, "result"));
        json_decref(reply);
        return PN_EXIT_OK;
    }
    status = fail(cli, quiet, status_of(pn_js(reply, "code")), pn_js(reply, "code"),
                  as_typed(cli, command, pn_js(reply, "error"), text, sizeof(text)));
    if (!quiet && strcmp(pn_js(reply, "code"), "bad-request") == 0)
        version_tell(cli);
    json_decref(reply);
    return status;
}

int pn_cli_call(struct pn_cli *cli, const char *command, json_t *args, json_t **result)
{
    return pn_cli_ask(cli, command, args, result, false);
}

int pn_cli_get(struct pn_cli *cli, const char *command, json_t *args, json_t **result)
{
    int status = pn_cli_call(cli, command, args, result);

    if (status != PN_EXIT_OK || !cli->json)
        return status;
    status = pn_cli_print_json(*result);
    *result = NULL;
    return status;
}

int pn_cli_get_plain(struct pn_cli *cli, int argc, char *argv[], const char *command, json_t **result)
{
    *result = NULL;
    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    return pn_cli_get(cli, command, NULL, result);
}

int pn_cli_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
    return PN_EXIT_OK;
}
