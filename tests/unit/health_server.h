/* SPDX-License-Identifier: BSD-3-Clause */
/* Small servers on loopback for the checker's tests, on the same event loop: what they say is set by the test. */
#ifndef POSTERN_TEST_HEALTH_SERVER_H
#define POSTERN_TEST_HEALTH_SERVER_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    uint16_t port;
    /* behaviour */
    const char *greeting; /* NULL: says nothing */
    unsigned greeting_ms; /* that much later */
    const char *ehlo; /* reply to EHLO, NULL: "250 x" */
    const char *starttls_extra; /* sent with the reply to STARTTLS */
    const char *http; /* answer to a whole request; then close */
    bool close_after_greeting;
    bool flood; /* talks without end */
    bool tls_first;
    SSL_CTX *ctx;
    /* what was seen */
    unsigned accepted, ended_clean, ended_reset, open;
    char got[4096];
};

struct session {
    struct server *s;
    struct bufferevent *bev;
    struct event *timer;
};

static inline void session_end(struct session *c)
{
    c->s->open--;
    if (c->timer)
        event_free(c->timer);
    bufferevent_free(c->bev);
    free(c);
}

static inline void session_say(struct session *c, const char *text)
{
    bufferevent_write(c->bev, text, strlen(text));
}

static inline void session_read(struct bufferevent *bev, void *arg);
static inline void session_event(struct bufferevent *bev, short what, void *arg);

static inline void session_written(struct bufferevent *bev, void *arg)
{
    struct session *c = arg;

    if (c->s->flood)
        for (int i = 0; i < 64; i++)
            session_say(c, "220-this banner has no end and no end and no end and no end\r\n");
    else if (c->s->close_after_greeting || (c->s->http && strstr(c->s->got, "\r\n\r\n")))
        session_end(c);
    (void)bev;
}

static inline void session_greet(evutil_socket_t fd, short what, void *arg)
{
    struct session *c = arg;

    (void)fd;
    (void)what;
    if (c->s->greeting)
        session_say(c, c->s->greeting);
}

static inline void session_setup(struct session *c)
{
    bufferevent_setcb(c->bev, session_read, session_written, session_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static inline void session_starttls(struct session *c)
{
    int fd = bufferevent_getfd(c->bev);

    bufferevent_setfd(c->bev, -1);
    bufferevent_free(c->bev);
    c->bev = bufferevent_openssl_socket_new(c->s->base, fd, SSL_new(c->s->ctx), BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    session_setup(c);
}

static inline void session_line(struct session *c, const char *line)
{
    struct server *s = c->s;

    if (strncmp(line, "EHLO ", 5) == 0 || strncmp(line, "HELO ", 5) == 0) {
        session_say(c, s->ehlo ? s->ehlo : "250 x\r\n");
    } else if (strcmp(line, "QUIT") == 0) {
        session_say(c, "221 bye\r\n"); /* and leaves closing to the client, to see how it does that */
    } else if (strcmp(line, "STARTTLS") == 0) {
        char reply[256];
        /* Written straight to the socket, so that it is out before the handshake takes it over. */
        int n = snprintf(reply, sizeof(reply), "220 go\r\n%s", s->starttls_extra ? s->starttls_extra : "");
        if (send(bufferevent_getfd(c->bev), reply, (size_t)n, 0) != n)
            abort();
        session_starttls(c);
    }
}

static inline void session_read(struct bufferevent *bev, void *arg)
{
    struct session *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char *line;

    while (c->bev == bev && (line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF_STRICT))) {
        size_t at = strlen(c->s->got);
        snprintf(c->s->got + at, sizeof(c->s->got) - at, "%s\r\n", line);
        if (c->s->http && !line[0])
            session_say(c, c->s->http);
        else if (!c->s->http)
            session_line(c, line);
        free(line);
    }
}

static inline void session_event(struct bufferevent *bev, short what, void *arg)
{
    struct session *c = arg;

    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        if (c->s->tls_first)
            session_greet(-1, 0, c);
        return;
    }
    if (what & BEV_EVENT_EOF)
        c->s->ended_clean++;
    else
        c->s->ended_reset++;
    session_end(c);
}

static inline void server_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    struct server *s = arg;
    struct session *c = calloc(1, sizeof(*c));

    (void)l;
    (void)sa;
    (void)len;
    s->accepted++;
    s->open++;
    c->s = s;
    if (s->tls_first)
        c->bev = bufferevent_openssl_socket_new(s->base, fd, SSL_new(s->ctx), BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    else
        c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    session_setup(c);
    if (s->tls_first)
        return;
    if (s->greeting_ms) {
        struct timeval tv = {0, (suseconds_t)s->greeting_ms * 1000};
        c->timer = evtimer_new(s->base, session_greet, c);
        evtimer_add(c->timer, &tv);
    } else {
        session_greet(-1, 0, c);
    }
}

/* ip: "127.0.0.1" or "::1"; port 0: any. */
static inline bool server_open(struct server *s, struct event_base *base, const char *ip, uint16_t port)
{
    struct sockaddr_storage ss = {0};
    socklen_t len;

    s->base = base;
    if (strchr(ip, ':')) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        inet_pton(AF_INET6, ip, &in6->sin6_addr);
        len = sizeof(*in6);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&ss;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        inet_pton(AF_INET, ip, &in->sin_addr);
        len = sizeof(*in);
    }
    s->listener = evconnlistener_new_bind(base, server_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 64,
                                          (struct sockaddr *)&ss, (int)len);
    if (!s->listener)
        return false;
    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&ss, &len);
    s->port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                             : ((struct sockaddr_in *)&ss)->sin_port);
    return true;
}

static inline void server_close(struct server *s)
{
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = NULL;
}

/* A self-signed certificate for name, from begin to end days from now; its PEM goes to pem_path unless NULL. */
static inline SSL_CTX *server_ctx(const char *name, int begin, int end, const char *pem_path)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_EXTENSION *ext;
    char san[128];

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), (long)begin * 86400);
    X509_time_adj_ex(X509_getm_notAfter(cert), end, 3600, NULL);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    snprintf(san, sizeof(san), "DNS:%s", name);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    if (pem_path) {
        FILE *f = fopen(pem_path, "w");
        PEM_write_X509(f, cert);
        fclose(f);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

#endif
