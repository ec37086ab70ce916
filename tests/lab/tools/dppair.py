#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two postern-dp on one network, each with its control socket; this program is posternd for both.

  dppair.py SOCKET-A SOCKET-B packets N GAP-MS   latency of N control packets from A to B, one each GAP-MS
  dppair.py SOCKET-A SOCKET-B probe VIP          B probes the VIP, which A holds, then no longer holds
  dppair.py SOCKET-A SOCKET-B conflict           both hold VIP 0; each announcement is told to the other
  dppair.py SOCKET-A SOCKET-B sync SECONDS       carries flows from A to B; prints how many
"""
import os
import select
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from dpctl import (ANNOUNCE, CONTROL, FLOWS_IN, FLOWS_OUT, FLOWS_RESYNC, HEADER, LEASE, PACKET_RX, PACKET_TX, PROBE,
                   PROBE_SEEN, Client, addr)

PORT = 24625
ADDR = {'a': '10.9.0.2', 'b': '10.9.0.3'}
ADDR6 = {'a': 'fd00:9::2', 'b': 'fd00:9::3'}
GROUP, GROUP6 = '239.255.25.25', 'ff02::2525'
KINDS = {1: 'answer', 2: 'rival', 3: 'conflict'}


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Node(Client):
    def __init__(self, path, name):
        super().__init__(path)
        self.name = name
        addrs = addr(ADDR[name]) + addr(GROUP) + addr(ADDR6[name]) + addr(GROUP6)
        # No networks, no peers: all of the rest is zero.
        self.ask(CONTROL, (struct.pack('=HBBI', PORT, 0, 0, 4) + addrs).ljust(1304, b'\0'))

    def get(self, seconds):
        """The next unasked message, or None."""
        if self.unasked:
            return self.unasked.pop(0)
        if not select.select([self.sock], [], [], seconds)[0]:
            return None
        kind, _, seq, payload = self.reply()
        assert seq == 0, f'a reply nobody waits for: type {kind}'
        return kind, payload, now_ns()

    def seen(self, seconds):
        """(kind, mac, ns since its receipt) of the next sighting, or None."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            m = self.get(left)
            if m and m[0] == PROBE_SEEN:
                vip, kind, mac, _, _, when = struct.unpack('=HH6sHIQ', m[1])
                return KINDS[kind], mac.hex(':'), when
        return None

    def drain(self):
        while self.get(0.1):
            pass

    def ref(self, kind, vip=0):
        self.ask(kind, struct.pack('=HHHH', vip, 0, 0, 0))

    def lease(self, seconds, vip=0):
        self.ask(LEASE, struct.pack('=HHIQ', vip, 0, 0, now_ns() + int(seconds * 1e9) if seconds else 0))

    def send(self, dst, payload):
        """As a heartbeat is sent; the status."""
        udp = struct.pack('!HHHH', PORT, PORT, 8 + len(payload), 0) + payload
        if ':' in dst:
            ip = struct.pack('!IHBB', 0x60000000, len(udp), 17, 255) + addr(ADDR6[self.name]) + addr(dst)
        else:
            ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0xc0, 20 + len(udp), 0, 0x4000, 255, 17, 0,
                             addr(ADDR[self.name])[12:], addr(dst)[12:])
            total = sum(struct.unpack('!10H', ip))
            total = (total & 0xffff) + (total >> 16)
            ip = ip[:10] + struct.pack('!H', ~((total & 0xffff) + (total >> 16)) & 0xffff) + ip[12:]
        l3 = ip + udp
        self.seq += 1
        body = struct.pack('=HH6s6sIIQ', 0, 0, bytes(6), bytes(6), len(l3), 0, 0) + l3
        self.sock.sendall(HEADER.pack(HEADER.size + len(body), PACKET_TX, 0, self.seq, 0) + body)
        while True:
            kind, status, seq, payload = self.reply()
            if seq:
                return status
            self.unasked.append((kind, payload, now_ns()))


def show(what, values):
    v = sorted(values)
    print(f'{what}: p50 {v[len(v) // 2] / 1000:.0f} us, p99 {v[len(v) * 99 // 100] / 1000:.0f} us, '
          f'max {v[-1] / 1000:.0f} us')
    return v


def packets(a, b, n, gap_ms):
    for dst in (ADDR['b'], ADDR6['b'], GROUP, GROUP6):
        for _ in range(100):  # until the address is known
            if a.send(dst, b'first') == 0:
                break
            time.sleep(0.02)
        b.drain()
        wire, reader, lost = [], [], 0
        for i in range(n):
            payload = struct.pack('=IQ', i, now_ns()).ljust(200, b'.')
            status = a.send(dst, payload)
            assert status == 0, f'status {status}'
            m = b.get(0.2)
            if not m or m[0] != PACKET_RX:
                lost += 1
                continue
            port, vlan, _, src, size, _, receipt = struct.unpack_from('=HH6s6sIIQ', m[1])
            l3 = m[1][32:]
            number, sent = struct.unpack_from('=IQ', l3, 48 if ':' in dst else 28)
            assert number == i and size == len(l3) == (248 if ':' in dst else 228), (number, i, size, len(l3))
            wire.append(receipt - sent)
            reader.append(m[2] - sent)
            time.sleep(gap_ms / 1000)
        print(f'{n} packets to {dst}: {lost} lost')
        show('  request to receipt by the peer\'s worker', wire)
        v = show('  request to the peer\'s reader', reader)
        assert lost == 0
        assert v[len(v) // 2] < 1000000, 'above a millisecond'


def probe(a, b, vip):
    a.lease(0, vip)
    b.drain()
    b.ref(PROBE, vip)
    assert b.seen(0.3) is None, 'answered without a lease'
    rival = a.seen(0.3)
    assert rival and rival[0] == 'rival', rival
    a.lease(10, vip)
    time.sleep(0.05)
    b.drain()
    took = []
    for _ in range(50):
        start = now_ns()
        b.ref(PROBE, vip)
        got = b.seen(0.3)
        assert got and got[0] == 'answer', got
        took.append(got[2] - start)
        time.sleep(0.012)
    show('probe to answer', took)
    a.lease(0, vip)
    b.drain()
    b.ref(PROBE, vip)
    assert b.seen(0.3) is None, 'answered after the lease was given up'
    print('probe: answered under the lease only')


def conflict(a, b):
    a.lease(10)
    b.lease(10)
    a.drain()
    b.drain()
    a.ref(ANNOUNCE)
    got = b.seen(0.3)
    assert got and got[0] == 'conflict', got
    b.ref(ANNOUNCE)
    got = a.seen(0.3)
    assert got and got[0] == 'conflict', got
    b.lease(0)
    print('conflict: told to both')


def sync(a, b, seconds):
    end = time.monotonic() + seconds
    flows = ends = 0
    a.ask(FLOWS_RESYNC)
    while (left := end - time.monotonic()) > 0:
        m = a.get(left)
        if not m or m[0] != FLOWS_OUT:
            continue
        if not m[1]:
            ends += 1
            continue
        flows += len(m[1]) // 40
        b.ask(FLOWS_IN, m[1])
    assert ends == 1, f'{ends} resyncs ended'
    print(f'sync: {flows} flows')


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    a, b = Node(sys.argv[1], 'a'), Node(sys.argv[2], 'b')
    verb, args = sys.argv[3], [float(v) for v in sys.argv[4:]]
    if verb == 'packets':
        packets(a, b, int(args[0]), args[1])
    elif verb == 'probe':
        probe(a, b, int(args[0]))
    elif verb == 'conflict':
        conflict(a, b)
    elif verb == 'sync':
        sync(a, b, args[0])
    else:
        raise SystemExit(__doc__)


if __name__ == '__main__':
    main()
