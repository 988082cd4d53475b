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


class Event:
    """One event of a turn. It owns its bytes; parsing waits until somebody asks.

    >>> for event in turn:
    ...     if event.kind is EventKind.OUTPUT_TEXT_DELTA:
    ...         print(event.delta, end="")
    """

    __slots__ = (
        "_kind",
        "_type",
        "_delta",
        "_item_id",
        "_item",
        "_has_response",
        "_stream_id",
        "_data",
        "sequence_number",
        "output_index",
        "json",
    )

    sequence_number: int
    """-1 if the event has none."""
    output_index: int
    """-1 if the event has none."""
    json: bytes
    """The whole event as received."""

    def __init__(self, fields: Tuple[int, ...]) -> None:
        (
            _, self._kind, _, self.sequence_number, self.output_index,
            type_at, type_len, json_at, json_len, delta_at, delta_len, id_at, id_len,
            item_at, item_len, _, response_len, stream_at, stream_len,
        ) = fields  # fmt: skip
        copy = _ffi.copy
        self.json = copy(json_at, json_len)
        self._type = copy(type_at, type_len)
        self._delta = copy(delta_at, delta_len) if delta_len else b""
        # Most events have none of these, and short ones are cheaper to copy than to parse for.
        self._item_id = copy(id_at, id_len) if id_len else b""
        self._item = copy(item_at, item_len) if item_len else b""
        self._has_response = response_len > 0
        self._stream_id = copy(stream_at, stream_len) if stream_len else b""
        self._data: Any = None

    @property
    def kind(self) -> EventKind:
        return _KINDS.get(self._kind, EventKind.OTHER)

    @property
    def type(self) -> str:
        """For example "response.output_text.delta"."""
        return self._type.decode("utf-8", "surrogatepass")

    @property
    def delta(self) -> str:
        """The decoded delta; empty if the event has none."""
        return self._delta.decode("utf-8", "surrogatepass")

    @property
    def item_id(self) -> Optional[str]:
        return self._item_id.decode("utf-8", "surrogatepass") or None

    @property
    def stream_id(self) -> Optional[str]:
        """The lane; None: the default lane."""
        return self._stream_id.decode("utf-8", "surrogatepass") or None

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
        return self.data["item"] if self._item else None

    @property
    def item_json(self) -> bytes:
        """The output item as received; empty if the event has none."""
        return self._item

    @property
    def response(self) -> Optional[Dict[str, Any]]:
        """The response object of a response event."""
        return self.data["response"] if self._has_response else None

    def __repr__(self) -> str:
        text = self.json[:120].decode("utf-8", "replace")
        return f"<Event {text}{'…' if len(self.json) > 120 else ''}>"
