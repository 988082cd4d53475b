"""API keys that are asked for: for keys that do not last."""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Optional, Union

from . import _ffi
from ._arguments import c_string
from ._errors import InvalidArgument

if TYPE_CHECKING:
    from ._client import ClientBase
    from ._identity import Identity

APIKey = Union[str, Callable[..., Any]]

_LOOP_PATIENCE_SECONDS = 600.0
"""The library has given up long before; this only ends the thread."""

_REASON_LENGTH_MAX = 300


class KeySource:
    """One callable, and the thread or event loop that it runs in."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        try:
            self._takes_refused = "refused" in inspect.signature(function).parameters
        except (TypeError, ValueError):
            self._takes_refused = False
        # Numbers are not used again, as addresses are: a late question finds nobody.
        self.number = _ffi.add_key_source(self._ask)
        weakref.finalize(self, _ffi.remove_key_source, self.number)

    def note_loop(self) -> None:
        """Coroutines run where the client is used."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            pass

    @property
    def _ask(self) -> Callable[[int, bool], None]:
        # The registry must not keep the source: its clients and sessions do.
        reference = weakref.ref(self)

        def ask(request: int, is_refused: bool) -> None:
            source = reference()
            if source is None:
                _ffi.api_key_answer(request, None, b"The client was closed.")
                return
            # The library's thread must not wait.
            threading.Thread(
                target=source._answer, args=(request, is_refused), name="responsesws-key", daemon=True
            ).start()

        return ask

    def _answer(self, request: int, is_refused: bool) -> None:
        key: Optional[bytes] = None
        problem: Optional[bytes] = None
        try:
            key = c_string("the API key", self._key(is_refused))
            if not key:
                raise ValueError("it gave no key")
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH_MAX].replace("\0", " ")
            problem = f"The callable for the API key failed: {reason}".encode("utf-8", "replace")
        _ffi.api_key_answer(request, key, problem)

    def _key(self, is_refused: bool) -> Any:
        key = self._function(refused=is_refused) if self._takes_refused else self._function()
        if not inspect.isawaitable(key):
            return key
        if self._loop is None or self._loop.is_closed():
            if inspect.iscoroutine(key):
                key.close()
            raise TypeError("a coroutine needs an AsyncClient, and its event loop")
        future = asyncio.run_coroutine_threadsafe(_wrapped(key), self._loop)
        return future.result(_LOOP_PATIENCE_SECONDS)


def _wrapped(awaitable: Any) -> Coroutine[Any, Any, Any]:
    async def wait() -> Any:
        return await awaitable

    return wait()


def note_loop(client: ClientBase, identity: Optional[Identity]) -> None:
    for source in (client._key_source, None if identity is None else identity._source):
        if source is not None:
            source.note_loop()


_lock = threading.Lock()
_sources: "weakref.WeakValueDictionary[Any, KeySource]" = weakref.WeakValueDictionary()


def key_source(api_key: Optional[APIKey]) -> Optional[KeySource]:
    """The same source for the same callable: sessions with it share connections."""
    if not callable(api_key):
        return None
    try:
        hash(api_key)
    except TypeError:
        raise InvalidArgument("the callable for api_key must be hashable") from None
    with _lock:
        source = _sources.get(api_key)
        if source is None:
            source = _sources[api_key] = KeySource(api_key)
        return source


def refuse_coroutines(api_key: Optional[APIKey]) -> None:
    if inspect.iscoroutinefunction(api_key):
        raise InvalidArgument("a coroutine function for api_key needs an AsyncClient")


def key_text(api_key: Optional[APIKey]) -> Optional[bytes]:
    return None if callable(api_key) else c_string("api_key", api_key)
