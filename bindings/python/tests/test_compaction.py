"""Compaction over HTTP and exact token counts, against responsesws-server."""

import contextlib

import pytest
from conftest import API_KEY
from peer import SECONDS
from test_sessions import SERVER, TOOLS, server  # noqa: F401

import responsesws

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


@pytest.fixture
def session(server, connect):  # noqa: F811
    return connect(server()).session(model="rules", store=False, instructions="be exact")


def test_the_next_turn_goes_on_from_the_compacted_window(session):
    for number in range(1, 4):
        session.run(f"REASON about {number}")
    whole = len(session.full_body())
    compaction = session.compact(timeout=SECONDS)
    assert [item["type"] for item in compaction.output] == ["message"] * 3 + ["compaction"]
    assert compaction.usage.input_tokens > compaction.usage.output_tokens > 0
    assert len(session.full_body()) < whole
    after = session.run("RECALL")
    assert after.text == "RECALL users=4 tools=0 first=REASON about 1"
    assert after.stats.full_reason == "compacted"
    then = session.run("RECALL")
    assert then.text == "RECALL users=5 tools=0 first=REASON about 1"
    assert then.stats.is_delta


def test_above_a_threshold_only(session):
    assert session.compact() is None
    usage = session.run("first").usage
    context = usage.input_tokens + usage.output_tokens
    assert session.compact(if_over=context) is None
    assert session.run("second").stats.is_delta
    assert session.compact(if_over=context) is not None
    assert session.compact(if_over=1) is None


def test_a_long_loop_keeps_its_context_below_a_bound(session):
    largest = compactions = 0
    for number in range(12):
        compactions += session.compact(if_over=1500) is not None
        turn = session.run(f"{number} " + "word " * 100)
        largest = max(largest, turn.usage.input_tokens)
        assert turn.stats.full_reason in ("first", "compacted", "")
    assert compactions >= 1
    # The window keeps the user's messages; what the model said is gone from it.
    assert largest < session.count_tokens() + 1500
    recall = session.run("RECALL")
    assert recall.text.startswith("RECALL users=13 tools=0 first=0 word")


def test_the_count_is_what_the_usage_says(session):
    for text in ("first", "REASON on it", "RECALL"):
        tokens = session.count_tokens(text, timeout=SECONDS)
        assert session.run(text).usage.input_tokens == tokens


def test_what_cannot_be_compacted_says_why(server, connect):  # noqa: F811
    session = connect(server()).session(model="rules", store=False, tools=TOOLS)
    turn = session.run("TOOL LOOP")
    with pytest.raises(responsesws.MissingOutput):
        session.compact()
    turn = session.run([turn.calls[0].output({"remaining": 0})])
    assert turn.stats.is_delta
    slow = session.start("SLOW 500 words")
    with pytest.raises(responsesws.Busy):
        session.compact()
    slow.cancel()
    with pytest.raises(responsesws.InvalidArgument):
        session.compact(if_over=0)


def test_a_refusal_is_typed_and_changes_nothing(server, connect):  # noqa: F811
    client = connect(server("--api-key", "sk-another-key"))
    with pytest.raises(responsesws.AuthenticationError) as caught:
        client.session(model="rules").count_tokens("hello")
    assert caught.value.http_status == 401
    assert API_KEY not in str(caught.value)


def test_patience_ends_and_the_compaction_goes_on(session):
    session.run("first")
    # A quick answer may be there at once.
    with contextlib.suppress(responsesws.WaitTimeout):
        session.compact(timeout=0)
    # A turn that comes now waits for the window.
    assert session.run("RECALL").stats.full_reason == "compacted"
