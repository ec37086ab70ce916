#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Mail in the middle of everything. Commands come on standard input, one a line, each answered by one JSON object:

    begin LABEL N   opens N sessions and brings each into the middle of DATA; a line of the message follows ten times a second
    end LABEL       finishes them; a session is kept when its message was accepted with 250
    quit            ends the senders beside them

Beside the held sessions ordinary ones send all the time, a message each, and try again as a mail server does until it is
accepted. --accepted: as smtpload.py writes it; a Message-Id begins with the label that was in force when it was begun."""
import argparse
import asyncio
import json
import os
import sys
import time

from smtpload import FAILURES, Session, T0


class Held(Session):
    message_id = ""

    async def into_data(self, message_id):
        self.message_id = message_id
        await self.open()
        await self.ask(b"MAIL FROM:<sender@example.org>")
        await self.ask(b"RCPT TO:<user@example.net>")
        await self.ask(b"DATA", b"354")
        self.writer.write(f"From: sender@example.org\r\nTo: user@example.net\r\nSubject: in the middle\r\n"
                          f"Message-Id: <{message_id}>\r\n\r\n".encode())

    def line(self):
        self.writer.write(self.opt.body)

    async def finish(self):
        self.writer.write(b"End.\r\n.\r\n")
        await self.reply(b"250")


class Mail:
    def __init__(self, opt):
        self.opt = opt
        self.label, self.number, self.held, self.lines = "start", 0, [], None
        self.sent = self.accepted = self.retries = 0
        self.failures = {}
        self.over = False
        self.log = open(opt.accepted, "a", buffering=1)
        self.tag = f"{os.getpid()}.{int(time.time())}"

    def next_id(self):
        self.number += 1
        self.sent += 1
        return f"{self.label}.{self.number}.{self.tag}@client.postern.test"

    def took(self, message_id, session):
        self.accepted += 1
        print(f"{time.monotonic() - T0:.3f} {message_id} {session.name} {session.port}", file=self.log)

    def failed(self, error):
        what = str(error) or type(error).__name__
        self.failures[what] = self.failures.get(what, 0) + 1

    async def sender(self):
        while not self.over:
            message_id = self.next_id()
            begun, tries = time.monotonic(), 0
            while time.monotonic() - begun < self.opt.limit:
                session = Session(self.opt)
                tries += 1
                try:
                    await session.open()
                    await session.send(message_id)
                    self.took(message_id, session)
                    await session.close()
                    break
                except FAILURES as error:
                    self.failed(error)
                    session.abort()
                    await asyncio.sleep(0.2)
            self.retries += tries - 1
            await asyncio.sleep(self.opt.senders / self.opt.rate)

    async def trickle(self):
        while True:
            await asyncio.sleep(0.1)
            for session in self.held:
                session.line()

    async def begin(self, label, count):
        self.label = label
        self.failures = {}
        held = [Held(self.opt) for _ in range(int(count))]
        results = await asyncio.gather(*(s.into_data(self.next_id()) for s in held), return_exceptions=True)
        for session, error in zip(held, results):
            if error is None:
                self.held.append(session)
            else:
                self.failed(error)
                self.sent -= 1
        self.lines = asyncio.create_task(self.trickle())
        return {"opened": len(self.held), "failures": self.failures}

    async def end(self, _label):
        self.lines.cancel()
        held, self.held = self.held, []
        results = await asyncio.gather(*(s.finish() for s in held), return_exceptions=True)
        kept = 0
        for session, error in zip(held, results):
            if error is None:
                kept += 1
                self.took(session.message_id, session)
            else:
                self.failed(error)
                self.sent -= 1  # its sender knows that it failed
        await asyncio.gather(*(s.close() for s in held), return_exceptions=True)
        return {"opened": len(held), "kept": kept, "retries": self.retries, "failures": self.failures}

    async def run(self):
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        senders = [asyncio.create_task(self.sender()) for _ in range(self.opt.senders)]
        while True:
            words = (await reader.readline()).decode().split()
            if not words or words[0] == "quit":
                break
            result = await {"begin": self.begin, "end": self.end}[words[0]](*words[1:])
            print(json.dumps(dict(label=f"{words[1]}.{words[0]}", **result)), flush=True)
        self.over = True
        await asyncio.gather(*senders)
        print(json.dumps({"label": "quit", "sent": self.sent, "accepted": self.accepted, "retries": self.retries}),
              flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("host")
    p.add_argument("--port", type=int, default=25)
    p.add_argument("--senders", type=int, default=2)
    p.add_argument("--rate", type=float, default=10, help="messages a second in all, beside the held ones")
    p.add_argument("--limit", type=float, default=60, help="seconds after which a message is not tried again")
    p.add_argument("--timeout", type=float, default=10)
    p.add_argument("--connect-timeout", type=float, default=3)
    p.add_argument("--accepted", required=True)
    opt = p.parse_args()
    opt.body = b"A line of a message that takes its time.\r\n"
    asyncio.run(Mail(opt).run())


if __name__ == "__main__":
    main()
