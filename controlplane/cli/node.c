/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes together: node list and hold, vip move and force, keys. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "controlplane/cli/cli.h"
#include "controlplane/vip/keys.h"

#define HOLD_STEP_US 10000u
#define HOLD_WAIT_S 2

/* "lan 12 ms, direct never" */
static void path_cell(struct pn_table *t, const json_t *paths)
{
    char text[160] = "", buf[PN_FMT_BYTES];
    bool silent = false;
    size_t i, at = 0;
    json_t *p;

    json_array_foreach((json_t *)(uintptr_t)paths, i, p)
    {
        if (at < sizeof(text))
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s", i ? ", " : "", pn_js(p, "name"),
                                   pn_jnull(p, "heard_ago_ms") ? "never"
                                                               : pn_fmt_duration(pn_ji(p, "heard_ago_ms"), buf));
        silent |= !pn_jb(p, "heard");
    }
    pn_table_cell(t, silent ? PN_RED : PN_PLAIN, "%s", text);
}

void pn_node_table(const struct pn_cli *cli, const json_t *nodes, FILE *out)
{
    char buf[PN_FMT_BYTES];
    bool paths = false;
    json_t *n;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)nodes, i, n) paths |= json_array_size(pn_jo(n, "paths")) > 1;
    struct pn_table *t = pn_table_new(cli, "NODE", "STATE", ">HEARD", ">VIPS", ">HEARTBEATS", ">STARTS", "SYNC",
                                      ">SYNC-AGE", "CONFIGURATION", paths ? "PATHS" : NULL, NULL);
    json_array_foreach((json_t *)(uintptr_t)nodes, i, n)
    {
        bool self = pn_jb(n, "self"), heard = pn_jb(n, "heard");
        const char *state = pn_jb(n, "standby") && heard ? "standby"
                            : self                       ? "this node"
                            : heard                      ? "alive"
                                                         : "not heard";
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(n, "name"));
        pn_table_cell(t, !heard ? PN_RED : pn_jb(n, "standby") ? PN_YELLOW : PN_GREEN, "%s", state);
        pn_table_cell(t, PN_PLAIN, "%s",
                      self                          ? ""
                      : pn_jnull(n, "heard_ago_ms") ? "never"
                                                    : pn_fmt_duration(pn_ji(n, "heard_ago_ms"), buf));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(n, "vips_owned"));
        if (self) {
            for (unsigned c = 0; c < 5u + paths; c++)
                pn_table_cell(t, PN_PLAIN, "%s", "");
            continue;
        }
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(n, "received"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(n, "starts"));
        pn_table_cell(t, heard && strcmp(pn_js(n, "sync"), "done") != 0 ? PN_YELLOW : PN_PLAIN, "%s", pn_js(n, "sync"));
        pn_table_cell(t, PN_PLAIN, "%s",
                      pn_jnull(n, "sync_ago_ms") ? "" : pn_fmt_duration(pn_ji(n, "sync_ago_ms"), buf));
        pn_table_cell(t, pn_jb(n, "same_configuration") ? PN_PLAIN : PN_YELLOW, "%s",
                      !heard                           ? ""
                      : pn_jb(n, "same_configuration") ? "same"
                                                       : "another");
        if (paths)
            path_cell(t, pn_jo(n, "paths"));
    }
    pn_table_print(t, out);
}

int pn_cli_node_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r, *count;
    const json_t *beats, *sync, *hold;
    const char *reason;
    char buf[PN_FMT_BYTES];
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "node list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    beats = pn_jo(r, "heartbeats");
    sync = pn_jo(r, "sync");
    hold = pn_jo(r, "hold");
    pn_node_table(cli, pn_jo(r, "nodes"), stdout);
    if (json_array_size(pn_jo(r, "nodes")) > 1) {
        printf("\nheartbeats: %lld sent, %lld skipped, at most %.1f ms late%s\n", (long long)pn_ji(beats, "sent"),
               (long long)pn_ji(beats, "skipped"), (double)pn_ji(beats, "late_us_max") / 1e3,
               pn_jb(beats, "realtime") ? "" : " (without real-time priority)");
        json_object_foreach(pn_jo(beats, "refused"), reason, count)
        {
            if (json_integer_value(count))
                printf("refused: %lld %s\n", (long long)json_integer_value(count), reason);
        }
        printf("flow sync: %s, %lld sent, %lld received, %lld dropped, %lld unknown\n",
               pn_jb(sync, "complete") ? "complete" : "waiting", (long long)pn_ji(sync, "flows_sent"),
               (long long)pn_ji(sync, "flows_received"),
               (long long)(pn_ji(sync, "flows_dropped_out") + pn_ji(sync, "flows_dropped_in")),
               (long long)pn_ji(sync, "flows_unknown"));
        if (pn_ji(hold, "ms"))
            printf("hold: %s, for %s\n", pn_jb(hold, "granted") ? "granted by all that are heard" : "asked for",
                   pn_fmt_duration(pn_ji(hold, "left_ms"), buf));
    }
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_node_hold(struct pn_cli *cli, int argc, char *argv[])
{
    const char *text = NULL, *timeout_text = NULL;
    const struct pn_cli_option options[] = {{"timeout", 't', &timeout_text, NULL}, {NULL, 0, NULL, NULL}};
    long seconds = 0, timeout_s = HOLD_WAIT_S;
    bool granted = false;
    json_t *r;
    int n = pn_cli_args(cli, argc, argv, options, &text, 1), status;
    char digits[16];

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "for how many seconds?");
    snprintf(digits, sizeof(digits), "%s", text);
    digits[strcspn(digits, "s")] = '\0'; /* 10s as well as 10 */
    if ((strcmp(text, "off") != 0 && pn_cli_number(cli, "seconds", digits, 1, 60, &seconds) < 0) ||
        (timeout_text && pn_cli_number(cli, "timeout", timeout_text, 1, 60, &timeout_s) < 0))
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "node hold", json_pack("{s:I}", "ms", (json_int_t)seconds * 1000), &r);
    if (status != PN_EXIT_OK)
        return status;
    for (long waited_us = 0; seconds && !granted && waited_us < timeout_s * 1000000; waited_us += HOLD_STEP_US) {
        json_decref(r);
        usleep(HOLD_STEP_US);
        status = pn_cli_call(cli, "node list", NULL, &r);
        if (status != PN_EXIT_OK)
            return status;
        granted = pn_jb(pn_jo(r, "hold"), "granted");
    }
    json_decref(r);
    if (cli->json)
        pn_cli_print_json(json_pack("{s:I, s:b}", "seconds", (json_int_t)seconds, "granted", granted));
    else if (!seconds)
        puts("hold ended");
    else if (granted)
        printf("granted: restart posternd within %ld s, the other nodes wait for it\n", seconds);
    if (seconds && !granted) {
        fprintf(stderr, "postern: a node has not agreed within %ld s\n", timeout_s);
        return PN_EXIT_TIMEOUT;
    }
    return PN_EXIT_OK;
}

static int vip_order(struct pn_cli *cli, const char *command, json_t *args)
{
    json_t *r;
    const json_t *v;
    int status = pn_cli_get(cli, command, args, &r);

    if (status != PN_EXIT_OK || !r)
        return status;
    v = pn_jo(r, "vip");
    printf("vip %s: %s here (%s)\n", pn_js(v, "name"), pn_js(v, "state"), pn_js(v, "reason"));
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_vip_move(struct pn_cli *cli, int argc, char *argv[])
{
    const char *pos[2] = {NULL, NULL};
    int n = pn_cli_args(cli, argc, argv, NULL, pos, 2);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which VIP?");
    return vip_order(cli, "vip move",
                     pos[1] ? json_pack("{s:s, s:s}", "name", pos[0], "node", pos[1])
                            : json_pack("{s:s}", "name", pos[0]));
}

int pn_cli_vip_force(struct pn_cli *cli, int argc, char *argv[])
{
    const char *name = NULL;
    int n = pn_cli_args(cli, argc, argv, NULL, &name, 1);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which VIP?");
    return vip_order(cli, "vip force", json_pack("{s:s}", "name", name));
}

/* ---- keys ---- */

static int keys_append(const char *path, struct pn_seal_key *key)
{
    struct pn_seal_ring ring;
    struct pn_error err;
    char line[PN_KEYS_LINE_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;

    key->id = 1;
    key->send = true;
    if (fd < 0 && errno == EEXIST) {
        if (pn_keys_load(path, &ring, &err) < 0) {
            fprintf(stderr, "postern: %s\n", err.text);
            return PN_EXIT_FAILED;
        }
        if (ring.n_keys == PN_KEYS_FILE_MAX) {
            fprintf(stderr, "postern: %s has %u keys already: remove an old one first\n", path, ring.n_keys);
            return PN_EXIT_FAILED;
        }
        key->send = false;
        for (unsigned i = 0; i < ring.n_keys; i++)
            if (ring.keys[i].id >= key->id && ring.keys[i].id < 255)
                key->id = (uint8_t)(ring.keys[i].id + 1);
        pn_keys_forget(&ring);
        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    }
    pn_keys_line(key, line);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) || fsync(fd) < 0) {
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
        rc = PN_EXIT_FAILED;
    }
    OPENSSL_cleanse(line, sizeof(line));
    if (fd >= 0)
        close(fd);
    if (rc == 0 && !key->send)
        printf(
            "%s: key %u, receive-only. Copy the file to all nodes and reload them; then make it the one to send, copy "
            "and\nreload again; then remove the old one.\n",
            path, key->id);
    else if (rc == 0)
        printf("%s: key %u. Copy the file to all nodes, mode 0600.\n", path, key->id);
    return rc;
}

int pn_cli_heartbeat_keygen(struct pn_cli *cli, int argc, char *argv[])
{
    const char *path = NULL;
    struct pn_seal_key key = {.id = 1, .send = true};
    char line[PN_KEYS_LINE_BYTES];
    int rc = PN_EXIT_OK;

    if (pn_cli_args(cli, argc, argv, NULL, &path, 1) < 0)
        return PN_EXIT_USAGE;
    if (RAND_bytes(key.secret, sizeof(key.secret)) != 1) {
        fprintf(stderr, "postern: no random numbers\n");
        return PN_EXIT_FAILED;
    }
    if (path)
        rc = keys_append(path, &key);
    else
        fputs(pn_keys_line(&key, line), stdout);
    OPENSSL_cleanse(&key, sizeof(key));
    return rc;
}
