#!/usr/bin/env python3
"""How many events a second the local server can send: ceiling.py [CLIENTS [TURNS]]. The clients are this library's,
each a process, which take the text alone; the answers are echoes of 5,000 words, a delta for each."""
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bindings" / "python"))
WORDS = "word " * 5000


def client(url, turns):
    from responsesws import Client
    with Client(base_url=url, api_key="none") as client:
        client.session(model="rules", store=False).start("Warm up.").wait()
        print("ready", flush=True)
        sys.stdin.readline()
        print(sum(client.session(model="rules", store=False).start(WORDS).wait().stats.event_count
                  for _ in range(turns)))


def cpu_seconds(process):
    return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9


def main(clients=2, turns=60):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen(
        [str(ROOT / "build" / "bin" / "responsesws-server"), "--exit-with-stdin", "--no-deflate"], **pipes)
    url = server.stdout.readline().split()[-1]
    processes = [subprocess.Popen([sys.executable, __file__, "client", url, str(turns)], **pipes)
                 for _ in range(clients)]
    for process in processes:
        process.stdout.readline()
    started, before = time.perf_counter(), cpu_seconds(server)
    for process in processes:
        process.stdin.close()
    events = sum(int(process.stdout.read()) for process in processes)
    wall, cpu = time.perf_counter() - started, cpu_seconds(server) - before
    print(f"{events:,} events to {clients} clients: {events / wall:,.0f} a second; "
          f"{events / cpu:,.0f} for a second of the server's CPU")
    for process in processes:
        process.wait()
    server.stdin.close()
    server.wait()


if sys.argv[1:2] == ["client"]:
    client(sys.argv[2], int(sys.argv[3]))
else:
    main(*map(int, sys.argv[1:]))
