"""A scripted server over the PyPI `websockets` package: its protocol code is not ours.

A script is a function of a Conversation; it is run for each connection in a thread of its own.
"""

import itertools
import json
import os
import socket
import ssl
import struct
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

SECONDS = 20 * int(os.environ.get("RESPONSESWS_TEST_SLOWNESS", "1"))
"""The bound of every wait in the tests; none is meant to last so long. Under a sanitizer all takes longer."""


class Conversation:
    """One connection as a script sees it."""

    def __init__(self, peer, connection):
        self.peer = peer
        self.connection = connection
        self.headers = connection.request.headers
        self.path = connection.request.path

    def request(self):
        """The next client event as a dict. Its text is kept in peer.requests."""
        text = self.connection.recv(timeout=SECONDS)
        self.peer.requests.append(text)
        return json.loads(text)

    def requests(self):
        """Client events until the client leaves."""
        while True:
            try:
                yield self.request()
            except ConnectionClosed:
                return

    def send(self, *events):
        """Events as dicts, or as text (or bytes, in a binary frame) to be sent as they are."""
        for event in events:
            if isinstance(event, dict):
                event = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            self.connection.send(event)

    def answer(self, *outputs, **options):
        """A whole response; see events_of()."""
        self.send(*events_of(*outputs, **options))

    def raw(self, data):
        """Bytes past the WebSocket layer."""
        self.connection.socket.sendall(data)

    def cut(self):
        """End the connection without a close frame."""
        # RST instead of FIN: what a crashed peer or a middlebox leaves behind.
        plain = self.connection.socket
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.shutdown(socket.SHUT_RDWR)

    def until_closed(self):
        """Wait for the client to leave."""
        try:
            self.connection.recv(timeout=SECONDS)
        except ConnectionClosed:
            pass


class Peer:
    """The server. `requests` are the client events of all connections, as text.

    tls: its certificate; clients: the certificate that clients must have.
    """

    def __init__(self, script, *, tls=None, clients=None, **options):
        self.requests = []
        self.connections = []
        self.failures = []
        self._script = script
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            if clients is not None:
                context.load_verify_locations(clients.certificate)
                context.verify_mode = ssl.CERT_REQUIRED
        self._server = serve(
            self._handle, "127.0.0.1", 0, ssl=context, compression=None, max_size=None,
            close_timeout=1, **options,
        )
        self.port = self._server.socket.getsockname()[1]
        self.url = f"ws{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _handle(self, connection):
        conversation = Conversation(self, connection)
        self.connections.append(conversation)
        try:
            self._script(conversation)
        except (ConnectionClosed, OSError):
            pass
        except BaseException as error:
            self.failures.append(error)
            raise

    def sent(self, index=-1):
        """One request as a dict."""
        return json.loads(self.requests[index])

    def close(self):
        self._server.shutdown()
        for conversation in self.connections:
            try:
                conversation.connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        # Which nobody else does.
        for end in (self._server.shutdown_watcher, self._server.shutdown_notifier):
            os.close(end)


# ------------------------------------------------------------------------- events

_ids = itertools.count(1)


def new_id(prefix):
    return f"{prefix}_{next(_ids):08x}"


def message(text, **fields):
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": new_id("msg"), "type": "message", "role": "assistant", "status": "completed",
        "content": [part], **fields,
    }


def refusal(text):
    return {
        "id": new_id("msg"), "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": text}],
    }


def function_call(name, arguments, call_id=None):
    return {
        "id": new_id("fc"), "type": "function_call", "status": "completed",
        "call_id": call_id or new_id("call"), "name": name, "arguments": arguments,
    }


def custom_call(name, text):
    return {
        "id": new_id("ctc"), "type": "custom_tool_call", "status": "completed",
        "call_id": new_id("call"), "name": name, "input": text,
    }


def reasoning(*summaries):
    return {
        "id": new_id("rs"), "type": "reasoning", "encrypted_content": "opaque",
        "summary": [{"type": "summary_text", "text": text} for text in summaries],
    }


USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 3},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}


def events_of(*outputs, response_id=None, status="completed", pieces=4, **fields):
    """All events of a response with these output items; a str is a message."""
    items = [message(output) if isinstance(output, str) else output for output in outputs]
    response = {
        "id": response_id or new_id("resp"), "object": "response", "created_at": 1,
        "model": "scripted", "status": "in_progress", "output": [], "error": None,
        "incomplete_details": None, **{k: v for k, v in fields.items() if k != "error"},
    }
    events = [
        {"type": "response.created", "response": dict(response)},
        {"type": "response.in_progress", "response": dict(response)},
    ]
    for index, item in enumerate(items):
        events += _item_events(index, item, pieces)
    final = {**response, "status": status, "output": items, "usage": USAGE, **fields}
    events.append({"type": f"response.{status}", "response": final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _item_events(index, item, pieces):
    at = {"output_index": index}
    inside = {**at, "item_id": item["id"]}
    yield {"type": "response.output_item.added", **at, "item": _begun(item)}
    if item["type"] == "message":
        part = item["content"][0]
        kind = "refusal" if part["type"] == "refusal" else "output_text"
        text = part.get("text", part.get("refusal"))
        where = {**inside, "content_index": 0}
        yield {"type": "response.content_part.added", **where, "part": part}
        for piece in _cut(text, pieces):
            yield {"type": f"response.{kind}.delta", **where, "delta": piece}
        yield {"type": f"response.{kind}.done", **where, "text": text}
        yield {"type": "response.content_part.done", **where, "part": part}
    elif item["type"] in ("function_call", "custom_tool_call"):
        name, text = (
            ("function_call_arguments", item["arguments"])
            if item["type"] == "function_call"
            else ("custom_tool_call_input", item["input"])
        )
        for piece in _cut(text, pieces):
            yield {"type": f"response.{name}.delta", **inside, "delta": piece}
        member = "arguments" if item["type"] == "function_call" else "input"
        yield {"type": f"response.{name}.done", **inside, member: text}
    elif item["type"] == "reasoning":
        for number, part in enumerate(item["summary"]):
            where = {**inside, "summary_index": number}
            yield {"type": "response.reasoning_summary_part.added", **where, "part": part}
            for piece in _cut(part["text"], pieces):
                yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
            yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", **at, "item": item}


def _begun(item):
    begun = {**item, "status": "in_progress"}
    for member, empty in (("content", []), ("arguments", ""), ("input", ""), ("summary", [])):
        if member in begun:
            begun[member] = empty
    return begun


def _cut(text, pieces):
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]


# ------------------------------------------------------------------------ scripts


def echo(conversation):
    """Answers every request with the text of its last user message."""
    for request in conversation.requests():
        texts = [item["content"] for item in items_of(request) if item.get("role") == "user"]
        conversation.answer(f"echo: {texts[-1] if texts else ''}")


def items_of(request):
    given = request.get("input", [])
    return [{"role": "user", "content": given}] if isinstance(given, str) else given
