/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cli/setup.h"

#include <stdlib.h>

static const char *const persist_name[PN_PERSIST_COUNT] = {"", "systemd-networkd", "ifupdown", "script"};

/* 0 added, 1 not an address, -1 after a message. */
static int add_vip(struct pn_cli *cli, struct pn_setup *s, const char *text)
{
    struct pn_addr addr;
    struct pn_error err;

    if (pn_addr_parse(text, &addr, &err) < 0)
        return 1;
    if (!pn_addr_is_unicast_host(&addr)) {
        pn_cli_usage(cli, "%s is no address that a host can have", text);
        return -1;
    }
    if (s->n == PN_SETUP_MAX_VIPS) {
        pn_cli_usage(cli, "more than %d addresses", PN_SETUP_MAX_VIPS);
        return -1;
    }
    pn_addr_format(&addr, s->vips[s->n].text, sizeof(s->vips[s->n].text));
    s->vips[s->n++].v4 = pn_addr_is_v4(&addr);
    return 0;
}

static int ask_vips(struct pn_cli *cli, struct pn_setup *s, const char *gateway)
{
    json_t *r, *vip;
    size_t i;
    int status = pn_cli_call(cli, "gateway vips", json_pack("{s:s}", "name", gateway), &r);

    if (status != PN_EXIT_OK)
        return status;
    json_array_foreach(pn_jo(r, "vips"), i, vip)
    {
        if (add_vip(cli, s, pn_js(vip, "address")) != 0)
            status = PN_EXIT_FAILED;
    }
    if (strcmp(pn_js(r, "mode"), "local") == 0)
        fprintf(stderr, "postern: note: %s has mode \"local\": it runs on the node itself\n", gateway);
    if (status == PN_EXIT_OK && s->n == 0) {
        fprintf(stderr, "postern: gateway %s serves no VIP: it is in no pool that a service uses\n", gateway);
        status = PN_EXIT_FAILED;
    }
    json_decref(r);
    return status;
}

static void print_commands(const struct pn_setup *s, void (*line)(void *arg, const char *text), void *arg)
{
    char text[160];

    for (unsigned i = 0; i < pn_setup_n_sysctls; i++) {
        snprintf(text, sizeof(text), "sysctl -w %s=%s", pn_setup_sysctls[i].name, pn_setup_sysctls[i].value);
        line(arg, text);
    }
    if (!pn_setup_on_loopback(s)) {
        snprintf(text, sizeof(text), "ip link add %s type dummy", s->interface);
        line(arg, text);
        snprintf(text, sizeof(text), "ip link set %s arp off up", s->interface);
        line(arg, text);
    }
    for (unsigned i = 0; i < s->n; i++) {
        snprintf(text, sizeof(text), "ip %s addr replace %s/%d dev %s%s", s->vips[i].v4 ? "-4" : "-6", s->vips[i].text,
                 s->vips[i].v4 ? 32 : 128, s->interface, s->vips[i].v4 ? "" : " nodad preferred_lft 0");
        line(arg, text);
    }
}

static void plain_line(void *arg, const char *text)
{
    fprintf(arg, "%s\n", text);
}

static void note_line(void *arg, const char *text)
{
    fprintf(arg, "# note: %s\n", text);
}

static void json_line(void *arg, const char *text)
{
    json_array_append_new(arg, json_string(text));
}

static int print_json(const struct pn_setup *s)
{
    json_t *vips = json_array(), *commands = json_array(), *notes = json_array(), *files = json_array();
    struct pn_setup_file file;

    for (unsigned i = 0; i < s->n; i++)
        json_array_append_new(vips, json_string(s->vips[i].text));
    print_commands(s, json_line, commands);
    pn_setup_notes(s, json_line, notes);
    for (unsigned i = 0; pn_setup_file(s, i, &file); i++) {
        json_array_append_new(files, json_pack("{s:s, s:s}", "path", file.path, "text", file.text));
        free(file.text);
    }
    return pn_cli_print_json(json_pack("{s:s, s:o, s:o, s:o, s:o}", "interface", s->interface, "vips", vips, "commands",
                                       commands, "files", files, "notes", notes));
}

static int print_plain(const struct pn_setup *s)
{
    struct pn_setup_file file;
    unsigned i;

    if (s->persist == PN_PERSIST_NONE) {
        puts("# On the gateway's host, as root (or there: postern gateway setup --apply --vip ADDRESS...)");
        print_commands(s, plain_line, stdout);
    }
    for (i = 0; pn_setup_file(s, i, &file); i++) {
        printf("%s# ---- %s%s\n%s", i ? "\n" : "", file.path, file.mode & 0111 ? " (executable)" : "", file.text);
        free(file.text);
    }
    pn_setup_notes(s, note_line, stdout);
    return PN_EXIT_OK;
}

static bool interface_name_ok(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 16 && name[0] != '-' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len &&
           !strchr(name, '.');
}

static int persist_parse(const char *text)
{
    for (int i = 1; i < PN_PERSIST_COUNT; i++)
        if (strcmp(persist_name[i], text) == 0)
            return i;
    return -1;
}

int pn_cli_gateway_setup(struct pn_cli *cli, int argc, char *argv[])
{
    static struct pn_setup s;
    const char *persist = NULL, *interface = PN_SETUP_INTERFACE, *pos[PN_SETUP_MAX_VIPS + 1], *gateway = NULL;
    bool vip_flag = false;
    /* --vip is a flag here: every word that is an address is a VIP, so that several may follow it. */
    const struct pn_cli_option options[] = {{"apply", 0, NULL, &s.apply},         {"undo", 0, NULL, &s.undo},
                                            {"vip", 0, NULL, &vip_flag},          {"persist", 0, &persist, NULL},
                                            {"interface", 'i', &interface, NULL}, {NULL, 0, NULL, NULL}};
    int n, status, form = 0;

    memset(&s, 0, sizeof(s));
    n = pn_cli_args(cli, argc, argv, options, pos, PN_SETUP_MAX_VIPS + 1);
    if (n < 0)
        return PN_EXIT_USAGE;
    if (s.apply && s.undo)
        return pn_cli_usage(cli, "--apply or --undo, not both");
    if (persist && (form = persist_parse(persist)) < 0)
        return pn_cli_usage(cli, "--persist %s: not systemd-networkd, ifupdown or script", persist);
    if (!interface_name_ok(interface))
        return pn_cli_usage(cli, "--interface %s: not a name for an interface", interface);
    s.persist = (enum pn_setup_persist)form;
    s.interface = interface;
    if (pn_setup_on_loopback(&s) && (s.persist == PN_PERSIST_NETWORKD || s.persist == PN_PERSIST_IFUPDOWN))
        return pn_cli_usage(cli, "--interface lo: only with --persist script");
    for (int i = 0; i < n; i++) {
        int rc = add_vip(cli, &s, pos[i]);

        if (rc < 0)
            return PN_EXIT_USAGE;
        if (rc == 0)
            continue;
        if (gateway || vip_flag)
            return pn_cli_usage(cli, "%s is not an address", pos[i]);
        gateway = pos[i];
    }
    if (gateway && (status = ask_vips(cli, &s, gateway)) != PN_EXIT_OK)
        return status;
    if (s.n == 0 && !s.undo)
        return pn_cli_usage(cli, "which addresses? a gateway's NAME (asks posternd), or --vip ADDRESS...");
    s.out = cli->json ? stderr : stdout;
    if (s.undo)
        return pn_setup_undo(&s);
    if (s.apply && (status = pn_setup_apply(&s)) != PN_EXIT_OK)
        return status;
    if (cli->json)
        return print_json(&s);
    if (!s.apply)
        return print_plain(&s);
    pn_setup_notes(&s, note_line, stdout);
    return PN_EXIT_OK;
}
