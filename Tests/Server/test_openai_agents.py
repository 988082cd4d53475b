"""The openai-agents SDK, unmodified, over its WebSocket transport and over HTTP."""
import asyncio
import json

import pytest
from agents import (
    Agent, ModelSettings, OpenAIProvider, RunConfig, Runner, function_tool,
    responses_websocket_session, set_tracing_disabled)

set_tracing_disabled(True)
TURNS = 20


def agent(calls):
    @function_tool
    def step(seen: int) -> str:
        """A step."""
        calls.append(seen)
        return json.dumps({"remaining": TURNS - len(calls)})

    return Agent(
        name="stepper", instructions="Step.", model="rules", tools=[step],
        model_settings=ModelSettings(store=False))


def check(result, calls):
    assert calls == list(range(TURNS))
    assert result.final_output == "LOOP DONE"


def session(server):
    return responses_websocket_session(
        api_key="test-key", base_url=server.http_url, websocket_base_url=server.url)


def test_a_tool_loop_over_websocket(server):
    async def run():
        calls = []
        async with session(server) as ws:
            check(await ws.run(agent(calls), "TOOL LOOP", max_turns=TURNS + 2), calls)

    asyncio.run(run())


def test_a_streamed_tool_loop_over_websocket(server):
    async def run():
        calls, types = [], []
        async with session(server) as ws:
            result = ws.run_streamed(agent(calls), "TOOL LOOP", max_turns=TURNS + 2)
            async for event in result.stream_events():
                if event.type == "raw_response_event":
                    types.append(event.data.type)
            check(result, calls)
        assert types.count("response.completed") == TURNS + 1
        assert "response.output_text.delta" in types

    asyncio.run(run())


def test_runs_at_once_over_websocket(server):
    async def one():
        calls = []
        async with session(server) as ws:
            check(await ws.run(agent(calls), "TOOL LOOP SLOW 5", max_turns=TURNS + 2), calls)

    async def run():
        await asyncio.gather(*[one() for _ in range(8)])

    asyncio.run(run())


def test_a_second_question_continues_the_first(server):
    async def run():
        async with session(server) as ws:
            asker = Agent(name="asker", model="rules", model_settings=ModelSettings(store=False))
            first = await ws.run(asker, "one")
            second = await ws.run(
                asker, first.to_input_list() + [{"role": "user", "content": "RECALL"}])
            assert second.final_output == "RECALL users=2 tools=0 first=one"

    asyncio.run(run())


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_tool_loop_over_http(server, is_streamed):
    async def run():
        calls = []
        config = RunConfig(model_provider=OpenAIProvider(
            openai_client=server.async_client(), use_responses=True))
        options = {"max_turns": TURNS + 2, "run_config": config}
        if is_streamed:
            result = Runner.run_streamed(agent(calls), "TOOL LOOP", **options)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent(calls), "TOOL LOOP", **options)
        check(result, calls)

    asyncio.run(run())
