"""The examples as a user starts them, against a scripted peer."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import PACKAGE_ROOT, REPOSITORY
from peer import SECONDS, echo, function_call, message

EXAMPLES = PACKAGE_ROOT / "examples"
CONTRACT = REPOSITORY / "docs" / "explorer-tools.md"
sys.path.append(str(EXAMPLES))

from explorer_tools import (  # noqa: E402
    DEFINITIONS,
    LINES_MAX,
    MATCHES_PER_FILE_MAX,
    ExplorerTools,
)


def start(name, *arguments, **environment):
    env = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], env=env, stdin=subprocess.DEVNULL,
        # Under a sanitizer, which unwinds the interpreter's every allocation, an agent takes a minute.
        capture_output=True, text=True, encoding="utf-8", timeout=SECONDS * 2,
    )  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    (root / "src").mkdir(parents=True)
    (root / "build").mkdir()
    (root / "README.md").write_text("# A tree\n\nIt grows.\n")
    (root / "src" / "leaf.py").write_text("def leaf():\n    return 'GREEN'\n")
    (root / "src" / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 501)))
    (root / "blob.bin").write_bytes(b"green\0green")
    (tmp_path / "secret.txt").write_text("secret green\n")
    (root / "way-out").symlink_to(tmp_path)
    return root


def test_hello_streams_its_answer(serve):
    done = start("hello.py", serve(echo).url)
    assert (done.returncode, done.stdout) == (0, "echo: Say hello to the world.\n"), done.stderr


def test_raw_prints_the_answer(serve):
    done = start("raw.py", serve(echo).url)
    assert (done.returncode, done.stdout) == (0, "echo: Say hello to a raw connection.\n"), done.stderr


CALLS = [
    ("list_files", {"path": "."}),
    ("read_file", {"path": "README.md", "start_line": 1, "end_line": 10}),
    ("search", {"pattern": "green", "path": "."}),
    ("read_file", {"path": "../secret.txt", "start_line": 1, "end_line": 10}),
]


def explorer(conversation):
    for number, _ in enumerate(conversation.requests()):
        if number < len(CALLS):
            name, arguments = CALLS[number]
            conversation.answer(
                message(f"Step {number}."), function_call(name, json.dumps(arguments))
            )
        else:
            conversation.answer("It is green: src/leaf.py:2.\n\nThat is all.")


def test_the_agent_runs_the_tools_and_counts_the_bytes(serve, tree):
    peer = serve(explorer)
    done = start("agent.py", "--url", peer.url, "--root", str(tree), "--question", "Which colour?")
    assert done.returncode == 0, done.stderr
    outputs = [
        item["output"] for request in map(json.loads, peer.requests[1:]) for item in request["input"]
    ]
    assert outputs == [
        "README.md\nblob.bin\nsrc/\n",
        "README.md: lines 1-3 of 3\n1: # A tree\n2: \n3: It grows.\n",
        "src/leaf.py:2:     return 'GREEN'\n",
        "error: outside of the root: ../secret.txt\n",
    ]
    for shown in ("Which colour?", "Step 0.", "README.md:1-10", '"green"', "That is all."):
        assert shown in done.stdout
    assert "\x1b" not in done.stdout, "colour is for terminals"
    sent = sum(len(request.encode()) for request in peer.requests)
    assert re.search(r"5 turns, 4 tool calls", done.stdout)
    assert f"{sent / 1000:.1f} kB" in done.stdout
    assert "turns that sent only what was new: 4 of 5" in done.stdout


def test_the_agent_stops_at_its_bound(serve, tree):
    done = start(
        "agent.py", "--url", serve(explorer).url, "--root", str(tree), "--max-turns", "2"
    )
    assert done.returncode == 1
    assert "no answer within 2 turns" in done.stderr


def test_the_agent_says_what_went_wrong(closed_port, tree):
    done = start("agent.py", "--url", f"ws://127.0.0.1:{closed_port}/v1", "--root", str(tree))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and str(closed_port) in done.stderr
    done = start("agent.py", "--root", str(tree))
    assert done.returncode == 2 and "OPENAI_API_KEY" in done.stderr


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("no_such_tool", {}),
        ("read_file", []),
        ("read_file", None),
        ("read_file", {}),
        ("read_file", {"path": 7, "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "README.md", "start_line": "1", "end_line": 2}),
        ("read_file", {"path": "blob.bin", "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "src", "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "none", "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "/etc/passwd", "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "way-out/secret.txt", "start_line": 1, "end_line": 2}),
        ("read_file", {"path": "a\0b", "start_line": 1, "end_line": 2}),
        ("list_files", {"path": ".."}),
        ("list_files", {"path": "README.md"}),
        ("list_files", {"path": ".", "more": 1}),
        ("search", {"pattern": "", "path": "."}),
        ("search", {"pattern": "x", "path": "way-out"}),
    ],
)
def test_wrong_calls_are_answered_with_one_line(tree, name, arguments):
    output = ExplorerTools(tree).run(name, arguments)
    assert output.startswith("error: ") and output.count("\n") == 1 and output.endswith("\n")
    assert "secret green" not in output and str(tree) not in output


def test_outputs_are_bounded(tree):
    run = ExplorerTools(tree).run
    read = run("read_file", {"path": "src/long.txt", "start_line": 2, "end_line": 10**9})
    assert read.splitlines()[0] == f"src/long.txt: lines 2-{LINES_MAX + 1} of 500"
    assert len(read.splitlines()) == LINES_MAX + 1
    beyond = run("read_file", {"path": "README.md", "start_line": 4, "end_line": 9})
    assert beyond.startswith("error: README.md has 3 lines")
    found = run("search", {"pattern": "LINE", "path": "src"}).splitlines()
    assert found[0] == "src/long.txt:1: line 1"
    assert found[-1] == f"({500 - MATCHES_PER_FILE_MAX} more matches)"
    assert len(found) == MATCHES_PER_FILE_MAX + 1
    assert run("search", {"pattern": "absent", "path": "."}) == "(no matches)\n"
    assert run("list_files", {"path": "src/"}) == "src/leaf.py\nsrc/long.txt\n"


def test_lines_end_where_the_contract_says(tree):
    (tree / "odd.txt").write_bytes(b"one\r\ntwo\x0bstill two\n\xff\nlast")
    read = ExplorerTools(tree).run("read_file", {"path": "odd.txt", "start_line": 1, "end_line": 9})
    assert read == "odd.txt: lines 1-4 of 4\n1: one\n2: two\x0bstill two\n3: \ufffd\n4: last\n"


@pytest.mark.skipif(not CONTRACT.is_file(), reason="no source checkout")
def test_the_definitions_are_those_of_the_contract():
    blocks = re.findall(r"```json\n(.*?)```", CONTRACT.read_text(encoding="utf-8"), flags=re.S)
    assert DEFINITIONS == [json.loads(block) for block in blocks]
