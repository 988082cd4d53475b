"""Ownership: each handle of the library is freed exactly once, in any order, at any end.

The library's handles carry a generation, so a late call with a freed one is an error and no crash.
What generations cannot cover is memory *borrowed* from a handle: it is copied under the handle's
guard, and the handle is freed under it.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Callable, Optional

from ._errors import Closed, Forked

_process = os.getpid()


def _note_fork() -> None:
    global _process
    _process = os.getpid()


# In a forked child the guards may be held by threads that are not there: nothing of the parent's
# is touched, its handles only answer Forked.
os.register_at_fork(after_in_child=_note_fork)

_FREE_PATIENCE_SECONDS = 1.0


class Handle:
    """A handle and the guard of what it lends. `close` may be called often, from any thread."""

    __slots__ = ("guard", "reading", "_pointer", "_process", "_noun", "_free", "_cancel")

    def __init__(
        self,
        noun: str,
        pointer: int,
        free: Callable[[int], None],
        cancel: Optional[Callable[[int], Any]] = None,
    ) -> None:
        self.guard = threading.Lock()
        self.reading = threading.Lock()
        """Held by the thread that reads events."""
        self._pointer: Optional[int] = pointer
        self._process = _process
        self._noun = noun
        self._free = free
        self._cancel = cancel

    def pointer(self) -> int:
        if self._process != _process:
            raise Forked(
                f"this {self._noun} belongs to the parent process; make a new client in this one"
            )
        pointer = self._pointer
        if pointer is None:
            raise Closed(f"the {self._noun} was closed")
        return pointer

    @property
    def is_closed(self) -> bool:
        return self._pointer is None

    @property
    def is_usable(self) -> bool:
        """Neither closed nor the parent process's: ending it twice, or in a child, is no error."""
        return self._pointer is not None and self._process == _process

    def close(self) -> None:
        if self._process != _process:
            self._pointer = None
            return
        pointer, self._pointer = self._pointer, None
        if pointer is None:
            return
        if self._cancel is not None:
            # A reader in another thread returns at once, and so lets go of its lock.
            self._cancel(pointer)
        if not self.reading.acquire(timeout=_FREE_PATIENCE_SECONDS):
            return
        try:
            if not self.guard.acquire(timeout=_FREE_PATIENCE_SECONDS):
                return
            try:
                self._free(pointer)
            finally:
                self.guard.release()
        finally:
            self.reading.release()


def own(
    owner: object,
    noun: str,
    pointer: int,
    free: Callable[[int], None],
    cancel: Optional[Callable[[int], Any]] = None,
) -> Handle:
    """A handle that ends with `owner`: at its collection, or at the interpreter's exit.

    weakref.finalize runs what is left at exit, newest first, while Python still works: no thread
    of the library can then wait for an interpreter that is gone.
    """
    handle = Handle(noun, pointer, free, cancel)
    weakref.finalize(owner, handle.close)
    return handle
