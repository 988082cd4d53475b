"""What goes out: Python values to the JSON that the library takes. Bytes are JSON already."""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence, Union

from ._errors import InvalidArgument

Item = Union[Mapping[str, Any], bytes]
"""One input item; as bytes, its JSON, sent byte for byte."""

Input = Union[str, bytes, Mapping[str, Any], Sequence[Item]]
"""A user message, one item, items, or the JSON of any of them as bytes."""

Fields = Union[bytes, Mapping[str, Any]]
"""Body fields: a mapping, or a JSON object as bytes."""


def encode(value: Any) -> bytes:
    """Compact JSON. A lone surrogate, which UTF-8 has no place for, becomes its escape."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"this value has no JSON form: {error}") from error
    # "backslashreplace" writes U+D800 as \ud800, which in a JSON string is that very character.
    return text.encode("utf-8", "backslashreplace")


def encode_input(value: Union[Input, None]) -> bytes:
    """The input of a turn: nothing, a JSON string, or a JSON array of items."""
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return b"[" + raw + b"]" if raw.lstrip(b" \t\r\n")[:1] == b"{" else raw
    if isinstance(value, str):
        return encode(value)
    if isinstance(value, Mapping):
        return b"[" + encode(value) + b"]"
    if isinstance(value, Sequence):
        return b"[" + b",".join(
            bytes(item) if isinstance(item, (bytes, bytearray, memoryview)) else encode(item)
            for item in value
        ) + b"]"
    raise InvalidArgument(
        f"input must be a str, an item, a list of items or JSON as bytes, not {type(value).__name__}"
    )


def encode_fields(given: Union[Fields, None], fields: Mapping[str, Any]) -> bytes:
    """Body fields given as one value, as keywords, or as a mapping with keywords over it."""
    if given is None:
        return encode(fields)
    if isinstance(given, Mapping):
        return encode({**given, **fields})
    if not isinstance(given, (bytes, bytearray, memoryview)):
        raise InvalidArgument(
            f"body fields must be a mapping or JSON as bytes, not {type(given).__name__}"
        )
    if fields:
        raise InvalidArgument("give body fields as bytes or as keywords, not both")
    return bytes(given)
