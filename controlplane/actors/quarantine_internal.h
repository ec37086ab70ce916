/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the quarantine's files share. quarantine.c: life, settings, status; quarantine_node.c: what each node does (take,
 * forward), on the writer; quarantine_host.c: what the host does (receive, keep), on the keeper; quarantine_wire.c: frames
 * between the two of one node.
 */
#ifndef POSTERN_ACTORS_QUARANTINE_INTERNAL_H
#define POSTERN_ACTORS_QUARANTINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "controlplane/actors/courier.h"
#include "controlplane/actors/quarantine.h"
#include "controlplane/actors/quarantine_pipe.h"
#include "controlplane/quarantine/retention.h"
#include "controlplane/quarantine/smtp_out.h"

struct event;
struct pn_listener;

#define PN_QA_SELF PN_COURIER_PEERS_MAX /* this node as its own peer */
#define PN_QA_PEERS (PN_COURIER_PEERS_MAX + 1)
#define PN_QA_PATH_BYTES 200

struct pn_qa_settings {
    struct pn_conf_quarantine conf;
    char node[PN_NAME_BYTES];
    struct {
        char name[PN_NAME_BYTES], release_to[64];
        uint64_t host_quota_bytes;
    } nodes[PN_MAX_NODES];
    unsigned n_nodes;
};

/* Mail servers, the first to be tried first: "address:port". */
#define PN_QA_WAYS_MAX (PN_MAX_NODES + 1)
struct pn_qa_ways {
    char way[PN_QA_WAYS_MAX][64];
    unsigned n;
};
struct pn_qa_mail;
typedef void pn_qa_mail_done(void *arg, enum pn_smtp_out_status status, const char *text);

/* A node, as the writer knows it: maybe the host. */
struct pn_qa_peer {
    struct pn_quarantine_actor *actor;
    unsigned index;
    bool up;
    char name[PN_NAME_BYTES];
};

/* A node, as the keeper knows it: maybe one that sends here. */
struct pn_qa_guest {
    struct pn_quarantine_actor *actor;
    unsigned index;
    bool up;
    char name[PN_NAME_BYTES];
    struct pn_receive *receive; /* while this node is the host */
    struct pn_receive_stats before; /* of links that are over */
};

/* What the keeper has for the writer of a node: the latest, since it may not hear of each by itself. */
struct pn_qa_news {
    bool link, up; /* link: it has come or gone; up: and is there now */
    bool room; /* it takes more frames */
    char name[PN_NAME_BYTES];
};

struct pn_qa_intake {
    uint64_t number; /* 0: free */
    struct pn_intake *intake;
    uint8_t *about; /* an encoded item */
    size_t about_len;
    uint64_t used_ms;
};

struct pn_quarantine_actor {
    /* never changed after the start */
    struct pn_loop *main, *writer, *keeper, *reader;
    struct pn_courier *courier; /* NULL: alone. Its user's loop is the keeper's; the writer sends by it, too */
    char spool_path[PN_QA_PATH_BYTES], store_path[PN_QA_PATH_BYTES];
    void (*event)(void *arg, int log_level, const char *subject, const char *text);
    void *arg;
    int listen_fd; /* -1: none */
    char listen[96];

    /* the writer's */
    struct pn_qa_settings settings;
    bool running;
    struct event *second, *soon, *commit, *due;
    struct pn_spool *spool;
    char spool_error[256];
    uint64_t spool_retry_ms;
    struct pn_lmtp_server *lmtp;
    struct pn_lmtp_server_stats lmtp_before; /* of servers that ended */
    uint32_t lmtp_sessions; /* it was made with */
    uint64_t lmtp_message_max;
    struct pn_listener *away; /* answers while the spool is not there */
    uint64_t lmtp_away;
    struct pn_qa_intake intakes[PN_QUARANTINE_INTAKES_MAX];
    uint64_t intake_last;
    struct pn_forward *forward;
    struct pn_forward_options forward_made; /* as it was made, without the seed */
    struct pn_qa_peer peers[PN_QA_PEERS];
    int target; /* peer that is the host now; -1: none, or not reached */
    bool was_reached;
    uint64_t unreached_since_ms;
    uint64_t peak_items;
    enum pn_q_level level; /* last told */

    /* the keeper's */
    struct pn_qa_settings host_settings;
    bool host_running;
    struct event *host_second, *host_soon, *host_commit;
    struct event *round; /* while the store is open: a round of its commits is over */
    struct pn_host *host;
    char store_error[256];
    uint64_t store_retry_ms, reader_retry_ms, partials_ms;
    uint32_t store_pause_ms; /* between tries to open it; doubled */
    uint64_t store_failures; /* of stores that were closed, or could not be opened */
    uint64_t away_since_ms; /* the host's store takes nothing; 0: it does */
    struct pn_hostdb_totals totals; /* as they were last known */
    bool store_full, store_mute;
    bool store_other; /* the one that is open is not that of the settings any more */
    struct pn_retention keep;
    struct pn_retention_config keep_config;
    uint64_t purged;
    bool digest_running;
    uint64_t digest_retry_ms, digest_top; /* when an unfinished round goes on, and of what */
    struct pn_qa_guest guests[PN_QA_PEERS];

    /* between them */
    struct pn_qa_pipe to_keeper, to_writer;
    struct pn_qa_news news[PN_QA_PEERS]; /* under the lock */
    atomic_bool host_open; /* the store takes this node's own frames */
    atomic_uint_least64_t end_by_ms; /* CLOCK_BOOTTIME: no waiting for a database after; 0: go on as always */

    /* the reader's */
    struct pn_qa_mail *mails; /* under way */
    struct pn_host *store;
    atomic_bool reader_open;
    char reader_error[256];

    pthread_mutex_t lock; /* of both, and of the news */
    struct pn_quarantine_status node_status, host_status; /* each has what its thread knows */
};

/* quarantine.c */
void pn_qa_event(struct pn_quarantine_actor *a, int log_level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool pn_qa_is_host(const struct pn_qa_settings *s);
void pn_qa_after(struct event *timer, uint64_t ms);
/* The status is made new, soon. On the writer, on the keeper. */
void pn_qa_changed(struct pn_quarantine_actor *a);
void pn_qa_host_changed(struct pn_quarantine_actor *a);

/* quarantine_node.c */
void pn_qa_node_follow(struct pn_quarantine_actor *a); /* settings or peers changed; again each second */
void pn_qa_node_close(struct pn_quarantine_actor *a);
void pn_qa_node_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len);
void pn_qa_node_pump(struct pn_quarantine_actor *a);
void pn_qa_node_second(struct pn_quarantine_actor *a);
void pn_qa_node_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out);
bool pn_qa_listen(struct pn_quarantine_actor *a, const struct pn_conf_quarantine *conf);

/* quarantine_intake.c */
void pn_qa_intakes_forget(struct pn_quarantine_actor *a, bool all); /* those left alone, or all */

/* quarantine_host.c */
void pn_qa_host_follow(struct pn_quarantine_actor *a);
void pn_qa_host_close(struct pn_quarantine_actor *a);
/* false: not for a host, or this node is none. */
bool pn_qa_host_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len);
void pn_qa_host_commit(struct pn_quarantine_actor *a);
void pn_qa_host_answer(struct pn_quarantine_actor *a); /* acknowledgements that wait for a commit, or found no room */
void pn_qa_host_second(struct pn_quarantine_actor *a);
void pn_qa_host_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out);

/* quarantine_wire.c */
int pn_qa_wire_init(struct pn_quarantine_actor *a);
void pn_qa_wire_free(struct pn_quarantine_actor *a);
/* What the other nodes send, and whether they are there: on the keeper, which has the courier. */
extern const struct pn_courier_ops pn_qa_wire_ops;
/*
 * A qsend of frames to the host, on the writer, arg is the struct pn_qa_peer; and of a host's, on the keeper, arg is the
 * struct pn_qa_guest. To this node itself they go from thread to thread.
 */
int pn_qa_send_as_node(void *peer, const uint8_t *bytes, size_t len);
int pn_qa_send_as_host(void *guest, const uint8_t *bytes, size_t len);
void pn_qa_wire_second(struct pn_quarantine_actor *a); /* on the writer: news that it could not be told of */
/* On the keeper: the writer looks again who the host is. */
void pn_qa_wire_follow(struct pn_quarantine_actor *a);

/* quarantine_keep.c */
void pn_qa_keep_second(struct pn_quarantine_actor *a);

/* quarantine_digest.c */
void pn_qa_digest_second(struct pn_quarantine_actor *a);

/* quarantine_mail.c */
/* Servers for what came from this node: its own first, then the common one, then the other nodes'. On the keeper. */
void pn_qa_ways(const struct pn_quarantine_actor *a, const char *node, struct pn_qa_ways *out);
/* On the reader. message: malloc()ed, taken over. -1 with err: done is not called. */
int pn_qa_mail_send(struct pn_quarantine_actor *a, const struct pn_qa_ways *ways, const char *sender,
                    char *const *recipients, unsigned n, uint8_t *message, size_t len, pn_qa_mail_done *done, void *arg,
                    struct pn_error *err);
void pn_qa_mails_cancel(struct pn_quarantine_actor *a); /* once the threads have ended; all are unknown */

#endif
