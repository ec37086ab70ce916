/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions from node to node: a command that this node cannot answer goes to the one that can, over the cluster's
 * channel PN_CHANNEL_ASK. All on the main loop; the cluster's thread carries the messages. What the bytes mean is the
 * users' (the API's requests and replies). A message: version (1), kind (0 question, 1 answer), 6 zero bytes, number
 * (8 bytes, big-endian), the bytes.
 */
#ifndef POSTERN_ACTORS_ASK_H
#define POSTERN_ACTORS_ASK_H

#include "controlplane/actors/cluster.h"

#define PN_ASK_BYTES_MAX (PN_TRANSPORT_MESSAGE_MAX - 16u) /* of a question or an answer */
#define PN_ASK_WAITING_MAX 64u
#define PN_ASK_TIMEOUT_MS 25000u /* less than what the command line waits */

struct pn_ask;
struct pn_ask_answer; /* a question that waits for ours */

/* A question of another node: in pn_ask_reply(), at once or later, once. from: its name as its certificate says. */
typedef void pn_ask_asked(void *arg, const char *from, const uint8_t *bytes, size_t len, struct pn_ask_answer *answer);
/* bytes NULL: no answer, and error says why. */
typedef void pn_ask_done(void *arg, const uint8_t *bytes, size_t len, const char *error);

/* Before the cluster's thread runs. NULL and err: no memory, channel taken. */
struct pn_ask *pn_ask_new(struct pn_cluster_actor *cluster, struct pn_loop *main, pn_ask_asked *asked, void *arg,
                          struct pn_error *err);
/* Once the cluster's thread does not run any more. Open questions are answered with an error. NULL is fine. */
void pn_ask_free(struct pn_ask *a);

/* done is called once, never from within. -1 and err: no such node, no link to it, too much waits. */
int pn_ask(struct pn_ask *a, const char *node, const void *bytes, size_t len, pn_ask_done *done, void *arg,
           struct pn_error *err);
void pn_ask_reply(struct pn_ask_answer *answer, const void *bytes, size_t len);
bool pn_ask_reaches(const struct pn_ask *a, const char *node);

#endif
