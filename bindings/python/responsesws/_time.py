"""Seconds, as Python counts them, to the milliseconds of the library."""

from __future__ import annotations

import math
from time import monotonic
from typing import Optional

from . import _ffi
from ._errors import InvalidArgument

_LONGEST_MS = 2**53


def limit_ms(name: str, seconds: Optional[float]) -> int:
    """A time limit. None: the default (0); math.inf: no limit."""
    if seconds is None:
        return 0
    if not seconds > 0:
        raise InvalidArgument(
            f"{name} must be a positive number of seconds, None (the default) or math.inf (no limit)"
        )
    milliseconds = seconds * 1000
    return _ffi.NO_LIMIT if milliseconds > _LONGEST_MS else math.ceil(milliseconds)


class Patience:
    """The time left of one waiting call. None: no limit; 0: do not wait."""

    __slots__ = ("_deadline",)

    def __init__(self, timeout: Optional[float]) -> None:
        if timeout is None:
            self._deadline = math.inf
        elif timeout >= 0:
            self._deadline = monotonic() + timeout
        else:
            raise InvalidArgument("timeout must be a number of seconds, at least 0, or None")

    def left(self) -> float:
        return max(0.0, self._deadline - monotonic())

    def slice_ms(self) -> int:
        """How long to stay in the library: short, so that Ctrl-C is answered promptly."""
        if self._deadline == math.inf:
            return _SLICE_MS
        left = self.left()
        return _SLICE_MS if left * 1000 >= _SLICE_MS else math.ceil(left * 1000)


_SLICE_MS = 100

FOREVER = Patience(None)
