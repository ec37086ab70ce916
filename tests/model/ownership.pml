/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ownership and lease of one VIP between two nodes, as docs/ownership.md specifies it (prefer = available).
 * State names are those of the code (controlplane/vip/). Node 0 has the higher priority.
 *
 * Time is a tick of half a heartbeat. A round gives each node one tick of its own clock; `drift` may hold one node's
 * clock back once in DRIFT_EVERY rounds. Between ticks the world does what it likes, within FAULTS: stop and continue a
 * control plane (SIGSTOP, VM pause), kill and restart it, kill and restart a dataplane. Heartbeats are lost, delayed,
 * reordered and replayed at will; forged ones arrive at any time. A cut (network partition) is a separate run (-DCUT).
 *
 * Counters are kept as ages: how many newer heartbeats the sender has sent since. That keeps the state space finite and
 * is all that the replay window decides on.
 */
#ifdef LOSS /* nothing breaks but the wire: how often may ownership change from the start on? */
#undef FAULTS
#define FAULTS 0
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define HEARTBEAT 2
#define LEASE 5
#define TAKEOVER 8
#define PROBE_LEAD 2
#define DRIFT_EVERY 10
#define AGE_MAX 2   /* older is all the same */
#define STALE 7     /* of a boot, or to a boot, that is gone: its challenge no longer fits */
#define LOST_ANSWERS 4 /* ticks in a row whose answers a wire may lose that lost the heartbeats before (-DLOSSY_ANSWERS) */
#define ANSWERED_WITHIN 14 /* ticks: takeover, the second node's later turn, the first heartbeat, a tick of drift */

mtype = { INIT, BACKUP, PROBE, OWNER };

typedef heartbeat {
    bool there;
    byte age;
    bool owner;    /* the claim it carries */
    bool want;     /* preemption asked for */
    bool released; /* to the other node */
};

mtype state[2] = INIT;
byte lease[2];      /* dataplane: ticks of its node's clock left */
byte silent[2];     /* ticks since an owner was heard */
byte due[2];        /* ticks to the next heartbeat */
byte newest[2];     /* age of the newest heartbeat accepted from the other; AGE_MAX at the start */
bool running[2] = true; /* control plane not stopped */
bool up[2] = true;      /* dataplane alive */
bool want[2];
bool releasing[2];
heartbeat wire[2];     /* on its way to node i */
heartbeat recorded[2]; /* what an attacker kept of those sent to node i */
byte faults;
bool cut;
bool got;           /* the probe of this tick was answered */
#ifdef LOSSY_ANSWERS
byte answered[2] = TAKEOVER; /* ticks since an owner that is not heard has answered; TAKEOVER: not known to live */
#endif
#ifdef CUT
byte since_cut = 10; /* ticks since a cut healed */
#endif
byte since_drift;
#ifdef LIVE
byte unanswered;  /* ticks without a responder while both nodes and the wire are well */
#endif
byte transitions; /* of ownership since then; without LIVE: since the start */

#define other(i) (1 - (i))
#define responds(i) (up[i] && lease[i] > 0)
#ifdef BUG_NOPROBE
#define answers(i) false
#else
#define answers(i) (!cut && responds(i))
#endif

#ifdef LOSSY_ANSWERS
#ifdef BUG_LOSTANSWER
#define known_alive(i) false
#else
#define known_alive(i) (answered[i] < TAKEOVER)
#endif
#define forget_answers(i) answered[i] = TAKEOVER
inline ask(i) {
    if
    :: answers(other(i)) -> answered[i] = 0; got = true
    :: answers(other(i)) && answered[i] < LOST_ANSWERS -> answered[i]++; got = false
    :: !answers(other(i)) -> if :: answered[i] < TAKEOVER -> answered[i]++ :: else -> skip fi; got = false
    fi
}
#else
#define known_alive(i) false
#define forget_answers(i) skip
inline ask(i) { got = answers(other(i)) }
#endif

inline grow(a) { if :: a < AGE_MAX -> a++ :: else -> skip fi }

#ifdef LIVE
#define disturbed() unanswered = 0; transitions = 0
#define moved() transitions++
#define lossy false /* bounded answers can only be had from a wire that works again */
#elif defined(LOSS)
#define disturbed() skip
#define moved() transitions++
#define lossy true
#else
#define disturbed() skip
#define moved() skip
#define lossy true
#endif

/* The dataplane takes a lease only while it lives; deadlines already past never arrive here. */
inline renew(i) { if :: up[i] -> lease[i] = LEASE :: else -> skip fi }

inline send(i) {
    d_step {
        grow(newest[other(i)]);
        if :: wire[other(i)].there && wire[other(i)].age < AGE_MAX -> wire[other(i)].age++ :: else -> skip fi;
        if :: recorded[other(i)].there && recorded[other(i)].age < AGE_MAX -> recorded[other(i)].age++ :: else -> skip fi
    }
    if
    :: !cut ->
        wire[other(i)].there = true; wire[other(i)].age = 0;
        wire[other(i)].owner = (state[i] == OWNER); wire[other(i)].want = want[i];
        wire[other(i)].released = releasing[i]
    :: lossy || faults < FAULTS -> skip /* lost */
    :: cut -> skip
    fi;
    releasing[i] = false
}

/* The claim and its first heartbeat are one step: the lease starts with it, or the claim is void. */
inline claim(i) { forget_answers(i); state[i] = OWNER; due[i] = 0; renew(i); moved() }

inline become_backup(i) { state[i] = BACKUP; silent[i] = 0; lease[i] = 0; want[i] = false }

/* A heartbeat whose seal, boot, challenge and counter all held. Nothing else may reach this. */
inline obey(i, m) {
    newest[i] = m.age;
    if
    :: m.owner ->
        forget_answers(i);
        if
        :: state[i] == OWNER && i == 1 -> become_backup(1); moved() /* the lower yields at once */
        :: state[i] == OWNER && i == 0 -> skip                         /* the winner announces again */
        :: state[i] == PROBE -> become_backup(i)
        :: state[i] == BACKUP -> silent[i] = 0; want[i] = (i == 0)    /* better backup asks: preempt = yes */
        :: else -> skip
        fi
    :: m.released && (state[i] == BACKUP || state[i] == PROBE) ->
        claim(i); want[i] = false
    :: m.want && state[i] == OWNER && i == 1 ->
        become_backup(1); releasing[1] = true; due[1] = 0 /* release first; said in the next heartbeat */
    :: else -> skip
    fi
}

inline receive(i) {
    if
    :: wire[i].there ->
        if
#ifdef BUG_REPLAY
        :: state[i] != INIT && wire[i].age != STALE -> obey(i, wire[i])
#else
        :: state[i] != INIT && wire[i].age < newest[i] -> obey(i, wire[i])
#endif
        :: else -> skip /* reordered or seen: refused before anything is touched */
        fi;
        wire[i].there = false
    :: else -> skip
    fi
}

/* One tick of node i's control plane. */
inline control(i) {
    if
    :: !running[i] -> skip
    :: running[i] && !up[i] -> state[i] = INIT; lease[i] = 0; due[i] = 0 /* the socket to the dataplane is closed */
    :: running[i] && up[i] && state[i] == INIT -> become_backup(i); due[i] = 0; newest[i] = AGE_MAX
    :: running[i] && up[i] && state[i] != INIT ->
        receive(i);
        /* After a stop the lease may have run out: such an owner is none, and takes the ordinary way back. */
        if
#ifndef BUG_RESUME
        :: state[i] == OWNER && lease[i] == 0 -> become_backup(i)
#endif
        :: else -> skip
        fi;
        if
        :: state[i] == BACKUP || state[i] == PROBE ->
            if :: silent[i] < TAKEOVER + HEARTBEAT -> silent[i]++ :: else -> skip fi;
            if
            :: state[i] == PROBE || silent[i] >= TAKEOVER - PROBE_LEAD + i * HEARTBEAT -> ask(i)
            :: else -> skip
            fi;
            if
            :: state[i] == BACKUP && silent[i] >= TAKEOVER - PROBE_LEAD + i * HEARTBEAT ->
                if
                :: got -> skip /* answered: the path failed, not the owner; asked again */
                :: !cut && !got && state[other(i)] == PROBE && running[other(i)] ->
                    if
                    :: i == 0 -> become_backup(1); state[0] = PROBE /* rival probes: the lower MAC goes on */
                    :: else -> silent[i] = 0
                    fi
                :: else -> state[i] = PROBE; silent[i] = TAKEOVER - PROBE_LEAD + i * HEARTBEAT
                fi
#ifdef LOSSY_ANSWERS
            :: state[i] == PROBE && got -> state[i] = BACKUP /* silent as before: asked again at once */
#else
            :: state[i] == PROBE && got -> become_backup(i)
#endif
            /* Known to live by its answers alone: one that is lost is no sign of its death. */
            :: state[i] == PROBE && silent[i] >= TAKEOVER + i * HEARTBEAT && !got && !known_alive(i) ->
                claim(i)
            :: else -> skip
            fi;
            got = false
        :: else -> skip
        fi;
        if
        :: due[i] == 0 ->
            due[i] = HEARTBEAT - 1;
            if :: state[i] == OWNER -> renew(i) :: else -> skip fi; /* counts from before the send */
            send(i)
        :: else -> due[i]--
        fi
    fi
}

inline world() {
    if
    :: skip
    :: faults < FAULTS -> /* something happens to one node */
        faults++; disturbed();
        if
        :: running[0] -> running[0] = false
        :: running[1] -> running[1] = false
        :: up[0] -> up[0] = false; lease[0] = 0
        :: up[1] -> up[1] = false; lease[1] = 0
        :: running[0] -> state[0] = INIT; newest[0] = AGE_MAX; wire[0].age = STALE; recorded[0].age = STALE; wire[1].age = STALE; recorded[1].age = STALE
        :: running[1] -> state[1] = INIT; newest[1] = AGE_MAX; wire[1].age = STALE; recorded[1].age = STALE; wire[0].age = STALE; recorded[0].age = STALE
#ifdef CUT
        :: !cut -> cut = true; wire[0].there = false; wire[1].there = false
#endif
        fi
    :: !running[0] -> running[0] = true; disturbed()
    :: !running[1] -> running[1] = true; disturbed()
    :: !up[0] -> up[0] = true; disturbed()
    :: !up[1] -> up[1] = true; disturbed()
    :: cut -> cut = false; disturbed()
    :: wire[0].there -> recorded[0].there = true; recorded[0].age = wire[0].age; recorded[0].owner = wire[0].owner; recorded[0].want = wire[0].want; recorded[0].released = wire[0].released
    :: wire[1].there -> recorded[1].there = true; recorded[1].age = wire[1].age; recorded[1].owner = wire[1].owner; recorded[1].want = wire[1].want; recorded[1].released = wire[1].released
    :: recorded[0].there && !wire[0].there && !cut -> wire[0].there = true; wire[0].age = recorded[0].age; wire[0].owner = recorded[0].owner; wire[0].want = recorded[0].want; wire[0].released = recorded[0].released
    :: recorded[1].there && !wire[1].there && !cut -> wire[1].there = true; wire[1].age = recorded[1].age; wire[1].owner = recorded[1].owner; wire[1].want = recorded[1].want; wire[1].released = recorded[1].released
    fi
}

/* Both dataplanes' clocks: a lease ends by itself, whatever the control planes do. */
inline pass_time(i) { if :: lease[i] > 0 -> lease[i]-- :: else -> skip fi }

init {
    newest[0] = AGE_MAX; newest[1] = AGE_MAX;
    do
    :: atomic {
        world();
        if
        :: control(0); pass_time(0); control(1); pass_time(1)
        :: control(1); pass_time(1); control(0); pass_time(0)
        :: since_drift >= DRIFT_EVERY -> since_drift = 0; control(0); pass_time(0) /* node 1's clock stood still */
        :: since_drift >= DRIFT_EVERY -> since_drift = 0; control(1); pass_time(1)
        fi;
        if :: since_drift < DRIFT_EVERY -> since_drift++ :: else -> skip fi;

        /* At most one unexpired responder. With a cut, each side answers its own until they hear each other again. */
#ifdef CUT
        if :: cut -> since_cut = 0 :: !cut && since_cut < 10 -> since_cut++ :: else -> skip fi;
        assert(since_cut < 10 || !(responds(0) && responds(1)))
#else
        assert(!(responds(0) && responds(1)))
#endif
#ifdef LOSS
        ;
        assert(transitions <= LOSS)
#endif
#ifdef LIVE
        ;
        if
        :: faults == FAULTS && running[0] && running[1] && up[0] && up[1] && !cut ->
            if :: responds(0) || responds(1) -> unanswered = 0 :: else -> unanswered++ fi
        :: else -> unanswered = 0; transitions = 0
        fi;
        assert(unanswered <= ANSWERED_WITHIN); /* some healthy node answers */
        assert(transitions <= 3)               /* and ownership comes to rest */
#endif
    }
    od
}
