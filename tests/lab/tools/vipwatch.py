#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Watches a virtual address: `ping` measures how long it does not answer, `arp` who answers for it.

Runs until its stop file is there, then prints one JSON object. Without a stop file it takes lines from standard input:
`cut LABEL` ends a stretch and prints one object for it, a quarter of a second later; the end of the input ends it."""
import argparse
import collections
import gc
import json
import os
import select
import socket
import struct
import sys
import time

LATE_S = 0.25  # an answer that comes later than this counts as none
APART = 3  # a node that leaves this many questions in a row unanswered has stopped answering


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def realtime():
    """Below Postern's own threads, and never long at a time: a watcher that keeps the CPU would make what it measures."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(3))
    except OSError:
        pass
    gc.disable()  # nothing here goes in circles


class Ping:
    """One echo request an interval; a gap lasts from the first one lost to the next one answered."""

    waits = True  # an answer belongs to the stretch of its request

    def __init__(self, args):
        self.vip = args.vip
        self.six = ":" in args.vip
        if self.six:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.ident = os.getpid() & 0xFFFF
        self.first, self.probes = 0, collections.deque()  # [sent, answered], numbered from first
        self.begin()

    def send(self, now):
        n = self.first + len(self.probes)
        body = struct.pack("!BBHHHI", 128 if self.six else 8, 0, 0, self.ident, n & 0xFFFF, n & 0xFFFFFFFF)
        if not self.six:  # the kernel does the other one
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        self.probes.append([now, False])
        try:
            self.socket.sendto(body, (self.vip, 0))
        except OSError:
            pass

    def receive(self):
        data = self.socket.recv(2048)
        ip = 0 if self.six else (data[0] & 15) * 4
        if len(data) < ip + 12:
            return
        kind, _, _, got, _, n = struct.unpack("!BBHHHI", data[ip:ip + 12])
        if kind == (129 if self.six else 0) and got == self.ident and 0 <= n - self.first < len(self.probes):
            probe = self.probes[n - self.first]
            probe[1] = time.monotonic() - probe[0] < LATE_S

    def begin(self):
        self.sent = self.lost = 0
        self.gap, self.since, self.answered = 0.0, None, False

    def settle(self, end):
        """Takes in the requests from before this time: each has its answer, or none."""
        while self.probes and self.probes[0][0] < end:
            when, self.answered = self.probes.popleft()
            self.first += 1
            self.sent += 1
            self.lost += not self.answered
            if not self.answered and self.since is None:
                self.since = when
            if self.answered and self.since is not None:
                self.gap = max(self.gap, when - self.since)
                self.since = None

    def stretch(self, end):
        self.settle(end)
        if self.since is not None:
            self.gap = max(self.gap, end - self.since)
        result = {"sent": self.sent, "lost": self.lost, "gap_ms": round(self.gap * 1e3, 1), "answers_at_end": self.answered}
        self.begin()
        return result


class Arp:
    """One broadcast question an interval, so that every node that thinks it has the address answers each."""

    waits = False

    def __init__(self, args):
        self.interval = args.interval / 1e3
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self.socket.bind((args.interface, 0))
        self.own = self.socket.getsockname()[4]
        self.vip = socket.inet_aton(args.vip)
        self.request = (b"\xff" * 6 + self.own + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + self.own +
                        socket.inet_aton(args.sender) + b"\0" * 6 + self.vip)
        self.last = None
        self.asked = 0
        self.begin()

    def send(self, _now):
        while select.select([self.socket], [], [], 0)[0]:
            self.receive()  # an answer that waits is one to an earlier question
        self.asked += 1
        self.socket.send(self.request)

    def receive(self):
        frame = self.socket.recv(2048)
        # Replies to us, from the address asked for. Announcements are no answers.
        if frame[:6] == self.own and frame[20:22] == b"\0\2" and frame[28:32] == self.vip:
            self.answer(time.monotonic(), frame[22:28].hex(":"))

    def begin(self):
        self.answers = self.changes = 0
        self.open, self.spans = {}, []  # by node, and all: [from, to, node, last question answered]

    def answer(self, when, mac):
        self.answers += 1
        self.changes += self.last not in (None, mac)
        self.last = mac
        span = self.open.get(mac)
        if span and self.asked - span[3] <= APART:
            span[1], span[3] = when, self.asked
        else:
            self.open[mac] = [when, when, mac, self.asked]
            self.spans.append(self.open[mac])

    def settle(self, _end):
        pass

    def stretch(self, _end):
        # Two at a time: the stretches in which two nodes answered lie over each other.
        over = 0.0
        dual = 0
        for i, a in enumerate(self.spans):
            for b in self.spans[i + 1:]:
                common = min(a[1], b[1]) - max(a[0], b[0])
                if a[2] != b[2] and common >= 0:
                    dual += 1
                    over += max(common, self.interval)
        result = {"answers": self.answers, "changes": self.changes, "dual": dual, "dual_ms": round(over * 1e3, 1),
                  "macs": sorted(self.open), "last": self.last or ""}
        self.begin()
        return result


class Watch:
    def __init__(self, args, what):
        self.args, self.what = args, what
        self.cuts, self.text, self.late, self.ended = [], b"", 0.0, False

    def tell(self, label, end):
        result = self.what.stretch(end)
        result["late_ms"] = round(self.late * 1e3, 2)
        self.late = 0.0
        print(json.dumps(dict({"label": label} if label else {}, **result)), flush=True)

    def commands(self):
        data = os.read(0, 4096)
        self.ended = not data
        self.text += data
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            word, _, label = line.decode().partition(" ")
            if word == "cut" and self.what.waits:
                self.cuts.append((time.monotonic(), label.strip()))
            elif word == "cut":
                self.tell(label.strip(), time.monotonic())

    def over(self):
        return os.path.exists(self.args.stop) if self.args.stop else self.ended

    def run(self):
        step = self.args.interval / 1e3
        inputs = [self.what.socket] + ([] if self.args.stop else [0])
        due = time.monotonic()
        while not self.over():
            now = time.monotonic()
            if now >= due:
                self.late = max(self.late, now - due)
                self.what.send(now)
                due = max(due + step, now)
            ready = select.select(inputs, [], [], max(0.0, due - time.monotonic()))[0]
            if self.what.socket in ready:
                self.what.receive()
            if 0 in ready:
                self.commands()
            self.what.settle(min([now - LATE_S] + [when for when, _ in self.cuts[:1]]))
            while self.cuts and now - self.cuts[0][0] > LATE_S:
                when, label = self.cuts.pop(0)
                self.tell(label, when)
        if self.args.stop:
            # The last few may still have been on their way.
            self.tell("", time.monotonic() - 0.2)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("mode", choices=["ping", "arp"])
    p.add_argument("vip")
    p.add_argument("--stop", help="file whose appearance ends it; none: commands come from standard input")
    p.add_argument("--interval", type=float, default=1.0, help="milliseconds")
    p.add_argument("--interface", default="br0")
    p.add_argument("--sender", default="10.77.0.1")
    args = p.parse_args()
    realtime()
    Watch(args, {"ping": Ping, "arp": Arp}[args.mode](args)).run()


if __name__ == "__main__":
    sys.exit(main())
