"""Benchmark: `dissonance score` on real census rows, beside LightGBM alone, and what memory it takes as files grow.

Engines and command are the real ones, the command a process of its own. The rows (adults of 2016 to 2018, repeated) are
scored from each format at 1 and at 8 times their number; peak memory is what the kernel says of the ended process.
Speed is what the command says: reading, digest and writing included, starting and opening the model not. LightGBM alone
predicts a matrix that is there already, on one thread, in turns with the command on one thread.

    .venv/bin/python benchmarks/score.py
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
from distributed import LocalCluster

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.dask.work import pack_part
from dissonance.adapters.files.local import LocalFiles
from dissonance.bootstrap import open_system
from dissonance.decisions.columns_in import ColumnEncoder
from dissonance.decisions.models import open_proposer
from dissonance.drills import census
from dissonance.drills.records import AtLeast, AtMost, Outcome, Raw, Record, make_record, write_record
from dissonance.drills.system import RunningSystem
from dissonance.pipeline.scoring.formats import input_format
from dissonance.pipeline.scoring.run import Model, open_model
from dissonance.pipeline.scoring.source import parts
from dissonance.settings import Settings

ENDINGS = (".parquet", ".csv", ".arrow")
TIMES = 8
FEW_ROWS = 1_000
TRAINING_ROWS = 20_000
WRITTEN_ROWS = 65_536
"""Rows of a row group, or of a record batch, in the files that are made."""

LAUNCH = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process that starts the command: what a process held before it became another counts as its own peak."""

GROWTH = 1.10
"""Peak memory at eight times the rows by that at one."""

LEAST_RATIO = 0.5
"""Of LightGBM alone on the same rows."""


class Run(NamedTuple):
    """One run of the command."""

    rows_per_s: float
    peak_bytes: int
    seconds: float


def repeated(rows: int) -> pa.Table:
    records, _ = census.traffic(10_000_000)
    table = pa.Table.from_pandas(pandas.DataFrame(records), preserve_index=False)
    copies = -(-rows // table.num_rows)
    return pa.concat_tables([table] * copies).slice(0, rows)


def write_rows(path: Path, table: pa.Table) -> Path:
    """A part at a time, so that this process stays small too."""
    pieces = [table.slice(start, WRITTEN_ROWS) for start in range(0, table.num_rows, WRITTEN_ROWS)]
    if path.suffix == ".parquet":
        writer: Any = pyarrow.parquet.ParquetWriter(path, table.schema)
    elif path.suffix == ".csv":
        writer = pyarrow.csv.CSVWriter(path, table.schema)
    else:
        writer = pa.ipc.new_file(path, table.schema)
    with writer:
        for piece in pieces:
            writer.write_table(piece)
    return path


def score(data: Path, file: Path, *options: str) -> Run:
    """The command as a process; its output is thrown away."""
    out, peak = file.with_name(f"scores-of-{file.name}"), file.with_name("peak")
    arguments = ("score", census.TASK, str(file), "--out", str(out), "--json", *options)
    begun = time.perf_counter()
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-I", "-S", "-c", LAUNCH, peak, sys.executable, "-m", "dissonance", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "DISSONANCE_DATA": str(data)},
        check=False,
    )
    seconds = time.perf_counter() - begun
    if ended.returncode:
        raise SystemExit(f"the command ended with {ended.returncode}: {ended.stdout.decode()}")
    out.unlink()
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(float(msgspec.json.decode(ended.stdout)["rows_per_s"]), int(peak.read_text()) * unit, seconds)


def predict_rows_per_s(model: Model, table: pa.Table) -> float:
    """LightGBM alone, on the matrix that it sees."""
    schema = model.task.schema
    matrix = ColumnEncoder(schema).encode(table.select(list(schema.names)))
    proposer = open_proposer(model.proposer)
    begun = time.perf_counter()
    answers = proposer.probabilities(matrix)
    seconds = time.perf_counter() - begun
    if not np.isfinite(answers).all():
        raise SystemExit("the model answered with what is no number")
    return len(matrix) / seconds


def client_rows_per_s(model: Model, file: Path) -> float:
    """What a client of a cluster does for each row before it is sent."""
    format_ = input_format(str(file))
    source = format_.source(LocalFiles(), str(file), model.task.schema.names)
    begun = time.perf_counter()
    rows = sum(len(part.rows) for part in parts(source, WRITTEN_ROWS, 0) if pack_part(part))
    return rows / (time.perf_counter() - begun)


def measured(data: Path, folder: Path, model: Model, rows: int, repetitions: int) -> dict[str, Raw]:
    raw: dict[str, Raw] = {"rows": rows, "repetitions": repetitions, "cores": os.cpu_count() or 1}
    table = repeated(rows * TIMES)
    raw["decoded_bytes"] = rows * TIMES * len(model.task.schema.features) * 8
    idle = score(data, write_rows(folder / "few.parquet", table.slice(0, FEW_ROWS)))
    raw["idle_peak_bytes"] = idle.peak_bytes
    for ending in ENDINGS:
        raw |= growth(data, folder, table, rows, ending, idle.peak_bytes)
        say(f"{ending} is done")
    file = write_rows(folder / "rows.parquet", table.slice(0, rows))
    raw |= beside_lightgbm(data, file, model, table.slice(0, rows), repetitions)
    raw["client_rows_per_s"] = client_rows_per_s(model, file)
    raw["threads_rows_per_s"] = score(data, file).rows_per_s
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        score(data, folder / "few.parquet", "--cluster", cluster.scheduler_address)  # workers import what they need
        raw["cluster_rows_per_s"] = score(data, file, "--cluster", cluster.scheduler_address).rows_per_s
    return raw


def growth(data: Path, folder: Path, table: pa.Table, rows: int, ending: str, idle_bytes: int) -> dict[str, Raw]:
    """Peak memory at one and at eight times the rows."""
    name = ending[1:]
    few = score(data, write_rows(folder / f"once{ending}", table.slice(0, rows)))
    path = write_rows(folder / f"many{ending}", table)
    many = score(data, path)
    file_bytes = path.stat().st_size
    path.unlink()
    return {
        f"{name}_bytes": file_bytes,
        f"{name}_peak_bytes": few.peak_bytes,
        f"{name}_peak_bytes_8": many.peak_bytes,
        f"{name}_growth": many.peak_bytes / few.peak_bytes,
        f"{name}_decoded_by_memory": rows * TIMES * (table.num_columns - 1) * 8 / max(1, many.peak_bytes - idle_bytes),
        f"{name}_rows_per_s": many.rows_per_s,
    }


def beside_lightgbm(data: Path, file: Path, model: Model, table: pa.Table, repetitions: int) -> dict[str, Raw]:
    """On one thread each, by turns."""
    alone: list[float] = []
    scored: list[float] = []
    doubted: list[float] = []
    for _ in range(repetitions):
        alone.append(predict_rows_per_s(model, table))
        scored.append(score(data, file, "--jobs", "1").rows_per_s)
        doubted.append(score(data, file, "--jobs", "1", "--contradict").rows_per_s)
    return {
        "lightgbm_rows_per_s": statistics.median(alone),
        "one_thread_rows_per_s": statistics.median(scored),
        "contradicted_rows_per_s": statistics.median(doubted),
        "ratio": statistics.median(mine / theirs for mine, theirs in zip(scored, alone, strict=True)),
        "ratio_contradicted": statistics.median(mine / theirs for mine, theirs in zip(doubted, alone, strict=True)),
        "lightgbm_each": [*alone],
        "one_thread_each": [*scored],
    }


async def benchmark(folder: Path, rows: int, repetitions: int) -> Record:
    data = folder / "data"
    async with RunningSystem(data, folder / "logs") as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        async with open_system(Settings(data=str(data))) as system:
            model = await open_model(system, census.TASK, None, contradict=False)
        say("the model is made")
        raw = await asyncio.to_thread(measured, data, folder, model, rows, repetitions)
    names = [ending[1:] for ending in ENDINGS]
    return make_record(
        name="bench-score",
        what="census rows scored by the command from Parquet, CSV and Arrow files, at 1 and 8 times the rows; beside it"
        " LightGBM alone on one thread, by turns",
        command=f"python benchmarks/score.py --rows {rows} --repetitions {repetitions}",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=[
            AtLeast("ratio", LEAST_RATIO),
            *(AtMost(f"{name}_growth", GROWTH) for name in names),
            *(AtLeast(f"{name}_decoded_by_memory", 1.0) for name in names),
        ],
    )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300_000, help="once; 8 times as many beside (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, help="turns beside LightGBM (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=Path("records"), help="where the record goes")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dissonance-bench-") as folder:
        record = asyncio.run(benchmark(Path(folder), given.rows, given.repetitions))
    path = write_record(given.records, record)
    for name, value in record.raw.items():
        if isinstance(value, int | float):
            sys.stdout.write(f"{name:28} {value:>16,.4g}\n")
    sys.stdout.write(f"{record.verdict}: {path}\n")
    return 0 if record.verdict is Outcome.PASS else 1


if __name__ == "__main__":
    raise SystemExit(main())
