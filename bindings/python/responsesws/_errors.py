"""The exceptions of the package: one tree, a class per band of status, a leaf per status.

    ResponsesWSError
    ├── LibraryNotFound          no usable libresponsesws.so (also an ImportError)
    ├── WaitTimeout              the timeout of a waiting call passed; ask again (TimeoutError)
    ├── UsageError               the caller
    │   ├── InvalidArgument      (also a ValueError)
    │   ├── InvalidHandle
    │   ├── InvalidJSON          (also a ValueError)
    │   ├── Closed
    │   ├── Busy
    │   ├── WouldDeadlock
    │   ├── Forked
    │   ├── Cancelled            the turn was cancelled by the caller
    │   ├── FullResend           strict mode: the whole history would have been sent again
    │   ├── MissingOutput        a tool call was left without its output
    │   ├── NotSupported         not over HTTP
    │   └── APIKeyError          the callable for the API key failed
    ├── NetworkError             the network
    │   ├── DNSError
    │   ├── ConnectionRefused
    │   ├── ConnectFailed
    │   ├── ConnectTimeout       (also a TimeoutError)
    │   ├── ConnectionLost
    │   ├── FirstEventTimeout    (also a TimeoutError)
    │   ├── EventGapTimeout      (also a TimeoutError)
    │   ├── TurnTimeout          (also a TimeoutError)
    │   └── ProxyError           the proxy could not reach the host, or broke
    │       └── ProxyUnauthorized  it refused the credentials, or its rules the host
    ├── TLSError                 TLS
    │   ├── CertificateUntrusted
    │   ├── HostnameMismatch
    │   ├── CertificateExpired
    │   └── PinMismatch
    ├── WebSocketError           the WebSocket peer
    │   ├── UpgradeRefused       it answered HTTP
    │   ├── AuthenticationError  it refused the credentials
    │   ├── HandshakeError
    │   ├── ProtocolError        it broke RFC 6455
    │   ├── PeerClosed
    │   └── InvalidEvent
    ├── APIError                 the API
    │   ├── ResponseFailed
    │   ├── PreviousResponseNotFound
    │   ├── RateLimited
    │   ├── ContextLengthExceeded
    │   ├── Overloaded
    │   └── ConnectionLimitReached
    ├── LimitError               limits
    │   ├── MessageTooLarge
    │   ├── LimitReached
    │   │   └── MaxTurnsReached  a run's model still calls tools
    │   └── ResourcesExhausted
    └── InternalError            this library; please report it
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Dict, Optional, Type

if TYPE_CHECKING:
    from ._run import RunBase
    from ._tools import ToolResults


class Status(IntEnum):
    """The status table of responsesws.h, without its RWS_ prefix."""

    OK = 0
    DONE = 1
    TIMEOUT = 2
    ERR_INVALID_ARGUMENT = -101
    ERR_INVALID_HANDLE = -102
    ERR_INVALID_JSON = -103
    ERR_CLOSED = -104
    ERR_BUSY = -105
    ERR_WOULD_DEADLOCK = -106
    ERR_FORKED = -107
    ERR_CANCELLED = -108
    ERR_FULL_RESEND = -109
    ERR_MISSING_OUTPUT = -110
    ERR_NOT_SUPPORTED = -111
    ERR_API_KEY = -112
    ERR_DNS = -201
    ERR_CONNECT_REFUSED = -202
    ERR_CONNECT = -203
    ERR_CONNECT_TIMEOUT = -204
    ERR_CONNECTION_LOST = -205
    ERR_FIRST_EVENT_TIMEOUT = -206
    ERR_EVENT_GAP_TIMEOUT = -207
    ERR_TURN_TIMEOUT = -208
    ERR_PROXY = -209
    ERR_PROXY_UNAUTHORIZED = -210
    ERR_TLS = -301
    ERR_TLS_UNTRUSTED = -302
    ERR_TLS_HOSTNAME = -303
    ERR_TLS_EXPIRED = -304
    ERR_TLS_PIN = -305
    ERR_UPGRADE_REFUSED = -401
    ERR_UNAUTHORIZED = -402
    ERR_HANDSHAKE = -403
    ERR_PROTOCOL = -404
    ERR_PEER_CLOSED = -405
    ERR_INVALID_EVENT = -406
    ERR_API = -501
    ERR_RESPONSE_FAILED = -502
    ERR_PREVIOUS_RESPONSE_NOT_FOUND = -503
    ERR_RATE_LIMITED = -504
    ERR_CONTEXT_LENGTH = -505
    ERR_OVERLOADED = -506
    ERR_CONNECTION_LIMIT = -507
    ERR_MESSAGE_TOO_LARGE = -601
    ERR_LIMIT = -602
    ERR_RESOURCES = -603
    ERR_INTERNAL = -901


class Execution(IntEnum):
    """How far a request had come when it failed: may it have run, may it be sent again?"""

    NOT_SENT = 0
    """Nothing, or no whole message, left this machine: repeat freely."""
    REJECTED = 1
    """The server refused it before it ran: repeat freely."""
    UNKNOWN = 2
    """Sent, no answer seen: it may have run."""
    STARTED = 3
    """The server began to work on it, no output seen."""
    OUTPUT_SEEN = 4
    """Output was received; repeating it runs it twice."""


class ResponsesWSError(Exception):
    """Whatever went wrong. `str(error)` says what happened and what to do; no credential is in it."""

    message: str
    status: int
    """A member of Status, or a plain int that this version has no name for."""
    execution: Execution
    http_status: Optional[int]
    close_code: Optional[int]
    code: Optional[str]
    type: Optional[str]
    param: Optional[str]
    request_id: Optional[str]
    retry_after: Optional[float]
    """Seconds that the server asked to wait."""
    retryable: bool
    """The same request may succeed later; `execution` says at what risk."""
    body: bytes
    """The error as received: JSON of the event, or the HTTP body; may be cut."""
    run: Optional[RunBase[Any]] = None
    """The run that it ended; run.resume() goes on."""

    default_status: int = Status.ERR_INTERNAL

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        execution: Execution = Execution.NOT_SENT,
        http_status: Optional[int] = None,
        close_code: Optional[int] = None,
        code: Optional[str] = None,
        type: Optional[str] = None,
        param: Optional[str] = None,
        request_id: Optional[str] = None,
        retry_after: Optional[float] = None,
        retryable: bool = False,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = self.default_status if status is None else status
        self.execution = execution
        self.http_status = http_status
        self.close_code = close_code
        self.code = code
        self.type = type
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.retryable = retryable
        self.body = body

    @property
    def results(self) -> Optional[ToolResults]:
        """What the calls of the run came to that it ended; None: it ended none."""
        return None if self.run is None else self.run.results

    def __str__(self) -> str:
        return self.message


class LibraryNotFound(ResponsesWSError, ImportError):
    """No usable libresponsesws.so; the message lists where it was looked for."""

    default_status = Status.ERR_RESOURCES


class WaitTimeout(ResponsesWSError, TimeoutError):
    """The timeout given to a waiting call passed. The turn goes on: ask again, or cancel it."""

    default_status = Status.TIMEOUT


class UsageError(ResponsesWSError):
    """The call was wrong, or the object is past its life."""

    default_status = Status.ERR_INVALID_ARGUMENT


class InvalidArgument(UsageError, ValueError):
    """An argument is of the wrong kind, too large or out of range."""


class InvalidHandle(UsageError):
    """The library does not know the object (any more)."""

    default_status = Status.ERR_INVALID_HANDLE


class InvalidJSON(UsageError, ValueError):
    """The JSON given is malformed or not of the documented kind."""

    default_status = Status.ERR_INVALID_JSON


class Closed(UsageError):
    """The client, session or turn was closed."""

    default_status = Status.ERR_CLOSED


class Busy(UsageError):
    """Another thread is reading this turn."""

    default_status = Status.ERR_BUSY


class WouldDeadlock(UsageError):
    """A waiting call was made from a log callback."""

    default_status = Status.ERR_WOULD_DEADLOCK


class Forked(UsageError):
    """The object belongs to the parent process; make a new client in this one."""

    default_status = Status.ERR_FORKED


class Cancelled(UsageError):
    """The turn was cancelled by the caller."""

    default_status = Status.ERR_CANCELLED


class FullResend(UsageError):
    """Strict mode: the whole history would have been sent again."""

    default_status = Status.ERR_FULL_RESEND


class MissingOutput(UsageError):
    """A tool call of the last response has no output in the input."""

    default_status = Status.ERR_MISSING_OUTPUT


class NotSupported(UsageError):
    """This cannot be done over HTTP."""

    default_status = Status.ERR_NOT_SUPPORTED


class APIKeyError(UsageError):
    """The callable for the API key failed, or gave no key within connect_timeout."""

    default_status = Status.ERR_API_KEY


class NetworkError(ResponsesWSError):
    """The network failed, or a time limit of the turn passed."""

    default_status = Status.ERR_CONNECT


class DNSError(NetworkError):
    """The host name could not be resolved."""

    default_status = Status.ERR_DNS


class ConnectionRefused(NetworkError):
    """The host refused the connection."""

    default_status = Status.ERR_CONNECT_REFUSED


class ConnectFailed(NetworkError):
    """No connection could be made."""


class ConnectTimeout(NetworkError, TimeoutError):
    """No connection within the connect timeout."""

    default_status = Status.ERR_CONNECT_TIMEOUT


class ConnectionLost(NetworkError):
    """The connection was cut before the turn ended."""

    default_status = Status.ERR_CONNECTION_LOST


class FirstEventTimeout(NetworkError, TimeoutError):
    """No event within the first-event timeout."""

    default_status = Status.ERR_FIRST_EVENT_TIMEOUT


class EventGapTimeout(NetworkError, TimeoutError):
    """No further event within the event-gap timeout."""

    default_status = Status.ERR_EVENT_GAP_TIMEOUT


class TurnTimeout(NetworkError, TimeoutError):
    """The turn did not end within its timeout."""

    default_status = Status.ERR_TURN_TIMEOUT


class ProxyError(NetworkError):
    """The proxy could not reach the host, or broke."""

    default_status = Status.ERR_PROXY


class ProxyUnauthorized(ProxyError):
    """The proxy refused the credentials, or its rules the host."""

    default_status = Status.ERR_PROXY_UNAUTHORIZED


class TLSError(ResponsesWSError):
    """TLS failed."""

    default_status = Status.ERR_TLS


class CertificateUntrusted(TLSError):
    """The server's certificate is not trusted."""

    default_status = Status.ERR_TLS_UNTRUSTED


class HostnameMismatch(TLSError):
    """The server's certificate is for another host."""

    default_status = Status.ERR_TLS_HOSTNAME


class CertificateExpired(TLSError):
    """The server's certificate is not valid now."""

    default_status = Status.ERR_TLS_EXPIRED


class PinMismatch(TLSError):
    """None of the server's keys is among the pins."""

    default_status = Status.ERR_TLS_PIN


class WebSocketError(ResponsesWSError):
    """The peer refused or broke the WebSocket."""

    default_status = Status.ERR_PROTOCOL


class UpgradeRefused(WebSocketError):
    """The server answered HTTP instead of WebSocket."""

    default_status = Status.ERR_UPGRADE_REFUSED


class AuthenticationError(WebSocketError):
    """The server refused the credentials."""

    default_status = Status.ERR_UNAUTHORIZED


class HandshakeError(WebSocketError):
    """The server's WebSocket handshake is invalid."""

    default_status = Status.ERR_HANDSHAKE


class ProtocolError(WebSocketError):
    """The server broke the WebSocket protocol (RFC 6455)."""


class PeerClosed(WebSocketError):
    """The server closed the connection before the turn ended."""

    default_status = Status.ERR_PEER_CLOSED


class InvalidEvent(WebSocketError):
    """The server sent something that is no event."""

    default_status = Status.ERR_INVALID_EVENT


class APIError(ResponsesWSError):
    """The API returned an error."""

    default_status = Status.ERR_API


class ResponseFailed(APIError):
    """The response failed."""

    default_status = Status.ERR_RESPONSE_FAILED


class PreviousResponseNotFound(APIError):
    """The server no longer has the previous response."""

    default_status = Status.ERR_PREVIOUS_RESPONSE_NOT_FOUND


class RateLimited(APIError):
    """The API's rate limit was reached."""

    default_status = Status.ERR_RATE_LIMITED


class ContextLengthExceeded(APIError):
    """The context window is full."""

    default_status = Status.ERR_CONTEXT_LENGTH


class Overloaded(APIError):
    """The API is overloaded or had an internal error."""

    default_status = Status.ERR_OVERLOADED


class ConnectionLimitReached(APIError):
    """The connection reached its age limit."""

    default_status = Status.ERR_CONNECTION_LIMIT


class LimitError(ResponsesWSError):
    """A limit was reached."""

    default_status = Status.ERR_LIMIT


class MessageTooLarge(LimitError):
    """A message exceeds the size limit."""

    default_status = Status.ERR_MESSAGE_TOO_LARGE


class LimitReached(LimitError):
    """A limit of the library was reached."""


class MaxTurnsReached(LimitReached):
    """The model still calls tools after max_turns; `run` has what happened so far."""


class ResourcesExhausted(LimitError):
    """The system has no more descriptors, threads or memory."""

    default_status = Status.ERR_RESOURCES


class InternalError(ResponsesWSError):
    """A fault of this library; please report it."""


CLASS_OF_STATUS: Dict[int, Type[ResponsesWSError]] = {
    Status.TIMEOUT: WaitTimeout,
    Status.ERR_INVALID_ARGUMENT: InvalidArgument,
    Status.ERR_INVALID_HANDLE: InvalidHandle,
    Status.ERR_INVALID_JSON: InvalidJSON,
    Status.ERR_CLOSED: Closed,
    Status.ERR_BUSY: Busy,
    Status.ERR_WOULD_DEADLOCK: WouldDeadlock,
    Status.ERR_FORKED: Forked,
    Status.ERR_CANCELLED: Cancelled,
    Status.ERR_FULL_RESEND: FullResend,
    Status.ERR_MISSING_OUTPUT: MissingOutput,
    Status.ERR_NOT_SUPPORTED: NotSupported,
    Status.ERR_API_KEY: APIKeyError,
    Status.ERR_DNS: DNSError,
    Status.ERR_CONNECT_REFUSED: ConnectionRefused,
    Status.ERR_CONNECT: ConnectFailed,
    Status.ERR_CONNECT_TIMEOUT: ConnectTimeout,
    Status.ERR_CONNECTION_LOST: ConnectionLost,
    Status.ERR_FIRST_EVENT_TIMEOUT: FirstEventTimeout,
    Status.ERR_EVENT_GAP_TIMEOUT: EventGapTimeout,
    Status.ERR_TURN_TIMEOUT: TurnTimeout,
    Status.ERR_PROXY: ProxyError,
    Status.ERR_PROXY_UNAUTHORIZED: ProxyUnauthorized,
    Status.ERR_TLS: TLSError,
    Status.ERR_TLS_UNTRUSTED: CertificateUntrusted,
    Status.ERR_TLS_HOSTNAME: HostnameMismatch,
    Status.ERR_TLS_EXPIRED: CertificateExpired,
    Status.ERR_TLS_PIN: PinMismatch,
    Status.ERR_UPGRADE_REFUSED: UpgradeRefused,
    Status.ERR_UNAUTHORIZED: AuthenticationError,
    Status.ERR_HANDSHAKE: HandshakeError,
    Status.ERR_PROTOCOL: ProtocolError,
    Status.ERR_PEER_CLOSED: PeerClosed,
    Status.ERR_INVALID_EVENT: InvalidEvent,
    Status.ERR_API: APIError,
    Status.ERR_RESPONSE_FAILED: ResponseFailed,
    Status.ERR_PREVIOUS_RESPONSE_NOT_FOUND: PreviousResponseNotFound,
    Status.ERR_RATE_LIMITED: RateLimited,
    Status.ERR_CONTEXT_LENGTH: ContextLengthExceeded,
    Status.ERR_OVERLOADED: Overloaded,
    Status.ERR_CONNECTION_LIMIT: ConnectionLimitReached,
    Status.ERR_MESSAGE_TOO_LARGE: MessageTooLarge,
    Status.ERR_LIMIT: LimitReached,
    Status.ERR_RESOURCES: ResourcesExhausted,
    Status.ERR_INTERNAL: InternalError,
}

_CLASS_OF_BAND: Dict[int, Type[ResponsesWSError]] = {
    1: UsageError,
    2: NetworkError,
    3: TLSError,
    4: WebSocketError,
    5: APIError,
    6: LimitError,
    9: InternalError,
}


def class_of_status(status: int) -> Type[ResponsesWSError]:
    """The leaf, or the band for a status that only a newer library has."""
    return CLASS_OF_STATUS.get(status) or _CLASS_OF_BAND.get(-status // 100, ResponsesWSError)


def named_status(status: int) -> int:
    try:
        return Status(status)
    except ValueError:
        return status


def named_execution(execution: int) -> Execution:
    try:
        return Execution(execution)
    except ValueError:
        return Execution.UNKNOWN
