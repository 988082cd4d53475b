"""Connections that die without a word, and those that only seem to."""

import base64
import hashlib
import socket
import threading

import pytest
import responsesws

from peer import SECONDS
from test_errors import fails


@pytest.fixture
def deaf():
    """URL of a server that upgrades, and then neither reads nor writes: it answers no ping."""
    held = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            upgrade(connection)

    def upgrade(connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(65536)
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        key = {name.lower(): value for name, value in lines.items()}[b"sec-websocket-key"]
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/v1"
        # Ends the accept that waits.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(SECONDS)
    for connection in held:
        connection.close()


def test_a_server_that_answers_no_ping_is_dead(deaf, connect):
    client = connect(deaf, ping_interval=0.05, missed_pongs_max=2)
    error, _ = fails(client.session(model="m"), responsesws.ConnectionLost)
    assert "2 pings were not answered" in str(error)
    assert error.execution == responsesws.Execution.UNKNOWN


def test_a_server_that_takes_nothing_stalls(deaf, connect):
    client = connect(deaf, write_stall_timeout=0.3)
    # It is sent a second time by itself, for it cannot have run.
    error, _ = fails(client.session(model="m"), responsesws.ConnectionLost, "x" * (32 << 20))
    assert "bytes that wait to be sent" in str(error)
    assert error.execution == responsesws.Execution.NOT_SENT


def test_a_server_that_answers_pings_may_be_silent(serve, connect):
    answered = threading.Event()

    def script(conversation):
        conversation.request()
        # Its pings are answered in turn; ours have been by then, in order.
        for _ in range(5):
            assert conversation.connection.ping().wait(SECONDS)
        answered.set()
        conversation.answer("after long thought")
        conversation.until_closed()

    client = connect(serve(script), ping_interval=0.02, missed_pongs_max=200)
    assert client.session(model="m").run("hello").text == "after long thought"
    assert answered.is_set()


def test_an_idle_connection_is_closed_and_the_next_turn_connects(serve, connect):
    left = threading.Event()

    def script(conversation):
        conversation.request()
        conversation.answer("hi")
        conversation.until_closed()
        left.set()

    peer = serve(script)
    session = connect(peer, idle_timeout=0.05).session(model="m")
    assert session.run("hello").text == "hi"
    assert left.wait(SECONDS)
    assert session.run("again").text == "hi"
    assert len(peer.connections) == 2
