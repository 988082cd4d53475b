"""What is run: the agent's task, the server that it is run against, and what that server's log says."""
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONSTANTS = HERE / "constants.json"
# Each direction; a constant of every run.
BYTES_PER_SECOND = 12_500_000
HANDSHAKE_ROUND_TRIPS = 2

WORDS = """the agent reads each file before it changes anything and then runs the tests to see what they say about
a function that parser returns when its input ends early so server state must not be kept between two requests from
one client while another waits for error message value list index buffer length socket stream token cache""".split()

# On a machine that does other things: clients and server come before them (root may ask for it).
is_real_time = False


def _come_first():
    if is_real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def prose(words, seed):
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def task(calls, history, seed):
    """`history`: "small" is fitted to the published pair (9,300 input and 405 output tokens in 20 calls);
    "large" begins with some 10,000 tokens and adds some 400 with each call."""
    instructions, question, padding = {"small": (45, 20, 1), "large": (2000, 8000, 390)}[history]
    return {
        "calls": calls,
        "instructions": prose(instructions, 1),
        # Another one in each run, so that no run finds what an earlier one has left.
        "prompt": f"TOOL LOOP {seed} " + prose(question, seed),
        "padding": " " + prose(padding, 2),
        "tool": {
            "type": "function", "name": "carry_out_the_next_step_of_the_whole_plan", "strict": False,
            "description": "Carries out a step.",
            "parameters": {"type": "object", "properties": {"seen": {"type": "integer"}}}},
    }


def vocabulary():
    return os.environ.get("RESPONSESWS_VOCABULARY")


class Server:
    """The local server for the length of a `with` block, with its costs `scale` times as fast."""

    def __init__(self, costs, tokens_per_second=None, round_trip_ms=0.0, scale=1.0):
        self._directory = tempfile.TemporaryDirectory()
        self.log = Path(self._directory.name) / "log"
        file = Path(self._directory.name) / "costs.json"
        times = {key: value / scale for key, value in costs.items() if key.endswith("_ns")}
        file.write_text(json.dumps({**costs, **times}))
        command = [
            os.environ.get("RESPONSESWS_SERVER", str(ROOT / "build" / "bin" / "responsesws-server")),
            "--exit-with-stdin", "--costs", str(file), "--cost-log", str(self.log),
            "--round-trip-ms", str(round_trip_ms / scale), "--bandwidth",
            str(BYTES_PER_SECOND * scale), "--handshake-round-trips", str(HANDSHAKE_ROUND_TRIPS)]
        if tokens_per_second:
            command += ["--tokens-per-second", str(round(tokens_per_second))]
        if vocabulary():
            command += ["--vocabulary", vocabulary()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         preexec_fn=_come_first)
        self.url = self._process.stdout.readline().split()[-1]

    @property
    def pid(self):
        return self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._directory.cleanup()

    def stop(self):
        """Ends the server and returns its log."""
        if self._process.stdin.closed:
            return []
        self._await_connection_end()
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _await_connection_end(self):
        """What a connection carried is logged when its end has come over the slow link."""
        until = time.monotonic() + 2
        while '"event":"connection"' not in self.log.read_text() and time.monotonic() < until:
            time.sleep(0.005)


class Worker:
    """A client's process, which serves all its runs."""

    def __init__(self, kind):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("OPENAI_", "RWS_")) and not name.lower().endswith("_proxy")}
        env["PYTHONPATH"] = str(ROOT / "bindings" / "python")
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        python = ROOT / "build" / "venv" / "bin" / "python"
        self.kind = kind
        self._process = subprocess.Popen(
            [str(python) if python.exists() else sys.executable, str(HERE / "agents_under_test.py"), kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
            preexec_fn=_come_first)

    def run(self, spec):
        self._process.stdin.write(json.dumps(spec) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.kind} has ended")
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def constants():
    return json.loads(CONSTANTS.read_text())
