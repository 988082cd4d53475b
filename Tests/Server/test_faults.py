"""Faults by script and over HTTP, dialects, age and restarts: as a client on the wire sees them."""
import http.client
import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest
from conftest import TIMEOUT, Socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus


@pytest.fixture
def server_with(start, tmp_path):
    def server_with(*faults, options=()):
        script = tmp_path / "faults.json"
        script.write_text(json.dumps({"faults": faults}))
        return start("--script", str(script), *options)

    return server_with


def end_of(socket):
    """What comes until the connection ends, and how that was."""
    events = []
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            events.append(socket.recv()["type"])
    return events, caught.value


def begin(socket, text="x"):
    socket.send({"type": "response.create", "model": "rules", "input": text, "store": False})


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1009, 1011, 1012, 1013, 4000])
def test_a_close_in_the_middle(server_with, code):
    server = server_with({"do": "close", "event": 3, "code": code, "reason": "why"})
    with server.socket() as socket:
        begin(socket)
        events, end = end_of(socket)
        assert len(events) == 3 and (end.rcvd.code, end.rcvd.reason) == (code, "why")
    with server.socket() as socket:
        assert socket.create("x").text == "ECHO: x"


@pytest.mark.parametrize("fault", [
    {"do": "cut", "event": 2}, {"do": "cut", "event": "response.completed", "byte": 200},
    {"do": "reset", "event": 2}, {"do": "cut"}])
def test_a_cut_is_no_close(server_with, fault):
    server = server_with({"turn": 2, **fault})
    with server.socket() as socket:
        assert socket.create("x").text == "ECHO: x"
        begin(socket)
        events, end = end_of(socket)
        assert end.rcvd is None and "response.completed" not in events


@pytest.mark.parametrize("kind, code", [
    ("bad-utf8", 1007), ("malformed-frame", 1002), ("masked-frame", 1002)])
def test_frames_that_break_the_protocol(server_with, kind, code):
    with server_with({"do": kind, "event": 2}).socket(compression=None) as socket:
        begin(socket)
        events, end = end_of(socket)
        assert len(events) == 2 and end.sent.code == code


def test_text_that_is_no_json(server_with):
    with server_with({"do": "bad-json", "event": 2}).socket(compression=None) as socket:
        begin(socket)
        for _ in range(2):
            socket.recv()
        assert socket.connection.recv(TIMEOUT) == '{"'


def test_an_error_with_headers(server_with):
    fault = {"do": "error", "turn": 1, "status": 429, "code": "rate_limit_exceeded",
             "headers": {"retry-after": "0.05"}}
    with server_with(fault).socket() as socket:
        error = socket.create("x")
        assert error.status == 429 and error.error["headers"] == {"retry-after": "0.05"}
        assert socket.create("x").text == "ECHO: x"


def test_a_stall_ends_and_a_half_open_connection_does_not(server_with):
    server = server_with(
        {"do": "stall", "event": 2, "ms": 200}, {"do": "half-open", "event": 2, "connection": 2})
    with server.socket() as socket:
        started = time.monotonic()
        assert socket.create("x").text == "ECHO: x"
        assert time.monotonic() - started >= 0.19
    with server.socket(close_timeout=0.1) as socket:
        begin(socket)
        with pytest.raises(TimeoutError):
            for _ in range(99):
                socket.connection.recv(0.2)


def test_upgrades_that_fail(server_with):
    server = server_with(
        {"do": "refuse", "connection": 1, "status": 503, "code": "server_is_overloaded",
         "headers": {"retry-after": "2"}},
        {"do": "wrong-accept", "connection": 2}, {"do": "silence", "connection": 3})
    with pytest.raises(InvalidStatus) as caught:
        server.socket()
    assert caught.value.response.status_code == 503
    assert caught.value.response.headers["retry-after"] == "2"
    assert json.loads(caught.value.response.body)["error"]["code"] == "server_is_overloaded"
    with pytest.raises(InvalidHandshake):
        server.socket()
    from websockets.sync.client import connect
    with pytest.raises((TimeoutError, InvalidMessage)):
        connect(server.url + "/responses", open_timeout=0.3)
    with server.socket() as socket:
        assert socket.create("x").text == "ECHO: x"


def test_faults_over_http(start):
    server = start("--control")

    def control(method, body=None):
        request = urllib.request.Request(
            server.http_url + "/_faults", method=method,
            data=json.dumps(body).encode() if body else None)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status

    with server.socket() as socket:
        assert control("POST", {"faults": [{"do": "error", "times": 0}]}) == 200
        assert socket.create("x").status == 500
        assert control("DELETE") == 200
        assert socket.create("x").text == "ECHO: x"
        with pytest.raises(urllib.error.HTTPError) as caught:
            control("POST", {"faults": [{"do": "dance"}]})
        assert "dance" in json.load(caught.value)["error"]["message"]


def test_the_age_limit(start):
    with start("--max-age", "1").socket() as socket:
        assert socket.create("x").text == "ECHO: x"
        event = socket.recv()
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        assert end_of(socket)[1].rcvd.code == 1000


def test_a_hangup_signal_restarts_connections_and_keeps_what_was_stored(start):
    server = start()
    with server.socket() as socket:
        kept = socket.create("kept", store=True).id
        os.kill(server.process.pid, signal.SIGHUP)
        assert end_of(socket)[1].rcvd.code == 1012
    with server.socket() as socket:
        turn = socket.create("RECALL", previous_response_id=kept)
        assert turn.text == "RECALL users=2 tools=0 first=kept"


def test_a_stopping_server_lets_responses_end(start):
    server = start("--drain-ms", "20000", "--stop-code", "1012")
    with server.socket() as busy, server.socket() as idle:
        begin(busy, "SLOW 300 x")
        busy.recv()
        os.kill(server.process.pid, signal.SIGTERM)
        assert end_of(idle)[1].rcvd.code == 1012
        events, end = end_of(busy)
        assert events[-1] == "response.completed" and end.rcvd.code == 1012


def test_a_stopping_server_lets_http_answers_end_and_closes_their_connections(start):
    server = start("--drain-ms", "60000")
    connection = http.client.HTTPConnection(server.http_url.split("/")[2], timeout=TIMEOUT)
    body = {"model": "rules", "input": "SLOW 300 x", "stream": True}
    connection.request("POST", "/v1/responses", json.dumps(body), {
        "Content-Type": "application/json", "Authorization": "Bearer test-key"})
    answer = connection.getresponse()
    assert b"response.created" in answer.readline()
    os.kill(server.process.pid, signal.SIGTERM)
    assert b"response.completed" in answer.read()
    # Long before the limit: nobody is left.
    assert server.process.wait(TIMEOUT) == 0
    connection.close()


@pytest.mark.parametrize("dialect", [
    "openai", "azure", "xai", "codex", "open-responses", "gateway-no-lanes", "gateway-no-echo",
    "gateway-forgetful", "gateway-sparse"])
def test_every_dialect_serves_a_chain(start, dialect):
    server = start("--dialect", dialect)
    with Socket(server.url) as socket:
        def ask(**fields):
            socket.send({"type": "response.create", "model": "rules", "store": False, **fields})
            while True:
                event = json.loads(socket.connection.recv(TIMEOUT))
                if event["type"] in ("response.completed", "response.done"):
                    return event["response"]

        first = ask(input="one", stream_id="a")
        text = ask(
            input="RECALL", stream_id="a", previous_response_id=first["id"]
        )["output"][0]["content"][0]["text"]
        assert text == "RECALL users=2 tools=0 first=one"
