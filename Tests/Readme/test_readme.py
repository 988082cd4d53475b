"""The README's programs, run as they are written, against the local server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SECONDS = 60


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.fixture(scope="module")
def environment():
    """What the README tells its reader to export, with a server on a port of its own."""
    server = subprocess.Popen(
        [ROOT / "build/bin/responsesws-server", "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    yield {
        **os.environ,
        "OPENAI_BASE_URL": line.split()[-1],
        "PYTHONPATH": str(ROOT / "bindings/python"),
    }
    server.stdin.close()
    assert server.wait(SECONDS) == 0


def run(command, environment, **options):
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_an_example_in_each_language():
    assert (len(blocks("python")), len(blocks("c")), len(blocks("swift"))) == (2, 1, 1)


@pytest.mark.parametrize("index, said", [(0, "ECHO: Now say goodbye."), (1, "LOOP DONE")])
def test_python(environment, tmp_path, index, said):
    program = tmp_path / "program.py"
    program.write_text(blocks("python")[index])
    output = run([sys.executable, program], environment)
    assert said in output
    if index == 0:
        assert output.startswith("ECHO: Say hello.")


def test_c(environment, tmp_path):
    compile_line = next(line for block in blocks("sh") for line in block.splitlines() if line.startswith("cc "))
    work = tmp_path / "checkout"
    work.mkdir()
    for name in ("Include", "build"):
        (work / name).symlink_to(ROOT / name)
    (work / "hello.c").write_text(blocks("c")[0])
    run(["bash", "-c", compile_line], environment, cwd=work)
    assert run([work / "hello"], environment) == "ECHO: Say hello.\n"


def test_swift(environment):
    """Built as an executable of the package by `make build`: the test is that it is the README's."""
    source = (ROOT / "Examples/readme-swift/main.swift").read_text()
    assert source == blocks("swift")[0]
    output = run([ROOT / "build/bin/readme-swift"], environment)
    assert output == "ECHO: Say hello.\nECHO: Now say goodbye.\n"


def test_the_readme_names_only_files_that_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_make_targets_exist():
    names = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test", "build"} <= names
    for name in names:
        done = subprocess.run(
            [shutil.which("make"), "-n", "-C", ROOT, name], capture_output=True, text=True)
        assert done.returncode == 0, (name, done.stderr)
