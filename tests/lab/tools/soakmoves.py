#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which changes of who owns an address came with a stall of the machine itself, and which did not.

Reads posternd's logs, one a node in the nodes' order, and the list of stalls of stalls.py. A change within half a second after a
stall longer than --over is its doing: a lease that is not renewed in time ends. Prints one JSON object."""
import argparse
import datetime
import json
import re
import sys
import time

AFTER_S = 0.5  # what a stall sets off is over by then: the lease ends, the other node claims, the address comes home
MOVE = re.compile(r"^(\S+Z) posternd: \w+: vip (\S+): (init|backup|owner): (.*)$")


def stalls(path, over_ms):
    """[from, to, ms] in wall-clock seconds; the file has CLOCK_BOOTTIME at the end of each."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found = []
    for line in open(path):
        end, late_ms, _cpu = line.split()
        if float(late_ms) > over_ms:
            found.append((float(end) + offset - float(late_ms) / 1e3, float(end) + offset, float(late_ms)))
    return found


def moves(path, node, since, until):
    for line in open(path, errors="replace"):
        match = MOVE.match(line)
        if match:
            at = datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00")).timestamp()
            if since <= at <= until:
                yield {"at": match[1], "s": at, "node": node, "vip": match[2], "state": match[3], "why": match[4]}


def excused(long_ones, since, until):
    """The part of the time in which a move would have its reason: with too much of it nothing is proved."""
    covered, last = 0.0, since
    for begin, end, _ms in sorted(long_ones):
        begin, end = max(begin, last), min(end + AFTER_S, until)
        covered += max(0.0, end - begin)
        last = max(last, end)
    return covered / (until - since)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--stalled", required=True, help="what stalls.py --log wrote")
    p.add_argument("--over", type=float, required=True, help="milliseconds")
    p.add_argument("--since", type=float, required=True, help="seconds of the wall clock")
    p.add_argument("--until", type=float, required=True)
    p.add_argument("logs", nargs="+")
    args = p.parse_args()
    long_ones = stalls(args.stalled, args.over)
    found = [m for n, log in enumerate(args.logs, 1) for m in moves(log, f"n{n}", args.since, args.until)]
    for m in found:
        # The log's clock has milliseconds, and a move can be told while the stall goes on elsewhere.
        m["stall_ms"] = max((ms for begin, end, ms in long_ones if begin - 0.002 <= m["s"] <= end + AFTER_S), default=0)
        del m["s"]
    found.sort(key=lambda m: m["at"])
    print(json.dumps({"over_ms": args.over, "stalls": len(long_ones), "moves": found,
                      "excused_percent": round(100 * excused(long_ones, args.since, args.until), 2),
                      "unexplained": sum(not m["stall_ms"] for m in found)}))


if __name__ == "__main__":
    sys.exit(main())
