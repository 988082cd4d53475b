"""How lost connections and busy servers are met."""

from __future__ import annotations

from enum import IntEnum
from typing import Optional

from . import _ffi
from ._errors import InvalidArgument


class Replay(IntEnum):
    """Whether a turn that may have run is sent again when its connection is lost."""

    SAFE = 1
    """Only where running twice costs but does no harm: store=False, no hosted tools, no conversation,
    and nothing but metadata was seen."""
    NEVER = 2
    ALWAYS = 3
    """Whatever the settings; also if an item had begun, of which nothing was seen."""


def replay_policy(policy: Optional[Replay]) -> int:
    return 0 if policy is None else Replay(policy)


def transport_choice(name: Optional[str]) -> int:
    if name is None:
        return 0
    try:
        return _ffi.TRANSPORTS[name]
    except KeyError:
        names = ", ".join(_ffi.TRANSPORTS)
        raise InvalidArgument(f"transport must be one of {names}, or None") from None


def retry_count(value: Optional[int]) -> int:
    if value is None:
        return 0
    if not 0 <= value <= 100:
        raise InvalidArgument("max_retries must be from 0 to 100, or None")
    # Zero would be the library's default.
    return value or -1


def backoff_ms(seconds: Optional[float]) -> int:
    if seconds is None:
        return 0
    if not 0 <= seconds < 2**40:
        raise InvalidArgument("retry_backoff must be a number of seconds, at least 0, or None")
    return round(seconds * 1000) or -1
