"""The official `openai` package, unmodified, over its own WebSocket connection."""
import asyncio
import json

import pytest
from conftest import TERMINAL, event_types, function_tool


def finish(connection):
    """The terminal event of the request under way. Each event must satisfy the SDK's types strictly."""
    while True:
        raw = connection.recv_bytes()
        event_types().validate_json(raw, strict=True)
        event = connection.parse_event(raw)
        if event.type in TERMINAL:
            return event


def test_a_tool_loop_of_20_turns(server):
    ids, seen = [], []
    with server.client().responses.connect() as connection:
        request = {"input": "TOOL LOOP please", "tools": [function_tool()], "store": False}
        for turn in range(21):
            connection.response.create(model="rules", **request)
            event = finish(connection)
            assert event.type == "response.completed"
            ids.append(event.response.id)
            if turn == 20:
                break
            [call] = event.response.output
            assert (call.type, call.name) == ("function_call", "step")
            seen.append(json.loads(call.arguments)["seen"])
            request = {
                "input": [{
                    "type": "function_call_output", "call_id": call.call_id,
                    "output": json.dumps({"remaining": 19 - turn})}],
                "previous_response_id": ids[-1], "tools": [function_tool()], "store": False}
    assert seen == list(range(20))
    assert event.response.output_text == "LOOP DONE"
    assert len(set(ids)) == 21


def test_iterating_over_the_connection_gives_typed_events(server):
    with server.client().responses.connect() as connection:
        connection.response.create(model="rules", input="hello there")
        types, text = [], ""
        for event in connection:
            types.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                break
    assert text == event.response.output_text == "ECHO: hello there"
    assert types[:4] == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added"]


def test_a_warm_up_is_continued(server):
    with server.client().responses.connect() as connection:
        connection.response.create(
            model="rules", input="first words", store=False, generate=False)
        warm = finish(connection).response
        assert warm.output == [] and warm.usage.output_tokens == 0
        connection.response.create(
            model="rules", input="RECALL", previous_response_id=warm.id, store=False)
        response = finish(connection).response
    assert response.output_text == "RECALL users=2 tools=0 first=first words"
    assert response.usage.input_tokens_details.cached_tokens == warm.usage.total_tokens


def test_not_found_and_usable_afterwards(server):
    with server.client().responses.connect() as connection:
        connection.response.create(model="rules", input="x", previous_response_id="resp_gone")
        event = finish(connection)
        assert (event.type, event.status) == ("error", 400)
        assert event.error.code == "previous_response_not_found"
        connection.response.create(model="rules", input="still here")
        assert finish(connection).response.output_text == "ECHO: still here"


def test_store_false_is_gone_on_a_new_connection_and_store_true_is_not(server):
    client = server.client()
    ids = {}
    with client.responses.connect() as connection:
        for store in (False, True):
            connection.response.create(model="rules", input="remember", store=store)
            ids[store] = finish(connection).response.id
    with client.responses.connect() as connection:
        connection.response.create(
            model="rules", input="RECALL", previous_response_id=ids[False], store=False)
        assert finish(connection).error.code == "previous_response_not_found"
        connection.response.create(
            model="rules", input="RECALL", previous_response_id=ids[True], store=True)
        response = finish(connection).response
    assert response.output_text == "RECALL users=2 tools=0 first=remember"
    assert response.usage.input_tokens_details.cached_tokens == 0


def test_what_is_no_request_is_answered_and_the_connection_goes_on(server):
    with server.client().responses.connect() as connection:
        for text, code in [("{", "invalid_json"), ('{"type":"response.dance"}', "invalid_value")]:
            connection.send_raw(text)
            event = finish(connection)
            assert (event.type, event.status, event.error.code) == ("error", 400, code)
        connection.response.create(model="rules", input="still here")
        assert finish(connection).response.output_text == "ECHO: still here"


def test_the_same_asynchronously(server, start):
    async def ended(connection):
        while True:
            raw = await connection.recv_bytes()
            event_types().validate_json(raw, strict=True)
            event = connection.parse_event(raw)
            if event.type in TERMINAL:
                return event

    async def ask(connection, **fields):
        await connection.response.create(**{"model": "rules", "store": False, **fields})
        return await ended(connection)

    async def run():
        async with server.async_client().responses.connect() as connection:
            warm = await ask(connection, input="first words", generate=False)
            turn = await ask(connection, input="RECALL", previous_response_id=warm.response.id)
            assert turn.response.output_text == "RECALL users=2 tools=0 first=first words"
            gone = await ask(connection, input="x", previous_response_id="resp_gone")
            assert gone.error.code == "previous_response_not_found"
            await connection.send_raw("{")
            assert (await ended(connection)).error.code == "invalid_json"
            await connection.send_raw('{"type":"response.dance"}')
            assert (await ended(connection)).error.code == "invalid_value"
            for number in range(32):
                await ask(connection, input="x", stream_id=f"l{number}")
            refused = await ask(connection, input="x", stream_id="l32")
            assert refused.error.code == "websocket_stream_limit_reached"
            refused = await ask(connection, input="x", stream_id="a b")
            assert refused.error.code == "invalid_stream_id"
            fork = await ask(
                connection, input="RECALL", stream_id="l0", previous_response_id=turn.response.id)
            assert fork.response.output_text == "RECALL users=3 tools=0 first=first words"
        async with server.async_client().responses.connect() as connection:
            gone = await ask(connection, input="x", previous_response_id=turn.response.id)
            assert gone.error.code == "previous_response_not_found"
        with pytest.raises(Exception, match="401"):
            async with start("--api-key", "right").async_client("wrong").responses.connect():
                pass

    asyncio.run(run())


def test_a_wrong_key_is_refused_at_the_upgrade(start):
    server = start("--api-key", "right")
    with server.client("right").responses.connect() as connection:
        connection.response.create(model="rules", input="hi")
        assert finish(connection).type == "response.completed"
    for key in ("wrong", "righ", "right2"):
        with pytest.raises(Exception) as caught:
            with server.client(key).responses.connect() as connection:
                connection.recv()
        assert "401" in str(caught.value)
