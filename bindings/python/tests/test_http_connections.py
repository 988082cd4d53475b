"""Over HTTP, responses follow each other on one connection; what that may and may not do, with a server of the tests' own
that answers each request as it is told to, and says which connection it came on."""

import contextlib
import gc
import json
import os
import socket
import ssl
import struct
import threading

import pytest
from peer import SECONDS, events_of

import responsesws
from responsesws import Execution, Outcome, Replay

def stream(*events, head="HTTP/1.1 200 OK\r\n", chunked=True, end=True):
    head += "Content-Type: text/event-stream\r\n" + ("Transfer-Encoding: chunked\r\n" if chunked else "") + "\r\n"
    body = b""
    for event in events:
        text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        body += b"%x\r\n%s\r\n" % (len(text), text) if chunked else text
    return head.encode() + body + (b"0\r\n\r\n" if chunked and end else b"")


def plain(value, head="HTTP/1.1 200 OK\r\n"):
    body = json.dumps(value).encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Exchange:
    def __init__(self, service, connection, number, method, path, body):
        self.service, self.connection, self.number = service, connection, number
        """The place of the connection among all, and of the request on it, from 1."""
        self.method, self.path, self.body = method, path, body
        self.is_over = threading.Event()

    def __repr__(self):
        return f"{self.method} on {self.connection}"

    def send(self, data):
        self.service.sockets[self.connection - 1].sendall(data)

    def answer(self, text="fine", **options):
        self.send(stream(*events_of(text), **options))

    def close(self, reset=False):
        wire = self.service.sockets[self.connection - 1]
        if reset:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            wire.close()

    def until_closed(self):
        with contextlib.suppress(OSError):
            return self.service.sockets[self.connection - 1].recv(1) == b""
        return True


class Service:
    """`script(exchange)` is run for each request."""

    def __init__(self, script, tls=None):
        self.script = script
        self.exchanges, self.sockets, self.failures = [], [], []
        self._tls = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls.certificate, tls.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"https://localhost:{port}/v1" if tls else f"http://127.0.0.1:{port}/v1"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def connections(self):
        """On which connection each request came, in order."""
        return [exchange.connection for exchange in self.exchanges]

    def close(self):
        for wire in [self._listener, *self.sockets]:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
        assert self.failures == []

    def _accept(self):
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(wire,), daemon=True))
            self._threads[-1].start()

    def _serve(self, wire):
        try:
            wire.settimeout(SECONDS)
            if self._tls:
                wire = self._tls.wrap_socket(wire, server_side=True)
            self.sockets.append(wire)
            connection, number, rest = len(self.sockets), 0, b""
            while True:
                while b"\r\n\r\n" not in rest:
                    rest += self._more(wire)
                head, _, rest = rest.partition(b"\r\n\r\n")
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
                fields = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:])
                length = int(fields.get(b"content-length", 0))
                while len(rest) < length:
                    rest += self._more(wire)
                body, rest = json.loads(rest[:length] or b"null"), rest[length:]
                number += 1
                exchange = Exchange(self, connection, number, method, path, body)
                self.exchanges.append(exchange)
                self.script(exchange)
                exchange.is_over.set()
        except (EOFError, OSError):
            pass
        except BaseException as error:
            self.failures.append(error)

    @staticmethod
    def _more(wire):
        data = wire.recv(65536)
        if not data:
            raise EOFError
        return data


@pytest.fixture
def service(request):
    """service(script) -> Service, closed after the test, after the clients."""
    services = []

    def make(script, **options):
        services.append(Service(script, **options))
        return services[-1]

    yield make
    for service in services:
        service.close()


@pytest.fixture
def client(service, connect):
    def make(script, tls=None, **options):
        running = service(script, tls=tls)
        if tls:
            options["ca_file"] = tls.certificate
        return connect(running.url, transport="http", **options), running

    return make


def session_of(client, **settings):
    return client.session(**{"model": "scripted", "store": False, **settings})


@pytest.mark.parametrize("is_secure", [False, True])
def test_turns_follow_each_other_on_one_connection(client, certificates, is_secure):
    client, service = client(Exchange.answer, tls=certificates.good if is_secure else None)
    session = session_of(client)
    for _ in range(6):
        assert session.run("hello").text == "fine"
    other = session_of(client)
    assert other.run("hello").text == "fine"
    assert service.connections == [1] * 7


def test_requests_beside_the_turns_use_the_same_one(client):
    def script(exchange):
        if exchange.path.endswith("/input_tokens"):
            return exchange.send(plain({"object": "response.input_tokens", "input_tokens": 7}))
        exchange.answer()

    client, service = client(script)
    session = session_of(client)
    session.run("hello")
    assert session.count_tokens("how many?") == 7
    session.run("hello")
    assert service.connections == [1, 1, 1]


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK\r\nConnection: close\r\n", "HTTP/1.0 200 OK\r\n"])
def test_an_answer_that_ends_the_connection_is_believed(client, head):
    def script(exchange):
        exchange.answer(head=head, chunked=False)
        exchange.close()

    client, service = client(script)
    session = session_of(client)
    for _ in range(3):
        assert session.run("hello").text == "fine"
    assert service.connections == [1, 2, 3]


def test_an_answer_that_says_no_leaves_the_connection(client):
    def script(exchange):
        if exchange.number == 1:
            return exchange.send(plain({"error": {"message": "no"}}, "HTTP/1.1 400 Bad Request\r\n"))
        exchange.answer()

    client, service = client(script)
    session = session_of(client)
    with pytest.raises(responsesws.APIError):
        session.run("hello")
    assert session.run("hello").text == "fine"
    assert service.connections == [1, 1]


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_the_server_ended_meanwhile_costs_a_dial_and_no_error(client, reset):
    may_end = threading.Event()

    def script(exchange):
        exchange.answer()
        if exchange.connection == 1:
            may_end.wait(SECONDS)
            exchange.close(reset)

    client, service = client(script)
    session = session_of(client)
    session.run("hello")
    may_end.set()
    assert service.exchanges[0].is_over.wait(SECONDS)
    # Asked for once, and never sent again by the policy, which says never.
    turn = session.start("hello")
    assert [event.type for event in turn if event.type.startswith("rws.")] == []
    assert turn.text == "fine"
    assert service.connections == [1, 2]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("policy", [Replay.NEVER, Replay.SAFE])
def test_a_request_that_met_the_end_may_have_run(client, reset, policy):
    def script(exchange):
        if exchange.number == 2 and exchange.connection == 1:
            return exchange.close(reset)
        exchange.answer()

    client, service = client(script, replay=policy)
    session = session_of(client)
    session.run("first")
    turn = session.start("second")
    if policy == Replay.NEVER:
        with pytest.raises(responsesws.ConnectionLost) as caught:
            turn.wait()
        assert caught.value.execution == Execution.UNKNOWN
        assert service.connections == [1, 1]
        assert session.run("third").text == "fine"
        assert service.connections == [1, 1, 2]
    else:
        (notice,) = [event for event in turn if event.type.startswith("rws.")]
        assert (notice.type, json.loads(notice.json)["execution"]) == ("rws.replayed", "unknown")
        assert turn.text == "fine"
        assert service.connections == [1, 1, 2]
    assert client.counters().replay_count == (policy == Replay.SAFE)


def test_an_executed_request_is_not_made_twice_though_its_kind_may_not_be_replayed(client):
    def script(exchange):
        if exchange.number == 2:
            return exchange.close()
        exchange.answer()

    client, service = client(script, replay=Replay.SAFE)
    session = session_of(client, store=True)
    session.run("first")
    with pytest.raises(responsesws.ConnectionLost):
        session.run("second")
    assert service.connections == [1, 1]


def test_looking_up_a_stored_response_survives_a_connection_that_had_ended(client):
    both = threading.Barrier(2, timeout=SECONDS)

    def script(exchange):
        if exchange.method == "GET":
            if exchange.number > 1:
                return exchange.close()
            (final,) = [e for e in events_of("stored", response_id="resp_x") if e["type"] == "response.completed"]
            return exchange.send(plain(final["response"]))
        if exchange.number == 1:
            both.wait()
            return exchange.answer()
        exchange.send(stream(*events_of("lost", response_id="resp_x")[:2], end=False))
        exchange.close()

    client, service = client(script)
    session, other = session_of(client, store=True), session_of(client)
    turns = [session.start("first"), other.start("first")]
    for turn in turns:
        turn.wait()
    turn = session.start("second")
    assert [event.type for event in turn if event.type.startswith("rws.")] == ["rws.recovered"]
    assert (turn.outcome, turn.text) == (Outcome.COMPLETED, "stored")
    asked = [(exchange.method, exchange.connection) for exchange in service.exchanges[2:]]
    assert [method for method, _ in asked] == ["POST", "GET", "GET"]
    assert sorted(connection for _, connection in asked) == [1, 2, 3]


def test_a_cancel_ends_the_connection(client):
    def script(exchange):
        if exchange.number == 1:
            return exchange.answer()
        exchange.send(stream(*events_of("slow")[:3], end=False))
        assert exchange.until_closed()
        raise EOFError

    client, service = client(script)
    session = session_of(client)
    session.run("hello")
    turn = session.start("slow")
    while not turn.response_id:
        turn.next()
    turn.cancel()
    assert session.run("hello").text == "fine"
    assert service.connections == [1, 1, 2]


def test_an_answer_that_stays_open_after_its_response_ends_nothing_but_the_connection(client):
    def script(exchange):
        exchange.answer(end=exchange.connection > 1)

    client, service = client(script)
    session = session_of(client)
    for _ in range(3):
        assert session.run("hello").text == "fine"
    assert service.connections == [1, 2, 2]


def test_turns_at_once_have_connections_of_their_own(client):
    both = threading.Barrier(2, timeout=SECONDS)

    def script(exchange):
        if exchange.number == 1:
            both.wait()
        exchange.answer()

    client, service = client(script)
    sessions = [session_of(client), session_of(client)]
    for turn in [session.start("hello") for session in sessions]:
        turn.wait()
    for session in sessions:
        session.run("again")
    assert sorted(service.connections[:2]) == [1, 2]
    assert set(service.connections[2:]) <= {1, 2}


def test_other_credentials_never_get_it(client):
    client, service = client(Exchange.answer)
    sessions = [session_of(client)]
    for identity in [responsesws.Identity(api_key="sk-other"), responsesws.Identity(headers={"X-Tenant": "b"})]:
        sessions.append(session_of(client, identity=identity))
    for _ in range(2):
        for session in sessions:
            session.run("hello")
    assert service.connections == [1, 2, 3, 1, 2, 3]


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_nothing_stays_open_after_the_client(face, service):
    running = service(Exchange.answer)

    def use():
        mine = face.Client(running.url, api_key="x", transport="http")
        sessions = [session_of(mine) for _ in range(5)]
        for turn in [session.start("hello") for session in sessions]:
            turn.wait()
        mine.close()

    gc.collect()
    before = descriptors()
    use()
    gc.collect()
    for wire in running.sockets:
        wire.close()
    assert descriptors() == before
