#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A sending mail server in small: parallel SMTP sessions that keep a message until the other side has accepted it.

Every message has its own Message-Id. A message counts as accepted only when the server answered 250 to the end of
DATA; after any failure before that it is tried again on a new session, as RFC 5321 4.5.4 asks of a sender. The result
is one JSON object on standard output and, with --accepted, one line per accepted message:
    <seconds since start> <message-id> <server's name from its banner> <session's local port>

Modes:
    send   M messages over S parallel sessions, K messages a session
    hold   open S sessions, send one message on each now and then for T seconds, and tell which sessions lived
"""
import argparse
import asyncio
import json
import os
import sys
import time

T0 = time.monotonic()


class Refused(Exception):
    """The server answered, and it was not what we hoped for."""


class Session:
    def __init__(self, opt, source=None):
        self.opt, self.source = opt, source
        self.reader = self.writer = None
        self.name, self.port = "?", 0

    async def reply(self, want):
        text = []
        while True:
            line = await asyncio.wait_for(self.reader.readline(), self.opt.timeout)
            if not line.endswith(b"\n"):
                raise ConnectionError("closed by the server")
            text.append(line.decode("latin-1").strip())
            if line[3:4] != b"-":
                break
        if not line.startswith(want):
            raise Refused(text[-1])
        return text

    async def ask(self, command, want=b"2"):
        self.writer.write(command + b"\r\n")
        return await self.reply(want)

    async def open(self):
        local = (self.source, 0) if self.source else None
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection(self.opt.host, self.opt.port, local_addr=local), self.opt.connect_timeout)
        self.port = self.writer.get_extra_info("sockname")[1]
        banner = await self.reply(b"220")
        self.name = banner[0][4:].split()[0].split(".")[0]
        await self.ask(b"EHLO client.postern.test")

    async def send(self, message_id):
        await self.ask(b"MAIL FROM:<sender@example.org>")
        await self.ask(b"RCPT TO:<user@example.net>")
        await self.ask(b"DATA", b"354")
        body = (f"From: sender@example.org\r\nTo: user@example.net\r\nSubject: postern lab\r\n"
                f"Message-Id: <{message_id}>\r\n\r\n").encode() + self.opt.body
        self.writer.write(body + b"\r\n.\r\n")
        await self.reply(b"250")

    async def close(self):
        if self.writer is None:
            return
        try:
            await asyncio.wait_for(self.ask(b"QUIT"), 2)
        except (OSError, asyncio.TimeoutError, Refused, ConnectionError):
            pass
        self.abort()

    def abort(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None


FAILURES = (OSError, asyncio.TimeoutError, Refused, asyncio.IncompleteReadError)


class Load:
    def __init__(self, opt):
        self.opt = opt
        self.accepted, self.by, self.failures = {}, {}, {}
        self.connects_by = {}
        self.retries = 0
        self.log = open(opt.accepted, "a", buffering=1) if opt.accepted else None
        self.tag = f"{os.getpid()}.{int(time.time())}"

    def took(self, message_id, session):
        self.accepted[message_id] = session.name
        self.by[session.name] = self.by.get(session.name, 0) + 1
        if self.log:
            print(f"{time.monotonic() - T0:.3f} {message_id} {session.name} {session.port}", file=self.log)

    def failed(self, error):
        what = str(error) or type(error).__name__
        self.failures[what] = self.failures.get(what, 0) + 1

    async def sender(self, queue, number, end):
        session, used = None, 0
        sources = self.opt.source
        while queue and not self.stopped():
            message_id = queue.pop()
            done = False
            while not done and time.monotonic() < end:
                try:
                    if session is None:
                        session = Session(self.opt, sources[number % len(sources)] if sources else None)
                        used = 0
                        await session.open()
                        self.connects_by[session.name] = self.connects_by.get(session.name, 0) + 1
                    await session.send(message_id)
                    done = True
                    used += 1
                    self.took(message_id, session)
                except FAILURES as error:
                    self.failed(error)
                    self.retries += 1
                    session.abort()
                    session = None
                    await asyncio.sleep(self.opt.retry)
            if session is not None and used >= self.opt.per_session:
                await session.close()
                session = None
            if self.opt.rate:
                await asyncio.sleep(self.opt.sessions / self.opt.rate)
        if session is not None:
            await session.close()

    def stopped(self):
        return bool(self.opt.stop_file) and os.path.exists(self.opt.stop_file)

    async def run_send(self):
        queue = [f"{self.tag}.{n}@client.postern.test" for n in range(self.opt.messages, 0, -1)]
        end = time.monotonic() + self.opt.limit
        await asyncio.gather(*(self.sender(queue, n, end) for n in range(self.opt.sessions)))
        return {"asked": self.opt.messages}

    async def run_hold(self):
        sessions, alive, moved = [], 0, 0
        for number in range(self.opt.sessions):
            await asyncio.sleep(self.opt.open_every if number else 0)
            sources = self.opt.source
            session = Session(self.opt, sources[number % len(sources)] if sources else None)
            try:
                await session.open()
                sessions.append(session)
                self.connects_by[session.name] = self.connects_by.get(session.name, 0) + 1
            except FAILURES as error:
                self.failed(error)
        if self.opt.ready_file:
            with open(self.opt.ready_file, "w") as ready:
                print(json.dumps(self.connects_by), file=ready)
        end, count, lost = time.monotonic() + self.opt.seconds, 0, set()
        while True:
            last = time.monotonic() >= end or self.stopped()
            for session in sessions:
                if session in lost:
                    continue
                count += 1
                message_id = f"{self.tag}.h{count}@client.postern.test"
                try:
                    await session.send(message_id)
                    self.took(message_id, session)
                except FAILURES as error:
                    self.failed(error)
                    lost.add(session)
            if last:
                break
            pause = min(time.monotonic() + self.opt.every, end)
            while time.monotonic() < pause and not self.stopped():
                await asyncio.sleep(0.1)
        for session in sessions:
            if session in lost:
                session.abort()
            else:
                alive += 1
                await session.close()
        return {"opened": len(sessions), "alive": alive}

    async def run(self):
        start = time.monotonic()
        result = await (self.run_hold() if self.opt.mode == "hold" else self.run_send())
        seconds = time.monotonic() - start
        result.update(accepted=len(self.accepted), by=self.by, sessions_by=self.connects_by, failures=self.failures,
                      retries=self.retries, seconds=round(seconds, 3))
        print(json.dumps(result))
        return 0 if not result.get("asked") or result["accepted"] == result["asked"] else 1


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mode", choices=["send", "hold"])
    p.add_argument("host")
    p.add_argument("--port", type=int, default=25)
    p.add_argument("--sessions", type=int, default=1)
    p.add_argument("--messages", type=int, default=1)
    p.add_argument("--per-session", type=int, default=1)
    p.add_argument("--bytes", type=int, default=500, help="of the body")
    p.add_argument("--rate", type=float, default=0, help="messages a second in all, 0: as fast as it goes")
    p.add_argument("--retry", type=float, default=0.3, help="seconds before a failed message is tried again")
    p.add_argument("--limit", type=float, default=120, help="seconds after which no message is tried again")
    p.add_argument("--seconds", type=float, default=10, help="hold: how long")
    p.add_argument("--open-every", type=float, default=0, help="hold: seconds from one session's opening to the next")
    p.add_argument("--every", type=float, default=2, help="hold: seconds between messages on a session")
    p.add_argument("--timeout", type=float, default=20)
    p.add_argument("--connect-timeout", type=float, default=3)
    p.add_argument("--source", action="append", default=[], help="local address; several are taken in turn")
    p.add_argument("--accepted", help="file for the accepted messages")
    p.add_argument("--ready-file", help="hold: written once all sessions are open")
    p.add_argument("--stop-file", help="ends early once this file exists")
    opt = p.parse_args()
    line = b"Mail for the lab. " * 4
    opt.body = b"\r\n".join([line] * (opt.bytes // len(line) + 1))[:max(opt.bytes, 1)].rstrip()
    sys.exit(asyncio.run(Load(opt).run()))


if __name__ == "__main__":
    main()
