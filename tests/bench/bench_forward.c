/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ends of forwarding as processes of their own, joined by one TLS 1.3 connection with the mesh's kind of framing (a
 * length before each message). bench_forward.sh puts them into two namespaces and rsync beside them.
 * usage: bench_forward fill FOLDER MESSAGES BYTES
 *        bench_forward host FOLDER ADDRESS PORT
 *        bench_forward node FOLDER ADDRESS PORT        ends when all is acknowledged; prints figures
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <time.h>

#include "../unit/quarantine_fixture.h"
#include "controlplane/quarantine/forward_spool.h"
#include "controlplane/quarantine/receive.h"

#define HIGH_BYTES (4u << 20) /* as the mesh: above, a link is full */
#define RECORDS_MAX 100000u
#define RECORD_EVERY_MS 50

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct bench {
    struct event_base *base;
    struct bufferevent *bev;
    struct pn_spool *spool;
    struct pn_host *host;
    struct pn_forward *forward;
    struct pn_receive *receive;
    struct event *timer, *record_timer;
    SSL_CTX *ctx;
    bool node, full;
    uint64_t started_us, total, bytes;
    uint64_t record_us[RECORDS_MAX], base_sequence; /* when a live record was committed; 0: acknowledged */
    double latency_ms[RECORDS_MAX];
    unsigned n_latency;
} b;

static void die(const char *what)
{
    fprintf(stderr, "bench_forward: %s\n", what);
    exit(1);
}

static int send_frame(void *arg, const uint8_t *bytes, size_t len)
{
    uint32_t n = htonl((uint32_t)len);
    struct evbuffer *out = bufferevent_get_output(b.bev);

    (void)arg;
    if (evbuffer_get_length(out) > HIGH_BYTES) {
        b.full = true;
        return 1;
    }
    evbuffer_add(out, &n, 4);
    evbuffer_add(out, bytes, len);
    return 0;
}

static int acked(void *arg, const struct pn_q_id *ids, unsigned n)
{
    uint64_t now = now_us();
    int rc = pn_forward_spool_ops.acked(arg, ids, n);

    for (unsigned i = 0; i < n && rc == 0; i++) {
        uint64_t k = ids[i].sequence - b.base_sequence;
        if (ids[i].sequence > b.base_sequence && k < RECORDS_MAX && b.record_us[k]) {
            if (b.n_latency < RECORDS_MAX)
                b.latency_ms[b.n_latency++] = (double)(now - b.record_us[k]) / 1000.0;
            b.record_us[k] = 0;
        }
    }
    return rc;
}

static int by_size(const void *x, const void *y)
{
    double d = *(const double *)x - *(const double *)y;
    return (d > 0) - (d < 0);
}

static void report(void)
{
    double took = (double)(now_us() - b.started_us) / 1e6;

    qsort(b.latency_ms, b.n_latency, sizeof(b.latency_ms[0]), by_size);
    printf("{\"messages\":%llu,\"file_bytes\":%llu,\"seconds\":%.3f,\"messages_per_s\":%.0f,\"live_records\":%u,"
           "\"live_median_ms\":%.1f,\"live_p99_ms\":%.1f,\"live_max_ms\":%.1f}\n",
           (unsigned long long)b.total, (unsigned long long)b.bytes, took, (double)b.total / took, b.n_latency,
           b.n_latency ? b.latency_ms[b.n_latency / 2] : 0, b.n_latency ? b.latency_ms[b.n_latency * 99 / 100] : 0,
           b.n_latency ? b.latency_ms[b.n_latency - 1] : 0);
    exit(0);
}

static void on_record(evutil_socket_t fd, short what, void *arg)
{
    pn_q_item rec = PN__Q__ITEM__INIT;
    struct pn_error err;

    (void)fd, (void)what, (void)arg;
    rec.event = PN_Q_EVENT_SPAM;
    rec.received_ms = 1700000000000ull;
    pn_spool_record(b.spool, &rec, NULL, NULL, &err);
    pn_spool_commit(b.spool);
    uint64_t k = pn_spool_last(b.spool) - b.base_sequence;
    if (k < RECORDS_MAX)
        b.record_us[k] = now_us();
    pn_forward_pump(b.forward, now_us() / 1000);
}

static void commit(void)
{
    uint32_t wait = pn_host_commit_wait_ms(b.host, now_us() / 1000);
    struct timeval tv = {.tv_usec = (suseconds_t)wait * 1000};

    if (wait == 0) {
        pn_host_commit_begin(b.host);
        pn_receive_flush(b.receive);
    } else if (wait != UINT32_MAX) {
        event_add(b.timer, &tv);
    }
}

static void on_round(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    pn_host_commit_poll(b.host);
    if (b.receive)
        pn_receive_flush(b.receive);
    commit();
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_spool_totals t;

    (void)fd, (void)what, (void)arg;
    if (b.node) {
        pn_forward_pump(b.forward, now_us() / 1000);
        pn_spool_totals(b.spool, &t);
        if (t.refused)
            die("items were refused");
        if (t.pending_messages == 0)
            report();
    } else {
        commit();
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    uint32_t n;

    (void)arg;
    while (evbuffer_copyout(in, &n, 4) == 4 && evbuffer_get_length(in) >= 4 + (size_t)ntohl(n)) {
        size_t len = ntohl(n);
        evbuffer_drain(in, 4);
        const uint8_t *bytes = evbuffer_pullup(in, (ssize_t)len);
        if (b.node)
            pn_forward_frame(b.forward, bytes, len, now_us() / 1000);
        else
            pn_receive_frame(b.receive, bytes, len);
        evbuffer_drain(in, len);
        if (!b.node)
            commit();
    }
}

static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev, (void)arg;
    if (b.full && b.node) {
        b.full = false;
        pn_forward_pump(b.forward, now_us() / 1000);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev, (void)arg;
    if (what & BEV_EVENT_CONNECTED) {
        if (b.node) {
            struct timeval every = {.tv_usec = RECORD_EVERY_MS * 1000};
            b.started_us = now_us();
            pn_forward_up(b.forward, 77, b.started_us / 1000);
            event_add(b.record_timer, &every);
        }
        return;
    }
    if (b.node)
        die("the connection was lost");
    event_base_loopbreak(b.base);
}

static void setup_bev(int fd, SSL *ssl, enum bufferevent_ssl_state state)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    b.bev = bufferevent_openssl_socket_new(b.base, fd, ssl, state, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(b.bev, on_read, on_write, on_event, NULL);
    bufferevent_setwatermark(b.bev, EV_WRITE, HIGH_BYTES / 2, 0);
    bufferevent_setwatermark(b.bev, EV_READ, 0, 2u << 20);
    bufferevent_enable(b.bev, EV_READ | EV_WRITE);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
    (void)l, (void)a, (void)len, (void)arg;
    setup_bev(fd, SSL_new(b.ctx), BUFFEREVENT_SSL_ACCEPTING);
    b.receive = pn_receive_new(b.host, "mx1", send_frame, NULL);
}

static void certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(b.ctx, cert);
    SSL_CTX_use_PrivateKey(b.ctx, key);
}

static void spool_open(const char *folder)
{
    struct pn_spool_options o = {.path = folder, .node = "mx1", .keep_acked_ms = 3600000};
    struct pn_error err;

    if (pn_spool_open(&o, &b.spool, NULL, &err) != 0)
        die(err.text);
}

static void fill(unsigned messages, size_t bytes)
{
    for (unsigned i = 0; i < messages; i++) {
        if (fixture_intake(b.spool, i, bytes, NULL, NULL) != 0)
            die("intake");
        if (i % 512 == 511)
            pn_spool_commit(b.spool);
    }
    pn_spool_commit(b.spool);
    pn_spool_close(b.spool);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct pn_forward_ops ops = pn_forward_spool_ops;
    struct pn_spool_totals t;
    struct pn_error err;
    struct timeval ms = {.tv_usec = 20000};

    if (argc < 5)
        die("usage: fill FOLDER MESSAGES BYTES | host FOLDER ADDRESS PORT | node FOLDER ADDRESS PORT");
    if (strcmp(argv[1], "fill") == 0) {
        spool_open(argv[2]);
        fill((unsigned)atoi(argv[3]), (size_t)atoi(argv[4]));
        return 0;
    }
    b.node = strcmp(argv[1], "node") == 0;
    b.base = event_base_new();
    b.ctx = SSL_CTX_new(b.node ? TLS_client_method() : TLS_server_method());
    SSL_CTX_set_min_proto_version(b.ctx, TLS1_3_VERSION);
    inet_pton(AF_INET, argv[3], &at.sin_addr);
    at.sin_port = htons((uint16_t)atoi(argv[4]));
    b.timer = event_new(b.base, -1, b.node ? EV_PERSIST : 0, on_timer, NULL);
    if (b.node)
        event_add(b.timer, &ms);
    if (b.node) {
        struct pn_forward_options f = {.node = "mx1", .seed = 1};
        spool_open(argv[2]);
        pn_spool_totals(b.spool, &t);
        b.total = t.pending_messages;
        b.bytes = t.pending_bytes;
        b.base_sequence = pn_spool_last(b.spool);
        ops.acked = acked;
        b.forward = pn_forward_new(&f, &ops, b.spool, send_frame, NULL);
        b.record_timer = event_new(b.base, -1, EV_PERSIST, on_record, NULL);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
            die("connect");
        evutil_make_socket_nonblocking(fd);
        setup_bev(fd, SSL_new(b.ctx), BUFFEREVENT_SSL_CONNECTING);
    } else {
        struct pn_host_options o = {.path = argv[2], .background = true};
        if (pn_host_open(&o, &b.host, &err) != 0)
            die(err.text);
        event_add(event_new(b.base, pn_host_commit_fd(b.host), EV_READ | EV_PERSIST, on_round, NULL), NULL);
        certificate();
        if (evconnlistener_new_bind(b.base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 5,
                                    (struct sockaddr *)&at, sizeof(at)) == NULL)
            die("listen");
    }
    event_base_dispatch(b.base);
    return 0;
}
