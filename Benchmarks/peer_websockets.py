"""The Python `websockets` package with the standard library's json."""
import asyncio
import json

from client import Bench
from websockets.asyncio.client import connect


async def main():
    bench = Bench()
    previous = None
    async with connect(bench.url + "/responses", ssl=bench.tls(), max_size=None,
                       compression=None, proxy=None) as socket:
        for _ in bench.each_turn():
            text = []
            await socket.send(json.dumps(bench.request(previous)))
            async for message in socket:
                event = json.loads(message)
                bench.events += 1
                kind = event["type"]
                if kind == "response.output_text.delta":
                    text.append(event["delta"])
                elif kind == "response.completed":
                    previous = event["response"]["id"]
                    break
                elif kind == "error":
                    raise RuntimeError(message)
            bench.end("".join(text))
    bench.report()


asyncio.run(main())
