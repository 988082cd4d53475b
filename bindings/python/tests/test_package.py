"""What needs no peer: names, JSON, argument checks, finding the library, the shape of errors."""

import ast
import builtins
import inspect
import json
import math
import os
import re
import subprocess
import sys

import pytest
from conftest import API_KEY, PACKAGE_ROOT, REPOSITORY

import responsesws
from responsesws import _errors, _json, _library, _results
from responsesws._json import encode, encode_fields, encode_input
from responsesws._time import Patience, limit_ms

SOURCES = sorted((PACKAGE_ROOT / "responsesws").glob("*.py"))


def test_public_names_are_these():
    assert sorted(responsesws.__all__) == responsesws.__all__
    for name in responsesws.__all__:
        assert hasattr(responsesws, name)
        assert not hasattr(builtins, name)
    in_tree = set(re.findall(r"── (\w+)", _errors.__doc__)) | {"ResponsesWSError"}
    classes = {n for n, v in vars(_errors).items() if inspect.isclass(v) and issubclass(v, Exception)}
    assert in_tree == classes
    assert in_tree <= set(responsesws.__all__)


def test_only_ffi_touches_ctypes():
    for source in SOURCES:
        imported = set()
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module)
        assert ("ctypes" in imported) == (source.name == "_ffi.py")
        roots = {name.split(".")[0] for name in imported}
        # Python 3.9 cannot list its own modules.
        known = getattr(sys, "stdlib_module_names", roots)
        assert roots <= set(known), "the standard library is all that is needed"


def test_the_package_parses_as_python_3_9():
    for source in SOURCES:
        ast.parse(source.read_text(), feature_version=(3, 9))


# --------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "value",
    ["plain", "ünïcode 日本 🙂", 'quotes " and \\ and \n', "nul \0", "lone \ud800 surrogate \udfff"],
)
def test_text_survives_encoding(value):
    assert json.loads(encode({"text": value})) == {"text": value}
    assert json.loads(encode_input(value)) == value


def test_encoding_is_compact_utf8():
    assert encode({"a": [1, 2.5, None, True], "é": "ü"}) == '{"a":[1,2.5,null,true],"é":"ü"}'.encode()


def test_inputs_take_their_documented_forms():
    item = {"type": "message", "role": "user", "content": "x"}
    raw = b'{"type": "message", "n": 1.0}'
    assert encode_input(None) == b""
    assert encode_input("x") == b'"x"'
    assert json.loads(encode_input(item)) == [item]
    assert json.loads(encode_input([item, item])) == [item, item]
    assert encode_input(()) == b"[]"
    assert encode_input(raw) == b"[" + raw + b"]"
    assert encode_input(b" [" + raw + b"]") == b" [" + raw + b"]"
    assert encode_input([raw, raw]) == b"[" + raw + b"," + raw + b"]"
    assert encode_input(memoryview(b'"x"')) == b'"x"'


def test_body_fields_take_their_documented_forms():
    assert encode_fields(None, {"a": 1}) == b'{"a":1}'
    assert encode_fields({"a": 1, "b": 2}, {"a": 3}) == b'{"a":3,"b":2}'
    assert encode_fields(b'{"a": 1.0}', {}) == b'{"a": 1.0}'
    with pytest.raises(responsesws.InvalidArgument):
        encode_fields(b"{}", {"a": 1})
    with pytest.raises(responsesws.InvalidArgument):
        encode_fields("{}", {})


@pytest.mark.parametrize("value", [object(), math.nan, math.inf, {1, 2}, [[object()]]])
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(responsesws.InvalidArgument, match="no JSON form"):
        encode(value)


def test_deep_nesting_is_refused_not_fatal():
    deep = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(responsesws.InvalidArgument):
        encode(deep)


def test_an_input_of_another_kind_is_refused():
    with pytest.raises(responsesws.InvalidArgument, match="not int"):
        encode_input(7)


def test_tool_calls_make_their_output_items():
    call = _results.ToolCall(
        _results.CallKind.FUNCTION, "call_1", "f", '{"a": [1]}', True, b'{"id": "fc"}'
    )
    assert call.json() == {"a": [1]}
    assert call.item == {"id": "fc"}
    assert call.output("text") == {
        "type": "function_call_output", "call_id": "call_1", "output": "text",
    }  # fmt: skip
    assert call.output({"ok": "ü"})["output"] == '{"ok":"ü"}'
    custom = call._replace(kind=_results.CallKind.CUSTOM)
    assert custom.output("x")["type"] == "custom_tool_call_output"


# --------------------------------------------------------------------------- time


def test_time_limits_become_milliseconds():
    assert limit_ms("t", None) == 0
    assert limit_ms("t", math.inf) == -1
    assert limit_ms("t", 1.5) == 1500
    assert limit_ms("t", 1e-9) == 1, "never 0, which would mean the default"
    assert limit_ms("t", 1e300) == -1
    for wrong in (0, -1, math.nan):
        with pytest.raises(ValueError, match="t must be a positive number"):
            limit_ms("t", wrong)


def test_waits_stay_in_the_library_for_short_slices():
    assert Patience(None).slice_ms() == Patience(1000).slice_ms() <= 200
    assert Patience(0).slice_ms() == 0
    assert Patience(0).left() == 0
    for wrong in (-1, math.nan):
        with pytest.raises(responsesws.InvalidArgument):
            Patience(wrong)


# ------------------------------------------------------------------------- errors


def test_errors_are_also_what_python_programs_catch():
    assert issubclass(responsesws.LibraryNotFound, ImportError)
    assert issubclass(responsesws.InvalidArgument, ValueError)
    for timeout in ("WaitTimeout", "ConnectTimeout", "FirstEventTimeout", "EventGapTimeout", "TurnTimeout"):
        assert issubclass(getattr(responsesws, timeout), TimeoutError)


@pytest.mark.parametrize("status", list(responsesws.Status))
def test_every_error_can_be_made_and_printed(status):
    error = _errors.class_of_status(status)(
        "what happened", status=status, http_status=400, retry_after=1.5, body=b"{}"
    )
    assert str(error) == error.message == "what happened"
    assert error.status is status
    assert (error.http_status, error.retry_after, error.body) == (400, 1.5, b"{}")
    assert (error.code, error.close_code, error.retryable) == (None, None, False)


def test_a_status_of_a_newer_library_falls_back_to_its_band():
    assert _errors.class_of_status(-299) is responsesws.NetworkError
    assert _errors.class_of_status(-777) is responsesws.ResponsesWSError
    assert _errors.named_status(-299) == -299
    assert _errors.named_execution(99) is responsesws.Execution.UNKNOWN


# ------------------------------------------------------------------ configuration


@pytest.mark.parametrize("Client", [responsesws.Client, responsesws.AsyncClient])
@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://example.test"},
        {"base_url": "not a url"},
        {"base_url": "ws://a\0b"},
        {"api_key": API_KEY + "\0"},
        {"api_key": API_KEY + "\r\nX-Evil: 1"},
        {"headers": {"X-A": "b\r\nX-Evil: 1"}},
        {"headers": {"X A": "b"}},
        {"headers": [("X-A", "b\0")]},
        {"headers": {"X-A": 1}},
        {"connect_timeout": 0},
        {"dns_timeout": 0},
        {"tcp_timeout": -1},
        {"tls_timeout": 0},
        {"upgrade_timeout": 0},
        {"certificate_pins": ["sha256/AAAA"]},
        {"certificate_pins": ["sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAA="]},
        {"certificate_pins": "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"certificate_pins": [1]},
        {"client_certificate_file": "a\0b"},
        {"turn_timeout": -1},
        {"ping_interval": 0},
        {"write_stall_timeout": -1},
        {"idle_timeout": 0},
        {"missed_pongs_max": 0},
        {"missed_pongs_max": 1001},
        {"missed_pongs_max": 2**32 + 1},
        {"message_bytes_max": 0},
        {"message_bytes_max": 2**64},
        {"message_bytes_max": 2**31},
        {"sent_message_bytes_max": 0},
        {"sent_message_bytes_max": 2**31},
        {"compression_threshold": -1},
    ],
    ids=str,
)
def test_wrong_options_are_refused(Client, options):
    with pytest.raises(responsesws.InvalidArgument) as caught:
        Client(**options)
    assert API_KEY not in str(caught.value)
    assert "Evil" not in str(caught.value), "a header's value may be a credential"


@pytest.mark.parametrize("option", ["ca_file", "client_certificate_file"])
def test_a_certificate_file_that_cannot_be_read_is_a_tls_error(tmp_path, option):
    with pytest.raises(responsesws.TLSError) as caught:
        responsesws.Client("wss://localhost/v1", **{option: tmp_path / "none.pem"})
    assert "none.pem" in str(caught.value)


def test_repr_shows_no_credential():
    with responsesws.Client("ws://127.0.0.1:9/v1", api_key=API_KEY) as client:
        assert API_KEY not in repr(client)
        assert repr(client) == "<Client open>"
    assert repr(client) == "<Client closed>"


@pytest.mark.parametrize(
    "settings",
    [b"", b"{", b"[]", b'"x"', b"{} x", b'{"a":01}', b'{"a":"\x01"}', b"\xff"],
    ids=repr,
)
def test_settings_that_are_no_json_object_are_refused(settings):
    with responsesws.Client("ws://127.0.0.1:9/v1") as client:
        with pytest.raises(responsesws.InvalidJSON):
            client.session(settings)


@pytest.mark.parametrize("field", ["input", "previous_response_id", "type", "stream_id", "generate"])
def test_fields_that_are_the_librarys_are_no_settings(field):
    with responsesws.Client("ws://127.0.0.1:9/v1") as client:
        with pytest.raises(responsesws.UsageError, match=field):
            client.session({field: "x"}, model="m")


# ------------------------------------------------------------- finding the library


def run_python(code, **environment):
    env = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )


def test_a_named_library_is_the_only_one_tried():
    code = "import responsesws; responsesws.Client()"
    done = run_python(code, RESPONSESWS_LIBRARY="/nowhere/libresponsesws.so")
    assert "LibraryNotFound" in done.stderr
    assert "/nowhere/libresponsesws.so: no such file" in done.stderr
    assert "RESPONSESWS_LIBRARY" in done.stderr
    assert "build/lib" not in done.stderr


def test_a_library_that_is_another_is_refused():
    import ctypes.util

    other = ctypes.util.find_library("c")
    done = run_python("import responsesws; responsesws.Client()", RESPONSESWS_LIBRARY=other)
    assert "LibraryNotFound" in done.stderr and "rws_version" in done.stderr


def test_without_a_name_it_looks_beside_itself_in_the_checkout_then_where_the_system_does(monkeypatch):
    monkeypatch.delenv("RESPONSESWS_LIBRARY", raising=False)
    paths = list(_library.candidates())
    assert paths[0] == str(PACKAGE_ROOT / "responsesws" / "libresponsesws.so.0")
    assert paths[-1] == "libresponsesws.so.0"
    assert str(REPOSITORY / "build" / "lib" / "libresponsesws.so.0") in paths


def test_importing_needs_no_library():
    done = run_python("import responsesws", RESPONSESWS_LIBRARY="/nowhere.so")
    assert done.returncode == 0, done.stderr
