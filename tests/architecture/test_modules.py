"""What holds for every module of the package, read from its source (design section 6, ten habits)."""

from __future__ import annotations

import ast
import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

from support.source import PACKAGE, ROOT, dotted_name, modules, relative, tree, uses

MAX_LINES = 400

BROAD = {"Exception", "BaseException"}
BROAD_CATCHES: dict[str, str] = {
    "cli/__init__.py": "the edge of the command: a defect is logged whole and has an exit code of its own",
    "web/middleware/unexpected.py": "the edge of HTTP: every answer is problem+json, also to what nobody foresaw",
    "web/grpc_server.py": "the edge of gRPC: every answer has a code and a slug, also to what nobody foresaw",
    "roles/worker.py": "the edge of a role: one bad message must not end the work on all others",
}
"""Where everything may be caught, and why. A handler that ends in a bare `raise` catches nothing and needs no entry."""

CLOCK_AND_CHANCE: dict[str, str] = {"adapters/clock.py": "the adapter of both ports"}
"""Where the machine's clock and random source may be read, and why (design 6.4)."""

ENVIRONMENT: dict[str, str] = {
    "settings.py": "the only reader of the environment",
    "cli/": "hands the environment to `read_settings`",
}
"""Where the environment may be read, and why (design 6.5)."""

CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "time.clock_gettime",
    "time.clock_gettime_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}
CHANCE = {"random", "secrets", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"}
NUMPY_WITHOUT_SEED = {"numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence"}
NUMPY_TYPES = {"numpy.random.Generator", "numpy.random.BitGenerator", "numpy.random.PCG64"}
READS_ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}


def allowed(path: Path, places: dict[str, str]) -> bool:
    """`places` names files, or folders with a slash at the end."""
    return any(
        relative(path) == place or (place.endswith("/") and relative(path).startswith(place)) for place in places
    )


def test_every_module_is_short_enough_to_hold_one_idea() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in [*modules(), *sorted((ROOT / "tests").rglob("*.py"))]
    }

    assert {name: count for name, count in lines.items() if count >= MAX_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [relative(path) for path in modules() if not ast.get_docstring(tree(path))]
    empty = [relative(path) for path in modules() if path.name == "__init__.py" and not path.read_text("utf-8").strip()]

    assert set(silent) - set(empty) == set()


def broad_catches(path: Path) -> list[int]:
    """Lines of handlers that catch everything and do not hand it on."""
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or BROAD & {ast.unparse(name) for name in ast.walk(node.type) if isinstance(name, ast.expr)}
        )
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


def test_modules_catch_everything_only_where_that_is_justified() -> None:
    assert [relative(path) for path in modules() if broad_catches(path) and not allowed(path, BROAD_CATCHES)] == []


@pytest.mark.parametrize("place", BROAD_CATCHES)
def test_permission_to_catch_everything_is_still_used(place: str) -> None:
    assert broad_catches(PACKAGE / place)


def reads_of_clock_or_chance(path: Path) -> list[str]:
    """Reads of the wall clock or of a random source that no seed fixes; waiting and measuring time are neither."""
    seeded = {
        id(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and (node.args or node.keywords)
    }
    found = []
    for name, line, node in uses(path):
        unseeded = name in NUMPY_WITHOUT_SEED and id(node) not in seeded
        global_state = (
            name.startswith("numpy.random.") and name not in NUMPY_WITHOUT_SEED | NUMPY_TYPES and name.count(".") == 2
        )
        if name in CLOCKS | CHANCE or unseeded or global_state:
            found.append(f"line {line}: {name}")
    return found


def test_modules_take_clock_and_chance_from_their_ports() -> None:
    reads = {
        relative(path): reads_of_clock_or_chance(path) for path in modules() if not allowed(path, CLOCK_AND_CHANCE)
    }

    assert {name: found for name, found in reads.items() if found} == {}


def test_modules_leave_the_environment_to_settings() -> None:
    reads = [
        f"{relative(path)}, line {line}: {name}"
        for path in modules()
        if not allowed(path, ENVIRONMENT)
        for name, line, _ in uses(path)
        if name in READS_ENVIRONMENT
    ]

    assert reads == []


@pytest.mark.parametrize(
    "path", [path for path in modules() if ">>>" in path.read_text(encoding="utf-8")], ids=relative
)
def test_examples_of_module_are_true(path: Path) -> None:
    results = doctest.testmod(importlib.import_module(dotted_name(path)))

    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("import time\nx = time.time()", "time.time"),
        ("from time import time as t\nx = t()", "time.time"),
        ("from datetime import UTC, datetime\nx = datetime.now(UTC)", "datetime.datetime.now"),
        ("import random\nx = random.random()", "random"),
        ("from uuid import uuid4\nx = uuid4()", "uuid.uuid4"),
        ("import secrets\nx = secrets.token_bytes(1)", "secrets"),
        ("from os import urandom\nx = urandom(1)", "os.urandom"),
        ("import numpy as np\nx = np.random.default_rng()", "numpy.random.default_rng"),
        ("import numpy as np\nx = np.random.rand()", "numpy.random.rand"),
    ],
)
def test_a_module_that_reads_clock_or_chance_would_be_found(tmp_path: Path, source: str, read: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)

    assert any(found.endswith(f": {read}") for found in reads_of_clock_or_chance(module))


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic()\ntime.sleep(0)",
        "from datetime import datetime\ndatetime.fromtimestamp(0)",
        "import numpy as np\nrandom = np.random.default_rng(7)\nrandom.random()",
        "import numpy as np\ndef f(g: np.random.Generator) -> None: ...",
    ],
)
def test_a_module_that_measures_or_is_seeded_is_not_accused(tmp_path: Path, source: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)

    assert reads_of_clock_or_chance(module) == []


@pytest.mark.parametrize(
    ("handler", "lines"),
    [
        ("except Exception: x()", [2]),
        ("except: x()", [2]),
        ("except (ValueError, Exception) as e: x()", [2]),
        ("except BaseException: x(); raise", []),
        ("except ValueError: x()", []),
    ],
)
def test_a_broad_catch_would_be_found(tmp_path: Path, handler: str, lines: list[int]) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"try: x()\n{handler}\n")

    assert broad_catches(module) == lines


def test_types_of_every_benchmark_are_checked() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    there = {
        each.stem if each.suffix else each.name
        for each in (ROOT / "benchmarks").iterdir()
        if each.suffix in ("", ".py")
    }
    assert {*checked["modules"], *checked["packages"]} == (there | {"dissonance"}) - {"data", "results"}
