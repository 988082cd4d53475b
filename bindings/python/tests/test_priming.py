"""The connection that a session moves to, prepared for its next turn, against responsesws-server."""

import time

import pytest
from peer import SECONDS
from test_sessions import SERVER, server  # noqa: F401

pytestmark = pytest.mark.skipif(not SERVER.is_file(), reason="no build/bin/responsesws-server")


def wait_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("prime", [False, True])
def test_the_turn_after_a_move_is_a_delta(server, connect, prime):  # noqa: F811
    client = connect(server(), connection_age_limit=1, prime_rotation=prime)
    session = client.session(model="rules", store=False)
    session.run("first")
    wait_until(lambda: client.counters().rotation_count)
    turn = session.run("RECALL")
    assert turn.text == "RECALL users=2 tools=0 first=first"
    assert client.counters().priming_count >= prime
    if prime:
        assert session.ledger().turn_count >= 3
        assert turn.stats.is_delta
    else:
        assert turn.stats.full_reason == "rotated"
