"""libresponsesws through its Python binding: ours.py events|async|text|dicts URL MODEL TURNS [CA_FILE]."""
import asyncio
import json
import sys

from client import Bench
from responsesws import AsyncClient, Client, EventKind

DELTA = EventKind.OUTPUT_TEXT_DELTA


def events(bench, turn):
    """What a program that shows the text as it comes does."""
    text = []
    for event in turn:
        bench.events += 1
        if event.kind is DELTA:
            text.append(event.delta)
    return "".join(text)


def text(bench, turn):
    """What a program that wants the answer alone does."""
    turn.wait()
    bench.events += turn.stats.event_count
    return turn.text


def dicts(bench, turn):
    """What a program written against the bare protocol does: each event whole, as a dict."""
    text = []
    for event in turn:
        parsed = json.loads(event.json)
        bench.events += 1
        if parsed["type"] == "response.output_text.delta":
            text.append(parsed["delta"])
    return "".join(text)


def run(bench, read):
    with Client(base_url=bench.url, ca_file=bench.ca_file, api_key="") as client:
        session = client.session(model=bench.model, store=False)
        for _ in bench.each_turn():
            bench.end(read(bench, session.start("Go on.")))


async def run_async(bench):
    async with AsyncClient(base_url=bench.url, ca_file=bench.ca_file, api_key="") as client:
        session = client.session(model=bench.model, store=False)
        for _ in bench.each_turn():
            text = []
            async for event in session.start("Go on."):
                bench.events += 1
                if event.kind is DELTA:
                    text.append(event.delta)
            bench.end("".join(text))


def main():
    bench = Bench(sys.argv[2:])
    if sys.argv[1] == "async":
        asyncio.run(run_async(bench))
    else:
        run(bench, {"events": events, "text": text, "dicts": dicts}[sys.argv[1]])
    bench.report()


main()
