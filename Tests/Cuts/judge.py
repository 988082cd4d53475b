"""What a run may come to, judged by what its caller saw and by what the server says that it executed."""
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import List, Optional

NEVER, SAFE, ALWAYS = "never", "safe", "always"

# What the model must see in each turn, and nothing twice: the types of the context's items.
CONTEXTS = [
    ["message"],
    ["message", "function_call", "function_call_output"],
    ["message", "function_call", "function_call_output", "function_call", "function_call_output", "message"],
]
CONNECTION_ERRORS = {
    "ConnectionRefused", "ConnectFailed", "ConnectTimeout", "ConnectionLost", "TLSError", "HandshakeError",
    "PeerClosed",
}
REPLAYABLE = {NEVER: set(), SAFE: {"unknown"}, ALWAYS: {"unknown", "started"}}


@dataclass
class SeenTurn:
    replays: List[str] = field(default_factory=list)
    """How far the request had come, of each `rws.replayed`."""
    resends: List[str] = field(default_factory=list)
    """The same of each `rws.resent`."""
    output: bool = False
    """An event with output was read, since the request was sent last."""


@dataclass
class SeenRun:
    tag: str
    policy: str
    turns: List[SeenTurn] = field(default_factory=list)
    text: Optional[str] = None
    """Of the last turn; None: the run ended with the error."""
    error: Optional[str] = None
    execution: Optional[str] = None


def executions(lines):
    """The contexts that were executed, by the run's tag and the turn's index; and what was refused."""
    executed, refused = defaultdict(lambda: defaultdict(list)), []
    for line in lines:
        record = json.loads(line)
        if record["event"] != "executed":
            refused.append(record)
            continue
        types = [item["type"] for item in record["items"]]
        executed[tag_of(record["items"][0])][types.count("function_call_output")].append(types)
    return executed, refused


def tag_of(item):
    content = item["content"]
    return (content if isinstance(content, str) else content[0]["text"]).split(" ")[0]


def judge(run, executed, expected, faults=1):
    """Sentences on what is wrong. `executed` are the run's contexts by turn; `expected` is its undisturbed text;
    so many `faults` were to happen."""
    wrong = []
    if run.error is None:
        if run.text != expected:
            wrong.append(f"the final text is {run.text[:200]!r}, undisturbed {expected[:200]!r}")
        if len(run.turns) != len(CONTEXTS):
            wrong.append(f"{len(run.turns)} turns instead of {len(CONTEXTS)}")
    else:
        if run.error not in CONNECTION_ERRORS:
            wrong.append(f"a cut ended the run with {run.error}")
        wrong += judge_class(run, len(executed.get(len(run.turns) - 1, [])), faults)
    for index, turn in enumerate(run.turns):
        contexts = executed.get(index, [])
        where = f"turn {index + 1} was executed {len(contexts)} times"
        is_over = run.error is None or index < len(run.turns) - 1
        if is_over and not contexts:
            wrong.append(f"{where}, and ended well")
        if len(contexts) > 1 + len(turn.replays):
            wrong.append(f"{where}; its caller was told of {len(turn.replays)} replays")
        if run.policy == NEVER and len(contexts) > 1:
            wrong.append(f"{where} under `never`")
        if not REPLAYABLE[run.policy].issuperset(turn.replays):
            wrong.append(f"turn {index + 1} was replayed when {turn.replays}, under `{run.policy}`")
        if not {"not_sent", "rejected"}.issuperset(turn.resends):
            wrong.append(f"turn {index + 1} was resent, not replayed, when {turn.resends}")
        if any(types != CONTEXTS[index] for types in contexts):
            wrong.append(f"turn {index + 1} ran with another context: {contexts}")
    for index in executed:
        if index >= len(run.turns):
            wrong.append(f"turn {index + 1} was executed and never begun")
    return wrong


def judge_class(run, count, faults):
    """Whether the error says the truth of how far the request had come."""
    turn, wrong = run.turns[-1], []
    if run.execution in ("not_sent", "rejected") and count:
        wrong.append(f"the error says {run.execution}; the server executed the turn {count} times")
    if run.execution in ("started", "output_seen") and not count:
        wrong.append(f"the error says {run.execution}; the server executed nothing")
    if turn.output != (run.execution == "output_seen"):
        seen = "was" if turn.output else "was not"
        wrong.append(f"the error says {run.execution}; output {seen} seen")
    # After a second failure it tells of both, of which only the first may have been one to replay after.
    if run.execution in REPLAYABLE[run.policy] and (faults < 2 or not (turn.replays or turn.resends)):
        wrong.append(f"the error says {run.execution}, and `{run.policy}` did not replay it")
    return wrong


# --- a judge that has gone blind must not pass --------------------------------------------------------


def well(policy=SAFE, replays=()):
    turns = [SeenTurn(output=True) for _ in CONTEXTS]
    turns[1].replays = list(replays)
    return SeenRun("t", policy, turns, text="end")


def lost(execution, policy=NEVER, output=False, error="ConnectionLost"):
    return SeenRun("t", policy, [SeenTurn(output=True), SeenTurn(output=output)], error=error,
                   execution=execution)


def log(*counts, types=None):
    return {index: [types or CONTEXTS[index]] * count for index, count in enumerate(counts) if count}


def self_test():
    """What the judge said wrongly of runs and logs made up for it, and the count of its checks."""
    innocent = [
        (well(), log(1, 1, 1)),
        (well(replays=["unknown"]), log(1, 1, 1)),
        (well(replays=["unknown"]), log(1, 2, 1)),
        (well(ALWAYS, ["started"]), log(1, 2, 1)),
        (lost("not_sent"), log(1)),
        (lost("unknown"), log(1)),
        (lost("unknown"), log(1, 1)),
        (lost("started", SAFE), log(1, 1)),
        (lost("output_seen", ALWAYS, output=True), log(1, 1)),
    ]
    resent = well()
    resent.turns[1].resends = ["unknown"]
    guilty = {
        "executed twice under never": (well(NEVER), log(1, 2, 1)),
        "executed twice, told of nothing": (well(), log(1, 2, 1)),
        "executed three times, told of one replay": (well(replays=["unknown"]), log(1, 3, 1)),
        "never executed": (well(), log(1, 0, 1)),
        "replayed under never": (well(NEVER, ["unknown"]), log(1, 1, 1)),
        "replayed under safe when started": (well(replays=["started"]), log(1, 1, 1)),
        "replayed when output was seen": (well(ALWAYS, ["output_seen"]), log(1, 1, 1)),
        "resent what may have run": (resent, log(1, 1, 1)),
        "not_sent, but executed": (lost("not_sent"), log(1, 1)),
        "rejected, but executed": (lost("rejected"), log(1, 1)),
        "started, but not executed": (lost("started"), log(1)),
        "output_seen, but nothing was": (lost("output_seen"), log(1, 1)),
        "unknown, but output was seen": (lost("unknown", output=True), log(1, 1)),
        "unknown, not replayed under safe": (lost("unknown", SAFE), log(1)),
        "a hang": (lost("unknown", error="TurnTimeout"), log(1)),
        "a bug": (lost("unknown", error="InternalError"), log(1)),
        "a wrong text": (SeenRun("t", SAFE, well().turns, text="END"), log(1, 1, 1)),
        "a wrong context": (well(), log(1, 1, 1, types=["message", "message"])),
        "a turn too few": (SeenRun("t", SAFE, well().turns[:2], text="end"), log(1, 1)),
        "a turn that nobody asked for": (lost("not_sent"), log(1, 0, 1)),
    }
    wrong = [f"the judge convicts the innocent: {case}" for case in innocent if judge(*case, "end")]
    wrong += [f"the judge is blind: {name}" for name, case in guilty.items() if not judge(*case, "end")]
    return wrong, len(innocent) + len(guilty)
