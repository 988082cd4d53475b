"""HTTP that no good client sends: the answer is a right status with the service's JSON error, never silence or
an end of the server."""
import json
import os
import socket
import subprocess
import urllib.parse

import pytest
from conftest import TIMEOUT, program

CREATE = json.dumps({"model": "rules", "input": "hi"}).encode()


@pytest.fixture
def raw(server):
    """Sends bytes on a connection of their own and returns all that comes until the server closes it."""
    place = urllib.parse.urlsplit(server.http_url)

    def send(data, half_close=True):
        with socket.create_connection((place.hostname, place.port), TIMEOUT) as wire:
            try:
                wire.sendall(data)
                if half_close:
                    wire.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            received = b""
            try:
                while part := wire.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received

    return send


def head(method, path, *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parsed(received):
    top, _, body = received.partition(b"\r\n\r\n")
    return int(top.split(b" ")[1]), top.decode(), body


def refused(received, status):
    got, top, body = parsed(received)
    assert got == status, received
    assert "content-type: application/json" in top.lower()
    error = json.loads(body)["error"]
    assert set(error) == {"type", "code", "message", "param"} and error["message"]
    return error


@pytest.mark.parametrize("data, status", [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400),
    (b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
    (b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n", 431),
    (head("POST", "/v1/responses", f"Content-Length: {1 << 40}"), 413),
    (head("GET", "/v1/responses"), 426),
    (head("GET", "/v1/responses", "Upgrade: websocket"), 400),
    (head("GET", "/v1/responses", "Upgrade: websocket", "Connection: Upgrade",
          "Sec-WebSocket-Version: 12"), 426),
    (head("PUT", "/v1/responses"), 405), (head("PATCH", "/v1/responses/resp_1"), 405),
    (head("OPTIONS", "/v1/responses"), 405), (head("GET", "/v1/responses/resp_1/cancel"), 405),
    (head("POST", "/v1/models"), 405), (head("GET", "/"), 404), (head("GET", "/v2/responses"), 404),
    (head("GET", "/v1/responses/resp_no"), 404), (head("DELETE", "/v1/responses/resp_no"), 404),
    (head("GET", "/v1/responses/a/b/c"), 404), (head("GET", "/v1/responses/%00%ff"), 404),
    (head("GET", "/v1/responses//input_items"), 404), (head("POST", "/v1/_faults"), 404),
    (head("BREW", "/v1/responses"), 405),
])
def test_wrong_requests(raw, data, status):
    refused(raw(data, half_close=False), status)


@pytest.mark.parametrize("body", [
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b'{"model": "rules", "input": "\xff"}',
    b'{"a":1}', b'{"model": 7, "input": "x"}', b'{"model": "", "input": "x"}', b"[" * 100_000,
    b'{"model":"rules","input":' + b"[" * 10_000, b'{"model":"rules","input":[{}]}',
    b'{"model":"rules","input":[7]}', b'{"model":"rules","input":"x","tools":[{}]}',
    b'{"model":"rules","input":"x","background":"yes"}', b'{"model":"rules"}',
])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/compact"])
def test_wrong_bodies(raw, body, path):
    status = 400
    if path.endswith("compact") and b"background" in body or b'"tools"' in body and "compact" in path:
        status = 200
    received = raw(head("POST", path, f"Content-Length: {len(body)}") + body)
    if status == 400:
        refused(received, 400)


def test_head_has_no_body(raw):
    status, top, body = parsed(raw(head("HEAD", "/v1/models")))
    assert status == 405 and body == b"" and "allow: GET" in top.lower().replace("get", "GET")


def test_half_a_request_is_no_request(raw):
    assert raw(b"POST /v1/resp") == b""
    assert raw(head("POST", "/v1/responses", "Content-Length: 100") + b"{") == b""
    refused(raw(head("GET", "/v1/nothing")), 404)


def test_a_client_may_ask_for_leave_to_send_its_body(raw):
    received = raw(head(
        "POST", "/v1/responses", "Expect: 100-continue", f"Content-Length: {len(CREATE)}") + CREATE)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b"ECHO: hi" in received


def test_a_body_may_come_in_chunks(raw):
    chunks = b"".join(b"%x;a=b\r\n%c\r\n" % (1, byte) for byte in CREATE) + b"0\r\nX: y\r\n\r\n"
    assert b"ECHO: hi" in raw(head("POST", "/v1/responses", "Transfer-Encoding: chunked") + chunks)


def test_requests_may_be_pipelined_even_wrong_ones(raw):
    one = (f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CREATE)}\r\n\r\n").encode()
    wrong = b"PUT /v1/responses HTTP/1.1\r\nHost: x\r\n\r\n"
    received = raw((one + CREATE + wrong) * 20 + head("GET", "/v1/models"), half_close=False)
    assert received.count(b"HTTP/1.1 200 OK") == 21 and received.count(b"HTTP/1.1 405") == 20


@pytest.mark.parametrize("messages, code", [(30, None), (100, "context_length_exceeded")])
def test_a_large_history_is_taken_as_far_as_the_window_goes(raw, messages, code):
    body = json.dumps({"model": "rules", "store": False, "input": [
        {"role": "user", "content": "x" * 100_000} for _ in range(messages)] + [
        {"role": "user", "content": "RECALL"}]}).encode()
    received = raw(head("POST", "/v1/responses", f"Content-Length: {len(body)}") + body)
    if code:
        assert refused(received, 400)["code"] == code
    else:
        assert f"RECALL users={messages + 1}".encode() in received


def test_a_key_is_asked_for_everywhere(start):
    place = urllib.parse.urlsplit(start("--api-key", "right").http_url)
    for method, path in [("POST", "/v1/responses"), ("GET", "/v1/models"), ("GET", "/nothing"),
                         ("GET", "/v1/responses/x/input_items")]:
        for field in ("X: y", "Authorization: Bearer wrong", "Authorization: right", "api-key: no"):
            with socket.create_connection((place.hostname, place.port), TIMEOUT) as wire:
                wire.sendall(head(method, path, field))
                received = wire.makefile("rb").read()
            assert refused(received, 401)["code"] == "invalid_api_key"


# --- the program itself --------------------------------------------------------------------------


def run(*options):
    return subprocess.run(
        [program(), *options], capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("options", [
    ["--no-such-flag"], ["--port"], ["--port", "x"], ["--port", "65536"], ["--port", "-1"], ["extra"],
    ["--dialect", "klingon"], ["--quirk", "none"], ["--max-age", "soon"], ["--cert", "x"],
    ["--write-ca", "x"], ["--bandwidth", "-1"], ["--stop-code", "5"], ["--tokens-per-second", ""],
])
def test_bad_flags_are_a_usage_error(options):
    done = run(*options)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("responsesws-server: ") and "--help" in done.stderr


def test_help_is_complete():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    source = os.path.join(
        os.path.dirname(__file__), "../../Sources/responsesws-server/CommandLineOptions.swift")
    with open(source) as file:
        flags = {
            word for line in file if line.strip().startswith("case \"--")
            for word in line.split('"') if word.startswith("--")}
    assert len(flags) > 30 and {flag for flag in flags if flag not in done.stdout} == set()


def test_what_cannot_be_started_says_why(server, tmp_path):
    port = urllib.parse.urlsplit(server.url).port
    taken = run("--port", str(port))
    assert taken.returncode == 1 and "in use" in taken.stderr and str(port) in taken.stderr
    for options in (["--script", "/no/such"], ["--vocabulary", "/no/such"], ["--costs", "/no/such"],
                    ["--tls", "--cert", "/no/such", "--key", "/no/such"], ["--log", "/no/such/log"],
                    ["--host", "192.0.2.1"]):
        done = run(*options)
        assert done.returncode == 1 and done.stderr.startswith("responsesws-server: "), options
    wrong = tmp_path / "script.json"
    wrong.write_text('{"faults": [{"do": "dance"}]}')
    assert "dance" in run("--script", str(wrong)).stderr
