"""Options as Python writes them to what the library takes."""

from __future__ import annotations

import os
from typing import Callable, Iterable, Mapping, Optional, Sequence, Tuple, Union

from ._errors import InvalidArgument

Headers = Union[Mapping[str, str], Iterable[Tuple[str, str]]]
Path = Union[str, "os.PathLike[str]"]


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def c_string(
    name: str, value: Optional[str], encode: Callable[[str], bytes] = _utf8
) -> Optional[bytes]:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be a str, not {type(value).__name__}")
    encoded = encode(value)
    if b"\0" in encoded:
        # The value itself stays out of the message: it may be the credential.
        raise InvalidArgument(f"{name} must not contain U+0000")
    return encoded


def c_path(name: str, value: Optional[Path]) -> Optional[bytes]:
    return c_string(name, None if value is None else os.fspath(value), os.fsencode)


def pin_list(pins: Sequence[str]) -> "list[bytes]":
    if isinstance(pins, str):
        raise InvalidArgument("certificate_pins must be a sequence of str, not one str")
    return [c_string("a certificate pin", pin) or b"" for pin in pins]


def header_list(headers: Optional[Headers]) -> "list[Tuple[bytes, bytes]]":
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [
        (c_string("a header's name", name) or b"", c_string("a header's value", value) or b"")
        for name, value in pairs
    ]


def missed_pongs(value: Optional[int]) -> int:
    if value is None:
        return 0
    # The library knows the limit; zero would be its default, and more than an int no number to it.
    if not 0 < value < 2**31:
        raise InvalidArgument("missed_pongs_max must be from 1 to 1,000, or None")
    return value


def byte_count(name: str, value: Optional[int]) -> int:
    if value is None:
        return 0
    if not 0 < value < 2**63:
        raise InvalidArgument(f"{name} must be a positive number of bytes or None")
    return value
