"""The asyncio faces. They share all but waiting with the others, and use no thread: a session's
descriptor says when there is something to read."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import (
    Any,
    AsyncIterator,
    Callable,
    List,
    Mapping,
    Optional,
    Set,
    Type,
    TypeVar,
    Union,
    overload,
)

from . import _ffi
from ._arun import AsyncRun
from ._client import ClientBase
from ._compaction import Compacting, Compaction, Counting
from ._errors import WaitTimeout
from ._events import Event, EventKind
from ._identity import Identity
from ._json import Fields, Input, encode_fields, encode_input
from ._keys import note_loop
from ._session import UNSET, SessionBase
from ._socket import Message, WebSocketBase, nothing_received
from ._time import FOREVER, Patience
from ._tools import Tools
from ._turn import DONE, OK, TurnBase, is_pending, timed_out

_ATurn = TypeVar("_ATurn", bound="AsyncTurn")
_ASession = TypeVar("_ASession", bound="AsyncSession")
_AClient = TypeVar("_AClient", bound="AsyncClient")
_AWebSocket = TypeVar("_AWebSocket", bound="AsyncWebSocket")

_EVENTS_PER_STEP = 64
"""So many events are read without giving way to the loop's other tasks."""

_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02


class _Readiness:
    """Waits for one descriptor in the running loop; it is watched only while somebody waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiters: Set["asyncio.Future[None]"] = set()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._is_closed = False

    async def wait(self, timeout: float) -> None:
        if self._is_closed:
            # The descriptor is gone, and its number may be another's by now.
            await asyncio.sleep(min(_SHORTEST_PAUSE, timeout))
            return
        loop = asyncio.get_running_loop()
        if not self._waiters:
            loop.add_reader(self._descriptor, self.wake)
            self._loop = loop
        waiter: "asyncio.Future[None]" = loop.create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=None if timeout == math.inf else timeout)
        finally:
            waiter.cancel()
            self._waiters.discard(waiter)
            if not self._waiters:
                self._unwatch()

    def wake(self) -> None:
        """Wake every waiter: each looks at its own turn."""
        self._unwatch()
        woken, self._waiters = self._waiters, set()
        for waiter in woken:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """Before the descriptor goes; who waits finds its turn cancelled."""
        self._is_closed = True
        self.wake()

    def _unwatch(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._descriptor)


async def _look_again(call: Callable[[], int], patience: Patience) -> int:
    """The status of a call that does not wait, once it is no longer pending: for what no descriptor
    tells."""
    pause = _SHORTEST_PAUSE
    while is_pending(status := call()):
        if not patience.left():
            raise timed_out()
        await asyncio.sleep(min(pause, patience.left()))
        pause = min(pause * 2, _LONGEST_PAUSE)
    return status


class AsyncTurn(TurnBase):
    """A turn of an AsyncSession: `async for event in turn`, `await turn.wait()`.

    As Turn, but for the waiting.
    """

    _session: "AsyncSession"
    _taken = 0

    async def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None when the turn has ended well. As Turn.next()."""
        patience = Patience(timeout)
        while (event := self._pop()) is None and await self._more(patience):
            pass
        self._taken += 1
        if self._taken % _EVENTS_PER_STEP == 0:
            await asyncio.sleep(0)
        return event

    async def wait(self: _ATurn, timeout: Optional[float] = None) -> _ATurn:
        """Wait for the end and return the turn; events not read yet are dropped."""
        patience = Patience(timeout)
        # Events are read rather than left to rws_turn_wait(), which would let them make the
        # descriptor readable all the time.
        self._drop_events()
        while await self._more(patience):
            await asyncio.sleep(0)
        return self

    async def successor(self: _ATurn, timeout: Optional[float] = None) -> Optional[_ATurn]:
        """The turn that follows this one by itself after steering; None if none does. As
        Turn.successor()."""
        made: List[int] = []

        def look() -> int:
            status, pointer = _ffi.turn_successor(self._handle.pointer(), 0)
            made.append(pointer)
            return status

        if await _look_again(look, Patience(timeout)) == DONE:
            return None
        return type(self)(self._session, made[-1])

    async def _more(self, patience: Patience) -> bool:
        """Waits until there is something pending; False at the end."""
        pause = 0.0
        while True:
            status = self._take(0)
            if status == OK:
                return True
            if status == DONE:
                return False
            if not is_pending(status):
                raise self._failure(status)
            if not patience.left():
                raise timed_out()
            # A second look in vain means that the descriptor is readable for another turn that
            # nobody reads: without a growing pause this would spin.
            if pause > _SHORTEST_PAUSE:
                await asyncio.sleep(min(pause, patience.left()))
            pause = min(max(pause * 2, _SHORTEST_PAUSE), _LONGEST_PAUSE)
            await self._session._readiness.wait(patience.left())

    async def __aiter__(self) -> AsyncIterator[Event]:
        self._handle.pointer()
        pending = self._pending
        while True:
            while pending:
                yield pending.popleft()
                self._taken += 1
                if self._taken % _EVENTS_PER_STEP == 0:
                    await asyncio.sleep(0)
            if not await self._more(FOREVER):
                return

    async def __anext__(self) -> Event:
        event = await self.next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def text_deltas(self) -> AsyncIterator[str]:
        """The output text as it streams; other events are skipped."""
        async for event in self:
            if event.kind is EventKind.OUTPUT_TEXT_DELTA and (delta := event.delta):
                yield delta

    async def __aenter__(self: _ATurn) -> _ATurn:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._cancel_unless_ended()


class AsyncSession(SessionBase[AsyncTurn]):
    """One chain of responses of an AsyncClient; it belongs to one event loop.

    start() needs no await: it never waits.
    """

    _turn_type = AsyncTurn

    def __init__(
        self, client: ClientBase, pointer: int, identity: Optional[Identity] = None
    ) -> None:
        super().__init__(client, pointer, identity)
        self._readiness = _Readiness(self.descriptor)

    def _note_loop(self) -> None:
        note_loop(self._client, self._identity)

    @overload
    async def run(self, input: Optional[Input], tools: Tools, **options: Any) -> AsyncRun: ...

    @overload
    async def run(
        self, input: Optional[Input] = None, *, warm_up: bool = False, **options: Any
    ) -> AsyncTurn: ...

    async def run(
        self, input: Optional[Input] = None, tools: Any = UNSET, **options: Any
    ) -> Union[AsyncTurn, AsyncRun]:
        """Start a turn and wait for its end. Raises if it failed. Options as in start().

        With `tools`: as Session.run(). Coroutine functions are tasks, other functions run in
        threads; also the callbacks may be coroutine functions.
        """
        if isinstance(tools, Mapping):
            return await AsyncRun(self, input, tools, **options).resume()
        if tools is not UNSET:
            options["tools"] = tools
        turn = self.start(input, **options)
        try:
            return await turn.wait()
        except BaseException:
            turn._cancel_unless_ended()
            raise

    async def warm_up(self, input: Optional[Input] = None, **options: Any) -> AsyncTurn:
        """Have the server prepare settings and input without output, and chain on that."""
        turn: AsyncTurn = await self.run(input, warm_up=True, **options)
        return turn

    async def connect(self, timeout: Optional[float] = None) -> None:
        """Connect ahead, so that the first turn need not wait for it. Optional."""
        self._note_loop()
        native_connect = _ffi.library().rws_session_connect
        # The descriptor tells of turns alone.
        status = await _look_again(
            lambda: native_connect(self._handle.pointer(), 0), Patience(timeout)
        )
        _ffi.check(status)

    async def compact(
        self, *, if_over: Optional[int] = None, timeout: Optional[float] = None
    ) -> Optional[Compaction]:
        """Replace the history by a smaller one that stands for it. As Session.compact()."""
        self._note_loop()
        compacting = Compacting(if_over)
        status = await _look_again(
            lambda: compacting.look(self._handle.pointer(), 0), Patience(timeout)
        )
        return compacting.result(status)

    async def count_tokens(
        self, input: Optional[Input] = None, *, timeout: Optional[float] = None
    ) -> int:
        """Tokens of the next turn's whole input. As Session.count_tokens()."""
        self._note_loop()
        counting = Counting(encode_input(input))
        status = await _look_again(
            lambda: counting.look(self._handle.pointer(), 0), Patience(timeout)
        )
        return counting.result(status)

    def _release(self) -> None:
        self._readiness.close()
        super()._release()

    async def close(self) -> None:
        """End the session; its running turns end as cancelled."""
        self._release()

    async def __aenter__(self: _ASession) -> _ASession:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._release()


class AsyncWebSocket(WebSocketBase):
    """A raw WebSocket connection of an AsyncClient; it belongs to one event loop.

    >>> async with client.socket() as socket:
    ...     socket.send("hello")
    ...     async for message in socket:
    ...         print(message)

    As WebSocket, but for the waiting. send() needs no await: it never waits.
    """

    def __init__(self, client: ClientBase, url: Optional[str] = None, **options: Any) -> None:
        super().__init__(client, url, **options)
        self._readiness = _Readiness(self.descriptor)
        self._taken = 0

    async def connect(self, timeout: Optional[float] = None) -> None:
        """Return when the connection is open. Optional: what is sent before waits for that."""
        native_connect = _ffi.library().rws_socket_connect
        self._check(
            await _look_again(
                lambda: native_connect(self._handle.pointer(), 0), Patience(timeout)
            )
        )

    async def flush(self, timeout: Optional[float] = None) -> None:
        """Return when everything sent so far was handed to the kernel."""
        native_flush = _ffi.library().rws_socket_flush
        self._check(
            await _look_again(lambda: native_flush(self._handle.pointer(), 0), Patience(timeout))
        )

    async def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message; None at a good end. As WebSocket.receive()."""
        patience = Patience(timeout)
        self._taken += 1
        if self._taken % _EVENTS_PER_STEP == 0:
            await asyncio.sleep(0)
        while True:
            taken = self._take(0)
            if type(taken) is not int:
                return taken
            if taken == DONE:
                return None
            if not is_pending(taken):
                raise self._failure(taken)
            if not patience.left():
                raise nothing_received()
            await self._readiness.wait(patience.left())

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 5.0) -> bool:
        """Close in good order, and return whether the peer answered in time. As WebSocket.close()."""
        if not self._handle.is_usable:
            return True
        patience = Patience(timeout)
        try:
            status = await _look_again(lambda: self._close(code, reason, 0), patience)
        except WaitTimeout:
            if not timeout:
                return False
            # Time is over: drop it.
            status = self._close(code, reason, 1)
        except asyncio.CancelledError:
            self._close(code, reason, 0)
            raise
        return self._is_answered(status)

    def __aiter__(self: _AWebSocket) -> _AWebSocket:
        return self

    async def __anext__(self) -> Message:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def __aenter__(self: _AWebSocket) -> _AWebSocket:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()


class AsyncClient(ClientBase):
    """A client for asyncio.

    >>> async with AsyncClient() as client:
    ...     session = client.session(model="gpt-5.2")
    ...     print((await session.run("Hello")).text)
    """

    def session(
        self,
        settings: Optional[Fields] = None,
        /,
        *,
        identity: Optional[Identity] = None,
        **fields: Any,
    ) -> AsyncSession:
        """Start a chain of responses. As Client.session()."""
        note_loop(self, identity)
        return AsyncSession(
            self, self._open_session(encode_fields(settings, fields), identity), identity
        )

    def restore(
        self,
        saved: bytes,
        overrides: Optional[Fields] = None,
        /,
        *,
        identity: Optional[Identity] = None,
        **fields: Any,
    ) -> AsyncSession:
        """A session that goes on from a saved one. As Client.restore()."""
        encoded = b"" if overrides is None and not fields else encode_fields(overrides, fields)
        note_loop(self, identity)
        return AsyncSession(self, self._restore_session(saved, encoded, identity), identity)

    def socket(self, url: Optional[str] = None, **options: Any) -> AsyncWebSocket:
        """Open a raw WebSocket connection. As Client.socket(), options included."""
        note_loop(self, None)
        return AsyncWebSocket(self, url, **options)

    async def close(self) -> None:
        """Close the connections without waiting for the peers' answer."""
        self._close(0)

    async def __aenter__(self: _AClient) -> _AClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()
