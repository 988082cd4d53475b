"""Turns that go well: chaining, streaming, results, overrides, warm-up, bytes that pass unchanged."""

import json
import threading

import pytest
from peer import (
    SECONDS,
    custom_call,
    echo,
    events_of,
    function_call,
    items_of,
    message,
    reasoning,
    refusal,
)

import responsesws
from responsesws import CallKind, EventKind, Outcome

TOOLS = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]


def test_a_turn_brings_its_text(talk):
    session, peer = talk(echo)
    turn = session.run("hello")
    assert turn.text == "echo: hello"
    assert turn.outcome is Outcome.COMPLETED
    assert turn.error is None
    assert turn.response_id == session.response_id == turn.response["id"]
    assert json.loads(turn.response_json) == turn.response
    assert turn.items == turn.response["output"]
    assert turn.usage == responsesws.Usage(11, 7, 3, 5, 2, 16)
    assert peer.sent()["type"] == "response.create"
    assert peer.sent()["model"] == "scripted"


def test_the_request_has_what_the_protocol_asks_for_and_no_more(talk):
    session, peer = talk(echo, tools=TOOLS, store=False, vendor={"deep": [None, 1.5]})
    session.run("hello")
    sent = peer.sent()
    items = sent.pop("input")
    assert [item["content"] for item in items_of({"input": items})] == ["hello"]
    sent.pop("include", None)  # a store:false session may ask for encrypted reasoning
    assert sent == {
        "type": "response.create", "model": "scripted", "tools": TOOLS, "store": False,
        "vendor": {"deep": [None, 1.5]},
    }  # fmt: skip


def test_the_upgrade_carries_credentials_and_headers(serve, connect):
    peer = serve(echo)
    client = connect(
        peer, api_key="sk-1", organization="org-1", project="proj-1",
        headers={"OpenAI-Beta": "responses_websockets=2026-02-06", "X-Two": "zwei"},
    )  # fmt: skip
    client.session(model="m").run("x")
    headers = peer.connections[0].headers
    assert headers["Authorization"] == "Bearer sk-1"
    assert headers["OpenAI-Organization"] == "org-1"
    assert headers["OpenAI-Project"] == "proj-1"
    assert headers["OpenAI-Beta"] == "responses_websockets=2026-02-06"
    assert headers["X-Two"] == "zwei"
    assert peer.connections[0].path == "/v1/responses"


def test_a_session_may_have_an_identity_of_its_own(serve, connect):
    peer = serve(echo)
    client = connect(peer, api_key="sk-1", organization="org-1", headers={"X-Two": "zwei"})
    other = responsesws.Identity(api_key="sk-2", organization="", headers={"X-Three": "drei"})
    client.session(model="m").run("x")
    client.session(model="m", identity=other).run("y")
    first, second = (connection.headers for connection in peer.connections)
    assert first["Authorization"] == "Bearer sk-1"
    assert second["Authorization"] == "Bearer sk-2"
    assert "OpenAI-Organization" not in second
    assert (second["X-Two"], second["X-Three"]) == ("zwei", "drei")
    assert "sk-2" not in repr(other)


def test_an_empty_key_sends_no_authorization(serve, connect, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    peer = serve(echo)
    connect(peer, api_key="").session(model="m").run("x")
    assert "Authorization" not in peer.connections[0].headers


def test_key_and_url_come_from_the_environment(serve, face, monkeypatch):
    peer = serve(echo)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", peer.url.replace("ws", "http"))
    with face.Client() as client:
        client.session(model="m").run("x")
    assert peer.connections[0].headers["Authorization"] == "Bearer sk-of-the-environment"


def test_path_and_query_of_the_url_are_kept(serve, connect):
    peer = serve(echo)
    connect(f"http://127.0.0.1:{peer.port}/deep/v1?model=x").session(model="m").run("x")
    assert peer.connections[0].path == "/deep/v1/responses?model=x"


# ----------------------------------------------------------------------- chaining


def test_a_twenty_turn_tool_loop_sends_only_new_items(talk):
    outputs = []

    def script(conversation):
        for number, request in enumerate(conversation.requests()):
            outputs.append(request["input"])
            if number < 20:
                call = function_call("look", json.dumps({"n": number}), f"call_{number}")
                conversation.answer(call, response_id=f"resp_{number}")
            else:
                conversation.answer("done", response_id=f"resp_{number}")

    session, peer = talk(script, tools=TOOLS)
    turn = session.run("start")
    for number in range(20):
        (call,) = turn.calls
        assert (call.kind, call.name, call.json()) == (CallKind.FUNCTION, "look", {"n": number})
        turn = session.run([call.output({"seen": number})])
    assert turn.text == "done" and turn.calls == []

    assert len(peer.connections) == 1
    assert len(peer.requests) == 21
    assert "previous_response_id" not in peer.sent(0)
    for number in range(1, 21):
        sent = peer.sent(number)
        assert sent["previous_response_id"] == f"resp_{number - 1}"
        assert sent["tools"] == TOOLS
        assert sent["input"] == [
            {
                "type": "function_call_output",
                "call_id": f"call_{number - 1}",
                "output": f'{{"seen":{number - 1}}}',
            }
        ]
    assert turn.stats.is_delta
    assert turn.stats.request_bytes == len(peer.requests[-1].encode())
    assert turn.stats.full_request_bytes > 5 * turn.stats.request_bytes


def test_the_full_body_is_what_http_would_need(talk):
    answer = message("a")

    def script(conversation):
        for _ in conversation.requests():
            conversation.answer(answer)

    session, peer = talk(script, instructions="Be brief.")
    session.run("one")
    item = {"type": "message", "role": "user", "content": "two"}
    raw = session.full_body(item)
    body = json.loads(raw)
    assert body["model"] == "scripted" and body["instructions"] == "Be brief."
    assert not {"type", "previous_response_id", "stream"} & set(body)
    assert [entry.get("content") for entry in body["input"]] == ["one", answer["content"], "two"]
    turn = session.run(item)
    assert turn.stats.full_request_bytes == len(raw)
    assert len(peer.requests) == 2, "measuring sends nothing"


def test_parallel_calls_are_all_there(talk):
    def script(conversation):
        for _ in conversation.requests():
            conversation.answer(
                function_call("look", '{"a":1}', "call_a"),
                custom_call("shell", "ls -l"),
                function_call("look", '{"b":2}', "call_b"),
            )

    session, _ = talk(script)
    calls = session.run("x").calls
    assert [(call.kind.name, call.name, call.arguments) for call in calls] == [
        ("FUNCTION", "look", '{"a":1}'), ("CUSTOM", "shell", "ls -l"),
        ("FUNCTION", "look", '{"b":2}'),
    ]  # fmt: skip
    assert all(call.is_complete and call.item["call_id"] == call.call_id for call in calls)


def test_a_call_without_its_output_is_refused_by_name(talk):
    def script(conversation):
        for _ in conversation.requests():
            conversation.answer(function_call("look", "{}", "call_forgotten"))

    session, peer = talk(script)
    turn = session.run("x")
    with pytest.raises(responsesws.MissingOutput, match="call_forgotten"):
        session.run("something else")
    assert len(peer.requests) == 1
    session.run([turn.calls[0].output("late, but here")])
    assert len(peer.requests) == 2


def test_after_a_reconnect_the_whole_history_is_sent_byte_for_byte(talk):
    # A server keeps a response in memory only as long as its connection.
    odd = json.dumps(message("first", vendor_number=1.0))[:-1] + ', "big": 9007199254740993}'

    def script(conversation):
        request = conversation.request()
        if len(conversation.peer.connections) > 1:
            conversation.answer("second")
            return conversation.until_closed()
        item = json.loads(odd)
        events = [json.dumps(event) for event in events_of(item)]
        conversation.send(*(event.replace(json.dumps(item), odd) for event in events))
        conversation.connection.close()
        # The client has answered with a close frame of its own, so it knows.
        closed.set()

    closed = threading.Event()
    session, peer = talk(script, store=False)
    given = b'{"type":"message","role":"user","content":"one","n":1.0,"z":"a\\u0000b"}'
    session.run(given)
    assert closed.wait(SECONDS)
    turn = session.run("two")
    assert turn.text == "second"
    assert "previous_response_id" not in peer.sent()
    assert given.decode() in peer.requests[-1]
    assert odd in peer.requests[-1]
    assert not turn.stats.is_delta
    assert turn.stats.request_bytes == len(peer.requests[-1].encode())


def test_a_lost_previous_response_is_replayed_in_full_once(talk):
    def script(conversation):
        conversation.request()
        conversation.answer("one")
        sent = conversation.request()
        conversation.send({
            "type": "error", "status": 400,
            "error": {
                "type": "invalid_request_error", "code": "previous_response_not_found",
                "message": f"Previous response with id '{sent['previous_response_id']}' not found.",
                "param": "previous_response_id",
            },
        })  # fmt: skip
        conversation.request()
        conversation.answer("two")
        conversation.until_closed()

    session, peer = talk(script)
    session.run("first")
    turn = session.run("second")
    assert turn.text == "two"
    assert [request.get("previous_response_id") is None for request in map(json.loads, peer.requests)] == [
        True, False, True,
    ]  # fmt: skip
    assert turn.stats.resend_count == 1


def test_turns_of_one_session_run_one_after_the_other(talk):
    begin = threading.Event()

    def script(conversation):
        conversation.request()
        begin.wait(SECONDS)
        conversation.answer("a")
        conversation.request()
        conversation.answer("b")
        conversation.until_closed()

    session, peer = talk(script)
    first, second = session.start("one"), session.start("two")
    assert first.outcome is second.outcome is Outcome.RUNNING
    begin.set()
    assert second.wait(SECONDS).text == "b"
    assert first.wait(SECONDS).text == "a"
    assert peer.sent()["previous_response_id"] == first.response_id


def test_sessions_of_one_client_do_not_mix(serve, connect):
    client = connect(serve(echo))
    sessions = [client.session(model=f"m{number}") for number in range(8)]
    turns = [session.start(f"for {number}") for number, session in enumerate(sessions)]
    assert [turn.wait(SECONDS).text for turn in turns] == [f"echo: for {n}" for n in range(8)]


# ---------------------------------------------------------------------- streaming


def test_events_arrive_in_order_and_whole(talk):
    events = events_of(reasoning("think", "more"), "some text", function_call("look", '{"a":1}'))

    def script(conversation):
        conversation.request()
        conversation.send(*events)
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    seen = list(turn)
    assert [event.data for event in seen] == events
    assert [event.type for event in seen] == [event["type"] for event in events]
    assert [event.sequence_number for event in seen] == list(range(len(events)))
    assert all(event.kind is not EventKind.OTHER for event in seen)
    for event, sent in zip(seen, events):
        assert event.json.decode() == json.dumps(sent, ensure_ascii=False, separators=(",", ":"))
        assert event.delta == sent.get("delta", "")
        assert event.output_index == sent.get("output_index", -1)
        assert event.item == sent.get("item")
        assert json.loads(event.item_json or b"null") == sent.get("item")
        assert event.response == sent.get("response")
        if event.delta:
            assert event.item_id == sent["item_id"]
        assert event.stream_id is None
    assert turn.reasoning_summary == "think\n\nmore"
    assert turn.stats.event_count == len(events)
    assert turn.stats.received_bytes == sum(len(event.json) for event in seen)


def test_an_event_is_there_before_the_next_one_is_sent(talk):
    taken = threading.Event()

    def script(conversation):
        conversation.request()
        for event in events_of("abcd"):
            conversation.send(event)
            assert taken.wait(SECONDS)
            taken.clear()
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    kinds = []
    while (event := turn.next(SECONDS)) is not None:
        kinds.append(event.kind)
        taken.set()
    assert kinds[0] is EventKind.RESPONSE_CREATED
    assert kinds[-1] is EventKind.RESPONSE_COMPLETED
    assert turn.next() is None, "and again"


def test_text_streams_and_results_grow_with_it(talk):
    go_on = threading.Event()

    def script(conversation):
        conversation.request()
        for event in events_of("one two three four"):
            conversation.send(event)
            if event["type"] == "response.output_text.delta":
                assert go_on.wait(SECONDS)
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    deltas = turn.text_deltas()
    first = next(iter(deltas))
    assert turn.text.startswith(first)
    assert turn.outcome is Outcome.RUNNING
    assert turn.response is None and turn.usage.total_tokens is None
    go_on.set()
    assert first + "".join(deltas) == turn.text == "one two three four"


def test_leaving_the_loop_early_is_fine(talk):
    session, _ = talk(echo)
    for _ in session.start("one"):
        break
    turn = session.start("two")
    for event in turn:
        if event.delta:
            break
    assert turn.wait(SECONDS).text == "echo: two"
    assert turn.next() is None, "wait() dropped the rest"


def test_a_call_streams_its_arguments_with_its_name_known(talk):
    go_on = threading.Event()

    def script(conversation):
        conversation.request()
        for event in events_of(function_call("look", '{"where":"here"}', "call_1")):
            conversation.send(event)
            if event["type"].endswith("arguments.delta"):
                assert go_on.wait(SECONDS)
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    while turn.next(SECONDS).kind is not EventKind.FUNCTION_CALL_ARGUMENTS_DELTA:
        pass
    (call,) = turn.calls
    assert (call.name, call.call_id, call.is_complete) == ("look", "call_1", False)
    assert '{"where":"here"}'.startswith(call.arguments) and call.item_json == b""
    go_on.set()
    turn.wait(SECONDS)
    assert turn.calls[0].is_complete and turn.calls[0].json() == {"where": "here"}


def test_text_of_all_sorts_survives(talk):
    texts = [
        "ünïcode 日本 🙂", "nul \0 inside", 'quote " backslash \\ newline \n', "lone \ud800 here",
        "pair \U0001f600", "", "x" * 300_000,
    ]  # fmt: skip

    def script(conversation):
        for text in texts:
            assert items_of(conversation.request())[-1]["content"] == text
            conversation.send(*(json.dumps(event) for event in events_of(text)))
        conversation.until_closed()

    session, _ = talk(script)
    for text in texts:
        turn = session.start(text)
        assert "".join(turn.text_deltas()) == text
        assert turn.text == text


def test_refusals_and_incomplete_responses_say_so(talk):
    def script(conversation):
        conversation.request()
        conversation.answer(refusal("I will not."))
        conversation.request()
        conversation.answer(
            "half a", status="incomplete", incomplete_details={"reason": "max_output_tokens"}
        )
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.run("x")
    assert (turn.refusal, turn.text, turn.incomplete_reason) == ("I will not.", "", None)
    turn = session.run("y")
    assert turn.outcome is Outcome.INCOMPLETE
    assert (turn.text, turn.incomplete_reason) == ("half a", "max_output_tokens")


def test_unknown_and_sparse_events_pass_through(talk):
    strange = [
        {"type": "keepalive"},
        {"type": "codex.rate_limits", "limits": {"primary": 1}},
        {"type": "vendor:thing", "delta": {"not": "a string"}, "sequence_number": "seven"},
        {"type": "response.shell_call_command.delta", "delta": "ls", "output_index": 0},
    ]

    def script(conversation):
        conversation.request()
        conversation.send({"type": "response.created", "response": {"id": "resp_sparse"}})
        conversation.send(*strange)
        conversation.send({"type": "response.completed", "response": {"id": "resp_sparse"}})
        conversation.until_closed()

    session, _ = talk(script)
    turn = session.start("x")
    seen = [event for event in turn if event.kind is EventKind.OTHER]
    assert [event.data for event in seen] == strange
    assert [event.type for event in seen] == [event["type"] for event in strange]
    assert seen[2].sequence_number == -1
    assert turn.usage == responsesws.Usage(None, None, None, None, None, None)
    assert session.response_id == "resp_sparse"


# ----------------------------------------------------------- bytes, overrides, warm-up


def test_bytes_pass_unchanged(talk):
    session, peer = talk(echo)
    item = (
        b'{ "type":"message", "role":"user", "content":"x\\u0000y", "one": 1.0, '
        b'"big":9007199254740993, "e":1E400, "pair":"\\ud83d\\ude00", "lone":"\\ud800", '
        b'"twice":1, "twice":2 }'
    )
    session.run(item)
    assert item.decode() in peer.requests[-1]
    session.run([item, {"role": "user", "content": "and one of Python's"}])
    assert item.decode() in peer.requests[-1]
    session.run(b'"a string"')
    assert "a string" in peer.requests[-1]


def test_settings_given_as_bytes_pass_unchanged(serve, connect):
    peer = serve(echo)
    settings = b'{"model":"m","temperature":1.0,"vendor":{"n":9007199254740993}}'
    connect(peer).session(settings).run("x")
    assert '"temperature":1.0' in peer.requests[-1]
    assert '"vendor":{"n":9007199254740993}' in peer.requests[-1]


def test_fields_of_http_alone_are_not_sent(talk):
    session, peer = talk(echo, stream=True, background=False)
    session.run("x")
    assert not {"stream", "background"} & set(peer.sent())


def test_overrides_hold_for_one_turn(talk):
    session, peer = talk(echo, temperature=1, instructions="always")
    session.run("a", temperature=None, model="other", vendor=[1])
    sent = peer.sent()
    assert "temperature" not in sent
    assert (sent["model"], sent["vendor"], sent["instructions"]) == ("other", [1], "always")
    session.run("b", overrides=b'{"temperature":0.50}')
    assert '"temperature":0.50' in peer.requests[-1]
    assert peer.sent()["model"] == "scripted"
    session.run("c")
    assert (peer.sent()["temperature"], "vendor" in peer.sent()) == (1, False)


def test_a_warm_up_generates_nothing_and_is_chained_on(talk):
    def script(conversation):
        assert conversation.request()["generate"] is False
        conversation.answer(response_id="resp_warm")
        conversation.request()
        conversation.answer("hot")
        conversation.until_closed()

    session, peer = talk(script, instructions="long")
    assert session.warm_up().outcome is Outcome.COMPLETED
    assert session.response_id == "resp_warm"
    assert session.run("x").text == "hot"
    sent = peer.sent()
    assert "generate" not in sent and sent["previous_response_id"] == "resp_warm"


def test_connecting_ahead(talk):
    arrived = threading.Event()

    def script(conversation):
        arrived.set()
        echo(conversation)

    session, peer = talk(script)
    session.connect(SECONDS)
    assert arrived.wait(SECONDS)
    session.connect()
    assert session.run("x").text == "echo: x"
    assert len(peer.connections) == 1


def test_times_and_sizes_are_measured(talk):
    session, peer = talk(echo)
    stats = session.run("hello").stats
    assert 0 <= stats.sent <= stats.first_event <= stats.first_output <= stats.end < SECONDS
    assert stats.request_bytes == len(peer.requests[-1].encode())
    assert not stats.is_delta and stats.resend_count == 0


def test_a_large_message_goes_both_ways(talk):
    session, peer = talk(echo)
    text = "0123456789" * 500_000
    turn = session.run(text)
    assert turn.text == "echo: " + text
    assert len(peer.requests[-1]) > 5_000_000


def test_a_tls_connection_to_a_trusted_host(serve, connect, certificates):
    peer = serve(echo, tls=certificates.good)
    session = connect(peer, ca_file=certificates.good.certificate).session(model="m")
    assert session.run("x").text == "echo: x"
    assert session.run("y" * 100_000).text == "echo: " + "y" * 100_000
