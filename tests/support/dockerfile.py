"""A Dockerfile read as instructions, and the rules it is held to (most are hadolint's)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECRET = re.compile(r"KEY|SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL", re.IGNORECASE)
EXEC_FORM = {"ENTRYPOINT", "CMD", "SHELL", "VOLUME"}
LABELS = ("title", "description", "licenses", "version")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    value: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; ``base`` is an image or an earlier stage."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def last(self, word: str) -> str | None:
        """The value of the last instruction of this kind."""
        return next((one.value for one in reversed(self.instructions) if one.word == word), None)

    def every(self, word: str) -> list[str]:
        """The values of all instructions of this kind."""
        return [one.value for one in self.instructions if one.word == word]


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order; comments are left out, inside continued lines too."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    for line in joined.splitlines():
        word, _, value = line.strip().partition(" ")
        yield Instruction(word.upper(), re.sub(r"\s+", " ", value).strip())


def stages(text: str) -> list[Stage]:
    """The stages in order; the last one is what `docker build` makes by default."""
    found: list[Stage] = []
    for one in instructions(text):
        if one.word == "FROM":
            base, _, name = re.sub(r"(?i) as ", " as ", one.value).partition(" as ")
            found.append(Stage(name, base, ()))
        elif found:
            stage = found[-1]
            found[-1] = Stage(stage.name, stage.base, (*stage.instructions, one))
    return found


def faults(text: str, root: Path, targets: tuple[str, ...]) -> list[str]:
    """What is wrong with it; ``targets`` are the stages that are run."""
    found: list[str] = []
    all_stages = stages(text)
    names = {stage.name for stage in all_stages}
    for stage in all_stages:
        if stage.base not in names:
            found += _base_faults(stage.base)
        for one in stage.instructions:
            found += _instruction_faults(one, root)
    for stage in all_stages:
        if stage.name in targets:
            found += [f"{stage.name}: {fault}" for fault in _target_faults(stage)]
    return found


def _base_faults(base: str) -> Iterator[str]:
    tag = base.rpartition(":")[2] if ":" in base else ""
    if not re.search(r"\d", tag) or tag == "latest":
        yield f"base without a version: {base}"


def _instruction_faults(one: Instruction, root: Path) -> Iterator[str]:
    if one.word in {"ADD", "MAINTAINER"}:
        yield f"{one.word} is not for us"
    if one.word in EXEC_FORM and not one.value.startswith("["):
        yield f"{one.word} not in exec form"
    if one.word in {"ENV", "ARG"} and SECRET.search(one.value):
        yield f"a secret in {one.word}"
    if one.word == "WORKDIR" and not one.value.startswith("/"):
        yield "WORKDIR is relative"
    if one.word == "COPY" and not one.value.startswith("--from"):
        yield from (
            f"COPY of what is not there: {path}"
            for path in one.value.split()[:-1]
            if not (root / path).exists()
        )
    if one.word == "RUN":
        yield from _run_faults(one.value)


def _run_faults(command: str) -> Iterator[str]:
    if "apt-get install" in command:
        for wanted in ("apt-get update", "--no-install-recommends", " -y ", "rm -rf /var/lib/apt/lists/*"):
            if wanted not in command:
                yield f"apt-get install without {wanted.strip()}"
    if re.search(r"pip (?:install|wheel)", command) and "--no-cache-dir" not in command:
        yield "pip without --no-cache-dir"
    if re.search(r"\bsudo\b|\bcd |\| *(?:ba)?sh\b", command):
        yield "sudo, cd or a script from a pipe"


def _target_faults(stage: Stage) -> Iterator[str]:
    user = stage.last("USER") or "root"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"runs as {user}"
    health = stage.last("HEALTHCHECK") or ""
    for wanted in ("--interval=15s", "--timeout=5s", "--retries=3", 'CMD ["'):
        if wanted not in health:
            yield f"HEALTHCHECK without {wanted}"
    for word in ("ENTRYPOINT", "CMD", "STOPSIGNAL", "VOLUME"):
        if stage.last(word) is None:
            yield f"no {word}"
    labels = " ".join(stage.every("LABEL"))
    for label in LABELS:
        if f"org.opencontainers.image.{label}=" not in labels:
            yield f"no label {label}"


def words_of(value: str | None) -> list[str]:
    """An instruction in exec form as its words."""
    return [str(word) for word in json.loads(value or "[]")]
