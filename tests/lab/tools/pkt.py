#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Frames no kernel would send, for the lab: bounded in number, on one interface of one namespace.

    flood    TCP SYNs to VIP:port from made-up sources (10.80.0.0/12 or fd80::/16)
    garbage  broken, truncated, odd and hostile frames to a VIP: the same ones for the same --seed
Prints how many frames left.
"""
import argparse
import ipaddress
import random
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def tcp(src, dst, sport, dport, flags, seq=1, ack=0, data=b"", offset=5, options=b""):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, offset << 4, flags, 64240, 0, 0) + options
    pseudo = src + dst + (struct.pack("!BBH", 0, 6, len(head) + len(data)) if len(src) == 4
                          else struct.pack("!II", len(head) + len(data), 6))
    return head[:16] + struct.pack("!H", checksum(pseudo + head + data)) + head[18:] + data


def ip4(src, dst, payload, proto=6, ihl=5, total=None, frag=0, ident=1, ttl=64, options=b"", bad_sum=False):
    total = 20 + len(options) + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, total & 0xFFFF, ident, frag, ttl, proto, 0, src, dst) + options
    value = checksum(head) ^ (0x5555 if bad_sum else 0)
    return head[:10] + struct.pack("!H", value) + head[12:] + payload


def ip6(src, dst, payload, nxt=6, plen=None):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload) if plen is None else plen, nxt, 64, src, dst) + payload


def flood(opt, out, head4, head6):
    dst = ipaddress.ip_address(opt.vip).packed
    rnd = random.Random(opt.seed)
    frames = []
    for _ in range(min(opt.count, 20000)):  # made beforehand; sent again with other ports changes nothing
        sport = rnd.randrange(1024, 65536)
        if len(dst) == 4:
            src = (0x0A500000 + rnd.randrange(1 << 20)).to_bytes(4, "big")
            frames.append(head4 + ip4(src, dst, tcp(src, dst, sport, opt.port, 2, rnd.randrange(1 << 32))))
        else:
            src = bytes([0xFD, 0x80]) + rnd.randbytes(14)
            frames.append(head6 + ip6(src, dst, tcp(src, dst, sport, opt.port, 2, rnd.randrange(1 << 32))))
    sent, start = 0, time.monotonic()
    while sent < opt.count:
        for frame in frames:
            if sent >= opt.count:
                break
            try:
                out.send(frame)
            except OSError:
                time.sleep(0.001)
                continue
            sent += 1
            if opt.rate and sent % 50 == 0:
                ahead = sent / opt.rate - (time.monotonic() - start)
                if ahead > 0:
                    time.sleep(ahead)
    return sent


def garbage(opt, out, head4, head6):
    rnd = random.Random(opt.seed)
    d4 = ipaddress.ip_address(opt.vip).packed
    d6 = ipaddress.ip_address(opt.vip6).packed
    s4, s6 = bytes([10, 77, 0, 77]), ipaddress.ip_address("fd77::77").packed
    vlan, dmac, smac = b"\x81\x00\x00\x05", head4[:6], head4[6:12]
    good4 = ip4(s4, d4, tcp(s4, d4, 1234, opt.port, 2))
    good6 = ip6(s6, d6, tcp(s6, d6, 1234, opt.port, 2))
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, smac, s4, b"\0" * 6, d4)
    frames = []
    for good, head in ((good4, head4), (good6, head6)):
        frames += [head + good[:n] for n in range(len(good))]  # cut everywhere
        frames += [head + bytes(rnd.randrange(256) if rnd.random() < 0.1 else b for b in good) for _ in range(400)]
        frames += [dmac + smac + vlan * n + head[12:] + good for n in (1, 2, 3)]
        frames += [head + good + b"\0" * n for n in (1, 7, 1400)]
    frames += [head4 + ip4(s4, d4, good4[20:], ihl=n) for n in range(16)]
    frames += [head4 + ip4(s4, d4, good4[20:], total=n) for n in (0, 1, 19, 20, 39, 41, 1500, 65535)]
    frames += [head4 + ip4(s4, d4, good4[20:], bad_sum=True), head4 + ip4(s4, d4, good4[20:], ttl=0)]
    frames += [head4 + ip4(s4, d4, good4[20:], proto=p) for p in (0, 1, 2, 4, 17, 41, 47, 50, 58, 132, 255)]
    frames += [head4 + ip4(s, d4, tcp(s, d4, 1, opt.port, 2)) for s in
               (b"\0\0\0\0", b"\xff" * 4, b"\x7f\0\0\1", b"\xe0\0\0\1", d4)]
    frames += [head4 + ip4(s4, d4, tcp(s4, d4, 99, opt.port, f)) for f in range(256)]  # every set of flags
    frames += [head4 + ip4(s4, d4, tcp(s4, d4, 99, opt.port, 2, offset=n)) for n in range(16)]
    frames += [head4 + ip4(s4, d4, tcp(s4, d4, p, q, 2)) for p, q in ((0, 25), (25, 0), (0, 0), (65535, 65535))]
    frames += [head4 + ip4(s4, d4, rnd.randbytes(n), frag=f, ident=7) for n in (0, 1, 8, 1400)
               for f in (0x2000, 1, 0x2001, 0x1FFF, 0x3FFF, 0x8000)]
    frames += [head4 + ip4(s4, d4, struct.pack("!BBHI", t, c, 0, 1300) + good4[:n], proto=1)
               for t in (0, 3, 4, 5, 8, 11, 12, 13, 255) for c in (0, 4, 255) for n in (0, 8, 28, 40)]
    frames += [head6 + ip6(s6, d6, rnd.randbytes(n), nxt=x) for n in (0, 1, 7, 8, 64) for x in
               (0, 1, 43, 44, 50, 51, 58, 59, 60, 135, 139, 140, 255)]
    chain = b"".join(bytes([60, 0]) + b"\1\4\0\0\0\0" for _ in range(40))
    frames += [head6 + ip6(s6, d6, chain + good6[40:], nxt=60)]
    frames += [head6 + ip6(s6, d6, good6[40:], plen=n) for n in (0, 1, 19, 21, 65535)]
    frames += [dmac + smac + b"\x08\x06" + arp[:n] for n in range(len(arp))]
    frames += [b"\xff" * 6 + smac + b"\x08\x06" + bytes(rnd.randrange(256) if rnd.random() < 0.2 else b for b in arp)
               for _ in range(200)]
    for kind in (133, 134, 135, 136, 137, 128, 129, 1, 2, 3, 4):
        for n in (0, 3, 4, 20, 24, 32, 64):
            frames.append(head6 + ip6(s6, d6, bytes([kind, 0, 0, 0]) + (d6 + rnd.randbytes(64))[:n], nxt=58))
    frames += [dmac + smac + struct.pack("!H", t) + rnd.randbytes(n) for t in (0, 0x0600, 0x88CC, 0x8847, 0x8864, 0xFFFF)
               for n in (0, 1, 46, 1400)]
    sent = 0
    for _ in range(opt.count):
        for frame in frames:
            try:
                out.send(frame[:1514].ljust(14, b"\0"))
                sent += 1
            except OSError:
                pass
        time.sleep(0.01)
    return sent


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["flood", "garbage"])
    p.add_argument("--iface", default="br0")
    p.add_argument("--vip", required=True)
    p.add_argument("--vip6", default="fd77::25")
    p.add_argument("--mac", required=True, help="where the frames go")
    p.add_argument("--port", type=int, default=25)
    p.add_argument("--count", type=int, default=1000, help="flood: frames; garbage: rounds")
    p.add_argument("--rate", type=int, default=0, help="flood: frames a second, 0: as fast as it goes")
    p.add_argument("--seed", type=int, default=1)
    opt = p.parse_args()
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((opt.iface, 0))
    smac = out.getsockname()[4]
    head = mac(opt.mac) + smac
    run = flood if opt.what == "flood" else garbage
    print(run(opt, out, head + b"\x08\x00", head + b"\x86\xdd"))
    sys.exit(0)


if __name__ == "__main__":
    main()
