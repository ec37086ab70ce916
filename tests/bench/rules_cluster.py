#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Rules on up to nine posternds of one machine: how soon a change is seen everywhere, how long imports and joins take.

usage: rules_cluster.py --posternd FILE --postern FILE --dir DIR [--nodes 9] [--changes 300] [--entries 1000000]
                        [--only changes,import,join] [--json FILE]

Each node has a folder, socket and port of its own; no dataplane is needed. The folder should be on a disk, not in
memory: a change is told to others once it is on disk.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

CONF = """cluster {{ name = "bench" }}
node "{name}" {{ port "lan" {{ interface = lo; address-v4 = 192.0.2.1 }} mesh {{ listen = "127.0.0.1:{port}"; address = "127.0.0.1" }} }}
vip "a" {{ address = "192.0.2.25" }}
gateway "mx1" {{ address = "192.0.2.11" }}
pool "mx" {{ tier "t" {{ gateways = ["mx1"] }} }}
service "smtp" {{ vips = ["a"]; port = 25; pool = "mx" }}
"""


class Refused(Exception):
    pass


class Node:
    def __init__(self, args, number, base_port):
        self.args = args
        self.name = f"n{number}"
        self.dir = os.path.join(args.dir, self.name)
        self.port = base_port + number
        self.process = None
        self.conn = None
        os.makedirs(self.dir)
        with open(self.path("postern.conf"), "w") as f:
            f.write(CONF.format(name=self.name, port=self.port))

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self):
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen(
            [self.args.posternd, "--config", self.path("postern.conf"), "--node", self.name, "--socket", self.path("sock"),
             "--state-dir", self.path("state"), "--dp-socket", self.path("none"), "--log-level", "warning"],
            stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                self.ask("rule status")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.name} does not start: see {self.path('log')}")

    def stop(self, how=signal.SIGTERM):
        if self.conn:
            self.conn.close()
            self.conn = None
        if self.process:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.conn.recv(n - len(data))
            if not part:
                raise ConnectionError("posternd has gone")
            data += part
        return data

    def ask(self, command, **args):
        if not self.conn:
            self.conn = socket.socket(socket.AF_UNIX)
            try:
                self.conn.connect(self.path("sock"))
            except OSError:
                self.conn.close()
                self.conn = None
                raise
        body = json.dumps({"command": command, "args": args}).encode()
        self.conn.sendall(struct.pack(">I", len(body)) + body)
        reply = json.loads(self.read(struct.unpack(">I", self.read(4))[0]))
        if not reply["ok"]:
            raise Refused(reply["error"])
        return reply["result"]

    def has(self, value):
        try:
            return self.ask("rule show", list="blocklist", value=value)["present"]
        except Refused:
            return False

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))

    def join(self, host):
        token = host.ask("cluster invite")["token"]
        self.ask("cluster join", token=token)
        for _ in range(1200):
            p = self.ask("cluster join-progress")
            if p["state"] == "done":
                return
            if p["state"] != "running":
                raise SystemExit(f"{self.name} cannot join: {p}")
            time.sleep(0.01)
        raise SystemExit(f"{self.name} does not join")

    def equal(self, peers):
        s = self.ask("rule sync")
        return s["equal"] and len(s["peers"]) == peers


def until(what, limit_s, fn, step=0.02):
    start = time.monotonic()
    while not fn():
        if time.monotonic() - start > limit_s:
            raise SystemExit(f"not within {limit_s} s: {what}")
        time.sleep(step)
    return time.monotonic() - start


def spread(ms):
    ms = sorted(ms)
    return {"median": round(statistics.median(ms), 2), "p99": round(ms[min(len(ms) - 1, int(len(ms) * 0.99))], 2),
            "max": round(ms[-1], 2), "n": len(ms)}


def load_file(path, first, count):
    with open(path, "w") as f:
        f.write("list,value\n")
        for i in range(first, first + count):
            f.write(f"blocklist,user{i}@d{i % 50021}.example\n")


def import_file(node, path):
    start = time.monotonic()
    subprocess.run([node.args.postern, "--socket", node.path("sock"), "rule", "import", path], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def bench_changes(args, nodes):
    """One change on one node, until every other node has it in force; each node in turn."""
    cluster_make(nodes)
    seen, added, removed = [], [], []
    for i in range(args.changes):
        at = nodes[i % len(nodes)]
        value = f"change{i}@bench.example"
        start = time.monotonic()
        at.ask("rule add", list="blocklist", value=value)
        added.append((time.monotonic() - start) * 1000)
        waiting = [n for n in nodes if n is not at]
        while waiting:
            waiting = [n for n in waiting if not n.has(value)]
            if time.monotonic() - start > 10:
                raise SystemExit(f"{value} is not on {[n.name for n in waiting]}")
        seen.append((time.monotonic() - start) * 1000)
        if i % 10 == 0:
            at.ask("rule remove", list="blocklist", value=value)
            start = time.monotonic()
            until("a removal everywhere", 10, lambda: not any(n.has(value) for n in nodes), 0)
            removed.append((time.monotonic() - start) * 1000)
        time.sleep(args.pause)
    return {"nodes": len(nodes), "seen_on_all_ms": spread(seen), "answered_ms": spread(added),
            "removed_on_all_ms": spread(removed)}


def cluster_make(nodes):
    if not nodes[0].ask("rule status")["clustered"]:
        nodes[0].ask("cluster init", name="bench")
    for n in nodes[1:]:
        if not n.ask("rule status")["clustered"]:
            n.join(nodes[0])
    for n in nodes:
        until(f"{n.name} equal with all", 60, lambda node=n: node.equal(len(nodes) - 1), 0.1)


def bench_import(args, node):
    """A file of entries through the command line, then additions to it."""
    path = os.path.join(args.dir, "entries.csv")
    load_file(path, 0, args.entries)
    took = import_file(node, path)
    again = import_file(node, path)
    os.unlink(path)
    time.sleep(3)
    added = []
    for i in range(500):
        start = time.monotonic()
        node.ask("rule add", list="blocklist", value=f"one{i}@bench.example")
        added.append((time.monotonic() - start) * 1000)
        time.sleep(0.01)
    start = time.monotonic()
    node.ask("rule list", search="user99999@", max=10000)
    search = time.monotonic() - start
    rss = node.rss_mb()
    node.stop()
    start = time.monotonic()
    node.start()
    node.ask("rule show", list="blocklist", value="one0@bench.example")
    return {"entries": args.entries, "import_s": round(took, 2), "again_s": round(again, 2), "added_ms": spread(added),
            "search_s": round(search, 2), "rss_mb": round(rss), "opened_s": round(time.monotonic() - start, 2)}


def bench_join(args, a, b):
    """Two nodes with as many entries each, nine tenths of them the same, made on each by itself."""
    for number, node in enumerate((a, b)):
        path = os.path.join(args.dir, f"join{number}.csv")
        load_file(path, number * args.entries // 10, args.entries)
        import_file(node, path)
        os.unlink(path)
    time.sleep(3)
    a.ask("cluster init", name="bench")
    token = a.ask("cluster invite")["token"]
    start = time.monotonic()
    b.ask("cluster join", token=token, dry_run=True)
    until("the rehearsal", 60, lambda: b.ask("cluster join-progress")["state"] != "running")
    rehearsed = time.monotonic() - start
    rows = {r["list"]: r for r in b.ask("cluster join-progress")["rows"]}
    start = time.monotonic()
    b.ask("cluster join", token=token)
    until("both equal", 120, lambda: b.equal(1) and a.equal(1), 0.1)
    took = time.monotonic() - start
    status = b.ask("rule status")
    peer = status["peers"][0]
    blocklist = next(r["entries"] for r in status["lists"] if r["list"] == "blocklist")
    return {"entries": args.entries, "rehearsed_s": round(rehearsed, 2), "rehearsal": rows.get("blocklist"),
            "join_s": round(took, 2), "after": blocklist, "moved_mb": round((peer["sent_bytes"] + peer["received_bytes"]) / 1e6, 1),
            "rss_mb": [round(a.rss_mb()), round(b.rss_mb())]}


def main():
    p = argparse.ArgumentParser()
    for name in ("posternd", "postern", "dir"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--nodes", type=int, default=9)
    p.add_argument("--changes", type=int, default=300)
    p.add_argument("--pause", type=float, default=0.02)
    p.add_argument("--entries", type=int, default=1000000)
    p.add_argument("--only", default="changes,import,join")
    p.add_argument("--json")
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    base = 20000 + os.getpid() % 20000
    result, nodes = {}, []
    if os.path.exists(args.dir):
        raise SystemExit(f"{args.dir} is there already")
    os.makedirs(args.dir)

    def fresh(n):
        nonlocal nodes
        for old in nodes:
            old.stop()
            shutil.rmtree(old.dir)
        nodes = [Node(args, i + 1, base) for i in range(n)]
        for node in nodes:
            node.start()
        return nodes

    try:
        if "changes" in args.only:
            result["changes"] = bench_changes(args, fresh(args.nodes))
            print("changes", json.dumps(result["changes"]), file=sys.stderr)
        if "import" in args.only:
            result["import"] = bench_import(args, fresh(1)[0])
            print("import", json.dumps(result["import"]), file=sys.stderr)
        if "join" in args.only:
            result["join"] = bench_join(args, *fresh(2))
            print("join", json.dumps(result["join"]), file=sys.stderr)
    finally:
        for node in nodes:
            node.stop()
        if not args.keep:
            shutil.rmtree(args.dir)
    text = json.dumps({"rules": result}, indent=2)
    if args.json:
        with open(args.json, "w") as f:
            f.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
