"""One response.create, from request to terminal event."""

from __future__ import annotations

import json
from collections import deque
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    Dict,
    Iterator,
    List,
    Optional,
    Type,
    TypeVar,
)

from . import _ffi, _results
from ._errors import Busy, ResponsesWSError, WaitTimeout
from ._events import Event, EventKind, events_in
from ._handle import own
from ._json import Input, encode_input
from ._results import Outcome, Stats, ToolCall, Usage
from ._steering import Steering
from ._time import FOREVER, Patience

if TYPE_CHECKING:
    from ._session import SessionBase

_Self = TypeVar("_Self", bound="Turn")
_Value = TypeVar("_Value")

OK = _ffi.OK
DONE = _ffi.DONE


class TurnBase:
    """All of a turn but waiting. What has been received can be read at any time, also after a
    failure, until close(); it is complete when `outcome` is no longer RUNNING."""

    def __init__(self, session: SessionBase[Any], pointer: int) -> None:
        library = _ffi.library()
        # A turn keeps its session: collecting that would cancel the turn.
        self._session = session
        self._handle = own(self, "turn", pointer, library.rws_turn_free, library.rws_turn_cancel)
        self._native_next = library.rws_turn_next_batch
        self._buffer = _ffi.BatchBuffer()
        self._pending: Deque[Event] = deque()
        """Events taken from the library and not yet read."""
        self._drops_events = False

    # -- what was received

    @property
    def outcome(self) -> Outcome:
        return Outcome(self._result(lambda result: result.outcome))

    @property
    def response_id(self) -> Optional[str]:
        return self._text("response_id") or None

    @property
    def text(self) -> str:
        """All output text."""
        return self._text("text")

    @property
    def refusal(self) -> str:
        return self._text("refusal")

    @property
    def reasoning_summary(self) -> str:
        """Parts separated by a blank line."""
        return self._text("reasoning_summary")

    @property
    def incomplete_reason(self) -> Optional[str]:
        """For example "max_output_tokens"."""
        return self._text("incomplete_reason") or None

    @property
    def usage(self) -> Usage:
        return self._result(lambda result: _results.usage(result.usage))

    @property
    def input_transformations(self) -> List[Dict[str, Any]]:
        """Input items that the server changed or kept from the model, with the reasons (the
        response's field of that name)."""
        received: bytes = self._result(lambda result: result.input_transformations.copy())
        if not received:
            return []
        parsed: List[Dict[str, Any]] = json.loads(received.decode("utf-8", "surrogatepass"))
        return parsed

    @property
    def response_json(self) -> bytes:
        """The response object of the terminal event as received; empty before."""
        received: bytes = self._result(lambda result: result.response.copy())
        return received

    @property
    def response(self) -> Optional[Dict[str, Any]]:
        """The response object of the terminal event; None before."""
        received = self.response_json
        return _parse(received) if received else None

    @property
    def calls(self) -> List[ToolCall]:
        """The tool calls to answer, in output order; those that still stream included."""

        def copy(result: _ffi.Result) -> List[ToolCall]:
            pointer = self._handle.pointer()
            return [
                _results.tool_call(_ffi.turn_call(pointer, index))
                for index in range(result.call_count)
            ]

        return self._result(copy)

    @property
    def items_json(self) -> List[bytes]:
        """The finished output items as received."""

        def copy(result: _ffi.Result) -> List[bytes]:
            pointer = self._handle.pointer()
            return [_ffi.turn_item(pointer, index) for index in range(result.item_count)]

        return self._result(copy)

    @property
    def items(self) -> List[Dict[str, Any]]:
        """The finished output items."""
        return [_parse(item) for item in self.items_json]

    @property
    def stats(self) -> Stats:
        with self._handle.guard:
            return _results.stats(_ffi.turn_stats(self._handle.pointer()))

    @property
    def error(self) -> Optional[ResponsesWSError]:
        """Why the turn failed or was cancelled; None if it runs or ended well."""
        with self._handle.guard:
            return _ffi.turn_error(self._handle.pointer())

    def _text(self, field: str) -> str:
        text: str = self._result(lambda result: getattr(result, field).text())
        return text

    def _result(self, copy: Callable[[_ffi.Result], _Value]) -> _Value:
        with self._handle.guard:
            return copy(_ffi.turn_result(self._handle.pointer()))

    # -- steering

    def steer(self, input: Input) -> Steering:
        """Give the running response further user input. It ends at a safe boundary
        (`incomplete_reason` is "steered") or normally, and a successor may follow by itself, with the
        same settings: successor(). Only some models can be steered."""
        return Steering(self, _ffi.turn_steer(self._handle.pointer(), encode_input(input)))

    # -- control

    def cancel(self) -> None:
        """End the turn at once; the session goes on from its last committed response.

        The API has no cancel event: the server may work on, and bill, to the end. A turn that has
        ended stays as it is.
        """
        self._drop_events_if_running()
        _ffi.check(_ffi.library().rws_turn_cancel(self._handle.pointer()))

    def close(self) -> None:
        """Cancel the turn if it runs, and release what it holds. Collection does this, too."""
        self._drop_events()
        self._handle.close()

    def _cancel_unless_ended(self) -> None:
        if self._handle.is_usable:
            self._drop_events_if_running()
            _ffi.library().rws_turn_cancel(self._handle.pointer())

    def _drop_events_if_running(self) -> None:
        # The events of a turn that has ended can be read after a cancel that came too late.
        if self.outcome is Outcome.RUNNING:
            self._drop_events()

    def _drop_events(self) -> None:
        """What was not read yet never is, also what a reader in another thread is about to take."""
        self._drops_events = True
        self._pending.clear()

    # -- reading

    def _take(self, milliseconds: int) -> int:
        """Takes what the library has; the status. After OK there may be something pending."""
        reading = self._handle.reading
        if not reading.acquire(False):
            raise Busy("another thread is reading this turn")
        try:
            status: int = self._native_next(
                self._handle.pointer(), milliseconds, self._buffer.reference
            )
            if status == OK and not self._drops_events:
                self._pending.extend(events_in(self._buffer.copy()))
            return status
        finally:
            reading.release()

    def _pop(self) -> Optional[Event]:
        # Also what was taken already is not for a forked child.
        self._handle.pointer()
        try:
            return self._pending.popleft()
        except IndexError:
            return None

    def _failure(self, status: int) -> ResponsesWSError:
        """The exception for an error status of next() or wait()."""
        error = self.error
        if error is not None and error.status == status:
            return error
        return _ffi.last_error(status)

    def __repr__(self) -> str:
        if self._handle.is_closed:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} {self.outcome.name.lower()} {self.response_id or ''}>"


def is_pending(status: int) -> bool:
    """No event yet. A signal's own handler has run by the time the wait is taken up again."""
    return status == _ffi.TIMEOUT


def wait_in_slices(call: Callable[[int], int], patience: Patience) -> int:
    """The status of a waiting call that takes milliseconds, once it is no longer pending."""
    while True:
        status = call(patience.slice_ms())
        if not is_pending(status):
            return status
        if not patience.left():
            raise WaitTimeout("nothing happened within the timeout of this call; it can be made again")


def timed_out() -> WaitTimeout:
    return WaitTimeout(
        "nothing happened within the timeout of this call; the turn goes on: ask again or cancel it"
    )


class Turn(TurnBase):
    """A turn of a Session. Iterate for events, or wait() for the end.

    >>> with session.start("Hello") as turn:
    ...     for event in turn:
    ...         print(event.type)
    >>> turn.text

    Iteration ends with the turn, and raises if it failed. Leaving the loop early is fine; leaving
    the `with` block cancels a turn that still runs.
    """

    def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None when the turn has ended well.

        `timeout` is in seconds; None waits as long as the turn's own limits allow, 0 not at all.
        Raises WaitTimeout when it passes, and the error that ended the turn if it failed.
        """
        patience = Patience(timeout)
        while (event := self._pop()) is None and self._more(patience):
            # Nothing is there after all when another thread was faster.
            pass
        return event

    def _more(self, patience: Patience) -> bool:
        """Waits until there is something pending; False at the end."""
        while True:
            try:
                status = self._take(patience.slice_ms())
            except KeyboardInterrupt:
                # Whoever is interrupted here has left the turn; its traceback would keep it running.
                self.cancel()
                raise
            if status == OK:
                return True
            if status == DONE:
                return False
            if not is_pending(status):
                raise self._failure(status)
            if not patience.left():
                raise timed_out()

    def wait(self: _Self, timeout: Optional[float] = None) -> _Self:
        """Wait for the end and return the turn; events not read yet are dropped.

        Timeouts and errors as in next().
        """
        patience = Patience(timeout)
        self._drop_events()
        native_wait = _ffi.library().rws_turn_wait
        while True:
            status = native_wait(self._handle.pointer(), patience.slice_ms())
            if status == DONE:
                return self
            if not is_pending(status):
                raise self._failure(status)
            if not patience.left():
                raise timed_out()

    def successor(self: _Self, timeout: Optional[float] = None) -> Optional[_Self]:
        """The turn that follows this one by itself after steering; None if none does. Raises
        WaitTimeout if that is not known in `timeout` seconds."""
        made: List[int] = []

        def look(milliseconds: int) -> int:
            status, pointer = _ffi.turn_successor(self._handle.pointer(), milliseconds)
            made.append(pointer)
            return status

        if wait_in_slices(look, Patience(timeout)) == DONE:
            return None
        return type(self)(self._session, made[-1])

    def __iter__(self) -> Iterator[Event]:
        self._handle.pointer()
        pending = self._pending
        while True:
            while pending:
                yield pending.popleft()
            if not self._more(FOREVER):
                return

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def text_deltas(self) -> Iterator[str]:
        """The output text as it streams; other events are skipped."""
        for event in self:
            if event.kind is EventKind.OUTPUT_TEXT_DELTA and (delta := event.delta):
                yield delta

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._cancel_unless_ended()


def _parse(received: bytes) -> Dict[str, Any]:
    parsed: Dict[str, Any] = json.loads(received.decode("utf-8", "surrogatepass"))
    return parsed
