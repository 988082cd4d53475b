"""Compaction and withheld reasoning: every event is checked against the SDK's types."""
LONG = "word " * 200
COMPACTING = {"context_management": [{"type": "compaction", "compact_threshold": 300}]}


def test_a_chain_compacts_itself(socket):
    turn = socket.create("one " + LONG, **COMPACTING)
    turn = socket.create("two " + LONG, previous_response_id=turn.id, **COMPACTING)
    assert [item["type"] for item in turn.output] == ["compaction", "message"]
    assert "response.compaction.compacting" in turn.types
    assert turn.done_items() == turn.output
    after = socket.create("RECALL", previous_response_id=turn.id, **COMPACTING)
    assert after.text.startswith("RECALL users=3 tools=0 first=one word")
    assert after.usage["input_tokens"] < turn.usage["input_tokens"]


def test_a_compacted_history_works_on_another_connection(server, socket):
    turn = socket.create("one")
    turn = socket.create([{"type": "compaction_trigger"}], previous_response_id=turn.id)
    [item] = turn.output
    assert item["type"] == "compaction"
    with server.socket() as other:
        replayed = other.create([item, {"role": "user", "content": "RECALL"}])
        assert replayed.text == "RECALL users=2 tools=0 first=one"


def test_reasoning_that_does_not_fit_is_withheld_and_named(socket):
    asked = {"role": "user", "content": "REASON"}
    turn = socket.create([asked])
    again = {"role": "user", "content": "again"}
    fitting = socket.create([asked, *turn.output, again])
    assert "input_transformations" not in fitting.response
    turned = socket.create([asked, *turn.output, again], model="another")
    [removed] = turned.response["input_transformations"]
    assert removed == {
        "id": turn.output[0]["id"], "action": "removed", "reason": "model_mismatch",
        "type": "reasoning"}
