"""The same agent on every dialect and quirk of the local server: who answers differently changes nothing for the caller."""

import pytest
from test_sessions import SERVER, TOOLS, server  # noqa: F401

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")

DIALECTS = [
    "openai", "azure", "xai", "codex", "open-responses", "gateway-no-lanes", "gateway-no-echo", "gateway-forgetful",
    "gateway-sparse",
]
QUIRKS = [
    "no-lanes", "no-echo", "ignore-unknown-ids", "sparse", "flat-errors", "untyped-errors", "statusless-errors",
    "status-code-errors", "long-ids", "no-sequence-numbers", "response-done", "codex-events",
    "no-chained-instructions", "one-stored-id", "changing-model", "bare-warm-up", "close-on-bad-frame",
    "vendor-events",
]
TURNS = 5


def play(session):
    """A loop, a question about all of it, the same from a fork; how many turns were deltas."""
    turn, deltas = session.run("TOOL LOOP"), 0
    for left in reversed(range(TURNS)):
        (call,) = turn.calls
        turn = session.run([call.output({"remaining": left})])
        deltas += turn.stats.is_delta
    assert turn.text == "LOOP DONE"
    assert session.run("RECALL").text == f"RECALL users=2 tools={TURNS} first=TOOL LOOP"
    with session.fork() as fork:
        assert fork.run("RECALL").text == f"RECALL users=3 tools={TURNS} first=TOOL LOOP"
    return deltas


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("name", DIALECTS)
def test_an_agent_on_a_dialect(server, connect, name, store):  # noqa: F811
    if name == "codex" and store:
        pytest.skip("the dialect refuses store:true")
    client = connect(server("--dialect", name))
    assert play(client.session(model="rules", store=store, tools=TOOLS)) == TURNS


@pytest.mark.parametrize("name", QUIRKS)
def test_an_agent_with_a_quirk(server, connect, name):  # noqa: F811
    client = connect(server("--quirk", name))
    assert play(client.session(model="rules", store=False, tools=TOOLS)) == TURNS


def test_an_agent_whose_responses_are_slow_and_keep_the_connection_alive(server, connect):  # noqa: F811
    client = connect(server("--keepalive-ms", "5", "--delay-ms", "30"))
    assert play(client.session(model="rules", store=False, tools=TOOLS)) == TURNS
