"""Raw connections, sync and asyncio, against the PyPI `websockets` server."""

import gc
import os
import select
import threading
import time

import pytest
from conftest import API_KEY
from peer import SECONDS

import responsesws
from responsesws import Credentials, Pong, SocketState


def mirror(conversation):
    """Sends every message back."""
    for message in conversation.connection:
        conversation.send(message)


@pytest.fixture
def open_socket(serve, connect):
    """open_socket(script, …) -> (socket, peer)"""

    def make(script=mirror, peer_options=None, **options):
        peer = serve(script, **(peer_options or {}))
        return connect(peer).socket(**options), peer

    return make


@pytest.mark.parametrize("message", ["", "grüße \0 \U0001f600", "x" * 300_000, b"", b"\xff\0", bytes(300_000)])
def test_a_message_comes_back_as_it_was(open_socket, message):
    socket, _ = open_socket()
    socket.send(message)
    received = socket.receive(SECONDS)
    assert received == message and type(received) is type(message)


def test_bytes_like_objects_are_binary(open_socket):
    socket, _ = open_socket()
    for message in (bytearray(b"1"), memoryview(b"12")[1:]):
        socket.send(message)
        assert socket.receive(SECONDS) == bytes(message)
    with pytest.raises(responsesws.InvalidArgument):
        socket.send(7)
    with pytest.raises(responsesws.InvalidArgument):
        socket.send("\ud800")


def test_what_is_known_about_an_open_connection(open_socket):
    socket, peer = open_socket(
        peer_options={"subprotocols": ["chat.2"]}, subprotocols=["chat.1", "chat.2"],
        headers={"X-Own": "mine"},
    )  # fmt: skip
    socket.connect(SECONDS)
    assert socket.state is SocketState.OPEN
    assert socket.http_status == 101
    assert ("Upgrade", "websocket") in socket.headers
    assert socket.subprotocol == "chat.2"
    assert socket.extensions == ""
    assert socket.peer_address == f"127.0.0.1:{peer.port}"
    assert socket.tls_version is None
    assert socket.close_code is None and socket.error is None and socket.round_trip_time is None
    socket.flush(SECONDS)
    assert socket.queued_bytes == 0
    # The peer notes a connection after its handshake.
    socket.send("x")
    assert socket.receive(SECONDS) == "x"
    assert peer.connections[0].headers["X-Own"] == "mine"
    assert peer.connections[0].headers["Authorization"] == f"Bearer {API_KEY}"
    assert "open" in repr(socket)


def test_the_key_goes_to_another_origin_only_if_told(serve, connect):
    home, abroad = serve(mirror), serve(mirror)
    client = connect(home)
    for credentials, is_sent in [
        (Credentials.SAME_ORIGIN, False),
        (Credentials.ALWAYS, True),
        (Credentials.NEVER, False),
    ]:
        socket = client.socket(abroad.url, credentials=credentials)
        socket.send("x")
        assert socket.receive(SECONDS) == "x"
        assert ("Authorization" in abroad.connections[-1].headers) is is_sent
        assert abroad.connections[-1].path == "/v1"


def test_over_tls(serve, connect, certificates):
    peer = serve(mirror, tls=certificates.good)
    socket = connect("ws://127.0.0.1:1/v1", ca_file=certificates.good.certificate).socket(peer.url)
    socket.send("hello")
    assert socket.receive(SECONDS) == "hello"
    assert socket.tls_version.startswith("TLSv1.")
    untrusting = connect("ws://127.0.0.1:1/v1").socket(peer.url)
    with pytest.raises(responsesws.CertificateUntrusted):
        untrusting.connect(SECONDS)


def test_iteration_ends_with_a_good_end_and_raises_otherwise(open_socket):
    def script(conversation):
        conversation.send("1", b"2")
        conversation.connection.close(int(conversation.connection.recv()), "so be it")

    for code in (1000, 1001, 4000):
        socket, _ = open_socket(script)
        socket.send(str(code))
        seen = []
        if code == 4000:
            with pytest.raises(responsesws.PeerClosed) as caught:
                seen.extend(iter(socket))
            assert caught.value.close_code == 4000
            assert socket.error.close_code == 4000
        else:
            assert list(socket) == ["1", b"2"]
            assert socket.error is None
        assert (socket.close_code, socket.close_reason) == (code, "so be it")
        assert socket.close()


def test_a_connection_that_is_cut(open_socket):
    socket, _ = open_socket(lambda conversation: conversation.cut())
    with pytest.raises(responsesws.ConnectionLost):
        socket.receive(SECONDS)
    assert socket.close_code == 1006


def test_refused(serve, connect):
    def refuse(connection, request):
        return connection.respond(403, "no")

    socket = connect(serve(mirror, process_request=refuse)).socket()
    with pytest.raises(responsesws.AuthenticationError):
        socket.connect(SECONDS)
    assert socket.http_status == 403
    with pytest.raises(responsesws.AuthenticationError):
        socket.send("late")


def test_waits_have_a_limit(open_socket):
    socket, _ = open_socket()
    for timeout in (0, 0.05):
        with pytest.raises(responsesws.WaitTimeout):
            socket.receive(timeout)
    socket.send("x")
    assert socket.receive(SECONDS) == "x"


def test_pings(open_socket):
    socket, _ = open_socket(pongs=True)
    socket.ping(b"here?")
    assert socket.receive(SECONDS) == Pong(b"here?")
    assert 0 <= socket.round_trip_time < SECONDS
    with pytest.raises(responsesws.InvalidArgument):
        socket.ping(bytes(126))


def test_leaving_the_block_closes_in_good_order(open_socket):
    ended = threading.Event()

    def script(conversation):
        list(conversation.connection)
        ended.set()

    socket, peer = open_socket(script)
    with socket:
        for number in range(20):
            socket.send(str(number))
    assert ended.wait(SECONDS)
    assert socket.state is SocketState.ENDED and socket.close_code == 1000
    assert socket.close() and socket.receive(0) is None
    with pytest.raises(responsesws.Closed):
        socket.send("late")


def test_a_peer_that_does_not_answer_the_close(open_socket):
    done = threading.Event()

    def script(conversation):
        # Reads nothing, so hears no close.
        done.wait(SECONDS)

    socket, _ = open_socket(script, peer_options={"max_queue": (1, 0)})
    socket.connect(SECONDS)
    for _ in range(200):
        socket.send(bytes(65536))
    begun = time.monotonic()
    assert socket.close(timeout=0.1) is False
    assert time.monotonic() - begun >= 0.1
    assert socket.state is SocketState.ENDED
    done.set()


def test_bad_arguments(open_socket, connect):
    socket, _ = open_socket()
    for code, reason in [(1005, ""), (-1, ""), (70000, ""), (1000, "x" * 124)]:
        with pytest.raises(responsesws.InvalidArgument):
            socket.close(code, reason)
    client = connect("ws://127.0.0.1:1/v1")
    for options in [
        {"url": "ftp://x"}, {"url": "ws://x\0"}, {"subprotocols": ["a", "a"]}, {"headers": {"a b": ""}},
        {"send_queue_bytes_max": -1}, {"receive_queue_bytes_max": 2**40},
    ]:  # fmt: skip
        with pytest.raises(responsesws.InvalidArgument):
            client.socket(**options)


def test_a_full_send_queue(open_socket):
    done = threading.Event()
    socket, _ = open_socket(
        lambda _: done.wait(SECONDS), peer_options={"max_queue": (1, 0)}, send_queue_bytes_max=1 << 20
    )
    with pytest.raises(responsesws.LimitReached):
        while True:
            socket.send(bytes(65536))
    done.set()


def test_the_client_ends_its_connections(open_socket, connect, serve):
    client = connect(serve(mirror))
    socket = client.socket()
    socket.connect(SECONDS)
    client.close()
    with pytest.raises(responsesws.Closed):
        socket.receive(SECONDS)


def test_the_descriptor(open_socket):
    socket, _ = open_socket()
    socket.connect(SECONDS)
    assert select.select([socket.fileno()], [], [], 0)[0] == []
    socket.send("x")
    assert select.select([socket.fileno()], [], [], SECONDS)[0]
    assert socket.receive(0) == "x"
    assert select.select([socket.fileno()], [], [], 0)[0] == []


def test_a_collected_connection_is_cut_and_keeps_its_client_till_then(serve):
    left = threading.Event()

    def script(conversation):
        try:
            mirror(conversation)
        finally:
            left.set()

    socket = responsesws.Client(serve(script).url, api_key="").socket()
    gc.collect()
    socket.send("x")
    assert socket.receive(SECONDS) == "x"
    del socket
    gc.collect()
    assert left.wait(SECONDS)


def test_a_second_reader_is_refused(serve):
    with responsesws.Client(serve(mirror).url, api_key="") as client:
        socket = client.socket()
        got = []
        reader = threading.Thread(target=lambda: got.append(socket.receive(SECONDS)))
        reader.start()
        while not socket._handle.reading.locked():
            time.sleep(0.001)
        # Between two slices of the wait the lock is free for a moment.
        for _ in range(50):
            try:
                socket.receive(0)
            except responsesws.Busy:
                break
            except responsesws.WaitTimeout:
                continue
        else:
            pytest.fail("never busy")
        socket.send("x")
        reader.join(SECONDS)
        assert got == ["x"]


def test_a_forked_child_is_told(serve):
    with responsesws.Client(serve(mirror).url, api_key="") as client:
        socket = client.socket()
        socket.connect(SECONDS)
        child = os.fork()
        if child == 0:
            try:
                socket.send("x")
            except responsesws.Forked:
                os._exit(42)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
        socket.send("x")
        assert socket.receive(SECONDS) == "x"
