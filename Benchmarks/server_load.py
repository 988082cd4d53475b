#!/usr/bin/env python3
"""How much responsesws-server bears: 5,000 idle connections, 208 lanes that stream at once, and the events a second
that one core of it writes. By its own processor time, so that other work on the machine does not count.

    server_load.py [--idle 5000] [--words 2000]"""
import argparse
import json
import os
import resource
import selectors
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UPGRADE = (
    b"GET /v1/responses HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
SOCKETS, LANES = 13, 16
TERMINAL = b'{"type":"response.completed"'
EVENT = b'{"type":"response.'
SECONDS = 300


class Server:
    def __init__(self):
        self.process = subprocess.Popen(
            [ROOT / "build" / "bin" / "responsesws-server", "--port", "0", "--exit-with-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url = urllib.parse.urlsplit(self.process.stdout.readline().split()[-1])
        self.address = (url.hostname, url.port)

    def connect(self):
        connection = socket.create_connection(self.address, SECONDS)
        connection.sendall(UPGRADE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return connection

    @property
    def dirty(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Private_Dirty"))

    @property
    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def frame(message):
    """A masked text frame (RFC 6455 section 5.2); the mask is zero, which changes nothing."""
    data = json.dumps(message).encode()
    size = (bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
            if len(data) < 65536 else b"\xff" + len(data).to_bytes(8, "big"))
    return b"\x81" + size + b"\0\0\0\0" + data


def stream(connections, text):
    """A request on every lane of every connection; (events, bytes) until all have ended."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ, bytearray())
        for lane in range(LANES):
            connection.sendall(frame({
                "type": "response.create", "model": "rules", "store": False, "stream_id": f"l{lane}", "input": text}))
    waiting, events, count = len(connections) * LANES, 0, 0
    overlap = max(len(EVENT), len(TERMINAL)) - 1
    while waiting:
        for key, _ in selector.select(SECONDS):
            data = key.fileobj.recv(1 << 20)
            assert data, "the server ended a connection"
            count += len(data)
            # What may be cut by the end of the read is looked at again, and no match counts twice.
            whole = bytes(key.data) + data
            for mark in (EVENT, TERMINAL):
                found = whole.count(mark) - bytes(key.data).count(mark)
                if mark is EVENT:
                    events += found
                else:
                    waiting -= found
            key.data[:] = whole[-overlap:]
    return events, count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--words", type=int, default=2000)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server()
    before, began = server.dirty, server.cpu
    idle = [server.connect() for _ in range(arguments.idle)]
    print(f"{len(idle)} idle connections: {(server.dirty - before) / len(idle) / 1024:.1f} KiB each,"
          f" {(server.cpu - began) / len(idle) * 1e6:.0f} us of processor time to open one")
    connections = [server.connect() for _ in range(SOCKETS)]
    slow = " ".join(["SLOW", "3000"] + ["w"] * 60)
    began, start = server.cpu, time.monotonic()
    events, _ = stream(connections, slow)
    print(f"{SOCKETS * LANES} lanes streaming for 3 s beside them: {events} events in {time.monotonic() - start:.1f} s,"
          f" {(server.cpu - began) / events * 1e6:.1f} us of processor time each")
    began, start = server.cpu, time.monotonic()
    events, count = stream(connections, "w " * arguments.words)
    cpu = server.cpu - began
    print(f"{SOCKETS * LANES} lanes as fast as they can: {events} events ({count >> 20} MiB) in"
          f" {time.monotonic() - start:.1f} s: {events / cpu:,.0f} events a second of its processor time")
    for connection in idle + connections:
        connection.close()
    server.stop()


main()
