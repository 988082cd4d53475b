"""What a process holds: memory, descriptors, threads; and whether a row of such samples grows."""
import ctypes
import os
import statistics
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sample:
    turns: int
    """So many had been taken by then."""
    heap: int
    """Bytes in use of malloc's, in all arenas; 0: not known, of another process."""
    dirty: int
    """Private_Dirty: bytes that only this process has."""
    rss: int
    descriptors: int
    threads: int

    def as_dict(self):
        return asdict(self)


class _MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


def heap_in_use():
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _MallInfo
    info = mallinfo()
    return info.uordblks + info.hblkhd


def sample(turns, pid=None):
    """Of this process, or of another one."""
    folder = f"/proc/{pid or 'self'}"
    with open(f"{folder}/smaps_rollup") as file:
        fields = dict(line.split(":") for line in file.read().splitlines()[1:])
    return Sample(
        turns, 0 if pid else heap_in_use(), _bytes(fields["Private_Dirty"]), _bytes(fields["Rss"]),
        len(os.listdir(f"{folder}/fd")), len(os.listdir(f"{folder}/task")))


def _bytes(field):
    return int(field.removesuffix("kB")) << 10


@dataclass(frozen=True)
class Bounds:
    """How much may grow: so many bytes by each turn, besides what is level only in the long run (buffers and tables
    of caches that double)."""

    heap_per_turn: float
    heap_slack: int
    dirty_per_turn: float
    dirty_slack: int
    descriptors: int
    threads: int


def growth(samples, name):
    """(growth, turns that it took): between the medians of the two halves of a run's later half. One odd sample moves
    no median, a steady growth moves both."""
    half = samples[len(samples) // 2:]
    middle = len(half) // 2
    medians = [
        (statistics.median(getattr(s, name) for s in part), statistics.median(s.turns for s in part))
        for part in (half[:middle], half[middle:])]
    return medians[1][0] - medians[0][0], medians[1][1] - medians[0][1]


def judge(samples, bounds):
    """(sentence, whether it holds) of each thing that may not grow."""
    verdicts = []
    for name, most, slack in (
            ("heap", bounds.heap_per_turn, bounds.heap_slack), ("dirty", bounds.dirty_per_turn, bounds.dirty_slack)):
        if any(getattr(s, name) for s in samples):
            whole, turns = growth(samples, name)
            verdicts.append((
                f"{name} grows by at most {most:g} bytes a turn and {slack >> 10} KiB"
                f" ({whole / 1024:+.0f} KiB in {turns:.0f} turns)", whole <= slack + most * turns))
    for name, most in (("descriptors", bounds.descriptors), ("threads", bounds.threads)):
        whole, _ = growth(samples, name)
        verdicts.append((f"{name} grow by at most {most} ({whole:+g})", whole <= most))
    return verdicts


# --- a judge that has gone blind must not pass --------------------------------------------------------


def self_test():
    """What the judge said wrongly of rows made up for it, and the count of its checks."""
    bounds = Bounds(100, 20_000, 200, 20_000, descriptors=2, threads=1)

    def row(**growth_per_turn):
        wave = [0, 9000, -7000, 3000]
        return [Sample(**{
            name: (turn if name == "turns" else 50_000_000 + wave[turn // 10 % 4]) + int(
                growth_per_turn.get(name, 0) * turn)
            for name in Sample.__dataclass_fields__}) for turn in range(0, 4000, 10)]

    def steps(samples):
        return [Sample(**{**s.as_dict(), "descriptors": 20 + s.turns % 3, "threads": 5}) for s in samples]

    wrong = []
    if not all(holds for _, holds in judge(steps(row()), bounds)):
        wrong.append("the judge convicts the innocent")
    guilty = {
        "heap": row(heap=300), "dirty": row(dirty=300), "descriptors": row(descriptors=0.01),
        "threads": row(threads=0.01),
    }
    for name, samples in guilty.items():
        if all(holds for sentence, holds in judge(samples, bounds) if sentence.startswith(name)):
            wrong.append(f"the judge is blind: {name}")
    return wrong, 1 + len(guilty)
