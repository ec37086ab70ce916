/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ports/xdp_maps.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "common/error.h"
#include "common/log.h"

#define BPF_FS_MAGIC_NUMBER 0xcafe4a11
#define PIN_ROOT "/sys/fs/bpf"
#define PIN_FOLDER PIN_ROOT "/postern"

/* Id of the program on the interface and the mode it runs in; 0: none. */
static uint32_t attached_id(int ifindex, uint32_t *mode_flags)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, opts);
    *mode_flags = 0;
    if (bpf_xdp_query(ifindex, 0, &opts))
        return 0;
    if (opts.drv_prog_id) {
        *mode_flags = XDP_FLAGS_DRV_MODE;
        return opts.drv_prog_id;
    }
    if (opts.skb_prog_id) {
        *mode_flags = XDP_FLAGS_SKB_MODE;
        return opts.skb_prog_id;
    }
    if (opts.hw_prog_id)
        *mode_flags = XDP_FLAGS_HW_MODE;
    return opts.hw_prog_id ? opts.hw_prog_id : opts.prog_id;
}

static int prog_info(uint32_t id, struct bpf_prog_info *info, uint32_t *map_ids, uint32_t n_map_ids)
{
    int fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0)
        return -1;
    memset(info, 0, sizeof(*info));
    info->map_ids = (uint64_t)(uintptr_t)map_ids;
    info->nr_map_ids = n_map_ids;
    uint32_t len = sizeof(*info);
    int rc = bpf_obj_get_info_by_fd(fd, info, &len);
    close(fd);
    return rc ? -1 : 0;
}

/* A map's descriptor and description; -1: it cannot be had. */
static int map_open(uint32_t id, struct bpf_map_info *info)
{
    uint32_t len = sizeof(*info);
    int fd = bpf_map_get_fd_by_id(id);
    memset(info, 0, sizeof(*info));
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &len)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool is_vip_map(const struct bpf_map_info *map)
{
    return !strcmp(map->name, PN_XDP_MAP_VIPS) && map->key_size == sizeof(struct pn_xdp_vip_key) &&
           map->value_size == sizeof(struct pn_xdp_vip_value);
}

static void heritage_take(struct pn_xdp_heritage *h, const uint32_t *map_ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct bpf_map_info map;
        struct pn_xdp_vip_key key, *before = NULL;
        struct pn_xdp_vip_value value;
        int fd = map_open(map_ids[i], &map);
        while (fd >= 0 && is_vip_map(&map) && h->n < PN_XDP_VIPS_MAX && bpf_map_get_next_key(fd, before, &key) == 0) {
            before = &key;
            if (bpf_map_lookup_elem(fd, &key, &value))
                continue;
            memcpy(h->addr[h->n].b, key.addr, sizeof(key.addr));
            h->vip[h->n++] = value.vip;
        }
        if (fd >= 0)
            close(fd);
    }
}

/* Our own program's id, what it has, and how it is attached; 0: there is none. -1: a foreign one, or it cannot be read. */
static int own_find(int ifindex, const char *ifname, struct bpf_prog_info *info, uint32_t *map_ids, uint32_t n_map_ids,
                    uint32_t *flags, struct pn_error *err)
{
    uint32_t id = attached_id(ifindex, flags);
    if (!id)
        return 0;
    if (prog_info(id, info, map_ids, n_map_ids))
        return pn_error_set(err, "interface %s: XDP program %u cannot be read: %s", ifname, id, strerror(errno));
    if (strcmp(info->name, PN_XDP_PROGRAM))
        return pn_error_set(err, "interface %s: a foreign XDP program (%s, id %u) is attached; take it off first",
                            ifname, info->name, id);
    return (int)id;
}

int pn_xdp_check_foreign(int ifindex, const char *ifname, struct pn_error *err)
{
    struct bpf_prog_info info;
    uint32_t flags;
    return own_find(ifindex, ifname, &info, NULL, 0, &flags, err) < 0 ? -1 : 0;
}

int pn_xdp_clear_stale(int ifindex, const char *ifname, struct pn_xdp_heritage *heritage, struct pn_error *err)
{
    struct bpf_prog_info info;
    uint32_t flags, map_ids[8] = {0};
    int id = own_find(ifindex, ifname, &info, map_ids, 8, &flags, err);
    if (id <= 0)
        return id;
    if (heritage)
        heritage_take(heritage, map_ids, info.nr_map_ids < 8 ? info.nr_map_ids : 8);
    if (bpf_xdp_detach(ifindex, flags, NULL))
        return pn_error_set(err, "interface %s: detaching XDP program %d: %s", ifname, id, strerror(errno));
    pn_log_notice("interface %s: took off the XDP program that an earlier postern-dp left (id %d)", ifname, id);
    return 1;
}

/* A bpffs at PIN_ROOT, mounted if need be: `ip netns exec` gives a process a bare /sys. */
static int pin_folder_make(void)
{
    struct statfs fs;
    if (statfs(PIN_ROOT, &fs))
        return -1;
    if ((uint32_t)fs.f_type != BPF_FS_MAGIC_NUMBER && mount("bpf", PIN_ROOT, "bpf", 0, "mode=0700"))
        return -1;
    return mkdir(PIN_FOLDER, 0700) && errno != EEXIST ? -1 : 0;
}

static void pin(struct pn_xdp_maps *m, const char *ifname)
{
    struct stat ns;
    /* Interfaces of the same name live in many network namespaces, and they may share one bpffs. */
    if (stat("/proc/self/ns/net", &ns) || pin_folder_make()) {
        pn_log_info("interface %s: VIP map not pinned: %s", ifname, strerror(errno));
        return;
    }
    snprintf(m->pin_path, sizeof(m->pin_path), PIN_FOLDER "/%s-%llu-vips", ifname, (unsigned long long)ns.st_ino);
    unlink(m->pin_path);
    if (bpf_obj_pin(m->vips_fd, m->pin_path)) {
        pn_log_info("interface %s: VIP map not pinned at %s: %s", ifname, m->pin_path, strerror(errno));
        m->pin_path[0] = 0;
    }
}

int pn_xdp_maps_open(struct pn_xdp_maps *m, int ifindex, const char *ifname, struct pn_error *err)
{
    memset(m, 0, sizeof(*m));
    m->vips_fd = m->control_fd = m->addrs_fd = m->prog_fd = -1;

    uint32_t flags, map_ids[8] = {0};
    struct bpf_prog_info info;
    m->prog_id = attached_id(ifindex, &flags);
    if (!m->prog_id || prog_info(m->prog_id, &info, map_ids, 8))
        return pn_error_set(err, "interface %s: no XDP program there after start", ifname);
    for (uint32_t i = 0; i < info.nr_map_ids && i < 8; i++) {
        struct bpf_map_info map;
        int fd = map_open(map_ids[i], &map);
        if (fd < 0)
            continue;
        if (is_vip_map(&map))
            m->vips_fd = fd;
        else if (!strcmp(map.name, PN_XDP_MAP_CONTROL) && map.value_size == sizeof(struct pn_xdp_control))
            m->control_fd = fd;
        else if (!strcmp(map.name, PN_XDP_MAP_ADDRS) && map.key_size == sizeof(struct pn_xdp_vip_key))
            m->addrs_fd = fd;
        else
            close(fd);
    }
    const char *missing = m->vips_fd < 0      ? PN_XDP_MAP_VIPS
                          : m->control_fd < 0 ? PN_XDP_MAP_CONTROL
                          : m->addrs_fd < 0   ? PN_XDP_MAP_ADDRS
                                              : NULL;
    if (missing) {
        pn_xdp_maps_close(m);
        return pn_error_set(err, "interface %s: XDP program %u has no map %s of the expected shape", ifname, m->prog_id,
                            missing);
    }
    m->prog_fd = bpf_prog_get_fd_by_id(m->prog_id); /* later we have no right to */
    m->mode_flags = flags;
    pin(m, ifname);
    pn_log_info("interface %s: XDP program %u attached, %s mode%s%s", ifname, m->prog_id,
                flags == XDP_FLAGS_DRV_MODE ? "native" : "generic", m->pin_path[0] ? ", VIPs in " : "", m->pin_path);
    return 0;
}

void pn_xdp_maps_close(struct pn_xdp_maps *m)
{
    if (m->pin_path[0])
        unlink(m->pin_path);
    if (m->vips_fd >= 0)
        close(m->vips_fd);
    if (m->control_fd >= 0)
        close(m->control_fd);
    if (m->addrs_fd >= 0)
        close(m->addrs_fd);
    if (m->prog_fd >= 0)
        close(m->prog_fd);
    m->vips_fd = m->control_fd = m->addrs_fd = m->prog_fd = -1;
    m->pin_path[0] = 0;
}

void pn_xdp_detach(const struct pn_xdp_maps *m, int ifindex)
{
    uint32_t flags;
    if (m->prog_id && attached_id(ifindex, &flags) == m->prog_id)
        bpf_xdp_detach(ifindex, flags, NULL);
}

int pn_xdp_attach_again(const struct pn_xdp_maps *m, int ifindex)
{
    uint32_t flags, id = attached_id(ifindex, &flags);
    if (!m->prog_id || id == m->prog_id)
        return 0;
    if (id || m->prog_fd < 0) {
        errno = id ? EEXIST : EBADF;
        return -1;
    }
    return bpf_xdp_attach(ifindex, m->prog_fd, m->mode_flags | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL) ? -1 : 1;
}

static int vip_find(const struct pn_xdp_maps *m, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < m->n_vips; i++) {
        if (pn_addr_equal(&m->vips[i], addr))
            return (int)i;
    }
    return -1;
}

bool pn_xdp_vip_known(const struct pn_xdp_maps *m, const struct pn_addr *addr)
{
    return vip_find(m, addr) >= 0;
}

int pn_xdp_vip_add(struct pn_xdp_maps *m, const struct pn_addr *addr, uint16_t vip)
{
    struct pn_xdp_vip_key key;
    struct pn_xdp_vip_value value = {.vip = vip};
    memcpy(key.addr, addr->b, sizeof(key.addr));
    if (bpf_map_update_elem(m->vips_fd, &key, &value, BPF_ANY))
        return -1;
    if (vip_find(m, addr) < 0 && m->n_vips < PN_XDP_VIPS_MAX)
        m->vips[m->n_vips++] = *addr;
    return 0;
}

int pn_xdp_vip_remove(struct pn_xdp_maps *m, const struct pn_addr *addr)
{
    struct pn_xdp_vip_key key;
    memcpy(key.addr, addr->b, sizeof(key.addr));
    if (bpf_map_delete_elem(m->vips_fd, &key) && errno != ENOENT)
        return -1;
    int i = vip_find(m, addr);
    if (i >= 0)
        m->vips[i] = m->vips[--m->n_vips];
    return 0;
}

static bool control_has(const struct pn_dp_control *control, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < control->n_addrs; i++) {
        if (pn_addr_equal(&control->addrs[i], addr))
            return true;
    }
    return false;
}

int pn_xdp_control_set(struct pn_xdp_maps *m, const struct pn_dp_control *control)
{
    struct pn_xdp_vip_key key;
    const struct pn_xdp_vip_value value = {0};
    const struct pn_xdp_control ports = {.udp_port_be = htobe16(control->heartbeat_udp_port), .vrrp = control->vrrp};
    const uint32_t zero = 0;
    int rc = 0;

    for (unsigned i = m->n_addrs; i-- > 0;) {
        if (control_has(control, &m->addrs[i]))
            continue;
        memcpy(key.addr, m->addrs[i].b, sizeof(key.addr));
        rc |= bpf_map_delete_elem(m->addrs_fd, &key) && errno != ENOENT;
        m->addrs[i] = m->addrs[--m->n_addrs];
    }
    m->n_addrs = 0;
    for (unsigned i = 0; i < control->n_addrs; i++) {
        memcpy(key.addr, control->addrs[i].b, sizeof(key.addr));
        rc |= bpf_map_update_elem(m->addrs_fd, &key, &value, BPF_ANY) != 0;
        m->addrs[m->n_addrs++] = control->addrs[i];
    }
    rc |= bpf_map_update_elem(m->control_fd, &zero, &ports, BPF_ANY) != 0;
    return rc ? -1 : 0;
}
