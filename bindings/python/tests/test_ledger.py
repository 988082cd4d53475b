"""What turns take and will take."""

import base64

import pytest

import responsesws
from peer import SECONDS, message


def reporting(*input_tokens, **response):
    """A script whose n-th answer reports the n-th count."""

    def script(conversation):
        for number, _ in enumerate(conversation.requests()):
            usage = {
                "input_tokens": input_tokens[number],
                "input_tokens_details": {"cached_tokens": 8},
                "output_tokens": 10,
                "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": input_tokens[number] + 10,
            }
            ended = {"id": f"resp_{number}", "status": "completed", "usage": usage, **response}
            conversation.send(
                {"type": "response.created", "response": {"id": f"resp_{number}"}},
                {"type": "response.output_item.done", "output_index": 0, "item": message("a")},
                {"type": "response.completed", "response": ended},
            )

    return script


def test_each_turn_says_what_it_took_and_the_session_adds_up(talk):
    session, _ = talk(reporting(100, 130))
    books = session.ledger()
    assert books.turn_count == 0 and books.context_tokens is None and books.delta_hit_rate is None
    first = session.run("a").stats
    assert first.marginal_input_tokens == first.input_tokens == 100
    second = session.run("b").stats
    assert second.marginal_input_tokens == 20 and second.cached_tokens == 8
    assert (second.output_tokens, second.reasoning_tokens) == (10, 4)
    assert not second.is_context_lost and second.expected_input_tokens is None
    books = session.ledger()
    assert (books.turn_count, books.delta_count, books.delta_hit_rate) == (2, 1, 1.0)
    assert (books.input_tokens, books.cached_tokens, books.output_tokens) == (230, 16, 20)
    assert books.context_tokens == 140 and books.unreported_count == 0
    assert books.sent_bytes < books.http_bytes
    fork = session.fork().ledger()
    assert fork.turn_count == 0 and fork.context_tokens == 140


def test_a_context_that_the_server_lost_in_silence(talk):
    session, _ = talk(reporting(2000, 30))
    session.run("a")
    turn = session.start("b")
    types = []
    while (event := turn.next(SECONDS)) is not None:
        types.append(event.type)
    assert types[-2:] == ["rws.context_lost", "response.completed"]
    assert turn.stats.is_context_lost and turn.stats.expected_input_tokens > 900
    assert session.ledger().context_loss_count == 1


def test_input_is_estimated_before_it_is_sent(talk, connect, tmp_path):
    session, peer = talk(reporting(100))
    words = "hello " * 1000
    guess = session.estimate(words)
    assert guess.low < guess.tokens < guess.high and guess.uncountable_parts == 0
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "data:x"}]}
    assert session.estimate([image]).uncountable_parts == 1
    assert session.estimate().tokens == 0

    vocabulary = tmp_path / "bytes.tiktoken"
    vocabulary.write_text(
        "".join(f"{base64.b64encode(bytes([n])).decode()} {n}\n" for n in range(256))
    )
    client = connect(peer, vocabulary_file=vocabulary)
    assert 6000 <= client.session(model="m").estimate(words).tokens < 6020
    assert peer.requests == []


def test_a_vocabulary_that_is_none_fails_the_client(connect, tmp_path):
    with pytest.raises(responsesws.InvalidArgument, match="No such file"):
        connect("ws://127.0.0.1:9/v1", vocabulary_file=tmp_path / "missing")
    broken = tmp_path / "broken"
    broken.write_text("what?\n")
    with pytest.raises(responsesws.InvalidArgument, match="line 1"):
        connect("ws://127.0.0.1:9/v1", vocabulary_file=str(broken))


def test_input_transformations_are_shown(talk):
    changes = [{"id": "rs_1", "action": "removed", "reason": "model_mismatch", "type": "reasoning"}]
    session, _ = talk(reporting(100, 120, input_transformations=changes))
    assert session.run("a").input_transformations == changes
    session, _ = talk(reporting(100))
    assert session.run("a").input_transformations == []
