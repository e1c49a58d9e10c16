"""Who may import whom, and that importing does nothing else; read from the sources, so every file is covered."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("r2model", "stream", "training", "clients")
CORE = ("types", "sampler", "tracker", "query", "events", "session")
"""Modules of `stream` that a test can drive by hand: no clock, no thread, no device."""

RUN_BY_OTHERS = ("stream.store.migrations.env",)
"""Scripts that are no modules: a tool runs them whole, and nothing of ours imports them."""


@dataclass(frozen=True)
class Import:
    """One imported name. `lazy`: inside a function; `typing`: only for the type checker."""

    importer: str
    name: str
    line: int
    lazy: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imported_names(node: ast.Import | ast.ImportFrom, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        folder = path.parent.relative_to(ROOT).parts
        base = ".".join([*folder[: len(folder) - node.level + 1], *([base] if base else [])])
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST, lazy: bool = False, typing: bool = False) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Every node below `node`, with whether it runs only when a function is called, or never."""
    for child in ast.iter_child_nodes(node):
        inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        only_typing = typing or is_type_checking(child)
        yield child, inside, only_typing
        yield from walk(child, inside, only_typing)


def imports_of(module: str) -> list[Import]:
    path = MODULES[module]
    return [
        Import(module, name, node.lineno, lazy, typing)
        for node, lazy, typing in walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported_names(node, path)
    ]


IMPORTS = [found for module in MODULES for found in imports_of(module)]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def offenders(forbidden: Callable[[Import], bool]) -> list[str]:
    return sorted({str(found) for found in IMPORTS if forbidden(found)})


def reachable(module: str) -> set[str]:
    """Names imported when `module` is imported, through our own modules too."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        current = todo.pop()
        for found in IMPORTS:
            if found.importer == current and not found.lazy and not found.typing and found.name not in seen:
                seen.add(found.name)
                todo.append(found.name)
    return seen


def test_r2model_stands_alone() -> None:
    """The model knows torch and its checkpoints: no other room, no event loop, no media, no web."""
    foreign = ("stream", "training", "clients", "tests", "asyncio", "av", "fastapi", "starlette", "sqlalchemy")
    assert not offenders(lambda found: within(found.importer, "r2model") and within(found.name, *foreign))


def test_only_the_engine_and_commands_know_the_model() -> None:
    """`stream` reaches `r2model` through its engine; a command may load it once it runs."""

    def forbidden(found: Import) -> bool:
        if not (within(found.importer, "stream") and within(found.name, "r2model")) or found.typing:
            return False
        engine = fnmatchcase(found.importer, "stream.engine*")
        return not (engine or (found.lazy and within(found.importer, "stream.cli")))

    assert not offenders(forbidden)


def test_the_service_never_needs_training() -> None:
    """`stream` imports `training` nowhere but inside a command, so that serving works without it."""
    assert not offenders(
        lambda found: (
            within(found.importer, "stream")
            and within(found.name, "training")
            and not (found.lazy and within(found.importer, "stream.cli"))
        )
    )


def test_training_uses_the_model_and_the_core_alone() -> None:
    """Recipes replay streams through the core; they know neither the web, nor the store, nor clients."""
    foreign = ("clients", "tests", "stream.api", "stream.cli", "stream.store", "stream.service", "asyncio", "fastapi")
    assert not offenders(lambda found: within(found.importer, "training") and within(found.name, *foreign))


@pytest.mark.parametrize("name", [name for name in CORE if f"stream.{name}" in MODULES])
def test_the_core_needs_no_torch_no_loop_and_no_media(name: str) -> None:
    """Importing a core module imports none of them, not even through another module of ours."""
    assert not {found for found in reachable(f"stream.{name}") if within(found, "torch", "asyncio", "av", "r2model")}


def test_only_sources_and_clips_know_media() -> None:
    """PyAV is imported by the sources, which read, and by the clips, which are written, and nowhere else."""
    rooms = ("stream.sources", "stream.clips")
    assert not offenders(lambda found: within(found.name, "av") and not within(found.importer, *rooms))


def test_packets_are_kept_without_the_media_library() -> None:
    """The ring and what lies in it are plain data."""
    for name in ("packets", "ring", "rings"):
        assert not {found for found in reachable(f"stream.clips.{name}") if within(found, "av", "stream.sources")}


def test_only_the_api_knows_the_web_framework() -> None:
    """FastAPI and Starlette are imported by the API and nowhere else."""
    assert not offenders(
        lambda found: within(found.name, "fastapi", "starlette") and not within(found.importer, "stream.api")
    )


def test_clients_share_nothing_with_the_server() -> None:
    """A client can be copied out of this repository."""
    assert not offenders(
        lambda found: within(found.importer, "clients") and within(found.name, "r2model", "stream", "training")
    )


def test_nothing_imports_tests() -> None:
    """No package reaches into the tests."""
    assert not offenders(lambda found: within(found.name, "tests", "conftest"))


def test_modules_do_not_import_each_other_in_circles() -> None:
    """No module is imported on the way to itself."""
    assert [module for module in MODULES if module in reachable(module)] == []


def test_modules_only_define() -> None:
    """Outside functions, no statement is there for its effect and no environment variable is read."""
    found = []
    for module, path in MODULES.items():
        if module in RUN_BY_OTHERS:
            continue
        tree = ast.parse(path.read_text())
        for statement in tree.body:
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if isinstance(statement, ast.Expr | ast.For | ast.While | ast.With) and not docstring:
                found.append(f"{module}:{statement.lineno} {ast.unparse(statement).splitlines()[0]}")
        for node, lazy, _ in walk(tree):
            if not lazy and isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
                found.append(f"{module}:{node.lineno} reads the environment")
    assert not found


PROBE = """
import importlib, logging, pathlib, socket, sys, threading

def refuse(*arguments, **options):
    raise AssertionError("importing opened a connection")

socket.socket.connect = refuse
handlers = list(logging.getLogger().handlers)
for module in {modules!r}:
    importlib.import_module(module)
assert logging.getLogger().handlers == handlers, "importing set up logging"
assert sys.argv[1:] == ["--no-such-option"], "importing changed the arguments"
ours = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
assert not ours, f"importing started threads {{ours}}"
assert not list(pathlib.Path.cwd().iterdir()), "importing wrote files"
"""


def test_importing_everything_has_no_effect(tmp_path: Path) -> None:
    """With arguments nobody understands, no network and an empty folder, importing every module is silent."""
    modules = [m for m in MODULES if not m.endswith("__main__") and m not in RUN_BY_OTHERS]
    script = PROBE.format(modules=modules)
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-such-option"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
