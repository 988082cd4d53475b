"""Each trigger of the rule model, as a client sees it; every event is checked against the SDK's types."""
import json
import time

import pytest
from conftest import custom_tool, function_tool

TOOLS = [function_tool("step"), custom_tool("note")]


def test_echo_streams_word_by_word(socket):
    turn = socket.create("some words, ünïcode 🎉 too")
    assert turn.text == "ECHO: some words, ünïcode 🎉 too"
    assert turn.deltas("response.output_text.delta") == turn.text
    assert turn.types.count("response.output_text.delta") == 6
    assert [event["sequence_number"] for event in turn.events] == list(range(len(turn.events)))
    assert turn.usage["input_tokens_details"] == {
        "cached_tokens": 0, "cache_write_tokens": turn.usage["input_tokens"]}


@pytest.mark.parametrize("input, heard", [
    ("text", "text"),
    ([{"role": "user", "content": "no type"}], "no type"),
    ([{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "two "}, {"type": "input_text", "text": "parts"}]}],
     "two parts"),
    ([{"role": "user", "content": "first"}, {"role": "developer", "content": "quiet"}], "first"),
    ([], ""),
])
def test_forms_of_input(socket, input, heard):
    assert socket.create(input).text == f"ECHO: {heard}"


def test_the_settings_are_echoed(socket):
    settings = {
        "instructions": "be kind", "temperature": 0.5, "metadata": {"a": "b"}, "tools": TOOLS,
        "tool_choice": "required", "max_output_tokens": 100, "parallel_tool_calls": False,
        "reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "user": "me"}
    turn = socket.create("x", **settings)
    for event in (turn.events[0], turn.last):
        assert {key: event["response"][key] for key in settings} == settings
    assert turn.response["store"] is False and turn.response["previous_response_id"] is None


def test_tool_loop_without_tools_is_an_echo(socket):
    assert socket.create("TOOL LOOP").text == "ECHO: TOOL LOOP"


def test_arguments_stream_in_pieces(socket):
    turn = socket.create("TOOL LOOP", tools=TOOLS)
    [call] = turn.calls
    assert (call["type"], call["name"], call["arguments"]) == (
        "function_call", "step", '{"seen": 0}')
    assert turn.deltas("response.function_call_arguments.delta") == call["arguments"]
    assert turn.types.count("response.function_call_arguments.delta") > 1
    added = next(e for e in turn.events if e["type"] == "response.output_item.added")
    assert added["item"]["name"] == "step" and added["item"]["arguments"] == ""


@pytest.mark.parametrize("output, done", [
    ('{"remaining": 0}', True), ('{"remaining":0, "x": 1}', True), ('"remaining" :\n0', True),
    ('{"remaining": 1}', False), ('{"remaining": 05}', False), ('{"remaining": 0.5}', False),
    ('{"remaining": "0"}', False), ("remaining: 0", False), ('{"remaining": 7}"remaining": 0', True),
    ([{"type": "input_text", "text": '{"remaining": 0}'}], True),
])
def test_the_loop_ends_when_nothing_remains(socket, output, done):
    first = socket.create("TOOL LOOP", tools=TOOLS)
    turn = socket.create(first.outputs(output), tools=TOOLS, previous_response_id=first.id)
    if done:
        assert turn.text == "LOOP DONE"
    else:
        assert json.loads(turn.calls[0]["arguments"]) == {"seen": 1}


def test_recall_counts_the_whole_context(socket):
    first = socket.create("TOOL LOOP begin", tools=TOOLS)
    second = socket.create(
        first.outputs('{"remaining": 0}'), tools=TOOLS, previous_response_id=first.id)
    third = socket.create("RECALL", previous_response_id=second.id)
    assert third.text == "RECALL users=2 tools=1 first=TOOL LOOP begin"


def test_slow_takes_its_time_and_streams_meanwhile(socket):
    started = time.monotonic()
    socket.send({"type": "response.create", "model": "rules", "input": "SLOW 300 a b c d e f"})
    assert socket.recv()["type"] == "response.created"
    turn = socket.until_terminal()
    assert time.monotonic() - started >= 0.29
    assert turn.text == "ECHO: SLOW 300 a b c d e f"


def test_upstream_error_leaves_the_connection_usable(socket):
    turn = socket.create("UPSTREAM ERROR")
    assert turn.types == ["response.created", "response.in_progress", "response.failed"]
    assert turn.response["error"]["code"] == "server_error"
    assert turn.response["status"] == "failed"
    assert socket.create("x").text == "ECHO: x"


def test_parallel_calls_are_answered_at_once(socket):
    turn = socket.create("PARALLEL 3", tools=TOOLS)
    assert [call["name"] for call in turn.calls] == ["step"] * 3
    assert len({call["call_id"] for call in turn.calls}) == 3
    done = socket.create(
        turn.outputs('{"remaining": 0}'), tools=TOOLS, previous_response_id=turn.id)
    assert done.text == "LOOP DONE"


def test_reasoning_differs_between_done_and_completed_in_its_ciphertext_only(socket):
    turn = socket.create("REASON")
    done, repeated = turn.done_items()[0], turn.output[0]
    assert done["type"] == repeated["type"] == "reasoning"
    assert done.pop("encrypted_content") != repeated.pop("encrypted_content")
    assert done == repeated and done["summary"][0]["text"]
    assert turn.deltas("response.reasoning_summary_text.delta") == done["summary"][0]["text"]
    assert turn.text == "ECHO: REASON"
    assert turn.usage["output_tokens_details"]["reasoning_tokens"] > 0


def test_reasoning_goes_with_a_tool_loop(socket):
    turn = socket.create("REASON TOOL LOOP", tools=TOOLS)
    assert [item["type"] for item in turn.output] == ["reasoning", "function_call"]


def test_comment_gives_two_messages_with_a_phase(socket):
    turn = socket.create("COMMENT")
    assert [item["phase"] for item in turn.output] == ["commentary", "final_answer"]
    assert [e["output_index"] for e in turn.events if e["type"] == "response.output_item.done"] == [
        0, 1]


def test_custom_tool_call(socket):
    turn = socket.create("CUSTOM", tools=TOOLS)
    [call] = turn.calls
    assert (call["type"], call["name"]) == ("custom_tool_call", "note")
    assert turn.deltas("response.custom_tool_call_input.delta") == call["input"] != ""
    done = socket.create(
        turn.outputs('{"remaining": 0}'), tools=TOOLS, previous_response_id=turn.id)
    assert done.text == "LOOP DONE"


def test_a_loop_over_a_custom_tool(socket):
    tools = [custom_tool("note")]
    first = socket.create("TOOL LOOP", tools=tools)
    second = socket.create(first.outputs(), tools=tools, previous_response_id=first.id)
    assert [turn.calls[0]["input"] for turn in (first, second)] == ['{"seen": 0}', '{"seen": 1}']
    assert second.calls[0]["type"] == "custom_tool_call"


def test_refusal(socket):
    turn = socket.create("REFUSE")
    [part] = turn.output[0]["content"]
    assert part["type"] == "refusal"
    assert turn.deltas("response.refusal.delta") == part["refusal"]
    assert turn.last["type"] == "response.completed"


def test_limit_ends_incomplete(socket):
    turn = socket.create("LIMIT and more")
    assert turn.last["type"] == "response.incomplete"
    assert turn.response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert "ECHO: LIMIT and more".startswith(turn.text) and turn.text
    assert turn.output[0]["status"] == "incomplete"
