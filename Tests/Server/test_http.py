"""The HTTP endpoints, with the official SDK and with bare HTTP."""
import http.client
import json
import threading
import urllib.parse

import openai
import pytest
from conftest import TIMEOUT, function_tool
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

STREAM_EVENT = TypeAdapter(ResponseStreamEvent)


@pytest.fixture(scope="module")
def client(server):
    return server.client()


@pytest.fixture
def wire(server):
    place = urllib.parse.urlsplit(server.http_url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=TIMEOUT)
    yield connection
    connection.close()


def post(wire, path, body):
    wire.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = wire.getresponse()
    return answer, answer.read()


def test_a_response_is_whole_and_of_the_sdk_s_type(client):
    raw = client.responses.with_raw_response.create(model="rules", input="hello", store=False)
    Response.model_validate_json(raw.content, strict=True)
    response = raw.parse()
    assert response.output_text == "ECHO: hello" and response.status == "completed"
    assert raw.headers["x-request-id"].startswith("req_")


def test_a_stream_has_the_events_of_the_websocket(client):
    types, text, numbers = [], "", []
    with client.responses.create(model="rules", input="hello there", stream=True) as stream:
        for event in stream:
            types.append(event.type)
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                text += event.delta
    assert types[0] == "response.created" and types[-1] == "response.completed"
    assert text == event.response.output_text == "ECHO: hello there"
    assert numbers == list(range(len(numbers)))


def test_the_stream_on_the_wire(wire):
    answer, body = post(
        wire, "/v1/responses", {"model": "rules", "input": "a b c", "stream": True})
    assert answer.getheader("Content-Type").startswith("text/event-stream")
    assert answer.getheader("Transfer-Encoding") == "chunked"
    events = body.decode().removesuffix("\n\n").split("\n\n")
    for event in events:
        name, data = event.split("\n")
        assert data.startswith("data: ")
        assert name == "event: " + json.loads(data[6:])["type"]
        STREAM_EVENT.validate_json(data[6:], strict=True)


def test_one_connection_carries_many_requests(wire):
    wire.connect()
    socket = wire.sock
    for number in range(5):
        answer, body = post(wire, "/v1/responses", {
            "model": "rules", "input": f"hi {number}", "stream": number % 2 == 0})
        assert answer.status == 200 and f"ECHO: hi {number}".encode() in body or number % 2 == 0
        assert wire.sock is socket, "the connection was not kept"
    assert post(wire, "/v1/responses", {})[0].status == 400
    assert wire.sock is socket


def test_a_pipelined_request_waits_for_its_turn(wire):
    wire.connect()
    body = json.dumps({"model": "rules", "input": "SLOW 100 x"}).encode()
    wire.sock.sendall((
        f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body + b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = b""
    while part := wire.sock.recv(65536):
        received += part
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"ECHO: SLOW") < received.index(b'"object":"list"')


def test_a_stream_does_not_wait_for_its_end(wire):
    wire.request("POST", "/v1/responses", json.dumps(
        {"model": "rules", "input": "SLOW 60000 x", "stream": True}))
    assert b"event: response.created" in wire.getresponse().read1()


def test_http_1_0_gets_a_stream_without_chunks(wire):
    wire.connect()
    body = json.dumps({"model": "rules", "input": "x", "stream": True}).encode()
    wire.sock.sendall(
        f"POST /v1/responses HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    received = b""
    while part := wire.sock.recv(65536):
        received += part
    assert b"chunked" not in received and b"\r\n\r\nevent: response.created\n" in received
    assert received.endswith(b"\n\n")


def test_chaining_needs_a_stored_parent_and_full_history_does_not(client):
    first = client.responses.create(model="rules", input="one")
    chained = client.responses.create(
        model="rules", input="RECALL", previous_response_id=first.id)
    assert chained.output_text == "RECALL users=2 tools=0 first=one"
    full = client.responses.create(model="rules", store=False, input=[
        {"role": "user", "content": "one"},
        *[item.model_dump(exclude_none=True) for item in first.output],
        {"role": "user", "content": "RECALL"}])
    assert full.output_text == chained.output_text
    # HTTP has no connection's cache: both pay for the whole.
    assert full.usage.input_tokens == chained.usage.input_tokens
    assert full.usage.input_tokens_details.cached_tokens == 0
    unstored = client.responses.create(model="rules", input="one", store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="rules", input="x", previous_response_id=unstored.id)
    assert caught.value.code == "previous_response_not_found"


def test_a_tool_loop_over_http(client):
    input, tools = [{"role": "user", "content": "TOOL LOOP"}], [function_tool()]
    for turn in range(6):
        response = client.responses.create(model="rules", input=input, tools=tools, store=False)
        input += [item.model_dump(exclude_none=True) for item in response.output]
        input += [
            {"type": "function_call_output", "call_id": item.call_id,
             "output": json.dumps({"remaining": 4 - turn})}
            for item in response.output if item.type == "function_call"]
    assert response.output_text == "LOOP DONE"


def test_stored_responses_can_be_read_and_deleted(client, server):
    made = client.responses.create(model="rules", input="keep me")
    assert client.responses.retrieve(made.id).output_text == "ECHO: keep me"
    with client.responses.connect() as connection:
        connection.response.create(model="rules", input="over the socket")
        for event in connection:
            if event.type == "response.completed":
                break
    assert client.responses.retrieve(event.response.id).output_text == "ECHO: over the socket"
    client.responses.delete(made.id)
    for id in (made.id, "resp_no", client.responses.create(
            model="rules", input="x", store=False).id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(id)


def test_compacting_makes_the_beginning_of_a_new_chain(client):
    first = client.responses.create(model="rules", input="one")
    second = client.responses.create(
        model="rules", input="two", previous_response_id=first.id)
    compacted = client.responses.compact(model="rules", previous_response_id=second.id)
    assert compacted.object == "response.compaction" and compacted.usage.total_tokens > 0
    items = [item.model_dump(exclude_none=True) for item in compacted.output]
    assert [item["type"] for item in items] == ["message", "message", "compaction"]
    after = client.responses.create(
        model="rules", store=False, input=[*items, {"role": "user", "content": "RECALL"}])
    assert after.output_text == "RECALL users=3 tools=0 first=one"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="rules", input="x", previous_response_id=compacted.id)


def test_input_tokens_are_counted_as_they_are_charged(client):
    asked = {"model": "rules", "input": "how many?", "instructions": "be brief"}
    counted = client.responses.input_tokens.count(**asked)
    assert counted.object == "response.input_tokens"
    assert counted.input_tokens == client.responses.create(**asked).usage.input_tokens


def test_models(client):
    assert {"explorer", "rules", "gpt-6-rules"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("rules").id == "rules"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no")


def test_errors(client, wire):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="rules", input=[{"role": "dog", "content": ""}])
    assert caught.value.param == "input[0].role"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="rules", input=7, stream=True)
    failed = client.responses.create(model="rules", input="UPSTREAM ERROR")
    assert failed.status == "failed" and failed.error.code == "server_error"
    assert client.responses.retrieve(failed.id).error.code == "server_error"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="rules", input="x", previous_response_id=failed.id)
    assert caught.value.code == "previous_response_not_found"
    for method, path, status in [("PUT", "/v1/responses", 405), ("POST", "/v1/nothing", 404)]:
        wire.request(method, path)
        answer = wire.getresponse()
        assert answer.status == status
        assert set(json.load(answer)["error"]) == {"type", "code", "message", "param"}
    assert answer.getheader("Allow") is None


def test_a_rate_limit_says_when_to_come_again(start):
    client = start("--requests-per-minute", "1").client()
    client.responses.create(model="rules", input="x")
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model="rules", input="x")
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "1"


def test_many_at_once(client):
    texts = []

    def ask(number):
        texts.append(client.responses.create(model="rules", input=f"SLOW 50 {number}").output_text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(texts) == sorted(f"ECHO: SLOW 50 {number}" for number in range(20))
