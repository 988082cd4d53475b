"""picows with orjson and uvloop: what one would write in Python today for speed alone."""
import asyncio

import orjson
import uvloop
from client import Bench
from picows import WSListener, WSMsgType, ws_connect


class Listener(WSListener):
    def __init__(self, bench):
        self.bench = bench
        self.text = []
        self.ended = None
        self.response_id = None

    def on_ws_frame(self, transport, frame):
        if frame.msg_type != WSMsgType.TEXT:
            return
        event = orjson.loads(frame.get_payload_as_memoryview())
        self.bench.events += 1
        kind = event["type"]
        if kind == "response.output_text.delta":
            self.text.append(event["delta"])
        elif kind == "response.completed":
            self.response_id = event["response"]["id"]
            self.ended.set_result(None)
        elif kind == "error":
            self.ended.set_exception(RuntimeError(event))

    def on_ws_disconnected(self, transport):
        if self.ended is not None and not self.ended.done():
            self.ended.set_exception(ConnectionError("the connection ended"))


async def main():
    bench = Bench()
    transport, listener = await ws_connect(
        lambda: Listener(bench), bench.url + "/responses", ssl_context=bench.tls())
    loop = asyncio.get_running_loop()
    for _ in bench.each_turn():
        listener.text.clear()
        listener.ended = loop.create_future()
        transport.send(WSMsgType.TEXT, orjson.dumps(bench.request(listener.response_id)))
        await listener.ended
        bench.end("".join(listener.text))
    transport.disconnect()
    bench.report()


uvloop.run(main())
