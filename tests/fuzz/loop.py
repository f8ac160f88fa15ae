"""The loop that feeds a target: what comes out wrong, and what takes too long."""

import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from random import Random
from types import FrameType

from guard.core.units import Seconds
from tests.fuzz.mutation import Mutator

LIMIT: Seconds = 0.05
"""CPU time of one input, on a machine as fast as the one on which CALIBRATED was measured."""

CALIBRATED: Seconds = 0.001
"""CPU time of ``_known_work`` there; a slower machine is given more for each input."""

STUCK: Seconds = 5.0
"""CPU time after which an input is taken to run for ever."""

REPEATS = 3
MAX_REPEATS = 10

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """One thing that reads what a stranger sent.

    ``check`` returns where the input was answered or refused as documented; what it raises is a finding.
    """

    name: str
    check: Callable[[bytes], object]
    share: int
    """Inputs of each thousand."""
    text: bool = False
    tokens: tuple[bytes, ...] = ()
    mend: Callable[[bytes, Random], bytes] | None = None
    """Makes a mutated input whole again where it would be refused at the door, signs it for instance."""
    costly: Callable[[], Iterable[bytes]] = tuple
    """Inputs as dear as the limits allow, too large for the corpus."""
    limit: Seconds = LIMIT
    """CPU time of one input."""


@dataclass(frozen=True)
class Finding:
    """An input that a target did not take as it should."""

    target: str
    one: bytes
    fault: str


@dataclass(frozen=True)
class Report:
    """What feeding one target showed; it ends with the first finding."""

    inputs: int
    seconds: Seconds
    """CPU time of all of them, and of making them."""
    slowest: Seconds
    """CPU time of the dearest input."""
    finding: Finding | None


class StuckError(BaseException):
    """An input runs for ever; nothing that is fuzzed catches this."""


def corpus(name: str) -> dict[Path, bytes]:
    """The committed inputs of a target: hexadecimal with comments behind ``#``, or SDP as it is."""
    return {path: read_case(path) for path in sorted((CORPUS / name).glob("*.*"))}


def read_case(path: Path) -> bytes:
    """One committed input."""
    if path.suffix != ".hex":
        return path.read_bytes()
    return bytes.fromhex("".join(line.partition("#")[0] for line in path.read_text().splitlines()))


def write_case(path: Path, finding: Finding) -> None:
    """Keep what was found as a file that belongs into the corpus."""
    digits = finding.one.hex()
    lines = [digits[at : at + 100] for at in range(0, len(digits), 100)]
    said = [f"# {line}" for line in finding.fault.splitlines()]
    path.write_text("\n".join([*said, *lines, ""]))


def fuzz(target: Target, inputs: int, seed: int) -> Report:
    """Feed the corpus, what is costly, and so many mutated inputs; the same seed makes the same ones."""
    known = list(corpus(target.name).values())
    random = Random(f"{seed} {target.name}")  # noqa: S311 -- to be repeated, not to be secret
    mutate = Mutator(known, random, text=target.text, tokens=target.tokens)
    mend = target.mend
    mutated = (mutate() if mend is None else mend(mutate(), random) for _ in range(inputs))
    return feed(target, chain(known, target.costly(), mutated))


def feed(target: Target, cases: Iterable[bytes]) -> Report:
    """Feed a target these inputs until one is a finding."""
    limit = target.limit * slowness()
    begun, count, slowest, one = time.thread_time(), 0, 0.0, b""
    check, clock, fault = target.check, time.perf_counter, ""
    try:
        with _stopped_when_stuck(lambda: count):
            for one in cases:
                count += 1
                before = clock()
                check(one)
                if clock() - before > slowest:
                    slowest = max(slowest, _cost(partial(check, one), limit))
                    if slowest > limit:
                        fault = f"took {slowest * 1000:.3g} of {limit * 1000:.3g} ms of CPU"
                        break
    except (Exception, StuckError) as error:  # noqa: BLE001 -- whatever comes out is the finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno}: {place.line})"
    finding = Finding(target.name, one, fault) if fault else None
    return Report(count, time.thread_time() - begun, slowest, finding)


@cache
def slowness() -> float:
    """How many times longer this machine takes, 1 at least."""
    return max(1.0, _cost(_known_work, 0.0) / CALIBRATED)


def _known_work() -> None:
    """What parsers in Python do all day: look at bytes, make objects of them."""
    found: dict[int, bytes] = {}
    for at in range(4000):
        part = at.to_bytes(4, "big")
        found[part[3] ^ part[2]] = part[1:]


def _cost(work: Callable[[], object], limit: Seconds) -> Seconds:
    """CPU time of something: the least of three, of ten where it is too much; a busy machine adds to some."""
    least = float("inf")
    for repeat in range(MAX_REPEATS):
        if repeat >= REPEATS and least <= limit:
            break
        before = time.thread_time()
        work()
        least = min(least, time.thread_time() - before)
    return least


@contextmanager
def _stopped_when_stuck(progress: Callable[[], int]) -> Iterator[None]:
    """Raise StuckError in the input at which the count stands still while CPU time passes."""
    last = -1

    def look(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        if progress() == last:
            msg = f"still at it after {STUCK:g} s of CPU"
            raise StuckError(msg)
        last = progress()

    before = signal.signal(signal.SIGVTALRM, look)
    signal.setitimer(signal.ITIMER_VIRTUAL, STUCK, STUCK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
