/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ports/netif.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int pn_netif_index(const char *ifname)
{
    return (int)if_nametoindex(ifname);
}

bool pn_netif_may_admin(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    /* Who cannot be asked is let go on: the kernel decides. */
    return syscall(SYS_capget, &header, data) != 0 || (data[0].effective & (1u << CAP_NET_ADMIN));
}

/* ioctl on an interface; keeps errno. */
static int netif_ioctl(const char *ifname, unsigned long request, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
    int rc = ioctl(fd, request, ifr);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

int pn_netif_up(const char *ifname)
{
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    if (netif_ioctl(ifname, SIOCGIFFLAGS, &ifr))
        return -1;
    if (ifr.ifr_flags & IFF_UP)
        return 0;
    ifr.ifr_flags |= IFF_UP;
    return netif_ioctl(ifname, SIOCSIFFLAGS, &ifr);
}

bool pn_netif_running(const char *ifname)
{
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    if (netif_ioctl(ifname, SIOCGIFFLAGS, &ifr))
        return false;
    return (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

unsigned pn_netif_queues(const char *ifname)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    ifr.ifr_data = (void *)&channels;
    if (netif_ioctl(ifname, SIOCETHTOOL, &ifr))
        return 1;
    unsigned n = channels.combined_count + channels.rx_count;
    return n ? n : 1;
}

int pn_netif_rx_vlan_keep(const char *ifname)
{
    struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    ifr.ifr_data = (void *)&value;
    if (netif_ioctl(ifname, SIOCETHTOOL, &ifr))
        return errno == EOPNOTSUPP ? 0 : -1;
    if (!(value.data & ETH_FLAG_RXVLAN))
        return 0;
    value.cmd = ETHTOOL_SFLAGS;
    value.data &= ~(uint32_t)ETH_FLAG_RXVLAN;
    return netif_ioctl(ifname, SIOCETHTOOL, &ifr);
}

static int sysctl_open(const char *family, const char *ifname, const char *key, int flags)
{
    char path[128];
    int n = snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, key);
    if (n < 0 || (size_t)n >= sizeof(path) || strchr(ifname, '/')) {
        errno = EINVAL;
        return -1;
    }
    return open(path, flags | O_CLOEXEC);
}

int pn_netif_sysctl_set(const char *family, const char *ifname, const char *key, int value)
{
    int fd = sysctl_open(family, ifname, key, O_WRONLY);
    if (fd < 0)
        return -1;
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", value);
    ssize_t rc = write(fd, text, (size_t)n);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc == n ? 0 : -1;
}

int pn_netif_sysctl_get(const char *family, const char *ifname, const char *key, int *value)
{
    int fd = sysctl_open(family, ifname, key, O_RDONLY);
    if (fd < 0)
        return -1;
    char text[16];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = 0;
    *value = atoi(text);
    return 0;
}

/* Anyone may take a name or be in the way of who asks: only root's processes and our own are believed. */
static bool claim_held(int fd, const struct sockaddr_un *name, socklen_t len)
{
    struct ucred cred;
    socklen_t cred_len = sizeof(cred);
    if (connect(fd, (const struct sockaddr *)name, len) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) ||
        cred_len != sizeof(cred))
        return false;
    return cred.uid == 0 || cred.uid == geteuid();
}

int pn_netif_claim(int ifindex)
{
    /* An abstract name: like the interface it belongs to the network namespace, and it ends with its process. */
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "postern-dp/interface/%d", ifindex);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&name, len) == 0 && listen(fd, SOMAXCONN) == 0)
        return 0; /* the descriptor stays open */
    int saved = errno;
    if (saved == EADDRINUSE && claim_held(fd, &name, len))
        saved = EBUSY;
    close(fd);
    errno = saved;
    return -1;
}

int pn_netif_member_open(int ifindex)
{
    /* Protocol 0: no frame is ever queued here. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
    if (bind(fd, (struct sockaddr *)&ll, sizeof(ll))) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int pn_netif_member_allmulti(int fd, int ifindex)
{
    struct packet_mreq req = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_ALLMULTI};
    return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req));
}

int pn_netif_member_mac(int fd, int ifindex, const struct pn_mac *mac, bool join)
{
    struct packet_mreq req = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_UNICAST, .mr_alen = 6};
    memcpy(req.mr_address, mac->b, 6);
    return setsockopt(fd, SOL_PACKET, join ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, &req, sizeof(req));
}

static int sysfs_open(const char *ifname, const char *name)
{
    char path[96];
    snprintf(path, sizeof(path), "/sys/class/net/%s/%s", ifname, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int pn_netif_frames_open(const char *ifname, int ifindex)
{
    uint64_t index = 0;
    int fd = sysfs_open(ifname, "ifindex");
    int rc = pn_netif_frames(fd, &index);
    if (fd >= 0)
        close(fd);
    if (rc)
        return -1;
    if (index != (uint64_t)ifindex) {
        errno = ENODEV;
        return -1;
    }
    return sysfs_open(ifname, "statistics/rx_packets");
}

int pn_netif_frames(int fd, uint64_t *frames)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    *frames = strtoull(text, NULL, 10);
    return 0;
}
