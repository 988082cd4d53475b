"""Where WebSocket is blocked on the way and HTTP is not (`transport="auto"`): what the first turn costs, and the next
ones; measured on the real server, with a proxy that tells upgrades from plain requests."""

import contextlib
import socket
import struct
import threading
import time

import pytest
import responsesws
from peer import SECONDS
from test_sessions import server  # noqa: F401

PASS, SILENCE, RESET, CUT = "pass", "silence", "reset", "cut"
STATUSES = [403, 404, 405, 426, 501]
CONNECT_TIMEOUT = 0.5
# Of a machine that is busy with other tests; a retry before the fallback would be seen in the gate's log.
SLACK = 2.0


class Gate:
    """A TCP proxy that does with upgrades what `upgrades` says, and passes everything else on."""

    def __init__(self, target_port):
        self.upgrades = PASS
        self.seen = []
        """What was asked for, "upgrade" or "POST", and when."""
        self.is_upgraded = threading.Event()
        self._target = ("127.0.0.1", target_port)
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def kinds(self):
        return [kind for kind, _ in self.seen]

    def close(self):
        for connection in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            if b"\r\nupgrade: websocket\r\n" in head.lower():
                self.seen.append(("upgrade", time.monotonic()))
                if self.upgrades != PASS:
                    return self._block(connection, self.upgrades)
                self.is_upgraded.set()
            self._pass_on(connection, head)

    def _block(self, connection, how):
        if how == SILENCE:
            return
        if isinstance(how, int):
            body = b"<html>This does not go through here.</html>"
            connection.sendall(
                b"HTTP/1.1 %d Blocked\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
                % (how, len(body), body)
            )
        if how == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def _pass_on(self, connection, head):
        server = socket.create_connection(self._target, SECONDS)
        server.settimeout(None)
        self._open.append(server)
        self._note(head)
        server.sendall(head)
        back = threading.Thread(target=self._pump, args=(server, connection), daemon=True)
        back.start()
        self._pump(connection, server, self._note)
        back.join()

    def _note(self, data):
        """A request begins with what is read: the client waits for the answer to the one before."""
        if data.startswith((b"POST ", b"GET ")) and b"\r\nupgrade: " not in data.lower():
            self.seen.append((data.split(b" ")[0].decode(), time.monotonic()))

    def _pump(self, source, sink, note=lambda data: None):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                note(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def gate(server):  # noqa: F811
    gate = Gate(int(server().rsplit(":", 1)[1].split("/")[0]))
    yield gate
    gate.close()


@pytest.fixture
def session(gate, connect):
    def make(**options):
        options = {"transport": "auto", "connect_timeout": CONNECT_TIMEOUT, **options}
        return connect(gate.url, **options).session(model="rules", store=False)

    return make


@pytest.mark.parametrize("how", [*STATUSES, SILENCE, RESET, CUT])
def test_a_blocked_websocket_costs_one_dial_and_the_next_turn_none(gate, session, how):
    gate.upgrades = how
    session = session()
    first = session.run("hello")
    # No second try before the fallback, and only the one request after it.
    assert gate.kinds == ["upgrade", "POST"]
    assert first.text == "ECHO: hello" and first.stats.transport == "http"
    bound = (CONNECT_TIMEOUT if how == SILENCE else 0) + SLACK
    assert first.stats.first_event < bound
    second = session.run("RECALL")
    assert gate.kinds == ["upgrade", "POST", "POST"]
    assert second.text == "RECALL users=2 tools=0 first=hello" and second.stats.transport == "http"


@pytest.mark.parametrize("how", [403, SILENCE])
def test_sessions_of_the_client_do_not_learn_it_anew(gate, connect, how):
    gate.upgrades = how
    client = connect(gate.url, transport="auto", connect_timeout=CONNECT_TIMEOUT)
    for _ in range(3):
        with client.session(model="rules", store=False) as session:
            assert session.run("hello").stats.transport == "http"
    assert gate.kinds == ["upgrade", "POST", "POST", "POST"]


@pytest.mark.parametrize("how", [426, SILENCE, RESET])
def test_websocket_is_used_again_within_the_interval(gate, session, how):
    interval = 0.3
    gate.upgrades = how
    session = session(websocket_retry_interval=interval)
    assert session.run("hello").stats.transport == "http"
    gate.upgrades = PASS
    back = time.monotonic()
    assert gate.is_upgraded.wait(SECONDS)
    # A probe that met the block may still have run into its time limit.
    latest = interval + (CONNECT_TIMEOUT if how == SILENCE else 0) + SLACK
    assert gate.seen[-1][1] - back < latest
    # It was the probe: no turn has waited for it.
    assert gate.kinds.count("POST") == 1
    end, turns = time.monotonic() + SECONDS, 1
    while True:
        assert time.monotonic() < end
        turn = session.run("RECALL")
        turns += 1
        assert turn.text == f"RECALL users={turns} tools=0 first=hello"
        if turn.stats.transport == "websocket":
            break
    assert session.run("again").stats.is_delta


def test_the_same_credentials_refused_over_http_too_are_no_reason_to_stay_there(gate, server, connect):  # noqa: F811
    url = server("--api-key", "sk-another-key")
    gate = Gate(int(url.rsplit(":", 1)[1].split("/")[0]))
    try:
        gate.upgrades = 403
        session = connect(gate.url, transport="auto").session(model="rules", store=False)
        for _ in range(2):
            with pytest.raises(responsesws.AuthenticationError):
                session.run("hello")
    finally:
        gate.close()


@pytest.mark.parametrize("interval", [-1, 0])
def test_an_interval_out_of_range_is_refused(connect, interval):
    with pytest.raises(responsesws.InvalidArgument):
        connect("ws://127.0.0.1:9/v1", websocket_retry_interval=interval)
