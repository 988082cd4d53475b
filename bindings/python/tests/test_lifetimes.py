"""Cancel, close, collect, fork and exit: in any order, at any time, from any thread."""

import gc
import itertools
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref

import pytest
from conftest import API_KEY, PACKAGE_ROOT
from peer import SECONDS, echo, events_of, items_of

import responsesws
from responsesws import Outcome


def stalling(conversation):
    """Streams some text, then nothing more."""
    conversation.request()
    conversation.send(*events_of("some text that stops")[:6])
    conversation.until_closed()


def started(session, text="x"):
    """A turn in mid-stream."""
    turn = session.start(text)
    while not turn.next(SECONDS).delta:
        pass
    return turn


def eventually(condition):
    """Waits for what the library does on its own thread."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# -------------------------------------------------------------------------- cancel


def test_cancel_then_continue_from_the_last_committed_response(talk):
    cancelled, finished = threading.Event(), threading.Event()

    def script(conversation):
        for request in conversation.requests():
            text = items_of(request)[-1]["content"]
            events = events_of(f"echo: {text}", response_id=f"resp_{text}")
            if text == "two":
                conversation.send(*events[:5])
                assert cancelled.wait(SECONDS)
                try:
                    # A server does not know of the cancel and goes on to the end.
                    conversation.send(*events[5:])
                finally:
                    finished.set()
            else:
                conversation.send(*events)

    session, peer = talk(script)
    session.run("one")
    turn = started(session, "two")
    turn.cancel()
    with pytest.raises(responsesws.Cancelled):
        turn.wait(SECONDS)
    with pytest.raises(responsesws.Cancelled):
        turn.next(0)
    assert turn.outcome is Outcome.CANCELLED
    assert turn.text and "echo: two".startswith(turn.text)
    assert session.response_id == "resp_one"
    turn.cancel()
    cancelled.set()
    assert finished.wait(SECONDS)

    after = session.start("three")
    seen = list(after)
    assert after.text == "echo: three"
    assert seen[0].response["id"] == seen[-1].response["id"] == "resp_three"
    sent = peer.sent()
    assert sent.get("previous_response_id") in (None, "resp_one")
    assert "two" not in str(sent["input"])


def test_cancelling_what_has_ended_changes_nothing(talk):
    session, _ = talk(echo)
    turn = session.run("x")
    turn.cancel()
    assert turn.outcome is Outcome.COMPLETED and turn.wait().text == "echo: x"


def test_a_turn_that_waits_for_its_predecessor_can_be_cancelled(talk):
    session, peer = talk(stalling)
    first = started(session)
    second = session.start("never sent")
    second.cancel()
    with pytest.raises(responsesws.Cancelled) as caught:
        second.wait(SECONDS)
    assert caught.value.execution is responsesws.Execution.NOT_SENT
    assert first.outcome is Outcome.RUNNING
    assert len(peer.requests) == 1


def test_leaving_the_block_cancels_what_still_runs(talk):
    session, _ = talk(stalling)
    with session.start("x") as turn:
        turn.next(SECONDS)
    assert turn.outcome is Outcome.CANCELLED
    with pytest.raises(ZeroDivisionError):
        with session.start("x") as turn:
            raise ZeroDivisionError
    assert turn.outcome is Outcome.CANCELLED


# --------------------------------------------------------------------------- close


def test_use_after_close_is_an_error_everywhere(talk):
    session, _ = talk(echo)
    turn = session.run("x")
    turn.close()
    turn.close()
    for use in (
        lambda: turn.text, lambda: turn.calls, lambda: turn.stats, lambda: turn.error,
        lambda: turn.next(0), lambda: turn.wait(0), turn.cancel, lambda: list(turn),
    ):  # fmt: skip
        with pytest.raises(responsesws.Closed):
            use()
    assert "closed" in repr(turn)

    session.close()
    session.close()
    for use in (
        lambda: session.start("x"), lambda: session.run("x"), lambda: session.connect(0),
        lambda: session.response_id, lambda: session.full_body("x"), lambda: session.descriptor,
    ):  # fmt: skip
        with pytest.raises(responsesws.Closed):
            use()
    assert "closed" in repr(session)


def test_what_a_closed_client_leaves_behind(serve, connect):
    client = connect(serve(echo))
    session = client.session(model="m")
    turn = session.run("x")
    client.close()
    client.close()
    assert turn.text == "echo: x", "what was received stays readable"
    with pytest.raises(responsesws.Closed):
        client.session(model="m")
    with pytest.raises(responsesws.Closed):
        session.start("y")


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("client", "session", "turn"))), ids="-".join
)
def test_any_order_of_closing_in_mid_stream(serve, connect, order):
    client = connect(serve(stalling))
    session = client.session(model="m")
    turn = started(session)
    things = {"client": client, "session": session, "turn": turn}
    for name in order:
        things[name].close()
        if "turn" not in order[: order.index(name) + 1]:
            assert turn.outcome is Outcome.CANCELLED
            with pytest.raises(responsesws.ResponsesWSError):
                turn.wait(SECONDS)


def test_the_peer_gets_a_close_frame(serve, connect):
    codes = []

    def script(conversation):
        echo(conversation)
        codes.append(conversation.connection.close_code)

    client = connect(serve(script))
    client.session(model="m").run("x")
    client.close()
    eventually(lambda: codes)
    assert codes == [1000]


def test_children_keep_their_parents(serve, face):
    peer = serve(echo)
    turn = face.Client(peer.url, api_key=API_KEY, turn_timeout=SECONDS).session(model="m").start("x")
    gc.collect()
    assert turn.wait(SECONDS).text == "echo: x"


@pytest.mark.parametrize("cycle", [False, True], ids=["straight", "in a cycle"])
def test_collection_closes(serve, cycle):
    peer = serve(stalling)
    client = responsesws.Client(peer.url, api_key=API_KEY)
    session = client.session(model="m")
    turn = started(session)
    if cycle:
        client.cycle, session.cycle, turn.cycle = turn, client, session
    watched = [weakref.ref(thing) for thing in (client, session, turn)]
    del client, session, turn
    gc.collect()
    assert [ref() for ref in watched] == [None, None, None]
    eventually(lambda: peer.connections[0].connection.close_code is not None)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


def test_no_descriptor_and_no_thread_is_left(serve, closed_port, certificates):
    plain, secure = serve(echo), serve(stalling, tls=certificates.good)

    def use_all():
        with responsesws.Client(plain.url, api_key=API_KEY) as client:
            client.session(model="m").run("x")
        # Nothing is closed here: collection has to do it.
        client = responsesws.Client(secure.url, ca_file=certificates.good.certificate)
        started(client.session(model="m"))
        with responsesws.Client(f"ws://127.0.0.1:{closed_port}/v1") as client:
            with pytest.raises(responsesws.ConnectionRefused):
                client.session(model="m").run("x")

    def settle():
        gc.collect()
        # The peers are in this process, too: their ends take a moment.
        for peer in (plain, secure):
            for conversation in peer.connections:
                eventually(lambda c=conversation: c.connection.socket.fileno() == -1)
        return descriptors(), threads()

    use_all()
    before = settle()
    for _ in range(3):
        use_all()
    # A thread of the peer may end a moment after its socket.
    eventually(lambda: settle() <= before)
    assert settle() == before


# ------------------------------------------------------------------------- threads


def in_threads(*functions):
    """Runs them at once; returns what they return or raise."""
    results = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(index, function):
        barrier.wait(SECONDS)
        try:
            results[index] = function()
        except responsesws.ResponsesWSError as error:
            results[index] = error

    workers = [
        threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(functions)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(SECONDS * 2)
        assert not worker.is_alive()
    return results


def test_many_threads_share_a_client(serve):
    with responsesws.Client(serve(echo).url, api_key=API_KEY, turn_timeout=SECONDS) as client:

        def work(name):
            session = client.session(model="m")
            return [session.run(f"{name} {turn}").text for turn in range(10)]

        results = in_threads(*(lambda n=name: work(n) for name in range(8)))
    assert results == [[f"echo: {name} {turn}" for turn in range(10)] for name in range(8)]


def test_many_threads_share_a_session(serve):
    with responsesws.Client(serve(echo).url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        session = client.session(model="m")
        results = in_threads(*(lambda n=n: session.run(f"{n}").text for n in range(16)))
    assert results == [f"echo: {n}" for n in range(16)]


def test_two_readers_of_one_turn_share_or_are_told_so(serve):
    text = "0123456789" * 200

    def script(conversation):
        conversation.request()
        conversation.answer(text, pieces=500)
        conversation.until_closed()

    with responsesws.Client(serve(script).url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        turn = client.session(model="m").start("x")

        def read():
            pieces = []
            while True:
                try:
                    event = turn.next(SECONDS)
                except responsesws.Busy:
                    continue
                if event is None:
                    return pieces
                pieces.append(event.delta)
                assert not event.delta or event.delta in text and len(turn.text) >= len(event.delta)

        results = in_threads(read, read, read)
    assert sum(len("".join(pieces)) for pieces in results) == len(text)


@pytest.mark.parametrize("what", ["turn", "session", "client"])
def test_closing_under_a_waiting_thread_wakes_it(serve, what):
    client = responsesws.Client(serve(stalling).url, api_key=API_KEY)
    session = client.session(model="m")
    turn = started(session)
    waiting = threading.Event()

    def wait():
        waiting.set()
        for _ in turn:
            pass

    def close():
        waiting.wait(SECONDS)
        {"turn": turn, "session": session, "client": client}[what].close()

    result, _ = in_threads(wait, close)
    assert isinstance(result, (responsesws.Cancelled, responsesws.Closed))
    client.close()


def test_reading_results_while_closing_is_safe(serve):
    with responsesws.Client(serve(echo).url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        for _ in range(20):
            turn = client.session(model="m").run("x" * 10_000)

            def read():
                for _ in range(1000):
                    assert len(turn.text) == 10_006

            results = in_threads(read, read, turn.close)
            assert isinstance(results[0], (responsesws.Closed, type(None)))


# ----------------------------------------------------------------- calls from the log


def test_a_waiting_call_from_the_log_is_refused_and_others_work(serve):
    seen = {}
    clients = []

    def log(level, line):
        # Lines of the caller's own thread may wait; those of the library's must not.
        if "error" in seen or threading.current_thread() is threading.main_thread():
            return
        try:
            seen["turn"] = clients[0].session(model="m").start("from the log")
            seen["turn"].wait(1)
            seen["error"] = None
        except responsesws.ResponsesWSError as error:
            seen["error"] = error

    peer = serve(echo)
    clients.append(
        responsesws.Client(peer.url, api_key=API_KEY, log=log, log_level=responsesws.LOG_DEBUG)
    )
    with clients[0] as client:
        assert client.session(model="m").run("x").text == "echo: x"
        eventually(lambda: "error" in seen)
        assert isinstance(seen["error"], responsesws.WouldDeadlock)
        assert seen["turn"].wait(SECONDS).text == "echo: from the log"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_log_that_raises_harms_nobody(serve):
    def log(level, line):
        raise ZeroDivisionError

    with responsesws.Client(
        serve(echo).url, api_key=API_KEY, log=log, log_level=responsesws.LOG_DEBUG
    ) as client:
        assert client.session(model="m").run("x").text == "echo: x"


@pytest.mark.parametrize("what", ["close", "collect"])
def test_a_client_can_end_in_its_own_log(serve, what):
    clients, done = [], threading.Event()

    def log(level, line):
        if clients and not done.is_set():
            if what == "close":
                clients[0]._handle.close()
            clients.clear()
            gc.collect()
            done.set()

    client = responsesws.Client(
        serve(echo).url, api_key=API_KEY, log=log, log_level=responsesws.LOG_DEBUG
    )
    session = client.session(model="m")
    clients.append(client)
    turn = session.start("x")
    del client, session
    try:
        turn.wait(SECONDS)
    except responsesws.ResponsesWSError:
        pass
    assert done.wait(SECONDS)


# ----------------------------------------------------------------- the caller's loop


def test_the_descriptor_tells_a_loop_of_ones_own(serve):
    go_on = threading.Event()

    def script(conversation):
        conversation.request()
        assert go_on.wait(SECONDS)
        conversation.answer("text")
        conversation.until_closed()

    with responsesws.Client(serve(script).url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        with client.session(model="m") as session:
            turn = session.start("x")
            poll = select.poll()
            poll.register(session, select.POLLIN)
            assert poll.poll(0) == []
            go_on.set()
            kinds = []
            while True:
                assert poll.poll(SECONDS * 1000)
                try:
                    event = turn.next(0)
                except responsesws.WaitTimeout:
                    continue
                if event is None:
                    break
                kinds.append(event.kind)
            assert kinds[-1] is responsesws.EventKind.RESPONSE_COMPLETED
            assert poll.poll(0) == [], "all was read"


# ------------------------------------------------------------------ fork, exit, Ctrl-C


def child_process(function):
    """Runs it in a forked child; its return value is the exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = function()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = time.monotonic() + SECONDS
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.005)


# Forking a process that has threads is what is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_forked_child_gets_errors_and_the_parent_goes_on(serve, certificates, secure):
    go_on = threading.Event()

    def script(conversation):
        events = events_of("some text")
        conversation.request()
        conversation.send(*events[:6])
        assert go_on.wait(SECONDS)
        conversation.send(*events[6:])
        echo(conversation)

    peer = serve(script, tls=certificates.good if secure else None)
    ca_file = certificates.good.certificate if secure else None
    client = responsesws.Client(peer.url, api_key=API_KEY, ca_file=ca_file, turn_timeout=SECONDS)
    session = client.session(model="m")
    turn = started(session)

    def child():
        uses = [
            lambda: turn.text, lambda: turn.next(0), lambda: turn.wait(1), turn.cancel,
            lambda: session.start("x"), lambda: session.response_id,
            lambda: client.session(model="m"),
        ]  # fmt: skip
        for number, use in enumerate(uses):
            try:
                use()
                return 10 + number
            except responsesws.Forked:
                pass
        for thing in (client, session, turn):
            thing.close()
        gc.collect()
        with responsesws.Client("ws://127.0.0.1:1/v1", api_key=API_KEY) as mine:
            try:
                mine.session(model="m").run("x")
                return 30
            except responsesws.ConnectionRefused:
                return 0

    assert child_process(child) == 0
    go_on.set()
    assert turn.wait(SECONDS).text == "some text"
    assert session.run("still here").text == "echo: still here"
    client.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_does_not_wait_for_callbacks_that_wait_for_the_interpreter(serve):
    """os.fork() holds the interpreter's lock, which the log on the I/O thread needs."""
    peer = serve(echo)
    ended = threading.Event()
    lines = []
    log = lambda level, line: lines.append(line)  # noqa: E731
    with responsesws.Client(
        peer.url, api_key=API_KEY, turn_timeout=SECONDS, log=log, log_level=responsesws.LOG_DEBUG
    ) as client:
        session = client.session(model="m")

        def talk():
            while not ended.is_set():
                session.run("x")

        talker = threading.Thread(target=talk)
        talker.start()
        times = []
        try:
            for _ in range(60):
                begin = time.monotonic()
                child = os.fork()
                if child == 0:
                    signal.pause()
                times.append(time.monotonic() - begin)
                # It may never get as far as its first line: CPython 3.11 takes a lock in the child that a callback's
                # thread may have held at the fork (PyOS_AfterFork_Child, before the locks are made anew).
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        finally:
            ended.set()
            talker.join()
    assert lines
    # One that waits for a callback waits a whole second, and every fifth would.
    assert sum(took > 0.9 for took in times) <= 2, times


def say(url, answers):
    with responsesws.Client(url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        answers.put(client.session(model="m").run("hello").text)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_processes_that_multiprocessing_forks_have_clients_of_their_own(serve):
    peer = serve(echo)
    context = multiprocessing.get_context("fork")
    with responsesws.Client(peer.url, api_key=API_KEY, turn_timeout=SECONDS) as client:
        session = client.session(model="m")
        assert session.run("before").text == "echo: before"
        answers = context.Queue()
        processes = [context.Process(target=say, args=(peer.url, answers)) for _ in range(4)]
        for process in processes:
            process.start()
        assert [answers.get(timeout=SECONDS) for _ in processes] == ["echo: hello"] * 4
        for process in processes:
            process.join(SECONDS)
            assert process.exitcode == 0
        assert session.run("after").text == "echo: after"


PROGRAM = """
import signal, sys, threading, responsesws
# A shell that runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, ca_file, end = sys.argv[1:]
client = responsesws.Client(url, api_key="sk-1", ca_file=ca_file or None,
                            log=lambda level, line: None, log_level=responsesws.LOG_DEBUG)
session = client.session(model="m")
turn = session.start("x")
for event in turn:
    if event.delta:
        break
def read():
    try:
        for _ in turn: pass
    except responsesws.ResponsesWSError:
        pass
if end == "return in a daemon thread's wait":
    threading.Thread(target=read, daemon=True).start()
print("streaming", flush=True)
if end == "sys.exit": sys.exit(7)
if end == "exception": raise ZeroDivisionError
if end == "wait": turn.wait()
if end == "iterate": list(turn)
if end == "run": session.run("y")
if end == "asyncio":
    import asyncio
    async def main():
        client = responsesws.AsyncClient(url, api_key="sk-1")
        await client.session(model="m").run("y")
    asyncio.run(main())
"""


def endless(conversation):
    """Streams until the client has gone."""
    conversation.request()
    conversation.send(*events_of("x")[:4])
    delta = {
        "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
        "content_index": 0, "delta": "more ",
    }  # fmt: skip
    while True:
        conversation.send(delta)


def start_program(peer, end, ca_file=""):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, peer.url, ca_file, end],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


EXITS = int(os.environ.get("RESPONSESWS_TEST_EXITS", "3"))
"""Runs of each way to exit; what fails one time in a hundred needs more of them."""


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "end, status",
    [("return", 0), ("sys.exit", 7), ("exception", 1), ("return in a daemon thread's wait", 0)],
    ids=["return", "sys.exit", "exception", "daemon thread"],
)
def test_exit_while_streaming_keeps_its_status(serve, certificates, end, status, secure):
    peer = serve(endless, tls=certificates.good if secure else None)
    for _ in range(EXITS):
        program = start_program(peer, end, certificates.good.certificate if secure else "")
        output, errors = program.communicate(timeout=SECONDS)
        assert (program.returncode, output) == (status, "streaming\n"), errors
        assert "ZeroDivisionError" in errors if end == "exception" else errors == ""


@pytest.mark.parametrize("end", ["wait", "iterate", "run", "asyncio"])
def test_ctrl_c_is_prompt(serve, end):
    program = start_program(serve(stalling), end)
    try:
        assert program.stdout.readline() == "streaming\n"
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=SECONDS)
    finally:
        program.kill()
        program.wait(SECONDS)
    assert "KeyboardInterrupt" in errors
    assert program.returncode == -signal.SIGINT
    assert time.monotonic() - begin < SECONDS / 2
