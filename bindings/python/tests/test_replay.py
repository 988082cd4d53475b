"""Every kind of chain is replayed in full on a new connection and accepted by responsesws-server, which refuses what
the service refuses; what is replayed is what was sent and received."""

import json
import os
import signal
import subprocess
import time

import pytest
from peer import SECONDS
from test_sessions import SERVER, TOOLS

import responsesws
from responsesws import Outcome

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


@pytest.fixture
def server():
    process = subprocess.Popen(
        [SERVER, "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath},
    )  # fmt: skip
    process.url = process.stdout.readline().split()[-1]
    yield process
    process.stdin.close()
    process.wait(SECONDS)


class Chain:
    """A session and what it has sent and received, as a plain HTTP client would keep it."""

    def __init__(self, session):
        self.session = session
        self.history = []
        self.calls = []

    def run(self, text, **options):
        new = [call.output({"remaining": 1}) for call in self.calls]
        if text is not None:
            new.append({"type": "message", "role": "user", "content": text})
        return self.took(new, self.session.run(new, **options))

    def took(self, new, turn):
        self.history += [*new, *turn.items]
        self.calls = turn.calls
        return turn


def parallel_calls(chain):
    assert len(chain.run("PARALLEL 3").calls) == 3
    chain.run(None)


def reasoning(chain):
    assert "reasoning" in [item["type"] for item in chain.run("REASON about it").items]


def reasoning_before_calls(chain):
    assert len(chain.run("REASON PARALLEL 2").items) == 3
    chain.run("go on")


def phases(chain):
    assert {item["phase"] for item in chain.run("COMMENT on it").items} == {"commentary", "final_answer"}


def custom_tools(chain):
    chain.run("CUSTOM")
    chain.run("go on")


def refusals(chain):
    assert chain.run("REFUSE").refusal


def incompletes(chain):
    assert chain.run("LIMIT").outcome is Outcome.INCOMPLETE


def warm_ups(chain):
    text = {"type": "message", "role": "user", "content": "warm words"}
    chain.took([text], chain.session.warm_up([text]))


def compaction_items(chain):
    chain.run("first words")
    trigger = {"type": "compaction_trigger"}
    turn = chain.session.run([trigger])
    chain.took([], turn)
    places = [place for place, item in enumerate(chain.history) if item["type"] == "compaction"]
    assert places
    # What was before it need not be sent again.
    del chain.history[: places[-1]]


def steers(chain):
    text = {"type": "message", "role": "user", "content": "SLOW 5000 words"}
    turn = chain.session.start([text], model="gpt-6-rules")
    turn.next(SECONDS)
    turn.steer([{"type": "message", "role": "user", "content": "other words"}])
    successor = turn.successor(SECONDS)
    chain.took([text], turn.wait(SECONDS))
    chain.took(
        [{"type": "message", "role": "user", "content": "other words"}], successor.wait(SECONDS)
    )


KINDS = [
    parallel_calls, reasoning, reasoning_before_calls, phases, custom_tools, refusals, incompletes,
    warm_ups, compaction_items, steers,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_a_chain_is_replayed_in_full_and_accepted(server, connect, kind):
    chain = Chain(connect(server.url).session(model="rules", tools=TOOLS, store=False))
    chain.run("hello")
    kind(chain)
    assert json.loads(chain.session.full_body())["input"] == chain.history
    os.kill(server.pid, signal.SIGHUP)
    turn = when_reconnected(chain, "RECALL")
    assert turn.text.startswith("RECALL users=")
    assert chain.run("and so on").stats.is_delta


def test_an_item_of_a_type_that_nobody_knows_is_replayed_as_it_came(talk):
    # The local server makes no such items: a peer that plays a script does.
    vendor = '{"type":"vendor_item","n":9007199254740993,"f":1.0,"s":"a\\u0000b"}'

    def script(conversation):
        conversation.request()
        if len(conversation.peer.connections) > 1:
            conversation.answer("second")
            return conversation.until_closed()
        conversation.send(
            json.dumps({"type": "response.created", "response": {"id": "r1", "status": "in_progress"}}),
            '{"type":"response.output_item.done","output_index":0,"item":' + vendor + "}",
            json.dumps({"type": "response.completed", "response": {"id": "r1", "status": "completed"}}),
        )
        conversation.connection.close()

    session, peer = talk(script, store=False)
    session.run("one")
    assert when_reconnected(Chain(session), "two").text == "second"
    assert vendor in peer.requests[-1]


def when_reconnected(chain, text):
    """The end of the connection comes between two turns, or meets one."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            turn = chain.run(text)
        except responsesws.ResponsesWSError as error:
            assert error.retryable
            continue
        if turn.stats.full_reason == "reconnected":
            return turn
    raise AssertionError("the connection goes on")
