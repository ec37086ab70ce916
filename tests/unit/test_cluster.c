/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole nodes: how a cluster is made, grows, parts and heals. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/replace.h"
#include "controlplane/cluster/store.h"
#include "tests/unit/cluster_world.h"

static void test_init_and_restart(void **state)
{
    struct world *w = world_new(false);
    struct pn_cluster_status s, again;
    struct pn_error err;
    struct stat st;
    char path[300];
    (void)state;

    world_up(w, 0);
    assert_int_equal(pn_cluster_state(w->nodes[0].c), PN_CLUSTER_NONE);
    assert_int_equal(pn_cluster_rotate_keys(w->nodes[0].c, &err), -1);
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "no blanks", NULL, &err), -1);
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "test", "short", &err), -1);
    WORLD_OK(pn_cluster_init(w->nodes[0].c, "test", NULL, &world_error));
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "test", NULL, &err), -1);
    assert_int_equal(w->nodes[0].rings, 1);
    assert_int_equal(w->nodes[0].ring.n_keys, 1);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.number, 0);
    assert_string_equal(s.cluster_name, "test");
    assert_true(s.cert_until_s > 1700000000 && !s.ca_locked);
    static const char *const secret[] = {"ca.key", "node.key", "keyring", "members", "node.crt"};
    for (unsigned i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s", w->nodes[0].dir, secret[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(w->nodes[0].dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    world_down(w, 0);
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &again);
    assert_string_equal(again.id, s.id);
    assert_string_equal(again.cluster_id, s.cluster_id);
    assert_int_equal(w->nodes[0].rings, 2);
    world_free(w);
}

/* What a crash leaves behind: a damaged file is an error that names it, an identity without node.crt is none. */
static void test_damaged_files(void **state)
{
    static const char *const names[] = {"ca.crt", "node.key", "keyring", "members", "node.crt"};
    struct world *w = world_new(false);
    struct pn_error err;
    char path[300];
    (void)state;

    world_init(w, 0);
    world_down(w, 0);
    for (unsigned i = 0; i < 5; i++) {
        struct pn_bytes kept;

        assert_int_equal(pn_store_read(w->nodes[0].dir, names[i], 1 << 20, &kept, &err), 0);
        assert_int_equal(pn_file_replace(w->nodes[0].dir, names[i], kept.data, kept.len / 2, &err), 0);
        err.text[0] = '\0';
        assert_null(pn_cluster_new(&w->nodes[0].opt, NULL, NULL, &err));
        assert_non_null(strstr(err.text, names[i]));
        assert_int_equal(pn_file_replace(w->nodes[0].dir, names[i], kept.data, kept.len, &err), 0);
        pn_bytes_free(&kept);
    }
    snprintf(path, sizeof(path), "%s/node.crt", w->nodes[0].dir);
    assert_int_equal(unlink(path), 0);
    world_up(w, 0);
    assert_int_equal(pn_cluster_state(w->nodes[0].c), PN_CLUSTER_NONE);
    WORLD_OK(pn_cluster_init(w->nodes[0].c, "again", NULL, &world_error));
    world_free(w);
}

static void test_join_and_mesh(void **state)
{
    struct world *w = world_new(false);
    struct pn_cluster_status s;
    (void)state;

    world_make(w, 5);
    for (int i = 0; i < 5; i++) {
        pn_cluster_status(w->nodes[i].c, &s);
        assert_int_equal(s.active, 5);
        assert_int_equal(s.n_peers, 4);
        assert_int_equal(s.number, i);
        assert_memory_equal(&w->nodes[i].ring, &w->nodes[0].ring, sizeof(struct pn_seal_ring));
    }
    world_run(w, 300);
    for (int i = 0; i < 5; i++) {
        pn_cluster_status(w->nodes[i].c, &s);
        for (unsigned k = 0; k < s.n_peers; k++) {
            assert_true(s.peers[k].rtt_us > 0 && s.peers[k].rtt_us < 500000);
            assert_true(s.peers[k].skew_known && llabs(s.peers[k].skew_us) < 100000);
            assert_false(s.skewed[k]);
            assert_int_equal(s.peers[k].version[0], '0');
        }
    }
    for (int i = 0; i < 5; i++)
        w->nodes[i].got = 0;
    assert_int_equal(pn_transport_broadcast(pn_cluster_transport(w->nodes[2].c), PN_CHANNEL_RULES, "hello", 5), 0);
    world_run(w, 100);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(w->nodes[i].got, i != 2);
        if (i != 2)
            assert_string_equal(w->nodes[i].last, "hello");
    }
    struct pn_perimeter *p = calloc(1, sizeof(*p));
    pn_cluster_perimeter(w->nodes[4].c, p);
    char *text = pn_perimeter_export(p, PN_PERIMETER_CIDR, "test");
    assert_string_equal(text, "127.0.0.1/32\n192.0.2.0/30\n192.0.2.4/32\n");
    free(text);
    free(p);
    world_free(w);
}

static bool linked_again(struct world *w, int n)
{
    return world_all_linked(w, n);
}

static void test_restart_of_a_member(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    world_make(w, 3);
    world_down(w, 1);
    world_run(w, 200);
    assert_true(w->nodes[0].downs >= 1);
    world_up(w, 1); /* on another port: it dials, and tells */
    world_until(w, linked_again, 3, 5000);
    world_free(w);
}

static void test_partition_and_heal(void **state)
{
    struct world *w = world_new(true);
    (void)state;

    world_make(w, 4);
    world_doors(w, false);
    world_run(w, 100);
    WORLD_OK(pn_cluster_rename(w->nodes[0].c, "n3", "zero", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[1].c, "n3", "one", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[2].c, "n0", "two", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[3].c, "n1", "two", &world_error)); /* one name for two members */
    world_doors(w, true);
    world_until(w, world_all_linked, 4, 8000);
    uint64_t digest = pn_members_digest64(pn_cluster_members(w->nodes[0].c));
    for (int i = 1; i < 4; i++)
        assert_int_equal(pn_members_digest64(pn_cluster_members(w->nodes[i].c)), digest);
    assert_non_null(pn_members_named(pn_cluster_members(w->nodes[2].c), "two"));
    assert_non_null(pn_members_named(pn_cluster_members(w->nodes[2].c), "two-2"));
    world_free(w);
}

static bool proto_is(struct world *w, int proto)
{
    struct pn_transport_peer p;

    return world_peer(w, 0, 1, &p) && p.proto == proto && world_peer(w, 1, 0, &p) && p.proto == proto;
}

static bool told_version(struct world *w, int node)
{
    struct pn_transport_peer p;

    return world_peer(w, node, !node, &p) && strstr(p.reason, "protocol versions");
}

static bool heard_after(struct world *w, int node)
{
    return strcmp(w->nodes[node].last, "after") == 0;
}

static void test_versions(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    w->nodes[0].opt.proto_min = 1;
    w->nodes[0].opt.proto_max = 2;
    w->nodes[1].opt.proto_min = 2;
    w->nodes[1].opt.proto_max = 3;
    world_make(w, 2);
    assert_true(proto_is(w, 2));
    for (int i = 0; i < 2; i++) /* found again where they were */
        w->nodes[i].opt.listen[0].port = pn_cluster_port(w->nodes[i].c);
    world_down(w, 1);
    w->nodes[1].opt.proto_min = 3;
    w->nodes[1].opt.proto_max = 4;
    world_up(w, 1);
    world_until(w, told_version, 0, 3000);
    world_until(w, told_version, 1, 3000);
    /* Each release speaks its own and the one before: one node after the other, and they find each other again. */
    world_down(w, 0);
    w->nodes[0].opt.proto_min = 2;
    w->nodes[0].opt.proto_max = 3;
    world_up(w, 0);
    world_until(w, world_all_linked, 2, 5000);
    assert_true(proto_is(w, 3));
    assert_int_equal(pn_transport_broadcast(pn_cluster_transport(w->nodes[0].c), PN_CHANNEL_RULES, "after", 6), 0);
    world_until(w, heard_after, 1, 3000);
    w->nodes[2].opt.proto_min = w->nodes[2].opt.proto_max = 9;
    char token[PN_TOKEN_TEXT_BYTES];
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_join_try(w, 2, token, NULL, false, NULL);
    assert_non_null(strstr(w->nodes[2].joined, "protocol versions"));
    world_free(w);
}

static bool listens(struct world *w, int node)
{
    return pn_cluster_port(w->nodes[node].c) != 0;
}

/* Somebody else has the port: the node is a member all the same, with its keys, and listens as soon as it can. */
static void test_port_in_use(void **state)
{
    struct world *w = world_new(false);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct pn_cluster_status s;
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct pn_error err;
    (void)state;

    world_init(w, 0);
    world_down(w, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    w->nodes[0].opt.listen[0].port = ntohs(in.sin_port);
    unsigned rings = w->nodes[0].rings;
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.port, 0);
    assert_non_null(strstr(s.mesh_error, "in use"));
    assert_int_equal(w->nodes[0].rings, rings + 1);
    WORLD_OK(pn_cluster_renew(w->nodes[0].c, NULL, &world_error)); /* nothing counts on a mesh */
    assert_int_equal(pn_cluster_rename(w->nodes[0].c, "n0", "first", &err), 0);
    close(fd);
    world_until(w, listens, 0, 7000);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_string_equal(s.mesh_error, "");
    world_free(w);
}

/* Another address to listen on, while it runs. */
static void test_listens_elsewhere(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000009)};
    struct world *w = world_new(false);
    (void)state;

    world_make(w, 2);
    struct pn_cluster_options o = w->nodes[0].opt;
    uint16_t before = pn_cluster_port(w->nodes[0].c);
    pn_cluster_reconfigure(w->nodes[0].c, &o);
    assert_int_equal(pn_cluster_port(w->nodes[0].c), before);
    assert_true(world_all_linked(w, 2)); /* nothing changed, no link went */
    o.listen[0].addr.b[15] = 9; /* 127.0.0.9 */
    o.self.endpoints[0].addr.b[15] = 9;
    pn_cluster_reconfigure(w->nodes[0].c, &o);
    world_until(w, world_all_linked, 2, 5000);
    const struct pn_member *row = pn_members_named(pn_cluster_members(w->nodes[1].c), "n0");
    assert_int_equal(row->endpoints[0].addr.b[15], 9);
    in.sin_port = htons(pn_cluster_port(w->nodes[0].c));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    close(fd);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_and_restart),   cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_join_and_mesh),      cmocka_unit_test(test_restart_of_a_member),
        cmocka_unit_test(test_partition_and_heal), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_port_in_use),        cmocka_unit_test(test_listens_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
