#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Watches a virtual address: `ping` measures how long it does not answer, `arp` who answers for it.

Runs until its stop file is there, then prints one JSON object."""
import argparse
import json
import os
import select
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def realtime():
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    except OSError:
        pass


def ping(args):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    ident = os.getpid() & 0xFFFF
    sent, answered = [], {}
    due = time.monotonic()
    late = 0.0
    while not os.path.exists(args.stop):
        now = time.monotonic()
        if now >= due:
            late = max(late, now - due)
            n = len(sent)
            body = struct.pack("!BBHHHI", 8, 0, 0, ident, n & 0xFFFF, n)
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
            sent.append(now)
            try:
                s.sendto(body, (args.vip, 0))
            except OSError:
                pass
            due = max(due + args.interval / 1e3, now)
        if select.select([s], [], [], max(0.0, due - time.monotonic()))[0]:
            data = s.recv(2048)
            ip = (data[0] & 15) * 4
            kind, _, _, got, _, n = struct.unpack("!BBHHHI", data[ip:ip + 12])
            if kind == 0 and got == ident and n < len(sent):
                answered.setdefault(n, time.monotonic())
    # The last few may still have been on their way.
    end = len(sent) - int(200 / args.interval)
    lost = [n for n in range(end) if n not in answered]
    gap = run = 0
    for n in range(end):
        run = 0 if n in answered else run + 1
        gap = max(gap, run)
    last = max((n for n in answered), default=-1)
    print(json.dumps({"sent": end, "lost": len(lost), "gap_ms": round(gap * args.interval, 1),
                      "answers_at_end": last >= end - 5, "late_ms": round(late * 1e3, 2)}))


def arp(args):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    s.bind((args.interface, 0))
    own = s.getsockname()[4]
    vip = socket.inet_aton(args.vip)
    sender = socket.inet_aton(args.sender)
    request = (b"\xff" * 6 + own + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + sender + b"\0" * 6 + vip)
    due = time.monotonic()
    answers = []
    while not os.path.exists(args.stop):
        now = time.monotonic()
        if now >= due:
            s.send(request)
            due = max(due + args.interval / 1e3, now)
        if not select.select([s], [], [], max(0.0, due - time.monotonic()))[0]:
            continue
        frame = s.recv(2048)
        # Replies to us, from the address asked for. Announcements are no answers.
        if frame[:6] == own and frame[20:22] == b"\0\2" and frame[28:32] == vip:
            answers.append((time.monotonic(), frame[22:28].hex(":")))
    # Two at a time: somebody answers again after another has begun to, within a moment.
    changes = [(answers[i][0], answers[i - 1][1]) for i in range(1, len(answers)) if answers[i][1] != answers[i - 1][1]]
    dual = sum(1 for i in range(1, len(changes)) if changes[i][0] - changes[i - 1][0] < 0.1)
    print(json.dumps({"answers": len(answers), "changes": len(changes), "dual": dual,
                      "macs": sorted({mac for _, mac in answers}), "last": answers[-1][1] if answers else ""}))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mode", choices=["ping", "arp"])
    p.add_argument("vip")
    p.add_argument("--stop", required=True)
    p.add_argument("--interval", type=float, default=1.0, help="milliseconds")
    p.add_argument("--interface", default="br0")
    p.add_argument("--sender", default="10.77.0.1")
    args = p.parse_args()
    realtime()
    {"ping": ping, "arp": arp}[args.mode](args)


if __name__ == "__main__":
    sys.exit(main())
