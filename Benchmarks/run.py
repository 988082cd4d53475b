#!/usr/bin/env python3
"""Runs the benchmark: our library and its peers against one server, interleaved, and prints a table
for each workload. docs/benchmarks.md says what is measured and how to read it."""
import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"

# Every client ends by itself; this bound is for the day when one does not.
SECONDS_MAX = 300

FLAGS = ["-O2", "-g", "-Wall", "-Wextra", "-I" + str(ROOT / "Include")]
OURS_LIBS = ["-L" + str(ROOT / "build" / "lib"), "-lresponsesws", "-Wl,-rpath,$ORIGIN/../lib"]
TLS_LIBS = ["-lssl", "-lcrypto", "-lz"]

# name: source, libraries, header without which it is missing, Debian package that has that header
PROGRAMS = {
    "server": ("server.c", TLS_LIBS, None, None),
    "limit": ("limit.c", TLS_LIBS, None, None),
    "ours": ("ours.c", OURS_LIBS + ["-lz"], None, None),
    "memory_ours": ("memory_ours.c", OURS_LIBS, None, None),
    "peer_lws": ("peer_lws.c", ["-lwebsockets", "-lcjson"] + TLS_LIBS,
                 "libwebsockets.h", "libwebsockets-dev"),
    "memory_lws": ("memory_lws.c", ["-lwebsockets"] + TLS_LIBS,
                   "libwebsockets.h", "libwebsockets-dev"),
    "peer_beast": ("peer_beast.cpp", ["-lsimdjson", "-lpthread"] + TLS_LIBS,
                   "boost/beast.hpp", "libboost-dev libsimdjson-dev"),
}


class Client:
    def __init__(self, label, *command, modules=(), share=1.0):
        self.label = label
        self.command = command
        self.modules = modules
        # Of the workload's turns: the slow ones would take most of the time otherwise.
        self.share = share

    @property
    def program(self):
        return self.command[0]

    @property
    def is_python(self):
        return self.program.endswith(".py")


CLIENTS = [
    Client("limit (C, no library)", "limit"),
    Client("ours, C, next", "ours", "next"),
    Client("ours, C, next_batch", "ours", "batch"),
    Client("ours, C, callback", "ours", "callback"),
    Client("Boost.Beast + simdjson", "peer_beast"),
    Client("libwebsockets + cJSON", "peer_lws"),
    Client("ours, Python, text only", "ours.py", "text"),
    Client("ours, Python, events", "ours.py", "events"),
    Client("ours, Python, async events", "ours.py", "async"),
    Client("ours, Python, dicts", "ours.py", "dicts"),
    Client("picows + orjson + uvloop", "peer_picows.py", modules=("picows", "orjson", "uvloop")),
    Client("Python websockets + json", "peer_websockets.py", modules=("websockets",), share=0.5),
    Client("official SDK (Python)", "peer_sdk.py", modules=("openai", "websockets"), share=0.1),
]


class Workload:
    def __init__(self, name, model, turns, is_pinned=False):
        self.name, self.model, self.turns, self.is_pinned = name, model, turns, is_pinned

    @property
    def deltas(self):
        return int(self.model.rsplit("-", 1)[1])


WORKLOADS = [
    Workload("stream", "bench-stream-5000", 20),
    Workload("flush", "bench-flush-5000", 20),
    Workload("ping-pong", "bench-pong-1", 2000, is_pinned=True),
]
SMOKE_WORKLOADS = [
    Workload("stream", "bench-stream-200", 2),
    Workload("flush", "bench-flush-200", 2),
]


class Missing(Exception):
    """A peer that cannot be measured here, and how to get it."""


# --- building -----------------------------------------------------------------------------------------


def has_header(header):
    probe = subprocess.run(["g++", "-E", "-x", "c++", "-include", header, "/dev/null"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return probe.returncode == 0


def build(name, is_quick=False):
    """Compiles the program unless it is newer than what it is made of."""
    source, libraries, header, package = PROGRAMS[name]
    target = BUILD / name
    inputs = [HERE / source, *HERE.glob("*.h"), ROOT / "Include" / "responsesws.h"]
    if target.exists() and all(target.stat().st_mtime > i.stat().st_mtime for i in inputs):
        return
    if header is not None and not has_header(header):
        raise Missing(f"apt-get install {package}")
    is_cpp = source.endswith(".cpp")
    if is_cpp and is_quick:
        raise Missing("not built; make bench builds it")
    compiler = ["g++", "-std=c++17"] if is_cpp else ["gcc", "-std=c11"]
    command = [*compiler, *FLAGS, str(HERE / source), "-o", str(target), *libraries]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    if header is None:
        sys.exit(f"error: {shlex.join(command)}\n{done.stderr}")
    raise Missing("it does not compile here: " + done.stderr.strip().splitlines()[0])


def python():
    """The virtual environment with the peers; else the tests', which has some; else this Python."""
    for venv in (BUILD / "venv", ROOT / "build" / "venv"):
        if (venv / "bin" / "python").exists():
            return str(venv / "bin" / "python")
    return sys.executable


def check_modules(client):
    for module in client.modules:
        found = subprocess.run([python(), "-c", f"import {module}"], capture_output=True)
        if found.returncode != 0:
            raise Missing(f"pip install -r Benchmarks/requirements.txt (no module {module})")


def usable(clients, is_quick=False):
    """The clients that can run here, and why each other one cannot."""
    found, missing = [], {}
    for client in clients:
        try:
            if client.is_python:
                check_modules(client)
            else:
                build(client.program, is_quick)
            found.append(client)
        except Missing as reason:
            missing[client.label] = str(reason)
    return found, missing


# --- running ------------------------------------------------------------------------------------------


def certificate():
    """A certificate of 127.0.0.1 and its key, made once and again before it expires."""
    files = BUILD / "cert.pem", BUILD / "key.pem"
    fresh = files[0].exists() and subprocess.run(
        ["openssl", "x509", "-checkend", "86400", "-noout", "-in", str(files[0])],
        capture_output=True).returncode == 0
    if not fresh:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", str(files[1]), "-out", str(files[0])],
            check=True, capture_output=True)
    return files


class Server:
    """The benchmark's server, for the length of a `with` block."""

    def __init__(self, core=None):
        cert, key = certificate()
        command = [str(BUILD / "server"), "--cert", str(cert), "--key", str(key)]
        self._process = subprocess.Popen(pinned(command, core), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        ports = dict(self._process.stdout.readline().split() for _ in range(2))
        self.plain = [f"ws://127.0.0.1:{ports['plain']}/v1"]
        self.tls = [f"wss://127.0.0.1:{ports['tls']}/v1", str(cert)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=10)


class CompressingServer:
    """The local server, which agrees to permessage-deflate, for the length of a `with` block."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [str(ROOT / "build" / "bin" / "responsesws-server"), "--exit-with-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=10)


def pinned(command, core):
    return command if core is None else ["taskset", "-c", str(core), *command]


def environment():
    env = dict(os.environ)
    # Only local servers are asked, whatever the developer's shell is set up for.
    for name in list(env):
        if name.startswith(("OPENAI_", "RWS_")) or name.lower().endswith("_proxy"):
            del env[name]
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "bindings" / "python"), str(HERE)])
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def run(client, workload, target, crc, core):
    """One measurement; ends the whole run if the client failed or has read another text."""
    url, *ca = target
    turns = max(1, round(workload.turns * client.share))
    program = ([python(), str(HERE / client.program)] if client.is_python
               else [str(BUILD / client.program)])
    command = [*program, *client.command[1:], url, workload.model, str(turns), *ca]
    done = subprocess.run(pinned(command, core), env=environment(), capture_output=True,
                          text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}:\n{done.stderr.strip()}")
    result = json.loads(done.stdout)
    if result["crc"] != crc:
        raise RuntimeError(f"{shlex.join(command)}: has read another text than was sent")
    if result["events"] != turns * (workload.deltas + 8):
        raise RuntimeError(f"{shlex.join(command)}: {result['events']} events are not all")
    return result


def crc_of(workload):
    return subprocess.run([str(BUILD / "server"), "--crc", str(workload.deltas)],
                          capture_output=True, text=True, check=True).stdout.split()[0]


def measure(clients, workloads, rounds):
    """Results by workload, transport and client; rounds go over all clients, so that what disturbs
    the machine for a while disturbs all of them."""
    core = max(os.sched_getaffinity(0)) if shutil.which("taskset") else None
    results = {}
    with Server() as server, Server(core) as pinned_server:
        for workload in workloads:
            crc = crc_of(workload)
            chosen = pinned_server if workload.is_pinned else server
            for transport in ("plain", "tls"):
                rows = results[f"{workload.name}, {transport}"] = {c.label: [] for c in clients}
                for index in range(rounds):
                    progress(f"{workload.name}, {transport}: round {index + 1} of {rounds}")
                    for client in clients:
                        rows[client.label].append(
                            run(client, workload, getattr(chosen, transport), crc,
                                core if workload.is_pinned else None))
    progress("")
    return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# --- reporting ----------------------------------------------------------------------------------------


def spread(values, digits=0):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f}", f"{low:,.{digits}f}–{high:,.{digits}f}"


def median_of(runs, figure):
    return statistics.median(figure(r) for r in runs)


def cpu_per_event(result):
    return result["cpu_ns"] / result["events"]


def wall_per_event(result):
    return result["wall_ns"] / result["events"]


def microseconds(name):
    return lambda result: result[name] / 1000


def table(name, rows, workload, missing):
    """Markdown, to be pasted into docs/benchmarks.md."""
    by_turn = workload.is_pinned
    figures = ([("p50, µs", microseconds("p50_ns"), 1), ("p99, µs", microseconds("p99_ns"), 1),
                ("CPU, µs/turn", lambda r: r["cpu_ns"] / r["turns"] / 1000, 1)] if by_turn else
               [("CPU, ns/event", cpu_per_event, 0), ("wall, ns/event", wall_per_event, 0)])
    limit = next((runs for label, runs in rows.items() if label.startswith("limit")), None)
    print(f"\n{name}: {workload.turns:,} turns of {workload.deltas + 8:,} events"
          + (", client and server on one core" if by_turn else ""))
    print("\n| client | turns | " + " | ".join(f"{title} (min–max)" for title, _, _ in figures)
          + " | × limit |")
    print("|---|---:|" + "---:|" * (len(figures) + 1))
    for label, runs in rows.items():
        cells = [" ".join((middle, f"({ends})")) for middle, ends in
                 (spread([figure(r) for r in runs], digits) for _, figure, digits in figures)]
        _, first, _ = figures[0]
        ratio = median_of(runs, first) / median_of(limit, first) if limit else float("nan")
        print(f"| {label} | {runs[0]['turns']:,} | " + " | ".join(cells) + f" | {ratio:.1f} |")
    for label, reason in missing.items():
        print(f"| {label} | missing: {reason} |" + " |" * (len(figures) + 1))


def machine():
    """The kind of machine, not its name."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    return (f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, "
            f"load {load:.1f} before the run")


def write_report(name, facts):
    path = BUILD / name
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(f"\n(all figures: {path.relative_to(ROOT)})")


def begin(options, missing):
    facts = {"date": datetime.date.today().isoformat(),
             "command": "scripts/bench " + shlex.join(options), "machine": machine(),
             "missing": missing}
    print(f"{facts['date']}, {facts['machine']}\n{facts['command']}")
    return facts


# --- the three kinds of run ----------------------------------------------------------------------------


def bench(arguments):
    chosen = [c for c in CLIENTS if not arguments.only or c.program == "limit"
              or any(word in c.label for word in arguments.only)]
    workloads = [w for w in WORKLOADS if not arguments.workload or w.name in arguments.workload]
    build("server")
    clients, missing = usable(chosen)
    facts = begin(sys.argv[1:], missing)
    facts["results"] = measure(clients, workloads, arguments.rounds)
    for workload in workloads:
        for transport in ("plain", "tls"):
            name = f"{workload.name}, {transport}"
            table(name, facts["results"][name], workload, missing)
    write_report("report.json", facts)


def smoke():
    """Each client that is here reads the right text; nothing is said about time."""
    passed, failed = 0, 0
    build("server")
    clients, missing = usable(CLIENTS, is_quick=True)
    with Server() as server:
        for workload in SMOKE_WORKLOADS:
            crc = crc_of(workload)
            for transport in ("plain", "tls"):
                for client in clients:
                    try:
                        run(client, workload, getattr(server, transport), crc, None)
                        passed += 1
                    except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                        print(f"FAILED: {client.label}, {workload.name}, {transport}: {error}")
                        failed += 1
    for label, reason in missing.items():
        print(f"skipped: {label}: {reason}")
    print(f"{passed} passed, {failed} failed, {len(missing)} skipped")
    return 1 if failed else 0


MEMORY = [("ours", "memory_ours"), ("libwebsockets", "memory_lws")]


def memory(arguments):
    """KiB of private memory for each further connection that is idle after a turn."""
    build("server")
    found, missing = [], {}
    for label, program in MEMORY:
        try:
            build(program)
            found.append((label, program))
        except Missing as reason:
            missing[label] = str(reason)
    facts = begin(sys.argv[1:], missing)
    facts["results"] = {}
    print("\n| client | connections | plain, KiB each (min–max) | TLS, KiB each (min–max) |")
    print("|---|---:|---:|---:|")
    # Every run has a server of its own: one that holds thousands of dying connections is slow.
    for count in arguments.connections:
        for label, program in found:
            cells = []
            for transport in ("plain", "tls"):
                values = []
                for _ in range(arguments.rounds):
                    with Server() as server:
                        url, *ca = getattr(server, transport)
                        values.append(idle_connection(program, url, count, *ca))
                facts["results"][f"{label}, {count}, {transport}"] = values
                middle, ends = spread(values, 1)
                cells.append(f"{middle} ({ends})")
            print(f"| {label} | {count:,} | " + " | ".join(cells) + " |", flush=True)
    for label, reason in missing.items():
        print(f"| {label} | missing: {reason} | | |")
    # 4 KiB of input: both directions have used their compression's window.
    count, values = arguments.connections[0], []
    for _ in range(arguments.rounds):
        with CompressingServer() as server:
            values.append(idle_connection("memory_ours", server.url, count, "", "4096"))
    facts["results"][f"ours, compressing, {count}, plain"] = values
    middle, ends = spread(values, 1)
    print(f"| ours, compressing | {count:,} | {middle} ({ends}) | |", flush=True)
    write_report("memory.json", facts)


def idle_connection(program, url, count, *more):
    """KiB of one, by one run of the program."""
    done = subprocess.run(
        [str(BUILD / program), url, str(count), *more], env=environment(), capture_output=True,
        text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{program}, {count} connections: {done.stderr}")
    return json.loads(done.stdout)["kib_per_connection"]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--workload", action="append", choices=[w.name for w in WORKLOADS],
                        help="only this one; may be repeated")
    parser.add_argument("--only", action="append", metavar="WORD",
                        help="only clients with this word in their name (and the limit)")
    parser.add_argument("--smoke", action="store_true", help="few turns, only the check of the text")
    parser.add_argument("--memory", action="store_true", help="idle connections instead of speed")
    parser.add_argument("--connections", type=int, nargs="+", default=[1000, 5000])
    arguments = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.smoke:
            return smoke()
        if arguments.memory:
            return memory(arguments)
        return bench(arguments)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1


sys.exit(main())
