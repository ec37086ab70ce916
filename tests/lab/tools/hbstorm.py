#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an attacker on the segment could do to heartbeats: sends them by the thousand, recorded, mutated or made up.

It listens on the nodes' bridge ports for what they send, and puts it out of the ports of those it was sent to. Bounded in time and number.
Prints one JSON object."""
import argparse
import json
import os
import random
import select
import socket
import struct
import sys
import time

from vipwatch import checksum

UDP, VRRP = 17, 112
HEADERS = 14 + 20


def is_heartbeat(frame, args):
    if len(frame) < HEADERS + 8 or frame[12:14] != b"\x08\0" or frame[14] != 0x45:
        return False
    if args.protocol == "vrrp":
        return frame[23] == VRRP
    return frame[23] == UDP and struct.unpack("!H", frame[36:38])[0] == args.port


def record(port, args):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((port, 0))
    frames, end = [], time.monotonic() + 3
    while len(frames) < 50 and time.monotonic() < end:
        if select.select([s], [], [], 0.1)[0]:
            frame, where = s.recvfrom(2048)
            if where[2] != socket.PACKET_OUTGOING and is_heartbeat(frame, args):
                frames.append(frame)
    return frames


def whole(frame, args):
    """Sums as they must be, or the frame would fall before anybody looks at what it says."""
    if args.protocol == "sealed":
        return frame[:40] + b"\0\0" + frame[42:]
    body = frame[HEADERS:HEADERS + 6] + b"\0\0" + frame[HEADERS + 8:]
    pseudo = frame[26:34] + struct.pack("!BBH", 0, VRRP, len(body))
    ip = frame[14:24] + b"\0\0" + frame[26:HEADERS]
    return frame[:14] + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + body[:6] + struct.pack("!H", checksum(pseudo + body)) + body[8:]


def mutated(frame, args, rng):
    first = HEADERS + (8 if args.protocol == "sealed" else 0)
    at = rng.randrange(first, len(frame))
    return whole(frame[:at] + bytes([frame[at] ^ rng.randrange(1, 256)]) + frame[at + 1:], args)


def forged(frame, args, rng):
    """As real as it can be made without the key: addresses, port and length are right."""
    if args.protocol == "vrrp":  # another speaker, with priority 255
        return whole(frame[:26] + socket.inet_aton(args.source) + frame[30:HEADERS + 2] + b"\xff" + frame[HEADERS + 3:], args)
    # The seal's header in clear stays, the rest is made up.
    keep = HEADERS + 8 + rng.choice([0, 4, 8, 16, 24])
    return whole(frame[:keep] + rng.randbytes(len(frame) - keep), args)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kind", choices=["replayed", "mutated", "forged"])
    p.add_argument("--protocol", choices=["sealed", "vrrp"], default="sealed")
    p.add_argument("--ports", required=True, help="the two nodes' bridge ports, with a comma")
    p.add_argument("--port", type=int, default=24625)
    p.add_argument("--rate", type=int, default=10000, help="frames a second, at each port")
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--source", default="10.77.0.99", help="of a forged VRRP advertisement")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    if args.rate * args.seconds > 1_000_000:
        p.error("more than a million frames")
    ports = args.ports.split(",")
    recorded = [record(port, args) for port in ports]
    if not all(recorded):
        sys.exit(f"hbstorm: no heartbeats on one of {args.ports}")
    rng = random.Random(args.seed)
    made = {"replayed": lambda f: f, "mutated": lambda f: mutated(f, args, rng), "forged": lambda f: forged(f, args, rng)}
    outs = []
    for i, name in enumerate(ports):
        # What the other node sent to this one; adverts are for everybody.
        source = recorded[1 - i] if args.protocol == "sealed" else recorded[0] + recorded[1]
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.bind((name, 0))
        outs.append((s, [made[args.kind](source[k % len(source)]) for k in range(2000)]))
    sent = errors = 0
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < args.seconds:
        while sent < now * args.rate:
            for s, frames in outs:
                try:
                    s.send(frames[sent % len(frames)])
                except OSError:
                    errors += 1
            sent += 1
        time.sleep(0.001)
    print(json.dumps({"kind": args.kind, "sent": sent * len(outs), "errors": errors,
                      "per_second": round(sent / (time.monotonic() - begun))}))


if __name__ == "__main__":
    main()
