"""The explorer model cites truly, and goes where the tools lead it."""
import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from explorer_agent import CITATION, TOOLS, Tools, explore

QUESTION = "How are WebSocket frames parsed, and where is the payload unmasked?"


def write_tree(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def kitchen(tmp_path):
    """A small tree in another language, about something else, with traps for those who quote carelessly."""
    return write_tree(tmp_path, {
        "README.md": "# Kitchen\n\nA program that plans which recipes to cook with what is there.\n",
        "pyproject.toml": '[project]\nname = "kitchen"\n',
        "kitchen/__init__.py": "from kitchen.oven import Oven\n",
        "kitchen/oven.py":
            '"""Heats things up, one recipe after the other."""\nimport math\n\n\nclass Oven:\n'
            + "".join(f"    def bake_{n}(self, recipe):  # `tick` {n}\n        return recipe\n"
                      for n in range(90)),
        "kitchen/pantry.py":
            "from kitchen.oven import Oven\n\n\nclass Pantry:\n    def find_recipe(self, name):\n"
            + '        return {"recipe: x": name}\n' + "# ünïcödé recipe — “quotes”\n"
            + "recipe = '" + "long " * 100 + "'\n",
        "kitchen/with:colon.py": "recipe = 1\n",
        "kitchen/empty.py": "",
        "kitchen/crlf.py": "recipe = 2\r\nclass Crlf:\r\n",
        "docs/recipes.txt": "a recipe has steps\n" * 5,
    })


def check_citations(root, answer):
    cited = CITATION.findall(answer)
    for path, number, quoted in cited:
        lines = (Path(root) / path).read_text().splitlines()
        assert 1 <= int(number) <= len(lines), f"{path}:{number} is not there"
        assert quoted in lines[int(number) - 1], f"{path}:{number} does not say {quoted!r}"
    assert len(re.findall(r"`[^`\n]+:\d+`", answer)) == len(cited), "a place without its words"
    return cited


def test_this_repository(socket):
    calls, answer = explore(socket, ROOT, QUESTION)
    cited = check_citations(ROOT, answer)
    assert 25 <= len(calls) <= 40
    assert {name for name, _ in calls} == {"list_files", "read_file", "search"}
    assert len(cited) >= 15 and len({path for path, _, _ in cited}) >= 4
    assert any(path.startswith("Sources/RWSWebSocket/") for path, _, _ in cited)
    assert len({json.dumps(call) for call in calls}) == len(calls), "the same call twice"


def test_another_tree_leads_to_other_calls(socket, kitchen):
    here, _ = explore(socket, ROOT, QUESTION)
    there, answer = explore(socket, kitchen, QUESTION)
    check_citations(kitchen, answer)
    assert here != there
    read_here = {a["path"] for name, a in here if name == "read_file"}
    read_there = {a["path"] for name, a in there if name == "read_file"}
    assert read_here & read_there <= {"README.md"} and len(read_there) > 3
    assert "instead of an answer" in answer


def test_a_tree_with_traps_is_cited_truly(socket, kitchen):
    calls, answer = explore(socket, kitchen, "How does the oven bake a recipe?")
    cited = {path for path, _, _ in check_citations(kitchen, answer)}
    assert {"kitchen/oven.py", "kitchen/pantry.py"} <= cited
    pieces = [a["start_line"] for name, a in calls
              if name == "read_file" and a["path"] == "kitchen/oven.py"]
    assert pieces == [1, 121], "a long file is read in pieces"


def test_the_question_leads_to_other_calls(socket):
    first, _ = explore(socket, ROOT, QUESTION)
    second, _ = explore(socket, ROOT, "How does the local server keep its response cache?")
    assert first != second


def test_the_same_tree_and_question_lead_to_the_same_answer(socket, kitchen):
    assert explore(socket, kitchen, "the oven?") == explore(socket, kitchen, "the oven?")


def test_a_renamed_identifier_is_followed_under_its_new_name(socket, tmp_path):
    """The searches come from what was read, not from a list."""
    for name in ("Zwieback", "Pretzel"):
        tree = write_tree(tmp_path / name, {
            "src/bakery.py": f"class {name}Dough:\n    pass\n",
            "src/shop.py": f"from bakery import {name}Dough\n"})
        calls, answer = explore(socket, tree, "What is the dough made of?")
        assert ("search", {"pattern": f"{name}Dough", "path": "."}) in calls
        assert f"class {name}Dough" in answer


def test_a_second_question_on_the_same_chain(socket, kitchen):
    turn = socket.create("the oven?", model="explorer", tools=TOOLS)
    tools, answers = Tools(kitchen), []
    while len(answers) < 2:
        new = [{"type": "function_call_output", "call_id": call["call_id"],
                "output": tools.call(call["name"], json.loads(call["arguments"]))}
               for call in turn.calls]
        if not new:
            answers.append(turn.text)
            new = [{"role": "user", "content": "and the pantry?"}]
        turn = socket.create(new, model="explorer", tools=TOOLS, previous_response_id=turn.id)
    for answer in answers:
        check_citations(kitchen, answer)
    assert "oven" in answers[0] and "`kitchen/pantry.py" in answers[1]


@pytest.mark.parametrize("output", [
    "", "error: no", "\0\0", "1: x\n2: y", "a/\nb:3: c\n: 4: d\n99999999999999999999: e",
    "x: lines 1-2 of 99999999999999999999999", "😀/\n../\n/etc/passwd", "(empty)"])
def test_useless_outputs_end_in_an_answer(socket, output):
    turn, calls = socket.create("what is here?", model="explorer", tools=TOOLS), 0
    while turn.calls:
        calls += 1
        assert calls <= 40
        turn = socket.create(
            turn.outputs(output), model="explorer", tools=TOOLS, previous_response_id=turn.id)
    assert turn.text.startswith("# what is here?")


def test_without_tools_it_says_so_at_once(socket):
    turn = socket.create("what is here?", model="explorer")
    assert not turn.calls and "Nothing could be read" in turn.text
    assert not CITATION.search(turn.text)


def test_only_offered_tools_are_called(socket, kitchen):
    tools = Tools(kitchen)
    only = [tool for tool in TOOLS if tool["name"] == "search"]
    turn, names = socket.create("recipe steps", model="explorer", tools=only), set()
    while turn.calls:
        names |= {call["name"] for call in turn.calls}
        turn = socket.create(
            [{"type": "function_call_output", "call_id": call["call_id"],
              "output": tools.call(call["name"], json.loads(call["arguments"]))}
             for call in turn.calls],
            model="explorer", tools=only, previous_response_id=turn.id)
    assert names == {"search"}
    check_citations(kitchen, turn.text)
