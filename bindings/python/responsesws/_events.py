"""One server event, taken out of its batch with as little work as its readers need."""

from __future__ import annotations

import json
from collections import defaultdict
from enum import IntEnum
from itertools import repeat
from typing import Any, DefaultDict, Dict, Iterator, Optional

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


_KINDS: DefaultDict[int, EventKind] = defaultdict(
    lambda: EventKind.OTHER, {kind.value: kind for kind in EventKind}
)

# kind and the reserved field beside it, which is 0, are one word on the little-endian machines that
# Swift builds for.
_KIND = _ffi.event_word("kind")
_SEQUENCE_NUMBER = _ffi.event_word("sequence_number")
_OUTPUT_INDEX = _ffi.event_word("output_index")
_TYPE = _ffi.event_word("type")
_JSON = _ffi.event_word("json")
_DELTA = _ffi.event_word("delta")
_ITEM_ID = _ffi.event_word("item_id")
_ITEM = _ffi.event_word("item")
_RESPONSE = _ffi.event_word("response")
_STREAM_ID = _ffi.event_word("stream_id")


class Event:
    """One event of a turn. Parsing waits until somebody asks. It keeps the memory of the events that
    were received with it: take out what you need if you keep few of many.

    >>> for event in turn:
    ...     if event.kind is EventKind.OUTPUT_TEXT_DELTA:
    ...         print(event.delta, end="")
    """

    __slots__ = ("kind", "_memory", "_at", "_data")

    kind: EventKind

    def __init__(self, memory: _ffi.EventMemory, at: int, kind: EventKind) -> None:
        self.kind = kind
        self._memory = memory
        self._at = at

    def _string(self, field: int) -> bytes:
        memory = self._memory
        words = memory.words
        at = self._at + field
        length = words[at + 1]
        if not length:
            return b""
        start = words[at] - memory.base
        return memory.bytes[start : start + length]

    def _length(self, field: int) -> int:
        return self._memory.words[self._at + field + 1]

    def _text(self, field: int) -> str:
        # A lone surrogate of the server's JSON arrives in its three-byte form.
        return self._string(field).decode("utf-8", "surrogatepass")

    @property
    def json(self) -> bytes:
        """The whole event as received."""
        return self._string(_JSON)

    @property
    def type(self) -> str:
        """For example "response.output_text.delta"."""
        return self._text(_TYPE)

    @property
    def sequence_number(self) -> int:
        """-1 if the event has none."""
        return self._memory.words[self._at + _SEQUENCE_NUMBER]

    @property
    def output_index(self) -> int:
        """-1 if the event has none."""
        return self._memory.words[self._at + _OUTPUT_INDEX]

    @property
    def delta(self) -> str:
        """The decoded delta; empty if the event has none."""
        # As _text(_DELTA), without its calls: they would double what reading a delta takes.
        memory = self._memory
        words = memory.words
        at = self._at + _DELTA
        start = words[at] - memory.base
        return memory.bytes[start : start + words[at + 1]].decode("utf-8", "surrogatepass")

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
        try:
            parsed: Dict[str, Any] = self._data
        except AttributeError:
            parsed = self._data = json.loads(self.json.decode("utf-8", "surrogatepass"))
        return parsed

    @property
    def item(self) -> Optional[Dict[str, Any]]:
        """The output item of an item event."""
        return self.data["item"] if self._length(_ITEM) else None

    @property
    def item_json(self) -> bytes:
        """The output item as received; empty if the event has none."""
        return self._string(_ITEM)

    @property
    def response(self) -> Optional[Dict[str, Any]]:
        """The response object of a response event."""
        return self.data["response"] if self._length(_RESPONSE) else None

    def __repr__(self) -> str:
        text = self.json[:120].decode("utf-8", "replace")
        return f"<Event {text}{'…' if len(self.json) > 120 else ''}>"


def events_in(memory: _ffi.EventMemory) -> Iterator[Event]:
    """The events of a batch, in order."""
    words = memory.words
    kinds = map(_KINDS.__getitem__, words[_KIND :: _ffi.EVENT_WORDS])
    return map(Event, repeat(memory), range(0, len(words), _ffi.EVENT_WORDS), kinds)
