"""Sessions saved and restored, by another client and by another process, against the local server."""

import json
import os
import stat
import subprocess
import sys
import threading

import pytest
from conftest import API_KEY, PACKAGE_ROOT
from peer import SECONDS, custom_call, echo, events_of, function_call, message, reasoning
from test_sessions import SERVER, TOOLS, server  # noqa: F401

import responsesws

needs_server = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


def in_another_process(url, path, *inputs):
    """What a fresh interpreter gets from the saved session: (text, is_delta, full_reason) of each turn."""
    program = """
import json, sys
import responsesws
url, path, *inputs = sys.argv[1:]
with responsesws.Client(url, api_key="x", turn_timeout=20) as client:
    session = client.restore(open(path, "rb").read())
    turns = [session.run(text) for text in inputs]
    print(json.dumps([[t.text, t.stats.is_delta, t.stats.full_reason] for t in turns]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, url, path, *inputs], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}, timeout=SECONDS * 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_server
def test_another_process_goes_on_with_one_full_send(server, connect, tmp_path):  # noqa: F811
    url, path = server(), str(tmp_path / "session.json")
    session = connect(url).session(model="rules", store=False, tools=TOOLS)
    turn = session.run("REASON PARALLEL 3 first words")
    session.run([call.output("x") for call in turn.calls[:3]] + [{"role": "user", "content": "on"}])
    session.save_file(path)
    assert in_another_process(url, path, "RECALL", "RECALL") == [
        ["RECALL users=3 tools=3 first=REASON PARALLEL 3 first words", False, "restored"],
        ["RECALL users=4 tools=3 first=REASON PARALLEL 3 first words", True, ""],
    ]


@needs_server
def test_another_process_goes_on_by_the_id_of_a_stored_response(server, connect, tmp_path):  # noqa: F811
    url, path = server(), str(tmp_path / "session.json")
    session = connect(url).session(model="rules", store=True)
    session.run("first words")
    session.save_file(path)
    assert in_another_process(url, path, "RECALL") == [
        ["RECALL users=2 tools=0 first=first words", True, ""]]


def test_the_next_full_body_is_the_same_byte_for_byte(serve, connect):
    outputs = [
        [reasoning("hm"), function_call("f", "{}", "c1"), custom_call("g", "text")],
        [message("done", phase="final"), {"id": "v1", "type": "vendor_thing", "n": 1.0}],
        ["more"],
    ]

    def script(conversation):
        for _, output in zip(conversation.requests(), outputs):
            conversation.answer(*output)
        conversation.until_closed()

    client = connect(serve(script))
    session = client.session(model="m", store=False, temperature=1.0)
    turn = session.run("go")
    session.run([call.output("x") for call in turn.calls])
    session.run("on")
    restored = client.restore(session.save())
    assert restored.full_body("next") == session.full_body("next")
    assert restored.response_id == session.response_id
    assert restored.save() == session.save()


def test_nothing_of_the_key_is_saved(serve, connect, tmp_path):
    client = connect(serve(echo), headers={"X-Secret": "hush-hush"}, organization="org-secret")
    session = client.session(model="m", store=False)
    session.run("hello")
    saved = session.save()
    for secret in (API_KEY, "hush-hush", "org-secret", "Authorization"):
        assert secret.encode() not in saved
    assert json.loads(saved)["version"] == 1


def test_the_file_is_its_owners_alone_and_replaced_whole(serve, connect, tmp_path):
    session = connect(serve(echo)).session(model="m", store=False)
    path = tmp_path / "session.json"
    path.write_text("old")
    path.chmod(0o644)
    session.run("hello")
    session.save_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == session.save()
    assert os.listdir(tmp_path) == ["session.json"]


@pytest.mark.parametrize("path", ["", "none/session.json", "."])
def test_a_file_that_cannot_be_written(serve, connect, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    session = connect(serve(echo)).session(model="m")
    with pytest.raises((responsesws.ResourcesExhausted, responsesws.InvalidArgument)) as caught:
        session.save_file(path)
    assert path in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_settings_may_change_at_the_restore(serve, connect):
    peer = serve(echo)
    client = connect(peer)
    session = client.session(model="m", store=False, temperature=1)
    session.run("hello")
    client.restore(session.save(), model="n", temperature=None).run("again")
    sent = peer.sent(-1)
    assert sent["model"] == "n" and "temperature" not in sent


def test_a_restored_session_may_have_another_identity(serve, connect):
    peer = serve(echo)
    client = connect(peer)
    session = client.session(model="m", store=False)
    session.run("hello")
    other = client.restore(session.save(), identity=responsesws.Identity(api_key="sk-other"))
    assert other.run("again").text == "echo: again"
    keys = [connection.headers["Authorization"] for connection in peer.connections]
    assert keys == [f"Bearer {API_KEY}", "Bearer sk-other"]


def test_while_a_turn_runs_what_is_committed_is_saved(serve, connect):
    began, may_end = threading.Event(), threading.Event()

    def script(conversation):
        conversation.request()
        conversation.answer("one")
        conversation.request()
        *most, last = events_of("two")
        conversation.send(*most)
        began.set()
        assert may_end.wait(SECONDS)
        conversation.send(last)
        conversation.until_closed()

    session = connect(serve(script)).session(model="m", store=False)
    session.run("first")
    before = session.save()
    turn = session.start("second")
    assert began.wait(SECONDS) and session.save() == before
    may_end.set()
    turn.wait(SECONDS)
    assert session.save() != before


@pytest.mark.parametrize(
    "saved, error",
    [
        (b"", responsesws.InvalidJSON),
        (b"null", responsesws.InvalidJSON),
        (b"{}", responsesws.InvalidJSON),
        (b"\xff", responsesws.InvalidJSON),
        (b'{"format":"responsesws.session","version":7}', responsesws.InvalidArgument),
        ("{}", responsesws.InvalidArgument),
    ],
)
def test_what_is_no_saved_session_is_refused(serve, connect, saved, error):
    client = connect(serve(echo))
    with pytest.raises(error):
        client.restore(saved)


def test_a_closed_session_cannot_be_saved(serve, connect):
    session = connect(serve(echo)).session(model="m")
    session.close()
    with pytest.raises(responsesws.Closed):
        session.save()
