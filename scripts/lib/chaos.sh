# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Faults of a pair of nodes, and rounds of them. Source it after pair.sh; SYS is the pair's kind: postern or keepalived
# (chaos_postern.sh, chaos_keepalived.sh), whose functions begin with that name. The victim is node n1, home of VIP "a".

CHAOS_DOWN=${CHAOS_DOWN:-1} # seconds a fault lasts
CHAOS_HELD=${CHAOS_HELD:-8} # sessions in the middle of DATA
CHAOS_STORM=${CHAOS_STORM:-1} # seconds of forged heartbeats
CHAOS_BUSY=${CHAOS_BUSY:-$(nproc)} # busy loops of a soak

# name | pairs it makes sense for: p, k | what must hold for Postern: d never two responders, s every session lives,
# m nothing changes, c two responders for no longer than it takes to hear each other | make | restore | what it is
CHAOS_FAULTS=(
    'kill-posternd|p|ds|part_kill posternd|part_start posternd|kill -9 of posternd'
    'kill-dp|p|ds|part_kill dp|part_start dp|kill -9 of postern-dp'
    'kill-all|pk|ds|part_kill all|part_start all|kill -9 of all processes of the service'
    'stop-posternd|p|ds|part_signal STOP posternd|part_signal CONT posternd|SIGSTOP of posternd, then SIGCONT'
    'stop-dp|p|ds|part_signal STOP dp|part_signal CONT dp|SIGSTOP of postern-dp, then SIGCONT'
    'stop-all|pk|ds|part_signal STOP all|part_signal CONT all|SIGSTOP of all processes of the service, then SIGCONT'
    'freeze-node|pk|ds|node_freeze|node_thaw|every process of the node frozen (cgroup freezer, else SIGSTOP); its kernel lives'
    'link-down|pk|ds|link_set down|link_set up|cable pulled: no carrier'
    'partition|pk|cs|wire_cut both|wire_heal|the node is alone on its side of the switch, both links up'
    'loss-out|pk|cs|wire_cut out|wire_heal|everything the node sends is lost'
    'loss-in|pk|c|wire_cut in|wire_heal|everything sent to the node is lost'
    'loss-heartbeats|pk|dsm|wire_cut heartbeats|wire_heal|only heartbeats are lost, both ways'
    'loss-between|pk||wire_cut between|wire_heal|nothing passes between the nodes, the router reaches both'
    'clock-forward|pk|dsm|clock_step 3600|clock_step 0|wall clock an hour forward, then back'
    'clock-back|pk|dsm|clock_step -3600|clock_step 0|wall clock an hour back, then forward'
    'restart-service|pk|ds|restart_service|none|SIGTERM and start of posternd (keepalived)'
    'restart-held|p|dsm|restart_held|none|the same after `postern node hold`'
    'restart-dp|p|ds|restart_dp|none|SIGTERM and start of postern-dp'
    'move|pk|ds|move_away|move_back|planned move, and back (keepalived: SIGTERM, start)'
    'standby|p|ds|standby|active|`postern node standby`, and `active`'
    'forged|pk|dsm|storm forged|none|heartbeats made up without the key, 10,000 a second at each node'
    'replayed|pk|dsm|storm replayed|none|recorded heartbeats, 10,000 a second at each node'
    'mutated|pk|dsm|storm mutated|none|recorded heartbeats with one byte changed, 10,000 a second at each node'
)

chaos_names() { # [p|k]
    local row name systems
    for row in "${CHAOS_FAULTS[@]}"; do
        IFS='|' read -r name systems _ <<< "$row"
        [[ $systems != *"${1:-}"* ]] || echo "$name"
    done
}

chaos_row() { # NAME -> f_order f_systems f_must f_make f_heal f_text
    local row name
    f_order=0
    for row in "${CHAOS_FAULTS[@]}"; do
        f_order=$((f_order + 1))
        IFS='|' read -r name f_systems f_must f_make f_heal f_text <<< "$row"
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

# --- tools that take commands ---

declare -A CHAOS_IN

chaos_tool() { # NAME PART COMMAND...
    local name=$1 part=$2 fd
    shift 2
    mkfifo "$LAB/run/$name.in"
    exec {fd}<> "$LAB/run/$name.in"
    CHAOS_IN[$name]=$fd
    ip netns exec "$LAB_PREFIX-$part" "$@" < "$LAB/run/$name.in" > "$LAB/run/$name.out" 2>> "$LAB/log/$name" &
    echo $! > "$LAB/run/$name.pid"
}
chaos_tell() { # NAME WORDS...
    local name=$1
    shift
    echo "$*" >&"${CHAOS_IN[$name]}"
}
chaos_has() { grep -F "\"label\": \"$2\"" "$LAB/run/$1.out"; }
chaos_answer() { # NAME LABEL: the object with this label
    pn_wait 25 chaos_has "$1" "$2" || pn_die "$1 does not answer ($2): $(tail -n 3 "$LAB/log/$1")"
    chaos_has "$1" "$2"
}
chaos_tools_start() {
    chaos_tool ping cl $PYTHON "$TOOLS/vipwatch.py" ping $VIP4
    chaos_tool arp rt $PYTHON "$TOOLS/vipwatch.py" arp $VIP4 --interval 3
    : >> "$LAB/stalls"
    chaos_tool stalls rt $PYTHON "$TOOLS/stalls.py" --seconds 1000000 --over 3 --log "$LAB/stalls"
    chaos_tool mail cl $PYTHON "$TOOLS/smtpdata.py" $VIP4 --accepted "$LAB/accepted"
}
# The longest time for which the machine itself kept its most urgent thread from running, ms.
chaos_stalled() { # SINCE, /proc/uptime's first
    awk -v since="$1" '$1 >= since && $2 > worst { worst = $2 } END { print worst + 0 }' "$LAB/stalls"
}
chaos_uptime() { cut -d' ' -f1 /proc/uptime; }

chaos_tools_stop() {
    local name fd
    chaos_tell mail quit
    chaos_answer mail quit > "$LAB/mail.json"
    for name in "${!CHAOS_IN[@]}"; do
        pn_end "$name" TERM
        fd=${CHAOS_IN[$name]}
        exec {fd}>&-
        rm -f "$LAB/run/$name.in" "$LAB/run/$name.out"
    done
    CHAOS_IN=()
}
chaos_cut() { # LABEL
    chaos_tell ping "cut $1"
    chaos_tell arp "cut $1"
}

# --- faults that are the same for every pair ---

none() { :; }

# What a node sends comes into the router's bridge at to-nd; both directions are cut there, with both links up.
wire_cut() { # both | in | out | heartbeats | between
    local in='' between='' out=''
    case $1 in
    both) in='iifname "to-nd" drop' out='oifname "to-nd" drop' ;;
    out) in='iifname "to-nd" drop' ;;
    in) out='oifname "to-nd" drop' ;;
    heartbeats) between="$("${SYS}_heartbeat_match") drop" ;;
    between) between='iifname "to-nd" oifname "to-n2" drop; iifname "to-n2" oifname "to-nd" drop' ;;
    esac
    chaos_nft "$in" "$between" "$out"
}
chaos_nft() { # what to do with frames that come in, pass through, leave
    pn_ns rt nft -f - << END
table bridge chaos {
    chain in { type filter hook prerouting priority 0; $1; }
    chain between { type filter hook forward priority 0; $2; }
    chain out { type filter hook postrouting priority 0; $3; }
}
END
}
wire_heal() { pn_ns rt nft delete table bridge chaos; }

link_set() { pn_ns rt ip link set to-nd "$1"; }

chaos_node_pids() { ip netns pids "$LAB_PREFIX-nd"; }

chaos_freezer() { # the folder of a cgroup of our own, if this machine's cgroups can freeze
    local root
    for root in /sys/fs/cgroup/freezer /sys/fs/cgroup /sys/fs/cgroup/unified; do
        if [ -w "$root/cgroup.procs" ] && mkdir -p "$root/postern-lab-$LAB_ID" 2> /dev/null; then
            if [ -w "$root/postern-lab-$LAB_ID/freezer.state" ] || [ -w "$root/postern-lab-$LAB_ID/cgroup.freeze" ]; then
                echo "$root/postern-lab-$LAB_ID"
                return
            fi
            rmdir "$root/postern-lab-$LAB_ID"
        fi
    done
}
chaos_freezer_set() { # FOLDER yes|no
    if [ -w "$1/freezer.state" ]; then
        if [ "$2" = yes ]; then echo FROZEN; else echo THAWED; fi > "$1/freezer.state"
    elif [ "$2" = yes ]; then echo 1 > "$1/cgroup.freeze"
    else echo 0 > "$1/cgroup.freeze"; fi
}
node_freeze() {
    local pid
    FREEZER=$(chaos_freezer)
    if [ -z "$FREEZER" ]; then
        # shellcheck disable=SC2046 # a list of numbers
        kill -STOP $(chaos_node_pids)
        return
    fi
    for pid in $(chaos_node_pids); do echo "$pid" > "$FREEZER/cgroup.procs" 2> /dev/null || true; done
    chaos_freezer_set "$FREEZER" yes
}
node_thaw() {
    local pid
    if [ -z "$FREEZER" ]; then
        # shellcheck disable=SC2046
        kill -CONT $(chaos_node_pids)
        return
    fi
    chaos_freezer_set "$FREEZER" no
    for pid in $(cat "$FREEZER/cgroup.procs"); do
        echo "$pid" > "$(dirname "$FREEZER")/cgroup.procs" 2> /dev/null || true
    done
    pn_wait 2 rmdir "$FREEZER" || true
    FREEZER=''
}

clock_step() { # SECONDS: the wall clock of all of the node's processes (tests/lab/tools/clockstep.c)
    $PYTHON -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2])))' "$LAB/clock1" "$1"
}
chaos_env() { # NODE: for env(1)
    [ -s "$LAB/clock$1" ] || head -c 8 /dev/zero > "$LAB/clock$1"
    echo "LD_PRELOAD=$PN_BUILD/tests/lab/clockstep.so PN_CLOCK_STEP=$LAB/clock$1"
}
pn_pair_env() { chaos_env "$1"; }

storm() { # KIND
    pn_ns rt $PYTHON "$TOOLS/hbstorm.py" "$1" --protocol "$("${SYS}_wire")" --ports to-nd,to-n2 \
        --seconds "$CHAOS_STORM" --seed "$CHAOS_SEED" > "$LAB/storm.json" || pn_die "the storm did not blow"
}

part_kill() { chaos_signal KILL "$1"; }
part_signal() { chaos_signal "$1" "$2"; }
chaos_signal() { # SIGNAL PART
    # shellcheck disable=SC2046 # a list of numbers
    kill "-$1" $("${SYS}_pids" "$2")
}
part_start() { "${SYS}_start" "$1"; }
restart_service() { "${SYS}_restart"; }
move_away() { "${SYS}_move_away"; }
move_back() { "${SYS}_move_back"; }

# --- a round ---

chaos_refused() { [ "$SYS" = postern ] && postern_refused || echo 0; }

# One fault, restored. Appends one object to $LAB/rounds. 1: the pair did not come back.
chaos_round() { # FAULT NUMBER
    local fault=$1 label=$SYS-$1-$2 settled=true before after refused begun
    begun=$(chaos_uptime)
    chaos_row "$fault"
    rm -f "$LAB/storm.json"
    chaos_tell mail "begin $label $CHAOS_HELD"
    chaos_answer mail "$label.begin" > /dev/null
    before=$("${SYS}_transitions")
    refused=$(chaos_refused)
    sleep "0.$((RANDOM % 90 + 10))" # not always at the same moment of a heartbeat
    chaos_cut "$label.before"
    $f_make
    [[ $f_make == storm* || $f_make == restart* ]] || sleep "$CHAOS_DOWN"
    chaos_cut "$label.fault"
    $f_heal
    pn_wait 20 "${SYS}_settled" || settled=false
    sleep 0.5
    chaos_cut "$label.restore"
    after=$("${SYS}_transitions")
    chaos_tell mail "end $label"
    chaos_answer mail "$label.end" > "$LAB/round.mail"
    chaos_answer ping "$label.fault" > "$LAB/round.ping"
    chaos_answer arp "$label.fault" > "$LAB/round.arp"
    chaos_answer ping "$label.restore" >> "$LAB/round.ping"
    chaos_answer arp "$label.restore" >> "$LAB/round.arp"
    jq -nc --arg system "$SYS" --arg fault "$fault" --arg label "$label" --arg must "$f_must" --arg text "$f_text" \
        --argjson order "$f_order" --argjson stalled_ms "$(chaos_stalled "$begun")" --argjson settled $settled --argjson transitions "$((after > before ? after - before : 0))" \
        --argjson refused "$(($(chaos_refused) - refused))" --argjson storm "$(cat "$LAB/storm.json" 2> /dev/null || echo null)" \
        --slurpfile ping "$LAB/round.ping" --slurpfile arp "$LAB/round.arp" --slurpfile mail "$LAB/round.mail" \
        '$ARGS.named | .mail = .mail[0]' >> "$LAB/rounds"
    $settled
}

# Accepted Message-Ids that no gateway holds.
chaos_lost() {
    awk '{ print $2 }' "$LAB/accepted" | sort -u > "$LAB/ids.accepted"
    { pn_mail_ids mx1; pn_mail_ids mx2; } | sort -u > "$LAB/ids.held"
    comm -23 "$LAB/ids.accepted" "$LAB/ids.held" > "$LAB/ids.lost"
}
