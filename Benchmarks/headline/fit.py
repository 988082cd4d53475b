#!/usr/bin/env python3
"""Fits the constants of the cost model (constants.json), before anything is compared: fit.py [--write].

1. Measures the CPU time that this server's own code takes for a byte, an item and a token of input.
2. Counts the work of the published run (20 tool calls, about 9,300 input and 405 output tokens) over HTTP
   with the whole history and over a WebSocket, as this server does it.
3. Solves for the two constants that are left: how much slower the service's work is (one factor for all of
   it), and what every request takes. Two published figures, two unknowns; all else is an assumption, named
   here. RESPONSESWS_VOCABULARY must name the o200k_base.tiktoken to count with."""
import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import scenario

HTTP_SECONDS, WEBSOCKET_SECONDS = 19.6, 14.5
CALLS, INPUT_TOKENS, OUTPUT_TOKENS = 20, 9300, 405
# Not published: assumed.
TOKENS_PER_SECOND = 65
ROUND_TRIP_MS = 30
PREFILL_TOKEN_NS = 100_000


class Counter:
    """A server whose CPU time is read before and after requests that it only checks and counts."""

    def __init__(self):
        self._process = subprocess.Popen(
            [str(scenario.ROOT / "build" / "bin" / "responsesws-server"), "--exit-with-stdin",
             "--vocabulary", scenario.vocabulary()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._url = urlsplit(self._process.stdout.readline().split()[-1].replace("ws", "http", 1))
        self._connection = http.client.HTTPConnection(self._url.hostname, self._url.port)

    def _cpu(self):
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[0])

    def cost(self, **body):
        """The least of many, in nanoseconds; the body's bytes; its tokens."""
        text = json.dumps({"model": "m", **body})
        times = []
        for _ in range(200):
            before = self._cpu()
            self._connection.request("POST", self._url.path + "/responses/input_tokens", text,
                                     {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
            times.append(self._cpu() - before)
        return min(times), len(text), answer["input_tokens"]

    def close(self):
        self._connection.close()
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def unit_costs():
    counter = Counter()
    message = {"type": "message", "role": "user", "content": "a"}
    small, small_bytes, _ = counter.cost(input=[message])
    # Checked and not counted.
    wide, wide_bytes, _ = counter.cost(input=[message], metadata={"a": scenario.prose(10_000, 3)})
    byte_ns = (wide - small) / (wide_bytes - small_bytes)
    long, long_bytes, long_tokens = counter.cost(
        input=[{**message, "content": scenario.prose(10_000, 3)}])
    token_ns = ((long - small) - byte_ns * (long_bytes - small_bytes)) / long_tokens
    many, many_bytes, many_tokens = counter.cost(input=[message] * 200)
    item_ns = ((many - small) - byte_ns * (many_bytes - small_bytes) - token_ns * many_tokens) / 199
    counter.close()
    return {"byte_ns": round(byte_ns, 2), "item_ns": round(item_ns, 1), "token_ns": round(token_ns, 2)}


def work_of(kind, units):
    """Sums over the published run's requests: seconds of work at slowness 1, and the rest."""
    with scenario.Server(units) as server:
        worker = scenario.Worker(kind)
        worker.run({**scenario.task(CALLS, "small", 7), "url": server.url})
        worker.close()
        log = server.stop()
    costs = [record for record in log if record["event"] == "cost"]
    names = ("validation", "tokenisation", "loading")
    return {
        "requests": len(costs),
        "input_tokens": sum(c["usage"]["input_tokens"] for c in costs),
        "output_tokens": sum(c["usage"]["output_tokens"] for c in costs),
        **{name: sum(c["work"][name] for c in costs)
           for name in ("bytes", "items", "tokens", "loaded_items", "loaded_tokens")},
        "work_s": sum(c["nanoseconds"][name] for c in costs for name in names) / 1e9,
        "bytes_up": sum(r["bytes_up"] for r in log if r["event"] == "connection"),
    }


def link_seconds(work, handshakes):
    return ((work["requests"] + handshakes) * ROUND_TRIP_MS / 1000
            + work["bytes_up"] / scenario.BYTES_PER_SECOND)


def main():
    if not scenario.vocabulary():
        sys.exit("RESPONSESWS_VOCABULARY must name an o200k_base.tiktoken file.")
    units = unit_costs()
    print("measured on this machine:", json.dumps(units))
    units["prefill_token_ns"] = PREFILL_TOKEN_NS
    http = work_of("sdk-http", units)
    websocket = work_of("sdk-ws", units)
    print("over HTTP:     ", json.dumps(http))
    print("over WebSocket:", json.dumps(websocket))
    print(f"published: {INPUT_TOKENS} input and {OUTPUT_TOKENS} output tokens")

    inference = OUTPUT_TOKENS / TOKENS_PER_SECOND
    # The prompt cache is warm on both ways, so that what is read is what is new.
    last = http["input_tokens"] / http["requests"] * 2
    prefill = last * PREFILL_TOKEN_NS / 1e9
    # A WebSocket's upgrade is a round trip more.
    link_http = link_seconds(http, scenario.HANDSHAKE_ROUND_TRIPS)
    link_websocket = link_seconds(websocket, scenario.HANDSHAKE_ROUND_TRIPS + 1)
    slowness = ((HTTP_SECONDS - WEBSOCKET_SECONDS) - (link_http - link_websocket)) / (
        http["work_s"] - websocket["work_s"])
    request = (WEBSOCKET_SECONDS - link_websocket - inference - prefill
               - slowness * websocket["work_s"]) / websocket["requests"]
    print(f"assumed: {TOKENS_PER_SECOND} tokens/s, {ROUND_TRIP_MS} ms round trip, "
          f"{1e9 / PREFILL_TOKEN_NS:,.0f} tokens/s of prefill with a warm prompt cache on both ways")
    print(f"solved: slowness {slowness:.1f}, {request * 1000:.1f} ms of every request")
    for name, work, link in (("HTTP", http, link_http), ("WebSocket", websocket, link_websocket)):
        total = work["requests"] * request + slowness * work["work_s"] + inference + prefill + link
        print(f"  {name}: requests {work['requests'] * request:.2f} + work {slowness * work['work_s']:.2f}"
              f" + inference {inference:.2f} + prefill {prefill:.2f} + network {link:.2f} = {total:.2f} s")
    print(f"so an uncached byte costs {slowness * units['byte_ns'] / 1e3:.2f} µs, "
          f"an item {slowness * units['item_ns'] / 1e6:.2f} ms, a token {slowness * units['token_ns'] / 1e3:.1f} µs")
    fitted = {"request_ns": round(request * 1e9), **units, "slowness": round(slowness, 1)}
    print(json.dumps(fitted))
    if "--write" in sys.argv:
        fitted["note"] = "Fitted by fit.py to the published pair before anything was compared; see docs/headline.md."
        scenario.CONSTANTS.write_text(json.dumps(fitted, indent=2) + "\n")


main()
