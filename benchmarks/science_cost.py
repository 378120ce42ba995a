"""Benchmark: what knowing how wrong a model is costs on one core, on 2,000 rows of 20 features.

A window costs the density ratio and the sceptic that it weighs; every row that is doubted costs a score. Both are
measured by turns, beside what is done once for a reference and what a whole window costs. Rows are drawn by a seed: 16
numbers, of which one in twenty is missing, and four categories; the window's have moved.

    .venv/bin/python benchmarks/science_cost.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from closing import close
from dissonance.adapters.clock import SystemClock
from dissonance.drills.records import AtMost, Raw, Record, make_record
from dissonance.science.arrays import Matrix
from dissonance.science.density import density_ratio
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic
from dissonance.science.window_accuracy import fit_reference, window_accuracy

ROWS, NUMBERS, CATEGORIES, CODES = 2_000, 16, 4, 8
SIZES = (0,) * NUMBERS + (CODES,) * CATEGORIES
SEED = 1
SCORED_AT_ONCE = 20
"""Times that all rows are scored for one measurement, which would be too short for the clock."""
SCORED_ALONE = 500
MOST_FIT_S, MOST_SCORE_US = 0.3, 20.0
CLOCK = SystemClock()


def rows(seed: int, moved: float = 0.0) -> Labelled:
    """Of a model that follows half of what the label does, and is too sure."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(ROWS, NUMBERS)) + moved * (np.arange(NUMBERS) < 4)
    codes = generator.integers(CODES, size=(ROWS, CATEGORIES)).astype(np.float64)
    drive = numbers[:, 0] + np.sin(numbers[:, 1]) + 0.5 * (codes[:, 0] < 2)
    truth = 1.0 / (1.0 + np.exp(-drive - 0.5 * numbers[:, 2] * numbers[:, 3]))
    believed = 1.0 / (1.0 + np.exp(-2.0 * drive))
    numbers[generator.random(numbers.shape) < 0.05] = np.nan
    classes = (generator.random(ROWS) < truth).astype(np.int64)
    return Labelled(np.hstack((numbers, codes)), np.column_stack((1.0 - believed, believed)), classes)


def seconds(work: Callable[[], object]) -> float:
    begun_us = CLOCK.now_us()
    work()
    return (CLOCK.now_us() - begun_us) / 1e6


def measured(repetitions: int) -> dict[str, list[float]]:
    """By what was measured, one value a repetition. The first one warms up and is not kept."""
    reference, window = rows(SEED), rows(SEED + 1, moved=0.3)
    fitted = fit_reference(reference, category_sizes=SIZES, seed=SEED)
    null = fitted.source.null(ROWS)

    def critic() -> Sceptic:
        ratio = density_ratio(reference.features, window.features, category_sizes=SIZES, seed=SEED)
        return fit_sceptic(reference, category_sizes=SIZES, seed=SEED, weights=ratio.weights)

    critic_of_window = critic()

    def score(features: Matrix, p: Matrix, times: int) -> None:
        for _ in range(times):
            critic_of_window.distribution(features, p)

    works: dict[str, Callable[[], float]] = {
        "fit_s": lambda: seconds(critic),
        "score_us_per_row": lambda: (
            1e6 * seconds(lambda: score(window.features, window.p, SCORED_AT_ONCE)) / (SCORED_AT_ONCE * ROWS)
        ),
        "score_alone_us": lambda: (
            1e6 * seconds(lambda: score(window.features[:1], window.p[:1], SCORED_ALONE)) / SCORED_ALONE
        ),
        "window_s": lambda: seconds(lambda: window_accuracy(fitted, window.features, window.p, margin=0.01, null=null)),
        "reference_s": lambda: seconds(lambda: fit_reference(reference, category_sizes=SIZES, seed=SEED)),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for repetition in range(repetitions + 1):
        for name, work in works.items():
            value = work()
            if repetition:
                taken[name].append(value)
        sys.stderr.write(f"repetition {repetition} of {repetitions}\n")
    return taken


def record_of(taken: dict[str, list[float]], repetitions: int) -> Record:
    raw: dict[str, Raw] = {"repetitions": repetitions, "rows": ROWS, "features": len(SIZES)}
    for name, values in taken.items():
        raw |= {name: statistics.median(values), f"{name}_each": list(values)}
    return make_record(
        name="bench-science-cost",
        what=f"the critic of a window on one core, {ROWS} rows of {len(SIZES)} features on either side: density ratio"
        " and weighted sceptic (fit), then microseconds a row (score); medians of repetitions by turns",
        command=f"python benchmarks/science_cost.py --repetitions {repetitions}",
        now_us=CLOCK.now_us(),
        raw=raw,
        limits=[AtMost("fit_s", MOST_FIT_S), AtMost("score_us_per_row", MOST_SCORE_US)],
    )


def stay_on_one_core() -> None:
    """Where the system lets a process choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=15, help="turns of each (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=Path("records"), help="where the record goes")
    given = parser.parse_args()
    stay_on_one_core()
    record = record_of(measured(given.repetitions), given.repetitions)
    return close(record, given.records)


if __name__ == "__main__":
    raise SystemExit(main())
