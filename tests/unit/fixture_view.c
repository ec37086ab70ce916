/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fixture_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/addr.h"

static const char conf_text[] =
    "cluster { name = \"test\"; }\n"
    "node \"n1\" { port \"lan\" { type = af_xdp; interface = eth0 } }\n"
    "vip \"in4\" { address = \"192.0.2.25\"; port = \"lan\"; priority { n1 = 200 } }\n"
    "vip \"in6\" { address = \"2001:db8::25\"; port = \"lan\"; priority { n1 = 200 } }\n"
    "gateway \"mx1\" { address = \"192.0.2.11\"; weight = 100 }\n"
    "gateway \"mx2\" { address = \"192.0.2.12\"; weight = 50 }\n"
    "gateway \"mx3\" { address = \"2001:db8::13\" }\n"
    "check \"mail\" { type = smtp; port = 25; helo = \"node.example\" }\n"
    "check \"tls\" { type = smtps; port = 465; helo = \"node.example\" }\n"
    "pool \"mx\" {\n"
    "    checks = [\"mail\", \"tls\"]\n"
    "    tier \"primary\" { gateways = [\"mx1\", \"mx2\"]; spill { mode = ramp; active-flows-high = 400 } }\n"
    "    tier \"secondary\" { gateways = [\"mx3\"] }\n"
    "}\n"
    "service \"smtp-in\" { vips = [\"in4\", \"in6\"]; port = 25; pool = \"mx\"; affinity = network }\n";

static uint64_t fixture_now(void)
{
    return FIXTURE_NOW_MS;
}

static int64_t fixture_wall(void)
{
    return INT64_C(1700000000123); /* 2023-11-14 22:13:20.123 UTC */
}

static void fixture_health(const struct pn_health_engine *h, void (*fn)(void *arg, const struct pn_health_row *row),
                           void *arg)
{
    static const struct pn_health_row rows[] = {
        {"mx", "mx1", "mail", PN_CHECK_SMTP, PN_HEALTH_UP, 3, FIXTURE_NOW_MS - 400, 120, 2, INT32_MIN, "250"},
        {"mx", "mx1", "tls", PN_CHECK_SMTPS, PN_HEALTH_UP, 9, FIXTURE_NOW_MS - 900, 120, 0, 61, "250"},
        /* What a hostile server might say: it must reach neither terminal nor JSON as it is. */
        {"mx", "mx2", "mail", PN_CHECK_SMTP, PN_HEALTH_DOWN, 5000, FIXTURE_NOW_MS - 100, 99, 50, INT32_MIN,
         "smtp: 554 \033[2J\xff\"no\""},
        {"mx", "mx3", "mail", PN_CHECK_SMTP, PN_HEALTH_UNKNOWN, 0, 0, 0, 0, INT32_MIN, ""},
    };

    (void)h;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        fn(arg, &rows[i]);
}

static int op_reload(void *arg, struct pn_conf_error *errors, unsigned max, unsigned *n)
{
    struct fixture *f = arg;

    f->reloads++;
    *n = 0;
    if (!f->reload_fails || max == 0)
        return 0;
    errors[0] = (struct pn_conf_error){.file = "/etc/postern/postern.conf", .line = 7, .key = "gateway.mx1.wieght"};
    snprintf(errors[0].text, sizeof(errors[0].text), "unknown key");
    *n = 1;
    return -1;
}

static int op_gateway_order(void *arg, unsigned gateway, const struct pn_gateway_order *order, struct pn_error *err)
{
    struct fixture *f = arg;
    struct pn_rt_gateway *rt = &f->rt->gateways[gateway];

    (void)err;
    f->orders++;
    if (order->drain >= 0)
        rt->drain = order->drain;
    if (order->disabled >= 0)
        rt->disabled = order->disabled;
    if (order->weight != PN_ORDER_KEEP)
        rt->weight_override = order->weight;
    return 0;
}

static int op_node_standby(void *arg, bool standby, struct pn_error *err)
{
    struct fixture *f = arg;

    (void)err;
    f->standbys++;
    f->own.standby = standby;
    return 0;
}

static int op_node_hold(void *arg, uint32_t ms, struct pn_error *err)
{
    struct fixture *f = arg;

    (void)err;
    f->own.hold_ms = ms;
    f->own.hold_granted = ms > 0;
    f->own.hold_until_ns = (FIXTURE_NOW_MS + ms) * 1000000u;
    return 0;
}

static int op_vip_move(void *arg, const char *vip, const char *to, struct pn_error *err)
{
    struct fixture *f = arg;

    f->moves++;
    if (to && strcmp(to, "n1") == 0)
        return snprintf(err->text, sizeof(err->text), "VIP \"%s\": n1 is this node", vip), -1;
    return 0;
}

static int op_vip_force(void *arg, const char *vip, struct pn_error *err)
{
    struct fixture *f = arg;

    (void)vip;
    (void)err;
    f->forces++;
    return 0;
}

static const struct pn_view_ops ops = {
    .reload = op_reload,
    .gateway_order = op_gateway_order,
    .node_standby = op_node_standby,
    .node_hold = op_node_hold,
    .vip_move = op_vip_move,
    .vip_force = op_vip_force,
};

static void load_conf(struct fixture *f)
{
    struct pn_conf_error errors[8];
    char path[96];
    unsigned n = 0;
    FILE *out;

    snprintf(path, sizeof(path), "%s/postern.conf", f->dir);
    out = fopen(path, "w");
    if (!out)
        abort();
    fputs(conf_text, out);
    fclose(out);
    f->conf = pn_conf_load(path, errors, 8, &n);
    for (unsigned i = 0; !f->conf && i < n && i < 8; i++)
        fprintf(stderr, "%s:%u: %s: %s\n", errors[i].file, errors[i].line, errors[i].key, errors[i].text);
    if (!f->conf)
        abort();
    /* A new key in the schema changes the digest, but nothing that these tests are about. */
    snprintf(f->conf->digest, sizeof(f->conf->digest), "%064x", 0xd19e57u);
    unlink(path);
}

static void make_ids(struct fixture *f)
{
    static uint64_t buf[PN_SNAPSHOT_MAX_BYTES / 8];
    struct pn_error err;
    size_t len;

    if (pn_compile_snapshot(f->conf, 0, f->rt, &f->ids, 1, buf, sizeof(buf), &len, &err) < 0)
        abort();
}

static void make_runtime(struct fixture *f)
{
    struct pn_rt_member *m;
    struct pn_rt_tier *t;

    for (unsigned i = 0; i < 3; i++) {
        m = i < 2 ? pn_rt_member(f->rt, 0, 0, i) : pn_rt_member(f->rt, 0, 1, 0);
        m->health = i == 1 ? PN_HEALTH_DOWN : i == 0 ? PN_HEALTH_UP : PN_HEALTH_UNKNOWN;
        m->since_ms = FIXTURE_NOW_MS - 65000 * (i + 1);
        if (i == 1)
            snprintf(m->reason, sizeof(m->reason), "smtp: 554 \033[2J\xff\"no\"");
    }
    f->rt->gateways[0].agent_known = true;
    f->rt->gateways[0].agent_percent = 75;
    f->rt->gateways[0].agent_queue = 12;
    t = pn_rt_tier(f->rt, 0, 0);
    t->in_spill = true;
    t->share = 65535 / 4;
    t->since_ms = FIXTURE_NOW_MS - 5000;
    snprintf(t->reason, sizeof(t->reason), "active-flows 412 >= 400 for 2 s");
    f->spills[0].in_spill = f->spills[0].at_mark = true;
    f->loads[0] = (struct pn_load_gateway){.new_per_s = 12.34, .handshake_ms = 1.5, .primed = true};
    f->loads[1] = (struct pn_load_gateway){.handshake_ms = -1, .primed = true};
}

static void make_stats(struct fixture *f)
{
    struct pn_stats_worker *s = &f->stats.sum;

    f->stats.valid = true;
    f->stats.n_workers = 1;
    f->stats.tsc_hz = 1000000000;
    f->stats.worker_heartbeat_ns[0] = (FIXTURE_NOW_MS - 20) * 1000000u;
    f->stats.worker_flows_used[0] = 414;
    f->stats.worker_flows_max[0] = 100000;
    f->stats.worker_busy_cycles[0] = 250000000;
    f->stats.worker_total_cycles[0] = 1000000000;
    f->stats.lease_deadline_boottime_ns[0] = (FIXTURE_NOW_MS + 24000) * 1000000u;
    f->stats.lease_deadline_boottime_ns[1] = (FIXTURE_NOW_MS + 24000) * 1000000u;
    s->flows_used = 414;
    s->flows_max = 100000;
    s->ports[0] = (struct pn_stats_port){10000, 1500000, 9000, 1400000};
    s->vips[0] = (struct pn_stats_vip){6000, 900000};
    s->services[0] = (struct pn_stats_service){5990, 890000, 700, 0};
    s->services[1] = (struct pn_stats_service){3000, 600000, 300, 4};
    s->tiers[0] = (struct pn_stats_tier){900, 100, 0};
    s->tiers[1] = (struct pn_stats_tier){100, 0, 100};
    s->gateways[0] = (struct pn_stats_gateway){8000, 1200000, 900, 880, 468, 3, 1, 880, 1320000, 412, 2};
    s->gateways[2] = (struct pn_stats_gateway){1000, 200000, 100, 99, 99, 0, 0, 99, 99000, 0, 0};
    s->counters[PN_C_TX_FORWARD] = 9000;
    s->counters[PN_C_ARP_REPLIED] = 40;
    s->counters[PN_C_PUNT_HOST] = 900;
    s->counters[PN_C_PARSE_TRUNCATED] = 56;
    s->counters[PN_C_STEER_NO_GATEWAY] = 4;
    s->counters[PN_C_FLOW_NEW] = 1000;
}

static void make_vips(struct fixture *f)
{
    f->own = (struct pn_ownership){.n = 2, .n_nodes = 1, .linked = true, .synced = true};
    for (unsigned i = 0; i < 2; i++) {
        struct pn_own_vip *v = &f->own.vips[i];

        *v = (struct pn_own_vip){.id = (uint16_t)i,
                                 .priority = 200,
                                 .state = PN_EL_OWNER,
                                 .since_ns = (FIXTURE_NOW_MS - 6000) * 1000000u,
                                 .transitions = 1};
        snprintf(v->name, sizeof(v->name), "%s", f->conf->vips[i].name);
        snprintf(v->reason, sizeof(v->reason), "no peers");
    }
}

static void make_dataplane(struct fixture *f)
{
    struct pn_addr client = pn_addr_from_v4(0x076433c6u); /* 198.51.100.7 */
    struct pn_addr vip = pn_addr_from_v4(0x190200c0u);

    f->dp.flows[0] = (struct pn_dp_flow){
        .client = client, .client_port = 40001, .state = PN_FLOW_ESTABLISHED, .idle_ms = 1500, .expires_ms = 898500};
    f->dp.flows[1] = (struct pn_dp_flow){.client = client,
                                         .client_port = 40002,
                                         .gateway = 2,
                                         .state = PN_FLOW_HALF_OPEN,
                                         .flags = PN_FLOW_F_SPILLED,
                                         .expires_ms = 14000};
    f->dp.n_flows = 2;
    f->dp.explain = (struct pn_dp_explain){.gateway = 2,
                                           .tier = 1,
                                           .default_gateway = 0,
                                           .maglev_slot = 123,
                                           .maglev_size = 16381,
                                           .lease_valid = 1,
                                           .spilled = 1,
                                           .lease_left_ms = 24000,
                                           .affinity_hash = 0x1234,
                                           .generation = 17};
    f->dp.trace[0] = (struct pn_dp_trace_record){.src = client,
                                                 .dst = vip,
                                                 .src_port = 40003,
                                                 .dst_port = 25,
                                                 .counter = PN_C_TX_FORWARD,
                                                 .gateway = 0,
                                                 .frame_bytes = 74,
                                                 .ether_type = 0x0800,
                                                 .ip_proto = 6,
                                                 .tcp_flags = 0x02,
                                                 .flow_state = PN_FLOW_HALF_OPEN,
                                                 .steered = 1};
    f->dp.trace[1] = f->dp.trace[0];
    f->dp.trace[1].counter = PN_C_PARSE_IP_CHECKSUM;
    f->dp.trace[1].service = f->dp.trace[1].gateway = PN_ID_NONE;
    f->dp.n_trace = 2;
    f->dp.neighbours[0] = (struct pn_dp_neighbour){.addr = pn_addr_from_v4(0x0b0200c0u),
                                                   .mac = {{2, 0, 0, 0, 0, 0x11}},
                                                   .state = PN_NEIGH_REACHABLE,
                                                   .age_ms = 3000};
    f->dp.n_neighbours = 1;
}

void fixture_up(struct fixture *f, bool with_dp)
{
    struct pn_error err;

    memset(f, 0, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/pn-fixture.XXXXXX");
    if (!mkdtemp(f->dir))
        abort();
    f->base = event_base_new();
    load_conf(f);
    f->rt = pn_runtime_new(f->conf);
    f->events = pn_eventlog_new(16, fixture_wall);
    make_ids(f);
    make_runtime(f);
    make_stats(f);
    make_vips(f);
    f->push = (struct pn_push_status){.running_generation = 17, .pushed = 16};
    f->reload = (struct pn_reload_status){.last_ok = true, .last_ms = FIXTURE_NOW_MS - 3600000};
    f->view = (struct pn_view){.version = "0.1.0",
                               .now_ms = fixture_now,
                               .started_ms = FIXTURE_NOW_MS - 7200000,
                               .conf_path = "/etc/postern/postern.conf",
                               .conf = f->conf,
                               .rt = f->rt,
                               .ids = &f->ids,
                               .loads = f->loads,
                               .spills = f->spills,
                               .health_each = fixture_health,
                               .stats = &f->stats,
                               .own = &f->own,
                               .events = f->events,
                               .push = &f->push,
                               .reload = &f->reload,
                               .ops = &ops,
                               .ops_arg = f};
    if (!with_dp)
        return;
    fake_dp_start(&f->dp, f->base, f->dir);
    f->dp.pid = 4242;
    f->dp.started_ns = (FIXTURE_NOW_MS - 7100000) * 1000000u;
    make_dataplane(f);
    f->link = pn_dplink_new(f->base, f->dp.socket, &(struct pn_dplink_callbacks){NULL, NULL, NULL}, &err);
    if (!f->link)
        abort();
    f->view.dp = f->link;
    for (int i = 0; i < 400 && !pn_dplink_is_up(f->link); i++)
        fake_dp_run(f->base, 5);
}

void fixture_down(struct fixture *f)
{
    pn_dplink_free(f->link);
    if (f->dp.listener)
        fake_dp_stop(&f->dp);
    pn_runtime_free(f->rt);
    pn_conf_free(f->conf);
    pn_eventlog_free(f->events);
    event_base_free(f->base);
    rmdir(f->dir);
}
