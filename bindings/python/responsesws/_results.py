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
    )


def _reported(tokens: int) -> Optional[int]:
    return tokens if tokens >= 0 else None


def _seconds(microseconds: int) -> Optional[float]:
    return microseconds / 1e6 if microseconds >= 0 else None
