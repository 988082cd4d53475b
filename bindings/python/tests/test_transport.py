"""Turns over HTTP, against responsesws-server."""

import os
import subprocess
import sys

import pytest
from conftest import API_KEY, PACKAGE_ROOT
from peer import SECONDS
from test_sessions import SERVER, TOOLS, server  # noqa: F401

import responsesws
from responsesws import Outcome, SteerState

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


@pytest.fixture
def session(server, connect):  # noqa: F811
    return connect(server(), transport="http").session(model="rules", store=False, tools=TOOLS)


@pytest.mark.parametrize("store", [False, True])
def test_a_tool_loop_of_20_turns(server, connect, store):  # noqa: F811
    session = connect(server(), transport="http").session(model="rules", store=store, tools=TOOLS)
    turn = session.run("TOOL LOOP")
    for seen in range(1, 20):
        (call,) = turn.calls
        assert call.json() == {"seen": seen - 1}
        turn = session.run([call.output({"remaining": 19 - seen})])
        assert turn.stats.is_delta == store
        assert turn.stats.transport == "http"
        assert turn.stats.full_reason == ("" if store else "http")
    assert turn.text == "LOOP DONE"
    assert session.run("RECALL").text == "RECALL users=2 tools=19 first=TOOL LOOP"


def test_text_streams(session):
    turn = session.start("hello")
    assert "".join(turn.text_deltas()) == "ECHO: hello"
    assert turn.usage.total_tokens > 0


def test_a_cancel_leaves_the_session_usable(session):
    session.run("first")
    slow = session.start("SLOW 3000 words")
    while not slow.response_id:
        slow.next()
    slow.cancel()
    assert slow.outcome == Outcome.CANCELLED
    assert session.run("RECALL").text == "RECALL users=2 tools=0 first=first"


def test_refusals_are_typed(server, connect):  # noqa: F811
    url = server("--api-key", "sk-another-key")
    with pytest.raises(responsesws.AuthenticationError) as caught:
        connect(url, transport="http").session(model="rules").run("hello")
    assert caught.value.http_status == 401
    assert API_KEY not in str(caught.value)
    with pytest.raises(responsesws.ConnectionRefused):
        connect("http://127.0.0.1:1/v1", transport="http").session(model="rules").run("hello")


def test_time_limits_hold(session):
    with pytest.raises(responsesws.TurnTimeout):
        session.run("SLOW 5000 words", turn_timeout=0.2)
    assert session.run("hello").text == "ECHO: hello"


def test_nothing_can_be_said_to_a_response_that_runs(session):
    turn = session.start("SLOW 200 words")
    while not turn.response_id:
        turn.next()
    steering = turn.steer("faster")
    turn.wait()
    assert steering.state == SteerState.RETURNED
    assert steering.code == "steering_not_supported"


def test_the_option_is_checked(connect):
    with pytest.raises(responsesws.InvalidArgument):
        connect("ws://127.0.0.1:1", transport="carrier pigeon")


@pytest.mark.parametrize("value, expected", [("http", "http"), ("auto", "websocket"), (None, "websocket")])
def test_the_environment_chooses_where_the_option_does_not(server, value, expected):  # noqa: F811
    program = (
        "import sys, responsesws\n"
        "client = responsesws.Client(sys.argv[1], api_key='x')\n"
        "print(client.session(model='rules').run('hello').stats.transport)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    if value:
        environment["RESPONSESWS_TRANSPORT"] = value
    done = subprocess.run(
        [sys.executable, "-c", program, server()],
        env=environment, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (expected, "")
