#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Strangers at the mesh's port: noise, half handshakes, TLS without a certificate, connections that say nothing.
# usage: meshgarbage.py ADDRESS PORT; prints {"noise": n, ...}: how many of each were turned away within their time.
import json
import os
import socket
import ssl
import struct
import sys
import time

addr = (sys.argv[1], int(sys.argv[2]))
gone = {}


def closed(s, limit):
    """The other side ends it, within limit seconds."""
    s.settimeout(limit)
    try:
        while True:
            if not s.recv(65536):
                return True
    except socket.timeout:
        return False
    except OSError:
        return True


def noise(payload):
    s = socket.create_connection(addr, 5)
    try:
        s.sendall(payload)
    except OSError:
        return True
    return closed(s, 8)


samples = [b"GET / HTTP/1.1\r\n\r\n", b"EHLO x\r\n", os.urandom(70000), b"\x00" * 4096, b"\xff" * 4096,
           b"\x16\x03\x01\xff\xff" + os.urandom(65535), b"\x16\x03\x01\x00\x05hello", struct.pack(">I", 0xFFFFFFFF)]
gone["noise"] = sum(noise(p) for p in samples)
gone["samples"] = len(samples)

# TLS 1.2 is not spoken; TLS 1.3 without a certificate ends before a byte of ours counts.
tls = {"tls12": (ssl.TLSVersion.TLSv1_2, None), "no-alpn": (ssl.TLSVersion.TLSv1_3, None),
       "other-alpn": (ssl.TLSVersion.TLSv1_3, ["h2"]), "mesh": (ssl.TLSVersion.TLSv1_3, ["postern-mesh/1"])}
for name, (version, alpn) in tls.items():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    ctx.minimum_version = ctx.maximum_version = version
    if alpn:
        ctx.set_alpn_protocols(alpn)
    try:
        s = ctx.wrap_socket(socket.create_connection(addr, 5))
        s.sendall(struct.pack(">I", 5) + b"abcde")
        gone[name] = closed(s, 8)
    except OSError:
        gone[name] = True

# The join protocol takes anybody's handshake: what follows must be a hello of a few bytes, soon.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx.check_hostname = False
ctx.verify_mode = ssl.CERT_NONE
ctx.set_alpn_protocols(["postern-join/1"])
for name, payload in {"join-4g": struct.pack(">I", 0xFFFFFFFF) + os.urandom(1000), "join-noise": struct.pack(">I", 100) + os.urandom(100),
                      "join-silent": b""}.items():
    try:
        s = ctx.wrap_socket(socket.create_connection(addr, 5))
        if payload:
            s.sendall(payload)
        gone[name] = closed(s, 8)
    except OSError:
        gone[name] = True

# More silent connections than there is room for; all are gone in time.
crowd, begun = [], time.monotonic()
for _ in range(100):
    try:
        crowd.append(socket.create_connection(addr, 2))
    except OSError:
        pass
gone["crowd"] = sum(closed(s, max(0.1, 9 - (time.monotonic() - begun))) for s in crowd)
gone["crowd-of"] = len(crowd)
print(json.dumps(gone))
