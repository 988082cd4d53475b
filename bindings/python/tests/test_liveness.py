"""Connections that die without a word, and those that only seem to."""

import base64
import hashlib
import json
import socket
import threading

import pytest
import responsesws

from peer import SECONDS, events_of
from test_errors import fails


@pytest.fixture
def raw():
    """raw(serve) -> URL of a server that upgrades each connection and leaves it to serve(socket, which)."""
    held, ends = [], []

    def start(serve):
        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                upgrade(connection)
                serve(connection, len(held))

        thread = threading.Thread(target=accept)
        thread.start()
        ends.append((listener, thread))
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield start
    for listener, thread in ends:
        # Ends the accept that waits.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(SECONDS)
        listener.close()
    for connection in held:
        connection.close()


@pytest.fixture
def deaf(raw):
    """URL of a server that upgrades, and then neither reads nor writes: it answers no ping."""
    return raw(lambda connection, which: None)


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


def frame_of(connection):
    """The opcode of the next frame, which is short enough for the tests."""
    stream = connection.makefile("rb")
    first, second = stream.read(2)
    length = second & 127
    if length == 126:
        length = int.from_bytes(stream.read(2), "big")
    # With the mask.
    stream.read(4 + length)
    return first & 15


def send_events(connection, text):
    for event in events_of(text):
        data = json.dumps(event).encode()
        connection.sendall(b"\x81\x7e" + len(data).to_bytes(2, "big") + data)


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


def test_a_turn_does_not_wait_for_the_end_of_an_idle_connection(raw, connect):
    """A request that comes when the close frame has gone out is sent on another connection."""
    is_closing = threading.Event()

    def serve(connection, which):
        assert frame_of(connection) == 1
        send_events(connection, f"hi {which}")
        if which == 1:
            # Never answered.
            assert frame_of(connection) == 8
            is_closing.set()

    session = connect(raw(serve), idle_timeout=0.05).session(model="m")
    assert session.run("hello").text == "hi 1"
    assert is_closing.wait(SECONDS)
    turn = session.start("again")
    events = [event.type for event in turn if event.type.startswith("rws.")]
    assert turn.text == "hi 2"
    assert events == ["rws.resent"] and turn.stats.resend_count == 1


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
