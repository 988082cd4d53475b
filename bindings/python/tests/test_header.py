"""_ffi.py and the enumerations say what Include/responsesws.h says."""

import ctypes
import re
import subprocess
from array import array

import pytest
from conftest import REPOSITORY

from responsesws import _errors, _ffi, _results, _socket
from responsesws._errors import Execution, Status
from responsesws._events import EventKind
from responsesws._recovery import Replay

HEADER = REPOSITORY / "Include" / "responsesws.h"

# Nothing but the header can be asked when the package was installed without the repository.
pytestmark = pytest.mark.skipif(not HEADER.is_file(), reason="no source checkout")

STRUCTS = {
    "rws_string": _ffi.String,
    "rws_error": _ffi.Error,
    "rws_header": _ffi.Header,
    "rws_identity": _ffi.Identity,
    "rws_compaction": _ffi.Compaction,
    "rws_client_options": _ffi.ClientOptions,
    "rws_event": _ffi.Event,
    "rws_event_batch": _ffi.EventBatch,
    "rws_turn_options": _ffi.TurnOptions,
    "rws_usage": _ffi.Usage,
    "rws_result": _ffi.Result,
    "rws_call": _ffi.Call,
    "rws_stats": _ffi.Stats,
    "rws_steer": _ffi.Steer,
    "rws_ledger": _ffi.Ledger,
    "rws_estimate": _ffi.Estimate,
    "rws_counters": _ffi.Counters,
    "rws_message": _ffi.Message,
    "rws_socket_options": _ffi.SocketOptions,
    "rws_connection_info": _ffi.ConnectionInfo,
}

HANDLES = ("rws_client", "rws_session", "rws_turn", "rws_socket", "rws_api_key_request")

SCALARS = {
    "int": ctypes.c_int,
    "uint16_t": ctypes.c_uint16,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "rws_status": ctypes.c_int32,
    "rws_event_kind": ctypes.c_int32,
    "rws_outcome": ctypes.c_int32,
    "rws_transport": ctypes.c_int32,
    "rws_call_kind": ctypes.c_int32,
    "rws_execution": ctypes.c_int32,
    "rws_steer_state": ctypes.c_int32,
    "rws_string": _ffi.String,
    "rws_usage": _ffi.Usage,
    "rws_log_fn": _ffi.LogFunction,
    "rws_api_key_fn": _ffi.KeyFunction,
    "rws_event_fn": _ffi.EventFunction,
    "rws_message_kind": ctypes.c_int32,
    "rws_message_fn": _ffi.MessageFunction,
    "rws_credentials": ctypes.c_int32,
    "rws_socket_state": ctypes.c_int32,
}


@pytest.fixture(scope="module")
def code():
    """The header without its comments and macros."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return re.sub(r"^\s*#(?:.*\\\n)*.*$", "", text, flags=re.M)


def ctypes_of(declaration):
    """The ctypes type of a C parameter or result like "const rws_error *error_out"."""
    text = re.sub(r"\b(const|struct)\b", " ", declaration).strip()
    base, stars = re.match(r"(\w+)\s*(\**)", text).groups()
    if base == "void" and not stars:
        return None
    if base == "char" and stars == "*":
        return ctypes.c_char_p
    if base == "void" or (base in HANDLES and stars == "*"):
        return ctypes.c_void_p
    if stars == "**":
        return ctypes.POINTER(ctypes.c_void_p)
    plain = SCALARS.get(base) or STRUCTS[base]
    return ctypes.POINTER(plain) if stars else plain


def test_every_function_is_declared_with_its_types(code):
    found = {}
    for result, name, parameters in re.findall(
        r"^((?:const )?\w+ \**)(rws_\w+)\(([^;{]*)\);", code, flags=re.M
    ):
        given = [p.strip() for p in parameters.split(",") if p.strip() != "void"]
        found[name] = (ctypes_of(result), [ctypes_of(parameter) for parameter in given])
    assert found == _ffi.FUNCTIONS


def test_every_function_of_the_header_is_exported_and_callable():
    loaded = _ffi.library()
    for name, (result, arguments) in _ffi.FUNCTIONS.items():
        function = getattr(loaded, name)
        assert (function.restype, function.argtypes) == (result, arguments)


def test_structs_have_the_compilers_layout(code, tmp_path):
    lines = []
    for name, fields in re.findall(r"typedef struct (rws_\w+) \{([^}]*)\}", code):
        lines.append(f'printf("{name} %zu 0\\n", sizeof({name}));')
        for field in re.findall(r"(\w+)\s*;", fields):
            lines.append(
                f'printf("{name}.{field} %zu %zu\\n", sizeof((({name} *)0)->{field}), '
                f"offsetof({name}, {field}));"
            )
    source = tmp_path / "layout.c"
    body = "\n  ".join(lines)
    source.write_text(
        f'#include <stdio.h>\n#include "responsesws.h"\nint main(void) {{\n  {body}\n  return 0;\n}}\n'
    )
    program = tmp_path / "layout"
    subprocess.run(
        ["gcc", "-std=c11", f"-I{HEADER.parent}", source, "-o", program], check=True, timeout=60
    )
    theirs = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60).stdout

    ours = []
    for name, struct in STRUCTS.items():
        ours.append(f"{name} {ctypes.sizeof(struct)} 0")
        for field, _ in struct._fields_:
            place = getattr(struct, field)
            ours.append(f"{name}.{field} {place.size} {place.offset}")
    assert sorted(theirs.splitlines()) == sorted(ours)


def test_an_event_read_as_words_is_what_the_struct_holds():
    event = _ffi.Event()
    for number, (name, kind) in enumerate(_ffi.Event._fields_[1:], 1):
        if kind is _ffi.String:
            getattr(event, name).data, getattr(event, name).len = number * 100, number
        elif name != "reserved":
            setattr(event, name, number)
    words = array("q", bytes(event))
    assert len(words) == _ffi.EVENT_WORDS
    for name, kind in _ffi.Event._fields_:
        place = _ffi.event_word(name)
        if kind is _ffi.String:
            assert words[place : place + 2].tolist() == [getattr(event, name).data, getattr(event, name).len]
        elif name != "reserved":
            assert words[place] == getattr(event, name)


def test_the_status_table_is_the_headers():
    table = re.findall(r"\bX\((\w+), (-?\d+), \"", HEADER.read_text())
    assert {name: int(value) for name, value in table} == {s.name: s.value for s in Status}


def test_every_error_status_has_a_class_of_its_own_in_its_band():
    classes = {status: _errors.CLASS_OF_STATUS[status] for status in Status if status < 0}
    assert len(set(classes.values())) == len(classes)
    for status, leaf in classes.items():
        assert issubclass(leaf, _errors._CLASS_OF_BAND[-status // 100])
        assert leaf.default_status == status or leaf is _errors.APIError
    assert _errors.CLASS_OF_STATUS[Status.TIMEOUT] is _errors.WaitTimeout


@pytest.mark.parametrize(
    "prefix, ours",
    [
        ("RWS_EVENT_", EventKind),
        ("RWS_EXECUTION_", Execution),
        ("RWS_OUTCOME_", _results.Outcome),
        ("RWS_CALL_", _results.CallKind),
        ("RWS_CREDENTIALS_", _socket.Credentials),
        ("RWS_SOCKET_", _socket.SocketState),
        ("RWS_REPLAY_(?!DEFAULT)", Replay),
    ],
)
def test_enumerations_are_the_headers(code, prefix, ours):
    theirs = re.findall(rf"\b{prefix}(\w+) = (\d+)", code)
    assert {name: int(value) for name, value in theirs} == {m.name: m.value for m in ours}


def test_transports_are_the_headers(code):
    theirs = re.findall(r"\bRWS_TRANSPORT_(\w+) = (\d+)", code)
    assert {name.lower(): int(value) for name, value in theirs} == _ffi.TRANSPORTS


def test_log_levels_are_the_headers(code):
    import responsesws

    for name, value in re.findall(r"\b(RWS_LOG_\w+) = (\d+)", code):
        assert getattr(responsesws, name.replace("RWS_", "")) == int(value)


def test_the_version_is_the_headers():
    numbers = re.findall(r"#define RWS_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER.read_text())
    import responsesws

    assert responsesws.__version__ == ".".join(numbers)
    assert responsesws.library_version() == ".".join(numbers)
    assert _ffi.library().rws_version_number() >> 16 == int(numbers[0])
