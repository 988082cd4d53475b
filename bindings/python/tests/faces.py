"""The sync and the asyncio classes behind one calling convention, so that one suite tests both."""

import asyncio
import inspect

import responsesws
from peer import SECONDS


class SyncFace:
    name = "sync"
    Client = responsesws.Client

    def close(self):
        pass


class AsyncFace:
    """Runs whatever wants awaiting to its end in a loop of its own."""

    name = "async"

    def __init__(self):
        self._loop = asyncio.new_event_loop()

    def Client(self, *args, **options):
        return _Blocking(self, responsesws.AsyncClient(*args, **options))

    def run(self, coroutine):
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, SECONDS * 2))

    def close(self):
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


_WRAPPED = (
    responsesws.AsyncClient,
    responsesws.AsyncSession,
    responsesws.AsyncTurn,
    responsesws.AsyncRun,
    responsesws.AsyncWebSocket,
)


class _Blocking:
    def __init__(self, face, target):
        self._face = face
        self._target = target

    def __getattr__(self, name):
        return self._blocking(getattr(self._target, name))

    def _blocking(self, value):
        if inspect.isawaitable(value):
            return self._blocking(self._face.run(_awaited(value)))
        if inspect.isasyncgen(value):
            return self._drive(value)
        if isinstance(value, _WRAPPED):
            return self if value is self._target else _Blocking(self._face, value)
        if inspect.ismethod(value):
            return lambda *args, **options: self._blocking(value(*args, **options))
        return value

    def _drive(self, iterator):
        try:
            while True:
                yield self._face.run(_awaited(iterator.__anext__()))
        except StopAsyncIteration:
            pass

    def __iter__(self):
        return self._drive(self._target)

    def __enter__(self):
        self._face.run(self._target.__aenter__())
        return self

    def __exit__(self, *error):
        self._face.run(self._target.__aexit__(*error))

    def __repr__(self):
        return repr(self._target)


async def _awaited(value):
    return await value
