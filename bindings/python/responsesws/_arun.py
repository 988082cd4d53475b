"""The tool loop for asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Awaitable, Callable, List, Optional, Union

from ._errors import Cancelled, ResponsesWSError
from ._json import Input
from ._results import ToolCall
from ._run import RunBase
from ._tools import (
    INTERRUPTED_TEXT,
    Entry,
    Refusal,
    ToolEnding,
    Tools,
    check_approval,
    error_text,
    is_coroutine_function,
    output_text,
    timeout_text,
    tool_of,
    work_of,
)

if TYPE_CHECKING:
    from ._aio import AsyncSession, AsyncTurn

    _Base = RunBase[AsyncTurn]
else:
    _Base = RunBase

_GOODBYE_SECONDS = 1.0
"""So long a cancelled run waits for its tools' ends."""


class AsyncRun(_Base):
    """A run of an AsyncSession. As Run; it belongs to one event loop.

    Cancelled, it cancels its turn and the tools that are coroutines. What they came to is then
    INTERRUPTED: resume() tells the model so, and does not run them again.
    """

    session: "AsyncSession"

    def __init__(
        self, session: "AsyncSession", input: Optional[Input], tools: Tools, **options: Any
    ) -> None:
        super().__init__(session, input, tools, **options)
        self._slots: Optional[asyncio.Semaphore] = None
        self._tasks: List["asyncio.Task[None]"] = []
        """One for each call of the turn."""

    async def resume(self, max_turns: Optional[int] = None) -> "AsyncRun":
        """As Run.resume()."""
        most = self._max_turns if max_turns is None else max_turns
        # Made here, in the loop: older Pythons tie it to the loop of the moment.
        self._slots = asyncio.Semaphore(self._max_parallel)
        try:
            for _ in range(most):
                if not await self._follow() or not self._is_input_due:
                    return self
                await _told(self._on_input, self._input)
                if not await self._read(self._start()):
                    return self
            if await self._follow() and self._is_input_due:
                raise self._too_many(most)
            return self
        except BaseException as error:
            await self._interrupt()
            self._attach(error)
            raise

    async def _read(self, turn: "AsyncTurn") -> bool:
        try:
            async for event in turn:
                if (call := self._call_of(event)) is not None:
                    self._begin(call)
                await _told(self._on_event, event)
        except BaseException as error:
            if not self._has_ended_well(turn):
                if not isinstance(error, Cancelled) and isinstance(error, ResponsesWSError):
                    await self._settled()
                await self._interrupt()
                self._lose()
            raise
        begun = list(self._attempt.values())
        if self._commit(turn):
            return True
        await self._settled()
        results = tuple(entry.snapshot for entry in begun)
        await _told(self._on_turn, turn, results)
        return False

    async def _follow(self) -> bool:
        while self._is_turn_open and (successor := await self.turn.successor()) is not None:
            self._add(successor)
            if not await self._read(successor):
                return False
        await self._answer()
        return True

    async def _answer(self) -> None:
        if not self._is_turn_open:
            return
        for call in self._calls:
            self._begin(call)
        await self._settled()
        turn, results = self.turn, self._answered()
        await _told(self._on_turn, turn, results)

    async def _settled(self) -> None:
        """Waits for what was called; raises what an approval raised."""
        earlier = [entry.work for entry in self._attempt.values() if entry.result is None]
        tasks = {*self._tasks, *earlier}
        if not tasks:
            return
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        self._tasks = []

    async def _interrupt(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GOODBYE_SECONDS)
        for task in tasks:
            _retrieve(task)

    def _begin(self, call: ToolCall) -> None:
        if call.call_id in self._attempt:
            return
        entry = self.results.seen(call)
        if entry is None:
            entry = self.results.add(call)
            entry.work = asyncio.ensure_future(self._run(entry))
            self._tasks.append(entry.work)
        self._attempt[call.call_id] = entry

    async def _run(self, entry: Entry) -> None:
        """From approval to result."""
        slots = self._slots
        assert slots is not None
        try:
            tool = tool_of(self._tools, entry.call)
            work = work_of(tool, entry.call)
            if (approve := self._approve_of(tool)) is not None:
                check_approval(await _value_of(approve(entry.call)))
            entry.timeout = self._timeout_of(tool)
            async with slots:
                entry.started = monotonic()
                await self._run_tool(entry, tool.function, work)
        except Refusal as refusal:
            self.results.settle(entry, refusal.text, refusal.ending)
        except BaseException:
            if entry.started is None:
                self._forget(entry)
            else:
                self.results.settle(entry, INTERRUPTED_TEXT, ToolEnding.INTERRUPTED)
            raise

    async def _run_tool(
        self, entry: Entry, function: Callable[..., Any], work: Callable[[], Any]
    ) -> None:
        if is_coroutine_function(function):
            running: "asyncio.Future[Any]" = asyncio.ensure_future(work())
        else:
            running = _in_thread(work)
        running.add_done_callback(_retrieve)
        try:
            timeout = None if entry.timeout == math.inf else entry.timeout
            await asyncio.wait((running,), timeout=timeout)
        except asyncio.CancelledError:
            running.cancel()
            raise
        if not running.done():
            running.cancel()
            text = timeout_text(entry.timeout)
            self.results.settle(entry, text, ToolEnding.TIMED_OUT)
            return
        try:
            value = await _value_of(running.result())
            self.results.settle(entry, output_text(entry.call, value), ToolEnding.RETURNED)
        except (Exception, asyncio.CancelledError) as error:
            self.results.settle(entry, error_text(error), ToolEnding.RAISED, error)


def _in_thread(work: Callable[[], Any]) -> "asyncio.Future[Any]":
    """A daemon, not one of the loop's own threads, whose end the end of the loop waits for."""
    loop = asyncio.get_running_loop()
    future: "asyncio.Future[Any]" = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: Optional[BaseException]) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def run() -> None:
        value: Any = None
        error: Optional[BaseException] = None
        try:
            value = context.run(work)
        except BaseException as raised:  # noqa: BLE001 - it is handed on
            # A future takes no StopIteration, and an exit of a tool's thread is none of the loop's.
            is_plain = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
            error = raised if is_plain else RuntimeError(repr(raised))
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            # The loop was closed: this tool had been left behind.
            pass

    threading.Thread(target=run, name="responsesws tool", daemon=True).start()
    return future


def _retrieve(future: "asyncio.Future[Any]") -> None:
    """So that asyncio does not complain of what a tool raised after it was left behind."""
    if future.done() and not future.cancelled():
        future.exception()


async def _told(callback: Optional[Callable[..., Any]], *arguments: Any) -> None:
    if callback is not None:
        await _value_of(callback(*arguments))


async def _value_of(value: Union[Any, Awaitable[Any]]) -> Any:
    return await value if inspect.isawaitable(value) else value
