"""What the official SDK offers over HTTP besides plain requests: structured outputs, its stream helper, tool
choice, the items of a stored response."""
import json
from enum import Enum
from typing import Literal, Optional

import openai
import pytest
from conftest import function_tool
from openai import pydantic_function_tool
from openai.types.responses.response_item_list import ResponseItemList as ItemList
from pydantic import BaseModel, Field


class Mood(Enum):
    calm = "calm"
    wild = "wild"


class Step(BaseModel):
    text: str
    mood: Mood
    next: Optional["Step"] = None


class Plan(BaseModel):
    title: str = Field(max_length=12)
    steps: list[Step]
    score: float = Field(ge=0.5, le=0.75)
    count: int = Field(gt=2)
    kind: Literal["a", "b"]
    extra: str | int | None
    done: bool


class GetWeather(BaseModel):
    """The weather somewhere."""

    city: str
    days: int
    unit: Literal["celsius", "fahrenheit"]


@pytest.fixture(scope="module")
def client(server):
    return server.client()


def test_structured_outputs_are_parsed(client):
    response = client.responses.parse(model="rules", input="make a plan", text_format=Plan)
    plan = response.output_parsed
    assert isinstance(plan, Plan) and plan.title == "ECHO: make a" and plan.steps[0].mood == Mood.calm


def test_structured_outputs_stream(client):
    with client.responses.stream(model="rules", input="make a plan", text_format=Plan) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types[0] == "response.created" and types[-1] == "response.completed"
    assert final.output_parsed.kind == "a"


def test_a_json_object_may_be_all_that_is_asked(client):
    response = client.responses.create(
        model="rules", input="json", text={"format": {"type": "json_object"}})
    assert json.loads(response.output_text) == {"text": "ECHO: json"}


def test_structured_outputs_over_a_websocket(socket):
    turn = socket.create("plan", text={"format": {
        "type": "json_schema", "name": "plan", "strict": True, "schema": Plan.model_json_schema()}})
    assert Plan.model_validate_json(turn.text).count == 3


def test_arguments_follow_their_schema(client):
    tool = {"type": "function", "name": "GetWeather", "strict": True,
            "parameters": pydantic_function_tool(GetWeather)["function"]["parameters"]}
    response = client.responses.parse(
        model="rules", input="TOOL LOOP", tools=[tool])
    (call,) = response.output
    assert GetWeather.model_validate_json(call.arguments).city == "ECHO: TOOL LOOP"
    with client.responses.stream(model="rules", input="TOOL LOOP", tools=[tool]) as stream:
        assert [e.arguments for e in stream if e.type == "response.function_call_arguments.done"] == [
            call.arguments]


@pytest.mark.parametrize("choice, called", [
    ("required", ["one"]), ("none", []), ("auto", []),
    ({"type": "function", "name": "two"}, ["two"]),
    ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "two"}]},
     ["two"]),
    ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "two"}]}, []),
])
def test_tool_choice(socket, choice, called):
    tools = [function_tool("one"), function_tool("two")]
    turn = socket.create("hello", tools=tools, tool_choice=choice)
    assert [call["name"] for call in turn.calls] == called


def test_what_is_not_allowed_is_not_called(socket):
    tools = [function_tool("one")]
    assert socket.create("TOOL LOOP", tools=tools, tool_choice="none").text == "ECHO: TOOL LOOP"
    assert len(socket.create("PARALLEL 3", tools=tools, parallel_tool_calls=False).calls) == 1


def test_required_calls_go_through_the_tools_and_end_with_the_last(socket):
    """As agents with an output tool do: each tool once, then the last one."""
    fields = {"tools": [function_tool("look"), function_tool("final")], "tool_choice": "required"}
    first = socket.create("hello", **fields)
    second = socket.create(first.outputs(), previous_response_id=first.id, **fields)
    third = socket.create(second.outputs(), previous_response_id=second.id, **fields)
    assert [turn.calls[0]["name"] for turn in (first, second, third)] == ["look", "final", "final"]


def test_a_call_by_name_and_its_echo(socket):
    tools = [function_tool("one"), function_tool("two")]
    first = socket.create("please CALL two now", tools=tools)
    assert [call["name"] for call in first.calls] == ["two"]
    second = socket.create(first.outputs("sunny"), tools=tools, previous_response_id=first.id)
    assert second.text == "ECHO: sunny"
    assert socket.create("CALL three", tools=tools).text == "ECHO: CALL three"


def test_a_limit_of_output_tokens_cuts_the_answer_short(client):
    response = client.responses.create(model="rules", input="word " * 100, max_output_tokens=20)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens <= 20 and response.output[0].status == "incomplete"
    whole = client.responses.create(model="rules", input="word", max_output_tokens=20)
    assert whole.status == "completed"


# --- the items of stored responses ---------------------------------------------------------------


def test_input_items_are_what_the_model_saw(client):
    first = client.responses.create(
        model="rules", tools=[function_tool()], instructions="not an item", input=[
            {"role": "developer", "content": "dev"}, {"role": "user", "content": "TOOL LOOP"}])
    (call,) = first.output
    second = client.responses.create(
        model="rules", tools=[function_tool()], previous_response_id=first.id, input=[
            {"type": "function_call_output", "call_id": call.call_id, "output": '{"remaining": 0}'}])
    raw = client.responses.input_items.with_raw_response.list(second.id, order="asc")
    ItemList.model_validate_json(raw.content, strict=True)
    items = list(raw.parse())
    assert [item.type for item in items] == [
        "message", "message", "function_call", "function_call_output"]
    assert items[0].content[0].text == "dev" and items[2].id == call.id
    own = client.responses.input_items.list(first.id, order="asc")
    assert [item.id for item in own] == [items[0].id, items[1].id]


def test_input_items_come_in_pages(client):
    made = client.responses.create(
        model="rules", input=[{"role": "user", "content": f"n{number}"} for number in range(45)])
    page = client.responses.input_items.list(made.id)
    assert len(page.data) == 20 and page.has_more and page.data[0].content[0].text == "n44"
    assert [item.content[0].text for item in page] == [f"n{number}" for number in reversed(range(45))]
    page = client.responses.input_items.list(made.id, limit=100, order="asc", after=page.data[-1].id)
    assert [item.content[0].text for item in page] == [f"n{number}" for number in range(26, 45)]
    assert not page.has_more


def test_every_kind_of_item_is_listed(client):
    made = client.responses.create(model="rules", input=[
        {"role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"}]},
        {"role": "assistant", "content": "easy"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "note", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "y"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}", "id": None},
        {"type": "function_call_output", "call_id": "c2", "output": [
            {"type": "input_text", "text": "part"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "foreign"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
         "content": [{"type": "output_text", "text": "full", "annotations": []}]},
        {"role": "user", "content": "RECALL"}])
    raw = client.responses.input_items.with_raw_response.list(made.id, limit=100, order="asc")
    ItemList.model_validate_json(raw.content, strict=True)
    assert len(raw.parse().data) == 9


def test_input_items_that_are_not_there(client):
    unstored = client.responses.create(model="rules", input="x", store=False)
    for id in ("resp_no", unstored.id):
        with pytest.raises(openai.NotFoundError):
            client.responses.input_items.list(id)
    made = client.responses.create(model="rules", input="x")
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list(made.id, after="msg_no")
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "up"}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.input_items.list(made.id, **wrong)
        assert caught.value.param in wrong
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list(made.id)


def test_only_background_responses_are_cancelled_or_streamed_later(client):
    made = client.responses.create(model="rules", input="x")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(made.id, stream=True)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_no")


# --- values that an answer repeats ---------------------------------------------------------------


@pytest.mark.parametrize("settings, param", [
    ({"temperature": 2.5}, "temperature"), ({"top_p": -1}, "top_p"),
    ({"max_output_tokens": 15}, "max_output_tokens"), ({"max_output_tokens": 20.5}, "max_output_tokens"),
    ({"top_logprobs": 21}, "top_logprobs"), ({"truncation": "some"}, "truncation"),
    ({"service_tier": "best"}, "service_tier"), ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
    ({"text": {"verbosity": 1}}, "text.verbosity"), ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "name": "no"}}, "tool_choice"),
    ({"metadata": {"a": 1}}, "metadata.a"), ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
])
def test_wrong_settings_are_refused(socket, settings, param):
    turn = socket.create("x", **settings)
    assert (turn.status, turn.error["param"]) == (400, param)
    assert socket.create("x").text == "ECHO: x"


def test_the_tier_is_the_one_that_served(socket):
    assert socket.create("x", service_tier="auto").response["service_tier"] == "default"
    assert socket.create("x", service_tier="fast").response["service_tier"] == "priority"
    assert socket.create("x", service_tier="flex").response["service_tier"] == "flex"


def test_a_blocked_response_says_why(client, socket):
    response = client.responses.create(model="rules", input="MISALIGNED")
    assert response.status == "failed" and response.error.code == "misalignment_policy_violation"
    assert response.error.misalignment.steer.message
    assert socket.create("MISALIGNED").response["error"]["misalignment"]["review_target"] is None


def test_a_script_blocks_requests(start, tmp_path):
    why = {"error_type": "other", "detailed_explanation": "no", "steer": {"message": "stop"}}
    script = tmp_path / "faults.json"
    script.write_text(json.dumps({"faults": [
        {"do": "error", "turn": 1, "status": 400, "code": "misalignment_policy_violation",
         "misalignment": why},
        {"do": "fail", "turn": 2, "event": 1, "code": "misalignment_policy_violation",
         "misalignment": why}]}))
    server = start("--script", str(script))
    with server.socket() as socket:
        refused = socket.create("x")
        assert refused.error["misalignment"] == why
        assert socket.create("x").response["error"]["misalignment"] == why
