"""One case and seed, in a process of its own: prepared once, then every part measures it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from dissonance.errors import DissonanceError
from science.load import load_cases
from science.options import Options, use
from science.parts import PARTS, name_of
from science.prepare import prepare


class Failure(NamedTuple):
    """`part` is "prepare" when the case did not become arrays. `what` says how to mend it where that is known."""

    case: str
    seed: int
    part: str
    what: str
    trace: str

    def __str__(self) -> str:
        return f"case {self.case}, seed {self.seed}, {self.part}: {self.what}"


class Measured(NamedTuple):
    """Rows and seconds by part."""

    case: str
    seed: int
    rows: dict[str, list[dict[str, Any]]]
    seconds: dict[str, float]
    failures: list[Failure]


def begin(options: Options) -> None:
    """First thing in every worker process."""
    use(options)


def measure(path: Path | None, number: int, seed: int, parts: tuple[str, ...]) -> Measured:
    """The case at position `number` of the cases at `path`, by the parts of these names."""
    case = load_cases(path)[number]
    measured = Measured(case.name, seed, {}, {}, [])
    prepared = None
    for name, step in [("prepare", None), *((name_of(part), part) for part in PARTS if name_of(part) in parts)]:
        begun = time.perf_counter()
        try:
            if step is None:
                prepared = prepare(case, seed)
            elif prepared is not None:
                measured.rows[name] = step.rows(prepared)
        except Exception as error:  # noqa: BLE001 - the edge of a case: one that cannot be measured must not end the run
            measured.failures.append(_failure(case.name, seed, name, error))
            if step is None:
                break
        measured.seconds[name] = time.perf_counter() - begun
    return measured


def _failure(case: str, seed: int, part: str, error: Exception) -> Failure:
    what = str(error) if isinstance(error, DissonanceError) else f"{type(error).__name__}: {error}"
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return Failure(case, seed, part, what + notes, "".join(traceback.format_exception(error)))
