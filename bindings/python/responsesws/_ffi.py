"""The only module that touches ctypes: the declarations of responsesws.h, and what needs pointers.

Everything above sees ints for handles, and bytes or str for strings: what the library lends is
copied here, before the next call may take it back.
"""

from __future__ import annotations

import ctypes
import os
import threading
from array import array
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
    string_at,
)
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import _library
from ._errors import (
    LibraryNotFound,
    ResponsesWSError,
    class_of_status,
    named_execution,
    named_status,
)

VERSION = (0, 1)
"""The oldest version of the interface that has all that is declared here."""

NO_LIMIT = -1

TRANSPORTS = {"websocket": 1, "http": 2, "auto": 3}
UNKNOWN = -(2**63)

COMPRESSION_AUTOMATIC = 0
COMPRESSION_OFF = 1

OK = 0
DONE = 1
TIMEOUT = 2
ERR_CLOSED = -104
ERR_FORKED = -107


# ------------------------------------------------------------------------ structs


class String(Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    def copy(self) -> bytes:
        return string_at(self.data, self.len) if self.len else b""

    def text(self) -> str:
        # A lone surrogate of the server's JSON arrives in its three-byte form.
        return self.copy().decode("utf-8", "surrogatepass")


class Error(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("status", c_int32),
        ("execution", c_int32),
        ("http_status", c_int32),
        ("close_code", c_int32),
        ("is_retryable", c_int32),
        ("reserved", c_int32),
        ("retry_after_ms", c_int64),
        ("message", String),
        ("code", String),
        ("type", String),
        ("param", String),
        ("request_id", String),
        ("body", String),
    ]


class Header(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


KeyFunction = CFUNCTYPE(None, c_void_p, c_int32, c_void_p)
LogFunction = CFUNCTYPE(None, c_int32, String, c_void_p)


class ClientOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("base_url", c_char_p),
        ("api_key", c_char_p),
        ("organization", c_char_p),
        ("project", c_char_p),
        ("headers", POINTER(Header)),
        ("header_count", c_size_t),
        ("ca_file", c_char_p),
        ("connect_timeout_ms", c_int64),
        ("first_event_timeout_ms", c_int64),
        ("event_gap_timeout_ms", c_int64),
        ("turn_timeout_ms", c_int64),
        ("message_bytes_max", c_uint64),
        ("log", LogFunction),
        ("log_user_data", c_void_p),
        ("log_level", c_int32),
        ("missed_pongs_max", c_int32),
        ("ping_interval_ms", c_int64),
        ("write_stall_timeout_ms", c_int64),
        ("idle_timeout_ms", c_int64),
        ("compression_threshold", c_uint64),
        ("sent_message_bytes_max", c_uint64),
        ("compression", c_int32),
        ("is_strict", c_int32),
        ("proxy", c_char_p),
        ("no_proxy", c_char_p),
        ("dns_timeout_ms", c_int64),
        ("tcp_timeout_ms", c_int64),
        ("tls_timeout_ms", c_int64),
        ("upgrade_timeout_ms", c_int64),
        ("client_certificate_file", c_char_p),
        ("client_key_file", c_char_p),
        ("certificate_pins", POINTER(c_char_p)),
        ("certificate_pin_count", c_size_t),
        ("vocabulary_file", c_char_p),
        ("transport", c_int32),
        ("replay_policy", c_int32),
        ("max_retries", c_int32),
        ("reserved", c_int32),
        ("retry_backoff_ms", c_int64),
        ("connection_age_limit_ms", c_int64),
        ("on_api_key", KeyFunction),
        ("api_key_user_data", c_void_p),
        ("prime_rotation", c_int32),
        ("reserved2", c_int32),
        ("websocket_retry_interval_ms", c_int64),
    ]


class Identity(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("api_key", c_char_p),
        ("organization", c_char_p),
        ("project", c_char_p),
        ("headers", POINTER(Header)),
        ("header_count", c_size_t),
        ("on_api_key", KeyFunction),
        ("api_key_user_data", c_void_p),
    ]


class Event(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("reserved", c_int32),
        ("sequence_number", c_int64),
        ("output_index", c_int64),
        ("type", String),
        ("json", String),
        ("delta", String),
        ("item_id", String),
        ("item", String),
        ("response", String),
        ("stream_id", String),
    ]


class EventBatch(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("event_size", c_size_t),
        ("events", POINTER(Event)),
        ("count", c_size_t),
        ("memory", String),
    ]


EventFunction = CFUNCTYPE(None, c_void_p, POINTER(Event), c_void_p)


class TurnOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("overrides", c_char_p),
        ("overrides_len", c_size_t),
        ("is_warm_up", c_int32),
        ("is_history", c_int32),
        ("first_event_timeout_ms", c_int64),
        ("event_gap_timeout_ms", c_int64),
        ("turn_timeout_ms", c_int64),
        ("on_event", EventFunction),
        ("user_data", c_void_p),
        ("abandon_calls", c_int32),
        ("replay_policy", c_int32),
        ("transport", c_int32),
        ("reserved", c_int32),
    ]


class Usage(Structure):
    _fields_ = [
        ("input_tokens", c_int64),
        ("cached_tokens", c_int64),
        ("cache_write_tokens", c_int64),
        ("output_tokens", c_int64),
        ("reasoning_tokens", c_int64),
        ("total_tokens", c_int64),
    ]


class Compaction(Structure):
    _fields_ = [("struct_size", c_size_t), ("output", String), ("usage", Usage)]


class Result(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("outcome", c_int32),
        ("reserved", c_int32),
        ("response_id", String),
        ("text", String),
        ("refusal", String),
        ("reasoning_summary", String),
        ("incomplete_reason", String),
        ("response", String),
        ("call_count", c_size_t),
        ("item_count", c_size_t),
        ("usage", Usage),
        ("input_transformations", String),
    ]


class Call(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("is_complete", c_int32),
        ("call_id", String),
        ("name", String),
        ("arguments", String),
        ("item", String),
    ]


class Stats(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("request_bytes", c_uint64),
        ("full_request_bytes", c_uint64),
        ("received_bytes", c_uint64),
        ("event_count", c_uint64),
        ("sent_us", c_int64),
        ("first_event_us", c_int64),
        ("first_output_us", c_int64),
        ("end_us", c_int64),
        ("is_delta", c_int32),
        ("resend_count", c_int32),
        ("full_reason", String),
        ("cache_break", String),
        ("input_tokens", c_int64),
        ("cached_tokens", c_int64),
        ("output_tokens", c_int64),
        ("reasoning_tokens", c_int64),
        ("marginal_input_tokens", c_int64),
        ("expected_input_tokens", c_int64),
        ("is_context_lost", c_int32),
        ("transport", c_int32),
    ]


class Ledger(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("turn_count", c_uint64),
        ("continuation_count", c_uint64),
        ("delta_count", c_uint64),
        ("resend_count", c_uint64),
        ("unreported_count", c_uint64),
        ("context_loss_count", c_uint64),
        ("input_tokens", c_int64),
        ("cached_tokens", c_int64),
        ("output_tokens", c_int64),
        ("reasoning_tokens", c_int64),
        ("sent_bytes", c_uint64),
        ("http_bytes", c_uint64),
        ("context_tokens", c_int64),
        ("delta_hit_rate", c_double),
    ]


class Counters(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("resend_count", c_uint64),
        ("replay_count", c_uint64),
        ("retried_request_count", c_uint64),
        ("connection_count", c_uint64),
        ("failed_dial_count", c_uint64),
        ("lost_connection_count", c_uint64),
        ("rotation_count", c_uint64),
        ("fallback_count", c_uint64),
        ("key_request_count", c_uint64),
        ("refused_key_count", c_uint64),
        ("recovery_count", c_uint64),
        ("priming_count", c_uint64),
    ]


class Estimate(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("tokens", c_int64),
        ("low", c_int64),
        ("high", c_int64),
        ("uncountable_parts", c_uint64),
    ]


class Message(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("reserved", c_int32),
        ("data", String),
    ]


MessageFunction = CFUNCTYPE(None, c_void_p, POINTER(Message), c_void_p)


class SocketOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("url", c_char_p),
        ("headers", POINTER(Header)),
        ("header_count", c_size_t),
        ("subprotocols", c_char_p),
        ("credentials", c_int32),
        ("report_pongs", c_int32),
        ("report_opening", c_int32),
        ("reserved", c_int32),
        ("receive_queue_bytes_max", c_uint64),
        ("send_queue_bytes_max", c_uint64),
        ("on_message", MessageFunction),
        ("user_data", c_void_p),
    ]


class ConnectionInfo(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("state", c_int32),
        ("http_status", c_int32),
        ("close_code", c_int32),
        ("reserved", c_int32),
        ("round_trip_us", c_int64),
        ("queued_bytes", c_uint64),
        ("header_count", c_size_t),
        ("subprotocol", String),
        ("extensions", String),
        ("peer_address", String),
        ("tls_version", String),
        ("close_reason", String),
    ]


class Steer(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("state", c_int32),
        ("status", c_int32),
        ("message", String),
        ("code", String),
    ]


# ---------------------------------------------------------------------- functions

_Handle = c_void_p
_HandleOut = POINTER(c_void_p)
_status = c_int32

FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "rws_version": (c_char_p, []),
    "rws_version_number": (c_uint32, []),
    "rws_status_name": (c_char_p, [_status]),
    "rws_status_message": (c_char_p, [_status]),
    "rws_last_error": (_status, [POINTER(Error)]),
    "rws_client_new": (_status, [POINTER(ClientOptions), _HandleOut]),
    "rws_client_close": (_status, [_Handle, c_int64]),
    "rws_client_counters": (_status, [_Handle, POINTER(Counters)]),
    "rws_api_key_answer": (_status, [_Handle, c_char_p, c_char_p]),
    "rws_client_free": (None, [_Handle]),
    "rws_session_new": (_status, [_Handle, c_char_p, c_size_t, _HandleOut]),
    "rws_session_new_as": (
        _status,
        [_Handle, c_char_p, c_size_t, POINTER(Identity), _HandleOut],
    ),
    "rws_session_fork": (_status, [_Handle, _HandleOut]),
    "rws_session_connect": (_status, [_Handle, c_int64]),
    "rws_session_response_id": (_status, [_Handle, POINTER(String)]),
    "rws_session_full_body": (_status, [_Handle, c_char_p, c_size_t, POINTER(String)]),
    "rws_session_save": (_status, [_Handle, POINTER(String)]),
    "rws_session_save_file": (_status, [_Handle, c_char_p]),
    "rws_session_restore": (
        _status,
        [_Handle, c_char_p, c_size_t, c_char_p, c_size_t, POINTER(Identity), _HandleOut],
    ),
    "rws_session_ledger": (_status, [_Handle, POINTER(Ledger)]),
    "rws_session_estimate": (_status, [_Handle, c_char_p, c_size_t, POINTER(Estimate)]),
    "rws_session_compact": (_status, [_Handle, c_int64, c_int64, POINTER(Compaction)]),
    "rws_session_count_tokens": (
        _status,
        [_Handle, c_char_p, c_size_t, c_int64, POINTER(c_int64)],
    ),
    "rws_session_descriptor": (_status, [_Handle, POINTER(c_int)]),
    "rws_session_free": (None, [_Handle]),
    "rws_json_tree": (_status, [String, POINTER(c_void_p)]),
    "rws_turn_start": (
        _status,
        [_Handle, c_char_p, c_size_t, POINTER(TurnOptions), _HandleOut],
    ),
    "rws_turn_next": (_status, [_Handle, c_int64, POINTER(Event)]),
    "rws_turn_next_batch": (_status, [_Handle, c_int64, POINTER(EventBatch)]),
    "rws_turn_wait": (_status, [_Handle, c_int64]),
    "rws_turn_cancel": (_status, [_Handle]),
    "rws_turn_result": (_status, [_Handle, POINTER(Result)]),
    "rws_turn_call": (_status, [_Handle, c_size_t, POINTER(Call)]),
    "rws_turn_item": (_status, [_Handle, c_size_t, POINTER(String)]),
    "rws_turn_stats": (_status, [_Handle, POINTER(Stats)]),
    "rws_turn_steer": (_status, [_Handle, c_char_p, c_size_t, POINTER(c_size_t)]),
    "rws_turn_steering": (_status, [_Handle, c_size_t, c_int64, POINTER(Steer)]),
    "rws_turn_successor": (_status, [_Handle, c_int64, _HandleOut]),
    "rws_turn_error": (_status, [_Handle, POINTER(Error)]),
    "rws_turn_free": (None, [_Handle]),
    "rws_socket_new": (_status, [_Handle, POINTER(SocketOptions), _HandleOut]),
    "rws_socket_connect": (_status, [_Handle, c_int64]),
    "rws_socket_send_text": (_status, [_Handle, c_char_p, c_size_t]),
    "rws_socket_send_binary": (_status, [_Handle, c_void_p, c_size_t]),
    "rws_socket_ping": (_status, [_Handle, c_void_p, c_size_t]),
    "rws_socket_flush": (_status, [_Handle, c_int64]),
    "rws_socket_receive": (_status, [_Handle, c_int64, POINTER(Message)]),
    "rws_socket_descriptor": (_status, [_Handle, POINTER(c_int)]),
    "rws_socket_close": (_status, [_Handle, c_uint16, c_char_p, c_size_t, c_int64]),
    "rws_socket_info": (_status, [_Handle, POINTER(ConnectionInfo)]),
    "rws_socket_header": (_status, [_Handle, c_size_t, POINTER(String), POINTER(String)]),
    "rws_socket_error": (_status, [_Handle, POINTER(Error)]),
    "rws_socket_free": (None, [_Handle]),
}
"""Every function of the header: result type, argument types."""

_library_lock = threading.Lock()
_loaded: Optional[Any] = None


def library() -> Any:
    """The library, loaded at the first need."""
    global _loaded
    if _loaded is None:
        with _library_lock:
            if _loaded is None:
                _loaded = _load()
    return _loaded


def _load() -> Any:
    tried = []
    for path in _library.candidates():
        if os.path.sep in path and not os.path.exists(path):
            tried.append(f"{path}: no such file")
            continue
        try:
            return _declare(ctypes.CDLL(path))
        except (OSError, AttributeError, _Mismatch) as error:
            tried.append(f"{path}: {error}")
    raise LibraryNotFound(
        f"{_library.SONAME} was not found. Looked at:\n  "
        + "\n  ".join(tried)
        + f"\nBuild it (make build), or name it in {_library.ENVIRONMENT_VARIABLE}."
    )


class _Mismatch(Exception):
    pass


def _declare(loaded: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    number = loaded.rws_version_number()
    found = (number >> 16, number >> 8 & 0xFF)
    if found[0] != VERSION[0] or found < VERSION:
        raise _Mismatch(f"version {found[0]}.{found[1]}, but this package needs {VERSION[0]}.{VERSION[1]}")
    return loaded


def version() -> str:
    return str(library().rws_version().decode())


# ------------------------------------------------------------------------- errors


def last_error(status: int) -> ResponsesWSError:
    """The exception for a call on this thread that has just returned `status`."""
    details = Error(struct_size=ctypes.sizeof(Error), retry_after_ms=-1)
    # Some statuses (WAIT's TIMEOUT) are no failures to the library: it has no details of them.
    if library().rws_last_error(byref(details)) == OK and details.status == status:
        return exception(details)
    return plain_error(status)


def plain_error(status: int) -> ResponsesWSError:
    """The exception for a status without details."""
    message = library().rws_status_message(status)
    return class_of_status(status)(
        message.decode() if message else f"status {status}", status=named_status(status)
    )


def exception(details: Error) -> ResponsesWSError:
    return class_of_status(details.status)(
        details.message.text(),
        status=named_status(details.status),
        execution=named_execution(details.execution),
        http_status=details.http_status or None,
        close_code=details.close_code or None,
        code=details.code.text() or None,
        type=details.type.text() or None,
        param=details.param.text() or None,
        request_id=details.request_id.text() or None,
        retry_after=details.retry_after_ms / 1000 if details.retry_after_ms >= 0 else None,
        retryable=bool(details.is_retryable),
        body=details.body.copy(),
    )


def turn_error(handle: int) -> Optional[ResponsesWSError]:
    return _end_error(library().rws_turn_error, handle)


def socket_error(handle: int) -> Optional[ResponsesWSError]:
    return _end_error(library().rws_socket_error, handle)


def _end_error(read: Callable[[int, Any], int], handle: int) -> Optional[ResponsesWSError]:
    details = Error(struct_size=ctypes.sizeof(Error), retry_after_ms=-1)
    status = read(handle, byref(details))
    if status == OK:
        return exception(details)
    if status == DONE:
        return None
    return last_error(status)


def check(status: int) -> None:
    if status < 0:
        raise last_error(status)


# ------------------------------------------------------------------------ logging

_log_targets: Dict[int, Callable[[int, str], None]] = {}
_log_key = 0
_log_lock = threading.Lock()


def _log_line(level: int, line: String, key: Optional[int]) -> None:
    target = _log_targets.get(key or 0)
    if target is not None:
        target(level, line.text())


# One callback for all clients, never freed: no thread of the library can meet a dead one.
_log_function = LogFunction(_log_line)


def add_log_target(target: Callable[[int, str], None]) -> int:
    global _log_key
    with _log_lock:
        _log_key += 1
        _log_targets[_log_key] = target
        return _log_key


def remove_log_target(key: int) -> None:
    _log_targets.pop(key, None)


# ----------------------------------------------------------------------- API keys

_key_sources: Dict[int, Callable[[int, bool], None]] = {}
_key_number = 0
_key_lock = threading.Lock()


def _ask_for_key(request: int, is_refused: int, number: Optional[int]) -> None:
    ask = _key_sources.get(number or 0)
    try:
        if ask is not None:
            return ask(request, is_refused != 0)
    except RuntimeError:
        # No thread can be started: the interpreter ends.
        pass
    api_key_answer(request, None, b"Nobody is there to give an API key.")


# Likewise one for all, never freed.
_key_function = KeyFunction(_ask_for_key)


def add_key_source(ask: Callable[[int, bool], None]) -> int:
    global _key_number
    with _key_lock:
        _key_number += 1
        _key_sources[_key_number] = ask
        return _key_number


def remove_key_source(number: int) -> None:
    _key_sources.pop(number, None)


def api_key_answer(request: int, api_key: Optional[bytes], problem: Optional[bytes]) -> None:
    # Whether somebody still waits does not matter.
    library().rws_api_key_answer(request, api_key, problem)


# -------------------------------------------------------------------------- calls


def _header_array(headers: Sequence[Tuple[bytes, bytes]]) -> Any:
    if not headers:
        return None
    return (Header * len(headers))(*(Header(name, value) for name, value in headers))


def client_new(
    *,
    base_url: Optional[bytes],
    api_key: Optional[bytes],
    organization: Optional[bytes],
    project: Optional[bytes],
    headers: Sequence[Tuple[bytes, bytes]],
    ca_file: Optional[bytes],
    proxy: Optional[bytes],
    no_proxy: Optional[bytes],
    client_certificate_file: Optional[bytes],
    client_key_file: Optional[bytes],
    certificate_pins: Sequence[bytes],
    vocabulary_file: Optional[bytes],
    transport: int,
    connect_timeout_ms: int,
    dns_timeout_ms: int,
    tcp_timeout_ms: int,
    tls_timeout_ms: int,
    upgrade_timeout_ms: int,
    first_event_timeout_ms: int,
    event_gap_timeout_ms: int,
    turn_timeout_ms: int,
    ping_interval_ms: int,
    missed_pongs_max: int,
    write_stall_timeout_ms: int,
    idle_timeout_ms: int,
    message_bytes_max: int,
    sent_message_bytes_max: int,
    compression: int,
    is_strict: bool,
    compression_threshold: int,
    replay_policy: int,
    max_retries: int,
    retry_backoff_ms: int,
    connection_age_limit_ms: int,
    prime_rotation: bool,
    key_source: Optional[int],
    websocket_retry_interval_ms: int,
    log_key: Optional[int],
    log_level: int,
) -> int:
    pin_array = (c_char_p * len(certificate_pins))(*certificate_pins)
    options = ClientOptions(
        struct_size=ctypes.sizeof(ClientOptions),
        base_url=base_url,
        api_key=api_key,
        organization=organization,
        project=project,
        headers=_header_array(headers),
        header_count=len(headers),
        ca_file=ca_file,
        proxy=proxy,
        no_proxy=no_proxy,
        client_certificate_file=client_certificate_file,
        client_key_file=client_key_file,
        certificate_pins=pin_array if certificate_pins else None,
        certificate_pin_count=len(certificate_pins),
        vocabulary_file=vocabulary_file,
        transport=transport,
        connect_timeout_ms=connect_timeout_ms,
        dns_timeout_ms=dns_timeout_ms,
        tcp_timeout_ms=tcp_timeout_ms,
        tls_timeout_ms=tls_timeout_ms,
        upgrade_timeout_ms=upgrade_timeout_ms,
        first_event_timeout_ms=first_event_timeout_ms,
        event_gap_timeout_ms=event_gap_timeout_ms,
        turn_timeout_ms=turn_timeout_ms,
        ping_interval_ms=ping_interval_ms,
        missed_pongs_max=missed_pongs_max,
        write_stall_timeout_ms=write_stall_timeout_ms,
        idle_timeout_ms=idle_timeout_ms,
        message_bytes_max=message_bytes_max,
        sent_message_bytes_max=sent_message_bytes_max,
        compression=compression,
        is_strict=is_strict,
        compression_threshold=compression_threshold,
        replay_policy=replay_policy,
        max_retries=max_retries,
        retry_backoff_ms=retry_backoff_ms,
        connection_age_limit_ms=connection_age_limit_ms,
        prime_rotation=prime_rotation,
        websocket_retry_interval_ms=websocket_retry_interval_ms,
        log_level=log_level,
    )
    if key_source is not None:
        options.on_api_key = _key_function
        options.api_key_user_data = key_source
    if log_key is not None:
        options.log = _log_function
        options.log_user_data = log_key
    handle = c_void_p()
    check(library().rws_client_new(byref(options), byref(handle)))
    return handle.value or 0


def session_new(client: int, settings: bytes) -> int:
    handle = c_void_p()
    check(library().rws_session_new(client, settings, len(settings), byref(handle)))
    return handle.value or 0


def identity(
    *,
    api_key: Optional[bytes],
    organization: Optional[bytes],
    project: Optional[bytes],
    headers: Sequence[Tuple[bytes, bytes]],
    key_source: Optional[int],
) -> Identity:
    identity = Identity(
        struct_size=ctypes.sizeof(Identity),
        api_key=api_key,
        organization=organization,
        project=project,
        headers=_header_array(headers),
        header_count=len(headers),
    )
    if key_source is not None:
        identity.on_api_key = _key_function
        identity.api_key_user_data = key_source
    return identity


def session_new_as(client: int, settings: bytes, identity: Identity) -> int:
    handle = c_void_p()
    check(
        library().rws_session_new_as(
            client, settings, len(settings), byref(identity), byref(handle)
        )
    )
    return handle.value or 0


def session_restore(
    client: int, saved: bytes, overrides: bytes, identity: Optional[Identity]
) -> int:
    handle = c_void_p()
    given = None if identity is None else byref(identity)
    check(
        library().rws_session_restore(
            client, saved, len(saved), overrides, len(overrides), given, byref(handle)
        )
    )
    return handle.value or 0


def session_save(session: int) -> bytes:
    out = String()
    check(library().rws_session_save(session, byref(out)))
    return out.copy()


def session_save_file(session: int, path: bytes) -> None:
    check(library().rws_session_save_file(session, path))


def session_fork(session: int) -> int:
    handle = c_void_p()
    check(library().rws_session_fork(session, byref(handle)))
    return handle.value or 0


def session_response_id(session: int) -> str:
    out = String()
    check(library().rws_session_response_id(session, byref(out)))
    return out.text()


def session_full_body(session: int, input: bytes) -> bytes:
    out = String()
    check(library().rws_session_full_body(session, input, len(input), byref(out)))
    return out.copy()


def session_ledger(session: int) -> Ledger:
    out = Ledger(struct_size=ctypes.sizeof(Ledger))
    check(library().rws_session_ledger(session, byref(out)))
    return out


def client_counters(client: int) -> Counters:
    out = Counters(struct_size=ctypes.sizeof(Counters))
    check(library().rws_client_counters(client, byref(out)))
    return out


def session_estimate(session: int, input: bytes) -> Estimate:
    out = Estimate(struct_size=ctypes.sizeof(Estimate))
    check(library().rws_session_estimate(session, input, len(input), byref(out)))
    return out


class CompactionBuffer:
    """Where rws_session_compact() writes."""

    __slots__ = ("_compaction", "reference")

    def __init__(self) -> None:
        self._compaction = Compaction(struct_size=ctypes.sizeof(Compaction))
        self.reference = byref(self._compaction)

    def read(self) -> Tuple[bytes, Usage]:
        return self._compaction.output.copy(), self._compaction.usage


class CountBuffer:
    """Where rws_session_count_tokens() writes."""

    __slots__ = ("_tokens", "reference")

    def __init__(self) -> None:
        self._tokens = c_int64()
        self.reference = byref(self._tokens)

    def read(self) -> int:
        return self._tokens.value


def session_descriptor(session: int) -> int:
    out = c_int()
    check(library().rws_session_descriptor(session, byref(out)))
    return out.value


def turn_start(
    session: int,
    input: bytes,
    *,
    overrides: bytes,
    is_warm_up: bool,
    is_history: bool,
    abandon_calls: bool,
    first_event_timeout_ms: int,
    event_gap_timeout_ms: int,
    turn_timeout_ms: int,
    replay_policy: int,
    transport: int,
) -> int:
    options = TurnOptions(
        struct_size=ctypes.sizeof(TurnOptions),
        overrides=overrides or None,
        overrides_len=len(overrides),
        is_warm_up=is_warm_up,
        is_history=is_history,
        abandon_calls=abandon_calls,
        first_event_timeout_ms=first_event_timeout_ms,
        event_gap_timeout_ms=event_gap_timeout_ms,
        turn_timeout_ms=turn_timeout_ms,
        replay_policy=replay_policy,
        transport=transport,
    )
    handle = c_void_p()
    check(library().rws_turn_start(session, input, len(input), byref(options), byref(handle)))
    return handle.value or 0


def turn_result(turn: int) -> Result:
    """Borrowed: the caller holds the turn's guard until it has copied what it needs."""
    result = Result(struct_size=ctypes.sizeof(Result))
    check(library().rws_turn_result(turn, byref(result)))
    return result


def turn_call(turn: int, index: int) -> Call:
    """Borrowed like turn_result()."""
    call = Call(struct_size=ctypes.sizeof(Call))
    check(library().rws_turn_call(turn, index, byref(call)))
    return call


def turn_item(turn: int, index: int) -> bytes:
    out = String()
    check(library().rws_turn_item(turn, index, byref(out)))
    return out.copy()


def turn_stats(turn: int) -> Stats:
    stats = Stats(struct_size=ctypes.sizeof(Stats))
    check(library().rws_turn_stats(turn, byref(stats)))
    return stats


def socket_new(
    client: int,
    *,
    url: Optional[bytes],
    headers: Sequence[Tuple[bytes, bytes]],
    subprotocols: bytes,
    credentials: int,
    report_pongs: bool,
    receive_queue_bytes_max: int,
    send_queue_bytes_max: int,
) -> int:
    options = SocketOptions(
        struct_size=ctypes.sizeof(SocketOptions),
        url=url,
        headers=_header_array(headers),
        header_count=len(headers),
        subprotocols=subprotocols or None,
        credentials=credentials,
        report_pongs=report_pongs,
        receive_queue_bytes_max=receive_queue_bytes_max,
        send_queue_bytes_max=send_queue_bytes_max,
    )
    handle = c_void_p()
    check(library().rws_socket_new(client, byref(options), byref(handle)))
    return handle.value or 0


def socket_descriptor(socket: int) -> int:
    out = c_int()
    check(library().rws_socket_descriptor(socket, byref(out)))
    return out.value


def socket_info(socket: int) -> ConnectionInfo:
    """Borrowed like turn_result()."""
    info = ConnectionInfo(struct_size=ctypes.sizeof(ConnectionInfo))
    check(library().rws_socket_info(socket, byref(info)))
    return info


def socket_header(socket: int, index: int) -> Tuple[str, str]:
    name, value = String(), String()
    check(library().rws_socket_header(socket, index, byref(name), byref(value)))
    return name.text(), value.text()


class MessageBuffer:
    """Where rws_socket_receive() writes."""

    __slots__ = ("_message", "reference")

    def __init__(self) -> None:
        self._message = Message(struct_size=ctypes.sizeof(Message))
        self.reference = byref(self._message)

    def read(self) -> Tuple[int, bytes]:
        return self._message.kind, self._message.data.copy()


EVENT_WORDS = ctypes.sizeof(Event) // 8
"""The words (8 bytes) of one event in EventMemory."""


def event_word(field: str) -> int:
    """The place of a field among them; a string is two words, its address and its length."""
    place: int = getattr(Event, field).offset
    return place // 8


class EventMemory:
    """The events of one batch, copied out of the library in two pieces: their fields as words, and
    the memory that all their strings lie in."""

    __slots__ = ("words", "base", "bytes")

    def __init__(self, batch: EventBatch) -> None:
        self.words = array("q", string_at(batch.events, batch.count * batch.event_size))
        self.base = batch.memory.data
        """What addresses among the words are to be counted from."""
        self.bytes = batch.memory.copy()


class BatchBuffer:
    """Where rws_turn_next_batch() writes."""

    __slots__ = ("_batch", "reference")

    def __init__(self) -> None:
        self._batch = EventBatch(
            struct_size=ctypes.sizeof(EventBatch), event_size=ctypes.sizeof(Event)
        )
        self.reference = byref(self._batch)

    def copy(self) -> EventMemory:
        return EventMemory(self._batch)


def turn_steer(turn: int, input: bytes) -> int:
    index = c_size_t()
    check(library().rws_turn_steer(turn, input, len(input), byref(index)))
    return index.value


def turn_steering(turn: int, index: int, timeout_ms: int) -> Steer:
    out = Steer(struct_size=ctypes.sizeof(Steer))
    check(library().rws_turn_steering(turn, index, timeout_ms, byref(out)))
    return out


def turn_successor(turn: int, timeout_ms: int) -> Tuple[int, int]:
    """The status (OK, DONE or TIMEOUT) and the handle."""
    handle = c_void_p()
    status: int = library().rws_turn_successor(turn, timeout_ms, byref(handle))
    if status < 0:
        check(status)
    return status, handle.value or 0
