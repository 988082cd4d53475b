#!/usr/bin/env python3
"""Makes random and broken events and compares every field that the scanner reads with what Python's
json finds in them.

    run.py [--count 1000000] [--seed 1] [--batch N] [--binary PATH] [--canary] [--jobs N]

Without --binary it builds scanner-dump. Without --canary it runs both parts: the canary (the comparison
has to notice a wrong value in each single field) and the count. A disagreement is printed with the
seed and batch that make it again. Exits non-zero on any."""
import argparse
import json
import math
import multiprocessing
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH = 10_000
DEPTH_LIMIT = 512

sys.set_int_max_str_digits(0)

# --- what an event says, according to Python ------------------------------------------------------

KIND_NAMES = {
    "response.created": "RESPONSE_CREATED", "response.queued": "RESPONSE_QUEUED",
    "response.in_progress": "RESPONSE_IN_PROGRESS", "response.completed": "RESPONSE_COMPLETED",
    "response.failed": "RESPONSE_FAILED", "response.incomplete": "RESPONSE_INCOMPLETE",
    "error": "ERROR",
    "response.output_item.added": "OUTPUT_ITEM_ADDED",
    "response.output_item.done": "OUTPUT_ITEM_DONE",
    "response.content_part.added": "CONTENT_PART_ADDED",
    "response.content_part.done": "CONTENT_PART_DONE",
    "response.output_text.delta": "OUTPUT_TEXT_DELTA",
    "response.output_text.done": "OUTPUT_TEXT_DONE",
    "response.refusal.delta": "REFUSAL_DELTA", "response.refusal.done": "REFUSAL_DONE",
    "response.function_call_arguments.delta": "FUNCTION_CALL_ARGUMENTS_DELTA",
    "response.function_call_arguments.done": "FUNCTION_CALL_ARGUMENTS_DONE",
    "response.custom_tool_call_input.delta": "CUSTOM_TOOL_CALL_INPUT_DELTA",
    "response.custom_tool_call_input.done": "CUSTOM_TOOL_CALL_INPUT_DONE",
    "response.reasoning_summary_part.added": "REASONING_SUMMARY_PART_ADDED",
    "response.reasoning_summary_part.done": "REASONING_SUMMARY_PART_DONE",
    "response.reasoning_summary_text.delta": "REASONING_SUMMARY_TEXT_DELTA",
    "response.reasoning_summary_text.done": "REASONING_SUMMARY_TEXT_DONE",
    "response.reasoning_text.delta": "REASONING_TEXT_DELTA",
    "response.reasoning_text.done": "REASONING_TEXT_DONE",
}
HEADER_KINDS = dict(re.findall(
    r"RWS_EVENT_(\w+) = (\d+)", (ROOT / "Include" / "responsesws.h").read_text()))
KINDS = {type_: HEADER_KINDS[name] for type_, name in KIND_NAMES.items()}
DONE = {"failed": KINDS["response.failed"], "cancelled": KINDS["response.failed"],
        "incomplete": KINDS["response.incomplete"]}


class Number(str):
    """A number as it is written."""


class Integer(Number):
    pass


class Pairs(list):
    """The members of an object, duplicates too."""


def refuse(constant):
    raise ValueError(constant)


LOADER = json.JSONDecoder(parse_int=Integer, parse_float=Number, parse_constant=refuse)
PAIRS_LOADER = json.JSONDecoder(parse_int=Integer, parse_float=Number, parse_constant=refuse,
                                object_pairs_hook=Pairs)
loads = LOADER.decode


def depth_of(text):
    depth = deepest = 0
    for bracket in re.findall(r"[\[{\]}]", re.sub(r'"(?:\\.|[^"\\])*"', "", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def hexed(value):
    """A string for the caller: lone surrogates as WTF-8."""
    if type(value) is not str:
        return "-"
    try:
        return value.encode().hex()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass").hex()


def repaired(value):
    if type(value) is not str:
        return "-"
    try:
        return value.encode().hex()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", value).encode().hex()


def count(value):
    if type(value) is not Integer:
        return -1
    number = int(value)
    return number if 0 <= number < 2**63 else -1


def int32(value):
    return value if 0 <= value < 2**31 else 0


def table(value):
    return value if type(value) is dict else {}


def amount(value):
    """A header's number, plain decimal only."""
    if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > 32:
        return None
    return float(value) if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value, re.ASCII) else None


HEADERS = (b"retry-after", b"retry-after-ms", b"x-request-id")


def header_values(headers, pairs):
    """Names without regard to case, so the last in the order of the text; a dict has lost that."""
    found = {}
    for name, value in pairs() if len(headers) > 1 else headers.items():
        found[name.encode("utf-8", "surrogatepass").lower()] = value
    after, after_ms, request = (found.get(name) for name in HEADERS)
    wait = amount(after_ms)
    if wait is None and (seconds := amount(after)) is not None:
        wait = seconds * 1000
    wait = -1 if wait is None else math.ceil(min(wait, 100 * 365 * 24 * 3600 * 1000.0))
    return wait, repaired(request)


def pairs_at(text, *path):
    def find():
        value = PAIRS_LOADER.decode(text)
        for key in path:
            value = [member for name, member in value if name == key][-1]
        return value
    return find


def error_fields(event, text):
    status, kind, code, message, param, wait, request = 0, "-", "-", "-", "-", -1, "-"
    error = event.get("error")
    path = ("error",)
    if type(error) is str:
        message = repaired(error)
    if type(error) not in (dict, str) and type(event.get("response")) is dict:
        error = event["response"].get("error")
        path = ("response", "error")
    if type(error) is dict:
        number = count(error.get("code"))
        status = count(error.get("status"))
        if status < 0:
            status = count(error.get("status_code"))
        if status < 0:
            status = number if 400 <= number <= 599 else 0
        status = int32(status)
        kind, code, message, param = (
            repaired(error.get(key)) for key in ("type", "code", "message", "param"))
        headers = error.get("headers")
        if type(headers) is dict:
            wait, request = header_values(headers, pairs_at(text, *path, "headers"))
    outer = outer_status(event)
    if outer:
        status = outer
    if code == "-":
        code = repaired(event.get("code"))
    if message == "-":
        message = repaired(event.get("message"))
    if param == "-":
        param = repaired(event.get("param"))
    headers = event.get("headers")
    if type(headers) is dict:
        outer_wait, outer_request = header_values(headers, pairs_at(text, "headers"))
        if wait < 0:
            wait = outer_wait
        if request == "-":
            request = outer_request
    return [str(status), str(wait), kind, code, message, param, request]


def outer_status(event):
    status = count(event.get("status"))
    return int32(status if status >= 0 else count(event.get("status_code")))


def response_fields(response):
    error = table(response.get("error"))
    fields = [
        hexed(response.get("id")), repaired(response.get("status")), repaired(response.get("model")),
        repaired(error.get("code")), repaired(error.get("message")),
        repaired(table(response.get("incomplete_details")).get("reason"))]
    usage = response.get("usage")
    if type(usage) is not dict:
        return fields + ["-"] * 6
    details = table(usage.get("input_tokens_details"))
    return fields + [str(count(value)) for value in (
        usage.get("input_tokens"), details.get("cached_tokens"), details.get("cache_write_tokens"),
        usage.get("output_tokens"),
        table(usage.get("output_tokens_details")).get("reasoning_tokens"),
        usage.get("total_tokens"))]


NO_ITEM = ["-"] * 8
NO_RESPONSE = ["-"] * 12
NO_ERROR = ["0", "-1"] + ["-"] * 5
ERROR_KEYS = frozenset(
    ("error", "response", "status", "status_code", "code", "message", "param", "headers"))
FIELDS = (
    "kind sequence_number output_index status type delta stream_id item_id code message param "
    "item.type item.status item.phase item.id item.call_id item.name item.arguments item.input "
    "response.id response.status response.model response.error.code response.error.message "
    "response.incomplete_reason usage.input usage.cached usage.cache_write usage.output "
    "usage.reasoning usage.total error.status error.retry_after error.type error.code error.message "
    "error.param error.request_id").split()
SPANS = "item response error headers".split()


def expected(data):
    """The fields of an event, and the values that its spans must hold; None: it is no event."""
    try:
        text = data.decode()
        event = loads(text)
    except ValueError:
        return None
    if type(event) is not dict:
        return None
    if text.count("[") + text.count("{") > DEPTH_LIMIT and depth_of(text) > DEPTH_LIMIT:
        return None
    get = event.get
    type_ = get("type")
    response = get("response")
    error = get("error")
    if type(type_) is not str:
        kind = KINDS["error"] if type(error) in (dict, str) else "0"
    elif type_ == "response.done":
        status = table(response).get("status")
        kind = DONE.get(status, KINDS["response.completed"]) if type(status) is str \
            else KINDS["response.completed"]
    else:
        kind = KINDS.get(type_, "0")
    item = get("item")
    fields = [
        kind, str(count(get("sequence_number"))), str(count(get("output_index"))),
        str(outer_status(event)), hexed(type_), hexed(get("delta")), hexed(get("stream_id")),
        hexed(get("item_id")), hexed(get("code")), hexed(get("message")), hexed(get("param"))]
    if type(item) is dict:
        fields += [repaired(item.get("type")), repaired(item.get("status")),
                   repaired(item.get("phase")), hexed(item.get("id")), hexed(item.get("call_id")),
                   hexed(item.get("name")), hexed(item.get("arguments")), hexed(item.get("input"))]
    else:
        fields += NO_ITEM
    fields += response_fields(response) if type(response) is dict else NO_RESPONSE
    fields += NO_ERROR if ERROR_KEYS.isdisjoint(event) else error_fields(event, text)
    spans = [item if type(item) is dict else None, response if type(response) is dict else None,
             error if type(error) in (dict, str) else None,
             table(get("headers")) if type(get("headers")) is dict else None]
    return fields, spans


# --- events ---------------------------------------------------------------------------------------

PIECES = [
    "a", "token", " the", "x y", "0", "{}", "[", "type", "ü", "€", "日本", "😀", "\x7f", "\u2028",
    "\\n", "\\t", '\\"', "\\\\", "\\/", "\\b", "\\f", "\\r", "\\u0000", "\\u001f", "\\u00e9",
    "\\u20AC", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud800", "\\udfff", "\\ud83dx", "\\udc00\\ud800",
    "\\ud83d\\n\\ude00", "'", "/", ",", ":", "12345678", "long plain text that fills words ", "",
]
NUMBERS = [
    "0", "1", "7", "42", "1234", "-1", "-0", "1.0", "0.5", "1e3", "1E+2", "2e-1", "2147483647",
    "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "123456789012345678901234567890", "400", "404", "429", "500", "599", "600",
]
ODD_VALUES = NUMBERS + [
    "null", "true", "false", "{}", "[]", '""', '"x"', "[1,{\"type\":\"error\"}]",
    '{"type":"response.completed","delta":"nested","error":{"code":"n"}}', "[[[]],{}]", "[ ]", "{ }",
]
WAITS = ['"1"', '"20"', '"1.5"', '"0.001"', "3", "2.5", "1e3", "-0", '"soon"', '"-1"', '" 4"', '"1.2.3"',
         '"5."', '".5"', '""', "null", '"Wed, 21 Oct 2026 07:28:00 GMT"', '"99999999999999999999"', '"٣"']
TYPES = list(KINDS) + ["response.done", "keepalive", "codex.rate_limits", "", "response.output_text",
                       "response.output_text.deltas", "Error", "rws.notice"]
STATUSES = ["completed", "failed", "incomplete", "in_progress", "cancelled", "steered"]
MEMBERS = ["type", "sequence_number", "output_index", "delta", "stream_id", "item_id", "item",
           "response", "error", "headers", "status", "status_code", "code", "message", "param"]
TOKENS = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"\\u", b"\\ud800", b"\x00", b"\x1f",
          b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xff", b"\xef\xbb\xbf", b"0", b"-",
          b".", b"e", b" ", b"\n", b"\t", b"\x0b", b"NaN", b"Infinity", b"//", b"01", b'"type":"error",',
          b'"delta":"z",', b"tru", b"'"]


class Events:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.chance = self.random.random
        self.previous = b"{}"

    def pick(self, choices):
        return choices[int(self.chance() * len(choices))]

    def string(self):
        return '"' + "".join([self.pick(PIECES) for _ in range(int(self.chance() * 5))]) + '"'

    def space(self):
        return self.pick((" ", "\n", "\t", "\r\n", "  ")) if self.chance() < 0.05 else ""

    def key(self, name):
        if name and self.chance() < 0.02:
            at = int(self.chance() * len(name))
            form = "\\u%04x" if self.chance() < 0.5 else "\\u%04X"
            name = name[:at] + form % ord(name[at]) + name[at + 1:]
        return '"' + name + '"'

    def object(self, members):
        """An object of some of these (key, maker of its value): shuffled, doubled, odd."""
        chosen = [member for member in members if self.chance() < 0.85]
        if chosen and self.chance() < 0.1:
            chosen.append(self.pick(chosen))
        if self.chance() < 0.4:
            self.random.shuffle(chosen)
        parts = []
        for name, value in chosen:
            text = self.pick(ODD_VALUES) if self.chance() < 0.05 else value()
            parts.append(f"{self.space()}{self.key(name)}{self.space()}:{self.space()}{text}{self.space()}")
        return "{" + ",".join(parts) + "}"

    def number(self):
        return self.pick(NUMBERS) if self.chance() < 0.3 else str(int(self.chance() * 5000))

    def type(self):
        return '"' + self.pick(TYPES) + '"' if self.chance() < 0.97 else self.string()

    def item(self):
        return self.object([
            ("type", lambda: self.pick(('"function_call"', '"message"', '"custom_tool_call"'))),
            ("id", self.string), ("call_id", self.string), ("name", self.string),
            ("arguments", self.string), ("input", self.string),
            ("status", lambda: '"completed"'), ("phase", self.string)])

    def headers(self):
        def cased(name):
            return name if self.chance() < 0.6 else self.pick((name.title(), name.upper()))
        return self.object([
            (cased("retry-after"), lambda: self.pick(WAITS)), (cased("x-request-id"), self.string),
            (cased("retry-after-ms"), lambda: self.pick(WAITS)),
            (cased("Retry-After"), lambda: self.pick(WAITS))][int(self.chance() * 3):])

    def error(self):
        if self.chance() < 0.1:
            return self.string()
        return self.object([
            ("type", self.string), ("code", lambda: self.number() if self.chance() < 0.3 else self.string()),
            ("message", self.string), ("param", self.string), ("headers", self.headers),
            ("status", self.number), ("status_code", self.number)][int(self.chance() * 4):])

    def usage(self):
        return self.object([
            ("input_tokens", self.number), ("output_tokens", self.number),
            ("total_tokens", self.number),
            ("input_tokens_details", lambda: self.object([
                ("cached_tokens", self.number), ("cache_write_tokens", self.number)])),
            ("output_tokens_details", lambda: self.object([("reasoning_tokens", self.number)]))])

    def response(self):
        return self.object([
            ("id", self.string), ("status", lambda: '"' + self.pick(STATUSES) + '"'),
            ("model", self.string), ("usage", self.usage), ("output", lambda: self.pick(ODD_VALUES)),
            ("error", self.error),
            ("incomplete_details", lambda: self.object([("reason", self.string)]))
        ][:4 + int(self.chance() * 4)])

    def deep(self):
        depth = DEPTH_LIMIT - 3 + int(self.chance() * 5)
        return "[" * depth + "]" * depth if self.chance() < 0.5 else \
            '{"type":[' * (depth // 2) + "]}" * (depth // 2)

    def well_formed(self):
        shape = self.chance()
        base = [("type", self.type), ("sequence_number", self.number)]
        if shape < 0.5:
            members = base + [
                ("output_index", self.number), ("item_id", self.string), ("delta", self.string),
                ("stream_id", self.string), ("logprobs", lambda: self.pick(ODD_VALUES))]
        elif shape < 0.65:
            members = base + [("output_index", self.number), ("item", self.item)]
        elif shape < 0.8:
            members = base + [("response", self.response)]
        elif shape < 0.95:
            members = base + [
                ("status", self.number), ("status_code", self.number), ("code", self.string),
                ("message", self.string), ("param", self.string), ("error", self.error),
                ("headers", self.headers)]
            if self.chance() < 0.3:
                members = members[2:]
        else:
            members = [(self.pick(MEMBERS), lambda: self.pick(ODD_VALUES)) for _ in range(5)]
            members += [(self.pick(PIECES[:14]), self.string), ("", self.string)]
            if self.chance() < 0.03:
                members.append(("x", self.deep))
        return (self.space() + self.object(members) + self.space()).encode()

    def broken(self, data):
        data = bytearray(data)
        for _ in range(1 + int(self.chance() * 2)):
            at = int(self.chance() * (len(data) + 1))
            end = at + 1 + int(self.chance() * 4)
            way = self.chance()
            if way < 0.35:
                data[at:at] = self.pick(TOKENS)
            elif way < 0.5:
                del data[at:end]
            elif way < 0.65 and at < len(data):
                data[at] ^= 1 << int(self.chance() * 8)
            elif way < 0.75:
                data[at:end] = self.pick(TOKENS)
            elif way < 0.85:
                del data[at:]
            elif way < 0.93:
                data[at:at] = data[at:at + int(self.chance() * 40)]
            else:
                data[at:] = self.previous[int(self.chance() * len(self.previous)):]
        return bytes(data)

    def next(self):
        data = self.well_formed()
        event = self.broken(data) if self.chance() < 0.4 else data
        self.previous = data
        return event


# --- the comparison -------------------------------------------------------------------------------


def events_of(seed, batch, size):
    events = Events(f"{seed}/{batch}")
    return [events.next() for _ in range(size)]


def dump(binary, events):
    blob = b"".join(len(event).to_bytes(4, "little") + event for event in events)
    done = subprocess.run([binary], input=blob, stdout=subprocess.PIPE, timeout=300, check=True)
    lines = done.stdout.decode().split("\n")
    if len(lines) != len(events) + 1:
        raise SystemExit(f"scanner-dump wrote {len(lines) - 1} lines for {len(events)} events")
    return lines[:-1]


def disagreement(line, wanted):
    """Name, wanted and found of the first field that differs."""
    if wanted is None or line == "!":
        found = "no event" if line == "!" else "an event"
        want = "no event" if wanted is None else "an event"
        return None if found == want else ("event", want, found)
    fields, spans = wanted
    found = line.split("\t")
    if found[:len(fields)] != fields:
        for name, want, got in zip(FIELDS, fields, found):
            if want != got:
                return name, want, got
    for name, want, got in zip(SPANS, spans, found[len(fields):]):
        if want is None or got == "-":
            if (want is None) != (got == "-"):
                return name, str(want), got
        elif loads(bytes.fromhex(got).decode()) != want:
            return name, str(want), bytes.fromhex(got)
    return None


def compare(job):
    """Compares one batch. Returns how many were events, and the first few disagreements."""
    binary, seed, batch, size = job
    events = events_of(seed, batch, size)
    accepted, found = 0, []
    for event, line in zip(events, dump(binary, events)):
        wanted = expected(event)
        accepted += wanted is not None
        difference = disagreement(line, wanted)
        if difference and len(found) < 5:
            name, want, got = difference
            found.append(f"--seed {seed} --batch {batch}: {name}: json says {want}, the scanner {got}, "
                         f"of {event!r}")
    return accepted, found


def canary(binary, seed):
    """Puts a wrong value into each field in turn, as if the scanner had said so: each has to be
    noticed. Returns the names of those that were not."""
    events = events_of(seed, "canary", 2000)
    unseen = set(FIELDS + SPANS + ["event"])
    for event, line in zip(events, dump(binary, events)):
        wanted = expected(event)
        if wanted is None or disagreement(line, wanted):
            continue
        cells = line.split("\t")
        for index, name in enumerate(FIELDS + SPANS):
            if name in unseen and cells[index] != "-":
                wrong = "7b7d" if name in SPANS and cells[index] != "7b7d" else "77"
                noticed = disagreement("\t".join(cells[:index] + [wrong] + cells[index + 1:]), wanted)
                if noticed and noticed[0] == name:
                    unseen.discard(name)
        if disagreement("!", wanted) and disagreement(line, None):
            unseen.discard("event")
    return sorted(unseen)


def build():
    command = ["swift", "build", "-c", "release", "--product", "scanner-dump"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return ROOT / ".build" / "release" / "scanner-dump"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, help="only this one, to repeat a failure")
    parser.add_argument("--binary", help="a built scanner-dump")
    parser.add_argument("--canary", action="store_true", help="only the canary")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    binary = str(options.binary or build())
    failed = 0

    unseen = canary(binary, options.seed)
    if unseen:
        failed += 1
        print("the canary was not noticed in: " + ", ".join(unseen))
    else:
        print(f"canary: a wrong value is noticed in each of {len(FIELDS + SPANS)} fields")
    if options.canary:
        print(f"{1 - failed} passed, {failed} failed")
        return failed

    started = time.monotonic()
    batches = [options.batch] if options.batch is not None else range(-(-options.count // BATCH))
    jobs = [(binary, options.seed, batch, min(BATCH, options.count - index * BATCH))
            for index, batch in enumerate(batches)]
    accepted, found = 0, []
    with multiprocessing.Pool(options.jobs) as pool:
        for count_, differences in pool.imap_unordered(compare, jobs):
            accepted += count_
            found += differences
    total = sum(job[3] for job in jobs)
    print("\n".join(found[:20]))
    print(f"{total} events ({accepted} well-formed, seed {options.seed}): "
          f"{'they agree' if not found else 'THEY DISAGREE'}, {time.monotonic() - started:.0f} s")
    failed += bool(found)
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
