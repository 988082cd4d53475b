"""Further user input for a response that runs already."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Tuple

from . import _ffi

if TYPE_CHECKING:
    from ._turn import TurnBase


class SteerState(IntEnum):
    """What became of a steer."""

    SENT = 0
    ACCEPTED = 1
    """The server owns the input: do not send it again."""
    PENDING = 2
    """Held until the session's next turn answers the response's calls; then at that turn's head."""
    COMMITTED = 3
    """Part of the context: the successor, or the next turn, began with it."""
    RETURNED = 4
    """Not used: give it with the next turn if it is still wanted."""
    UNKNOWN = 5
    """The connection was lost or the turn ended first: it may have been used."""


class Steering:
    """One steer of a turn."""

    def __init__(self, turn: TurnBase, index: int) -> None:
        self._turn = turn
        self._index = index

    @property
    def state(self) -> SteerState:
        return SteerState(self._look()[0])

    @property
    def message(self) -> str:
        """Why it was returned or is unknown, in words; else empty."""
        return self._look()[1]

    @property
    def code(self) -> str:
        """The API's error code, as "steering_not_supported"; else empty."""
        return self._look()[2]

    def _look(self) -> Tuple[int, str, str]:
        with self._turn._handle.guard:
            steer = _ffi.turn_steering(self._turn._handle.pointer(), self._index, 0)
            return steer.state, steer.message.text(), steer.code.text()

    def __repr__(self) -> str:
        return f"<Steering {self.state.name.lower()}>"
