"""The openai-agents SDK, unmodified, over its WebSocket transport and over HTTP."""
import asyncio
import json

import pytest
from agents import (
    Agent, ModelSettings, OpenAIProvider, OpenAIResponsesCompactionSession, RunConfig, Runner,
    SQLiteSession, function_tool, responses_websocket_session, set_tracing_disabled)
from pydantic import BaseModel

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


# --- what agents ask for besides -----------------------------------------------------------------


class Place(BaseModel):
    city: str
    degrees: float
    tags: list[str]


@function_tool
def weather(city: str, days: int = 1) -> str:
    """What the weather is like."""
    return f"sunny in {city} for {days}"


@pytest.fixture(params=["websocket", "http"])
def ask(server, request):
    """Runs agents over one of the transports."""
    def config():
        return RunConfig(model_provider=OpenAIProvider(
            openai_client=server.async_client(), use_responses=True,
            use_responses_websocket=request.param == "websocket"))

    async def ask(agent, input, **options):
        return await Runner.run(agent, input, run_config=config(), **options)

    return ask


def test_structured_output(ask):
    result = asyncio.run(ask(Agent(name="a", model="rules", output_type=Place), "where?"))
    assert result.final_output == Place(city="ECHO: where?", degrees=0, tags=["ECHO: where?"])


def test_a_tool_with_a_schema_of_its_own(ask):
    result = asyncio.run(ask(Agent(name="a", model="rules", tools=[weather]), "CALL weather"))
    assert result.final_output == "ECHO: sunny in ECHO: CALL weather for 0"


def test_a_required_tool(ask):
    stopper = Agent(
        name="a", model="rules", tools=[weather], tool_use_behavior="stop_on_first_tool",
        model_settings=ModelSettings(tool_choice="required"))
    assert asyncio.run(ask(stopper, "hello")).final_output == "sunny in ECHO: hello for 0"


def test_a_handoff(ask):
    triage = Agent(name="triage", model="rules", handoffs=[Agent(name="Spanish", model="rules")])
    result = asyncio.run(ask(triage, "CALL transfer_to_spanish"))
    assert result.last_agent.name == "Spanish" and "Spanish" in result.final_output


def test_an_agent_as_a_tool(ask):
    inner = Agent(name="inner", model="rules").as_tool(tool_name="inner", tool_description="x")
    result = asyncio.run(ask(Agent(name="outer", model="rules", tools=[inner]), "CALL inner"))
    assert result.final_output == "ECHO: ECHO: ECHO: CALL inner"


def test_a_session_of_its_own(ask):
    async def run():
        session, asker = SQLiteSession("s"), Agent(name="a", model="rules")
        for text in ("one", "REASON two", "RECALL"):
            result = await ask(asker, text, session=session)
        assert result.final_output == "RECALL users=3 tools=0 first=one"

    asyncio.run(run())


def test_a_session_that_is_compacted(ask, server):
    async def run():
        session = OpenAIResponsesCompactionSession(
            session_id="s", underlying_session=SQLiteSession("s"), client=server.async_client(),
            model="gpt-5.4", should_trigger_compaction=lambda _: True)
        for text in ("one", "two", "RECALL"):
            result = await ask(Agent(name="a", model="rules"), text, session=session)
        assert result.final_output == "RECALL users=3 tools=0 first=one"

    asyncio.run(run())


def test_chains_by_id(ask):
    async def run():
        asker = Agent(name="a", model="rules", tools=[weather])
        first = await ask(asker, "one")
        second = await ask(asker, "RECALL", previous_response_id=first.last_response_id)
        assert second.final_output == "RECALL users=2 tools=0 first=one"
        looped = await ask(asker, "CALL weather", auto_previous_response_id=True)
        assert looped.final_output.startswith("ECHO: sunny")

    asyncio.run(run())
