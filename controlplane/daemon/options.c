/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/options.h"

#include <getopt.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/api/api.h"

enum {
    OPT_DP_SOCKET = 256,
    OPT_SOCKET,
    OPT_SOCKET_MODE,
    OPT_STATE_DIR,
    OPT_CHECK,
    OPT_DP_ARGS,
    OPT_USER,
    OPT_NO_CONFINE,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"node", required_argument, NULL, 'n'},
    {"foreground", no_argument, NULL, 'f'},
    {"dp-socket", required_argument, NULL, OPT_DP_SOCKET},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"socket-mode", required_argument, NULL, OPT_SOCKET_MODE},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"user", required_argument, NULL, OPT_USER},
    {"no-sandbox", no_argument, NULL, OPT_NO_CONFINE},
    {"check", no_argument, NULL, OPT_CHECK},
    {"dataplane-args", optional_argument, NULL, OPT_DP_ARGS},
    {"log-level", required_argument, NULL, 'l'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void pn_daemon_usage(FILE *out)
{
    fputs("usage: posternd [options]\n"
          "  -c, --config FILE        configuration (" PN_CONF_DEFAULT ")\n"
          "  -n, --node NAME          this machine's node in it (the host's name, or the only node)\n"
          "      --dp-socket PATH     of postern-dp (" PN_DP_SOCKET_DEFAULT ")\n"
          "      --socket PATH        for the command line (" PN_API_DEFAULT_SOCKET ")\n"
          "      --socket-mode MODE   of that socket, octal (0666: everybody may read, group postern may change)\n"
          "      --state-dir DIR      where orders are kept (" PN_STATE_DIR_DEFAULT ")\n"
          "      --user NAME          become this user once everything is open\n"
          "      --no-sandbox         keep capabilities and system calls\n"
          "  -l, --log-level LEVEL    error, warning, notice, info, debug (info)\n"
          "  -f, --foreground         the default: posternd never goes to the background\n"
          "      --check              read the configuration, say what is wrong with it, and stop\n"
          "      --dataplane-args [FILE]  write postern-dp's arguments for this node, and stop\n"
          "  -V, --version  -h, --help\n",
          out);
}

static int parse_mode(const char *text, mode_t *mode, struct pn_error *err)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);

    if (*text < '0' || *text > '7' || *end || value > 0777)
        return pn_error_set(err, "--socket-mode %s: not an octal mode such as 0660", text);
    *mode = (mode_t)value;
    return 0;
}

int pn_daemon_options_parse(struct pn_daemon_options *o, int argc, char *argv[], struct pn_error *err)
{
    int c;

    *o = (struct pn_daemon_options){.mode = PN_DAEMON_RUN,
                                    .config = PN_CONF_DEFAULT,
                                    .dp_socket = PN_DP_SOCKET_DEFAULT,
                                    .socket = PN_API_DEFAULT_SOCKET,
                                    .socket_mode = 0666,
                                    .state_dir = PN_STATE_DIR_DEFAULT,
                                    .log_level = PN_LOG_INFO,
                                    .realtime = true,
                                    .confine = true};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:n:fl:Vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'n':
            o->node = optarg;
            break;
        case 'f':
            break;
        case OPT_DP_SOCKET:
            o->dp_socket = optarg;
            break;
        case OPT_SOCKET:
            o->socket = optarg;
            break;
        case OPT_SOCKET_MODE:
            if (parse_mode(optarg, &o->socket_mode, err) < 0)
                return -1;
            break;
        case OPT_STATE_DIR:
            o->state_dir = optarg;
            break;
        case OPT_USER:
            o->user = optarg;
            break;
        case OPT_NO_CONFINE:
            o->confine = false;
            break;
        case OPT_CHECK:
            o->mode = PN_DAEMON_CHECK;
            break;
        case OPT_DP_ARGS:
            o->mode = PN_DAEMON_DP_ARGS;
            o->dp_args_file = optarg;
            /* "--dataplane-args FILE" as well as "--dataplane-args=FILE". */
            if (!optarg && optind < argc && argv[optind][0] != '-')
                o->dp_args_file = argv[optind++];
            break;
        case 'l':
            o->log_level = pn_log_level_parse(optarg);
            if (o->log_level < 0)
                return pn_error_set(err, "--log-level %s: not error, warning, notice, info or debug", optarg);
            break;
        case 'V':
            o->mode = PN_DAEMON_VERSION;
            return 0;
        case 'h':
            o->mode = PN_DAEMON_HELP;
            return 0;
        case ':':
            return pn_error_set(err, "option %s needs a value", argv[optind - 1]);
        default:
            return pn_error_set(err, "unknown option %s", argv[optind - 1]);
        }
    }
    if (optind < argc)
        return pn_error_set(err, "unexpected argument %s", argv[optind]);
    return 0;
}
