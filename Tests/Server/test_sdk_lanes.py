"""Lanes and steering with the official SDK's own WebSocket connection."""
import asyncio
import collections

import pytest
from conftest import TERMINAL, event_types, function_tool


def read(connection):
    raw = connection.recv_bytes()
    event_types().validate_json(raw, strict=True)
    return connection.parse_event(raw)


def finish(connection):
    while True:
        event = read(connection)
        if event.type in TERMINAL:
            return event


def ask(connection, **fields):
    connection.response.create(**{"model": "rules", "store": False, **fields})
    return finish(connection)


@pytest.fixture
def connection(server):
    with server.client().responses.connect() as connection:
        yield connection


def test_8_parallel_lanes(connection):
    lanes = [f"lane-{number}" for number in range(8)]
    for lane in lanes:
        connection.response.create(
            model="rules", store=False, stream_id=lane, input=f"SLOW 200 {lane} {'w ' * 20}")
    events = []
    while sum(event.type == "response.completed" for event in events) < 8:
        events.append(read(connection))
    of = collections.defaultdict(list)
    for event in events:
        of[event.stream_id].append(event)
    assert set(of) == set(lanes)
    for lane in lanes:
        assert of[lane][-1].response.output_text.startswith(f"ECHO: SLOW 200 {lane}")
        assert [event.sequence_number for event in of[lane]] == list(range(len(of[lane])))
    begun = [event.stream_id for event in events if event.type == "response.created"]
    first_end = next(n for n, event in enumerate(events) if event.type == "response.completed")
    assert len(begun) == 8 and all(
        event.type != "response.created" for event in events[first_end:]), "not all at once"


def test_requests_of_a_lane_wait_for_each_other(connection):
    for text in ("SLOW 100 one", "two", "three"):
        connection.response.create(model="rules", store=False, stream_id="a", input=text)
    assert [finish(connection).response.output_text for _ in range(3)] == [
        "ECHO: SLOW 100 one", "ECHO: two", "ECHO: three"]


def test_the_17th_response_waits(connection):
    for number in range(17):
        connection.response.create(
            model="rules", store=False, stream_id=f"l{number}", input="SLOW 300 x")
    order = []
    while order.count("response.completed") < 17:
        order.append(read(connection).type)
    assert order[:order.index("response.completed")].count("response.created") == 16


def test_a_fork(connection):
    parent = ask(connection, input="trunk").response
    for lane in ("a", "b"):
        fork = ask(
            connection, input="RECALL", stream_id=lane, previous_response_id=parent.id)
        assert fork.stream_id == lane
        assert fork.response.output_text == "RECALL users=2 tools=0 first=trunk"
        assert fork.response.usage.input_tokens_details.cached_tokens > 0
    trunk = ask(connection, input="RECALL", previous_response_id=parent.id).response
    assert trunk.output_text == "RECALL users=2 tools=0 first=trunk"
    late = ask(connection, input="RECALL", stream_id="c", previous_response_id=parent.id)
    assert late.error.code == "previous_response_not_found" and late.stream_id == "c"


def test_a_failed_fork_keeps_the_parent_and_a_failed_continuation_does_not(connection):
    parent = ask(connection, input="trunk").response
    bad = [{"type": "function_call_output", "call_id": "no", "output": ""}]
    assert ask(
        connection, input=bad, stream_id="a", previous_response_id=parent.id).status == 400
    assert ask(connection, input="x", stream_id="a", previous_response_id=parent.id).response
    assert ask(connection, input=bad, previous_response_id=parent.id).status == 400
    assert ask(
        connection, input="x", previous_response_id=parent.id
    ).error.code == "previous_response_not_found"


def test_the_33rd_lane_is_refused_and_a_bad_name_too(connection):
    for number in range(32):
        assert ask(connection, input="x", stream_id=f"lane-{number}").type == "response.completed"
    refused = ask(connection, input="x", stream_id="lane-32")
    assert refused.error.code == "websocket_stream_limit_reached"
    for name in ("", "a b", "ü", "x" * 257):
        refused = ask(connection, input="x", stream_id=name)
        assert refused.error.code == "invalid_stream_id" and refused.stream_id is None
    assert ask(connection, input="x").response.output_text == "ECHO: x"


def test_a_server_without_lanes(start):
    with start("--no-lanes").client().responses.connect() as connection:
        for text in ("SLOW 100 one", "two"):
            connection.response.create(model="rules", store=False, stream_id=text[:4], input=text)
        types = []
        while types.count("response.completed") < 2:
            event = read(connection)
            assert event.stream_id is None
            types.append(event.type)
    assert types.count("response.created") == 2
    assert types.index("response.completed") < len(types) - 1 - types[::-1].index(
        "response.created"), "two at once"


def begin(connection, **fields):
    connection.response.create(model="gpt-6-rules", store=False, **fields)
    return read(connection).response.id


def until(connection, type):
    events = []
    while not events or events[-1].type != type:
        events.append(read(connection))
    return events


def test_a_steered_response_is_followed_by_its_successor(connection):
    id = begin(connection, input="SLOW 3000 COMMENT go right", stream_id="a")
    until(connection, "response.output_text.delta")
    connection.response.steer(previous_response_id=id, input="go left")
    accepted = until(connection, "response.steer.accepted")[-1]
    assert accepted.steer.previous_response_id == id and accepted.stream_id == "a"
    ended = until(connection, "response.incomplete")[-1].response
    assert ended.incomplete_details.reason == "steered"
    assert [item.phase for item in ended.output] == ["commentary"]
    successor = read(connection)
    assert (successor.type, successor.stream_id) == ("response.created", "a")
    assert successor.response.previous_response_id == id
    done = until(connection, "response.completed")[-1].response
    assert done.output_text == "ECHO: go left"
    after = ask(connection, input="RECALL", stream_id="a", previous_response_id=done.id)
    assert after.response.output_text.startswith("RECALL users=3 tools=0 first=SLOW")


def test_a_steer_waits_for_the_outputs_of_calls(connection):
    tools = [function_tool()]
    id = begin(connection, input="SLOW 200 TOOL LOOP", tools=tools)
    until(connection, "response.output_item.added")
    connection.response.steer(
        previous_response_id=id,
        input=[{"type": "message", "role": "user", "content": "RECALL now"}])
    until(connection, "response.steer.accepted")
    until(connection, "response.completed")
    pending = read(connection)
    assert pending.type == "response.steer.pending"
    [stub] = pending.required_input
    assert (stub.type, stub.name) == ("function_call_output", "step")
    done = ask(
        connection, model="gpt-6-rules", previous_response_id=id, tools=tools,
        input=[{"type": stub.type, "call_id": stub.call_id, "output": '{"remaining": 0}'}])
    assert done.response.output_text == "LOOP DONE"
    after = ask(connection, input="RECALL", previous_response_id=done.response.id)
    assert after.response.output_text == "RECALL users=3 tools=1 first=SLOW 200 TOOL LOOP"


def test_steers_that_fail_give_their_input_back(connection):
    done = ask(connection, input="x").response.id
    plain = "SLOW 100 x"
    for target, code in [("resp_no", "response_not_found"), (done, "response_already_completed")]:
        connection.response.steer(previous_response_id=target, input="left")
        failed = read(connection)
        assert (failed.type, failed.error.code) == ("response.steer.failed", code)
        assert failed.steer.input == "left" and failed.steer.id is None
    connection.response.create(model="rules", store=False, input=plain)
    id = read(connection).response.id
    connection.response.steer(previous_response_id=id, input="left")
    failed = until(connection, "response.steer.failed")[-1]
    assert failed.error.code == "steering_not_supported"
    assert until(connection, "response.completed")


def test_the_asynchronous_connection(server):
    async def run():
        async with server.async_client().responses.connect() as connection:
            for lane in ("a", "b"):
                await connection.response.create(
                    model="rules", store=False, stream_id=lane, input=f"SLOW 50 {lane}")
            ended = {}
            while len(ended) < 2:
                raw = await connection.recv_bytes()
                event_types().validate_json(raw, strict=True)
                event = connection.parse_event(raw)
                if event.type == "response.completed":
                    ended[event.stream_id] = event.response
            response = ended["a"]
            for turn in range(20):
                await connection.response.create(
                    model="rules", store=False, stream_id="a", input="RECALL",
                    previous_response_id=response.id)
                while True:
                    event = await connection.recv()
                    if event.type == "response.completed":
                        response = event.response
                        break
                assert response.output_text == f"RECALL users={turn + 2} tools=0 first=SLOW 50 a"

    asyncio.run(run())
