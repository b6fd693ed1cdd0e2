"""The rules of the house that no linter knows: each is a function from source text to findings.

A finding is `line: what is wrong`. Each rule has a test over all files that it governs, and one
that plants a violation, since a rule that finds nothing proves nothing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "daemon" / "lightkeeper"
TESTS = ROOT / "tests"

Rule = Callable[[str], list[str]]

MAX_MODULE_LINES = 400
MAX_TEST_LINES = 500

# Each entry of these tables is a path below daemon/lightkeeper or, with a slash at its end, a
# folder there; behind it why the rule does not bind it.
READS_CLOCKS = {
    "adapters/clock.py": "it is the clock",
    "serve/control.py": "sleeps for no time: others have a turn between two lines of an answer",
    "simulator/": "it plays the other side, which has a clock of its own",
}
CATCHES_ALL = {
    "boundary.py": "the one boundary: where bugs end",
    "adapters/lightsail/issuer.py": "aiobotocore's call raises whatever its parser met",
    "adapters/workers.py": "hands on what a thread met to where its result is awaited",
}
REVEALS = {
    "adapters/": "a password is sent or written there",
    "core/credential.py": "checks what came, and computes the digest",
    "core/docker_config.py": "puts the entry into the document",
    "saving.py": "a password is kept there",
}
PAINTS = {"cli/": "what people see on a terminal"}

CLOCKS = frozenset(
    {
        "asyncio.sleep",
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.clock_gettime",
        "time.clock_gettime_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.sleep",
        "time.time",
        "time.time_ns",
    }
)
SPAWNERS = frozenset({"asyncio.create_task", "asyncio.ensure_future"})
EVERYTHING = frozenset({"Exception", "BaseException"})


def _qualified_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each name or attribute chain as it is written, with imported aliases resolved."""
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                origins |= {name.asname: name.name for name in names if name.asname}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                origins |= {name.asname or name.name: f"{module}.{name.name}" for name in names}
            case _:
                pass
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            yield node.lineno, origins.get(first, first) + dot + rest


def _uses(source: str, forbidden: frozenset[str]) -> list[str]:
    names = _qualified_names(ast.parse(source))
    return [f"{line}: {name}" for line, name in names if name in forbidden]


def clock_readings(source: str) -> list[str]:
    """Uses of a clock or of a sleep, called or handed on."""
    return _uses(source, CLOCKS)


def waits_for(source: str) -> list[str]:
    """Uses of `asyncio.wait_for`, which `asyncio.timeout` replaces."""
    return _uses(source, frozenset({"asyncio.wait_for"}))


def stray_tasks(source: str) -> list[str]:
    """Tasks that have no parent or no name."""
    tree = ast.parse(source)
    groups = set(_task_groups(tree))
    found = _uses(source, SPAWNERS)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="create_task"), keywords=keywords):
                written = ast.unparse(owner)
                if written != "asyncio" and written.rpartition(".")[2] not in groups:
                    found.append(f"{node.lineno}: {written}.create_task, not of a TaskGroup")
                elif "name" not in {keyword.arg for keyword in keywords}:
                    found.append(f"{node.lineno}: a task without name=")
            case _:
                pass
    return found


def _task_groups(tree: ast.AST) -> Iterator[str]:
    """The names that are bound to, or annotated as, a TaskGroup."""
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=ast.Call(func=func), optional_vars=ast.expr() as bound):
                if ast.unparse(func).endswith("TaskGroup"):
                    yield ast.unparse(bound).rpartition(".")[2]
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                if "TaskGroup" in ast.unparse(annotation):
                    yield name
            case ast.AnnAssign(target=target, annotation=annotation):
                if "TaskGroup" in ast.unparse(annotation):
                    yield ast.unparse(target).rpartition(".")[2]
            case _:
                pass


def catch_alls(source: str) -> list[str]:
    """Handlers of every exception that do not raise it again, and suppressions of every one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ExceptHandler(type=caught, body=body):
                if _is_everything(caught) and not _is_bare_raise(body[-1]):
                    found.append(f"{node.lineno}: catches everything")
            case ast.Call(func=func, args=args) if ast.unparse(func).endswith("suppress"):
                if any(_is_everything(arg) for arg in args):
                    found.append(f"{node.lineno}: suppresses everything")
            case _:
                pass
    return found


def _is_everything(caught: ast.expr | None) -> bool:
    match caught:
        case None:
            return True
        case ast.Tuple(elts=several):
            return any(_is_everything(one) for one in several)
        case _:
            return ast.unparse(caught) in EVERYTHING


def _is_bare_raise(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) and statement.exc is None


def revelations(source: str) -> list[str]:
    """Places where a secret's text is taken out."""
    return [
        f"{node.lineno}: reveal"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    ]


def imported_modules(source: str) -> list[tuple[int, str]]:
    """Every absolute import as line and dotted module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [(node.lineno, name.name) for name in names]
            case ast.ImportFrom(module=str(module), level=0):
                found.append((node.lineno, module))
            case _:
                pass
    return found


def paint(source: str) -> list[str]:
    """Imports of rich, whose mere presence makes structlog slow to import."""
    return [
        f"{line}: imports {module}"
        for line, module in imported_modules(source)
        if module.partition(".")[0] == "rich"
    ]


def foreign_imports(source: str) -> list[str]:
    """Imports of anything but the standard library."""
    return [
        f"{line}: imports {module}"
        for line, module in imported_modules(source)
        if module.partition(".")[0] not in sys.stdlib_module_names
    ]


def patches(source: str) -> list[str]:
    """Replacements of somebody else's attributes: a fake that implements the port stands there."""
    pattern = re.compile(r"\bmock\.patch|\bmocker\b|\bunittest\.mock|monkeypatch\.(set|del)attr")
    return _matching_lines(source, pattern)


def leftovers(source: str) -> list[str]:
    """Marks of unfinished work."""
    return _matching_lines(source, re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"))


def _matching_lines(source: str, pattern: re.Pattern[str]) -> list[str]:
    lines = enumerate(source.splitlines(), start=1)
    return [f"{number}: {line.strip()}" for number, line in lines if pattern.search(line)]


def excess_lines(source: str, limit: int) -> list[str]:
    """Said when a file is longer than `limit` lines."""
    count = len(source.splitlines())
    return [f"{limit + 1}: has {count} lines, more than {limit}"] if count > limit else []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def _findings(folder: Path, rule: Rule, exempt: dict[str, str] | None = None) -> list[str]:
    found = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if not any(name == entry or _is_below(name, entry) for entry in exempt or {}):
            found += [f"{path.relative_to(ROOT)}:{line}" for line in rule(path.read_text())]
    return found


def _is_below(name: str, entry: str) -> bool:
    return entry.endswith("/") and name.startswith(entry)


def test_every_task_has_a_parent_and_a_name() -> None:
    assert _findings(SOURCE, stray_tasks) == []


def test_deadlines_are_blocks_and_not_wait_for() -> None:
    assert _findings(SOURCE, waits_for) == []


def test_only_the_clock_adapter_reads_clocks_and_sleeps() -> None:
    assert _findings(SOURCE, clock_readings, READS_CLOCKS) == []


def test_everything_is_caught_at_the_licensed_places_alone() -> None:
    assert _findings(SOURCE, catch_alls, CATCHES_ALL) == []


def test_secrets_are_revealed_only_where_they_are_used() -> None:
    assert _findings(SOURCE, revelations, REVEALS) == []


def test_only_commands_import_rich() -> None:
    assert _findings(SOURCE, paint, PAINTS) == []


def test_the_credential_helper_needs_only_the_standard_library() -> None:
    helper = SOURCE / "credential_helper.py"

    assert not helper.exists() or foreign_imports(helper.read_text()) == []


def test_tests_use_fakes_and_patch_nothing() -> None:
    assert _findings(TESTS, patches, {"test_house_rules.py": "names what it forbids"}) == []


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=["source", "tests"])
def test_nothing_is_marked_as_unfinished(folder: Path) -> None:
    assert _findings(folder, leftovers) == []


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    assert _findings(SOURCE, lambda source: excess_lines(source, MAX_MODULE_LINES)) == []


def test_no_test_file_is_longer_than_a_reader_can_hold() -> None:
    assert _findings(TESTS, lambda source: excess_lines(source, MAX_TEST_LINES)) == []


def test_every_exemption_names_something_that_a_rule_would_find() -> None:
    """An exemption that outlived its cause would hide the next violation."""
    tables = [(READS_CLOCKS, clock_readings), (CATCHES_ALL, catch_alls), (REVEALS, revelations)]
    for table, rule in tables:
        for entry in table:
            path = SOURCE / entry
            files = [file for file in (path, *path.rglob("*.py")) if file.is_file()]
            assert any(rule(file.read_text()) for file in files), entry


PLANTED = [
    (stray_tasks, "import asyncio\nasyncio.create_task(f())"),
    (stray_tasks, "from asyncio import ensure_future as go\ngo(f())"),
    (stray_tasks, "import asyncio\nasyncio.get_running_loop().create_task(f(), name='f')"),
    (stray_tasks, "async with asyncio.TaskGroup() as tasks:\n    tasks.create_task(f())"),
    (waits_for, "import asyncio as aio\naio.wait_for(f(), 3)"),
    (clock_readings, "import datetime\ndatetime.datetime.now()"),
    (clock_readings, "from datetime import datetime as dt, UTC\ndt.now(UTC)"),
    (clock_readings, "from time import monotonic\nread(clock=monotonic)"),
    (clock_readings, "import asyncio\nawait_(asyncio.sleep(1))"),
    (catch_alls, "try:\n    f()\nexcept Exception:\n    log()"),
    (catch_alls, "try:\n    f()\nexcept (OSError, BaseException) as e:\n    raise E from e"),
    (catch_alls, "try:\n    f()\nexcept:\n    pass"),
    (catch_alls, "with contextlib.suppress(Exception):\n    f()"),
    (revelations, "print(password.reveal())"),
    (paint, "def f():\n    from rich.table import Table"),
    (foreign_imports, "import json, lightkeeper.core"),
    (patches, "with mock.patch('a.b'):\n    f()"),
    (patches, "monkeypatch.setattr(a, 'b', c)"),
    (leftovers, "x = 1  # TO" + "DO: later"),
    (lambda source: excess_lines(source, 2), "a\nb\nc\n"),
]


@pytest.mark.parametrize(("rule", "source"), PLANTED, ids=[code for _, code in PLANTED])
def test_a_planted_violation_is_found(rule: Rule, source: str) -> None:
    assert rule(source)


INNOCENT = [
    (stray_tasks, "async with asyncio.TaskGroup() as tasks:\n    tasks.create_task(f(), name='f')"),
    (stray_tasks, "def f(tasks: asyncio.TaskGroup): tasks.create_task(g(), name='g')"),
    (waits_for, "condition.wait_for(done)"),
    (clock_readings, "clock.now()\nasyncio.timeout(3)\nlast.time"),
    (catch_alls, "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
    (catch_alls, "try:\n    f()\nexcept ExceptionGroup:\n    g()"),
    (paint, "import enrich"),
    (patches, "monkeypatch.setenv('A', 'b')"),
    (lambda source: excess_lines(source, 3), "a\nb\nc\n"),
]


@pytest.mark.parametrize(("rule", "source"), INNOCENT, ids=[code for _, code in INNOCENT])
def test_innocent_code_is_let_through(rule: Rule, source: str) -> None:
    assert rule(source) == []
