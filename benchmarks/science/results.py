"""What a run leaves behind: rows of every part, summary, report, and the record that `dissonance kpis` shows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from dissonance.adapters.clock import SystemClock
from dissonance.drills.records import Equals, Limit, Raw, Record, make_record, write_record
from science.load import load_cases
from science.options import Options
from science.parts import PARTS, figures_of, limits_of, name_of
from science.peers.cbpe import NannyML
from science.report import render_report
from science.work import Measured

LIBRARIES = ("dissonance", "lightgbm", "scikit-learn", "numpy", "pandas", "scipy")


class Run(NamedTuple):
    """What was asked for. `cases` None: those that ship. `numbers`: the positions of the cases that are measured."""

    cases: Path | None
    numbers: tuple[int, ...]
    seeds: tuple[int, ...]
    parts: tuple[str, ...]
    jobs: int
    options: Options
    results: Path
    records: Path
    command: str


def versions_of(options: Options) -> dict[str, str]:
    """Of the libraries here, and of those in NannyML's environment. Raises `EngineError` when that does not start."""
    here = {name: version(name) for name in LIBRARIES}
    if options.nannyml is None:
        return here
    with NannyML(options.nannyml) as nannyml:
        return here | {f"{name} (NannyML's environment)": each for name, each in nannyml.versions.items()}


def write_results(run: Run, measured: Sequence[Measured], versions: dict[str, str], seconds: float) -> Record:
    """Rows first, so that nothing measured is lost whatever comes after."""
    run.results.mkdir(parents=True, exist_ok=True)
    rows = {name: [row for each in measured for row in each.rows.get(name, [])] for name in run.parts}
    rows = {name: found for name, found in rows.items() if found}
    for name, found in rows.items():
        pd.DataFrame(found).to_parquet(run.results / f"{name}.parquet", compression="zstd", index=False)
    summaries = {name_of(part): part.summary(rows[name_of(part)]) for part in PARTS if name_of(part) in rows}
    record = _record(run, measured, summaries, seconds)
    failures = [failure for each in measured for failure in each.failures]
    traces = "\n".join(f"{failure}\n{failure.trace}" for failure in failures)
    (run.results / "failures.txt").write_text(traces or "Every case and seed was measured.\n", encoding="utf-8")
    told = {
        "record": msgspec.to_builtins(record),
        "versions": versions,
        "asked": _asked(run),
        "seconds": _seconds(measured),
        "failures": [{"case": f.case, "seed": f.seed, "part": f.part, "what": f.what} for f in failures],
        "parts": summaries,
    }
    content = msgspec.json.format(msgspec.json.encode(told, enc_hook=_plain), indent=1)
    (run.results / "summary.json").write_bytes(content + b"\n")
    report = render_report(msgspec.json.decode(content), {name: pd.DataFrame(found) for name, found in rows.items()})
    (run.results / "report.html").write_text(report, encoding="utf-8")
    write_record(run.records, record)
    return record


def _record(run: Run, measured: Sequence[Measured], summaries: dict[str, Any], seconds: float) -> Record:
    failed = {(failure.case, failure.seed) for each in measured for failure in each.failures}
    raw: dict[str, Raw] = {"cases": len(run.numbers), "seeds": list(run.seeds), "not_measured": len(failed)}
    raw["seconds"] = seconds
    limits: list[Limit] = [Equals("not_measured", 0)]
    for part in PARTS:
        if name_of(part) in summaries:
            raw |= figures_of(part, summaries[name_of(part)])
            limits += limits_of(part, summaries[name_of(part)])
    return make_record(
        name="bench-science",
        what=f"{', '.join(run.parts)} on {len(run.numbers)} shifts, {len(run.seeds)} seeds each, beside the peers;"
        " errors in points of a hundred, intervals by hierarchical bootstrap",
        command=run.command,
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=limits,
    )


def _asked(run: Run) -> dict[str, Any]:
    cases = load_cases(run.cases)
    return {
        "cases": [{"case": cases[number].name, "group": cases[number].group} for number in run.numbers],
        "from": "the cases that ship" if run.cases is None else str(run.cases),
        "seeds": run.seeds,
        "windows": run.options.windows,
        "parts": run.parts,
        "jobs": run.jobs,
        "with_nannyml": run.options.nannyml is not None,
    }


def _seconds(measured: Sequence[Measured]) -> dict[str, float]:
    """By step, over all cases and seeds: of processes, not of the wall clock."""
    total: dict[str, float] = {}
    for each in measured:
        for step, seconds in each.seconds.items():
            total[step] = total.get(step, 0.0) + seconds
    return total


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no place in a summary")
