"""`/v1/conversations`, and responses that are asked with one."""
import asyncio

import openai
import pytest
from agents import Agent, OpenAIConversationsSession, OpenAIProvider, RunConfig, Runner
from conftest import function_tool
from openai.types.conversations import Conversation, ConversationItemList


@pytest.fixture(scope="module")
def client(server):
    return server.client()


def texts(items):
    return [part.text for item in items if item.type == "message" for part in item.content]


def test_a_conversation_is_kept_and_changed(client):
    raw = client.conversations.with_raw_response.create(metadata={"topic": "x"}, items=[
        {"type": "message", "role": "user", "content": "before"}])
    Conversation.model_validate_json(raw.content, strict=True)
    made = raw.parse()
    assert made.id.startswith("conv_") and made.metadata == {"topic": "x"}
    assert client.conversations.update(made.id, metadata={"topic": "y"}).metadata == {"topic": "y"}
    assert client.conversations.retrieve(made.id).metadata == {"topic": "y"}
    added = client.conversations.items.create(made.id, items=[
        {"type": "message", "role": "user", "content": "more"},
        {"role": "assistant", "content": "said"}])
    assert texts(added.data) == ["more", "said"]
    raw = client.conversations.items.with_raw_response.list(made.id, order="asc")
    ConversationItemList.model_validate_json(raw.content, strict=True)
    assert texts(raw.parse()) == ["before", "more", "said"]
    assert texts(client.conversations.items.list(made.id, limit=1).data) == ["said"]
    item = added.data[0]
    assert client.conversations.items.retrieve(item.id, conversation_id=made.id).id == item.id
    client.conversations.items.delete(item.id, conversation_id=made.id)
    assert texts(client.conversations.items.list(made.id, order="asc")) == ["before", "said"]
    deleted = client.conversations.delete(made.id)
    assert deleted.deleted and deleted.object == "conversation.deleted"
    for call in (client.conversations.retrieve, client.conversations.delete,
                 client.conversations.items.list):
        with pytest.raises(openai.NotFoundError):
            call(made.id)


def test_responses_add_to_their_conversation(client, socket):
    made = client.conversations.create()
    tools = [function_tool()]
    first = client.responses.create(
        model="rules", input="TOOL LOOP", tools=tools, conversation=made.id, store=False)
    assert first.conversation.id == made.id
    client.responses.create(model="rules", tools=tools, conversation={"id": made.id}, input=[
        {"type": "function_call_output", "call_id": first.output[0].call_id,
         "output": '{"remaining": 0}'}])
    turn = socket.create("RECALL", conversation=made.id)
    assert turn.text == "RECALL users=2 tools=1 first=TOOL LOOP"
    assert turn.response["conversation"] == {"id": made.id}
    items = list(client.conversations.items.list(made.id, order="asc", limit=2))
    assert [item.type for item in items] == [
        "message", "function_call", "function_call_output", "message", "message", "message"]
    assert items[1].id == first.output[0].id
    assert client.responses.input_tokens.count(
        model="rules", conversation=made.id, input="x").input_tokens > 20
    failed = client.responses.create(model="rules", input="UPSTREAM ERROR", conversation=made.id)
    assert failed.status == "failed"
    assert len(list(client.conversations.items.list(made.id))) == len(items)


def test_what_a_conversation_refuses(client, socket):
    made = client.conversations.create()
    first = client.responses.create(model="rules", input="x")
    both = socket.create("x", conversation=made.id, previous_response_id=first.id)
    assert both.error["code"] == "mutually_exclusive_parameters"
    assert socket.create("x", conversation="conv_no").status == 404
    call = client.responses.create(
        model="rules", input="TOOL LOOP", tools=[function_tool()], conversation=made.id)
    unanswered = socket.create("x", conversation=made.id)
    assert call.output[0].call_id in unanswered.error["message"]
    for wrong in ({"items": [{"role": "dog", "content": ""}]}, {"metadata": {"a": 1}},
                  {"items": [{"role": "user", "content": "x"}] * 21}):
        with pytest.raises(openai.BadRequestError):
            client.conversations.create(**wrong)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve("msg_no", conversation_id=made.id)


def test_a_response_of_a_conversation_cannot_be_steered(socket, client):
    made = client.conversations.create()
    socket.send({"type": "response.create", "model": "gpt-6-rules", "input": "SLOW 200 x",
                 "conversation": made.id})
    id = socket.recv()["response"]["id"]
    socket.send({"type": "response.steer", "previous_response_id": id, "input": "y"})
    while (event := socket.recv())["type"] != "response.steer.failed":
        pass
    assert event["error"]["code"] == "steering_not_supported"
    socket.until_terminal()


def test_sessions_of_openai_agents_live_here(server):
    async def run():
        client = server.async_client()
        config = RunConfig(model_provider=OpenAIProvider(openai_client=client, use_responses=True))
        session = OpenAIConversationsSession(openai_client=client)
        asker = Agent(name="asker", model="rules")
        await Runner.run(asker, "one", session=session, run_config=config)
        await Runner.run(asker, "REASON two", session=session, run_config=config)
        last = await Runner.run(asker, "RECALL", session=session, run_config=config)
        assert last.final_output == "RECALL users=3 tools=0 first=one"
        made = await client.conversations.create()
        for text in ("one", "RECALL"):
            last = await Runner.run(asker, text, conversation_id=made.id, run_config=config)
        assert last.final_output == "RECALL users=2 tools=0 first=one"

    asyncio.run(run())
