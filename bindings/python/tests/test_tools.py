"""Tool loops, on both faces unless they differ: when tools run, what the model is told, what survives."""

import asyncio
import json
import threading
import time

import pytest
from conftest import API_KEY
from peer import SECONDS, custom_call, events_of, function_call, message, new_id, refusal

import responsesws
from responsesws import Outcome, Tool, ToolEnding, ToolError, ToolResults


def calls(*names, **arguments):
    return [function_call(name, json.dumps(arguments)) for name in names]


def answering(*responses):
    """A script: each request gets the next response's output items."""

    def script(conversation):
        for _, outputs in zip(conversation.requests(), responses):
            conversation.answer(*outputs)
        conversation.until_closed()

    return script


def outputs_of(request):
    return [item["output"] for item in request["input"]]


def test_a_run_answers_the_calls_until_there_are_none(talk):
    session, peer = talk(answering(calls("add", a=1, b=2), calls("add", a=3, b=4), ["done"]))
    run = session.run("go", {"add": lambda a, b: a + b})
    assert (run.text, run.outcome, run.is_finished) == ("done", Outcome.COMPLETED, True)
    assert len(run.turns) == 3
    assert [(result.output, result.ending) for result in run.calls] == [
        ("3", ToolEnding.RETURNED), ("7", ToolEnding.RETURNED),
    ]  # fmt: skip
    assert outputs_of(peer.sent(1)) == ["3"] and outputs_of(peer.sent(2)) == ["7"]
    assert run.results.effects == ()
    assert run.resume() is not None and len(peer.requests) == 3


def test_a_custom_tool_takes_the_text(talk):
    session, peer = talk(answering([custom_call("shout", "héllo")], ["done"]))
    assert session.run("go", {"shout": str.upper}).text == "done"
    (item,) = peer.sent(1)["input"]
    assert (item["type"], item["output"]) == ("custom_tool_call_output", "HÉLLO")


def test_a_tool_runs_before_the_response_is_complete(talk):
    ran = threading.Event()

    def script(conversation):
        conversation.request()
        *most, last = events_of(function_call("note", "{}"))
        conversation.send(*most)
        # The response ends only because the tool ran.
        assert ran.wait(SECONDS)
        conversation.send(last)
        conversation.request()
        conversation.answer("done")

    session, _ = talk(script)
    assert session.run("go", {"note": ran.set}).text == "done"


def test_calls_run_at_once_and_are_answered_in_their_order(talk):
    session, peer = talk(answering(calls("first", "second"), ["done"]))
    second_ran = threading.Event()

    def first():
        # In one thread this would wait for ever.
        return "1" if second_ran.wait(SECONDS) else "alone"

    def second():
        second_ran.set()
        return "2"

    session.run("go", {"first": first, "second": second})
    assert outputs_of(peer.sent(1)) == ["1", "2"]


def test_so_many_calls_run_at_once_and_no_more(talk):
    session, _ = talk(answering(calls(*["count"] * 12), ["done"]))
    lock, running, most = threading.Lock(), 0, 0

    def count():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    run = session.run("go", {"count": count}, max_parallel=3)
    assert len(run.calls) == 12 and 1 <= most <= 3


def boom():
    raise ValueError("no such city")


def polite():
    raise ToolError("ask for a city")


@pytest.mark.parametrize(
    "tool, arguments, output, ending",
    [
        (boom, "{}", "error: ValueError: no such city", ToolEnding.RAISED),
        (polite, "{}", "error: ask for a city", ToolEnding.RAISED),
        (object, "{}", "error: InvalidArgument: this value has no JSON form", ToolEnding.RAISED),
        (lambda: 1, "{", "error: the arguments are no valid JSON", ToolEnding.INVALID_ARGUMENTS),
        (lambda: 1, "[" * 100000, "error: the arguments are no", ToolEnding.INVALID_ARGUMENTS),
        (lambda: 1, "[1]", "error: the arguments must be a JSON object", ToolEnding.INVALID_ARGUMENTS),
        (lambda a: 1, "{}", "error: the arguments do not fit: missing", ToolEnding.INVALID_ARGUMENTS),
        (lambda: 1, '{"b":1}', "error: the arguments do not fit: got", ToolEnding.INVALID_ARGUMENTS),
        (None, "{}", 'error: there is no tool "tool"; there are: other', ToolEnding.UNKNOWN_TOOL),
    ],
)
def test_what_goes_wrong_in_a_call_is_told_to_the_model(talk, tool, arguments, output, ending):
    session, peer = talk(answering([function_call("tool", arguments)], ["done"]))
    tools = {"other": print, **({"tool": tool} if tool else {})}
    run = session.run("go", tools)
    (result,) = run.calls
    assert result.ending is ending
    assert result.output.startswith(output) and outputs_of(peer.sent(1)) == [result.output]
    assert "Traceback" not in result.output and __file__ not in result.output
    assert run.text == "done"


def test_a_tool_over_its_time_is_left_behind(talk):
    session, peer = talk(answering(calls("slow", "quick"), ["done"]))
    release = threading.Event()
    tools = {"slow": Tool(lambda: release.wait(SECONDS), timeout=0.05), "quick": lambda: "q"}
    run = session.run("go", tools, max_parallel=1)
    assert outputs_of(peer.sent(1)) == [
        "error: the tool did not finish within 0.05 s; it may have had effects", "q",
    ]  # fmt: skip
    slow, _ = run.calls
    assert slow.ending is ToolEnding.TIMED_OUT
    release.set()


def test_approvals(talk):
    session, peer = talk(answering(calls("a", "b", "c", "d"), ["done"]))
    asked, ran = [], []

    def approve(call):
        asked.append(call.name)
        return {"a": True, "b": False, "c": "not on Sundays"}[call.name]

    tools = {name: (lambda name=name: ran.append(name)) for name in "abc"}
    tools["d"] = Tool(lambda: ran.append("d"), approve=lambda call: True)
    run = session.run("go", tools, approve=approve)
    assert sorted(asked) == ["a", "b", "c"] and sorted(ran) == ["a", "d"]
    assert outputs_of(peer.sent(1)) == [
        "null", "error: the call was not approved",
        "error: the call was not approved: not on Sundays", "null",
    ]  # fmt: skip
    assert [result.ending.had_effects for result in run.calls] == [True, False, False, True]


def test_an_approval_that_raises_ends_the_run_and_runs_nothing(talk):
    session, _ = talk(answering(calls("tool"), ["done"]))
    ran = []

    def approve(call):
        raise RuntimeError("the user left")

    with pytest.raises(RuntimeError, match="the user left") as caught:
        session.run("go", {"tool": lambda: ran.append(1)}, approve=approve)
    assert ran == [] and len(caught.value.run.results) == 0


def test_too_many_turns_are_an_error_that_can_be_gone_on_from(talk):
    session, peer = talk(answering(calls("tool"), calls("tool"), calls("tool"), ["done"]))
    ran = []
    with pytest.raises(responsesws.MaxTurnsReached) as caught:
        session.run("go", {"tool": lambda: ran.append(1)}, max_turns=2)
    error = caught.value
    assert isinstance(error, responsesws.LimitReached) and "2 turns" in str(error)
    assert len(error.run.turns) == 2 and len(error.results) == 2 == len(ran)
    assert len(peer.requests) == 2


def test_a_run_with_too_many_turns_goes_on(client):
    session, _ = client(answering(calls("tool"), calls("tool"), calls("tool"), ["done"]))
    ran = []
    with pytest.raises(responsesws.MaxTurnsReached) as caught:
        session.run("go", {"tool": lambda: ran.append(1)}, max_turns=2)
    run = caught.value.run
    with pytest.raises(responsesws.MaxTurnsReached):
        run.resume(1)
    assert run.resume().text == "done"
    assert len(ran) == 3 and len(run.turns) == 4


def test_callbacks_are_told_in_order(talk):
    session, _ = talk(answering(calls("tool"), ["done"]))
    seen = []
    session.run(
        "go", {"tool": lambda: "out"},
        on_input=lambda input: seen.append(input if isinstance(input, str) else input[0]["output"]),
        on_event=lambda event: seen.append(event.type) if "output_item.done" in event.type else None,
        on_turn=lambda turn, results: seen.append([result.output for result in results]),
    )  # fmt: skip
    assert seen == [
        "go", "response.output_item.done", ["out"],
        "out", "response.output_item.done", [],
    ]  # fmt: skip


def test_options_hold_for_every_turn(talk):
    session, peer = talk(answering(calls("tool"), ["done"]))
    session.run("go", {"tool": str}, temperature=0.5)
    assert [peer.sent(index)["temperature"] for index in (0, 1)] == [0.5, 0.5]


def test_tools_that_are_no_mapping_are_a_body_field(talk):
    session, peer = talk(answering(["done"], ["done"]), tools=[{"type": "web_search"}])
    assert session.run("go", tools=[]).text == "done"
    assert session.run("go", tools=None).text == "done"
    assert peer.sent(0)["tools"] == [] and "tools" not in peer.sent(1)


# -------------------------------------------------------- responses that end otherwise


def test_a_refusal_ends_the_run(talk):
    session, _ = talk(answering([refusal("no")]))
    run = session.run("go", {"tool": str})
    assert run.refusal == "no" and run.is_finished


def incomplete(conversation, *items, **last):
    conversation.answer(
        *items, status="incomplete", incomplete_details={"reason": "max_output_tokens"}, **last)


def test_a_call_that_was_cut_off_is_not_run(talk):
    def script(conversation):
        conversation.request()
        cut = function_call("tool", '{"a": 1')
        cut["status"] = "incomplete"
        incomplete(conversation, message("one moment"), cut)
        conversation.until_closed()

    session, _ = talk(script)
    ran = []
    run = session.run("go", {"tool": lambda a: ran.append(a)})
    assert run.outcome is Outcome.INCOMPLETE and not run.is_finished
    assert run.text == "one moment" and ran == [] and run.calls == ()


def test_the_whole_calls_of_a_cut_off_response_are_effects_that_its_chain_does_not_know(talk):
    def script(conversation):
        conversation.request()
        cut = function_call("tool", '{"a": 2')
        cut["status"] = "incomplete"
        incomplete(conversation, *calls("tool", a=1), cut)
        conversation.until_closed()

    session, _ = talk(script)
    run = session.run("go", {"tool": lambda a: f"did {a}"})
    assert [result.output for result in run.results.effects] == ["did 1"]


def test_the_calls_of_an_incomplete_response_are_answered_if_all_are_whole(talk):
    def script(conversation):
        conversation.request()
        incomplete(conversation, *calls("tool"))
        conversation.request()
        conversation.answer("done")

    session, peer = talk(script)
    assert session.run("go", {"tool": lambda: "x"}).text == "done"
    assert outputs_of(peer.sent(1)) == ["x"]


def test_a_server_without_done_events_is_served_at_the_end(talk):
    def script(conversation):
        conversation.request()
        events = events_of(function_call("tool", "{}"))
        conversation.send(*(e for e in events if "output_item" not in e["type"]))
        conversation.request()
        conversation.answer("done")

    session, peer = talk(script)
    assert session.run("go", {"tool": lambda: "x"}).text == "done"
    assert outputs_of(peer.sent(1)) == ["x"]


# --------------------------------------------------------------------------- what survives


def failing_once(first, *later):
    """A response that fails after those items, then whole ones."""

    def script(conversation):
        requests = conversation.requests()
        next(requests)
        conversation.send(*events_of(*first)[:-1])
        failure = {"code": "mishap", "message": "sorry"}
        conversation.send({
            "type": "response.failed", "sequence_number": 99,
            "response": {"id": new_id("resp"), "status": "failed", "output": [], "error": failure},
        })  # fmt: skip
        for _, outputs in zip(requests, later):
            conversation.answer(*outputs)
        conversation.until_closed()

    return script


def same(call_id, name="tool", arguments="{}"):
    return function_call(name, arguments, call_id)


def test_a_failed_turn_gives_what_its_calls_came_to(talk):
    session, _ = talk(failing_once([same("call_1")]))
    with pytest.raises(responsesws.ResponseFailed) as caught:
        session.run("go", {"tool": lambda: "x"})
    results = caught.value.results
    assert results["call_1"].output == "x"
    assert [result.call.call_id for result in results.effects] == ["call_1"]


def test_a_seen_call_does_not_run_again(talk):
    session, peer = talk(failing_once([same("call_1")], [same("call_1")], ["done"]))
    ran = []
    tools = {"tool": lambda: ran.append(1) or f"run {len(ran)}"}
    with pytest.raises(responsesws.ResponseFailed) as caught:
        session.run("go", tools)
    run = session.run("go", tools, results=caught.value.results)
    assert run.text == "done" and ran == [1]
    assert outputs_of(peer.sent(2)) == ["run 1"]
    assert run.results.effects == ()


def test_new_calls_of_a_turn_sent_again_know_what_happened(talk):
    session, _ = talk(failing_once([same("call_1")], [same("call_2")], [same("call_3")], ["done"]))
    asked = []

    def approve(call):
        asked.append((call.call_id, [effect.output for effect in call.effects]))
        return True

    tools = {"tool": lambda: "did it"}
    with pytest.raises(responsesws.ResponseFailed) as caught:
        session.run("go", tools, approve=approve)
    run = session.run("go", tools, approve=approve, results=caught.value.results)
    # The last one comes after a turn that the chain has: it knows of call_2.
    assert asked == [("call_1", []), ("call_2", ["did it"]), ("call_3", [])]
    assert [result.call.call_id for result in run.results.effects] == ["call_1"]


def test_an_id_that_a_server_gives_to_another_call_is_another_call(talk):
    first = same("call_0", arguments='{"n":1}')
    session, peer = talk(answering([first], [same("call_0", arguments='{"n":2}')], ["done"]))
    session.run("go", {"tool": lambda n: n})
    assert outputs_of(peer.sent(1)) == ["1"] and outputs_of(peer.sent(2)) == ["2"]


# ---------------------------------------------------------------------------- synchronous


@pytest.fixture
def client(serve):
    clients = []

    def make(script):
        peer = serve(script)
        clients.append(
            responsesws.Client(
                peer.url, api_key=API_KEY, turn_timeout=SECONDS, replay=responsesws.Replay.NEVER
            )
        )
        return clients[-1].session(model="m", store=False), peer

    yield make
    for client in clients:
        client.close()


def test_a_failed_run_is_resumed_where_it_failed(client):
    def script(conversation):
        requests = conversation.requests()
        next(requests)
        conversation.answer(same("call_1"))
        next(requests)
        conversation.cut()

    def again(conversation):
        conversation.request()
        conversation.answer("done")
        conversation.until_closed()

    scripts = iter([script, again])
    session, peer = client(lambda conversation: next(scripts)(conversation))
    ran = []
    with pytest.raises(responsesws.ConnectionLost) as caught:
        session.run("go", {"tool": lambda: ran.append(1) or "x"})
    run = caught.value.run
    assert run.resume() is run and run.text == "done" and ran == [1]
    last = peer.sent(2)
    assert "previous_response_id" not in last
    assert [item["type"] for item in last["input"]][-2:] == ["function_call", "function_call_output"]


def completion():
    """(an event, the on_event that sets it once a response is complete)"""
    completed = threading.Event()

    def notice(event):
        if event.type == "response.completed":
            completed.set()

    return completed, notice


def test_a_run_is_stopped_while_a_tool_works_and_goes_on_without_running_it_again(client):
    session, peer = client(answering(calls("tool"), ["done"]))
    stop, release, ran = threading.Event(), threading.Event(), []
    completed, notice = completion()

    def tool():
        ran.append(1)
        assert completed.wait(SECONDS)
        stop.set()
        assert release.wait(SECONDS)
        return "x"

    with pytest.raises(responsesws.Cancelled) as caught:
        session.run("go", {"tool": tool}, stop=stop, on_event=notice)
    assert len(peer.requests) == 1
    stop.clear()
    release.set()
    assert caught.value.run.resume().text == "done"
    assert ran == [1] and outputs_of(peer.sent(1)) == ["x"]


def test_a_run_is_stopped_while_the_model_works(client):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("text")[:3])
        conversation.until_closed()

    session, _ = client(script)
    stop = threading.Event()
    with pytest.raises(responsesws.Cancelled) as caught:
        session.run("go", {"tool": str}, stop=stop, on_event=lambda event: stop.set())
    assert caught.value.run.turn.outcome is Outcome.CANCELLED


def test_what_waits_for_a_thread_is_not_begun_after_a_stop(client):
    session, _ = client(answering(calls("tool", "later"), ["done"]))
    stop, release, ran = threading.Event(), threading.Event(), []
    completed, notice = completion()

    def tool():
        assert completed.wait(SECONDS)
        stop.set()
        release.wait(SECONDS)

    tools = {"tool": tool, "later": lambda: ran.append(1)}
    with pytest.raises(responsesws.Cancelled) as caught:
        session.run("go", tools, stop=stop, max_parallel=1, on_event=notice)
    release.set()
    assert ran == []
    stop.clear()
    assert caught.value.run.resume().text == "done" and ran == [1]


def test_a_callback_that_raises_cancels_the_turn(client):
    def script(conversation):
        conversation.request()
        conversation.send(*events_of("text")[:3])
        conversation.until_closed()

    session, _ = client(script)

    def on_event(event):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        session.run("go", {}, on_event=on_event)
    assert caught.value.run.turn.outcome is Outcome.CANCELLED


def test_coroutines_are_no_tools_and_no_approvals_of_a_synchronous_run(client):
    session, _ = client(answering(calls("tool")))
    ran = []

    async def coroutine(*_):
        return True

    with pytest.raises(responsesws.InvalidArgument, match="AsyncClient"):
        session.run("go", {"tool": coroutine})

    def approve(call):
        # What a coroutine function returns, but for the warning that nobody awaits it.
        return object()

    with pytest.raises(responsesws.InvalidArgument, match="approve must return"):
        session.run("go", {"tool": lambda: ran.append(1)}, approve=approve)
    assert ran == []


def test_results_of_other_runs_say_how_many_there_are():
    results = ToolResults()
    assert len(results) == 0 and list(results) == [] and "x" not in results
    with pytest.raises(KeyError):
        results["x"]


@pytest.mark.parametrize(
    "options", [{"max_turns": 0}, {"max_parallel": 0}, {"tool_timeout": 0}], ids=str)
def test_limits_must_be_positive(client, options):
    session, _ = client(answering())
    with pytest.raises(responsesws.InvalidArgument):
        session.run("go", {}, **options)


# --------------------------------------------------------------------------------- asyncio


def with_session(serve, script, body):
    async def main():
        peer = serve(script)
        async with responsesws.AsyncClient(
            peer.url, api_key=API_KEY, turn_timeout=SECONDS
        ) as client:
            return await body(client.session(model="m"), peer)

    return asyncio.run(asyncio.wait_for(main(), SECONDS * 2))


def test_coroutines_are_tasks(serve):
    async def body(session, peer):
        first_may_end = asyncio.Event()

        async def first():
            await first_may_end.wait()
            return "1"

        async def second():
            first_may_end.set()
            return "2"

        async def approve(call):
            await asyncio.sleep(0)
            return call.name != "third"

        tools = {"first": first, "second": second, "third": first}
        run = await session.run("go", tools, approve=approve)
        assert outputs_of(peer.sent(1)) == ["1", "2", "error: the call was not approved"]
        return run.text

    assert with_session(serve, answering(calls("first", "second", "third"), ["done"]), body) == "done"


def test_a_coroutine_over_its_time_is_cancelled(serve):
    async def body(session, peer):
        ended = []

        async def slow():
            try:
                await asyncio.sleep(SECONDS)
            finally:
                ended.append(1)

        run = await session.run("go", {"slow": slow}, tool_timeout=0.05)
        (result,) = run.calls
        assert result.ending is ToolEnding.TIMED_OUT and ended == [1]
        return run.text

    assert with_session(serve, answering(calls("slow"), ["done"]), body) == "done"


def test_cancelling_the_task_cancels_turn_and_tools_and_the_run_can_go_on(serve):
    async def body(session, peer):
        began, ended = asyncio.Event(), []

        async def tool():
            began.set()
            try:
                await asyncio.sleep(SECONDS)
            finally:
                ended.append(1)

        completed, notice = completion()
        run = responsesws.AsyncRun(session, "go", {"tool": tool}, on_event=notice)
        task = asyncio.ensure_future(run.resume())
        await began.wait()
        while not completed.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [1] and run.calls[0].ending is ToolEnding.INTERRUPTED
        await run.resume()
        assert ended == [1]
        assert outputs_of(peer.sent(-1)) == [
            "error: the tool was interrupted; it may have had effects"]
        return run.text

    assert with_session(serve, answering(calls("tool"), ["done"]), body) == "done"


def test_a_failed_asynchronous_run_is_resumed(serve):
    async def body(session, peer):
        ran = []

        async def tool():
            ran.append(1)

        with pytest.raises(responsesws.ResponseFailed) as caught:
            await session.run("go", {"tool": tool})
        run = await caught.value.run.resume()
        assert ran == [1]
        return run.text

    script = failing_once([same("call_1")], [same("call_1")], ["done"])
    assert with_session(serve, script, body) == "done"
