"""Configuration, credentials, one I/O thread, the connections."""

from __future__ import annotations

import logging
import weakref
from types import TracebackType
from typing import Any, Callable, Iterable, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _ffi, _results
from ._arguments import (
    Headers,
    Path,
    byte_count,
    c_path,
    c_string,
    header_list,
    missed_pongs,
    pin_list,
)
from ._errors import InvalidArgument
from ._handle import own
from ._identity import Identity
from ._json import Fields, encode_fields
from ._keys import APIKey, key_source, key_text, refuse_coroutines
from ._recovery import Replay, backoff_ms, replay_policy, retry_count, transport_choice
from ._results import Counters
from ._session import Session
from ._socket import Credentials, WebSocket
from ._time import limit_ms

Log = Union[Callable[[int, str], None], logging.Logger]

LOG_ERROR = 1
LOG_WARNING = 2
LOG_INFO = 3
LOG_DEBUG = 4

_LOGGING_LEVELS = {
    LOG_ERROR: logging.ERROR,
    LOG_WARNING: logging.WARNING,
    LOG_INFO: logging.INFO,
    LOG_DEBUG: logging.DEBUG,
}

_Self = TypeVar("_Self", bound="Client")


class ClientBase:
    """All of a client but waiting."""

    def __init__(
        self,
        base_url: Optional[str] = None,
        *,
        api_key: Optional[APIKey] = None,
        organization: Optional[str] = None,
        project: Optional[str] = None,
        headers: Optional[Headers] = None,
        ca_file: Optional[Path] = None,
        client_certificate_file: Optional[Path] = None,
        client_key_file: Optional[Path] = None,
        certificate_pins: Sequence[str] = (),
        vocabulary_file: Optional[Path] = None,
        transport: Optional[str] = None,
        proxy: Optional[str] = None,
        no_proxy: Optional[str] = None,
        connect_timeout: Optional[float] = None,
        dns_timeout: Optional[float] = None,
        tcp_timeout: Optional[float] = None,
        tls_timeout: Optional[float] = None,
        upgrade_timeout: Optional[float] = None,
        first_event_timeout: Optional[float] = None,
        event_gap_timeout: Optional[float] = None,
        turn_timeout: Optional[float] = None,
        ping_interval: Optional[float] = None,
        missed_pongs_max: Optional[int] = None,
        write_stall_timeout: Optional[float] = None,
        idle_timeout: Optional[float] = None,
        message_bytes_max: Optional[int] = None,
        sent_message_bytes_max: Optional[int] = None,
        compression: bool = True,
        strict: bool = False,
        compression_threshold: Optional[int] = None,
        replay: Optional[Replay] = None,
        max_retries: Optional[int] = None,
        retry_backoff: Optional[float] = None,
        connection_age_limit: Optional[float] = None,
        prime_rotation: bool = False,
        websocket_retry_interval: Optional[float] = None,
        log: Optional[Log] = None,
        log_level: Optional[int] = None,
    ) -> None:
        """Make a client. Nothing is connected yet.

        base_url: ws, wss, http or https; None: $OPENAI_BASE_URL, else the OpenAI API.
        api_key: sent as a bearer token; None: $OPENAI_API_KEY; "": no Authorization header. Or a
            callable that gives one, asked before each connection is made: for keys that do not
            last. It runs in a thread of its own, and may use the library; with AsyncClient it may be
            a coroutine function, which runs in the event loop. If it has a parameter `refused`, that is
            True where the server has refused the last key. It has as long as connect_timeout; what it
            raises is described in the turn's APIKeyError: keep secrets out of that.
        headers: further headers of the upgrade request.
        ca_file: PEM certificates trusted besides the system's.
        proxy: [scheme://][user:password@]host[:port]; http (also without a scheme), https, socks5
            (names are looked up here) or socks5h (by the proxy). None: what $https_proxy (for ws
            $http_proxy) or $all_proxy say, as for curl; "": no proxy.
        no_proxy: hosts to reach without a proxy: names with all below them, addresses, networks,
            perhaps with :port, separated by commas; "*": all. None: $no_proxy; "": none.
        client_certificate_file: PEM, its chain after it, for servers that ask for one (mTLS).
        client_key_file: PEM, not encrypted; None: in the certificate's file.
        certificate_pins: "sha256/BASE64" of public keys (RFC 7469 section 2.4). If there are any,
            the server's verified chain must have one of these keys, else PinMismatch.
        transport: "websocket"; "http" (POST, answered by server-sent events); "auto": WebSocket, and
            HTTP at once where that cannot be had. None: $RESPONSESWS_TRANSPORT, else "websocket".
        vocabulary_file: a .tiktoken file in the format of o200k_base, to count the tokens of text
            with (session.estimate()); read once. None: estimates go by bytes.
        Time limits, in seconds (None: the default; math.inf: none):
            connect_timeout: DNS, TCP, TLS and upgrade together (15).
            dns_timeout, tcp_timeout, tls_timeout, upgrade_timeout: of these stages alone (what
                connect_timeout leaves).
            first_event_timeout: from the request sent to its first event (120).
            event_gap_timeout: between two events of a turn (300).
            turn_timeout: a whole turn, connecting included (none).
            ping_interval: silence on a connection before it is pinged, and between pings (20).
            write_stall_timeout: bytes wait to be sent, and the server takes none (60).
            idle_timeout: a connection that no turn uses is closed; the next turn connects (none).
        missed_pongs_max: pings in a row that may stay unanswered; one ping_interval after the last
            of them the connection is dead (3).
        message_bytes_max: of one received message (64 MiB).
        sent_message_bytes_max: of one sent message, before compression; a larger request fails at
            once with MessageTooLarge (16 MiB for OpenAI's hosts, which refuse more, else 64 MiB).
        strict: a turn that would send the whole history again, though the agent could have avoided
            it, raises FullResend: for tests of agents. Also by $RESPONSESWS_STRICT=1.
        compression: offer permessage-deflate (RFC 7692), and use it where the server accepts it.
        compression_threshold: shorter messages are sent uncompressed (1024 bytes).
        replay: whether a turn that may have run is sent again when its connection is lost (SAFE).
        max_retries: times that one turn may be sent again, for whatever reasons (4).
        retry_backoff: a repeated attempt waits from 0 to this many seconds, each further one up to
            twice as long, at most 16 s (0.5).
        connection_age_limit: seconds after which the server closes a connection; sessions move to
            a new one before, between two turns (60 minutes; xAI 25).
        prime_rotation: have the whole history of a session prepared on the connection that it moves to, so
            that its next turn is a delta: for the price of the history, once for each move. Only for
            sessions that were active in the last five minutes.
        websocket_retry_interval: with transport "auto": where WebSocket could not be had it is tried
            again so often, in the background (60 seconds; math.inf: never).
        log: a logging.Logger, or a callable of level (LOG_…) and line. It may be called on a
            thread of the library, and must not wait there. No line holds a credential.
            Beside os.fork(): a child forked while CPython (3.11, seen) begins or ends such a call
            may hang in the interpreter, before it runs a line; multiprocessing's "spawn" does not.
        log_level: lines up to this level (LOG_WARNING, or what the Logger is enabled for).
        """
        target, level = _log_target(log, log_level)
        # Kept as long as somebody may be asked.
        self._key_source = key_source(api_key)
        key = _ffi.add_log_target(target) if target is not None else None
        try:
            pointer = _ffi.client_new(
                base_url=c_string("base_url", base_url),
                api_key=key_text(api_key),
                organization=c_string("organization", organization),
                project=c_string("project", project),
                headers=header_list(headers),
                proxy=c_string("proxy", proxy),
                no_proxy=c_string("no_proxy", no_proxy),
                ca_file=c_path("ca_file", ca_file),
                client_certificate_file=c_path(
                    "client_certificate_file", client_certificate_file
                ),
                client_key_file=c_path("client_key_file", client_key_file),
                certificate_pins=pin_list(certificate_pins),
                vocabulary_file=c_path("vocabulary_file", vocabulary_file),
                transport=transport_choice(transport),
                connect_timeout_ms=limit_ms("connect_timeout", connect_timeout),
                dns_timeout_ms=limit_ms("dns_timeout", dns_timeout),
                tcp_timeout_ms=limit_ms("tcp_timeout", tcp_timeout),
                tls_timeout_ms=limit_ms("tls_timeout", tls_timeout),
                upgrade_timeout_ms=limit_ms("upgrade_timeout", upgrade_timeout),
                first_event_timeout_ms=limit_ms("first_event_timeout", first_event_timeout),
                event_gap_timeout_ms=limit_ms("event_gap_timeout", event_gap_timeout),
                turn_timeout_ms=limit_ms("turn_timeout", turn_timeout),
                ping_interval_ms=limit_ms("ping_interval", ping_interval),
                missed_pongs_max=missed_pongs(missed_pongs_max),
                write_stall_timeout_ms=limit_ms("write_stall_timeout", write_stall_timeout),
                idle_timeout_ms=limit_ms("idle_timeout", idle_timeout),
                message_bytes_max=byte_count("message_bytes_max", message_bytes_max),
                sent_message_bytes_max=byte_count(
                    "sent_message_bytes_max", sent_message_bytes_max),
                is_strict=strict,
                compression=(
                    _ffi.COMPRESSION_AUTOMATIC if compression else _ffi.COMPRESSION_OFF),
                compression_threshold=byte_count("compression_threshold", compression_threshold),
                replay_policy=replay_policy(replay),
                max_retries=retry_count(max_retries),
                retry_backoff_ms=backoff_ms(retry_backoff),
                connection_age_limit_ms=limit_ms("connection_age_limit", connection_age_limit),
                prime_rotation=prime_rotation,
                key_source=None if self._key_source is None else self._key_source.number,
                websocket_retry_interval_ms=limit_ms(
                    "websocket_retry_interval", websocket_retry_interval),
                log_key=key,
                log_level=level,
            )
        except BaseException:
            if key is not None:
                _ffi.remove_log_target(key)
            raise
        self._handle = own(self, "client", pointer, _ffi.library().rws_client_free)
        if key is not None:
            weakref.finalize(self, _ffi.remove_log_target, key)

    def _close(self, milliseconds: int) -> None:
        if self._handle.is_usable:
            _ffi.check(_ffi.library().rws_client_close(self._handle.pointer(), milliseconds))
        self._handle.close()

    def counters(self) -> Counters:
        """What was done about failures so far, in all sessions together."""
        return _results.counters(_ffi.client_counters(self._handle.pointer()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._handle.is_closed else 'open'}>"

    def _open_session(self, settings: bytes, identity: Optional[Identity]) -> int:
        if identity is not None:
            return _ffi.session_new_as(self._handle.pointer(), settings, identity._native())
        return _ffi.session_new(self._handle.pointer(), settings)

    def _restore_session(
        self, saved: bytes, overrides: bytes, identity: Optional[Identity]
    ) -> int:
        if not isinstance(saved, (bytes, bytearray, memoryview)):
            raise InvalidArgument(f"a saved session is bytes, not {type(saved).__name__}")
        native = None if identity is None else identity._native()
        return _ffi.session_restore(self._handle.pointer(), bytes(saved), overrides, native)


class Client(ClientBase):
    """A client of the Responses API's WebSocket mode.

    >>> with Client() as client:
    ...     session = client.session(model="gpt-5.2")
    ...     print(session.run("Hello").text)
    """

    def __init__(
        self, base_url: Optional[str] = None, *, api_key: Optional[APIKey] = None, **options: Any
    ) -> None:
        refuse_coroutines(api_key)
        super().__init__(base_url, api_key=api_key, **options)

    def session(
        self,
        settings: Optional[Fields] = None,
        /,
        *,
        identity: Optional[Identity] = None,
        **fields: Any,
    ) -> Session:
        """Start a chain of responses.

        Keywords are the fields of POST /v1/responses that every turn shares (model, instructions,
        tools, store, …), unknown ones included; or give them as a mapping, or as JSON in bytes,
        which is sent verbatim.

        identity: as whom, where that is not the client; such sessions have connections of their own.
        """
        _refuse_coroutines(identity)
        return Session(self, self._open_session(encode_fields(settings, fields), identity), identity)

    def restore(
        self,
        saved: bytes,
        overrides: Optional[Fields] = None,
        /,
        *,
        identity: Optional[Identity] = None,
        **fields: Any,
    ) -> Session:
        """A session that goes on from what session.save() gave, perhaps in another process: by the id
        of its last response if that is stored, else with one turn that sends the whole history.

        Keywords are settings that replace or, with None, remove those saved. `tools` must be given
        again if MCP tools had credentials there: they are not saved.
        """
        encoded = b"" if overrides is None and not fields else encode_fields(overrides, fields)
        _refuse_coroutines(identity)
        return Session(self, self._restore_session(saved, encoded, identity), identity)

    def socket(
        self,
        url: Optional[str] = None,
        *,
        headers: Optional[Headers] = None,
        subprotocols: Iterable[str] = (),
        credentials: Credentials = Credentials.SAME_ORIGIN,
        pongs: bool = False,
        receive_queue_bytes_max: Optional[int] = None,
        send_queue_bytes_max: Optional[int] = None,
    ) -> WebSocket:
        """Open a raw WebSocket connection: begin to connect and return at once.

        url: ws, wss, http or https; None: the client's base URL followed by /responses.
        headers: sent in any case; they win over the client's of the same name.
        subprotocols: offered to the server, the preferred one first.
        credentials: whether the client's key, organization, project and headers are sent, too.
        pongs: whether Pong objects are received.
        receive_queue_bytes_max: unread messages beyond this stop the reading (8 MiB).
        send_queue_bytes_max: more than this waiting to be sent raises LimitReached (64 MiB).
        """
        return WebSocket(
            self,
            url,
            headers=headers,
            subprotocols=subprotocols,
            credentials=credentials,
            pongs=pongs,
            receive_queue_bytes_max=receive_queue_bytes_max,
            send_queue_bytes_max=send_queue_bytes_max,
        )

    def close(self, timeout: float = 2.0) -> None:
        """Close the connections in good order, waiting at most `timeout` seconds for the peers'
        answer. Running turns end as cancelled; a second close does nothing."""
        self._close(limit_ms("timeout", timeout) if timeout else 0)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


def _refuse_coroutines(identity: Optional[Identity]) -> None:
    if identity is not None:
        refuse_coroutines(identity.api_key)


def _log_target(
    log: Optional[Log], level: Optional[int]
) -> Tuple[Optional[Callable[[int, str], None]], int]:
    if log is None:
        return None, 0
    if not isinstance(log, logging.Logger):
        return log, level or LOG_WARNING
    logger = log

    def target(line_level: int, line: str) -> None:
        logger.log(_LOGGING_LEVELS.get(line_level, logging.DEBUG), "%s", line)

    enabled = [ours for ours, theirs in _LOGGING_LEVELS.items() if logger.isEnabledFor(theirs)]
    return target, level or max(enabled, default=LOG_ERROR)
