"""A small task, its model, and files of its rows in every format."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from dissonance.adapters.files.local import LocalFiles
from dissonance.decisions.scoring import Scorer
from dissonance.pipeline.scoring.run import Model, Outcome, Place, Request, Scoring, open_model
from dissonance.pipeline.scoring.threads import ThreadCrew
from support.workshop import frame, small_task


def small_model(*, contradict: bool = True) -> Model:
    """Of two numbers and a category of text; fitted on a thousand rows."""
    return asyncio.run(open_model(small_task().work, "small", None, contradict=contradict))


def rows_table(n: int, seed: int = 7) -> pa.Table:
    """Rows to score, each with an id of its own, and a column that nobody asked for."""
    data = frame(n, seed).drop(columns=["label"])
    data.insert(0, "id", np.arange(n) + 1_000)
    return pa.Table.from_pandas(pandas.DataFrame(data), preserve_index=False).combine_chunks()


def write_rows(path: Path, table: pa.Table, rows_a_group: int = 700) -> Path:
    """By the ending of the name; row groups and batches are of `rows_a_group` rows."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=rows_a_group)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        make = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with make(path, table.schema) as writer:
            writer.write_table(table, rows_a_group)
    return path


def read_rows_of(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    if path.suffix == ".csv":
        return pyarrow.csv.read_csv(path)
    with (pa.ipc.open_stream if path.suffix == ".arrows" else pa.ipc.open_file)(path) as reader:
        return reader.read_all()


def local(path: Path) -> Place:
    return Place(LocalFiles(), str(path), str(path))


def request(source: Path, out: Path, rejected: Path | None = None, **options: Any) -> Request:
    return Request(local(source), local(out), None if rejected is None else local(rejected), **options)


def score(model: Model, asked: Request, *, jobs: int = 1, part_rows: int = 1_000) -> Outcome:
    scoring = Scoring(model, asked, part_rows)
    return scoring.run(lambda specification: ThreadCrew(Scorer(specification).score, jobs), lambda rows: None)
