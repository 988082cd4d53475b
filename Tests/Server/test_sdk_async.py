"""The official SDK's asynchronous connection: what test_official_sdk and test_sdk_lanes hold of the synchronous one."""
import asyncio
import json

import pytest
from conftest import TERMINAL, event_types, function_tool

TURNS = 20


def asynchronously(test):
    """Runs the test with a connection."""
    def run(server):
        async def with_connection():
            async with server.async_client().responses.connect() as connection:
                await test(server, connection)

        asyncio.run(with_connection())

    run.__name__ = test.__name__
    return run


async def read(connection):
    raw = await connection.recv_bytes()
    event_types().validate_json(raw, strict=True)
    return connection.parse_event(raw)


async def until(connection, type):
    while True:
        event = await read(connection)
        if event.type == type:
            return event


async def ask(connection, **fields):
    await connection.response.create(**{"model": "rules", "store": False, **fields})
    while True:
        event = await read(connection)
        if event.type in TERMINAL:
            return event


@asynchronously
async def test_a_tool_loop_of_20_turns(_, connection):
    tools, input, previous = [function_tool()], "TOOL LOOP", {}
    for left in reversed(range(TURNS)):
        turn = await ask(connection, input=input, tools=tools, **previous)
        (call,) = turn.response.output
        assert json.loads(call.arguments) == {"seen": TURNS - 1 - left}
        input = [{"type": "function_call_output", "call_id": call.call_id,
                  "output": json.dumps({"remaining": left})}]
        previous = {"previous_response_id": turn.response.id}
    last = await ask(connection, input=input, tools=tools, **previous)
    assert last.response.output_text == "LOOP DONE"


@asynchronously
async def test_8_parallel_lanes(_, connection):
    lanes = [f"lane-{number}" for number in range(8)]
    for lane in lanes:
        await connection.response.create(model="rules", store=False, stream_id=lane, input=f"SLOW 100 {lane}")
    begun, ended = set(), {}
    while len(ended) < 8:
        event = await read(connection)
        if event.type == "response.created":
            assert not ended, "not all at once"
            begun.add(event.stream_id)
        elif event.type == "response.completed":
            ended[event.stream_id] = event.response.output_text
    assert begun == set(lanes)
    assert ended == {lane: f"ECHO: SLOW 100 {lane}" for lane in lanes}


@asynchronously
async def test_store_true_survives_the_connection(server, connection):
    stored = await ask(connection, input="one", store=True)
    async with server.async_client().responses.connect() as other:
        turn = await ask(other, input="RECALL", store=True, previous_response_id=stored.response.id)
        assert turn.response.output_text == "RECALL users=2 tools=0 first=one"


@asynchronously
async def test_a_steered_response_is_followed_by_its_successor(_, connection):
    await connection.response.create(model="gpt-6-rules", store=False, input="SLOW 3000 COMMENT go right")
    created = await until(connection, "response.created")
    await until(connection, "response.output_text.delta")
    await connection.response.steer(previous_response_id=created.response.id, input="go left")
    await until(connection, "response.steer.accepted")
    ended = await until(connection, "response.incomplete")
    assert ended.response.incomplete_details.reason == "steered"
    successor = await until(connection, "response.completed")
    assert successor.response.previous_response_id == created.response.id
    assert successor.response.output_text == "ECHO: go left"


def test_no_key_is_refused(start):
    server = start("--api-key", "right")

    async def run():
        for key in ("", "wrong"):
            with pytest.raises(Exception):
                async with server.async_client(key).responses.connect() as connection:
                    await connection.recv()
        async with server.async_client("right").responses.connect() as connection:
            assert (await ask(connection, input="hi")).response.output_text == "ECHO: hi"

    asyncio.run(run())
