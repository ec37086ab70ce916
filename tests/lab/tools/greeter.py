#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A service that says who it is and whom it sees, and echoes lines; and its client.

    serve NAME PORT          220 NAME sees CLIENT, then 250 LINE for each line, until the client ends the session
    ask HOST PORT            prints the greeting; --long N: then N lines of 1200 bytes must come back
    talk HOST PORT           prints the greeting; then LINE MILLISECONDS for each line on standard input"""
import argparse
import socket
import socketserver
import sys
import time


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        client = self.client_address[0].replace("::ffff:", "")
        self.wfile.write(f"220 {self.server.name} sees {client}\r\n".encode())
        for line in self.rfile:
            self.wfile.write(b"250 " + line)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True


def serve(args):
    with Server(("::", int(args.port)), Handler) as server:
        server.name = args.host
        server.serve_forever()


def client(args):
    s = socket.create_connection((args.host, int(args.port)), 3, (args.source, 0) if args.source else None)
    s.settimeout(args.timeout)
    f = s.makefile("rwb")
    print(f.readline().decode().strip(), flush=True)

    def echo(line):
        f.write(line)
        f.flush()
        if f.readline() != b"250 " + line:
            sys.exit("not what was sent")

    for _ in range(args.long):
        echo(b"x" * 1200 + b"\r\n")
    for line in sys.stdin if args.mode == "talk" else ():
        start = time.monotonic()
        echo(line.encode())
        print("%s %d" % (line.strip(), (time.monotonic() - start) * 1000), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mode", choices=["serve", "ask", "talk"])
    p.add_argument("host", help="serve: the name to say")
    p.add_argument("port")
    p.add_argument("--source", help="local address")
    p.add_argument("--long", type=int, default=0)
    p.add_argument("--timeout", type=float, default=5)
    args = p.parse_args()
    serve(args) if args.mode == "serve" else client(args)


if __name__ == "__main__":
    main()
