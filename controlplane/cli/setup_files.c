/* SPDX-License-Identifier: BSD-3-Clause */
/* The persistent forms, as files. Pure. */
#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/setup.h"

const struct pn_setup_sysctl pn_setup_sysctls[] = {
    {"net.ipv4.conf.all.arp_ignore", "1"}, /* answer ARP only for addresses of the interface that was asked */
    {"net.ipv4.conf.all.arp_announce", "2"}, /* and ask with such an address only */
};
const unsigned pn_setup_n_sysctls = sizeof(pn_setup_sysctls) / sizeof(pn_setup_sysctls[0]);

bool pn_setup_on_loopback(const struct pn_setup *s)
{
    return strcmp(s->interface, PN_SETUP_LOOPBACK) == 0;
}

static const char made_by[] = "# Made by `postern gateway setup`: addresses for direct server return.\n";

static void sysctl_text(const struct pn_setup *s, FILE *out)
{
    (void)s;
    fputs(made_by, out);
    for (unsigned i = 0; i < pn_setup_n_sysctls; i++)
        fprintf(out, "%s = %s\n", pn_setup_sysctls[i].name, pn_setup_sysctls[i].value);
}

static void netdev_text(const struct pn_setup *s, FILE *out)
{
    fprintf(out, "%s[NetDev]\nName=%s\nKind=dummy\n", made_by, s->interface);
}

static void network_text(const struct pn_setup *s, FILE *out)
{
    fprintf(out,
            "%s[Match]\nName=%s\n\n[Link]\nARP=no\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
            "ConfigureWithoutCarrier=yes\n",
            made_by, s->interface);
    for (unsigned i = 0; i < s->n; i++) {
        fprintf(out, "\n[Address]\nAddress=%s/%d\n", s->vips[i].text, s->vips[i].v4 ? 32 : 128);
        if (!s->vips[i].v4)
            fputs("DuplicateAddressDetection=none\nPreferredLifetime=0\n", out);
    }
}

static void ifupdown_text(const struct pn_setup *s, FILE *out)
{
    fprintf(out, "%sauto %s\niface %s inet manual\n", made_by, s->interface, s->interface);
    for (unsigned i = 0; i < pn_setup_n_sysctls; i++)
        fprintf(out, "    pre-up sysctl -q -w %s=%s\n", pn_setup_sysctls[i].name, pn_setup_sysctls[i].value);
    fprintf(out, "    pre-up ip link add %s type dummy || true\n    up ip link set %s arp off up\n", s->interface,
            s->interface);
    for (unsigned i = 0; i < s->n; i++)
        fprintf(out, "    up ip %saddr replace %s/%d dev %s%s\n", s->vips[i].v4 ? "" : "-6 ", s->vips[i].text,
                s->vips[i].v4 ? 32 : 128, s->interface, s->vips[i].v4 ? "" : " nodad preferred_lft 0");
    fprintf(out, "    post-down ip link del %s || true\n", s->interface);
}

static void script_text(const struct pn_setup *s, FILE *out)
{
    fprintf(out, "#!/bin/sh\n%s# Run it at boot, before the mail server. Running it again changes nothing.\nset -e\n",
            made_by);
    for (unsigned i = 0; i < pn_setup_n_sysctls; i++)
        fprintf(out, "sysctl -q -w %s=%s\n", pn_setup_sysctls[i].name, pn_setup_sysctls[i].value);
    if (!pn_setup_on_loopback(s))
        fprintf(out, "[ -e /sys/class/net/%s ] || ip link add %s type dummy\nip link set %s arp off up\n", s->interface,
                s->interface, s->interface);
    for (unsigned i = 0; i < s->n; i++)
        fprintf(out, "ip %saddr replace %s/%d dev %s%s\n", s->vips[i].v4 ? "" : "-6 ", s->vips[i].text,
                s->vips[i].v4 ? 32 : 128, s->interface, s->vips[i].v4 ? "" : " nodad preferred_lft 0");
}

static const struct {
    enum pn_setup_persist form;
    const char *path; /* %s: the interface */
    unsigned mode;
    void (*write)(const struct pn_setup *s, FILE *out);
} files[] = {
    {PN_PERSIST_NETWORKD, "/etc/sysctl.d/60-%s.conf", 0644, sysctl_text},
    {PN_PERSIST_NETWORKD, "/etc/systemd/network/60-%s.netdev", 0644, netdev_text},
    {PN_PERSIST_NETWORKD, "/etc/systemd/network/60-%s.network", 0644, network_text},
    {PN_PERSIST_IFUPDOWN, "/etc/network/interfaces.d/%s", 0644, ifupdown_text},
    {PN_PERSIST_SCRIPT, "/usr/local/sbin/%s-setup", 0755, script_text},
};

static void path_of(const char *pattern, const char *interface, char *path, size_t size)
{
    const char *at = strstr(pattern, "%s");
    snprintf(path, size, "%.*s%s%s", (int)(at - pattern), pattern, interface, at + 2);
}

bool pn_setup_file(const struct pn_setup *s, unsigned n, struct pn_setup_file *file)
{
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t len;
        FILE *out;

        if (files[i].form != s->persist || n-- != 0)
            continue;
        path_of(files[i].path, s->interface, file->path, sizeof(file->path));
        file->mode = files[i].mode;
        file->text = NULL;
        out = open_memstream(&file->text, &len);
        if (!out)
            return false;
        files[i].write(s, out);
        fclose(out);
        return file->text != NULL;
    }
    return false;
}
