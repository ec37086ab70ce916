/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prometheus: the text exposition format, version 0.0.4, over HTTP. Names are postern_*, units are base units
 * (seconds, bytes), counters end in _total. Labels name configured objects only, never a client.
 */
#ifndef POSTERN_METRICS_H
#define POSTERN_METRICS_H

#include "controlplane/view/view.h"

struct evbuffer;
struct event_base;
struct pn_metrics_server;

/* The whole exposition, appended to out. -1: memory. */
int pn_metrics_write(struct evbuffer *out, const struct pn_view *view);

/* listen: "address:port" or "[v6]:port". Answers GET and HEAD of /metrics, and a line at /. */
struct pn_metrics_server *pn_metrics_server_new(struct event_base *base, const char *listen, const struct pn_view *view,
                                                struct pn_error *err);
void pn_metrics_server_free(struct pn_metrics_server *s);
const char *pn_metrics_server_listen(const struct pn_metrics_server *s);

#endif
