/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing a message in, from standard input. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"
#include "controlplane/client/quarantine.h"

static size_t read_piece(uint8_t *buf, size_t size, bool *failed)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(STDIN_FILENO, buf + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *failed = true;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static int send_piece(struct pn_cli *cli, long long number, const uint8_t *bytes, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    json_t *r;
    int status;

    if (!text)
        abort(); /* a one-shot program without memory */
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
    status = pn_cli_call(cli, "quarantine add data",
                         json_pack("{s:I, s:s}", "number", (json_int_t)number, "base64", text), &r);
    free(text);
    if (status == PN_EXIT_OK)
        json_decref(r);
    return status;
}

int pn_cli_recipients(struct pn_cli *cli, const char *const words[], int n, char out[PN_CLI_RECIPIENTS_BYTES])
{
    char *end = out;

    *end = '\0';
    for (int i = 0; i < n; i++) {
        if ((size_t)(end - out) + strlen(words[i]) + 2 >= PN_CLI_RECIPIENTS_BYTES)
            return pn_cli_usage(cli, "the recipients are too long"), -1; /* none is left out */
        if (i)
            *end++ = '\n';
        end = stpcpy(end, words[i]);
    }
    return 0;
}

int pn_cli_quarantine_add(struct pn_cli *cli, int argc, char *argv[])
{
    const char *sender = NULL, *reason = NULL, *rule = NULL, *gateway = NULL, *event = NULL, *direction = NULL,
               *words[64];
    const struct pn_cli_option options[] = {{"sender", 'f', &sender, NULL},     {"reason", 0, &reason, NULL},
                                            {"recipient", 'r', NULL, NULL},     {"rule", 0, &rule, NULL},
                                            {"gateway", 0, &gateway, NULL},     {"event", 0, &event, NULL},
                                            {"direction", 0, &direction, NULL}, {NULL, 0, NULL, NULL}};
    uint8_t *buf = malloc(PN_QCLIENT_PIECE_BYTES);
    bool failed = false;
    struct stat st;
    long long number;
    json_t *args, *r;
    char to[PN_CLI_RECIPIENTS_BYTES];
    int status, n;
    size_t len;

    if (!buf)
        abort();
    n = pn_cli_args(cli, argc, argv, options, words, 64);
    if (n < 0)
        goto usage;
    if (pn_cli_recipients(cli, words, n, to) < 0)
        goto usage;
    if (!*to) {
        pn_cli_usage(cli, "to whom was it? (--recipient ADDRESS)");
        goto usage;
    }
    if (isatty(STDIN_FILENO))
        fputs("postern: reading the message from the terminal, Ctrl-D ends it\n", stderr);
    args = json_object();
    pn_cli_put(args, "sender", sender);
    pn_cli_put(args, "recipients", to);
    pn_cli_put(args, "reason", reason);
    pn_cli_put(args, "rule", rule);
    pn_cli_put(args, "gateway", gateway);
    pn_cli_put(args, "event", event);
    pn_cli_put(args, "direction", direction);
    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        json_object_set_new(args, "size_bytes", json_integer((json_int_t)st.st_size));
    status = pn_cli_call(cli, "quarantine add begin", args, &r);
    if (status == PN_EXIT_OK) {
        number = (long long)pn_ji(r, "number");
        json_decref(r);
        while (status == PN_EXIT_OK && (len = read_piece(buf, PN_QCLIENT_PIECE_BYTES, &failed)) > 0 && !failed)
            status = send_piece(cli, number, buf, len);
        if (failed) {
            fprintf(stderr, "postern: standard input: %s\n", strerror(errno));
            status = PN_EXIT_FAILED;
        }
    }
    if (status == PN_EXIT_OK)
        status = pn_cli_call(cli, "quarantine add end", json_pack("{s:I}", "number", (json_int_t)number), &r);
    free(buf);
    if (status != PN_EXIT_OK)
        return status;
    if (cli->json)
        return pn_cli_print_json(r);
    printf("in quarantine as number %lld of this node, SHA-256 %s\n", (long long)pn_ji(r, "sequence"),
           pn_js(r, "sha256"));
    json_decref(r);
    return PN_EXIT_OK;
usage:
    free(buf);
    return PN_EXIT_USAGE;
}
