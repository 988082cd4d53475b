"""What sessions do beyond plain chaining, against responsesws-server, which shares no protocol machine with
the client: lanes, forks, whole histories, steering, strict mode."""

import asyncio
import json
import os
import subprocess
import threading

import pytest
from conftest import REPOSITORY
from peer import SECONDS

import responsesws
from responsesws import Outcome, SteerState

SERVER = REPOSITORY / "build" / "bin" / "responsesws-server"

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")

TOOLS = [{"type": "function", "name": "step", "parameters": {"type": "object", "properties": {}}}]


@pytest.fixture
def server():
    """server(*arguments) -> (url, the log's lines when it has ended)"""
    running = []

    def start(*arguments):
        process = subprocess.Popen(
            [SERVER, "--port", "0", "--exit-with-stdin", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath},
        )  # fmt: skip
        running.append(process)
        line = process.stdout.readline()
        assert line.startswith("listening on ws://")
        return line.split()[-1]

    yield start
    for process in running:
        process.stdin.close()
        process.wait(SECONDS)


def loop(session, turns):
    """A tool loop of that many turns; how many of them were deltas."""
    deltas = 0
    turn = session.run("TOOL LOOP")
    for seen in range(1, turns):
        (call,) = turn.calls
        assert call.json() == {"seen": seen - 1}
        turn = session.run([call.output({"remaining": turns - 1 - seen})])
        deltas += turn.stats.is_delta
    assert turn.text == "LOOP DONE"
    return deltas


@pytest.mark.parametrize("dialect", [(), ("--dialect", "azure")], ids=["lanes", "no-lanes"])
def test_many_sessions_of_one_client_run_their_loops_at_once(server, dialect):
    client = responsesws.Client(server(*dialect), api_key="x", turn_timeout=SECONDS)
    client.session(model="rules").run("hello")
    deltas, problems = [], []

    def run():
        try:
            with client.session(model="rules", tools=TOOLS, store=False) as session:
                deltas.append(loop(session, 10))
        except BaseException as error:  # noqa: BLE001 - it is shown below
            problems.append(error)

    threads = [threading.Thread(target=run) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert not problems
    assert deltas == [9] * 24


SESSIONS = int(os.environ.get("RESPONSESWS_TEST_SESSIONS", "240"))
"""make sessions: 1,000."""


@pytest.mark.parametrize("dialect", [(), ("--dialect", "azure")], ids=["lanes", "no-lanes"])
def test_hundreds_of_asynchronous_sessions_share_few_connections(server, dialect):
    url = server(*dialect)

    async def run(client):
        async with client.session(model="rules", tools=TOOLS, store=False) as session:
            deltas = 0
            turn = await session.run("TOOL LOOP")
            for seen in range(1, 20):
                (call,) = turn.calls
                assert call.json() == {"seen": seen - 1}
                turn = await session.run([call.output({"remaining": 19 - seen})])
                deltas += turn.stats.is_delta
            assert turn.text == "LOOP DONE"
            return deltas

    async def main():
        def is_socket(name):
            try:
                return os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
            except FileNotFoundError:
                return False

        def sockets():
            return sum(map(is_socket, os.listdir("/proc/self/fd")))

        before = sockets()
        async with responsesws.AsyncClient(url, api_key="x", turn_timeout=10 * SECONDS) as client:
            tasks = [asyncio.create_task(run(client)) for _ in range(SESSIONS)]
            most = 0
            while not all(task.done() for task in tasks):
                most = max(most, sockets() - before)
                await asyncio.sleep(0)
            deltas = [task.result() for task in tasks]
        if dialect:
            # Who has to share a connection is sent whole after the others' turns.
            assert 0 < most <= 64
        else:
            assert deltas == [19] * SESSIONS
            # 16 responses may be in flight on each; the first few are dialled before it is known that there are lanes.
            assert 0 < most <= max(32, (SESSIONS + 15) // 16)

    asyncio.run(main())


def test_a_fork_goes_on_by_itself(server, connect):
    session = connect(server()).session(model="rules", store=False)
    session.run("first words")
    fork = session.fork()
    assert fork.run("RECALL").text == "RECALL users=2 tools=0 first=first words"
    assert fork.run("RECALL").text == "RECALL users=3 tools=0 first=first words"
    assert session.run("RECALL").text == "RECALL users=2 tools=0 first=first words"


def test_forks_of_a_running_conversation_share_its_connection(server, connect):
    session = connect(server()).session(model="rules", store=False)
    session.run("first words")
    forks = [session.fork() for _ in range(5)]
    turns = [fork.start("RECALL") for fork in forks]
    for turn in turns:
        assert turn.wait(SECONDS).text == "RECALL users=2 tools=0 first=first words"


def test_a_whole_history_is_sent_as_what_is_new(server, connect):
    session = connect(server()).session(model="rules", tools=TOOLS, store=False)
    history = [{"role": "user", "content": "TOOL LOOP"}]
    turn = session.start(history=history).wait(SECONDS)
    assert turn.stats.full_reason == "first"
    for seen in range(1, 6):
        (call,) = turn.calls
        # Through Python's json, as a client over HTTP would keep it.
        history += turn.items
        history.append(call.output({"remaining": 5 - seen}))
        turn = session.start(history=history).wait(SECONDS)
        assert turn.stats.is_delta and turn.stats.full_reason == ""
        assert turn.stats.request_bytes < turn.stats.full_request_bytes
    assert turn.text == "LOOP DONE"


def test_a_history_that_was_changed_is_sent_whole_and_says_where(server, connect):
    session = connect(server()).session(model="rules", store=False)
    history = [{"role": "user", "content": "first words"}]
    turn = session.start(history=history).wait(SECONDS)
    changed = [{"role": "user", "content": "other words"}, *turn.items]
    changed.append({"role": "user", "content": "RECALL"})
    turn = session.start(history=json.dumps(changed).encode()).wait(SECONDS)
    assert turn.text == "RECALL users=2 tools=0 first=other words"
    assert turn.stats.full_reason == "prefix_changed: input[0].content"


def test_strict_mode_refuses_an_avoidable_resend(server, connect):
    session = connect(server(), strict=True).session(model="rules", store=False)
    history = [{"role": "user", "content": "first words"}]
    session.start(history=history).wait(SECONDS)
    with pytest.raises(responsesws.FullResend) as caught:
        session.start(history=[{"role": "user", "content": "others"}]).wait(SECONDS)
    assert "input[0].content" in str(caught.value)


def test_a_changed_setting_is_a_delta_and_a_cache_break(server, connect):
    session = connect(server()).session(model="rules", store=False, tools=TOOLS)
    session.run("hello")
    turn = session.run("hello", instructions="Be brief.")
    assert turn.stats.is_delta and turn.stats.cache_break == "instructions"
    assert session.run("hello", instructions="Be brief.").stats.cache_break == ""


def test_calls_that_nobody_answers_can_be_given_up(server, connect):
    session = connect(server()).session(model="rules", store=False, tools=TOOLS)
    calls = session.run("PARALLEL 3").calls
    with pytest.raises(responsesws.MissingOutput):
        session.run("RECALL")
    turn = session.run([calls[1].output("x"), {"role": "user", "content": "RECALL"}], abandon_calls=True)
    assert turn.stats.full_reason == "calls_abandoned"
    assert session.run("RECALL").stats.is_delta


def test_a_server_without_warm_ups_leaves_the_session_usable(server, connect):
    session = connect(server("--dialect", "open-responses")).session(model="rules", store=False)
    session.run("first words")
    with pytest.raises(responsesws.APIError):
        session.warm_up("warm words")
    # What was refused is no part of the context, and is no answer to anything.
    assert session.run("RECALL").text == "RECALL users=2 tools=0 first=first words"


def test_steering(server, connect):
    session = connect(server()).session(model="gpt-6-rules", store=False)
    turn = session.start("SLOW 5000 first words")
    turn.next(SECONDS)
    steering = turn.steer("second words")
    successor = turn.successor(SECONDS)
    assert successor is not None
    assert turn.wait(SECONDS).outcome is Outcome.INCOMPLETE
    assert turn.incomplete_reason == "steered"
    successor.wait(SECONDS)
    assert steering.state is SteerState.COMMITTED
    assert session.run("RECALL").text.startswith("RECALL users=3")


def test_a_run_reads_on_after_steering(server):
    def steer(event):
        if event.type == "response.in_progress" and len(run.turns) == 1:
            run.turn.steer("RECALL")

    with responsesws.Client(server(), api_key="x", turn_timeout=SECONDS) as client:
        session = client.session(model="gpt-6-rules", store=False, tools=TOOLS)
        run = responsesws.Run(session, "SLOW 5000 words", {"step": dict}, on_event=steer)
        run.resume()
    assert run.text == "RECALL users=2 tools=0 first=SLOW 5000 words"
    assert [turn.outcome for turn in run.turns] == [Outcome.INCOMPLETE, Outcome.COMPLETED]


def test_steering_a_model_that_cannot_be_steered(server, connect):
    session = connect(server()).session(model="rules", store=False)
    turn = session.start("SLOW 300 words")
    turn.next(SECONDS)
    steering = turn.steer("others")
    assert turn.successor(SECONDS) is None
    assert steering.state is SteerState.RETURNED and steering.code == "steering_not_supported"
    assert turn.wait(SECONDS).outcome is Outcome.COMPLETED
    assert session.run("RECALL").text.startswith("RECALL users=2")
