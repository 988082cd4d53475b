"""What some servers and gateways do besides (protocol.md's last part), one at a time; and what the service does at times."""
import json

import pytest
from conftest import Turn, function_tool
from openai import APIStatusError, PermissionDeniedError

REASONING_CONTEXT = {"context": "current_turn"}


def reasoned(socket, text, **fields):
    """The items of a whole turn with reasoning, as the next request would replay them."""
    turn = socket.create(f"REASON {text}", **fields)
    return [{"type": "message", "role": "user", "content": f"REASON {text}"}, *turn.output]


def replayed(socket, items, **fields):
    question = {"type": "message", "role": "user", "content": "RECALL"}
    return socket.create([*items, question], **fields)


def test_reasoning_of_an_earlier_turn_is_withheld_where_only_this_turn_s_counts(socket):
    history = reasoned(socket, "one")
    (reasoning,) = [item for item in history if item["type"] == "reasoning"]
    kept = replayed(socket, history)
    assert kept.response.get("input_transformations") is None
    withheld = replayed(socket, history, reasoning=REASONING_CONTEXT)
    assert withheld.response["input_transformations"] == [
        {"id": reasoning["id"], "action": "removed", "reason": "turn_boundary", "type": "reasoning"}]
    assert withheld.text == "RECALL users=2 tools=0 first=REASON one"


def test_reasoning_since_the_last_user_message_is_kept(socket):
    turn = socket.create("REASON TOOL LOOP", tools=[function_tool()])
    again = socket.create(
        [{"type": "message", "role": "user", "content": "REASON TOOL LOOP"}, *turn.output,
         *turn.outputs(json.dumps({"remaining": 0}))],
        tools=[function_tool()], reasoning=REASONING_CONTEXT)
    assert again.text == "LOOP DONE"
    assert again.response.get("input_transformations") is None


def test_what_is_left_of_the_rate_limit_comes_with_every_answer(start):
    server = start("--requests-per-minute", "2")
    client = server.client()
    for left in ("1", "0"):
        answer = client.responses.with_raw_response.create(model="rules", input="hi")
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.headers["x-ratelimit-remaining-requests"] == left
        assert answer.headers["x-ratelimit-reset-requests"].endswith("ms")
        assert answer.headers["x-request-id"]
    with pytest.raises(APIStatusError) as caught:
        client.responses.create(model="rules", input="hi")
    headers = caught.value.response.headers
    assert headers.get_list("x-ratelimit-remaining-requests") == ["0"]
    assert int(headers["retry-after"]) <= 60
    with server.socket() as socket:
        assert socket.connection.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert socket.create("hi").error["headers"]["x-ratelimit-limit-requests"] == "2"


def test_without_a_rate_limit_there_are_no_such_headers(server):
    answer = server.client().responses.with_raw_response.create(model="rules", input="hi")
    assert not any(name.startswith("x-ratelimit") for name in answer.headers)


def raw_turn(socket, **body):
    """Without the SDK's types, which know no foreign events."""
    socket.send({"type": "response.create", "model": "rules", "store": False, **body})
    events = []
    while not events or events[-1]["type"] not in ("response.completed", "error"):
        events.append(json.loads(socket.connection.recv(30)))
    return Turn(events)


def test_a_slow_response_keeps_the_connection_alive(start):
    server = start("--keepalive-ms", "20", "--delay-ms", "150")
    with server.socket() as socket:
        turn = raw_turn(socket, input="hi", stream_id="a")
        kept = [event for event in turn.events if event["type"] == "keepalive"]
        assert len(kept) >= 2 and all(event["stream_id"] == "a" for event in kept)
        assert [event["sequence_number"] for event in turn.events] == list(range(len(turn.events)))
        assert turn.text == "ECHO: hi"


def test_keepalives_come_over_http_too(start):
    server = start("--keepalive-ms", "20", "--delay-ms", "150")
    types = [event.type for event in server.client().responses.create(
        model="rules", input="hi", stream=True)]
    assert types.count("keepalive") >= 2 and types[-1] == "response.completed"


def test_foreign_events_come_between(start):
    with start("--quirk", "vendor-events").socket() as socket:
        turn = raw_turn(socket, input="hi")
        assert turn.types[0] == "vendor:status" and turn.text == "ECHO: hi"


def test_stored_responses_of_a_connection_may_share_an_id(start):
    with start("--dialect", "xai").socket() as socket:
        first = raw_turn(socket, input="one", store=True)
        second = raw_turn(socket, input="RECALL", store=True, previous_response_id=first.id)
        assert second.id == first.id
        third = raw_turn(socket, input="RECALL", store=True, previous_response_id=first.id)
        assert third.text == "RECALL users=3 tools=0 first=one"
        assert raw_turn(socket, input="x").id != first.id


def test_the_model_may_change_on_the_way(start):
    with start("--quirk", "changing-model").socket() as socket:
        turn = socket.create("hi")
        assert turn.events[0]["response"]["model"] == "rules"
        assert turn.response["model"] == "rules-2026-11-01"


def test_a_warm_up_may_be_two_events(start):
    with start("--quirk", "bare-warm-up").socket() as socket:
        warm = socket.create("first", generate=False)
        assert warm.types == ["response.created", "response.completed"]
        assert len(socket.create("RECALL", previous_response_id=warm.id).types) > 4


def test_a_wrong_key_may_be_forbidden(start):
    server = start("--quirk", "forbidden-key", "--api-key", "right")
    with pytest.raises(PermissionDeniedError):
        server.client("wrong").responses.create(model="rules", input="hi")
    with pytest.raises(Exception, match="403"):
        server.socket(additional_headers={"Authorization": "Bearer wrong"})


def test_a_first_frame_that_is_no_request_may_close_the_connection(start):
    server = start("--quirk", "close-on-bad-frame")
    with server.socket() as socket:
        socket.send("{")
        assert socket.recv()["type"] == "error"
        with pytest.raises(Exception):
            socket.recv()
        assert socket.connection.close_code == 1008
    with server.socket() as socket:
        socket.create("hi")
        socket.send("{")
        assert socket.recv()["type"] == "error"
        assert socket.create("hi").text == "ECHO: hi"


def test_few_stored_responses_are_kept_if_so_asked(start):
    server = start("--stored-responses", "2")
    client = server.client()
    ids = [client.responses.create(model="rules", input="hi").id for _ in range(3)]
    with pytest.raises(APIStatusError, match="404"):
        client.responses.retrieve(ids[0])
    assert client.responses.retrieve(ids[2]).id == ids[2]


def test_xai_s_instructions_stick_and_are_not_given_twice(start, tmp_path):
    log = tmp_path / "log"
    with start("--dialect", "xai", "--log", str(log)).socket() as socket:
        first = raw_turn(socket, input="one", store=True, instructions="be brief")
        second = raw_turn(socket, input="two", store=True, previous_response_id=first.id)
        raw_turn(socket, input="three", store=True, previous_response_id=second.id)
        raw_turn(socket, input="other")
        socket.send({"type": "response.create", "model": "rules", "input": "x",
                     "instructions": "others", "previous_response_id": first.id})
        assert "instructions" in json.loads(socket.connection.recv(30))["error"]["message"].lower()
    seen = [json.loads(line)["instructions"] for line in log.read_text().splitlines()
            if "executed" in line]
    assert seen == ["be brief"] * 3 + [None]
    assert second.response["instructions"] == "be brief"


def test_only_stored_responses_may_be_continued(start):
    with start("--quirk", "no-unstored-chains").socket() as socket:
        first = socket.create("one")
        assert socket.create("x", previous_response_id=first.id).error["code"] == (
            "previous_response_not_found")
        stored = socket.create("one", store=True)
        assert socket.create("RECALL", previous_response_id=stored.id).text.startswith("RECALL users=2")


def test_the_codex_route_takes_no_chain_over_http(start):
    server = start("--dialect", "codex")
    client = server.client()
    with server.socket() as socket:
        first = raw_turn(socket, input="one")
        assert raw_turn(socket, input="RECALL", previous_response_id=first.id).text.startswith("RECALL users=2")
    with pytest.raises(APIStatusError) as caught:
        client.responses.create(
            model="rules", input="x", store=False, previous_response_id=first.id, stream=True)
    assert caught.value.status_code == 400
    assert caught.value.response.json() == {"detail": "Unsupported parameter: previous_response_id"}
    assert client.responses.create(model="rules", input="x", store=False).output_text == "ECHO: x"


def test_the_model_may_be_wanted_in_the_url(start):
    server = start("--quirk", "model-in-url")
    with pytest.raises(Exception, match="403"):
        server.socket()
    assert server.client().responses.create(model="rules", input="hi").output_text == "ECHO: hi"
    client = server.client()
    with client.responses.connect(extra_query={"model": "rules"}) as connection:
        connection.response.create(model="rules", input="hi")
        while (event := connection.recv()).type != "response.completed":
            pass
    assert event.response.output_text == "ECHO: hi"
