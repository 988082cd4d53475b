"""What is sent again by itself, and what its caller sees of it."""

import subprocess
import time

import pytest
from conftest import REPOSITORY
from peer import SECONDS, events_of

import responsesws
from responsesws import Execution, Replay

SERVER = REPOSITORY / "build" / "bin" / "responsesws-server"


def notices(turn):
    return [event.data for event in turn if event.type.startswith("rws.")]


@pytest.fixture
def session(serve, connect):
    """session(scripts of the connections in their order, client options) -> (session, peer)"""

    def make(*scripts, **options):
        scripts = iter(scripts)
        peer = serve(lambda conversation: next(scripts)(conversation))
        return connect(peer, **options).session(model="m", store=False), peer

    return make


def lost_after(count):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("lost")[:count])
        conversation.cut()

    return script


def answering(text):
    def script(conversation):
        for _ in conversation.requests():
            conversation.answer(text)

    return script


@pytest.mark.parametrize("count", [0, 2])
def test_a_lost_turn_that_showed_no_output_is_replayed_and_says_so(session, count):
    first, peer = session(lost_after(count), answering("fine"), replay=Replay.SAFE)
    turn = first.start("hello")
    (notice,) = notices(turn)
    assert notice["type"] == "rws.replayed"
    assert (notice["reason"], notice["execution"]) == ("connection_lost", "unknown")
    assert turn.text == "fine" and turn.stats.resend_count == 1
    assert peer.sent(0) == peer.sent(1)


@pytest.mark.parametrize(
    "count, replay, execution",
    [
        (0, Replay.NEVER, Execution.UNKNOWN),
        (3, Replay.SAFE, Execution.STARTED),
        (6, Replay.ALWAYS, Execution.OUTPUT_SEEN),
    ],
)
def test_beyond_the_policy_the_loss_is_told(session, count, replay, execution):
    first, _ = session(lost_after(count), answering("fine"), replay=replay)
    with pytest.raises(responsesws.ConnectionLost) as caught:
        first.run("hello")
    assert caught.value.execution is execution
    assert first.run("again").text == "fine"


def test_one_turn_may_differ_from_its_client(session):
    first, _ = session(lost_after(0), answering("fine"), replay=Replay.NEVER)
    assert first.run("hello", replay=Replay.ALWAYS).text == "fine"


def test_a_busy_server_is_asked_again(session):
    def busy(conversation):
        conversation.request()
        conversation.send(
            {"type": "error", "status": 503,
             "error": {"type": "server_error", "code": "server_is_overloaded", "message": "busy"}}
        )  # fmt: skip
        answering("at last")(conversation)

    first, _ = session(busy)
    turn = first.start("hello")
    (notice,) = notices(turn)
    assert (notice["type"], notice["reason"]) == ("rws.resent", "server_busy")
    assert turn.text == "at last"


@pytest.mark.parametrize("retries", [0, 2])
def test_max_retries_bounds_all_of_it(session, retries):
    scripts = [lost_after(0)] * (retries + 1)
    first, peer = session(*scripts, replay=Replay.SAFE, max_retries=retries)
    with pytest.raises(responsesws.ConnectionLost):
        first.run("hello")
    assert len(peer.requests) == retries + 1


@pytest.mark.parametrize(
    "options",
    [{"max_retries": -1}, {"max_retries": 101}, {"retry_backoff": -1}, {"connection_age_limit": 0.5}],
)
def test_settings_out_of_range_are_refused(connect, options):
    with pytest.raises(responsesws.InvalidArgument):
        connect("ws://127.0.0.1:9/v1", **options)


def test_sessions_leave_a_connection_before_its_age_limit(connect):
    process = subprocess.Popen(
        [SERVER, "--port", "0", "--exit-with-stdin", "--max-age", "2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        client = connect(process.stdout.readline().split()[-1], connection_age_limit=2)
        session = client.session(model="rules", store=False)
        rotations, end = 0, time.monotonic() + SECONDS
        # The second rotation shows that the first new connection is watched as well.
        while rotations < 2:
            assert time.monotonic() < end
            turn = session.start("hello")
            rotations += any(notice["type"] == "rws.rotated" for notice in notices(turn))
            assert turn.text == "ECHO: hello" and turn.stats.resend_count == 0
    finally:
        process.stdin.close()
        process.wait(SECONDS)
