"""``python -m tests.fuzz``: throw a million mutated inputs at everything that reads what strangers send."""

import argparse
import asyncio
import gc
import resource
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz.loop import Finding, Report, Target, feed, fuzz, read_case, write_case
from tests.fuzz.targets import TARGETS

INPUTS = 1_000_000
MAX_MEMORY = 4 << 30
"""Bytes of address space: an input that eats memory ends as a finding, not with the machine."""

MAX_SHOWN = 4096
"""Bytes of a finding that are told, for where its file is not kept."""


def say(text: str) -> None:
    """Tell whoever started it, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run what the command line asks for; return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, help=f"mutated inputs in all, or for --target ({INPUTS})")
    parser.add_argument("--seed", type=int, help="repeats a run (default: a fresh one)")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--case", type=Path, help="only this file, for --target")
    asked = parser.parse_args()
    if asked.case and not asked.target:
        parser.error("--case needs --target")
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    gc.freeze()  # else collecting what the imports left would be counted as an input's time
    return asyncio.run(run(asked))


async def run(asked: argparse.Namespace) -> int:
    """Feed the targets, on an event loop because aioice wants one; nothing here waits."""
    chosen = [TARGETS[asked.target]] if asked.target else [*TARGETS.values()]
    if asked.case:
        return tell(chosen[0], feed(chosen[0], [read_case(asked.case)]))
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    inputs, shares = asked.inputs or INPUTS, sum(target.share for target in chosen)
    say(f"seed {seed}")
    return max(tell(target, fuzz(target, inputs * target.share // shares, seed)) for target in chosen)


def tell(target: Target, report: Report) -> int:
    """Say what feeding a target showed; return 1 for a finding."""
    rate = report.inputs / (report.seconds or 1)
    speed = f"{report.inputs:8} inputs {report.seconds:6.1f} s of CPU {rate:8.0f}/s"
    say(f"{target.name:10} {speed}  slowest {report.slowest * 1000:.2f} ms")
    if report.finding is None:
        return 0
    path, shown = keep(report.finding), report.finding.one[:MAX_SHOWN].hex()
    say(
        f"{target.name}: FOUND {report.finding.fault}\n  the input: {path}\n"
        f"  its {len(report.finding.one)} bytes, {MAX_SHOWN} at most: {shown}\n"
        f"  again:     python -m tests.fuzz --target {target.name} --case {path}\n"
        f"  mend it, then keep it: cp {path} tests/fuzz/corpus/{target.name}/WHAT_IT_WAS.hex"
    )
    return 1


def keep(finding: Finding) -> Path:
    """Write a finding to a file of its own."""
    folder = Path(tempfile.mkdtemp(prefix="guard-fuzz-"))
    path = folder / "found.hex"
    write_case(path, finding)
    return path


if __name__ == "__main__":
    sys.exit(main())
