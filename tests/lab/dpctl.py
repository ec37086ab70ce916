#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small client of include/postern/dpapi.h, for tests of postern-dp without posternd.

  dpctl.py SOCKET hello
  dpctl.py SOCKET snapshot GENERATION [--vip NAME=ADDR[,port=N][,vlan=N][,mac=M][,noannounce]]...
                  [--gateway NAME=ADDR[,port=N][,vlan=N][,mac=M][,local][,drain]]... [--tier GW[:WEIGHT]+GW...]...
                  [--service NAME=L4PORT[,affinity=N][,established=S][,half-open=S][,tiers=N]]...     (each on every VIP)
  dpctl.py SOCKET lease VIP-ID SECONDS [shorten] [forward=MS]      (0 gives it up)
  dpctl.py SOCKET probe | announce VIP-ID
  dpctl.py SOCKET flows | neighbours | ports | trace-start N | trace-read | get
  dpctl.py SOCKET explain CLIENT PORT SERVICE-ID
  dpctl.py SOCKET filter                              (what runs)
  dpctl.py SOCKET filter-load GENERATION drop|reset [-PREFIX | +PREFIX | random4:N | random6:N]...
                  (- blocked, + welcome; waits until it runs and says for how long)
  dpctl.py SOCKET filter-patch FROM GENERATION drop|reset [[no]-PREFIX | [no]+PREFIX]...
  dpctl.py SOCKET filter-ask ADDRESS
  dpctl.py SOCKET raw HEXBYTES                        (a whole message; prints the reply's status)
  dpctl.py STATS-FILE stats [COUNTER...]              (sums over the workers)
"""
import ipaddress
import random
import re
import socket
import struct
import sys
import time
from pathlib import Path

HEADER = struct.Struct('=IHHII')
(HELLO, PUT, GET, LEASE, FLOWS, EXPLAIN, TRACE_START, TRACE_READ, NEIGHBOURS, PORTS, CONTROL, PACKET_TX, PACKET_RX, PROBE,
 PROBE_SEEN, ANNOUNCE, FLOWS_OUT, FLOWS_IN, FLOWS_RESYNC, F_BEGIN, F_ADD, F_COMMIT, F_PATCH, F_GET, F_ASK) = range(1, 26)
NONE = 0xffff


def addr(text):
    a = ipaddress.ip_address(text)
    return a.packed if a.version == 6 else b'\0' * 10 + b'\xff\xff' + a.packed


def addr_text(b):
    a = ipaddress.IPv6Address(b)
    return str(a.ipv4_mapped or a)


def mac(text):
    return bytes.fromhex(text.replace(':', '')) if text else bytes(6)


def name(text):
    return text.encode().ljust(32, b'\0')


def options(text):
    """'NAME=VALUE,key=value,flag' -> NAME, VALUE, {key: value, flag: True}"""
    first, *rest = text.split(',')
    key, value = first.split('=', 1)
    return key, value, {k: (v if sep else True) for k, sep, v in (r.partition('=') for r in rest)}


class Client:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.seq = 0
        self.unasked = []  # (type, payload, when read), in order

    def read(self, n):
        data = b''
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise SystemExit('dpctl: connection closed')
            data += part
        return data

    def reply(self):
        size, kind, status, seq, _ = HEADER.unpack(self.read(HEADER.size))
        return kind, status, seq, self.read(size - HEADER.size)

    def ask(self, kind, body=b''):
        self.seq += 1
        self.sock.sendall(HEADER.pack(HEADER.size + len(body), kind, 0, self.seq, 0) + body)
        got, status, seq, payload = self.reply()
        while seq == 0:
            self.unasked.append((got, payload, time.clock_gettime_ns(time.CLOCK_BOOTTIME)))
            got, status, seq, payload = self.reply()
        if (got, seq) != (kind, self.seq):
            raise SystemExit(f'dpctl: reply of type {got} seq {seq} to type {kind} seq {self.seq}')
        if status:
            print(f'status {status}: {payload.rstrip(bytes(1)).decode()}')
            raise SystemExit(status)
        return payload


def snapshot(generation, args):
    vips, gateways, tiers, services = [], [], [], []
    gateway_ids = {}
    members = b''
    n_members = 0
    it = iter(args)
    for opt in it:
        value = next(it)
        if opt == '--vip':
            n, a, o = options(value)
            flags = (0 if 'noannounce' in o else 1) | 2
            vips.append(name(n) + addr(a) + struct.pack('=HHHH', len(vips), int(o.get('port', 0)),
                        int(o.get('vlan', 0)), flags) + mac(o.get('mac')) +
                        struct.pack('=HII', 0, int(o.get('grace', 0)), 0))
        elif opt == '--gateway':
            n, a, o = options(value)
            gateway_ids[n] = len(gateways)
            flags = (1 if 'drain' in o else 0) | (2 if 'disabled' in o else 0)
            gateways.append(name(n) + addr(a) + struct.pack('=HHHH', len(gateways), int(o.get('port', 0)),
                            int(o.get('vlan', 0)), flags) +
                            struct.pack('=BB', 1 if 'local' in o else 0, 1 if 'mac' in o else 0) + mac(o.get('mac')))
        elif opt == '--tier':
            rows = [m.partition(':') for m in value.split('+')]
            for gw, _, weight in rows:
                members += struct.pack('=HHHH', gateway_ids[gw], int(weight or 100), 0, 0)
            tiers.append(name(f'tier{len(tiers)}') +
                         struct.pack('=HHHHIHH', n_members, len(rows), 1, 0, 0, len(tiers), len(tiers) % 9))
            n_members += len(rows)
        elif opt == '--service':
            services.append(options(value))
        else:
            raise SystemExit(f'dpctl: {opt}?')
    rows = b''
    count = 0
    for n, port, o in services:
        for vip in range(len(vips)):
            rows += name(f'{n}-{vip}') + name('pool') + struct.pack(
                '=HHHBBBBHHHIIII', count, vip, int(port), 6, int(o.get('affinity', 0)), 24, 64, 0, int(o.get('tiers', len(tiers))), 0,
                int(o.get('established', 900)), int(o.get('half-open', 30)), int(o.get('closing', 60)), 0)
            count += 1
    body = b''.join(vips) + rows + b''.join(tiers) + b''.join(gateways) + members
    head = struct.Struct('=IIQQIHHHHHH')
    return head.pack(0x4e534e50, 1, int(generation), 42, head.size + len(body), len(vips), count, len(tiers),
                     len(gateways), n_members, 0) + body


def prefix(text):
    """'-192.0.2.0/24' blocked, '+...' welcome, 'no' before it takes it out. Host bits stay, for the dataplane to clear."""
    remove = text.startswith('no')
    text = text.removeprefix('no')
    a, _, n = text[1:].partition('/')
    v4 = ':' not in a
    return addr(a) + struct.pack('=BBB5x', int(n or (32 if v4 else 128)) + (96 if v4 else 0), text[0] == '+', remove)


def prefixes(args):
    out = []
    for a in args:
        kind, _, n = a.partition(':')
        if kind in ('random4', 'random6'):
            rnd = random.Random(1)
            for _ in range(int(n)):
                if kind == 'random4':
                    a = rnd.randrange(1 << 24, 224 << 24).to_bytes(4, 'big')
                    out.append(bytes(10) + b'\xff\xff' + a + bytes([128]) + bytes(7))
                else:
                    out.append((2 << 124 | rnd.randrange(1 << 60) << 64).to_bytes(16, 'big') + bytes([64]) + bytes(7))
        else:
            out.append(prefix(a))
    return out


def filter_state(c):
    keys = ('running', 'taken', 'loading', 'loading-count', 'blocked4', 'blocked6', 'welcome4', 'welcome6', 'state',
            'load-ms', 'patch-us', 'action', 'memory', 'changed', 'error')
    v = dict(zip(keys, struct.unpack('=QQQQIIIIIIIB3xQQ256s', c.ask(F_GET))))
    v['error'] = v['error'].rstrip(bytes(1)).decode()
    return v


def filter_load(c, args):
    generation, action, rows = int(args[0]), args[1] == 'reset', prefixes(args[2:])
    start = time.monotonic()
    c.ask(F_BEGIN, struct.pack('=QB7x', generation, action))
    for i in range(0, len(rows), 4096):
        part = rows[i:i + 4096]
        c.ask(F_ADD, struct.pack('=QII', generation, len(part), 0) + b''.join(part))
    c.ask(F_COMMIT, struct.pack('=QQ', generation, len(rows)))
    while (v := filter_state(c))['state'] == 1:
        time.sleep(0.01)
    if v['running'] != generation:
        raise SystemExit(f"dpctl: filter: {v['error']}")
    print(f"{len(rows)} prefixes in {time.monotonic() - start:.3f} s, {v['load-ms']} ms of it after COMMIT, "
          f"{v['memory'] >> 20} MiB")


def filter_patch(c, args):
    rows = prefixes(args[3:])
    start = time.monotonic()
    c.ask(F_PATCH, struct.pack('=QQIB3x', int(args[0]), int(args[1]), len(rows), args[2] == 'reset') + b''.join(rows))
    while (v := filter_state(c))['state'] == 1:
        pass
    if v['running'] != int(args[1]):
        raise SystemExit(f"dpctl: filter: {v['error']}")
    print(f"runs after {(time.monotonic() - start) * 1000:.2f} ms, {v['patch-us']} us of it in the dataplane")


def filter_ask(c, args):
    v = struct.unpack('=BB2B4xQ24s24s', c.ask(F_ASK, addr(args[0])))
    print(('pass', 'blocked', 'welcome')[v[0]], *(f"{list_} {addr_text(m[:16])}/{m[16] - (96 if v4(m) else 0)}"
          for list_, found, m in zip(('block', 'welcome'), v[2:4], v[5:7]) if found))


def v4(m):
    return m[:12] == bytes(10) + b'\xff\xff' and m[16] >= 96


def stats(path, wanted):
    header = (Path(__file__).parents[2] / 'include/postern/counters.h').read_text()
    names = re.findall(r'X\(\w+,\s*\w,\s*"(\w+)"', header)
    data = Path(path).read_bytes()
    magic, _, n, offset, size, n_counters = struct.unpack_from('=IIIIII', data)
    if magic != 0x54534e50 or n_counters != len(names):
        raise SystemExit('dpctl: not this version\'s segment')
    sums = [0] * n_counters
    for w in range(n + 1):
        for i, v in enumerate(struct.unpack_from(f'={n_counters}Q', data, offset + w * size)):
            sums[i] += v
    table = dict(zip(names, sums))
    for w in wanted or [k for k, v in table.items() if v]:
        print(w, table[w])


def show_flow(f):
    client, port, svc, gw, state, flags, idle, expires, worker = struct.unpack('=16sHHHBBIIH6x', f)
    states = ('free', 'half-open', 'established', 'closing')
    print(addr_text(client), port, f'service {svc} gateway {gw} {states[state]} flags {flags} idle {idle} ms '
          f'expires {expires} ms worker {worker}')


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    path, verb, *args = sys.argv[1:]
    if verb == 'stats':
        return stats(path, args)
    c = Client(path)
    if verb == 'hello':
        v = struct.unpack('=IIQQHHI108s20s', c.ask(HELLO))
        print(f'api {v[0]} pid {v[1]} generation {v[3]} workers {v[4]} ports {v[5]} flows {v[6]} '
              f'stats {v[7].rstrip(bytes(1)).decode()} version {v[8].rstrip(bytes(1)).decode()}')
    elif verb == 'snapshot':
        c.ask(PUT, snapshot(args[0], args[1:]))
    elif verb == 'get':
        data = c.ask(GET)
        print(f'{len(data)} bytes', f'generation {struct.unpack_from("=Q", data, 8)[0]}' if data else '')
    elif verb == 'lease':
        left = float(args[1])
        deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(left * 1e9) if left else 0
        forward = sum(int(a[8:]) for a in args if a.startswith('forward='))
        c.ask(LEASE, struct.pack('=HHIQ', int(args[0]), 1 if 'shorten' in args else 0, forward, deadline))
    elif verb in ('probe', 'announce'):
        c.ask(PROBE if verb == 'probe' else ANNOUNCE, struct.pack('=HHHH', int(args[0]), 0, 0, 0))
    elif verb == 'flows':
        cursor = 0
        while True:
            data = c.ask(FLOWS, struct.pack('=16sB3xHHIIQ', bytes(16), 0, NONE, NONE, 4096, 0, cursor))
            cursor, count = struct.unpack_from('=QI4x', data)
            for i in range(count):
                show_flow(data[16 + i * 40:56 + i * 40])
            if not cursor:
                break
    elif verb == 'explain':
        v = struct.unpack('=HHHHHBBBBHI4xQQ40s', c.ask(EXPLAIN, struct.pack('=16sHHI', addr(args[0]), int(args[1]),
                                                                           int(args[2]), 0)))
        print(f'gateway {v[0]} tier {v[1]} default {v[2]} slot {v[3]}/{v[4]} lease {v[5]} ({v[10]} ms) spilled {v[6]} '
              f'flow {v[7]} why {v[8]} generation {v[12]}')
        if v[7]:
            show_flow(v[13])
    elif verb == 'trace-start':
        c.ask(TRACE_START, struct.pack('=16sB3xI', bytes(16), 0, int(args[0])))
    elif verb == 'trace-read':
        data = c.ask(TRACE_READ)
        for i in range(0, len(data), 72):
            v = struct.unpack('=Q16s16sHHHHHHHHHHBBBBBB6x', data[i:i + 72])
            print(f'{addr_text(v[1])}:{v[3]} > {addr_text(v[2])}:{v[4]} counter {v[5]} gateway {v[7]}')
    elif verb == 'neighbours':
        data = c.ask(NEIGHBOURS)
        for i in range(0, len(data), 40):
            a, gw, port, m, state, source, queued, age = struct.unpack('=16sHH6sBBII4x', data[i:i + 40])
            states = ('incomplete', 'reachable', 'stale', 'probe', 'failed', 'static')
            print(addr_text(a), f'gateway {gw} port {port} {m.hex(":")} {states[state]} '
                  f'{("wire", "kernel", "configured")[source]} queued {queued} age {age} ms')
    elif verb == 'ports':
        data = c.ask(PORTS)
        for i in range(0, len(data), 116):
            n, d, m, index, mtu, rxq, up, kind, _ = struct.unpack('=32s64s6sHIHBBI', data[i:i + 116])
            print(index, n.rstrip(bytes(1)).decode(), d.rstrip(bytes(1)).decode(), m.hex(':'), f'mtu {mtu} queues {rxq} '
                  f'link {up} kind {kind}')
    elif verb == 'filter':
        print(' '.join(f'{k}={v}' for k, v in filter_state(c).items()))
    elif verb == 'filter-load':
        filter_load(c, args)
    elif verb == 'filter-patch':
        filter_patch(c, args)
    elif verb == 'filter-ask':
        filter_ask(c, args)
    elif verb == 'raw':
        c.sock.sendall(bytes.fromhex(args[0]))
        kind, status, seq, payload = c.reply()
        print(f'type {kind} status {status} seq {seq}: {payload.rstrip(bytes(1)).decode(errors="replace")}')
    else:
        raise SystemExit(__doc__)


if __name__ == '__main__':
    main()
