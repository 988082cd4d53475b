#!/usr/bin/env python3
"""Cuts texts into tokens with this library and with the tiktoken package, and compares.

    run.py [--binary PATH] [--count 10000] [--seed 1]   every token of random and written texts
    run.py --bench [TEXT...] [--binary PATH]            the speed, on the same texts in one run

The vocabulary is o200k_base.tiktoken (or .gz) at $RESPONSESWS_VOCABULARY, or in ../shared/data; what needs it
is skipped without it, and a small made-up one compared. Without tiktoken (PyPI) the tokens of that are only
put together again."""
import argparse
import base64
import gzip
import importlib.util
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = ".build/release/token-dump"
PATTERNS = ("o200k", "cl100k")
BATCH = 2_000


# --- what there is to compare with -------------------------------------------------------------------

def find_vocabulary():
    named = os.environ.get("RESPONSESWS_VOCABULARY")
    data = ROOT.parent / "shared" / "data"
    candidates = [Path(named)] if named else [
        data / "o200k_base.tiktoken", data / "o200k_base.tiktoken.gz"]
    for path in candidates:
        if path.is_file():
            content = path.read_bytes()
            return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return None


def made_up_vocabulary():
    """All bytes, and the beginnings of words in the order in which they come."""
    tokens = {bytes([byte]): byte for byte in range(256)}
    for word in WORDS:
        for text in (word.encode(), b" " + word.encode()):
            for end in range(2, len(text) + 1):
                tokens.setdefault(text[:end], len(tokens))
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in tokens.items())


def ranks_of(vocabulary):
    lines = (line.split() for line in vocabulary.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def references(ranks):
    """An encoding for each pattern, with these ranks."""
    import tiktoken
    import tiktoken_ext.openai_public as public
    # The package has the patterns in functions that would fetch the vocabularies.
    public.load_tiktoken_bpe = lambda *arguments, **options: {}
    return {name: tiktoken.Encoding(
        name, pat_str=getattr(public, name + "_base")()["pat_str"], mergeable_ranks=ranks,
        special_tokens={}) for name in PATTERNS}


# --- texts ---------------------------------------------------------------------------------------

WRITTEN = [
    "", " ", "  ", "\n", " \n", "\n ", "\r\n\r\n  x", "a\n \n  b", "   word", "\t\tx", "  \t\n\t  ", "x  ",
    "\u00a0\u00a0x", "\u2028 x", "\u3000x\u3000", "a\u0085b", "\v\f\x1c\x1d",
    "I'm you're we've it's she'd they'll don't", "I'M YOU'RE WE'VE IT'S SHE'D THEY'LL DON'T",
    "'s 'tis ''s x'\u017f X'\u017fy '\u017f", "o'clock rock'n'roll l'eau d'accord 'sdmt 'll'", "it'Ll'rE'vE",
    "HTTPServer camelCaseWord XMLHttpRequest ABCdef ABC ABCD1", "ǅungla ǅ Ǆabc", "ªº ʰABC ABCʰ ABCʰD", "日本ABC日本abc ABC日D",
    "e\u0301a\u0301 \u0301ABC \u0301 \u0301's !\u0301! \u0301\u0301Ab", "A\u0301B\u0301c", "क्षत्रिय ไทยภาษา עִבְרִית",
    "1 12 123 1234 12345678 ١٢٣٤٥ ⅷⅧ½² 1a2b3c", "//// //\n/ --\n\n/--\r\n//x !!!\n\n", "a/b/c ./x\n/y",
    "{\"key\":[1,2,{\"x\":null}],\n  \"y\": \"\\u00e9\"}", "<|endoftext|><|fim_prefix|> <|im_start|>",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 1️⃣", "\u200b\u200d\ufeff\u00ad", "\U0010ffff\ue000\ufffd", "\x00\x01\x7f\u0080",
    "a" * 129, "a" * 5000, " " * 5000, "\n" * 3000 + " " * 3000, "ab" * 3000, "=" * 3000, "aB" * 2000, "日" * 3000,
    "Supercalifragilisticexpialidocious" * 100, "\u0301" * 700, "xyzzy" * 30 + "q" * 128,
]
WORDS = (
    "the of and to in is that for it was on are as with his they at be this from have or by one had not but what all "
    "Internationalization naïve façade Straße größer Übermut École garçon señor mañana coração não então "
    "привет мир Москва Здравствуйте έλληνικά Αθήνα 日本語 東京 こんにちは カタカナ 中文 你好世界 한국어 안녕하세요 "
    "العربية مرحبا עברית שלום हिन्दी नमस्ते ภาษาไทย สวัสดี Việt Nam தமிழ் ქართული հայերեն አማርኛ "
    "def return self import class func let var const => -> != == += && || () [] {} ; : , . \"\" '' # // /* */ <div> </div> "
    "0 1 42 1234567 3.14159 0xDEADBEEF 2026-01-01T00:00:00Z 😀 🎉 ❤️ ∑ ≤ € £ © ™ … — “quoted”").split(" ")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SEPARATORS = [" "] * 12 + ["", "", "  ", "\n", "\n\n", "\r\n", "\t", " \n ", "   ", "'s ", "'LL ", ", ", ". ", "\u00a0"]


def random_text(rng):
    kind = rng.randrange(6)
    length = rng.choice((3, 10, 30, 100))
    if kind == 0:
        return random_words(length, rng)
    if kind == 1:
        return "".join(rng.choice(CLASSES[rng.randrange(len(CLASSES))]) for _ in range(length))
    if kind == 2:
        return "".join(rng.choice(" \n\r\t'/aAsSlLeEvVrR1\u0301ʰ日!-\u00a0\u017fǅ") for _ in range(length))
    if kind == 3:
        return "".join(chr(rng.randrange(32, 127)) for _ in range(length))
    if kind == 4:
        letters = rng.choice((LETTERS, "aab", "ACGT", "абвгдежзиклмн", "อกขคงจ", "あいうえお", "かx"))
        return "".join(rng.choice(letters) for _ in range(length * rng.choice((1, 1, 1, 10))))
    return "".join(chr(character(rng)) for _ in range(length))


def random_words(count, rng=random.Random(1)):
    return "".join(rng.choice(WORDS) + rng.choice(SEPARATORS) for _ in range(count))


def character(rng):
    while True:
        code = rng.randrange(rng.choice((0x300, 0x3000, 0x10000, 0x20000, 0x110000)))
        if not 0xD800 <= code < 0xE000:
            return code


def characters_by_category():
    found = {}
    for code in range(0x30000):
        if not 0xD800 <= code < 0xE000:
            category = unicodedata.category(chr(code))
            found.setdefault("Zs" if chr(code).isspace() else category, []).append(chr(code))
    return list(found.values())


CLASSES = characters_by_category()


def files_of_this_project():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in names.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.stat().st_size < 1 << 20:
            yield path.read_bytes().decode("utf-8", "replace")


def every_character():
    """Each between two others, so that its class shows in where the pieces end."""
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(codes), 4096):
        page = [chr(code) for code in codes[start:start + 4096]]
        for form in ("{0}a A{0}B ", "1{0}1 !{0}\n"):
            yield "".join(form.format(one) for one in page)


def broken_texts(rng, count):
    """Bytes, some of which are no UTF-8."""
    for _ in range(count):
        text = bytearray(random_text(rng).encode())
        for _ in range(rng.randrange(1, 4)):
            text.insert(rng.randrange(len(text) + 1), rng.randrange(0x80, 0x100))
        yield bytes(text)


# --- the comparison ------------------------------------------------------------------------------

def tokens_of_library(binary, vocabulary, pattern, texts):
    data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    done = subprocess.run([binary, vocabulary, pattern], input=data, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"token-dump failed ({done.returncode}): {done.stderr.decode()}")
    numbers = struct.unpack(f"<{len(done.stdout) // 4}I", done.stdout)
    tokens, at = [], 0
    for _ in texts:
        count = numbers[at]
        tokens.append(list(numbers[at + 1:at + 1 + count]))
        at += 1 + count
    return tokens


def differences(binary, path, pattern, encoding, texts):
    """The first text, if any, on which the two differ."""
    texts = [text if isinstance(text, bytes) else text.encode() for text in texts]
    for start in range(0, len(texts), BATCH):
        batch = texts[start:start + BATCH]
        for text, found in zip(batch, tokens_of_library(binary, path, pattern, batch), strict=True):
            expected = encoding.encode_ordinary(text.decode("utf-8", "replace"))
            if found != expected:
                return f"{text[:200]!r}: {found[:40]} instead of {expected[:40]}"
    return None


class Wrong:
    """An encoding whose last token is another one."""
    def __init__(self, encoding):
        self.encoding = encoding

    def encode_ordinary(self, text):
        tokens = self.encoding.encode_ordinary(text)
        return tokens[:-1] + [token + 1 for token in tokens[-1:]]


def texts_of(count, seed):
    rng = random.Random(seed)
    return {
        "written texts": WRITTEN,
        "this project's files": list(files_of_this_project()),
        "every character": list(every_character()),
        f"{count} random texts, seed {seed}": [random_text(rng) for _ in range(count)],
        "texts that are not UTF-8": list(broken_texts(rng, max(count // 10, 10))),
    }


def compare(binary, path, encodings, name, parts):
    """Returns how many comparisons passed and failed."""
    found = {f"{pattern} with {name}, {part}": differences(binary, path, pattern, encoding, texts)
             for pattern, encoding in encodings.items() for part, texts in parts.items()}
    # The comparison has to notice one wrong token.
    wrong = Wrong(encodings["o200k"])
    if differences(binary, path, "o200k", wrong, ["", "some words"]) is None:
        found["the canary"] = "was not noticed"
    for part, difference in found.items():
        if difference:
            print(f"{part}: {difference}")
    failed = sum(difference is not None for difference in found.values())
    return len(found) - failed, failed


def put_together(binary, path, ranks, parts):
    """The first text, if any, whose tokens are not the text again."""
    token_of = {rank: token for token, rank in ranks.items()}
    texts = [text.encode() for part in parts.values() for text in part if isinstance(text, str)]
    for text, tokens in zip(texts, tokens_of_library(binary, path, "o200k", texts), strict=True):
        if b"".join(token_of[token] for token in tokens) != text:
            return repr(text[:200])
    return None


# --- the benchmark -------------------------------------------------------------------------------

def bench(binary, path, encoding, files):
    """CPU time on the same text, each the best of three, in turns."""
    texts = {Path(file).name: Path(file).read_bytes().decode() for file in files} or {
        "this project's files": "".join(files_of_this_project()),
        "words of 25 languages and code": random_words(400_000),
        "random characters": "".join(random_text(random.Random(seed)) for seed in range(20_000)),
        "random letters, no spaces": "".join(random.Random(1).choices(LETTERS, k=500_000)),
    }
    print("| text | MB | tokens | tiktoken, MB/s | this library, MB/s | ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, text in texts.items():
        print(f"| {name} | " + " | ".join(timed(binary, path, encoding, text)) + " |", flush=True)
    return 0


def timed(binary, path, encoding, text):
    data = text.encode()
    theirs = ours = float("inf")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for _ in range(3):
            start = time.process_time()
            expected = len(encoding.encode_ordinary(text))
            theirs = min(theirs, time.process_time() - start)
            done = subprocess.run([binary, "--bench", path, file.name], capture_output=True,
                                  check=True, text=True)
            count, nanoseconds = map(int, done.stdout.split())
            if count != expected:
                raise SystemExit(f"{count} tokens instead of {expected}")
            ours = min(ours, nanoseconds / 1e9)
    return [f"{len(data) / 1e6:.1f}", str(count), f"{len(data) / theirs / 1e6:.1f}",
            f"{len(data) / ours / 1e6:.1f}", f"{theirs / ours:.1f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bench", nargs="*", metavar="TEXT")
    options = parser.parse_args()
    binary = str((ROOT / options.binary).resolve())
    with tempfile.TemporaryDirectory() as directory:
        return run(options, binary, Path(directory) / "vocabulary.tiktoken")


def run(options, binary, path):
    vocabulary = find_vocabulary()
    has_tiktoken = importlib.util.find_spec("tiktoken") is not None
    if vocabulary and has_tiktoken and options.bench is not None:
        path.write_bytes(vocabulary)
        return bench(binary, str(path), references(ranks_of(vocabulary))["o200k"], options.bench)
    passed = failed = skipped = 0
    if not has_tiktoken:
        print("nothing to compare with: the tiktoken package is not installed")
        skipped += 1
    if vocabulary is None:
        print("no o200k_base.tiktoken: set RESPONSESWS_VOCABULARY to its path")
        skipped += 1
    if options.bench is not None:
        return 1
    parts = texts_of(options.count, options.seed)
    for name, content in (("made-up tokens", made_up_vocabulary()), ("its own tokens", vocabulary)):
        if content is None:
            continue
        path.write_bytes(content)
        ranks = ranks_of(content)
        difference = put_together(binary, str(path), ranks, parts)
        passed += difference is None
        failed += difference is not None
        if difference:
            print(f"with {name}, the tokens are another text: {difference}")
        if has_tiktoken:
            counts = compare(binary, str(path), references(ranks), name, parts)
            passed, failed = passed + counts[0], failed + counts[1]
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


sys.exit(main())
