"""A raw WebSocket connection, for programs with their own state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Tuple, Type, TypeVar, Union

from . import _ffi
from ._arguments import Headers, byte_count, c_string, header_list
from ._errors import Busy, InvalidArgument, ResponsesWSError, WaitTimeout
from ._handle import own
from ._time import Patience
from ._turn import DONE, OK, is_pending, wait_in_slices

if TYPE_CHECKING:
    from ._client import ClientBase

_Self = TypeVar("_Self", bound="WebSocket")
_Value = TypeVar("_Value")


class Credentials(IntEnum):
    """Whether the client's key, organization, project and headers go with the upgrade request."""

    SAME_ORIGIN = 0
    """Only to scheme, host and port of the client's base URL."""
    ALWAYS = 1
    NEVER = 2


class SocketState(IntEnum):
    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    ENDED = 3


@dataclass(frozen=True)
class Pong:
    """The answer to a ping."""

    payload: bytes


Message = Union[str, bytes, Pong]
"""A text message, a binary one, or, if asked for, a pong."""

_TEXT, _BINARY = 1, 2


class WebSocketBase:
    """All of a connection but waiting."""

    def __init__(
        self,
        client: ClientBase,
        url: Optional[str] = None,
        *,
        headers: Optional[Headers] = None,
        subprotocols: Iterable[str] = (),
        credentials: Credentials = Credentials.SAME_ORIGIN,
        pongs: bool = False,
        receive_queue_bytes_max: Optional[int] = None,
        send_queue_bytes_max: Optional[int] = None,
    ) -> None:
        # A connection keeps its client: collecting that would end it.
        self._client = client
        offered = [subprotocols] if isinstance(subprotocols, str) else list(subprotocols)
        pointer = _ffi.socket_new(
            client._handle.pointer(),
            url=c_string("url", url),
            headers=header_list(headers),
            subprotocols=c_string("subprotocols", ",".join(offered)) or b"",
            credentials=Credentials(credentials),
            report_pongs=pongs,
            receive_queue_bytes_max=byte_count("receive_queue_bytes_max", receive_queue_bytes_max),
            send_queue_bytes_max=byte_count("send_queue_bytes_max", send_queue_bytes_max),
        )
        library = _ffi.library()
        self._handle = own(self, "connection", pointer, library.rws_socket_free)
        self._native_receive = library.rws_socket_receive
        self._buffer = _ffi.MessageBuffer()

    # -- sending

    def send(self, message: Union[str, bytes, bytearray, memoryview]) -> None:
        """Queue a message, a str as text, bytes as binary, and return at once.

        Raises LimitReached if too much waits to be sent already: flush() waits for room.
        """
        library = _ffi.library()
        if isinstance(message, str):
            try:
                text = message.encode()
            except UnicodeEncodeError as error:
                raise InvalidArgument("a text message must not hold lone surrogates") from error
            status = library.rws_socket_send_text(self._handle.pointer(), text, len(text))
        else:
            data = _as_bytes(message)
            status = library.rws_socket_send_binary(self._handle.pointer(), data, len(data))
        _ffi.check(status)

    def ping(self, payload: bytes = b"") -> None:
        """Queue a ping of at most 125 bytes; its answer sets round_trip_time."""
        data = _as_bytes(payload)
        _ffi.check(_ffi.library().rws_socket_ping(self._handle.pointer(), data, len(data)))

    # -- what is known

    @property
    def state(self) -> SocketState:
        return self._info(lambda info: SocketState(info.state))

    @property
    def http_status(self) -> Optional[int]:
        """Of the answer to the upgrade request: 101, or that of a refusal; None before."""
        return self._info(lambda info: info.http_status or None)

    @property
    def headers(self) -> List[Tuple[str, str]]:
        """Of the answer to the upgrade request, in its order."""

        def copy(info: _ffi.ConnectionInfo) -> List[Tuple[str, str]]:
            pointer = self._handle.pointer()
            return [_ffi.socket_header(pointer, index) for index in range(info.header_count)]

        return self._info(copy)

    @property
    def subprotocol(self) -> Optional[str]:
        """What of the offered the server chose."""
        return self._info(lambda info: info.subprotocol.text() or None)

    @property
    def extensions(self) -> str:
        """In use, as in Sec-WebSocket-Extensions; empty: none."""
        return self._info(lambda info: info.extensions.text())

    @property
    def peer_address(self) -> Optional[str]:
        """Numeric address and port, as in "127.0.0.1:443"."""
        return self._info(lambda info: info.peer_address.text() or None)

    @property
    def tls_version(self) -> Optional[str]:
        """As in "TLSv1.3"; None without TLS."""
        return self._info(lambda info: info.tls_version.text() or None)

    @property
    def round_trip_time(self) -> Optional[float]:
        """Seconds, of the latest ping that was answered."""
        return self._info(
            lambda info: info.round_trip_us / 1e6 if info.round_trip_us >= 0 else None
        )

    @property
    def queued_bytes(self) -> int:
        """Sent and not taken by the kernel yet, frame headers included."""
        return self._info(lambda info: int(info.queued_bytes))

    @property
    def close_code(self) -> Optional[int]:
        """The peer's; 1005: its close frame had none, 1006: none came; None: not ended yet."""
        return self._info(lambda info: info.close_code or None)

    @property
    def close_reason(self) -> str:
        """The peer's."""
        return self._info(lambda info: info.close_reason.text())

    @property
    def error(self) -> Optional[ResponsesWSError]:
        """Why the connection could not be made or failed; None while it lasts and after a good end."""
        with self._handle.guard:
            return _ffi.socket_error(self._handle.pointer())

    @property
    def descriptor(self) -> int:
        """To wait on in a loop of your own: readable while there is a message, or an end, that was
        not received yet. Only poll it; it is open as long as this object lives."""
        return _ffi.socket_descriptor(self._handle.pointer())

    def fileno(self) -> int:
        """The descriptor: a connection can be given to select() and its kin."""
        return self.descriptor

    def _info(self, copy: Callable[[_ffi.ConnectionInfo], _Value]) -> _Value:
        with self._handle.guard:
            return copy(_ffi.socket_info(self._handle.pointer()))

    # -- receiving and closing

    def _take(self, milliseconds: int) -> Union[Message, int]:
        """The next message, or the status (an int) that is none."""
        reading = self._handle.reading
        if not reading.acquire(False):
            raise Busy("another thread is reading this connection")
        try:
            status: int = self._native_receive(
                self._handle.pointer(), milliseconds, self._buffer.reference
            )
            if status != OK:
                return status
            kind, data = self._buffer.read()
        finally:
            reading.release()
        if kind == _TEXT:
            return data.decode()
        return data if kind == _BINARY else Pong(data)

    def _close(self, code: int, reason: str, milliseconds: int) -> int:
        data = reason.encode("utf-8", "surrogatepass")
        if not 0 <= code <= 0xFFFF:
            raise InvalidArgument("a close code is a number from 1000 to 4999")
        status: int = _ffi.library().rws_socket_close(
            self._handle.pointer(), code, data, len(data), milliseconds
        )
        return status

    def _is_answered(self, status: int) -> bool:
        self._check(status)
        return not is_pending(status)

    def _check(self, status: int) -> None:
        if status < 0:
            raise self._failure(status)

    def _failure(self, status: int) -> ResponsesWSError:
        error = self.error
        if error is not None and error.status == status:
            return error
        return _ffi.last_error(status)

    def __repr__(self) -> str:
        if self._handle.is_closed:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} {self.state.name.lower()} {self.peer_address or ''}>"


class WebSocket(WebSocketBase):
    """A raw WebSocket connection of a Client. Iterate for messages: str for text, bytes for binary.

    >>> with client.socket("wss://example.com/chat") as socket:
    ...     socket.send("hello")
    ...     for message in socket:
    ...         print(message)

    Iteration ends when either side closed in good order, and raises otherwise. Leaving the `with`
    block closes the connection; dropping it cuts it.
    """

    def connect(self, timeout: Optional[float] = None) -> None:
        """Wait until the connection is open. Optional: what is sent before waits for that.

        Raises why it could not be made, or WaitTimeout if `timeout` seconds pass; the attempt goes on.
        """
        native_connect = _ffi.library().rws_socket_connect
        self._check(
            wait_in_slices(
                lambda slice_ms: native_connect(self._handle.pointer(), slice_ms), Patience(timeout)
            )
        )

    def flush(self, timeout: Optional[float] = None) -> None:
        """Wait until everything sent so far was handed to the kernel."""
        native_flush = _ffi.library().rws_socket_flush
        self._check(
            wait_in_slices(
                lambda slice_ms: native_flush(self._handle.pointer(), slice_ms), Patience(timeout)
            )
        )

    def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message; None when the connection has ended well.

        `timeout` is in seconds; None waits without limit, 0 not at all. Raises WaitTimeout when it
        passes, and the error that ended the connection if it failed.
        """
        patience = Patience(timeout)
        while True:
            taken = self._take(patience.slice_ms())
            if type(taken) is not int:
                return taken
            if taken == DONE:
                return None
            if not is_pending(taken):
                raise self._failure(taken)
            if not patience.left():
                raise nothing_received()

    def close(self, code: int = 1000, reason: str = "", timeout: float = 5.0) -> bool:
        """Close in good order, waiting at most `timeout` seconds for the peer's answer, and return
        whether it came. The connection is then dropped; with 0 it does not wait. What was sent before
        goes out first, what comes after is discarded. A second close is no error."""
        if not self._handle.is_usable:
            return True
        milliseconds = max(1, round(timeout * 1000)) if timeout else 0
        return self._is_answered(self._close(code, reason, milliseconds))

    def __iter__(self: _Self) -> _Self:
        return self

    def __next__(self) -> Message:
        message = self.receive()
        if message is None:
            raise StopIteration
        return message

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


def _as_bytes(data: Union[bytes, bytearray, memoryview]) -> bytes:
    try:
        return data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError as error:
        raise InvalidArgument(f"a message is a str or bytes, not {type(data).__name__}") from error


def nothing_received() -> WaitTimeout:
    return WaitTimeout("no message within the timeout of this call; the connection goes on")
