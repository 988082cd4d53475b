"""API keys that are asked for, against responsesws-server; the transport of one turn; the counters."""

import gc
import logging
import threading
import time

import pytest
from peer import SECONDS
from test_sessions import SERVER, server  # noqa: F401

import responsesws

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")

GOOD = "sk-good-0123456789"
BAD = "sk-bad-9876543210"


class Keys:
    """Gives the keys one after the other, then the last for ever."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.told = []
        self.threads = set()

    def __call__(self, refused):
        self.told.append(refused)
        self.threads.add(threading.current_thread().name)
        return self.keys[min(len(self.told), len(self.keys)) - 1]


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_refused_key_is_asked_for_once_more(server, connect, transport):  # noqa: F811
    keys = Keys(BAD, GOOD)
    client = connect(server("--api-key", GOOD), api_key=keys, transport=transport)
    assert client.session(model="rules").run("hello").text == "ECHO: hello"
    assert keys.told == [False, True]
    assert "MainThread" not in keys.threads
    counters = client.counters()
    assert (counters.key_request_count, counters.refused_key_count) == (2, 1)
    assert counters.connection_count == (transport == "websocket")


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_key_that_is_refused_twice_is_the_error(server, connect, transport, caplog):  # noqa: F811
    caplog.set_level(logging.DEBUG)
    client = connect(
        server("--api-key", GOOD), api_key=Keys(BAD), transport=transport, log=logging.getLogger("rws"),
        log_level=responsesws.LOG_DEBUG,
    )  # fmt: skip
    with pytest.raises(responsesws.AuthenticationError) as caught:
        client.session(model="rules").run("hello")
    assert "asking for another API key" in caplog.text
    assert BAD not in caplog.text + str(caught.value) + repr(caught.value) + repr(client)


def test_each_dial_asks(server, connect):  # noqa: F811
    keys = Keys(GOOD)
    client = connect(server("--api-key", GOOD), api_key=keys, transport="http")
    session = client.session(model="rules", store=False)
    for number in range(3):
        session.run(f"turn {number}")
    assert keys.told == [False] * 3
    assert session.count_tokens("more") > 0
    assert session.compact() is not None
    assert len(keys.told) == 5


def test_what_the_callable_raises_is_told(server, connect):  # noqa: F811
    def broken():
        raise RuntimeError("the vault is shut")

    session = connect(server(), api_key=broken).session(model="rules")
    with pytest.raises(responsesws.APIKeyError, match="RuntimeError: the vault is shut") as caught:
        session.run("hello")
    assert caught.value.execution == responsesws.Execution.NOT_SENT


@pytest.mark.parametrize("key", ["", None, 7, "sk-two\r\nlines: 1", "sk-\0"])
def test_what_is_no_key_is_an_error(server, connect, key):  # noqa: F811
    session = connect(server(), api_key=lambda: key).session(model="rules")
    with pytest.raises(responsesws.APIKeyError) as caught:
        session.run("hello")
    assert "sk-two" not in str(caught.value)


def test_a_slow_callable_stops_nobody_else(server, connect):  # noqa: F811
    release = threading.Event()

    def slow():
        release.wait(SECONDS)
        return GOOD

    client = connect(server(), connect_timeout=0.3)
    waiting = client.session(model="rules", identity=responsesws.Identity(api_key=slow))
    turn = waiting.start("hello")
    assert client.session(model="rules").run("fast").text == "ECHO: fast"
    with pytest.raises(responsesws.APIKeyError):
        turn.wait()
    release.set()


def test_the_callable_may_use_the_library(server, connect):  # noqa: F811
    url = server()
    texts = []

    def key():
        if not texts:
            texts.append("")
            with responsesws.Client(url, api_key="", turn_timeout=SECONDS) as other:
                texts.append(other.session(model="rules").run("from within").text)
        return GOOD

    assert connect(url, api_key=key).session(model="rules").run("hello").text == "ECHO: hello"
    assert texts[-1] == "ECHO: from within"


def test_an_identity_has_its_own_callable(server, connect):  # noqa: F811
    url = server("--api-key", GOOD)
    client = connect(url, api_key=BAD)
    identity = responsesws.Identity(api_key=Keys(GOOD))
    session = client.session(model="rules", identity=identity)
    fork = session.fork()
    keys = identity.api_key
    assert GOOD not in repr(identity)
    del identity
    gc.collect()
    assert session.run("hello").text == "ECHO: hello"
    session.close()
    gc.collect()
    assert fork.run("hello").text == "ECHO: hello"
    assert len(keys.told) >= 1


def test_who_is_gone_is_not_asked(server):  # noqa: F811
    calls = []
    entered, release = threading.Event(), threading.Event()

    def key():
        calls.append(1)
        entered.set()
        release.wait(SECONDS)
        return GOOD

    client = responsesws.Client(server(), api_key=key, turn_timeout=SECONDS)
    turn = client.session(model="rules").start("hello")
    assert entered.wait(SECONDS)
    client.close()
    release.set()
    with pytest.raises(responsesws.ResponsesWSError):
        turn.wait()
    time.sleep(0)
    assert len(calls) == 1


def test_a_coroutine_function_runs_in_the_event_loop(server):  # noqa: F811
    import asyncio

    async def main(url):
        loops = []

        async def key(refused):
            loops.append(asyncio.get_running_loop())
            await asyncio.sleep(0.01)
            return GOOD if refused else BAD

        async with responsesws.AsyncClient(url, api_key=key, turn_timeout=SECONDS) as client:
            turn = await client.session(model="rules").run("hello")
            return turn.text, loops == [asyncio.get_running_loop()] * 2

    assert asyncio.run(main(server("--api-key", GOOD))) == ("ECHO: hello", True)


def test_coroutine_functions_need_asyncio():
    async def key():
        return GOOD

    with pytest.raises(responsesws.InvalidArgument, match="AsyncClient"):
        responsesws.Client("ws://127.0.0.1:1/v1", api_key=key)
    with responsesws.Client("ws://127.0.0.1:1/v1", api_key="") as client:
        with pytest.raises(responsesws.InvalidArgument, match="AsyncClient"):
            client.session(model="m", identity=responsesws.Identity(api_key=key))


def test_one_turn_may_have_another_transport(server, connect):  # noqa: F811
    client = connect(server())
    session = client.session(model="rules", store=False)
    turns = [session.run("one"), session.run("two", transport="http"), session.run("RECALL")]
    assert [turn.stats.transport for turn in turns] == ["websocket", "http", "websocket"]
    assert turns[-1].text == "RECALL users=3 tools=0 first=one"
    assert client.counters().connection_count == 1
    with pytest.raises(responsesws.InvalidArgument):
        session.run("three", transport="carrier pigeon")
