"""One server event, copied out of the library with as little work as its readers need."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, Dict, Optional, Tuple

from . import _ffi


class EventKind(IntEnum):
    """Kinds of event, as in responsesws.h; other types have the kind OTHER."""

    OTHER = 0
    RESPONSE_CREATED = 1
    RESPONSE_QUEUED = 2
    RESPONSE_IN_PROGRESS = 3
    RESPONSE_COMPLETED = 4
    RESPONSE_FAILED = 5
    RESPONSE_INCOMPLETE = 6
    ERROR = 7
    OUTPUT_ITEM_ADDED = 10
    OUTPUT_ITEM_DONE = 11
    CONTENT_PART_ADDED = 12
    CONTENT_PART_DONE = 13
    OUTPUT_TEXT_DELTA = 14
    OUTPUT_TEXT_DONE = 15
    REFUSAL_DELTA = 16
    REFUSAL_DONE = 17
    FUNCTION_CALL_ARGUMENTS_DELTA = 18
    FUNCTION_CALL_ARGUMENTS_DONE = 19
    CUSTOM_TOOL_CALL_INPUT_DELTA = 20
    CUSTOM_TOOL_CALL_INPUT_DONE = 21
    REASONING_SUMMARY_PART_ADDED = 22
    REASONING_SUMMARY_PART_DONE = 23
    REASONING_SUMMARY_TEXT_DELTA = 24
    REASONING_SUMMARY_TEXT_DONE = 25
    REASONING_TEXT_DELTA = 26
    REASONING_TEXT_DONE = 27
    NOTICE = 100


_KINDS: Dict[int, EventKind] = {kind.value: kind for kind in EventKind}

EventFields = Tuple[int, ...]
"""What _ffi.EventBuffer reads. A string is its address, then its length."""

_TEXT_DELTA = EventKind.OUTPUT_TEXT_DELTA.value

_KIND, _SEQUENCE_NUMBER, _OUTPUT_INDEX = 1, 3, 4
_TYPE, _JSON, _DELTA, _ITEM_ID, _ITEM, _RESPONSE, _STREAM_ID = range(5, 19, 2)

# _RESPONSE is not among them: it may be megabytes, and is parsed with the event.
_STRINGS = (_TYPE, _DELTA, _ITEM_ID, _ITEM, _STREAM_ID)


class Event:
    """One event of a turn. It owns its bytes; parsing waits until somebody asks.

    >>> for event in turn:
    ...     if event.kind is EventKind.OUTPUT_TEXT_DELTA:
    ...         print(event.delta, end="")
    """

    __slots__ = ("_fields", "_outside", "_data", "json")

    json: bytes
    """The whole event as received."""

    def __init__(self, fields: EventFields) -> None:
        start, length = fields[_JSON], fields[_JSON + 1]
        end = start + length
        self._fields = fields
        self._data: Any = None
        self.json = _ffi.copy(start, length)
        # Nearly all strings of an event are parts of its JSON, which is copied already; only what
        # had to be unescaped lies elsewhere, and does not stay there.
        self._outside: Optional[Dict[int, bytes]] = None
        for at in _STRINGS:
            if fields[at + 1] and not start <= fields[at] < end:
                self._outside = _copies(fields, start, end)
                break

    def _string(self, at: int) -> bytes:
        if self._outside is not None and at in self._outside:
            return self._outside[at]
        offset = self._fields[at] - self._fields[_JSON]
        length = self._fields[at + 1]
        return self.json[offset : offset + length] if length else b""

    def _text(self, at: int) -> str:
        # A lone surrogate of the server's JSON arrives in its three-byte form.
        return self._string(at).decode("utf-8", "surrogatepass")

    @property
    def kind(self) -> EventKind:
        return _KINDS.get(self._fields[_KIND], EventKind.OTHER)

    @property
    def type(self) -> str:
        """For example "response.output_text.delta"."""
        return self._text(_TYPE)

    @property
    def sequence_number(self) -> int:
        """-1 if the event has none."""
        return self._fields[_SEQUENCE_NUMBER]

    @property
    def output_index(self) -> int:
        """-1 if the event has none."""
        return self._fields[_OUTPUT_INDEX]

    @property
    def delta(self) -> str:
        """The decoded delta; empty if the event has none."""
        return self._text(_DELTA)

    @property
    def item_id(self) -> Optional[str]:
        return self._text(_ITEM_ID) or None

    @property
    def stream_id(self) -> Optional[str]:
        """The lane; None: the default lane."""
        return self._text(_STREAM_ID) or None

    @property
    def data(self) -> Dict[str, Any]:
        """The event as a dict, parsed at the first use."""
        if self._data is None:
            self._data = json.loads(self.json.decode("utf-8", "surrogatepass"))
        parsed: Dict[str, Any] = self._data
        return parsed

    @property
    def item(self) -> Optional[Dict[str, Any]]:
        """The output item of an item event."""
        return self.data["item"] if self._fields[_ITEM + 1] else None

    @property
    def item_json(self) -> bytes:
        """The output item as received; empty if the event has none."""
        return self._string(_ITEM)

    @property
    def response(self) -> Optional[Dict[str, Any]]:
        """The response object of a response event."""
        return self.data["response"] if self._fields[_RESPONSE + 1] else None

    def __repr__(self) -> str:
        text = self.json[:120].decode("utf-8", "replace")
        return f"<Event {text}{'…' if len(self.json) > 120 else ''}>"


def text_delta(fields: EventFields) -> str:
    """The text of an output text delta, without making an Event; empty for any other event."""
    if fields[_KIND] != _TEXT_DELTA:
        return ""
    return _ffi.copy(fields[_DELTA], fields[_DELTA + 1]).decode("utf-8", "surrogatepass")


def _copies(fields: EventFields, start: int, end: int) -> Dict[int, bytes]:
    return {
        at: _ffi.copy(fields[at], fields[at + 1])
        for at in _STRINGS
        if fields[at + 1] and not start <= fields[at] < end
    }
