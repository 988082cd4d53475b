"""What a turn has brought: plain values, copied out of the library."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional, Tuple

from . import _ffi, _json

if TYPE_CHECKING:
    from ._tools import ToolResult


class Outcome(IntEnum):
    """Where a turn stands."""

    RUNNING = 0
    COMPLETED = 1
    INCOMPLETE = 2
    """`incomplete_reason` says why."""
    FAILED = 3
    """`error` says why."""
    CANCELLED = 4
    """By the caller or by a time limit."""


class CallKind(IntEnum):
    FUNCTION = 0
    CUSTOM = 1


class Usage(NamedTuple):
    """Tokens as the server counted them; None: not reported."""

    input_tokens: Optional[int]
    cached_tokens: Optional[int]
    """Of the input."""
    cache_write_tokens: Optional[int]
    """Of the input."""
    output_tokens: Optional[int]
    reasoning_tokens: Optional[int]
    """Of the output."""
    total_tokens: Optional[int]


class Stats(NamedTuple):
    """Sizes in bytes, times in seconds from the turn's start; None: not reached."""

    request_bytes: int
    """The request as sent."""
    full_request_bytes: int
    """The body that HTTP would have needed: the settings and the whole history."""
    received_bytes: int
    event_count: int
    sent: Optional[float]
    first_event: Optional[float]
    first_output: Optional[float]
    end: Optional[float]
    is_delta: bool
    """Only the new items were sent, after previous_response_id."""
    resend_count: int
    full_reason: str
    """Why the whole history was sent: "first", "reconnected", "prefix_changed: input[3].role", …;
    empty if only what is new was."""
    cache_break: str
    """The first setting that changed so that the server's prompt cache is lost from there on, as in
    "tools[2].name"; empty: none."""
    input_tokens: Optional[int]
    """This and the next three as in Usage, of failed turns too."""
    cached_tokens: Optional[int]
    output_tokens: Optional[int]
    reasoning_tokens: Optional[int]
    marginal_input_tokens: Optional[int]
    """What the turn's own items added to the input; below zero where reasoning was not rendered
    again or the context was cut; None: not known."""
    is_context_lost: bool
    """The server had silently lost the history, and answered without it."""
    expected_input_tokens: Optional[int]
    """With is_context_lost: what the input would have had at least."""
    transport: Optional[str]
    """What carried the request: "websocket" or "http"; None: it was not sent."""


class Ledger(NamedTuple):
    """The books of a session: turns that failed too, for they were paid as well."""

    turn_count: int
    """Turns that were sent."""
    continuation_count: int
    """Of them, those that had a history to send or to leave out."""
    delta_count: int
    """Of those, the ones that left it out."""
    delta_hit_rate: Optional[float]
    """From 0 to 1; None: no turn had a history."""
    resend_count: int
    unreported_count: int
    """Turns of which the server reported no usage: the tokens lack them."""
    context_loss_count: int
    """Turns before which the server had silently lost the context."""
    input_tokens: int
    cached_tokens: int
    """Of the input."""
    output_tokens: int
    reasoning_tokens: int
    """Of the output."""
    sent_bytes: int
    """Requests as sent."""
    http_bytes: int
    """What HTTP would have sent: settings and whole history with each turn."""
    context_tokens: Optional[int]
    """What the next turn's input begins with; None: not known."""


class Counters(NamedTuple):
    """What a client has done about failures since it was made."""

    resend_count: int
    """Requests of turns that went out again and cannot have run before (`rws.resent`)."""
    replay_count: int
    """Those that may have run before (`rws.replayed`)."""
    retried_request_count: int
    """Requests beside the turns (compacting, counting) that were made again."""
    connection_count: int
    """WebSocket connections that were opened."""
    failed_dial_count: int
    """Connections, over whatever, that could not be made."""
    lost_connection_count: int
    """Open connections that ended without the client's doing."""
    rotation_count: int
    """Times that a session moved to a younger connection (`rws.rotated`)."""
    fallback_count: int
    """Turns that went over HTTP because WebSocket could not be had (`rws.transport`)."""
    key_request_count: int
    """Times that the callable for an API key was asked …"""
    refused_key_count: int
    """… of which so many times because the server had refused the last key."""
    recovery_count: int
    """Turns that lost their connection and ended with what the server had stored (`rws.recovered`)."""
    priming_count: int
    """Times that a session's context was prepared where it moved to."""


class Estimate(NamedTuple):
    """Tokens that something will take: nearly always from low to high."""

    tokens: int
    low: int
    high: int
    uncountable_parts: int
    """Images, files, ciphertext: they are not in the figures."""


class ToolCall(NamedTuple):
    """A tool call that the session's next turn has to answer: `call.output(value)`."""

    kind: CallKind
    call_id: str
    name: str
    arguments: str
    """JSON text of a function call, free text of a custom one; so far, unless `is_complete`."""
    is_complete: bool
    item_json: bytes
    """The finished item as received; empty until complete."""
    effects: Tuple[ToolResult, ...] = ()
    """In a run: calls that ran before this response was sent again, and that the model knows
    nothing of."""

    def json(self) -> Any:
        """The arguments, parsed. Models do write invalid JSON: be ready for a ValueError."""
        return json.loads(self.arguments)

    @property
    def item(self) -> Dict[str, Any]:
        parsed: Dict[str, Any] = json.loads(self.item_json.decode("utf-8", "surrogatepass"))
        return parsed

    def output(self, value: Any) -> Dict[str, Any]:
        """The input item that answers this call. A str is sent as it is, all else as its JSON."""
        kind = "custom_tool_call_output" if self.kind is CallKind.CUSTOM else "function_call_output"
        text = value if isinstance(value, str) else _json.encode(value).decode("utf-8")
        return {"type": kind, "call_id": self.call_id, "output": text}


def tool_call(call: _ffi.Call) -> ToolCall:
    return ToolCall(
        kind=CallKind.CUSTOM if call.kind == CallKind.CUSTOM else CallKind.FUNCTION,
        call_id=call.call_id.text(),
        name=call.name.text(),
        arguments=call.arguments.text(),
        is_complete=bool(call.is_complete),
        item_json=call.item.copy(),
    )


def call_of_item(item: Dict[str, Any], received: bytes) -> Optional[ToolCall]:
    """The call that a finished output item is; None: it is none, or it was cut off."""
    kind = {"function_call": CallKind.FUNCTION, "custom_tool_call": CallKind.CUSTOM}.get(item["type"])
    if kind is None or item.get("status") in ("in_progress", "incomplete"):
        return None
    arguments = item.get("input" if kind is CallKind.CUSTOM else "arguments")
    return ToolCall(
        kind, str(item.get("call_id") or ""), str(item.get("name") or ""), str(arguments or ""), True,
        received,
    )


def usage(counted: _ffi.Usage) -> Usage:
    return Usage(*(_reported(getattr(counted, name)) for name in Usage._fields))


def stats(measured: _ffi.Stats) -> Stats:
    return Stats(
        request_bytes=measured.request_bytes,
        full_request_bytes=measured.full_request_bytes,
        received_bytes=measured.received_bytes,
        event_count=measured.event_count,
        sent=_seconds(measured.sent_us),
        first_event=_seconds(measured.first_event_us),
        first_output=_seconds(measured.first_output_us),
        end=_seconds(measured.end_us),
        is_delta=bool(measured.is_delta),
        resend_count=measured.resend_count,
        full_reason=measured.full_reason.text(),
        cache_break=measured.cache_break.text(),
        input_tokens=_reported(measured.input_tokens),
        cached_tokens=_reported(measured.cached_tokens),
        output_tokens=_reported(measured.output_tokens),
        reasoning_tokens=_reported(measured.reasoning_tokens),
        marginal_input_tokens=(
            None
            if measured.marginal_input_tokens == _ffi.UNKNOWN
            else measured.marginal_input_tokens
        ),
        is_context_lost=bool(measured.is_context_lost),
        expected_input_tokens=_reported(measured.expected_input_tokens),
        transport={value: name for name, value in _ffi.TRANSPORTS.items()}.get(measured.transport),
    )


def ledger(books: _ffi.Ledger) -> Ledger:
    values = {name: getattr(books, name) for name in Ledger._fields}
    values["context_tokens"] = _reported(books.context_tokens)
    values["delta_hit_rate"] = books.delta_hit_rate if books.delta_hit_rate >= 0 else None
    return Ledger(**values)


def counters(counted: _ffi.Counters) -> Counters:
    return Counters(*(getattr(counted, name) for name in Counters._fields))


def estimate(estimated: _ffi.Estimate) -> Estimate:
    return Estimate(*(getattr(estimated, name) for name in Estimate._fields))


def _reported(tokens: int) -> Optional[int]:
    return tokens if tokens >= 0 else None


def _seconds(microseconds: int) -> Optional[float]:
    return microseconds / 1e6 if microseconds >= 0 else None
