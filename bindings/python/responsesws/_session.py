"""One chain of responses: its settings and its history."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Mapping, Optional, Type, TypeVar, Union, overload

from . import _ffi, _results
from ._arguments import Path, c_path
from ._compaction import Compacting, Compaction, Counting
from ._handle import own
from ._json import Fields, Input, encode_fields, encode_input
from ._recovery import Replay, replay_policy, transport_choice
from ._results import Estimate, Ledger
from ._run import Run
from ._time import Patience, limit_ms
from ._tools import Tools
from ._turn import Turn, TurnBase, wait_in_slices

if TYPE_CHECKING:
    from ._client import ClientBase
    from ._identity import Identity

_Self = TypeVar("_Self", bound="SessionBase[Any]")
_AnyTurn = TypeVar("_AnyTurn", bound=TurnBase)

UNSET: Any = object()
"""None removes a body field."""


class SessionBase(Generic[_AnyTurn]):
    """All of a session but waiting."""

    _turn_type: Type[_AnyTurn]

    def __init__(
        self, client: ClientBase, pointer: int, identity: Optional[Identity] = None
    ) -> None:
        # A session keeps its client: collecting that would close the connection.
        self._client = client
        self._identity = identity
        self._handle = own(self, "session", pointer, _ffi.library().rws_session_free)

    def start(
        self,
        input: Optional[Input] = None,
        *,
        history: Optional[Input] = None,
        warm_up: bool = False,
        abandon_calls: bool = False,
        first_event_timeout: Optional[float] = None,
        event_gap_timeout: Optional[float] = None,
        turn_timeout: Optional[float] = None,
        replay: Optional[Replay] = None,
        transport: Optional[str] = None,
        overrides: Optional[Fields] = None,
        **fields: Any,
    ) -> _AnyTurn:
        """Start a turn and return at once. Turns of one session run one after the other.

        Give either `input` or `history`.

        `input` is only what is new: a str (a user message), an item, a list of items, or the JSON
        of any of these as bytes, which is sent byte for byte. `history` is everything so far and then
        what is new, as over HTTP: a list of items, or its JSON as bytes; only what is new is sent where
        the server holds the rest, and `stats.full_reason` says why not. Further keywords are body fields of
        this turn that replace those of the session, or with None remove them; `overrides` is for
        fields whose name is taken here, or for JSON as bytes. With `abandon_calls` calls of the last
        response that the input does not answer leave the history, which is then sent in full, instead of
        raising MissingOutput. Times are in seconds; None: the
        client's, math.inf: no limit. `replay`: whether the turn may be sent again if it may have run;
        None: the client's. `transport`: "websocket", "http" or "auto" for this turn; None: as for the
        client; `stats.transport` says what it was.
        """
        if input is not None and history is not None:
            raise TypeError("give input (what is new) or history (everything), not both")
        if "timeout" in fields:
            raise TypeError("timeout is no body field; the limit of a whole turn is turn_timeout")
        self._note_loop()
        pointer = _ffi.turn_start(
            self._handle.pointer(),
            encode_input(input if history is None else history),
            is_history=history is not None,
            overrides=b"" if overrides is None and not fields else encode_fields(overrides, fields),
            is_warm_up=warm_up,
            abandon_calls=abandon_calls,
            first_event_timeout_ms=limit_ms("first_event_timeout", first_event_timeout),
            event_gap_timeout_ms=limit_ms("event_gap_timeout", event_gap_timeout),
            turn_timeout_ms=limit_ms("turn_timeout", turn_timeout),
            replay_policy=replay_policy(replay),
            transport=transport_choice(transport),
        )
        return self._turn_type(self, pointer)

    def _note_loop(self) -> None:
        """asyncio only: where coroutine functions for API keys run."""

    def fork(self: _Self) -> _Self:
        """A session that goes on from where this one is: same settings, same history. The two do not
        wait for each other; the fork's first turn is cheap if this session has not gone on by then."""
        with self._handle.guard:
            return type(self)(self._client, _ffi.session_fork(self._handle.pointer()), self._identity)

    @property
    def response_id(self) -> Optional[str]:
        """Id of the last response that belongs to the chain; None before the first."""
        with self._handle.guard:
            return _ffi.session_response_id(self._handle.pointer()) or None

    def full_body(self, input: Optional[Input] = None) -> bytes:
        """The body that POST /v1/responses would need for the same next turn: the settings and the
        whole history followed by `input`. Sends nothing."""
        encoded = encode_input(input)
        with self._handle.guard:
            return _ffi.session_full_body(self._handle.pointer(), encoded)

    def ledger(self) -> Ledger:
        """What the session's turns have taken so far; a fork has books of its own."""
        with self._handle.guard:
            return _results.ledger(_ffi.session_ledger(self._handle.pointer()))

    def estimate(self, input: Optional[Input] = None) -> Estimate:
        """Tokens that `input` will take in the next turn's input, besides the context so far
        (ledger().context_tokens). Learns from what the server reports. Sends nothing."""
        encoded = encode_input(input)
        with self._handle.guard:
            return _results.estimate(_ffi.session_estimate(self._handle.pointer(), encoded))

    def save(self) -> bytes:
        """The session for another process, as versioned JSON: client.restore() goes on from there.
        What is committed is saved; a turn that runs is not part of it.

        It holds prompts, outputs and ciphertext of reasoning: keep it as you keep those. It holds no
        credentials: neither key nor headers, and those of MCP tools are left out.
        """
        with self._handle.guard:
            return _ffi.session_save(self._handle.pointer())

    def save_file(self, path: Path) -> None:
        """save() to a file that only its owner may read (mode 0600), whole or not at all."""
        _ffi.session_save_file(self._handle.pointer(), c_path("path", path) or b"")

    @property
    def descriptor(self) -> int:
        """To wait on in a loop of your own: readable while a turn has events or an end that was
        not read yet. Only poll it; it is open until the session is closed."""
        return _ffi.session_descriptor(self._handle.pointer())

    def fileno(self) -> int:
        """The descriptor: a session can be given to select() and its kin."""
        return self.descriptor

    def _release(self) -> None:
        self._handle.close()

    def __repr__(self) -> str:
        state = "closed" if self._handle.is_closed else self.response_id or "new"
        return f"<{type(self).__name__} {state}>"


class Session(SessionBase[Turn]):
    """One chain of responses of a Client.

    >>> with client.session(model="gpt-5.2", instructions="Be brief.") as session:
    ...     print(session.run("Hello").text)
    ...     print(session.run("And again?").text)

    Each turn sends only its new items; the server has the rest.
    """

    _turn_type = Turn

    def __init__(
        self, client: ClientBase, pointer: int, identity: Optional[Identity] = None
    ) -> None:
        super().__init__(client, pointer, identity)
        self._compacting = threading.Lock()
        """Held from the call to the copy of what it lends."""

    @overload
    def run(self, input: Optional[Input], tools: Tools, **options: Any) -> Run: ...

    @overload
    def run(
        self, input: Optional[Input] = None, *, warm_up: bool = False, **options: Any
    ) -> Turn: ...

    def run(
        self, input: Optional[Input] = None, tools: Any = UNSET, **options: Any
    ) -> Union[Turn, Run]:
        """Start a turn and wait for its end. Raises if it failed. Options as in start().

        With `tools`, functions by the names that the session's settings declare: run what the
        model calls, at once when a call is complete, several at a time; answer, and so on until it
        calls no more. Returns the Run, and raises what ended it with the Run as `error.run`.
        Options as of Run. (A `tools` that is no mapping is a body field, as in start().)
        """
        if isinstance(tools, Mapping):
            return Run(self, input, tools, **options).resume()
        if tools is not UNSET:
            options["tools"] = tools
        turn = self.start(input, **options)
        try:
            return turn.wait()
        except BaseException:
            # Also for Ctrl-C: nobody else has the turn, so nobody else could stop it.
            turn._cancel_unless_ended()
            raise

    def warm_up(self, input: Optional[Input] = None, **options: Any) -> Turn:
        """Have the server prepare settings and input without output, and chain on that."""
        turn: Turn = self.run(input, warm_up=True, **options)
        return turn

    def connect(self, timeout: Optional[float] = None) -> None:
        """Connect ahead, so that the first turn need not wait for it. Optional.

        Raises WaitTimeout if `timeout` seconds pass; the attempt goes on.
        """
        native_connect = _ffi.library().rws_session_connect
        _ffi.check(
            wait_in_slices(
                lambda slice_ms: native_connect(self._handle.pointer(), slice_ms),
                Patience(timeout),
            )
        )

    def compact(
        self, *, if_over: Optional[int] = None, timeout: Optional[float] = None
    ) -> Optional[Compaction]:
        """Replace the history by a smaller one that stands for it (POST /v1/responses/compact); the
        next turn sends that window and goes on from there. Only between turns (Busy); turns that
        are started meanwhile wait. If it fails, the session is as before.

        if_over: do nothing, and return None, if the context is known to have no more tokens (input
            and output of the last response). So it may be called before every turn.
        timeout: seconds to wait; then WaitTimeout is raised and the compaction goes on: call again
            to wait for it.
        """
        compacting = Compacting(if_over)
        with self._compacting:
            status = wait_in_slices(
                lambda slice_ms: compacting.look(self._handle.pointer(), slice_ms),
                Patience(timeout),
            )
            return compacting.result(status)

    def count_tokens(
        self, input: Optional[Input] = None, *, timeout: Optional[float] = None
    ) -> int:
        """Tokens of the next turn's whole input, instructions and tools included, as the server counts
        them (POST /v1/responses/input_tokens). Sends the whole history; changes nothing."""
        counting = Counting(encode_input(input))
        return counting.result(
            wait_in_slices(
                lambda slice_ms: counting.look(self._handle.pointer(), slice_ms),
                Patience(timeout),
            )
        )

    def close(self) -> None:
        """End the session; its running turns end as cancelled."""
        self._release()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._release()
