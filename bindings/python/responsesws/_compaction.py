"""Making a session's history smaller, and asking how large it is: what both faces share."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional

from . import _ffi, _results
from ._errors import InvalidArgument
from ._turn import DONE


class Compaction(NamedTuple):
    """What a history was compacted to."""

    output_json: bytes
    """The window that the session goes on from: a JSON array of items."""
    usage: _results.Usage
    """What compacting took."""

    @property
    def output(self) -> List[Dict[str, Any]]:
        """The window's items. Whoever gives whole histories puts them in the place of all so far."""
        items: List[Dict[str, Any]] = json.loads(self.output_json)
        return items


class Compacting:
    """One call of compact(): begins or joins a compaction, and looks again."""

    def __init__(self, if_over: Optional[int]) -> None:
        if if_over is not None and not if_over > 0:
            raise InvalidArgument("if_over must be a positive number of tokens, or None")
        self._if_over = if_over or 0
        self._buffer = _ffi.CompactionBuffer()

    def look(self, session: int, timeout_ms: int) -> int:
        status: int = _ffi.library().rws_session_compact(
            session, self._if_over, timeout_ms, self._buffer.reference
        )
        return status

    def result(self, status: int) -> Optional[Compaction]:
        _ffi.check(status)
        if status == DONE:
            return None
        output, usage = self._buffer.read()
        return Compaction(output, _results.usage(usage))


class Counting:
    """One call of count_tokens()."""

    def __init__(self, input: bytes) -> None:
        self._input = input
        self._buffer = _ffi.CountBuffer()

    def look(self, session: int, timeout_ms: int) -> int:
        status: int = _ffi.library().rws_session_count_tokens(
            session, self._input, len(self._input), timeout_ms, self._buffer.reference
        )
        return status

    def result(self, status: int) -> int:
        _ffi.check(status)
        return self._buffer.read()
