"""A tool loop: turns, the calls that they make, and turns with their outputs, until there are none."""

from __future__ import annotations

import contextvars
import json
import math
import threading
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    Dict,
    Generic,
    Iterator,
    List,
    Optional,
    Protocol,
    Tuple,
    TypeVar,
)

from ._errors import (
    Cancelled,
    InvalidArgument,
    MaxTurnsReached,
    ResponsesWSError,
    WaitTimeout,
)
from ._events import Event, EventKind
from ._json import Input
from ._results import Outcome, ToolCall, call_of_item
from ._tools import (
    Approve,
    Entry,
    Refusal,
    Tool,
    ToolEnding,
    ToolResult,
    ToolResults,
    Tools,
    check_approval,
    error_text,
    is_coroutine_function,
    output_text,
    timeout_text,
    tool_of,
    work_of,
)
from ._turn import Turn, TurnBase

if TYPE_CHECKING:
    from ._session import Session, SessionBase

_AnyTurn = TypeVar("_AnyTurn", bound=TurnBase)

MAX_TURNS = 64
TOOL_TIMEOUT = 300.0
MAX_PARALLEL = 16

_STOP_POLL_SECONDS = 0.1


class Stop(Protocol):
    """A threading.Event, or what looks like one."""

    def is_set(self) -> bool: ...


class RunBase(Generic[_AnyTurn]):
    """All of a run but waiting."""

    def __init__(
        self,
        session: SessionBase[_AnyTurn],
        input: Optional[Input],
        tools: Tools,
        *,
        results: Optional[ToolResults] = None,
        max_turns: int = MAX_TURNS,
        tool_timeout: float = TOOL_TIMEOUT,
        max_parallel: int = MAX_PARALLEL,
        approve: Optional[Approve] = None,
        on_input: Optional[Callable[[Optional[Input]], Any]] = None,
        on_event: Optional[Callable[[Event], Any]] = None,
        on_turn: Optional[Callable[[_AnyTurn, Tuple[ToolResult, ...]], Any]] = None,
        **options: Any,
    ) -> None:
        """Prepare a run; resume() begins it.

        results: of an earlier run: what is in it is not run again.
        max_turns: more raise MaxTurnsReached.
        tool_timeout: seconds that one call may take; math.inf: no limit.
        max_parallel: so many calls run at once.
        approve: asked before each call that can be run: True, or False or a reason to deny it.
            `call.effects` tells what ran in vain before the response was sent again.
        on_input: told what the next turn sends, before it begins.
        on_event: told of each event as it is read.
        on_turn: told of each turn that has ended well, and what its calls came to.
        Further options are those of start(), for every turn.
        """
        if max_turns < 1 or max_parallel < 1 or not tool_timeout > 0:
            raise InvalidArgument("max_turns, max_parallel and tool_timeout must be positive")
        if options.get("warm_up") or "history" in options:
            raise TypeError("a run takes neither warm_up nor history")
        self.session = session
        self.results = ToolResults() if results is None else results
        """What the calls came to; it can be given to another run."""
        self.turns: List[_AnyTurn] = []
        self._tools = tools
        self._max_turns = max_turns
        self._tool_timeout = tool_timeout
        self._max_parallel = max_parallel
        self._approve = approve
        self._on_input = on_input
        self._on_event = on_event
        self._on_turn = on_turn
        self._options = options
        self._input: Optional[Input] = input
        self._is_input_due = True
        """False: the chain has it, and what comes next are the outputs of `_calls`, if any."""
        self._calls: List[ToolCall] = []
        self._is_turn_open = False
        """A turn has ended, and was not reported with its results."""
        self._attempt: Dict[str, Entry] = {}
        """The calls of the turn that runs, or that ended last."""

    @property
    def turn(self) -> _AnyTurn:
        """The last one."""
        if not self.turns:
            raise InvalidArgument("the run has not begun: resume() begins it")
        return self.turns[-1]

    @property
    def text(self) -> str:
        """The output text of the last turn."""
        return self.turn.text

    @property
    def refusal(self) -> str:
        return self.turn.refusal

    @property
    def outcome(self) -> Outcome:
        """Of the last turn."""
        return self.turn.outcome

    @property
    def calls(self) -> Tuple[ToolResult, ...]:
        """What every call came to, in the order of their beginning."""
        return tuple(self.results.values())

    @property
    def is_finished(self) -> bool:
        """The last response is part of the chain and has no calls: there is nothing to resume."""
        return not self._is_input_due and not self._calls

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.turns)} turns, {len(self.results)} calls>"

    # -- what happens

    def _start(self) -> _AnyTurn:
        turn = self.session.start(self._input, **self._options)
        self._add(turn)
        return turn

    def _add(self, turn: _AnyTurn) -> None:
        self.turns.append(turn)
        self._attempt = {}

    def _call_of(self, event: Event) -> Optional[ToolCall]:
        """The call that is complete with this event."""
        if event.kind is EventKind.OUTPUT_ITEM_DONE:
            received = event.item_json
            item = json.loads(received.decode("utf-8", "surrogatepass"))
            return call_of_item(item, received)
        if event.kind is EventKind.NOTICE and event.type == "rws.resent":
            # What the response had called for, it may call for again, by other ids.
            self._lose()
        return None

    def _commit(self, turn: _AnyTurn) -> bool:
        """The turn has ended well; whether the chain has it: not if a call was cut off in it."""
        # A steered one may have its successor in the chain by now.
        is_whole = turn.outcome is Outcome.COMPLETED or turn.incomplete_reason == "steered"
        if not is_whole and self.session.response_id != turn.response_id:
            self._lose()
            return False
        self.results.keep(list(self._attempt.values()))
        self._is_input_due = False
        self._is_turn_open = True
        self._input = None
        self._calls = [call for call in turn.calls if call.is_complete]
        return True

    def _has_ended_well(self, turn: _AnyTurn) -> bool:
        """The reading has failed; the turn is cancelled, unless that comes too late."""
        turn._cancel_unless_ended()
        if turn.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
            return False
        self._commit(turn)
        return True

    def _forget(self, entry: Entry) -> None:
        """It never began, and may yet."""
        self.results.forget(entry)
        self._attempt.pop(entry.call.call_id, None)

    def _attach(self, error: BaseException) -> None:
        with suppress(AttributeError):
            error.run = self  # type: ignore[attr-defined]

    def _lose(self) -> None:
        self.results.lose(list(self._attempt.values()))
        self._attempt = {}

    def _answered(self) -> Tuple[ToolResult, ...]:
        """The calls are settled: their outputs are what comes next."""
        self._is_turn_open = False
        entries = [self._attempt[id] for id in dict.fromkeys(call.call_id for call in self._calls)]
        found = tuple(entry.snapshot for entry in entries)
        if found:
            self._input = [result.item for result in found]
            self._is_input_due = True
            self._calls = []
        return found

    def _timeout_of(self, tool: Tool) -> float:
        return self._tool_timeout if tool.timeout is None else tool.timeout

    def _approve_of(self, tool: Tool) -> Optional[Approve]:
        return self._approve if tool.approve is None else tool.approve

    def _too_many(self, turns: int) -> MaxTurnsReached:
        return MaxTurnsReached(
            f"the model still calls tools after {turns} turns (max_turns); resume() goes on")


class Run(RunBase[Turn]):
    """A run of a Session: `session.run(input, tools)` makes it and returns it when it has ended.

    A failure, also of a callback, has it as `error.run`: resume() goes on where it stopped.
    """

    session: "Session"

    def __init__(
        self,
        session: "Session",
        input: Optional[Input],
        tools: Tools,
        *,
        stop: Optional[Stop] = None,
        **options: Any,
    ) -> None:
        """As of RunBase; stop: when it is set, the run raises Cancelled."""
        super().__init__(session, input, tools, **options)
        for name, tool in tools.items():
            if is_coroutine_function(tool.function if isinstance(tool, Tool) else tool):
                raise InvalidArgument(f"the tool {name} is a coroutine function: use AsyncClient")
        self._stop = stop
        self._workers = _Workers(self._max_parallel, self.results)

    def resume(self, max_turns: Optional[int] = None) -> "Run":
        """Run on until the model calls no more tools. After a failure: send the failed turn again.
        No call that has begun runs again; running ones are waited for."""
        most = self._max_turns if max_turns is None else max_turns
        try:
            for _ in range(most):
                if not self._follow() or not self._is_input_due:
                    return self
                if self._on_input is not None:
                    self._on_input(self._input)
                if not self._read(self._start()):
                    return self
            if self._follow() and self._is_input_due:
                raise self._too_many(most)
            return self
        except BaseException as error:
            self._drop_waiting()
            self._attach(error)
            raise

    def _read(self, turn: Turn) -> bool:
        """False if it is cut off."""
        try:
            for event in self._events(turn):
                if (call := self._call_of(event)) is not None:
                    self._begin(call)
                if self._on_event is not None:
                    self._on_event(event)
        except BaseException as error:
            self._drop_waiting()
            if not self._has_ended_well(turn):
                if not isinstance(error, Cancelled) and isinstance(error, ResponsesWSError):
                    # What the tools have done by now is part of the news.
                    self._workers.wait_for(list(self._attempt.values()), self._stop)
                self._lose()
            raise
        begun = list(self._attempt.values())
        if self._commit(turn):
            return True
        self._workers.wait_for(begun, self._stop)
        if self._on_turn is not None:
            self._on_turn(turn, tuple(entry.snapshot for entry in begun))
        return False

    def _follow(self) -> bool:
        """What the last turn's end asks for: its successor, if it was steered, is read; its calls are
        answered."""
        while self._is_turn_open and (successor := self.turn.successor()) is not None:
            self._add(successor)
            if not self._read(successor):
                return False
        self._answer()
        return True

    def _events(self, turn: Turn) -> Iterator[Event]:
        if self._stop is None:
            yield from turn
            return
        while True:
            self._check_stop()
            try:
                event = turn.next(_STOP_POLL_SECONDS)
            except WaitTimeout:
                continue
            if event is None:
                return
            yield event

    def _check_stop(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Cancelled("the run was stopped; resume() goes on")

    def _answer(self) -> None:
        """Waits for what the last turn called."""
        if not self._is_turn_open:
            return
        # They have begun, but with servers that send no response.output_item.done.
        for call in self._calls:
            self._begin(call)
        self._workers.wait_for(list(self._attempt.values()), self._stop)
        self._check_stop()
        turn, results = self.turn, self._answered()
        if self._on_turn is not None:
            self._on_turn(turn, results)

    def _drop_waiting(self) -> None:
        for entry in self._workers.drop_waiting():
            self._forget(entry)

    def _begin(self, call: ToolCall) -> None:
        if call.call_id in self._attempt:
            return
        entry = self.results.seen(call)
        if entry is None:
            entry = self.results.add(call)
            try:
                self._start_tool(entry)
            except Refusal as refusal:
                self.results.settle(entry, refusal.text, refusal.ending)
            except BaseException:
                self.results.forget(entry)
                raise
        self._attempt[call.call_id] = entry

    def _start_tool(self, entry: Entry) -> None:
        tool = tool_of(self._tools, entry.call)
        work = work_of(tool, entry.call)
        approve = self._approve_of(tool)
        if approve is not None:
            check_approval(approve(entry.call))  # type: ignore[arg-type]
        entry.timeout = self._timeout_of(tool)
        self._workers.submit(entry, work)


class _Workers:
    """Threads for tools: daemons, one a call, so that one that hangs keeps neither the others nor
    the end of the program waiting."""

    def __init__(self, count: int, results: ToolResults) -> None:
        self._free = count
        self._results = results
        self._changed = results.changed
        self._waiting: Deque[Tuple[Entry, Callable[[], Any]]] = deque()
        self._running: List[Entry] = []

    def submit(self, entry: Entry, work: Callable[[], Any]) -> None:
        context = contextvars.copy_context()
        with self._changed:
            self._waiting.append((entry, lambda: context.run(work)))
            self._start_waiting()

    def drop_waiting(self) -> List[Entry]:
        """What has not begun never does."""
        with self._changed:
            dropped, self._waiting = self._waiting, deque()
        return [entry for entry, _ in dropped]

    def wait_for(self, entries: List[Entry], stop: Optional[Stop]) -> None:
        """Until they are settled; those over their time are left behind."""
        with self._changed:
            while any(entry.result is None for entry in entries):
                if stop is not None and stop.is_set():
                    return
                self._leave_overdue(entries)
                # Also those of an earlier run, which shares its results with this one.
                running = {*self._running, *entries}
                ends = [e.deadline for e in running if e.result is None and e.started is not None]
                left = min(ends, default=math.inf) - monotonic()
                if stop is not None:
                    left = min(left, _STOP_POLL_SECONDS)
                if left > 0 and any(entry.result is None for entry in entries):
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))

    def _leave_overdue(self, entries: List[Entry]) -> None:
        now = monotonic()
        for entry in {*self._running, *entries}:
            if entry.result is None and entry.started is not None and entry.deadline <= now:
                self._results.settle(entry, timeout_text(entry.timeout), ToolEnding.TIMED_OUT)
                self._end(entry)

    def _start_waiting(self) -> None:
        while self._free and self._waiting:
            entry, work = self._waiting.popleft()
            self._free -= 1
            self._running.append(entry)
            entry.started = monotonic()
            name = f"responsesws tool {entry.call.name}"
            threading.Thread(target=self._run, args=(entry, work), name=name, daemon=True).start()

    def _run(self, entry: Entry, work: Callable[[], Any]) -> None:
        error: Optional[BaseException] = None
        ending = ToolEnding.RETURNED
        try:
            output = output_text(entry.call, work())
        except BaseException as raised:  # noqa: BLE001 - the model is told
            error, output, ending = raised, error_text(raised), ToolEnding.RAISED
        self._results.settle(entry, output, ending, error)
        self._end(entry)

    def _end(self, entry: Entry) -> None:
        """Its place is free: it has ended, or was left behind and will come here once more."""
        with self._changed:
            if entry in self._running:
                self._running.remove(entry)
                self._free += 1
                self._start_waiting()
