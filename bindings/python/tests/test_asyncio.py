"""What only the asyncio classes can get wrong: other tasks, cancellation, readiness."""

import asyncio

import pytest
from conftest import API_KEY
from peer import SECONDS, echo, events_of

import responsesws
from responsesws import AsyncClient, Outcome
from responsesws._turn import TurnBase


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, SECONDS * 2))


def client_of(peer):
    return AsyncClient(peer.url, api_key=API_KEY, turn_timeout=SECONDS)


def test_many_sessions_in_one_loop(serve):
    peer = serve(echo)

    async def one(client, name):
        async with client.session(model="m") as session:
            return [(await session.run(f"{name} {turn}")).text for turn in range(5)]

    async def main():
        async with client_of(peer) as client:
            return await asyncio.gather(*(one(client, name) for name in range(20)))

    assert run(main()) == [[f"echo: {name} {turn}" for turn in range(5)] for name in range(20)]


def test_other_tasks_run_while_a_fast_stream_is_read(serve):
    def script(conversation):
        conversation.request()
        conversation.answer("x" * 5000, pieces=5000)
        conversation.until_closed()

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        async with client_of(serve(script)) as client:
            turn = client.session(model="m").start("x")
            # All is there before the reading begins: nothing but the reader's own manners can
            # let the other task run.
            while turn.outcome is Outcome.RUNNING:
                await asyncio.sleep(0.001)
            task = asyncio.create_task(tick())
            text = [delta async for delta in turn.text_deltas()]
            task.cancel()
            return ticks, len("".join(text))

    ticks, length = run(main())
    assert length == 5000 and ticks >= 50


def silent(conversation):
    conversation.request()
    conversation.send(*events_of("text")[:3])
    conversation.until_closed()


def test_cancelling_the_task_cancels_the_turn_of_run(serve):
    started = []

    async def main():
        async with client_of(serve(silent)) as client:
            session = client.session(model="m")
            start = session.start
            session.start = lambda *a, **o: started.append(start(*a, **o)) or started[-1]
            task = asyncio.create_task(session.run("x"))
            while not started or started[0].response_id is None:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert started[0].outcome is Outcome.CANCELLED

    run(main())


def test_cancelling_a_wait_leaves_the_turn_running(serve):
    async def main():
        async with client_of(serve(silent)) as client:
            turn = client.session(model="m").start("x")
            while turn.response_id is None:
                await asyncio.sleep(0.001)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(turn.wait(), 0.1)
            assert turn.outcome is Outcome.RUNNING

    run(main())


def test_two_turns_of_a_session_are_awaited_at_once(serve):
    async def main():
        async with client_of(serve(echo)) as client:
            session = client.session(model="m")
            turns = [session.start(str(number)) for number in range(10)]
            await asyncio.gather(*(turn.wait() for turn in reversed(turns)))
            return [turn.text for turn in turns]

    assert run(main()) == [f"echo: {number}" for number in range(10)]


def test_an_unread_turn_does_not_make_the_next_one_spin(serve, monkeypatch):
    """The descriptor stays readable for events that nobody reads."""
    looks = 0
    take = TurnBase._take

    def counting(self, *arguments):
        nonlocal looks
        looks += 1
        return take(self, *arguments)

    monkeypatch.setattr(TurnBase, "_take", counting)

    def script(conversation):
        conversation.request()
        conversation.answer("unread")
        silent(conversation)

    async def main():
        async with client_of(serve(script)) as client:
            session = client.session(model="m")
            unread = session.start("x")
            turn = session.start("y")
            with pytest.raises(responsesws.WaitTimeout):
                await turn.wait(0.5)
            assert unread.outcome is Outcome.COMPLETED

    run(main())
    assert looks < 200


def test_closing_a_session_wakes_who_waits(serve):
    async def main():
        async with client_of(serve(silent)) as client:
            session = client.session(model="m")
            turn = session.start("x")
            await turn.next(SECONDS)

            async def read():
                async for _ in turn:
                    pass

            task = asyncio.create_task(read())
            await asyncio.sleep(0)
            await session.close()
            with pytest.raises((responsesws.Cancelled, responsesws.Closed)):
                await task

    run(main())


def test_one_client_serves_one_loop_after_the_other(serve):
    client = client_of(serve(echo))
    session = client.session(model="m")

    async def turn(text):
        return (await session.run(text)).text

    assert [run(turn("a")), run(turn("b"))] == ["echo: a", "echo: b"]
    run(client.close())
