#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long the machine itself keeps the most urgent thread from running: one sleeper a CPU, at a real-time priority above all
of Postern's, that notes how late it wakes. What it sees no program can be protected from. Prints one JSON object, and with --log a
line for each long one as it happens: CLOCK_BOOTTIME in seconds, ms, CPU."""
import argparse
import json
import os
import time


def steal(cpu):
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith(f"cpu{cpu} "):
                return int(line.split()[8]) * 1000 // os.sysconf("SC_CLK_TCK")
    return 0


def sample(cpu, seconds, over_s, log):
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(60))
    except OSError:
        return {"cpu": cpu, "realtime": False}
    end = time.monotonic() + seconds
    before, worst, over = steal(cpu), 0.0, 0
    while time.monotonic() < end:
        due = time.monotonic() + 0.001
        time.sleep(0.001)
        late = time.monotonic() - due
        worst = max(worst, late)
        if late > over_s:
            over += 1
            if log:
                os.write(log, f"{time.clock_gettime(time.CLOCK_BOOTTIME):.3f} {late * 1e3:.1f} {cpu}\n".encode())
    return {"cpu": cpu, "realtime": True, "worst_ms": round(worst * 1e3, 2), "over": over, "stolen_ms": steal(cpu) - before}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--over", type=float, default=5, help="milliseconds from which each is listed")
    p.add_argument("--log", help="file for those")
    args = p.parse_args()
    log = os.open(args.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if args.log else 0
    children = []
    for cpu in sorted(os.sched_getaffinity(0)):
        r, w = os.pipe()
        if os.fork() == 0:
            os.write(w, json.dumps(sample(cpu, args.seconds, args.over / 1e3, log)).encode() + b"\n")
            os._exit(0)
        os.close(w)
        children.append(os.fdopen(r))
    cpus = [json.loads(c.read()) for c in children]
    print(json.dumps({"worst_ms": max(c.get("worst_ms", 0) for c in cpus), "over_ms": args.over,
                      "over": sum(c.get("over", 0) for c in cpus), "stolen_ms": sum(c.get("stolen_ms", 0) for c in cpus),
                      "cpus": cpus}))


if __name__ == "__main__":
    main()
