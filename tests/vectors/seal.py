#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes seal_vector.inc apart from the C code: HKDF from hmac/hashlib, AES-GCM from python3-cryptography."""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

secret, purpose, sender, boot, counter, key_id = b"\x42" * 32, 1, 3, 0x0102030405060708, 1, 7
info = b"postern seal v1\0" + bytes([purpose, sender]) + struct.pack(">Q", boot)
prk = hmac.new(b"\0" * 32, secret, hashlib.sha256).digest()
key = hmac.new(prk, info + b"\1", hashlib.sha256).digest()
header = b"PN" + bytes([1, purpose, key_id, sender, 0, 0]) + struct.pack(">QQ", boot, counter)
out = header + AESGCM(key).encrypt(b"\0" * 4 + struct.pack(">Q", counter), b"postern", header)
print(", ".join(f"0x{b:02x}" for b in out) + ",")
