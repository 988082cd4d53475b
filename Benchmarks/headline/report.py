"""Tables and chart of docs/headline.md, from what run.py found."""
import copy
import json
from pathlib import Path

import scenario

HERE = Path(__file__).resolve().parent
SERVER_PARTS = ("queue", "request", "validation", "tokenisation", "loading", "prefill", "inference")
WORK = ("queue", "validation", "tokenisation", "loading")
BASELINES = ("sdk-http", "sdk-chain", "ours-http", "sdk-ws", "agents-http", "agents-ws")
BOUND = 0.4


def saving(result, baseline):
    ours, other = (result["clients"][kind]["total"] for kind in ("ours-ws", baseline))
    return 1 - ours / other


def percent(part):
    return f"{100 * part:.0f}%" if abs(part) >= 0.0995 or part == 0 else f"{100 * part:.1f}%"


def megabytes(count):
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def rows(header, lines):
    return [header, "|---" + "|---:" * (header.count("|") - 2) + "|", *lines]


# --- the tables -----------------------------------------------------------------------------------------


def overview(results, names):
    shown = [kind for kind in names]
    lines = []
    for result in results:
        cells = [f"{result['clients'][kind]['total']:.2f}" for kind in shown]
        lines.append(f"| {result['name']} | " + " | ".join(cells) + " | "
                     + " | ".join(percent(saving(result, kind)) for kind in ("sdk-http", "sdk-chain", "sdk-ws")) + " |")
    return rows("| run | " + " | ".join(names[kind] for kind in shown)
                + " | saved against SDK, HTTP | against chained HTTP | against SDK's WebSocket |", lines)


def details(results, names):
    lines = []
    for result in results:
        for kind, run in result["clients"].items():
            against = "" if kind == "ours-ws" else percent(saving(result, kind))
            lines.append(
                f"| {result['name']} | {names[kind]} | {run['total']:.2f} | {against} | {percent(run['delta_rate'])} "
                f"| {percent(run['cached_rate'])} | {megabytes(run['bytes_up'])} | {run['first_event'] * 1000:.0f} "
                f"| {run['connections']} | {run['own_turn'] * 1000:.2f} | {run['client'] * 1000:.1f} | {run['client_cpu'] * 1000 / len(run['turns']):.2f} |")
    return rows("| run | client | total, s | ours (WebSocket) saves | turns sent as a delta | input tokens cached "
                "| bytes up | time to first event, ms | connections | client's own, ms a turn | in the whole run, ms | its CPU, ms a turn |", lines)


def split(results, names):
    """Where the saving comes from: differences of the parts, in seconds; they add up to the saving."""
    lines = []
    for result in results:
        ours = result["clients"]["ours-ws"]
        for kind in BASELINES:
            other = result["clients"][kind]
            work = sum(other["server"][name] - ours["server"][name] for name in WORK)
            rest = sum(other["server"][name] - ours["server"][name]
                       for name in SERVER_PARTS if name not in WORK)
            bytes_part = (other["bytes_up"] - ours["bytes_up"]) / scenario.BYTES_PER_SECOND
            trips = other["network"] - ours["network"] - bytes_part
            client = other["client"] - ours["client"]
            lines.append(
                f"| {result['name']} | {names[kind]} | {other['total'] - ours['total']:.3f} "
                f"({percent(saving(result, kind))}) | {work:.3f} | {rest:.3f} | {bytes_part:.3f} | {trips:.3f} "
                f"| {client:.3f} |")
    return rows("| run | against | saved, s | server's work avoided | model's time | bytes not sent "
                "| round trips | client's own |", lines)


def own_turns(results):
    lines = []
    for result in results:
        ours, floor, sdk = (run["own_turn"] * 1000 for run in owners(result))
        each = ", ".join(f"{own * 1000:.2f}" for own in result["clients"]["ours-ws"]["own_turns"])
        lines.append(f"| {result['name']} | {ours:.2f} | {each} | {floor:.2f} | {ours - floor:.2f} | {sdk:.2f} |")
    return rows("| run | ours, WebSocket | in each round | bare socket | ours above it | SDK, own WebSocket |", lines)


def owners(result):
    return result["clients"]["ours-ws"], result["floor"], result["clients"]["sdk-ws"]


def spoken_own_turns(results):
    """The least and the most of each, by the size of the history."""
    def span(of_rows, owner):
        own = [owners(result)[owner]["own_turn"] * 1000 for result in of_rows]
        return f"{min(own):.2f} to {max(own):.2f}"
    parts = []
    for history in ("small", "large"):
        of_rows = [result for result in results if result["point"]["history"] == history]
        if of_rows:
            parts.append(f"with a {history} history {span(of_rows, 0)} ms (bare socket {span(of_rows, 1)}, "
                         f"the SDK's own WebSocket {span(of_rows, 2)})")
    return "; ".join(parts)


# --- what if: recomputed from the parts, not run again ---------------------------------------------------


def recomputed(run, result, constant, factor):
    """The run's total with one constant times `factor`."""
    point, constants = result["point"], result["constants"]
    parts = dict(run["server"])
    slowness = constants["slowness"] * point["slower"]
    network = run["network"]
    if constant == "slowness":
        for name in WORK:
            parts[name] *= factor
    elif constant in ("byte_ns", "item_ns", "token_ns"):
        amounts = {"byte_ns": ("bytes",), "item_ns": ("items", "loaded_items"),
                   "token_ns": ("tokens", "loaded_tokens")}[constant]
        amount = sum(turn["work"][name] for turn in run["turns"] for name in amounts)
        parts["validation"] += (factor - 1) * slowness * constants[constant] * amount / 1e9
    elif constant == "request_ns":
        parts["request"] *= factor
    elif constant == "prefill_token_ns":
        parts["prefill"] *= factor
    elif constant == "tokens per second":
        parts["inference"] /= factor
    elif constant == "round trip":
        network += (factor - 1) * run["trips"] * point["rtt"] / 1000
    elif constant == "bandwidth":
        network += (1 / factor - 1) * run["bytes_up"] / scenario.BYTES_PER_SECOND
    return sum(parts.values()) + network + run["client"]


def recomputed_saving(result, baseline, constant, factor):
    ours, other = (recomputed(result["clients"][kind], result, constant, factor)
                   for kind in ("ours-ws", baseline))
    return 1 - ours / other


VARIED = ("slowness", "byte_ns", "item_ns", "token_ns", "request_ns", "prefill_token_ns",
          "tokens per second", "round trip", "bandwidth")


def sensitivity(results):
    lines = []
    for result in results:
        for constant in VARIED:
            cells = []
            for kind in ("sdk-http", "sdk-chain"):
                cells += [percent(recomputed_saving(result, kind, constant, factor)) for factor in (0.5, 1, 2)]
            lines.append(f"| {result['name']} | {constant} | " + " | ".join(cells) + " |")
    return rows("| run | constant | SDK, HTTP: half | as it is | double | chained HTTP: half | as it is | double |",
                lines)


def crossing(result, baseline, constant):
    """The factor on the constant from which on BOUND is saved, and the direction; None: nowhere in a thousandfold."""
    at = [(factor, recomputed_saving(result, baseline, constant, factor))
          for factor in (10 ** (step / 100) for step in range(-300, 301))]
    for (low, before), (high, after) in zip(at, at[1:]):
        if (before < BOUND) != (after < BOUND):
            return high, after > before
    return None


def calls_needed(result, baseline):
    """The fewest calls with which BOUND is saved, counted within the run; None: not within it."""
    def until(run, count):
        turns = run["turns"][:count]
        share = count / len(run["turns"])
        fixed_trips = (run["trips"] - len(run["turns"])) * result["point"]["rtt"] / 1000
        return (sum(turn[name] for turn in turns for name in SERVER_PARTS) + fixed_trips
                + (run["network"] - fixed_trips + run["client"]) * share)
    ours, other = result["clients"]["ours-ws"], result["clients"][baseline]
    for count in range(2, len(ours["turns"]) + 1):
        if 1 - until(ours, count) / until(other, count) >= BOUND:
            return count - 1
    return None


def thresholds(results):
    values = {"slowness": lambda r: (r["constants"]["slowness"] * r["point"]["slower"], "× this server's own work"),
              "tokens per second": lambda r: (r["point"]["speed"], "tokens/s"),
              "round trip": lambda r: (r["point"]["rtt"], "ms")}
    lines = []
    for result in results:
        for kind, spoken in (("sdk-http", "SDK, HTTP"), ("sdk-chain", "chained HTTP")):
            cells = [f"{percent(saving(result, kind))}"]
            calls = calls_needed(result, kind)
            cells.append(f"from {calls} on" if calls else f"not within {result['point']['calls']}")
            for constant, value in values.items():
                base, unit = value(result)
                if not base:
                    cells.append("not varied")
                    continue
                found = crossing(result, kind, constant)
                if found is None:
                    always = saving(result, kind) >= BOUND
                    cells.append("at any" if always else "at none")
                else:
                    number = base * found[0]
                    text = f"{number:,.0f}" if number >= 10 else f"{number:.1f}"
                    cells.append(f"{'from' if found[1] else 'up to'} {text} {unit}")
            lines.append(f"| {result['name']} | {spoken} | " + " | ".join(cells) + " |")
    return rows("| run | against | saved | tool calls | server's slowness | speed of the model | round trip |", lines)


def pair(results, names):
    published = {"sdk-http": "19.6 (over HTTP)", "sdk-ws": "14.5 (over WebSocket)"}
    lines = []
    for result in results:
        for kind, run in result["clients"].items():
            against = "" if kind == "ours-ws" else percent(saving(result, kind))
            lines.append(f"| {names[kind]} | {published.get(kind, '')} | {run['total']:.2f} | {run['wall']:.2f} | {against} "
                         f"| {run['input_tokens']:,} | {run['output_tokens']:,} | {percent(run['delta_rate'])} "
                         f"| {megabytes(run['bytes_up'])} | {run['first_event'] * 1000:.0f} |")
    return rows("| client | published, s | total, s | on the clock, s | ours (WebSocket) saves | input tokens | output tokens "
                "| turns sent as a delta | bytes up | time to first event, ms |", lines)


# --- the page -------------------------------------------------------------------------------------------


def chart(results, names, path):
    import matplotlib
    matplotlib.use("svg")
    # So that the same figures give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "headline"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    groups = (("inference", "model: output", ("inference",)), ("prefill", "model: reading", ("prefill",)),
              ("request", "server: every request", ("request",)), ("work", "server: checks and tokens", WORK))
    colours = ("#9aa5b1", "#c9d1d9", "#5b8db8", "#1f4e79", "#e0a458", "#c0392b")
    columns = 2
    shown = [r for r in results if r["point"]["slower"] in (0, 1)]
    height = (len(shown) + columns - 1) // columns
    figure, axes = pyplot.subplots(height, columns, figsize=(13, 2.1 * height), squeeze=False)
    for axis in axes.flat[len(shown):]:
        axis.axis("off")
    for axis, result in zip(axes.flat, shown):
        labels = [names[kind] for kind in result["clients"]]
        left = [0.0] * len(labels)
        series = [(label, [sum(run["server"][name] for name in parts) for run in result["clients"].values()])
                  for _, label, parts in groups]
        series.append(("network", [run["network"] for run in result["clients"].values()]))
        series.append(("client", [max(0, run["client"]) for run in result["clients"].values()]))
        for (label, values), colour in zip(series, colours):
            axis.barh(labels, values, left=left, color=colour, label=label, height=0.72)
            left = [a + b for a, b in zip(left, values)]
        for index, total in enumerate(left):
            axis.text(total, index, f" {total:.1f} s", va="center", fontsize=7)
        axis.set_title(result["name"], fontsize=9, loc="left")
        axis.invert_yaxis()
        axis.tick_params(labelsize=7)
        axis.margins(x=0.12)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, ncol=6, loc="upper center", fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.975))
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def write(found, names, directory):
    results = copy.deepcopy(found["results"])
    for result in results:
        result["constants"] = found["constants"]
    whole = [r for r in results if r["point"]["slower"] == 1]
    plain = [r for r in whole if (r["point"]["calls"], r["point"]["speed"], r["point"]["rtt"]) == (20, 1000, 30)]
    tables = {
        "OVERVIEW": overview(results, names), "DETAILS": details(results, names), "SPLIT": split(results, names),
        "SENSITIVITY": sensitivity(plain), "THRESHOLDS": thresholds(whole), "PAIR": pair(found["pair"], names),
        "CONSTANTS": ["```json", json.dumps(found["constants"], indent=2), "```"],
        "CONDITIONS": [spoken_conditions(found)], "OWN_TURNS": own_turns(results + found["pair"]),
        "OWN_IN_SHORT": [spoken_own_turns(results)],
    }
    text = (HERE / "headline.md.in").read_text()
    for name, lines in tables.items():
        if f"@{name}@" not in text:
            raise RuntimeError(f"headline.md.in has no place for {name}")
        text = text.replace(f"@{name}@", "\n".join(lines))
    (Path(directory) / "headline.md").write_text(text)
    chart(results, names, Path(directory) / "headline.svg")


def spoken_conditions(found):
    about = found["conditions"]
    judged = ("Both bounds held in every row: at most 1 ms a turn of the client's own, and never slower than the SDK over its own WebSocket."
              if not found["failures"] else
              "Bounds: at most 1 ms a turn of the client's own (median), and never slower than the SDK over its own WebSocket. **Missed:** "
              + "; ".join(found["failures"]) + ". All other rows hold.")
    first = ("; clients and server came before all else on the machine (real-time priority)"
             if about["real_time"] else "")
    return (f"{about['date']}, {about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}, "
            f"{about['rounds']} rounds in {about['minutes']} minutes, load at the end {about['load'][0]}{first}. {judged}")
