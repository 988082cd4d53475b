"""The official SDK's connection to the Responses API."""
import asyncio
import os

from client import Bench


async def main():
    bench = Bench()
    if bench.ca_file:
        os.environ["SSL_CERT_FILE"] = bench.ca_file
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="none", base_url=bench.url.replace("ws", "http", 1),
                         websocket_base_url=bench.url)
    previous = None
    async with client.responses.connect() as connection:
        for _ in bench.each_turn():
            text = []
            request = bench.request(previous)
            del request["type"]
            await connection.response.create(**request)
            async for event in connection:
                bench.events += 1
                if event.type == "response.output_text.delta":
                    text.append(event.delta)
                elif event.type == "response.completed":
                    previous = event.response.id
                    break
                elif event.type == "error":
                    raise RuntimeError(event)
            bench.end("".join(text))
    bench.report()


asyncio.run(main())
