"""The three tools of the agent: what a model may see of one directory, and no more.

The contract is docs/explorer-tools.md. Every output is bounded, every path stays inside the root,
and a wrong call is answered with a line that begins with "error:", for the model to read and do
better.
"""

import re
from functools import partial
from pathlib import Path

LISTED_MAX = 400
LINES_MAX = 200
MATCHES_MAX = 60
MATCHES_PER_FILE_MAX = 8
SEARCHED_BYTES_MAX = 1024 * 1024
NUL_LOOKED_FOR_IN = 8 * 1024

# Minified code has lines of a megabyte, which would fill the model's window.
LINE_CHARACTERS_MAX = 2000

LEFT_OUT = {"build", "node_modules", "__pycache__", "venv", "target", "dist"}


def _function(name, description, **properties):
    return {
        "type": "function",
        "name": name,
        "description": description,
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def _kind(name, description=None):
    return {"type": name, **({"description": description} if description else {})}


DEFINITIONS = [
    _function(
        "list_files",
        "List a directory: one path a line, relative to the root; directories end with '/'.",
        path=_kind("string", "A directory, relative to the root; '.' is the root."),
    ),
    _function(
        "read_file",
        "Read lines of a text file, numbered from 1, both ends included.",
        path=_kind("string"),
        start_line=_kind("integer"),
        end_line=_kind("integer", "At most 200 lines are returned."),
    ),
    _function(
        "search",
        "Find lines that contain a text, whatever its case: 'path:line: text' for each.",
        pattern=_kind("string", "Plain text, no regular expression."),
        path=_kind("string", "A file or directory to search; '.' is all."),
    ),
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
        self.functions = {name: partial(self._call, name) for name in self._tools}
        """By name, with the arguments as keywords."""

    def run(self, name, arguments):
        """The output of one call; `arguments` is what the JSON of the call says."""
        try:
            if name not in self._tools:
                raise ToolError(f"no such tool: {name}; use one of {', '.join(self._tools)}")
            if not isinstance(arguments, dict):
                raise ToolError("the arguments must be a JSON object")
            lines = self._tools[name](**arguments)
        except ToolError as error:
            lines = [f"error: {error}"]
        except OSError as error:
            # Not the error's own text: it shows where the root is.
            lines = [f"error: {error.strerror or 'the file cannot be read'}"]
        except TypeError:
            lines = [f"error: wrong or missing arguments for {name}"]
        return "".join(line + "\n" for line in lines)

    def _call(self, name, **arguments):
        return self.run(name, arguments)

    def list_files(self, path):
        directory = self._inside(path)
        if not directory.is_dir():
            raise ToolError(f"not a directory: {path}")
        names = [
            self._name(entry) + ("/" if entry.is_dir() else "") for entry in self._entries(directory)
        ]
        more = len(names) - LISTED_MAX
        return (names[:LISTED_MAX] + ([f"({more} more)"] if more > 0 else [])) or ["(empty)"]

    def read_file(self, path, start_line, end_line):
        file = self._inside(path)
        first = max(1, _whole("start_line", start_line))
        last = _whole("end_line", end_line)
        if not file.is_file():
            raise ToolError(f"not a file: {path}")
        data = file.read_bytes()
        if b"\0" in data[:NUL_LOOKED_FOR_IN]:
            raise ToolError(f"not a text file: {path}")
        lines = _lines(data)
        last = min(last, first + LINES_MAX - 1, len(lines))
        if last < first:
            raise ToolError(f"{self._name(file)} has {len(lines)} lines; none of them was asked for")
        shown = [f"{n}: {_text(lines[n - 1])}" for n in range(first, last + 1)]
        return [f"{self._name(file)}: lines {first}-{last} of {len(lines)}"] + shown

    def search(self, pattern, path):
        if not isinstance(pattern, str) or not pattern:
            raise ToolError("the pattern must be a text that is not empty")
        # On bytes, IGNORECASE is about ASCII letters alone.
        wanted = re.compile(re.escape(pattern.encode("utf-8", "replace")), re.IGNORECASE)
        found, more = [], 0
        for name, file in sorted(self._files(self._inside(path))):
            matches = [
                f"{name.decode('utf-8', 'replace')}:{n}: {_text(line)}"
                for n, line in self._searched(file)
                if wanted.search(line)
            ]
            room = min(MATCHES_PER_FILE_MAX, MATCHES_MAX - len(found))
            found += matches[:room]
            more += len(matches[room:])
        return (found + ([f"({more} more matches)"] if more else [])) or ["(no matches)"]

    # -- the one directory

    def _inside(self, path):
        if not isinstance(path, str) or "\0" in path:
            raise ToolError("the path must be a text")
        if path.startswith("/"):
            raise ToolError(f"absolute path: {path}; give one relative to the root")
        wanted = self.root / path
        # Resolved, so that neither ".." nor a symbolic link leads out.
        resolved = wanted.resolve()
        if resolved != self.root and self.root not in resolved.parents:
            raise ToolError(f"outside of the root: {path}")
        if not resolved.exists():
            raise ToolError(f"no such file: {path}")
        return resolved

    def _name(self, path):
        return path.relative_to(self.root).as_posix()

    def _entries(self, directory):
        shown = (
            entry for entry in directory.iterdir()
            if not entry.name.startswith(".") and entry.name not in LEFT_OUT
            and not entry.is_symlink() and (entry.is_file() or entry.is_dir())
        )  # fmt: skip
        return sorted(shown, key=lambda entry: entry.name.encode("utf-8", "surrogateescape"))

    def _files(self, start):
        """(name in bytes, path) of each file to search."""
        if start.is_file():
            yield self._name(start).encode("utf-8", "surrogateescape"), start
            return
        for entry in self._entries(start):
            yield from self._files(entry)

    def _searched(self, file):
        try:
            if file.stat().st_size > SEARCHED_BYTES_MAX:
                return
            data = file.read_bytes()
        except OSError:
            return
        if b"\0" not in data[:NUL_LOOKED_FOR_IN]:
            yield from enumerate(_lines(data), 1)


def _lines(data):
    lines = data.split(b"\n")
    last = lines.pop()
    return [line[:-1] if line.endswith(b"\r") else line for line in lines] + ([last] if last else [])


def _text(line):
    return line.decode("utf-8", "replace")[:LINE_CHARACTERS_MAX]


def _whole(name, value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise ToolError(f"{name} must be a whole number")
    return value
