"""Reads settings from a TOML file and the environment; a mistake is told with its place and its mending."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from guard.config.settings import Section, Settings
from guard.core.errors import ConfigError

PREFIX = "GUARD__"
"""Environment variables are ``GUARD__SECTION__KEY``, in any case; ``..._FILE`` names a file with a secret."""

FILE_SUFFIX = "_file"

PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "tuple_type": 'a list, as ["one", "another"]',
        "path_type": "a path, as text in quotes",
        "string_type": "text in quotes",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
    }
)
"""What is expected, where pydantic says it in Python's words; by its type of error."""


@dataclass(frozen=True, slots=True)
class Given:
    """One value as it was given, and where."""

    section: str
    key: str
    value: object
    place: str


def load(path: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the file, overridden by the environment (``os.environ`` unless handed in).

    Raise ConfigError, which names the place, the key, what was expected, what came, and the nearest name.
    """
    environment = os.environ if env is None else env
    given = {(one.section, one.key): one for one in (*_from_file(path), *_from_environment(environment))}
    tree: dict[str, dict[str, object]] = {}
    for one in given.values():
        tree.setdefault(one.section, {})[one.key] = one.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error, given))) from None


def redacted(settings: Settings) -> dict[str, dict[str, Any]]:
    """The settings as plain values for JSON; a secret shows as ``**********`` when set, null when not."""
    return settings.model_dump(mode="json")


def default_toml() -> str:
    """The text of ``configs/guard.toml``: every key at its default, with its meaning."""
    lines = [
        "# call-guard: every key at its default. Unknown keys are refused.",
        f"# The environment overrides this file: {PREFIX}SECTION__KEY=value, as {PREFIX}WEB__PORT=9000.",
        "# Secrets never stand here: set their variable, or the same with _FILE to the path of a file.",
    ]
    for name, section in _sections().items():
        lines += ["", f"# {(section.__doc__ or '').strip()}", f"[{name}]"]
        for key, field in section.model_fields.items():
            lines += [f"# {field.description}", _default_line(name, key, field)]
    return "\n".join(lines) + "\n"


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _alternatives(field)


def _alternatives(field: FieldInfo) -> tuple[object, ...]:
    kind = field.annotation
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _default_line(section: str, key: str, field: FieldInfo) -> str:
    if _is_secret(field):
        return f"# {key}: {_variable(section, key)} or {_variable(section, key)}_FILE"
    default = field.get_default()
    if default is None:
        return f"# {key} ="
    return f"{key} = {_toml(default)}"


def _variable(section: str, key: str) -> str:
    return f"{PREFIX}{section}__{key}".upper()


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _from_file(path: Path | None) -> Iterator[Given]:
    if path is None:
        return
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: expected TOML, got {error}; see configs/guard.toml") from None
    for section, table in tables.items():
        place = f"{path}:{_line_of(text, section)}"
        _known(section, _sections(), place, "section")
        if not isinstance(table, dict):
            raise ConfigError(f"{place}: expected a section [{section}], got a single value")
        for key, value in table.items():
            yield _checked(Given(section, key, value, f"{path}:{_line_of(text, section, key)}"))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file, got: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8, got byte {error.start} that is none") from None


def _line_of(text: str, section: str, key: str | None = None) -> int:
    """The line, from 1, on which the section or its key stands."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].strip()
        if words.startswith("["):
            inside = words.strip("[] \"'") == section
            if inside and key is None:
                return number
        name = words.split("=", 1)[0].strip(" \"'")
        if name == f"{section}.{key}" or (inside and name == key) or (key is None and name == section):
            return number
    return 1


def _checked(one: Given) -> Given:
    """The same value, once its key is known and may stand in a file."""
    fields = _sections()[one.section].model_fields
    _known(one.key, fields, one.place, f"key in [{one.section}]")
    if _is_secret(fields[one.key]):
        variable = _variable(one.section, one.key)
        raise ConfigError(
            f"{one.place}: {one.section}.{one.key} is a secret and stands in no configuration file; "
            f"set {variable}, or {variable}_FILE to the path of a file that holds it"
        )
    return one


def _known(name: str, names: Iterable[str], place: str, what: str) -> None:
    allowed = list(names)
    if name in allowed:
        return
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(allowed)}"
    raise ConfigError(f"{place}: unknown {what}: {name!r}; {hint}")


def _from_environment(env: Mapping[str, str]) -> Iterator[Given]:
    for variable, text in sorted(env.items()):
        if not variable.upper().startswith(PREFIX):
            continue
        section, _, key = variable[len(PREFIX) :].lower().partition("__")
        _known(section, _sections(), variable, "section")
        fields = _sections()[section].model_fields
        secret = key.removesuffix(FILE_SUFFIX)
        if key not in fields and secret in fields and _is_secret(fields[secret]):
            yield Given(section, secret, _read(Path(text)).rstrip("\r\n"), variable)
            continue
        _known(key, fields, variable, f"key in [{section}]")
        yield Given(section, key, _parsed(text, fields[key]), variable)


def _parsed(text: str, field: FieldInfo) -> object:
    """A list is given as values with commas between them; anything else is left to the field."""
    if get_origin(field.annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _explain(error: ValidationError, given: Mapping[tuple[str, str], Given]) -> Iterator[str]:
    """One line a mistake; a secret's value is never shown."""
    for problem in error.errors(include_url=False, include_context=False):
        section, key = (*(str(part) for part in problem["loc"]), "", "")[:2]
        one = given.get((section, key))
        said = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        expected = PLAIN.get(problem["type"], said.replace("String should match", "text to match"))
        field = _sections()[section].model_fields.get(key)
        if one is None or field is None:
            yield f"{section}: expected {expected}"
            continue
        came = "a secret that is not" if _is_secret(field) else repr(one.value)
        yield f"{one.place}: {section}.{key}: expected {expected}, got {came} ({field.description})"
