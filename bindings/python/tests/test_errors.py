"""Everything that can go wrong has a type, says how far the request came, and names no credential."""

import json
import logging
import socket
import subprocess
import threading

import pytest
from conftest import API_KEY
from peer import SECONDS, echo, events_of

import responsesws
from responsesws import Execution, Outcome


def fails(session, kind, *input, **options):
    """Runs a turn that must fail; also looks at what the turn itself says."""
    turn = session.start(*(input or ("x",)), **options)
    with pytest.raises(kind) as caught:
        turn.wait(SECONDS)
    error = caught.value
    assert type(error) is kind
    # The API's own words can be short.
    assert len(str(error)) > (0 if isinstance(error, responsesws.APIError) else 15), "a sentence"
    assert API_KEY not in str(error) and API_KEY.encode() not in error.body
    assert type(turn.error) is kind and str(turn.error) == str(error)
    assert turn.outcome in (Outcome.FAILED, Outcome.CANCELLED)
    with pytest.raises(kind):
        turn.next(SECONDS)
    with pytest.raises(kind):
        for _ in turn:
            pass
    return error, turn


# ------------------------------------------------------------------------- network


def test_a_refused_connection(connect, closed_port):
    session = connect(f"ws://127.0.0.1:{closed_port}/v1").session(model="m")
    error, _ = fails(session, responsesws.ConnectionRefused)
    assert error.execution is Execution.NOT_SENT
    assert str(closed_port) in str(error)
    with pytest.raises(responsesws.ConnectionRefused):
        session.connect(SECONDS)


def test_a_host_that_does_not_exist(connect):
    error, _ = fails(
        connect("wss://no-such-host.invalid/v1").session(model="m"), responsesws.DNSError
    )
    assert "no-such-host.invalid" in str(error)


def test_a_server_that_never_answers_the_upgrade(connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(f"ws://127.0.0.1:{silent.getsockname()[1]}/v1", connect_timeout=0.2)
        error, _ = fails(client.session(model="m"), responsesws.ConnectTimeout)
    assert isinstance(error, TimeoutError)
    assert error.execution is Execution.NOT_SENT


@pytest.mark.parametrize(
    "scheme, limit, stage", [("ws", "upgrade", "upgrade"), ("wss", "tls", "TLS handshake")]
)
def test_each_stage_has_a_limit_of_its_own(connect, scheme, limit, stage):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/v1"
        client = connect(url, dns_timeout=9, tcp_timeout=9, **{f"{limit}_timeout": 0.2})
        error, _ = fails(client.session(model="m"), responsesws.ConnectTimeout)
    assert "200 ms" in str(error) and stage in str(error)


def cut_after(count):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("some text", pieces=1)[:count])
        conversation.cut()

    return script


@pytest.mark.parametrize(
    "count, execution",
    [(0, Execution.UNKNOWN), (1, Execution.UNKNOWN), (3, Execution.STARTED), (5, Execution.OUTPUT_SEEN)],
)
def test_a_connection_that_is_cut(talk, count, execution):
    session, _ = talk(cut_after(count))
    error, turn = fails(session, responsesws.ConnectionLost)
    assert error.execution is execution
    assert turn.text == ("some text" if count == 5 else "")
    assert session.response_id is None


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1013])
def test_a_peer_that_closes_before_the_end(talk, code):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("text")[:6])
        conversation.connection.close(code, "because")

    error, _ = fails(talk(script)[0], responsesws.PeerClosed)
    assert error.close_code == code
    assert error.execution is Execution.OUTPUT_SEEN


def test_the_session_goes_on_after_a_lost_connection(talk):
    def script(conversation):
        if len(conversation.peer.connections) == 1:
            return cut_after(1)(conversation)
        echo(conversation)

    session, _ = talk(script)
    fails(session, responsesws.ConnectionLost)
    assert session.run("again").text == "echo: again"


# --------------------------------------------------------------------- time limits


def silent_after(count):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("some text")[:count])
        conversation.until_closed()

    return script


@pytest.mark.parametrize("of_the_client", [True, False], ids=["client", "turn"])
@pytest.mark.parametrize(
    "limit, count, kind",
    [
        ("first_event_timeout", 0, responsesws.FirstEventTimeout),
        ("event_gap_timeout", 3, responsesws.EventGapTimeout),
        ("turn_timeout", 3, responsesws.TurnTimeout),
    ],
)
def test_a_time_limit_ends_the_turn(serve, connect, limit, count, kind, of_the_client):
    limits = {limit: 0.2}
    client = connect(serve(silent_after(count)), **(limits if of_the_client else {}))
    error, turn = fails(client.session(model="m"), kind, **({} if of_the_client else limits))
    assert isinstance(error, TimeoutError)
    assert turn.outcome is Outcome.CANCELLED
    assert error.execution is not Execution.NOT_SENT


def test_the_timeout_of_a_call_leaves_the_turn_running(talk):
    go_on = threading.Event()

    def script(conversation):
        conversation.request()
        go_on.wait(SECONDS)
        conversation.answer("late")
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    for waiting in (lambda: turn.next(0), lambda: turn.next(0.05), lambda: turn.wait(0.05)):
        with pytest.raises(responsesws.WaitTimeout):
            waiting()
    assert turn.outcome is Outcome.RUNNING and turn.error is None
    go_on.set()
    assert turn.wait(SECONDS).text == "late"


# ----------------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    "name, trusted, kind",
    [
        ("good", False, responsesws.CertificateUntrusted),
        ("elsewhere", True, responsesws.HostnameMismatch),
        ("expired", True, responsesws.CertificateExpired),
    ],
)
def test_a_certificate_that_does_not_hold(serve, connect, certificates, name, trusted, kind):
    certificate = getattr(certificates, name)
    peer = serve(echo, tls=certificate)
    ca_file = certificate.certificate if trusted else None
    error, _ = fails(connect(peer, ca_file=ca_file).session(model="m"), kind)
    assert error.execution is Execution.NOT_SENT
    assert peer.requests == []


def pin_of(certificate):
    """As `openssl` computes it."""
    pipe = (
        'openssl x509 -in "$0" -pubkey -noout | openssl pkey -pubin -outform der'
        " | openssl dgst -sha256 -binary | base64"
    )
    run = subprocess.run(
        ["sh", "-c", pipe, certificate], check=True, capture_output=True, timeout=SECONDS
    )
    return f"sha256/{run.stdout.decode().strip()}"


def test_a_pinned_key_is_accepted_and_another_refused(serve, connect, certificates):
    good, other = pin_of(certificates.good.certificate), pin_of(certificates.elsewhere.certificate)
    peer = serve(echo, tls=certificates.good)
    trust = certificates.good.certificate
    client = connect(peer, ca_file=trust, certificate_pins=[other, good])
    assert client.session(model="m").run("x").text
    client = connect(peer, ca_file=trust, certificate_pins=[other])
    error, _ = fails(client.session(model="m"), responsesws.PinMismatch)
    assert good in str(error)
    assert len(peer.requests) == 1


def test_a_server_that_asks_for_a_client_certificate(serve, connect, certificates, tmp_path):
    peer = serve(echo, tls=certificates.good, clients=certificates.elsewhere)
    own, trust = certificates.elsewhere, certificates.good.certificate
    client = connect(
        peer, ca_file=trust, client_certificate_file=own.certificate, client_key_file=own.key
    )
    assert client.session(model="m").run("x").text
    with pytest.raises(responsesws.TLSError, match="requires a client certificate"):
        connect(peer, ca_file=trust).session(model="m").run("x")
    with pytest.raises(responsesws.TLSError, match="is not that of the certificate"):
        connect(
            peer,
            client_certificate_file=own.certificate,
            client_key_file=certificates.good.key,
        )
    encrypted = tmp_path / "encrypted.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", own.key, "-aes128", "-passout", "pass:secret", "-out", encrypted],
        check=True, capture_output=True, timeout=SECONDS,
    )  # fmt: skip
    with pytest.raises(responsesws.TLSError, match="is encrypted"):
        connect(peer, client_certificate_file=own.certificate, client_key_file=encrypted)


def test_the_connection_after_a_lost_one_resumes_the_tls_session(serve, connect, certificates):
    resumed = []

    def script(conversation):
        resumed.append(conversation.connection.socket.session_reused)
        conversation.request()
        conversation.send(events_of("text")[0])
        # Without close frame and close_notify, but with all that was sent before.
        conversation.connection.socket.shutdown(socket.SHUT_RDWR)

    client = connect(serve(script, tls=certificates.good), ca_file=certificates.good.certificate)
    for _ in range(3):
        fails(client.session(model="m"), responsesws.ConnectionLost)
    assert resumed == [False, True, True]


def test_tls_to_a_server_that_speaks_none(serve, connect):
    peer = serve(echo)
    client = connect(f"wss://localhost:{peer.port}/v1")
    with pytest.raises(responsesws.TLSError):
        client.session(model="m").run("x")


# ----------------------------------------------------------------------- WebSocket


@pytest.mark.parametrize(
    "status, kind",
    [
        (401, responsesws.AuthenticationError),
        (403, responsesws.AuthenticationError),
        (200, responsesws.UpgradeRefused),
        (404, responsesws.UpgradeRefused),
        (426, responsesws.UpgradeRefused),
        (429, responsesws.RateLimited),
        (503, responsesws.Overloaded),
    ],
)
def test_an_answer_that_is_http(serve, connect, status, kind):
    body = json.dumps({"error": {"message": "No.", "code": "some_code", "type": "some_type"}})

    def refuse(connection, request):
        response = connection.respond(status, body)
        response.headers["x-request-id"] = "req_1"
        response.headers["retry-after"] = "7"
        return response

    peer = serve(echo, process_request=refuse)
    error, _ = fails(connect(peer).session(model="m"), kind)
    assert error.http_status == status
    assert error.request_id == "req_1"
    assert error.retry_after == 7
    assert error.body.decode() == body
    assert error.execution in (Execution.NOT_SENT, Execution.REJECTED)


def test_a_refusal_that_repeats_the_key_does_not_bring_it_into_the_error(serve, connect):
    def refuse(connection, request):
        key = request.headers["Authorization"].split()[1]
        return connection.respond(401, json.dumps({"error": {"message": f"bad key {key}"}}))

    fails(connect(serve(echo, process_request=refuse)).session(model="m"), responsesws.AuthenticationError)


def test_a_wrong_accept_key(serve, connect):
    def change(connection, request, response):
        del response.headers["Sec-WebSocket-Accept"]
        response.headers["Sec-WebSocket-Accept"] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        return response

    peer = serve(lambda conversation: conversation.until_closed(), process_response=change)
    fails(connect(peer).session(model="m"), responsesws.HandshakeError)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x83\x00",  # reserved opcode
        b"\xc1\x01a",  # reserved bit without an extension
        b"\x81\x81\x00\x00\x00\x00a",  # masked by a server
        b"\x09\x00",  # fragmented ping
        b"\x89\x7e\x00\x80" + b"p" * 128,  # ping of more than 125 bytes
        b"\x80\x01a",  # continuation of nothing
        b"\x01\x01a\x81\x01b",  # a message begun inside another
        b"\x81\x02\xc3\x28",  # text that is not UTF-8
        b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00",  # length with its top bit set
        b"\x88\x01\x03",  # close with half a code
        b"\x88\x02\x03\xed",  # close with a code that is none on the wire
    ],
    ids=lambda frame: frame[:4].hex(),
)
def test_frames_that_break_rfc_6455(talk, frame):
    def script(conversation):
        conversation.request()
        conversation.raw(frame)
        conversation.until_closed()

    fails(talk(script)[0], responsesws.ProtocolError)


@pytest.mark.parametrize(
    "message",
    ['{"type":', "[1]", '"text"', "", "{} x", '{"type":"a","b":01}', b'{"type":"response.created"}'],
    ids=repr,
)
def test_messages_that_are_no_event(talk, message):
    def script(conversation):
        conversation.request()
        conversation.send(message)
        conversation.until_closed()

    fails(talk(script)[0], responsesws.InvalidEvent)


def test_a_message_over_the_limit(serve, connect):
    client = connect(serve(echo), message_bytes_max=10_000)
    fails(client.session(model="m"), responsesws.MessageTooLarge, "x" * 20_000)


def test_a_request_over_the_limit_is_not_sent(serve, connect):
    peer = serve(echo)
    session = connect(peer, sent_message_bytes_max=10_000).session(model="m")
    error, _ = fails(session, responsesws.MessageTooLarge, "x" * 20_000)
    assert error.execution is Execution.NOT_SENT
    assert "sent_message_bytes_max" in str(error) and "0 (200" in str(error)
    assert session.run("short").text == "echo: short"
    assert len(peer.connections) == 1 and len(peer.requests) == 1


# ----------------------------------------------------------------------------- API

NESTED = {"type": "invalid_request_error", "code": "some_code", "message": "Wrong.", "param": "p"}


def erring(event):
    def script(conversation):
        for _ in conversation.requests():
            conversation.send(event)

    return script


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "status": 400, "error": NESTED},
        {"type": "error", "status_code": 400, "error": NESTED},
        {"error": NESTED, "status": 400},
        {"type": "error", "status": 400, "code": "some_code", "message": "Wrong.", "param": "p"},
    ],
    ids=["nested", "status_code", "no type", "flat"],
)
def test_api_errors_in_all_their_shapes(talk, event):
    error, _ = fails(talk(erring(event))[0], responsesws.APIError)
    assert "Wrong." in str(error)
    assert (error.code, error.param, error.http_status) == ("some_code", "p", 400)
    assert json.loads(error.body) == event
    assert error.execution is Execution.REJECTED
    assert not error.retryable


def test_an_api_error_that_says_almost_nothing(talk):
    error, _ = fails(talk(erring({"type": "error"}))[0], responsesws.APIError)
    assert (error.code, error.param, error.type, error.http_status) == (None, None, None, None)


@pytest.mark.parametrize("where", ["top", "inside"])
def test_a_rate_limit_says_how_long_to_wait(talk, where):
    event = {
        "type": "error", "status": 429,
        "error": {"type": "requests", "code": "rate_limit_exceeded", "message": "Slow down."},
    }  # fmt: skip
    (event if where == "top" else event["error"])["headers"] = {"retry-after": "0.25"}
    error, _ = fails(talk(erring(event))[0], responsesws.RateLimited)
    assert error.retry_after == 0.25
    assert error.retryable


@pytest.mark.parametrize(
    "status, code, kind",
    [
        (400, "context_length_exceeded", responsesws.ContextLengthExceeded),
        (500, "server_error", responsesws.Overloaded),
        (503, "server_is_overloaded", responsesws.Overloaded),
        (400, "websocket_connection_limit_reached", responsesws.ConnectionLimitReached),
        (404, "model_not_found", responsesws.APIError),
    ],
)
def test_api_errors_by_code(talk, status, code, kind):
    event = {"type": "error", "status": status, "error": {"code": code, "message": "It is so."}}
    error, _ = fails(talk(erring(event))[0], kind)
    assert (error.code, error.http_status) == (code, status)


def test_an_unstored_response_that_the_server_lost_for_good(talk):
    # A first turn has no history to replay: the answer stands.
    event = {
        "type": "error", "status": 400,
        "error": {"code": "previous_response_not_found", "message": "Not found."},
    }  # fmt: skip
    fails(talk(erring(event))[0], responsesws.PreviousResponseNotFound)


def test_a_failed_response(talk):
    def script(conversation):
        for _ in conversation.requests():
            failure = {"code": "invalid_prompt", "message": "The prompt is invalid."}
            conversation.answer("some", status="failed", error=failure)

    session, _ = talk(script)
    error, turn = fails(session, responsesws.ResponseFailed)
    assert error.code == "invalid_prompt" and "The prompt is invalid." in str(error)
    assert error.execution is Execution.OUTPUT_SEEN
    assert turn.text == "some", "what had arrived can be read"
    assert session.response_id is None


def test_the_session_goes_on_after_an_api_error(talk):
    def script(conversation):
        conversation.request()
        conversation.answer("one")
        conversation.request()
        conversation.send({"type": "error", "status": 400, "error": NESTED})
        echo(conversation)

    session, peer = talk(script, store=False)
    session.run("a")
    fails(session, responsesws.APIError)
    assert session.run("b").text == "echo: b"
    # The error evicted the server's copy: only the whole history is sure to be understood.
    assert [item["content"] for item in peer.sent()["input"] if item.get("role") == "user"] == [
        "a", "b",
    ]  # fmt: skip


# --------------------------------------------------------------------------- usage


@pytest.mark.parametrize("input", [b"{", b"7", b"null", b"[1", b'"\xff"', b'[{"a":01}]', b"[] []"])
def test_an_input_that_is_no_json_is_refused(talk, input):
    session, _ = talk(echo)
    with pytest.raises(responsesws.InvalidJSON):
        session.start(input)


@pytest.mark.parametrize("overrides", [b"[]", b"{", b'"x"'])
def test_overrides_that_are_no_object_are_refused(talk, overrides):
    session, _ = talk(echo)
    with pytest.raises(responsesws.InvalidJSON):
        session.start("x", overrides=overrides)


def test_more_waiting_turns_than_the_limit_are_refused(talk):
    def script(conversation):
        conversation.request()
        conversation.until_closed()

    session, _ = talk(script)
    turns = []
    with pytest.raises(responsesws.LimitReached):
        for _ in range(1000):
            turns.append(session.start("x"))
    assert 256 <= len(turns) <= 257


# ---------------------------------------------------------------------- credentials


def test_the_key_is_in_no_log_line_and_no_error(face, serve, closed_port):
    lines = []

    def log(level, line):
        lines.append(line)

    def refuse(connection, request):
        return connection.respond(401, request.headers["Authorization"])

    def say_it(conversation):
        conversation.request()
        conversation.send({"type": "error", "error": {"message": f"key {API_KEY} is wrong"}})
        conversation.until_closed()

    urls = [
        serve(echo).url, serve(echo, process_request=refuse).url, serve(say_it).url,
        f"ws://127.0.0.1:{closed_port}/v1",
    ]  # fmt: skip
    errors = []
    for url in urls:
        with face.Client(
            url, api_key=API_KEY, headers={"X-Key": API_KEY}, log=log,
            log_level=responsesws.LOG_DEBUG, turn_timeout=SECONDS,
        ) as client:  # fmt: skip
            try:
                client.session(model="m").run("x")
            except responsesws.ResponsesWSError as error:
                errors.append(error)
    assert len(errors) == 3
    assert lines, "a log without lines would prove nothing"
    for text in lines + [str(error) + repr(error.__dict__) for error in errors]:
        assert API_KEY not in text


def test_a_logger_gets_the_lines_of_its_level(serve, connect, caplog):
    logger = logging.getLogger("responsesws.test")
    with caplog.at_level(logging.DEBUG, logger.name):
        client = connect(serve(echo), log=logger)
        client.session(model="m").run("x")
        client.close()
    assert any(record.name == logger.name for record in caplog.records)
    assert {record.levelno for record in caplog.records} <= {10, 20, 30, 40}
