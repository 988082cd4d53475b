"""The program: its options, its log, how it starts and ends, and the wire around the events."""
import asyncio
import json
import os
import signal
import socket as sockets
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import TIMEOUT, RunningServer, Socket, program
from websockets.asyncio.client import connect as async_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


def http(url, method="GET", key=None):
    request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_http_routes_answer_in_json(server):
    base = server.http_url
    assert http(base + "/models")[0] == 200
    for method, path, status in [
            ("GET", "/nothing", 404), ("GET", "/responses", 426), ("POST", "/responses", 400),
            ("PUT", "/responses", 405), ("POST", "/models", 405), ("GET", "/responses/resp_x", 404),
            ("GET", "/models/x", 404), ("POST", "/_faults", 404)]:
        code, body = http(base + path, method)
        assert code == status
        assert set(body["error"]) == {"type", "code", "message", "param"}


def test_the_paths_of_azure_and_codex(server):
    root = server.url.removesuffix("/v1")
    for base in ("/openai/v1", "/backend-api/codex"):
        with Socket(root + base) as socket:
            assert socket.create("x").text == "ECHO: x"
        assert http(server.http_url.removesuffix("/v1") + base + "/models")[0] == 200


def test_the_key_guards_every_route_and_is_never_logged(start, tmp_path):
    log = tmp_path / "log"
    server = start("--api-key", "sk-secret-1", "--log", str(log))
    assert http(server.http_url + "/models")[0] == 401
    assert http(server.http_url + "/models", key="sk-secret-2")[0] == 401
    assert http(server.http_url + "/models", key="sk-secret-1")[0] == 200
    for headers in ({}, {"Authorization": "Bearer sk-secret-2"}):
        with pytest.raises(InvalidStatus) as caught:
            server.socket(additional_headers=headers)
        answer = caught.value.response
        assert answer.status_code == 401
        assert json.loads(answer.body)["error"]["code"] == "invalid_api_key"
        assert answer.headers["x-request-id"].startswith("req_")
    for headers in ({"Authorization": "Bearer sk-secret-1"}, {"api-key": "sk-secret-1"}):
        with server.socket(additional_headers=headers) as socket:
            assert socket.create("x").text == "ECHO: x"
    assert "sk-secret" not in log.read_text()


@pytest.mark.parametrize("offer", [
    {}, {"client_max_window_bits": True}, {"client_max_window_bits": 9},
    {"server_max_window_bits": 9}, {"server_max_window_bits": 15},
    {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True,
     "server_max_window_bits": 12, "client_max_window_bits": 12}], ids=str)
def test_every_deflate_offer_is_accepted_and_works(server, offer):
    extensions = [ClientPerMessageDeflateFactory(**offer)]
    with server.socket(compression=None, extensions=extensions) as socket:
        answer = socket.connection.response.headers["Sec-WebSocket-Extensions"]
        assert answer.startswith("permessage-deflate; ")
        for text in ("x", "na " * 5000, os.urandom(20_000).hex(), "grüße – 😀" * 500):
            assert socket.create(text).text == "ECHO: " + text


def test_deflate_offers_that_cannot_be_met_are_declined(start):
    windows_too_small = [ClientPerMessageDeflateFactory(server_max_window_bits=8)]
    for options, extensions in [((), windows_too_small),
                                (("--no-deflate",), [ClientPerMessageDeflateFactory()])]:
        with start(*options).socket(compression=None, extensions=extensions) as socket:
            assert "Sec-WebSocket-Extensions" not in socket.connection.response.headers
            assert socket.create("x").text == "ECHO: x"


def test_a_query_deflate_offers_and_extra_headers_are_taken(server):
    with Socket(
            server.url, additional_headers={"OpenAI-Beta": "responses_websockets=2026-02-06"},
            subprotocols=None, compression="deflate") as socket:
        assert socket.create("x", stream=True, include=[], client_metadata={"a": 1}).text
    import websockets.sync.client as client
    with client.connect(server.url + "/responses?model=rules", open_timeout=TIMEOUT) as connection:
        connection.send('{"type":"response.create","model":"rules","input":"x"}')
        assert json.loads(connection.recv(TIMEOUT))["type"] == "response.created"


def test_bad_frames_are_answered_and_the_connection_goes_on(socket):
    for text in ("{", "", "null", "[]", '"x"', '{"type":"response.dance"}', "{}", "😀",
                 '{"type":"response.create"}', "[" * 5000):
        socket.send(text)
        event = socket.recv()
        assert (event["type"], event["status"]) == ("error", 400)
        assert event["error"]["type"] == "invalid_request_error"
    assert socket.create("x").text == "ECHO: x"


def test_binary_frames_are_refused(server):
    with server.socket() as socket:
        socket.send(b"{}")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv()
        assert caught.value.rcvd.code == 1003


def test_large_messages_go_both_ways(socket):
    text = "x" * (1 << 20)
    assert socket.create(text).text == "ECHO: " + text


def test_lanes_interleave_and_each_event_names_its_lane(socket):
    for lane in ("a", "b"):
        socket.send({"type": "response.create", "model": "rules", "stream_id": lane,
                     "input": f"SLOW 200 {lane} {'w ' * 20}"})
    events, ended = [], 0
    while ended < 2:
        events.append(socket.recv())
        ended += events[-1]["type"] == "response.completed"
    order = [event["stream_id"] for event in events]
    assert set(order) == {"a", "b"}
    assert sum(x != y for x, y in zip(order, order[1:])) > 2, "they ran one after the other"
    for lane in ("a", "b"):
        numbers = [e["sequence_number"] for e in events if e["stream_id"] == lane]
        assert numbers == list(range(len(numbers)))


def test_the_33rd_lane_is_refused(socket):
    for number in range(32):
        assert socket.create("x", stream_id=f"lane-{number}").text == "ECHO: x"
    turn = socket.create("x", stream_id="lane-32")
    assert turn.error["code"] == "websocket_stream_limit_reached"
    assert socket.create("x", stream_id="lane-0").text == "ECHO: x"


def test_a_client_that_goes_without_a_close_frame(server):
    with server.socket() as socket:
        socket.send({"type": "response.create", "model": "rules", "input": "SLOW 60000 x"})
        socket.recv()
        socket.connection.socket.shutdown(sockets.SHUT_RDWR)
    with server.socket() as socket:
        assert socket.create("x").text == "ECHO: x"


def test_the_log_tells_what_was_executed(start, tmp_path):
    log = tmp_path / "log"
    server = start("--log", str(log))
    with server.socket() as socket:
        first = socket.create("one", stream_id="a")
        socket.create(
            [{"role": "user", "content": "two", "x": 1.0}], stream_id="a",
            previous_response_id=first.id)
        socket.create("x", previous_response_id="resp_gone")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["event"] for record in records] == ["executed", "executed", "refused"]
    assert records[0]["response"] == first.id and records[0]["lane"] == "a"
    assert records[1]["previous"] == first.id
    items = records[1]["items"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert items[1] == first.done_items()[0]
    assert items[2] == {"role": "user", "content": "two", "x": 1.0}


def test_pace_options(start):
    server = start("--delay-ms", "100", "--tokens-per-second", "100")
    with server.socket() as socket:
        import time
        started = time.monotonic()
        turn = socket.create("x " * 100)
        assert time.monotonic() - started >= 0.1 + turn.usage["output_tokens"] / 100 - 0.01


def test_strict_fields_and_the_window(start):
    with start("--strict-fields", "--context-window", "100").socket() as socket:
        assert socket.create("x", client_metadata={}).error["param"] == "client_metadata"
        assert socket.create("x" * 1000).error["code"] == "context_length_exceeded"
        assert socket.create("x").text == "ECHO: x"


def test_tls_with_a_certificate_made_for_the_run(start, tmp_path):
    authority = tmp_path / "ca.pem"
    server = start("--tls", "--write-ca", str(authority))
    assert server.url.startswith("wss://")

    async def ask():
        # Not the threaded client: it reads and writes one SSL object at the same time, which Python's ssl does
        # not bear when a session ticket comes in between (about one connection in a hundred hangs).
        context = ssl.create_default_context(cafile=authority)
        async with async_connect(server.url + "/responses", ssl=context) as connection:
            await connection.send('{"type":"response.create","model":"rules","input":"x"}')
            async for message in connection:
                event = json.loads(message)
                if event["type"] == "response.completed":
                    return event["response"]["output"][0]["content"][0]["text"]

    assert asyncio.run(ask()) == "ECHO: x"
    with pytest.raises(ssl.SSLCertVerificationError):
        server.socket(ssl=ssl.create_default_context())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number):
    server = RunningServer()
    with server.socket() as socket:
        socket.send({"type": "response.create", "model": "rules", "input": "SLOW 60000 x"})
        socket.recv()
        os.kill(server.process.pid, number)
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                socket.recv()
        assert caught.value.rcvd.code == 1001
    assert server.process.wait(TIMEOUT) == 0
    server.process.stdin.close()
    server.process.stdout.close()


def test_a_signal_ends_it_though_a_client_neither_reads_nor_closes():
    server = RunningServer()
    host, port = server.url.removeprefix("ws://").split("/")[0].split(":")
    with sockets.create_connection((host, int(port))), sockets.create_connection((host, int(port))):
        server.process.terminate()
        assert server.process.wait(TIMEOUT) == 0
    server.process.stdin.close()
    server.process.stdout.close()


def test_it_ends_with_standard_input():
    result = subprocess.run(
        [program(), "--exit-with-stdin"], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=TIMEOUT)
    assert result.returncode == 0
    server = RunningServer()
    assert server.stop() == 0


def test_it_prints_one_line_and_nothing_else():
    result = subprocess.run(
        [program(), "--exit-with-stdin"], input="", capture_output=True, text=True, timeout=TIMEOUT)
    assert result.stdout.startswith("listening on ws://127.0.0.1:")
    assert result.stdout.count("\n") == 1 and result.stdout.endswith("/v1\n")
    assert result.stderr == ""


@pytest.mark.parametrize("options, status, said", [
    (["--help"], 0, "usage:"), (["--what"], 2, "--what"), (["--port"], 2, "--port"),
    (["--port", "70000"], 2, "65535"), (["--cert", "x"], 2, "--tls"),
    (["--tls", "--cert", "x"], 2, "together"), (["--delay-ms", "-1"], 2, "--delay-ms"),
    (["--tls", "--cert", "/nothing", "--key", "/nothing"], 1, "/nothing"),
    (["--dialect", "x"], 2, "dialect"), (["--quirk", "x"], 2, "no-lanes"),
    (["--stop-code", "99"], 2, "1000"), (["--script", "/nothing"], 1, "/nothing"),
    (["--log", "/nothing/log"], 1, "/nothing/log"), (["--host", "192.0.2.1"], 1, "192.0.2.1"),
])
def test_options_that_do_not_serve(options, status, said):
    result = subprocess.run([program(), *options], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == status
    assert said in (result.stderr if status else result.stdout)


def test_a_port_in_use_is_said(server):
    port = server.url.split(":")[2].split("/")[0]
    result = subprocess.run(
        [program(), "--port", port], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 1 and port in result.stderr
