#!/usr/bin/env python3
"""An agent that answers a question about a directory, live, over one WebSocket.

The model asks for tools; this program runs them and sends back only their outputs: the server keeps
the rest of the conversation. Beside each turn stands what HTTP would have had to send instead.

    agent.py --url ws://127.0.0.1:PORT/v1        against the local server
    OPENAI_API_KEY=... agent.py                  against the service
"""

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from explorer_tools import DEFINITIONS, ExplorerTools  # noqa: E402

from responsesws import Client, EventKind, MaxTurnsReached, ResponsesWSError  # noqa: E402

QUESTION = (
    "How does this project carry a request from a session to the WebSocket and bring the events "
    "back? Explore the sources, then explain it with files and lines."
)
INSTRUCTIONS = (
    "You explore a directory with tools and answer a question about it. Look before you speak: list "
    "directories, search, read. Cite what you say as path:line. Answer when you know enough."
)


def main():
    options = arguments()
    tools = ExplorerTools(options.root)
    show = Display(sys.stdout)
    show.opening(options, tools.root)
    try:
        with Client(options.url, api_key=options.api_key, ca_file=options.ca_file) as client:
            session = client.session(
                model=options.model, instructions=INSTRUCTIONS, tools=DEFINITIONS, store=False
            )
            explore(session, tools, options, show)
    except ResponsesWSError as error:
        show.end_of_text()
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        show.end_of_text()
        sys.exit("stopped")


def explore(session, tools, options, show):
    """The agent: the library runs the loop, this program shows it."""
    http_bytes = 0

    def on_input(input):
        nonlocal http_bytes
        # What a stateless client would send for this turn, really serialised.
        http_bytes = len(session.full_body(input))
        show.turn()

    def on_event(event):
        if event.kind is EventKind.OUTPUT_TEXT_DELTA:
            show.text(event.delta)

    def on_turn(turn, results):
        if turn.stats.full_request_bytes != http_bytes:
            raise SystemExit("error: the library counts other bytes than it serialises; report this")
        for result in results:
            show.call(result.call, result.output)
        show.figures(turn, http_bytes)

    try:
        run = session.run(
            options.question, tools.functions, max_turns=options.max_turns,
            on_input=on_input, on_event=on_event, on_turn=on_turn,
        )  # fmt: skip
    except MaxTurnsReached as error:
        show.closing(error.run.turn)
        sys.exit(f"error: no answer within {options.max_turns} turns (--max-turns)")
    show.closing(run.turn)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--url", help="base URL (default: $OPENAI_BASE_URL, else the OpenAI API)")
    add("--api-key", help="default: $OPENAI_API_KEY")
    add("--ca-file", help="PEM certificates to trust besides the system's")
    add("--model", help="default: $RWS_MODEL, else explorer with --url, gpt-5.2 without")
    add("--root", default=str(HERE.parents[2]), help="directory to explore (default: this project)")
    add("--question", default=QUESTION)
    add("--max-turns", type=int, default=60)
    options = parser.parse_args()
    has_key = bool(options.api_key or os.environ.get("OPENAI_API_KEY"))
    options.url = options.url or (None if has_key else os.environ.get("OPENAI_BASE_URL"))
    local = options.url is not None
    options.model = options.model or os.environ.get("RWS_MODEL") or ("explorer" if local else "gpt-5.2")
    if not local and not has_key:
        parser.error("give --url (build/bin/responsesws-server prints one) or set OPENAI_API_KEY")
    if not os.path.isdir(options.root):
        parser.error(f"--root {options.root} is no directory")
    return options


class Display:
    """What the user sees. Colour only on a terminal, and not against NO_COLOR."""

    def __init__(self, stream):
        self._stream = stream
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ
        self._column = 0
        self._turns = self._calls = self._deltas = 0
        self._sent = self._http = 0
        self._seconds = 0.0

    def opening(self, options, root):
        self._line(self._paint("1", "An agent explores ") + self._paint("1;36", str(root)))
        self._line(f"{options.model} at {options.url or 'the OpenAI API'}, over one WebSocket")
        if options.model.startswith("explorer"):
            self._line("(explorer follows rules, no language model: it reads what the tools return)")
        self._line()
        self._line(self._paint("1", "? ") + options.question)

    def turn(self):
        self._turns += 1
        self._line()
        self._write(self._paint("2", f"{self._turns:>3}  "))
        self._column = 5

    def text(self, delta):
        lines = delta.split("\n")
        for index, line in enumerate(lines):
            if index:
                self._write("\n")
                self._column = 0
            if line:
                if not self._column:
                    self._write("     ")
                self._write(line)
                self._column += 5 + len(line)

    def end_of_text(self):
        if self._column > 5:
            self._write("\n")
        self._column = 0

    def call(self, call, output):
        self._calls += 1
        indent = "" if self._column == 5 else "     "
        self.end_of_text()
        name = self._paint("36", call.name)
        self._line(f"{indent}{name} {readable(call)} {self._paint('2', '→ ' + summary(output))}")

    def figures(self, turn, http_bytes):
        stats = turn.stats
        self._sent += stats.request_bytes
        self._http += http_bytes
        self._seconds += stats.end
        self._deltas += stats.is_delta
        self.end_of_text()
        ratio = http_bytes / stats.request_bytes
        sent = self._paint("32", f"sent {size(stats.request_bytes)}")
        rest = (
            f", HTTP {size(http_bytes)} ({ratio:.1f}×) · first event {duration(stats.first_event)}"
            f" · turn {duration(stats.end)}"
        )
        self._line("     " + sent + self._paint("2", rest))

    def closing(self, turn):
        ratio = self._http / max(1, self._sent)
        self._line()
        self._line(self._paint("1", f"{self._turns} turns, {self._calls} tool calls run here")
                   + f" in {duration(self._seconds)} of waiting for the model")
        self._line(f"bytes sent        {size(self._sent):>10}")
        self._line(f"HTTP would send   {size(self._http):>10}   "
                   + self._paint("1;32", f"{ratio:.1f} times as much"))
        self._line(f"turns that sent only what was new: {self._deltas} of {self._turns}")
        if turn.usage.total_tokens:
            usage = turn.usage
            self._line(
                f"tokens of the last turn: {usage.input_tokens} in "
                f"({usage.cached_tokens or 0} cached), {usage.output_tokens} out"
            )

    def _line(self, text=""):
        self._write(text + "\n")

    def _write(self, text):
        # A terminal that cannot show a character shows a question mark instead.
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()

    def _paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def readable(call):
    """The arguments in a form for people: path:1-120, or a quoted pattern."""
    try:
        given = call.json()
        if call.name == "read_file":
            return f"{given['path']}:{given.get('start_line', 1)}-{given.get('end_line', '')}"
        if call.name == "search":
            where = given.get("path") or "."
            return json.dumps(given["pattern"]) + ("" if where == "." else f" in {where}")
        return str(given["path"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return call.arguments


def summary(output):
    lines = output.splitlines()
    if len(lines) == 1 and len(output) < 60:
        return output
    return f"{len(lines)} lines, {size(len(output.encode('utf-8', 'surrogatepass')))}"


def size(count):
    for unit in ("B", "kB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} MB"


def duration(seconds):
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
