"""What the server makes slower on purpose, from outside: lower bounds only, which hold on any machine."""
import json
import socket as sockets
import subprocess
import time
import urllib.parse

import pytest

from conftest import TIMEOUT, program


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def records(log, event, count):
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        found = [record for record in found if record["event"] == event]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{count} records of {event!r} were not written")


@pytest.mark.parametrize("tls", [False, True])
def test_a_round_trip_is_paid_by_handshake_upgrade_and_request(start, tmp_path, tls):
    authority = tmp_path / "ca.pem"
    server = start("--round-trip-ms", "40", *(["--tls", "--write-ca", str(authority)] if tls else []))
    options = {}
    if tls:
        import ssl
        options["ssl"] = ssl.create_default_context(cafile=authority)
    started = time.monotonic()
    with server.socket(**options) as socket:
        # TCP's and TLS's handshakes as they are made up, TLS's own if there is one, and the upgrade.
        assert time.monotonic() - started >= 0.040 * (4 if tls else 3)
        started = time.monotonic()
        assert socket.create("one").text == "ECHO: one"
        assert time.monotonic() - started >= 0.040


def test_bytes_take_their_time_and_all_arrive(start, tmp_path):
    log = tmp_path / "log"
    server = start("--bandwidth", "10000000", "--cost-log", str(log))
    text = "x" * 1_000_000
    with server.socket(compression=None) as socket:
        started = time.monotonic()
        assert socket.create(text).text == "ECHO: " + text
        # A megabyte up, and several down.
        assert time.monotonic() - started >= 0.2
    [connection] = records(log, "connection", 1)
    assert connection["bytes_up"] > 1_000_000 and connection["bytes_down"] > 4_000_000


def test_what_lies_between_asking_and_answering_is_the_link_s_and_the_server_s(start, tmp_path):
    log = tmp_path / "log"
    server = start("--round-trip-ms", "40", "--bandwidth", "10000000", "--cost-log", str(log))
    with server.socket(compression=None) as socket:
        begun = time.monotonic_ns()
        assert socket.create("x" * 1_000_000).text.startswith("ECHO: x")
        ended = time.monotonic_ns()
        assert socket.create("two").text == "ECHO: two"
    [connection] = records(log, "connection", 1)
    exchanges = records(log, "exchange", 4)
    upgrade, first, second = exchanges[:3]
    assert upgrade["answered_at"] - upgrade["asked_at"] >= 40_000_000
    # Not before all of the request had come, and not after the client had the answer.
    assert begun <= first["asked_from"] <= first["asked_at"] < first["answered_at"] <= ended
    [cost, _] = records(log, "cost", 2)
    # Half a round trip each way, and a tenth of a second for a megabyte.
    assert cost["received_at"] - first["asked_from"] >= 100_000_000
    assert first["answered_at"] - cost["ended_at"] >= 20_000_000
    assert first["bytes_up"] > 1_000_000 > second["bytes_up"]
    assert second["asked_from"] >= ended
    assert sum(e["bytes_up"] for e in exchanges) == connection["bytes_up"]
    assert sum(e["bytes_down"] for e in exchanges) == connection["bytes_down"]


def test_one_client_s_delay_is_nobody_else_s(start, tmp_path):
    costs = tmp_path / "costs.json"
    costs.write_text('{"note": "a second for each item", "item_ns": 1e9}')
    log = tmp_path / "log"
    server = start("--costs", str(costs), "--cost-log", str(log))
    with server.socket() as slow, server.socket() as quick:
        slow.send({"type": "response.create", "model": "rules", "store": False,
                   "input": [{"role": "user", "content": "a"}] * 3})
        assert quick.create("b").text == "ECHO: b"
        assert slow.until_terminal().text == "ECHO: a"
    first, second = records(log, "cost", 2)
    assert (first["work"]["items"], second["work"]["items"]) == (1, 3)
    assert second["ended_at"] - second["received_at"] >= 3_000_000_000


def test_a_client_that_stays_after_a_cut_keeps_nothing_busy(start, tmp_path):
    script = tmp_path / "faults.json"
    script.write_text('{"faults": [{"do": "cut", "turn": 1}]}')
    server = start("--round-trip-ms", "2", "--script", str(script))
    place = urllib.parse.urlsplit(server.url)
    message = b'{"type":"response.create","model":"rules","input":"x"}'
    with sockets.create_connection((place.hostname, place.port), TIMEOUT) as client:
        client.sendall(
            b"GET /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        client.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
        while client.recv(65536):
            pass
        spent = cpu_seconds(server.process)
        time.sleep(1)
        # A loop that spins takes all that the machine has to give; this one has nothing to do.
        assert cpu_seconds(server.process) - spent < 0.02


def test_stored_parents_are_loaded_over_http(start, tmp_path):
    log = tmp_path / "log"
    server = start("--cost-log", str(log), "--round-trip-ms", "1")
    with server.client() as client:
        first = client.responses.create(model="rules", input="one")
        client.responses.create(model="rules", input="two", previous_response_id=first.id)
    one, two = records(log, "cost", 2)
    assert one["work"]["loaded_tokens"] == 0
    assert two["work"]["loaded_tokens"] == first.usage.total_tokens
    assert len(records(log, "connection", 1)) == 1


@pytest.mark.parametrize("option, text, message", [
    ("--costs", '{"token_ms": 1}', "'token_ms' is no cost"),
    ("--vocabulary", "YQ== 0\n", "the vocabulary has no token for the byte 0"),
])
def test_a_bad_file_is_refused_with_a_sentence(tmp_path, option, text, message):
    file = tmp_path / "file"
    file.write_text(text)
    done = subprocess.run([program(), option, str(file)], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 1 and message in done.stderr
