"""A stored response whose connection was lost, against responsesws-server."""

import json

import pytest
from test_sessions import SERVER, server  # noqa: F401

import responsesws

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


@pytest.fixture
def cut(tmp_path):
    """cut(event) -> the server's arguments: its first connection ends in the middle of that event."""

    def arguments(event):
        script = tmp_path / "faults.json"
        fault = {"do": "cut", "connection": 1, "turn": 2, "event": event, "byte": 100}
        script.write_text(json.dumps({"faults": [fault]}))
        return "--script", str(script)

    return arguments


def notices(turn):
    return [event for event in turn if event.kind == responsesws.EventKind.NOTICE]


def test_a_turn_ends_with_the_response_that_the_server_has(server, connect, cut):  # noqa: F811
    client = connect(server(*cut("response.completed")))
    session = client.session(model="rules", store=True)
    session.run("first")
    turn = session.start("second")
    (notice,) = notices(turn)
    assert notice.type == "rws.recovered"
    assert json.loads(notice.json)["response"]["status"] == "completed"
    assert (turn.outcome, turn.text) == (responsesws.Outcome.COMPLETED, "ECHO: second")
    assert len(turn.items) == 1
    assert turn.usage.total_tokens > 0
    assert client.counters().recovery_count == 1
    after = session.run("RECALL")
    assert after.text == "RECALL users=3 tools=0 first=first"
    assert after.stats.is_delta


def test_what_was_not_stored_is_the_error(server, connect, cut):  # noqa: F811
    for store in False, True:
        event = "response.completed" if not store else "response.output_text.delta"
        session = connect(server(*cut(event))).session(model="rules", store=store)
        session.run("first")
        with pytest.raises(responsesws.ConnectionLost) as caught:
            session.run("second")
        assert caught.value.execution == responsesws.Execution.OUTPUT_SEEN if not store else True
        assert session.run("RECALL").text == "RECALL users=2 tools=0 first=first"
