"""The same agent through every client: a worker of run.py, one process for each client.

    agents_under_test.py KIND

Takes a run as a line of JSON on standard input and answers with a line on standard output, so that imports
and warmed code are not part of any run. The clock begins before anything connects and ends with the last
answer; clients are made before, because one serves many runs."""
import asyncio
import json
import sys
import time

clock = time.monotonic_ns


class Loop:
    """The agent: asks, and answers each call with the next tool output, until the model is done."""

    def __init__(self, spec):
        self.spec = spec
        self.seen = 0
        self.turns = []

    @property
    def tool(self):
        return self.spec["tool"]

    def output(self):
        self.seen += 1
        return json.dumps({"remaining": self.spec["calls"] - self.seen}) + self.spec["padding"]

    def begin_turn(self):
        self._begin, self._first = clock(), None

    def saw_event(self):
        if self._first is None:
            self._first = clock()

    def end_turn(self):
        end = clock()
        self.turns.append((self._begin, self._first or end, end))

    def report(self, started, cpu, text):
        if text != "LOOP DONE" or self.seen != self.spec["calls"]:
            raise RuntimeError(f"the run ended with {text!r} after {self.seen} calls")
        return {"wall_ns": clock() - started, "cpu_ns": time.process_time_ns() - cpu,
                "turns": self.turns}


# --- this library ---------------------------------------------------------------------------------------


def ours(transport):
    from responsesws import Client

    def run(spec):
        loop = Loop(spec)
        with Client(base_url=spec["url"], api_key="none", transport=transport) as client:
            session = client.session(
                model="rules", store=False, instructions=spec["instructions"], tools=[loop.tool])
            started, cpu = clock(), time.process_time_ns()
            next_input = spec["prompt"]
            while True:
                loop.begin_turn()
                turn = session.start(next_input)
                for _ in turn:
                    loop.saw_event()
                calls = turn.calls
                loop.end_turn()
                if not calls:
                    return loop.report(started, cpu, turn.text)
                next_input = [{"type": "function_call_output", "call_id": call.call_id,
                               "output": loop.output()} for call in calls]
    return run


# --- the official SDK ----------------------------------------------------------------------------------


def sdk_client(spec):
    from openai import OpenAI
    return OpenAI(api_key="none", base_url=spec["url"].replace("ws", "http", 1),
                  websocket_base_url=spec["url"], max_retries=0)


def sdk_calls(response):
    return [item for item in response.output if item.type == "function_call"]


def sdk_http(is_chained):
    def run(spec):
        loop = Loop(spec)
        with sdk_client(spec) as client:
            started, cpu = clock(), time.process_time_ns()
            history = [{"role": "user", "content": spec["prompt"]}]
            extra = {"store": is_chained}
            while True:
                loop.begin_turn()
                stream = client.responses.create(
                    model="rules", instructions=spec["instructions"], tools=[loop.tool],
                    input=history, stream=True, **extra)
                for event in stream:
                    loop.saw_event()
                    if event.type == "response.completed":
                        response = event.response
                calls = sdk_calls(response)
                loop.end_turn()
                if not calls:
                    return loop.report(started, cpu, response.output_text)
                outputs = [{"type": "function_call_output", "call_id": call.call_id,
                            "output": loop.output()} for call in calls]
                if is_chained:
                    history, extra["previous_response_id"] = outputs, response.id
                else:
                    history += [item.model_dump(exclude_none=True) for item in response.output]
                    history += outputs
    return run


def sdk_websocket(spec):
    loop = Loop(spec)
    with sdk_client(spec) as client:
        started, cpu = clock(), time.process_time_ns()
        loop.begin_turn()
        with client.responses.connect() as connection:
            new = [{"role": "user", "content": spec["prompt"]}]
            extra = {}
            while True:
                if loop.turns:
                    loop.begin_turn()
                connection.response.create(
                    model="rules", store=False, instructions=spec["instructions"],
                    tools=[loop.tool], input=new, **extra)
                while True:
                    event = connection.recv()
                    loop.saw_event()
                    if event.type == "response.completed":
                        break
                    if event.type in ("error", "response.failed"):
                        raise RuntimeError(event)
                response = event.response
                calls = sdk_calls(response)
                loop.end_turn()
                if not calls:
                    return loop.report(started, cpu, response.output_text)
                new = [{"type": "function_call_output", "call_id": call.call_id,
                        "output": loop.output()} for call in calls]
                extra["previous_response_id"] = response.id


# --- openai-agents --------------------------------------------------------------------------------------


def agents(is_websocket):
    import agents as sdk
    from openai import AsyncOpenAI

    sdk.set_tracing_disabled(True)

    async def drive(loop, run_streamed):
        """Turns are told apart by their events: the runner makes the requests."""
        @sdk.function_tool(name_override=loop.tool["name"],
                           description_override=loop.tool["description"])
        def step(seen: int) -> str:
            loop.end_turn()
            loop.begin_turn()
            return loop.output()

        agent = sdk.Agent(name="agent", instructions=loop.spec["instructions"], model="rules",
                          tools=[step], model_settings=sdk.ModelSettings(store=False))
        started, cpu = clock(), time.process_time_ns()
        loop.begin_turn()
        result = run_streamed(agent, loop.spec["prompt"], max_turns=loop.spec["calls"] + 2)
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                loop.saw_event()
        loop.end_turn()
        return loop.report(started, cpu, result.final_output)

    async def websocket(spec):
        async with sdk.responses_websocket_session(
                api_key="none", base_url=spec["url"].replace("ws", "http", 1),
                websocket_base_url=spec["url"]) as session:
            return await drive(Loop(spec), session.run_streamed)

    async def http(spec):
        async with AsyncOpenAI(api_key="none", base_url=spec["url"].replace("ws", "http", 1),
                               max_retries=0) as client:
            config = sdk.RunConfig(model_provider=sdk.OpenAIProvider(
                openai_client=client, use_responses=True))
            return await drive(
                Loop(spec),
                lambda *arguments, **options: sdk.Runner.run_streamed(
                    *arguments, run_config=config, **options))

    return lambda spec: asyncio.run((websocket if is_websocket else http)(spec))


# --- no client at all -----------------------------------------------------------------------------------


def bare(spec):
    import bare_socket

    loop, frames = Loop(spec), bare_socket.Frames(spec)
    started, cpu = clock(), time.process_time_ns()
    text = bare_socket.converse(loop, frames)
    return loop.report(started, cpu, text)


KINDS = {
    "ours-ws": lambda: ours("websocket"),
    "ours-http": lambda: ours("http"),
    "sdk-http": lambda: sdk_http(False),
    "sdk-chain": lambda: sdk_http(True),
    "sdk-ws": lambda: sdk_websocket,
    "agents-http": lambda: agents(False),
    "agents-ws": lambda: agents(True),
    "bare-ws": lambda: bare,
}


def main():
    run = KINDS[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


main()
