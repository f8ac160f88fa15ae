"""The house rules: sizes, names, imports, what is in the tree and in the wheel; each names file and line."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
CODE = sorted((ROOT / "guard").rglob("*.py"))
ALL_CODE = sorted(
    path for folder in ("guard", "tests", "bench", "engines") for path in (ROOT / folder).rglob("*.py")
)

FILE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 8
P90_FUNCTION_LINES = 20
FOLDER_FILES = 20
BROAD_EXCEPTS = 3

HEAVY = {"aiomqtt", "aiortc", "av", "cv2", "fastapi", "mediapipe", "numpy", "onnxruntime", "pydantic"}
"""Libraries that take long to import."""

MADE = re.compile(r"/(?:\.\w+_cache|\.venv[^/]*|\.work|\.hypothesis|__pycache__|guard-demo|[^/]+\.egg-info)/")
"""Folders that our commands make; git ignores them."""

PAGES = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "NOTICE",
    "README.md",
)

SHIPPED = r"guard/[\w/.-]+\.(?:css|html|j2|js|json|md|npz|onnx|py|toml|typed)|call_guard-[\w.]+\.dist-info/.+"
"""What a wheel may hold."""

ABBREVIATED = {"img", "conf", "fake", "spoof", "manager", "helper", "helpers", "util", "utils"}
"""Never a part of a name in the package; fakes live in tests/support."""

VAGUE = {"real", "data", "info", "is_live", "is_real"}
"""Never a whole name in the package."""

THIS_MACHINE = re.compile(r"/(?:root|work|home/\w+|Users/\w+|opt)/[\w.]|file:[/]{3}")
"""Paths that mean something on one machine only."""

BINARY_ALLOWED = ("engines/*/model.onnx", "engines/*/model.fp16.onnx", "engines/*/golden.npz")


def tracked() -> list[Path]:
    """Files of the repository, those about to be added too; where git knows none, all files but made ones."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""
    if not listed:  # also in a copy that lies, ignored, inside another checkout
        files = [path for path in ROOT.rglob("*") if not MADE.search(f"/{path.relative_to(ROOT)}")]
    else:
        files = [ROOT / name for name in listed.splitlines()]
    return [path for path in files if path.is_file()]


def name_of(path: Path, node: ast.AST | None = None) -> str:
    """File and line, as an editor takes it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def names_given(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Names that the file itself gives; fields of records are left out, they may be a standard's."""
    tree = ast.parse(path.read_text())
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = {id(line.target) for one in classes for line in one.body if isinstance(line, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.arg):
            yield node.arg, node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in fields:
            yield node.id, node


def in_a_fresh_process(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode:
        pytest.fail(result.stderr[-1000:], pytrace=False)
    return result.stdout


def test_no_file_is_too_long():
    long = {name_of(path): len(path.read_text().splitlines()) for path in ALL_CODE}
    assert {name: lines for name, lines in long.items() if lines >= FILE_LINES} == {}


def test_no_function_is_too_long():
    long = {
        f"{name_of(path, function)} {function.name}": lines_of(function)
        for path in ALL_CODE
        for function in functions(path)
    }
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


def test_functions_stay_short_on_the_whole():
    lengths = [lines_of(function) for path in CODE for function in functions(path)]
    assert median(lengths) < MEDIAN_FUNCTION_LINES
    assert quantiles(lengths, n=10)[-1] < P90_FUNCTION_LINES


def test_no_folder_is_a_heap():
    folders = {path.parent for path in CODE}
    heaps = {name_of(folder): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: files for name, files in heaps.items() if files > FOLDER_FILES} == {}


def test_every_module_says_what_it_is():
    silent = [
        name_of(path)
        for path in ALL_CODE
        if not path.name.startswith("test_") and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_names_are_the_fields_words():
    wrong = [
        f"{name_of(path, node)} {name}"
        for path in CODE
        for name, node in names_given(path)
        if name in VAGUE or ABBREVIATED & set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
    ]
    assert wrong == []


def catches(node: ast.AST) -> list[ast.expr]:
    """What an ``except`` or a ``suppress()`` catches."""
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            return [ast.Name("BaseException")]
        return node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return node.args
    return []


def test_broad_excepts_stay_in_their_few_places():
    broad = [
        name_of(path, node)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if {ast.unparse(one) for one in catches(node)} & {"Exception", "BaseException"}
    ]
    assert len(broad) <= BROAD_EXCEPTS, broad


def test_every_exception_from_a_rule_has_its_reason():
    bare = re.compile(r"#\s*(?:noqa(?!: [A-Z0-9, ]+ -- \w)|type: ignore(?!\[[\w,-]+\]\s+#\s*\w))")
    wrong = [
        f"{name_of(path)}:{number}"
        for path in ALL_CODE
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert wrong == []


def test_no_test_waits_for_the_clock_outside_e2e():
    waits = re.compile(r"\bsleep\((?!0\))")
    wrong = [
        f"{name_of(path)}:{number}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "e2e" not in path.parts and "virtual_time" not in path.read_text() and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if waits.search(line)
    ]
    assert wrong == []


def test_import_guard_loads_nothing_heavy():
    loaded = in_a_fresh_process("import sys, guard; print(*{name.split('.')[0] for name in sys.modules})")
    assert set(loaded.split()) & HEAVY == set()


def test_every_module_can_be_imported_first():
    """A cycle between our modules shows only when the right one is imported first."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in CODE
        if path.name != "__main__.py"
    ]
    in_a_fresh_process(
        f"""
import importlib, sys
for name in {names!r}:
    for ours in [one for one in sys.modules if one.split(".")[0] == "guard"]:
        del sys.modules[ours]
    try:
        importlib.import_module(name)
    except ImportError as error:
        sys.exit(f"{{name}}: {{error}}")
"""
    )


def test_no_tracked_file_knows_this_machine():
    wrong = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{name_of(path)}:{number} {found[0]}"
            for number, line in enumerate(text.splitlines(), 1)
            if (found := THIS_MACHINE.search(line))
        ]
    assert wrong == []


def test_nothing_binary_is_tracked_but_models():
    binary = [
        path.relative_to(ROOT)
        for path in tracked()
        if b"\0" in path.read_bytes()[:8192]
        and not any(path.relative_to(ROOT).match(allowed) for allowed in BINARY_ALLOWED)
    ]
    assert binary == []


@pytest.mark.parametrize("name", PAGES)
def test_page_is_there(name: str):
    assert (ROOT / name).stat().st_size > 200


def test_pages_name_only_files_that_exist():
    """Relative links and the paths in backticks that start with a folder of ours."""
    wrong = []
    for page in sorted(ROOT.glob("*.md")):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            links = re.findall(r"\]\((?!\w+:|#)([^)#]+)", line)
            paths = re.findall(r"`((?:guard|tests|configs|engines|bench)/[\w./-]+)`", line)
            gone = [target for target in [*links, *paths] if not (ROOT / target).exists()]
            gone = [target for target in gone if not target.startswith("guard/_engines")]  # in a wheel only
            wrong += [f"{page.name}:{number} {target}" for target in gone]
    assert wrong == []


def test_wheel_holds_the_package_and_the_engines_only(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    foreign = [name for name in names if not re.fullmatch(SHIPPED, name)]
    assert foreign == []
    expected = [path.relative_to(ROOT) for path in tracked()]
    missing = [
        str(path)
        for path in expected
        if path.parts[0] in {"guard", "engines"}
        and re.sub("^engines/", "guard/_engines/", str(path)) not in names
    ]
    assert missing == []
