"""Many connections and many lanes at once."""
import json
import resource
import socket as sockets
import threading
import urllib.parse

import pytest
from conftest import TIMEOUT

UPGRADE = (
    b"GET /v1/responses HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")


@pytest.fixture
def descriptors():
    """Leave for 5,000 sockets in this process, or as many as the machine gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory_of(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def test_5000_idle_connections_cost_little_and_disturb_nobody(start, descriptors):
    server = start()
    place = urllib.parse.urlsplit(server.url)
    before = memory_of(server.process)
    count = min(5000, descriptors - 200)
    idle = []
    try:
        for _ in range(count):
            connection = sockets.create_connection((place.hostname, place.port), TIMEOUT)
            idle.append(connection)
            connection.sendall(UPGRADE)
            assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        assert (memory_of(server.process) - before) / count < 32 << 10
        with server.socket() as socket:
            assert socket.create("x").text == "ECHO: x"
    finally:
        for connection in idle:
            connection.close()


def test_208_lanes_stream_at_once(server):
    ended = []

    def run(number):
        with server.socket() as socket:
            for lane in range(16):
                socket.send({
                    "type": "response.create", "model": "rules", "store": False,
                    "stream_id": f"l{lane}", "input": f"SLOW 500 {number} {'w ' * 10}"})
            begun, done = 0, []
            while len(done) < 16:
                event = json.loads(socket.connection.recv(TIMEOUT))
                begun += event["type"] == "response.created"
                if event["type"] == "response.completed":
                    assert begun == 16, "a lane waited"
                    done.append(event["stream_id"])
            ended.extend(done)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
    assert len(ended) == 208
