"""The caller's tools, and what their calls came to: no thread and no loop in here."""

from __future__ import annotations

import inspect
import threading
from enum import Enum
from time import monotonic
from typing import (
    Any,
    Awaitable,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from ._errors import InvalidArgument
from ._results import CallKind, ToolCall

Approval = Union[bool, str]
"""True: go on. False, or a str that says why: do not, and tell the model so."""

Approve = Callable[[ToolCall], Union[Approval, Awaitable[Approval]]]

_ERROR_CHARACTERS_MAX = 1000


class ToolError(Exception):
    """For tools to raise: its text goes to the model as it is, after "error: "."""


class ToolEnding(Enum):
    """How a call ended. All but RETURNED and RUNNING answer the model with "error: …"."""

    RUNNING = "running"
    RETURNED = "returned"
    RAISED = "raised"
    TIMED_OUT = "timed out"
    """The tool was left behind and may still work."""
    INTERRUPTED = "interrupted"
    """The run was cancelled while the tool ran."""
    DENIED = "denied"
    UNKNOWN_TOOL = "unknown tool"
    INVALID_ARGUMENTS = "invalid arguments"

    @property
    def had_effects(self) -> bool:
        """The tool ran, at least in part."""
        return self in _ENDINGS_WITH_EFFECTS


_ENDINGS_WITH_EFFECTS = {
    ToolEnding.RUNNING, ToolEnding.RETURNED, ToolEnding.RAISED, ToolEnding.TIMED_OUT,
    ToolEnding.INTERRUPTED,
}  # fmt: skip


class ToolResult(NamedTuple):
    """What one call came to."""

    call: ToolCall
    output: str
    """What the model is told."""
    ending: ToolEnding
    error: Optional[BaseException] = None
    """What the tool raised."""
    seconds: float = 0.0

    @property
    def item(self) -> Dict[str, Any]:
        """The input item that answers the call."""
        return self.call.output(self.output)


class Tool:
    """A function with limits of its own. Where it has none, a plain function does.

    function: takes the members of a function call's arguments as keywords, or the text of a custom
        call. What it returns is the output: a str as it is, all else as its JSON.
    timeout: seconds, instead of the run's `tool_timeout`; math.inf: no limit.
    approve: instead of the run's.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        timeout: Optional[float] = None,
        approve: Optional[Approve] = None,
    ) -> None:
        if not callable(function):
            raise InvalidArgument("a tool must be callable")
        if timeout is not None and not timeout > 0:
            raise InvalidArgument("a tool's timeout must be a positive number of seconds or None")
        self.function = function
        self.timeout = timeout
        self.approve = approve


Tools = Mapping[str, Union[Tool, Callable[..., Any]]]


class Entry:
    """One call of the book below: running, or with its result."""

    __slots__ = ("call", "timeout", "started", "result", "is_lost", "work")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.timeout = 0.0
        self.started: Optional[float] = None
        self.result: Optional[ToolResult] = None
        self.is_lost = False
        """The response that it belongs to did not become part of the chain."""
        self.work: Any = None

    @property
    def deadline(self) -> float:
        return (monotonic() if self.started is None else self.started) + self.timeout

    @property
    def snapshot(self) -> ToolResult:
        return self.result or ToolResult(self.call, "", ToolEnding.RUNNING)


class ToolResults(Mapping[str, ToolResult]):
    """What the calls of a run came to, by `call_id`, in the order of their beginning.

    It outlives failures: given to another run, or kept by one that is resumed, no call that is in it
    runs again. A call is the same if id, name and arguments are: there are servers that give the
    same id to different calls.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._entries: Dict[str, Entry] = {}
        self._recently_lost: List[Entry] = []

    def __getitem__(self, call_id: str) -> ToolResult:
        result = self._entries[call_id].result
        if result is None:
            raise KeyError(call_id)
        return result

    def __iter__(self) -> Iterator[str]:
        return iter([id for id, entry in list(self._entries.items()) if entry.result is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def effects(self) -> Tuple[ToolResult, ...]:
        """Calls that ran, though the responses that made them failed or were sent again: the model
        knows nothing of them."""
        lost = [entry.snapshot for entry in list(self._entries.values()) if entry.is_lost]
        return tuple(result for result in lost if result.ending.had_effects)

    def __repr__(self) -> str:
        return f"<ToolResults {len(self)}, {len(self.effects)} effects of lost responses>"

    # -- for runs

    def seen(self, call: ToolCall) -> Optional[Entry]:
        entry = self._entries.get(call.call_id)
        if entry is None:
            return None
        known = entry.call
        is_same = (known.name, known.arguments) == (call.name, call.arguments)
        return entry if is_same else None

    def add(self, call: ToolCall) -> Entry:
        """The entry's call knows what happened in vain just before it."""
        recent = (entry.snapshot for entry in self._recently_lost)
        told = tuple(result for result in recent if result.ending.had_effects)
        entry = Entry(call._replace(effects=told))
        with self.changed:
            self._entries[call.call_id] = entry
        return entry

    def forget(self, entry: Entry) -> None:
        """It never began."""
        with self.changed:
            if self._entries.get(entry.call.call_id) is entry:
                del self._entries[entry.call.call_id]

    def settle(
        self,
        entry: Entry,
        output: str,
        ending: ToolEnding,
        error: Optional[BaseException] = None,
    ) -> bool:
        """False if that was settled before, as for a tool that was left behind."""
        with self.changed:
            if entry.result is not None:
                return False
            seconds = 0.0 if entry.started is None else monotonic() - entry.started
            entry.result = ToolResult(entry.call, output, ending, error, seconds)
            self.changed.notify_all()
            return True

    def lose(self, entries: List[Entry]) -> None:
        for entry in entries:
            if not entry.is_lost:
                entry.is_lost = True
                self._recently_lost.append(entry)

    def keep(self, entries: List[Entry]) -> None:
        for entry in entries:
            entry.is_lost = False
        self._recently_lost = []


# ------------------------------------------------------------------- one call, step by step


class Refusal(Exception):
    """The call cannot be run; the text is for the model."""

    def __init__(self, ending: ToolEnding, text: str) -> None:
        super().__init__(text)
        self.ending = ending
        self.text = text


def tool_of(tools: Tools, call: ToolCall) -> Tool:
    tool = tools.get(call.name)
    if tool is None:
        names = ", ".join(sorted(tools)) or "none"
        raise Refusal(
            ToolEnding.UNKNOWN_TOOL, f'error: there is no tool "{call.name}"; there are: {names}')
    return tool if isinstance(tool, Tool) else Tool(tool)


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None))


def work_of(tool: Tool, call: ToolCall) -> Callable[[], Any]:
    """The function with its arguments."""
    function = tool.function
    if call.kind is CallKind.CUSTOM:
        return lambda: function(call.arguments)
    try:
        arguments = call.json()
    except (ValueError, RecursionError) as error:
        raise _invalid(f"are no valid JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise _invalid("must be a JSON object")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise _invalid(f"do not fit: {error}") from error
    return lambda: function(**arguments)


def _invalid(text: str) -> Refusal:
    return Refusal(ToolEnding.INVALID_ARGUMENTS, f"error: the arguments {text}")


def check_approval(approval: Approval) -> None:
    if approval is True:
        return
    if isinstance(approval, str) and approval:
        raise Refusal(ToolEnding.DENIED, f"error: the call was not approved: {approval}")
    if approval:
        # As the coroutine of an asynchronous callback in a synchronous run: no approval by accident.
        raise InvalidArgument(
            f"approve must return True, False or a str, not {type(approval).__name__}")
    raise Refusal(ToolEnding.DENIED, "error: the call was not approved")


def output_text(call: ToolCall, value: Any) -> str:
    """As ToolCall.output() writes it. Raises where the value has no JSON form."""
    text: str = call.output(value)["output"]
    return text


def error_text(error: BaseException) -> str:
    """What the model reads of an exception: never its traceback, which may show anything."""
    name = "" if isinstance(error, ToolError) else f"{type(error).__name__}: "
    return f"error: {name}{error}"[:_ERROR_CHARACTERS_MAX]


def timeout_text(seconds: float) -> str:
    return f"error: the tool did not finish within {seconds:g} s; it may have had effects"


INTERRUPTED_TEXT = "error: the tool was interrupted; it may have had effects"
