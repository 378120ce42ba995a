"""`make bench-calibrate`: measure how far estimates are off on the covariate shifts, and write the table that
intervals rest on.

A window's error is divided by a scale with two weights. Weights and quantiles are chosen together: of those at which
the bound is valid on 95 % of the windows, the ones with the least slack. For each data set that is done once more on
the others alone; the benchmark uses those, so that no figure of a data set rests on it.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from rich.progress import track

from dissonance.drills.records import describe_machine, find_commit
from dissonance.science.arrays import Vector
from dissonance.science.shift_table import Calibration, ShiftTable, Uncertainty
from dissonance.science.window_accuracy import CannotTell, window_accuracy
from science.case import COVARIATE
from science.cases import CASES
from science.estimate import Known
from science.prepare import prepare
from science.sceptics import fitted
from science.windows import draw

TABLE = Path(__file__).parents[2] / "src/dissonance/science/shift_table.json"
LEVEL = 0.95
SEEDS = (1, 2, 3)
DROP_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
OVERLAP_WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08)
NEUTRAL = Calibration(0.0, 0.0, 0.0, 0.0)


def measured(number: int, seed: int) -> list[dict[str, Any]]:
    """One window of each kind and size."""
    case = CASES[number]
    prepared = prepare(case, seed)
    reference = fitted(Known.of(prepared))
    found = []
    for window in draw(prepared, 1):
        told = window_accuracy(reference, window.rows.features, window.rows.p, margin=0.0, calibration=NEUTRAL)
        if not isinstance(told, CannotTell):
            found.append(
                {"group": case.group, "case": case.name, "seed": seed, "kind": window.kind, "size": window.size}
                | {"error": told.accuracy - float(window.rows.right.mean())}
                | told.uncertainty._asdict()
            )
    return found


def calibrated(frame: pd.DataFrame) -> Calibration:
    """The weights with the least mean slack, at the quantiles that make the bound valid."""
    heavy = (1.0 / frame.groupby(["case", "kind", "size"])["case"].transform("size")).to_numpy()
    tried = [_at(frame, heavy, *weights) for weights in product(DROP_WEIGHTS, OVERLAP_WEIGHTS)]
    return min(tried, key=lambda each: each[0])[1]


def _at(frame: pd.DataFrame, heavy: Vector, drop_weight: float, overlap_weight: float) -> tuple[float, Calibration]:
    scale, error = scales(frame, drop_weight, overlap_weight), frame["error"].to_numpy()
    over, both = (_quantile(values, heavy) for values in (error / scale, np.abs(error) / scale))
    slack = float(np.average(over * scale - error, weights=heavy))
    return slack, Calibration(drop_weight, overlap_weight, both, over)


def scales(frame: pd.DataFrame, drop_weight: float, overlap_weight: float) -> Vector:
    told = (Uncertainty(*values) for values in frame[list(Uncertainty._fields)].itertuples(index=False))
    return np.array([each.scale(drop_weight, overlap_weight) for each in told])


def _quantile(values: Vector, heavy: Vector) -> float:
    """The smallest value that at least `LEVEL` of the weight does not exceed, with one row of the mean weight at
    infinity, as conformal prediction asks for."""
    order = np.argsort(values)
    share = np.cumsum(heavy[order]) / (heavy.sum() + heavy.mean())
    return float(values[order][min(int(np.searchsorted(share, LEVEL)), len(values) - 1)])


def left_out(frame: pd.DataFrame) -> dict[str, Calibration]:
    return {group: calibrated(frame[frame["group"] != group]) for group in sorted(frame["group"].unique())}


def verdict(frame: pd.DataFrame, tables: dict[str, Calibration]) -> dict[str, float]:
    """How the tables of the others fare on each data set left out: validity, slack and coverage, over all windows."""
    valid, slack, covered = [], [], []
    for group, table in tables.items():
        part = frame[frame["group"] == group]
        scale, error = scales(part, table.drop_weight, table.overlap_weight), part["error"].to_numpy()
        valid += (error <= table.over * scale).tolist()
        slack += (table.over * scale - error).tolist()
        covered += (np.abs(error) <= table.both * scale).tolist()
    return {"valid": float(np.mean(valid)), "slack": float(np.mean(slack)), "covered": float(np.mean(covered))}


def main(seeds: Sequence[int] = SEEDS) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # of the processes that are started below
    jobs = [(number, seed) for number, case in enumerate(CASES) if case.family == COVARIATE for seed in seeds]
    machine = describe_machine()
    with ProcessPoolExecutor(machine.cores, multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(measured, *job) for job in jobs]
        rows = [row for task in track(tasks, "cases and seeds") for row in task.result()]
    frame = pd.DataFrame(rows)
    tables = left_out(frame)
    provenance: dict[str, str | int | float] = {
        "command": "make bench-calibrate",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": find_commit(TABLE.parent) or "unknown",
        "shifts": int(frame["case"].nunique()),
        "data_sets": int(frame["group"].nunique()),
        "seeds": len(seeds),
        "windows": len(frame),
        "sizes": ", ".join(map(str, sorted(frame["size"].unique()))),
        "level": LEVEL,
        **{f"left_out_{name}": value for name, value in verdict(frame, tables).items()},
    }
    table = ShiftTable(calibrated(frame), tables, provenance)
    TABLE.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n")
    print(msgspec.json.format(msgspec.json.encode(provenance), indent=2).decode())  # noqa: T201


if __name__ == "__main__":
    main()
