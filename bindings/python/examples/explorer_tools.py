"""The three tools of the agents: what a model may see of one directory, and no more.

Every output is bounded, every path stays inside the root, and a wrong call is answered with a line
that begins with "error:", for the model to read and do better.
"""

import os
import re
from pathlib import Path

LISTED_MAX = 400
LINES_MAX = 200
LINE_CHARACTERS_MAX = 300
MATCHES_MAX = 60
FILE_BYTES_MAX = 2 * 1024 * 1024

# Build output and the histories of version control are no source code.
HIDDEN = {"build", "node_modules", "__pycache__", "venv", "target", "dist"}

DEFINITIONS = [
    {
        "type": "function",
        "name": "list_files",
        "description": "List a directory: one path a line, relative to the root; directories end with '/'.",
        "parameters": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "A directory, relative to the root; '.' is the root."}
            },
            "required": ["path"],
            "additionalProperties": False,
        },
        "strict": True,
    },
    {
        "type": "function",
        "name": "read_file",
        "description": "Read lines of a text file, numbered from 1, both ends included.",
        "parameters": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "start_line": {"type": "integer"},
                "end_line": {"type": "integer", "description": f"At most {LINES_MAX} lines are returned."},
            },
            "required": ["path", "start_line", "end_line"],
            "additionalProperties": False,
        },
        "strict": True,
    },
    {
        "type": "function",
        "name": "search",
        "description": "Find lines that contain a text, whatever its case: 'path:line: text' for each.",
        "parameters": {
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "description": "Plain text, no regular expression."},
                "path": {"type": "string", "description": "A file or directory to search; '.' is all."},
            },
            "required": ["pattern", "path"],
            "additionalProperties": False,
        },
        "strict": True,
    },
]


class ToolError(Exception):
    """What the model did wrong, in words for the model."""


class ExplorerTools:
    """Runs the calls. `run` never raises for what a model may send."""

    def __init__(self, root):
        self.root = Path(root).resolve(strict=True)
        self._tools = {
            "list_files": self.list_files, "read_file": self.read_file, "search": self.search,
        }  # fmt: skip

    def run(self, name, arguments):
        """The output of one call; `arguments` is what the JSON of the call says."""
        try:
            if name not in self._tools:
                raise ToolError(f"there is no tool {name!r}; use one of {', '.join(self._tools)}")
            if not isinstance(arguments, dict):
                raise ToolError("the arguments must be a JSON object")
            return self._tools[name](**arguments)
        except (ToolError, OSError) as error:
            return f"error: {getattr(error, 'strerror', None) or error}"
        except TypeError:
            return f"error: wrong arguments for {name}: {', '.join(sorted(arguments))}"

    def list_files(self, path="."):
        directory = self._inside(path)
        if not directory.is_dir():
            raise ToolError(f"{path} is no directory")
        lines = [
            self._name(entry) + ("/" if entry.is_dir() else "") for entry in self._entries(directory)
        ]
        return _bounded(lines, LISTED_MAX, "entries") or "(empty)"

    def read_file(self, path, start_line=1, end_line=None):
        lines = self._lines(self._inside(path))
        first = max(1, _whole("start_line", start_line))
        wanted = first + LINES_MAX - 1 if end_line is None else _whole("end_line", end_line)
        last = min(wanted, first + LINES_MAX - 1, len(lines))
        if first > len(lines):
            raise ToolError(f"{path} has {len(lines)} lines only")
        head = f"{self._name(self._inside(path))}: lines {first}-{last} of {len(lines)}"
        return "\n".join(
            [head] + [f"{n}: {_short(lines[n - 1])}" for n in range(first, last + 1)]
        )

    def search(self, pattern, path="."):
        if not isinstance(pattern, str) or not pattern:
            raise ToolError("the pattern must be a text that is not empty")
        matches = re.compile(re.escape(pattern), re.IGNORECASE).search
        found = []
        for file in self._files(self._inside(path)):
            try:
                lines = self._lines(file)
            except (ToolError, OSError):
                continue
            name = self._name(file)
            found += [f"{name}:{n}: {_short(line)}" for n, line in enumerate(lines, 1) if matches(line)]
            if len(found) > MATCHES_MAX:
                break
        return _bounded(found, MATCHES_MAX, "matches") or "(no matches)"

    # -- the one directory

    def _inside(self, path):
        if not isinstance(path, str) or "\0" in path:
            raise ToolError("the path must be a text")
        # Resolved, so that neither ".." nor a symbolic link leads out.
        resolved = (self.root / path).resolve()
        if resolved != self.root and self.root not in resolved.parents:
            raise ToolError(f"{path} is outside of the root")
        if not resolved.exists():
            raise ToolError(f"{path} does not exist")
        return resolved

    def _name(self, path):
        return path.relative_to(self.root).as_posix()

    def _entries(self, directory):
        shown = (e for e in directory.iterdir() if not e.name.startswith(".") and not e.is_symlink())
        return sorted(
            (e for e in shown if e.name not in HIDDEN), key=lambda e: (e.is_file(), e.name)
        )

    def _files(self, start):
        if start.is_file():
            yield start
            return
        for entry in self._entries(start):
            if entry.is_dir():
                yield from self._files(entry)
            elif entry.is_file():
                yield entry

    def _lines(self, file):
        if not file.is_file():
            raise ToolError(f"{self._name(file)} is no file")
        if os.path.getsize(file) > FILE_BYTES_MAX:
            raise ToolError(f"{self._name(file)} is too large")
        data = file.read_bytes()
        if b"\0" in data:
            raise ToolError(f"{self._name(file)} is no text file")
        return data.decode("utf-8", "replace").splitlines()


def _whole(name, value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise ToolError(f"{name} must be a whole number")
    return value


def _short(line):
    return line if len(line) <= LINE_CHARACTERS_MAX else line[:LINE_CHARACTERS_MAX] + " ..."


def _bounded(lines, most, what):
    rest = len(lines) - most
    more = [f"(more than {most} {what}; ask for less)"] if rest > 0 else []
    return "\n".join(lines[:most] + more)
