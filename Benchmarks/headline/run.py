#!/usr/bin/env python3
"""The headline, measured: the same agent run through each client against the local server with its cost model.

    run.py [--rounds N] [--only WORD] [--write] [--smoke]

docs/headline.md says what is simulated and what is measured. Simulated times are run SCALE times as fast, and
multiplied again; what is the client's own is never scaled. Fails where a bound on this library is missed."""
import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import report
import scenario

SCALE = 10.0
CLIENTS = {
    "ours-ws": "ours, WebSocket",
    "ours-http": "ours, HTTP",
    "sdk-http": "SDK, HTTP, whole history",
    "sdk-chain": "SDK, HTTP, chained (store)",
    "sdk-ws": "SDK, own WebSocket, chained by hand",
    "agents-http": "openai-agents, HTTP",
    "agents-ws": "openai-agents, WebSocket",
}
# No client, and in no table of theirs: what the way alone takes of each figure.
FLOOR = "bare-ws"
# What one of our turns may take besides the server and the way to it.
TURN_MS_MAX = 1.0


class Point:
    def __init__(self, calls=20, history="small", speed=1000, rtt=30, slower=1.0, scale=SCALE):
        self.calls, self.history, self.speed, self.rtt = calls, history, speed, rtt
        self.slower, self.scale = slower, scale

    @property
    def inference_scale(self):
        # Fast models are run as they are: events must not come faster than a client can hide its work behind.
        return self.scale if self.speed < 1000 else 1.0

    @property
    def name(self):
        text = f"{self.calls} calls, {self.history}, {self.speed:,} tokens/s, {self.rtt} ms"
        if self.slower == 0:
            return text + ", server's savings off"
        return text if self.slower == 1 else text + f", server's work × {self.slower:g}"


BASE = Point()
GRID = [
    BASE,
    Point(calls=5), Point(calls=50), Point(history="large"),
    Point(speed=65), Point(speed=4000), Point(rtt=0), Point(rtt=100),
    Point(slower=0), Point(slower=0, history="large"),
    Point(calls=5, speed=65, rtt=0), Point(calls=5, history="large", speed=65, rtt=100),
    Point(calls=50, speed=4000, rtt=0), Point(calls=50, history="large", speed=65, rtt=0),
    Point(calls=50, history="large", speed=4000, rtt=100),
    Point(history="large", slower=0.1),
]
PAIR = Point(speed=65, scale=1.0)
SMOKE = [Point(calls=3, rtt=10)]


def measure(point, worker, seed):
    """One run: what the client's clock says, taken apart with the server's log."""
    costs = scenario.constants()
    costs["slowness"] *= point.slower
    with scenario.Server(costs, point.speed * point.inference_scale, point.rtt, point.scale) as server:
        result = worker.run({**scenario.task(point.calls, point.history, seed), "url": server.url})
        log = server.stop()
    records = [r for r in log if r["event"] == "cost"]
    if len(records) != point.calls + 1 or len(result["turns"]) != point.calls + 1:
        raise RuntimeError(f"{worker.kind}: {len(records)} responses, {len(result['turns'])} turns")
    connections = [r for r in log if r["event"] == "connection"]
    exchanges = [r for r in log if r["event"] == "exchange"]
    return taken_apart(point, worker.kind, result, records, connections, exchanges)


def own_time(turn, record, exchanges):
    """Of a turn: until its request's last byte had come out of the client's socket, and from when the last byte of its
    answer went into it. What lies between is the line and the server, and no client's. None: the line's log lacks it,
    as it may the end of a connection that outlived the run."""
    begun, _, end = turn
    asked = [e for e in exchanges if e["asked_from"] <= record["received_at"]]
    answered = [e for e in exchanges if e["answered_at"] >= record["ended_at"]]
    if not asked or not answered:
        return None
    asked_at = max(asked, key=lambda e: e["asked_from"])["asked_at"]
    answered_at = min(e["answered_at"] for e in answered)
    return (asked_at - begun + end - answered_at) / 1e9


def taken_apart(point, kind, result, records, connections, exchanges):
    scale = point.scale
    turns = []
    for record in records:
        times = {name: value * scale / 1e9 for name, value in record["nanoseconds"].items()}
        times["inference"] *= point.inference_scale / scale
        turns.append({**times, "continued": record["continued"], "work": record["work"],
                      "usage": record["usage"]})
    upgrades = 1 if kind.endswith("-ws") else 0
    trips = len(records) + upgrades + scenario.HANDSHAKE_ROUND_TRIPS * max(1, len(connections))
    # Of a turn that need not connect.
    own = [own_time(turn, record, exchanges) for record, turn in list(zip(records, result["turns"]))[1:]]
    if own.count(None) > 1:
        raise RuntimeError(f"{kind}: {own.count(None)} turns are not in the line's log")
    own = [time for time in own if time is not None]
    bytes_up = sum(c["bytes_up"] for c in connections)
    network = trips * point.rtt / 1000 + bytes_up / scenario.BYTES_PER_SECOND
    at_server = sum(r["ended_at"] - r["received_at"] for r in records) / 1e9
    client = result["wall_ns"] / 1e9 - at_server - network / scale
    server = {name: sum(turn[name] for turn in turns) for name in report.SERVER_PARTS}
    # From the call to the first event, without the first turn, which connects.
    first = [
        point.rtt / 1000 + turn["queue"] + turn["request"] + turn["validation"]
        + turn["tokenisation"] + turn["loading"]
        + (seen - begun) / 1e9 - (record["began_at"] - record["received_at"]) / 1e9
        - point.rtt / 1000 / scale
        for turn, record, (begun, seen, _) in list(zip(turns, records, result["turns"]))[1:]]
    return {
        "total": sum(server.values()) + network + client, "server": server, "network": network,
        "client": client, "own_turn": statistics.median(own), "client_cpu": result["cpu_ns"] / 1e9, "trips": trips,
        "bytes_up": bytes_up, "connections": len(connections),
        "first_event": statistics.median(first),
        "delta_rate": sum(t["continued"] for t in turns) / max(1, len(turns) - 1),
        "cached_rate": (sum(t["usage"]["input_tokens_details"]["cached_tokens"] for t in turns)
                        / max(1, sum(t["usage"]["input_tokens"] for t in turns))),
        "input_tokens": sum(t["usage"]["input_tokens"] for t in turns),
        "output_tokens": sum(t["usage"]["output_tokens"] for t in turns),
        "turns": turns, "wall": result["wall_ns"] / 1e9}


def middle(runs):
    """The run with the median total, and the medians of what is measured."""
    chosen = dict(sorted(runs, key=lambda run: run["total"])[len(runs) // 2])
    for name in ("client", "own_turn", "client_cpu", "first_event", "network", "bytes_up"):
        chosen[name] = statistics.median(run[name] for run in runs)
    chosen["total"] = sum(chosen["server"].values()) + chosen["network"] + chosen["client"]
    chosen["totals"] = [run["total"] for run in runs]
    chosen["clients"] = [run["client"] for run in runs]
    chosen["own_turns"] = [run["own_turn"] for run in runs]
    return chosen


def run_points(points, workers, rounds):
    """Each round goes over all points and in each over all clients, so that a slow minute of the machine is one
    round's, and no row's."""
    runs, seed = [{kind: [] for kind in workers} for _ in points], int(time.time()) % 100_000
    for number in range(rounds):
        for point, found in zip(points, runs):
            for kind, worker in workers.items():
                seed += 1
                found[kind].append(measure(point, worker, seed))
            print(f"round {number + 1}/{rounds}, {point.name}: " + ", ".join(
                f"{kind} {of_kind[-1]['own_turn'] * 1000:.2f} ms" for kind, of_kind in found.items()),
                file=sys.stderr, flush=True)
    return [result_of(point, {kind: middle(of_kind) for kind, of_kind in found.items()})
            for point, found in zip(points, runs)]


def result_of(point, clients):
    floor = clients.pop(FLOOR)
    return {"point": point.__dict__, "name": point.name, "clients": clients, "floor": floor}


def judge(results):
    """What is bound: this library's own share of a turn, and never slower than the SDK's WebSocket."""
    failures = []
    for result in results:
        ours, sdk = result["clients"]["ours-ws"], result["clients"]["sdk-ws"]
        per_turn = ours["own_turn"] * 1000
        if per_turn > TURN_MS_MAX:
            failures.append(f"{result['name']}: {per_turn:.2f} ms a turn of the client's own")
        if ours["total"] > sdk["total"]:
            failures.append(f"{result['name']}: {ours['total']:.3f} s, and the SDK's WebSocket {sdk['total']:.3f} s")
    return failures


def smoke(workers):
    """Whether every client gets through, and what it must and must not have sent; no times."""
    checks = []
    for kind, worker in workers.items():
        run = measure(SMOKE[0], worker, 1)
        is_delta = kind in ("ours-ws", "sdk-ws", "sdk-chain", FLOOR)
        loaded = sum(t["work"]["loaded_tokens"] for t in run["turns"])
        checks += [
            (f"{kind} sends what is new", (run["delta_rate"] == 1) == is_delta),
            (f"{kind} has its parents loaded", (loaded > 0) == (kind == "sdk-chain")),
            (f"{kind} keeps its connection", run["connections"] == 1),
            (f"{kind} is cached", (run["cached_rate"] > 0) == (kind in ("ours-ws", "sdk-ws", FLOOR))),
        ]
    failed = [name for name, is_right in checks if not is_right]
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def conditions(started, rounds):
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown processor")
    return {
        "date": datetime.date.today().isoformat(), "processor": model, "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(), "load": [round(n, 2) for n in os.getloadavg()],
        "rounds": rounds, "minutes": round((time.time() - started) / 60, 1),
        "real_time": scenario.is_real_time, "vocabulary": bool(scenario.vocabulary())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="points with this word in their name")
    parser.add_argument("--write", action="store_true", help="write docs/headline.md and its chart")
    parser.add_argument("--real-time", action="store_true",
                        help="clients and server before all else on this machine (SCHED_RR, as root)")
    parser.add_argument("--again", action="store_true",
                        help="run nothing: the last run's figures (build/headline/report.json) as page and chart")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    scenario.is_real_time = options.real_time
    directory = scenario.ROOT / "build" / "headline"
    page = scenario.ROOT / "docs" if options.write else directory
    if options.again:
        report.write(json.loads((directory / "report.json").read_text()), CLIENTS, page)
        return 0
    workers = {kind: scenario.Worker(kind) for kind in (*CLIENTS, FLOOR)}
    try:
        if options.smoke:
            return smoke(workers)
        started = time.time()
        # Not measured: every client's code is loaded and warm.
        for worker in workers.values():
            measure(Point(calls=5, rtt=0), worker, 0)
        points = [point for point in GRID if options.only in point.name]
        found = {"results": run_points(points, workers, options.rounds),
                 "pair": [] if options.only else run_points([PAIR], workers, 1),
                 "conditions": conditions(started, options.rounds), "constants": scenario.constants()}
    finally:
        for worker in workers.values():
            worker.close()
    failures = judge(found["results"] + found["pair"])
    found["failures"] = failures
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(found))
    report.write(found, CLIENTS, page)
    for failure in failures:
        print(f"missed: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
