"""The process whose memory is watched: sessions of long-lived and of passing clients on some threads, doing all that
a session does. After each round everything but the long-lived clients is closed, and a sample is written.

    worker.py SETTINGS (JSON, from `run`)"""
import ctypes
import gc
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "bindings" / "python"), str(Path(__file__).resolve().parent)]

import responsesws  # noqa: E402
from measuring import sample  # noqa: E402

SECONDS = 30
# Each has some turns that take a fraction of a second: then something hung, and no limit of a turn has ended it.
SCENARIO_SECONDS = 60
# Fewer say nothing about growth, however slow the machine is.
ROUNDS_LEAST = 20
FAILURES_SHOWN = 10
TOOLS = [{
    "type": "function", "name": "step", "strict": False,
    "parameters": {"type": "object", "properties": {"seen": {"type": "integer"}}},
}]
# What faults and limits may end a turn with. Anything else is a failure of the soak.
EXPECTED = (
    responsesws.NetworkError, responsesws.WebSocketError, responsesws.TLSError, responsesws.Overloaded,
    responsesws.RateLimited, responsesws.ResponseFailed, responsesws.ConnectionLimitReached, responsesws.Cancelled,
    responsesws.PreviousResponseNotFound, responsesws.TurnTimeout,
)


class Worker:
    def __init__(self, settings):
        self.settings = settings
        self.turns = 0
        self.done, self.errors, self.failures = Counter(), Counter(), []
        self._count = threading.Lock()
        self.clients = self._long_lived()

    def _long_lived(self):
        """The hour's clients: plain and TLS, a server with an age limit, faults on the way, HTTP, fallback."""
        urls = self.settings["urls"]
        return {
            "plain": self.client(urls["plain"]),
            "tls": self.client(urls["tls"]),
            "ageing": self.client(urls["ageing"], connection_age_limit=self.settings["age_limit"]),
            "proxied": self.client(urls["proxied"], connect_timeout=5, ping_interval=0.5, missed_pongs_max=1),
            "http": self.client(urls["plain"], transport="http"),
            "auto": self.client(urls["refusing"], transport="auto"),
        }

    def client(self, url, **options):
        options = {"retry_backoff": 0, "turn_timeout": SECONDS, "transport": "websocket", **options}
        if url.startswith("wss"):
            options["ca_file"] = self.settings["authority"]
        return responsesws.Client(url, api_key="any", proxy="", **options)

    def took(self, turn):
        with self._count:
            self.turns += 1
        for _ in range(self.settings["leak"] // 100):
            ctypes.memset(LIBC.malloc(84), 1, 84)
        return turn

    def name_of(self, client):
        return next((name for name, known in self.clients.items() if known is client), "")

    # --- what sessions do ---------------------------------------------------------------------

    def scenario(self, rng):
        play = rng.choice(SCENARIOS)
        client = self.clients[rng.choice(list(self.clients))]
        began = time.monotonic()
        try:
            play(self, client, rng)
            self.done[play.__name__] += 1
            took = time.monotonic() - began
            if took > SCENARIO_SECONDS:
                self.failures.append(f"{play.__name__} ({self.name_of(client)}) took {took:.0f} s")
        except EXPECTED as error:
            self.errors[type(error).__name__] += 1
        except BaseException as error:
            self.failures.append(f"{play.__name__}: {type(error).__name__}: {error}")

    def session(self, client, rng, **settings):
        defaults = {"model": "rules", "store": rng.random() < 0.1, "tools": TOOLS, "instructions": "Be brief. " * 20}
        return client.session(**{**defaults, **settings})

    def tool_loop(self, client, rng):
        with self.session(client, rng) as session:
            input, turns = rng.choice(("TOOL LOOP", "REASON TOOL LOOP")), rng.randrange(3, 20)
            for left in reversed(range(turns)):
                turn = session.start(input)
                for event in turn:
                    event.type  # noqa: B018 - reading is the point
                self.took(turn)
                input = [call.output({"remaining": left}) for call in turn.calls]
            expect(session.run(input).text if input else turn.text, "LOOP DONE")

    def run_tools(self, client, rng):
        left = rng.randrange(2, 8)

        def step(seen=0):
            return {"remaining": left - seen - 1}

        with self.session(client, rng) as session:
            run = session.run("TOOL LOOP", tools={"step": step})
            expect(run.text, "LOOP DONE")
            self.took(run)

    def lanes(self, client, rng):
        sessions = [self.session(client, rng) for _ in range(rng.randrange(2, 6))]
        for round in range(2):
            turns = [session.start(f"hello {n}") for n, session in enumerate(sessions)]
            for n, turn in enumerate(turns):
                expect(self.took(turn.wait()).text, f"ECHO: hello {n}")
        for session in sessions:
            session.close()

    def fork(self, client, rng):
        with self.session(client, rng) as session:
            self.took(session.run("first"))
            with session.fork() as fork:
                turns = [session.start("here"), fork.start("RECALL")]
                expect(self.took(turns[1].wait()).text, "RECALL users=2 tools=0 first=first")
                self.took(turns[0].wait())

    def steer(self, client, rng):
        with self.session(client, rng, model="gpt-6-rules", store=False) as session:
            turn, seen = session.start("SLOW 20 some words"), []
            while not turn.response_id and (event := turn.next()) is not None:
                seen.append(event.json)
            try:
                steering = turn.steer("otherwise")
            except responsesws.Closed:
                return
            seen += [event.json for event in turn]
            self.took(turn)
            try:
                following = turn.successor(SECONDS)
            except responsesws.WaitTimeout:
                raise AssertionError(f"nothing was said of {steering} ({self.name_of(client)}): {seen}") from None
            if following is not None:
                self.took(following.wait())

    def cancel(self, client, rng):
        with self.session(client, rng) as session:
            self.took(session.run("first"))
            turn = session.start("SLOW 100 some words")
            if rng.random() < 0.7:
                turn.next()
            turn.cancel()
            self.took(turn)
            # On a busy machine it may have ended before.
            users = 3 if turn.outcome is responsesws.Outcome.COMPLETED else 2
            expect(self.took(session.run("RECALL")).text, f"RECALL users={users} tools=0 first=first")

    def compaction(self, client, rng):
        with self.session(client, rng) as session:
            for _ in range(3):
                self.took(session.run("some words " * 50))
            session.compact(timeout=SECONDS)
            session.estimate("more")
            session.count_tokens("more", timeout=SECONDS)
            self.took(session.run("after"))

    def compacting_server(self, client, rng):
        threshold = [{"type": "compaction", "compact_threshold": 300}]
        with self.session(client, rng, context_management=threshold) as session:
            for _ in range(6):
                self.took(session.run("some words " * 30))

    def whole_history(self, client, rng):
        """An agent that keeps its own history, as for HTTP, and sometimes changes it."""
        history = []
        with self.session(client, rng) as session:
            for number in range(4):
                history.append({"type": "message", "role": "user", "content": f"hello {number}"})
                turn = self.took(session.run(history=history))
                history += turn.items
                if rng.random() < 0.2:
                    history = history[2:]

    def save_and_restore(self, client, rng):
        with self.session(client, rng) as session:
            self.took(session.warm_up("first"))
            self.took(session.run("second"))
            saved = session.save()
        with client.restore(saved) as session:
            expect(self.took(session.run("RECALL")).text, "RECALL users=3 tools=0 first=first")

    def abandoned(self, client, rng):
        """Turns and sessions that are freed while they run."""
        session = self.session(client, rng)
        turn = self.took(session.start("SLOW 20 words"))
        if rng.random() < 0.5:
            turn.next()
        if rng.random() < 0.5:
            session.close()

    def refused(self, client, rng):
        with self.session(client, rng) as session:
            try:
                self.took(session.run("UPSTREAM ERROR"))
            except (responsesws.ResponseFailed, responsesws.Overloaded):
                pass
            self.took(session.run("hello"))

    def passing_client(self, _, rng):
        """A client of a few turns, perhaps over TLS; closed well, or freed with all that hangs on it."""
        url = self.settings["urls"][rng.choice(("plain", "tls", "ageing"))]
        client = self.client(url, transport=rng.choice(("websocket", "http", "auto")))
        session = self.session(client, rng)
        self.took(session.run("hello"))
        if rng.random() < 0.5:
            session.close()
            client.close()

    def raw_socket(self, client, rng):
        if client in (self.clients["auto"], self.clients["proxied"]):
            client = self.clients["tls"]
        with client.socket() as socket:
            socket.send(json.dumps({"type": "response.create", "model": "rules", "store": False, "input": "x" * 3000}))
            while (message := socket.receive(SECONDS)) is not None:
                if "response.completed" in message:
                    break
            self.took(socket)

    def asynchronous(self, _, rng):
        import asyncio

        async def play():
            url = self.settings["urls"]["plain"]
            options = {"api_key": "any", "proxy": "", "retry_backoff": 0, "turn_timeout": SECONDS}
            async with responsesws.AsyncClient(url, **options) as client:
                session = client.session(model="rules", store=False)
                turns = [session.start("hello") for _ in range(3)]
                for turn in turns:
                    self.took(await turn.wait())

        asyncio.run(play())

    # --- rounds -------------------------------------------------------------------------------

    def round(self, rngs):
        threads = [threading.Thread(target=self.work, args=(rng,)) for rng in rngs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()
        return sample(self.turns)

    def work(self, rng):
        for _ in range(self.settings["scenarios"]):
            self.scenario(rng)


SCENARIOS = [
    Worker.tool_loop, Worker.tool_loop, Worker.run_tools, Worker.lanes, Worker.fork, Worker.steer, Worker.cancel,
    Worker.compaction, Worker.compacting_server,
    Worker.whole_history, Worker.save_and_restore, Worker.abandoned, Worker.refused, Worker.passing_client,
    Worker.raw_socket, Worker.asynchronous,
]


def expect(text, expected):
    if text != expected:
        raise AssertionError(f"{text!r} instead of {expected!r}")


LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
ctypes.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def main():
    settings = json.loads(sys.argv[1])
    worker = Worker(settings)
    rngs = [random.Random(f"{settings['seed']}-{n}") for n in range(settings["threads"])]
    end = time.monotonic() + settings["seconds"]
    rounds = 0
    while time.monotonic() < end or rounds < ROUNDS_LEAST:
        rounds += 1
        taken = worker.round(rngs)
        print(json.dumps({
            "sample": taken.as_dict(), "done": worker.done, "errors": worker.errors,
            "failures": worker.failures[:FAILURES_SHOWN],
        }), flush=True)
        # `run` looks at the server now, which is idle too.
        sys.stdin.readline()
    for client in worker.clients.values():
        client.close()
    sys.stdout.flush()
    # Nothing may hang on leaving, and nothing of the run is to be told any more.
    os._exit(0)


main()
