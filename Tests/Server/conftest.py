"""Starts the built responsesws-server and talks to it with clients that this project did not write:
the official SDK and the `websockets` package."""
import functools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import TypeAdapter
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 30
TERMINAL = {"response.completed", "response.incomplete", "response.failed", "error"}


@functools.lru_cache
def event_types():
    return TypeAdapter(ResponsesServerEvent)


def program():
    named = os.environ.get("RESPONSESWS_SERVER")
    path = Path(named) if named else ROOT / "build/bin/responsesws-server"
    assert path.exists(), f"{path} is not there: run `make build` first"
    return str(path)


class RunningServer:
    """The server ends with its standard input, so also when the tests are killed."""

    def __init__(self, *options, **popen):
        self.process = subprocess.Popen(
            [program(), "--port", "0", "--exit-with-stdin", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **popen)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the server said {line!r}"
        self.url = line.removeprefix("listening on ").strip()

    @property
    def http_url(self):
        return self.url.replace("ws", "http", 1)

    def client(self, key="test-key", kind=OpenAI):
        return kind(
            api_key=key, base_url=self.http_url, websocket_base_url=self.url, max_retries=0)

    def async_client(self, key="test-key"):
        return self.client(key, AsyncOpenAI)

    def socket(self, **options):
        return Socket(self.url, **options)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()
        return self.process.returncode


class Socket:
    """A WebSocket of the `websockets` package. Checks every event against the SDK's types, strictly."""

    def __init__(self, url, **options):
        self.connection = connect(url + "/responses", open_timeout=TIMEOUT, max_size=None, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, message):
        self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def recv(self):
        text = self.connection.recv(TIMEOUT)
        event_types().validate_json(text, strict=True)
        return json.loads(text)

    def until_terminal(self):
        events = []
        while not events or events[-1]["type"] not in TERMINAL:
            events.append(self.recv())
        return Turn(events)

    def create(self, input=None, **fields):
        body = {"type": "response.create", "model": "rules", "store": False, **fields}
        if input is not None:
            body["input"] = input
        self.send(body)
        return self.until_terminal()


class Turn:
    """The events of one request, and what they come to."""

    def __init__(self, events):
        self.events = events
        self.last = events[-1]
        self.types = [event["type"] for event in events]
        self.response = self.last.get("response") or {}
        self.id = self.response.get("id")
        self.output = self.response.get("output", [])
        self.usage = self.response.get("usage")
        self.status = self.last.get("status")
        self.error = self.last.get("error") or {}

    @property
    def text(self):
        return "".join(
            part.get("text", "") for item in self.output if item["type"] == "message"
            for part in item["content"])

    @property
    def calls(self):
        return [item for item in self.output if "call_id" in item]

    def outputs(self, text="ok"):
        return [
            {"type": call["type"] + "_output", "call_id": call["call_id"], "output": text}
            for call in self.calls]

    def deltas(self, type):
        return "".join(event["delta"] for event in self.events if event["type"] == type)

    def done_items(self):
        return [
            event["item"] for event in self.events if event["type"] == "response.output_item.done"]


@pytest.fixture(autouse=True)
def time_limit():
    """The SDK's `recv` waits for ever; a test does not."""
    def expired(*_):
        raise TimeoutError("the test took too long")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(4 * TIMEOUT)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session")
def server():
    server = RunningServer()
    yield server
    assert server.stop() == 0


@pytest.fixture
def socket(server):
    with server.socket() as socket:
        yield socket


@pytest.fixture
def start():
    """Starts servers with options of their own; each must end cleanly."""
    servers = []

    def start(*options, **popen):
        servers.append(RunningServer(*options, **popen))
        return servers[-1]

    yield start
    for server in servers:
        assert server.stop() == 0


def function_tool(name="step"):
    return {
        "type": "function", "name": name, "description": "A step.", "strict": False,
        "parameters": {"type": "object", "properties": {"seen": {"type": "integer"}}}}


def custom_tool(name="note"):
    return {"type": "custom", "name": name, "description": "Takes a note."}
