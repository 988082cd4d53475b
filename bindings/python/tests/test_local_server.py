"""Against responsesws-server, which shares no protocol machine with the client."""

import os
import re
import subprocess

import pytest
from conftest import API_KEY, REPOSITORY
from peer import SECONDS
from test_examples import start

import responsesws
from responsesws import CallKind, Outcome

SERVER = REPOSITORY / "build" / "bin" / "responsesws-server"

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")

TOOLS = [{"type": "function", "name": "step", "parameters": {"type": "object", "properties": {}}}]


@pytest.fixture(scope="module")
def url():
    # The server ends with its standard input, so it cannot outlive the tests.
    server = subprocess.Popen(
        [SERVER, "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath},
    )  # fmt: skip
    line = server.stdout.readline()
    assert line.startswith("listening on ws://")
    yield line.split()[-1]
    server.stdin.close()
    server.wait(SECONDS)


@pytest.fixture
def session(url, connect):
    return connect(url).session(model="rules", tools=TOOLS, store=False)


def test_a_twenty_turn_tool_loop(session):
    turn = session.run("TOOL LOOP")
    turns = 1
    while turn.calls:
        (call,) = turn.calls
        assert call.name == "step" and call.json() == {"seen": turns - 1}
        turn = session.run([call.output({"remaining": 20 - turns})])
        assert turn.stats.is_delta
        turns += 1
    assert (turns, turn.text) == (21, "LOOP DONE")


def test_the_server_remembers_what_was_not_sent_again(session):
    for text in ("first words", "more", "and more"):
        session.run(text)
    assert session.run("RECALL").text == "RECALL users=4 tools=0 first=first words"


def test_warm_up_counts_as_input(session):
    session.warm_up("first words")
    assert "users=2" in session.run("RECALL").text


def test_what_the_rule_model_can_answer(session):
    assert session.run("hello").text == "ECHO: hello"
    assert session.run("REFUSE").refusal
    turn = session.run("LIMIT")
    assert turn.outcome is Outcome.INCOMPLETE and turn.incomplete_reason
    with pytest.raises(responsesws.APIError):
        session.run("UPSTREAM ERROR")
    assert session.run("hello").text == "ECHO: hello"
    calls = session.run("PARALLEL 3").calls
    assert len(calls) == 3
    session.run([call.output({"remaining": 0}) for call in calls])
    (call,) = session.run("CUSTOM").calls
    assert call.kind is CallKind.CUSTOM


def test_a_cancelled_turn_does_not_disturb_the_next(session):
    session.run("first words")
    turn = session.start("SLOW 5000")
    turn.next(SECONDS)
    turn.cancel()
    with pytest.raises(responsesws.Cancelled):
        turn.wait(SECONDS)
    assert session.run("RECALL").text == "RECALL users=2 tools=0 first=first words"


def test_a_wrong_key(face):
    server = subprocess.Popen(
        [SERVER, "--port", "0", "--exit-with-stdin", "--api-key", "another"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath},
    )  # fmt: skip
    try:
        url = server.stdout.readline().split()[-1]
        with face.Client(url, api_key=API_KEY) as client:
            with pytest.raises(responsesws.AuthenticationError) as caught:
                client.session(model="rules").run("x")
        assert caught.value.http_status == 401 and API_KEY not in str(caught.value)
        with face.Client(url, api_key="another") as client:
            assert client.session(model="rules").run("x").text == "ECHO: x"
    finally:
        server.stdin.close()
        server.wait(SECONDS)


CITATION = re.compile(r"`([^`]+?):(\d+)` — `(.*)`")


@pytest.mark.parametrize("directory, calls_min", [(".", 25), ("bindings/python", 10)])
def test_the_explorer_cites_what_is_there(url, directory, calls_min):
    root = REPOSITORY / directory
    done = start("agent.py", "--url", url, "--root", str(root), OPENAI_API_KEY="x")
    assert done.returncode == 0, done.stderr
    calls = int(re.search(r"(\d+) tool calls", done.stdout).group(1))
    assert calls >= calls_min
    cited = [
        match.groups() for line in done.stdout.splitlines() for match in [CITATION.search(line)] if match
    ]
    assert len(cited) >= 5
    for path, number, quoted in cited:
        line = (root / path).read_text(errors="replace").split("\n")[int(number) - 1]
        words = re.split(r"` (?:and|also) `|` — `", quoted)[0].rstrip("… ").removesuffix("...")
        assert words.strip() in line, (path, number)
