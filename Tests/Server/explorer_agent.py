"""An agent for the explorer model: the tools of docs/explorer-tools.md, as short as they can be, and the loop.
Written from that page alone, and apart from the example agents: it checks the contract."""
import json
import re
from pathlib import Path

LEFT_OUT = {"build", "node_modules", "__pycache__", "venv", "target", "dist"}
CITATION = re.compile(r"`([^`\n]+):(\d+)` — `([^`\n]+)`")
TOOLS = [
    {"type": "function", "name": name, "strict": False, "parameters": {
        "type": "object", "properties": {key: {"type": kind} for key, kind in keys.items()}}}
    for name, keys in {
        "list_files": {"path": "string"},
        "read_file": {"path": "string", "start_line": "integer", "end_line": "integer"},
        "search": {"pattern": "string", "path": "string"}}.items()]


class Tools:
    def __init__(self, root):
        self.root = Path(root)

    def call(self, name, arguments):
        path = self.root / arguments["path"]
        if not path.exists():
            return f"error: {arguments['path']} does not exist"
        return getattr(self, name)(path, arguments)

    def relative(self, path):
        return path.relative_to(self.root).as_posix()

    def entries(self, directory):
        return sorted(
            (p for p in directory.iterdir()
             if not p.name.startswith(".") and p.name not in LEFT_OUT and not p.is_symlink()),
            key=self.relative)

    def list_files(self, path, _):
        lines = [self.relative(p) + "/" * p.is_dir() for p in self.entries(path)]
        return "\n".join(lines or ["(empty)"])

    def lines(self, path):
        return path.read_text(errors="replace").splitlines()

    def read_file(self, path, arguments):
        if path.is_dir():
            return "error: that is a directory"
        lines = self.lines(path)
        start = arguments["start_line"]
        end = min(arguments["end_line"], start + 199, len(lines))
        if start > end:
            return f"error: {self.relative(path)} has {len(lines)} lines only"
        shown = [f"{n}: {lines[n - 1]}" for n in range(start, end + 1)]
        return f"{self.relative(path)}: lines {start}-{end} of {len(lines)}\n" + "\n".join(shown)

    def files(self, path):
        for entry in [path] if path.is_file() else self.entries(path):
            yield from [entry] if entry.is_file() else self.files(entry)

    def search(self, path, arguments):
        pattern, found = arguments["pattern"].lower(), []
        for file in self.files(path):
            if b"\0" not in file.read_bytes():
                found += [f"{self.relative(file)}:{n}: {line}"
                          for n, line in enumerate(self.lines(file), 1) if pattern in line.lower()]
        if len(found) > 60:
            found[60:] = ["(more than 60 matches)"]
        return "\n".join(found or ["(no matches)"])


def explore(socket, root, question, limit=60):
    """Returns the calls, as (name, arguments), and the answer."""
    tools, calls = Tools(root), []
    turn = socket.create(question, model="explorer", tools=TOOLS)
    while turn.calls:
        assert len(calls) < limit, "the explorer does not come to an end"
        outputs = []
        for call in turn.calls:
            arguments = json.loads(call["arguments"])
            calls.append((call["name"], arguments))
            outputs.append({
                "type": "function_call_output", "call_id": call["call_id"],
                "output": tools.call(call["name"], arguments)})
        turn = socket.create(
            outputs, model="explorer", tools=TOOLS, previous_response_id=turn.id)
    return calls, turn.text
