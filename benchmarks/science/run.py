"""`make bench-science`: every case and seed through every part, in as many processes as there are cores."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dissonance.drills.records import Outcome, describe_machine
from dissonance.errors import ConfigurationError, DissonanceError
from science.load import load_cases
from science.options import Options
from science.parts import PARTS, name_of
from science.results import Run, versions_of, write_results
from science.work import Failure, Measured, begin, measure

ROOT = Path(__file__).parents[2]
NANNYML = ROOT / ".venv-nannyml/bin/python"
SEEDS = (1, 2, 3)
WINDOWS = 1
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""One thread a process: there are as many processes as cores."""

console = Console(stderr=True)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-science", description=__doc__)
    parser.add_argument("--cases", type=Path, help="a Python file with a list CASES; the cases that ship when left out")
    parser.add_argument("--only", help="names of cases, by commas")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="by commas (default: %(default)s)")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="of each kind and size (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=describe_machine().cores, help="processes (default: cores)")
    parser.add_argument("--parts", default=",".join(map(name_of, PARTS)), help="by commas (default: %(default)s)")
    parser.add_argument("--results", type=Path, help="folder of rows, summary and report")
    parser.add_argument("--records", type=Path, help="folder of the record; records/ for the cases that ship")
    parser.add_argument("--nannyml", type=Path, default=NANNYML, help="Python of NannyML's environment")
    parser.add_argument("--without-nannyml", action="store_true", help="leave CBPE out")
    parser.add_argument("--keep-going", action="store_true", help="exit with 0 though a case could not be measured")
    return parser.parse_args(words)


def asked(given: argparse.Namespace, words: Sequence[str]) -> Run:
    """What the arguments ask for. Raises `ConfigurationError`."""
    try:
        seeds = tuple(int(seed) for seed in given.seeds.replace(",", " ").split())
    except ValueError as error:
        raise ConfigurationError(f"these are no seeds: {given.seeds}", where="--seeds", fix="SEEDS=1,2,3") from error
    if not seeds or min(seeds) < 0 or given.windows < 1 or given.jobs < 1:
        raise ConfigurationError(
            "seeds are 0 or more, windows and jobs 1 or more", where="arguments", fix="SEEDS=1,2,3 WINDOWS=2 JOBS=2"
        )
    parts = _known(given.parts, tuple(map(name_of, PARTS)), "--parts")
    cases = load_cases(given.cases)
    names = _known(given.only, tuple(case.name for case in cases), "--only") if given.only else None
    if not given.without_nannyml and not given.nannyml.exists():
        raise ConfigurationError(
            "NannyML's environment is not there",
            where=str(given.nannyml),
            fix="make .venv-nannyml/.stamp, or leave CBPE out: --without-nannyml",
        )
    results, records = _folders(given, seeds, parts)
    return Run(
        cases=given.cases,
        numbers=tuple(number for number, case in enumerate(cases) if names is None or case.name in names),
        seeds=seeds,
        parts=parts,
        jobs=given.jobs,
        options=Options(given.windows, None if given.without_nannyml else given.nannyml),
        results=results,
        records=records,
        command=" ".join(("PYTHONPATH=benchmarks python -m science.run", *words)) if words else "make bench-science",
    )


def _folders(given: argparse.Namespace, seeds: tuple[int, ...], parts: tuple[str, ...]) -> tuple[Path, Path]:
    """Of results and record. Only a whole run on the cases that ship goes to where those are kept."""
    whole = not (given.cases or given.only or given.without_nannyml) and given.windows >= WINDOWS
    if whole and set(seeds) >= set(SEEDS) and len(parts) == len(PARTS):
        return given.results or ROOT / "benchmarks/results/science", given.records or ROOT / "records"
    results = given.results or ROOT / "out/bench-science" / (given.cases.stem if given.cases else "some")
    return results, given.records or results / "records"


def _known(given: str, names: tuple[str, ...], where: str) -> tuple[str, ...]:
    wanted = tuple(given.replace(",", " ").split())
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise ConfigurationError(f"not known: {' '.join(unknown)}", where=where, fix=f"one of {', '.join(names)}")
    return wanted


def measure_all(run: Run) -> list[Measured]:
    """In the order of the cases, whatever order they ended in. A failure is told as it happens."""
    for name in THREADS:
        os.environ[name] = "1"  # of the processes that are started below
    found: dict[tuple[int, int], Measured] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    context = multiprocessing.get_context("spawn")
    with progress, ProcessPoolExecutor(run.jobs, context, begin, (run.options,)) as pool:
        tasks = {
            pool.submit(measure, run.cases, number, seed, run.parts): (number, seed)
            for number in run.numbers
            for seed in run.seeds
        }
        bar = progress.add_task("cases and seeds", total=len(tasks))
        for task in as_completed(tasks):
            number, seed = tasks[task]
            try:
                measured = task.result()
            except BrokenProcessPool:
                name = load_cases(run.cases)[number].name
                what = "its process was killed, which is how a machine out of memory behaves: fewer JOBS may help"
                measured = Measured(name, seed, {}, {}, [Failure(name, seed, "process", what, "")])
            found[number, seed] = measured
            for failure in measured.failures:
                console.print(str(failure), style="red", markup=False, soft_wrap=True)
            progress.update(bar, advance=1, description=measured.case)
    return [found[key] for key in sorted(found)]


def main(given: Sequence[str] | None = None) -> int:
    """0 when every case was measured and every limit holds, 1 when not, 2 when nothing could be begun."""
    words = sys.argv[1:] if given is None else given
    options = arguments(words)
    try:
        run = asked(options, words)
        versions = versions_of(run.options)
        begun = time.perf_counter()
        measured = measure_all(run)
        record = write_results(run, measured, versions, time.perf_counter() - begun)
    except DissonanceError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return error.exit_code
    failures = [failure for each in measured for failure in each.failures]
    for failure in failures:
        console.print(f"not measured: {failure}", style="red", markup=False, soft_wrap=True)
    for reason in record.reasons:
        console.print(reason, markup=False, soft_wrap=True)
    console.print(f"{run.results / 'report.html'}: {record.verdict}", markup=False, soft_wrap=True)
    return 0 if record.verdict is Outcome.PASS or (options.keep_going and _only_failures(record.reasons)) else 1


def _only_failures(reasons: Sequence[str]) -> bool:
    return all(reason.startswith("not_measured ") for reason in reasons)


if __name__ == "__main__":
    raise SystemExit(main())
