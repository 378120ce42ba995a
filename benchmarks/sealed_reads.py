"""Benchmark: rows a second that training reads out of sealed storage, opened, as a matrix of features and a column of
classes, beside the same rows that were never sealed.

Training reads in two ways: a retrain (`pipeline.reference`) reads rows of the data file, then labelled experience,
out of PostgreSQL; a run of the pipeline (`pipeline.flow`) reads both out of a snapshot's file; their keys come out of
the keys database. The two parts of a retrain are given apart too. Each row is about a person of its own, so that
there are as many keys as rows: nothing is read with more work. In plain are the same bytes, unsealed, in a table of
the same database, read over the same driver and decoded likewise; what is missing there is keys and ciphers. The
engines are the real ones; each reading is by a system that has no key in its memory. By turns.

    .venv/bin/python benchmarks/sealed_reads.py
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import psycopg

from closing import close
from dissonance.adapters.clock import SystemClock
from dissonance.bootstrap import System, open_system
from dissonance.bootstrap_pipeline import open_bench
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.decisions.rows import RowEncoder
from dissonance.drills import census
from dissonance.drills.keys.people import fill
from dissonance.drills.records import AtLeast, Equals, Raw, Record, make_record
from dissonance.drills.system import RunningSystem
from dissonance.pipeline.flow.collecting import collect
from dissonance.pipeline.flow.material import material_of
from dissonance.pipeline.flow.opening_snapshot import open_snapshot
from dissonance.pipeline.flow.snapshot import RowIds, digest_of_ids, path_of, read_rows, write_snapshot
from dissonance.pipeline.reference import OpenedRows, digest_of, open_experience, open_reference, store_reference
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.store import Split
from dissonance.security.rows import features_matrix
from dissonance.settings import Settings

LEAST_ROWS_PER_S = 200_000
TRAINING_ROWS = 2_000
DIFFERENT_ROWS = 20_000
CLOCK = SystemClock()

MAKE_PLAIN = """
    CREATE TABLE plain_rows (row_number bigint PRIMARY KEY, split text, data_subject bytea, plain bytea)
"""
READ_PLAIN = "SELECT row_number, data_subject, plain FROM plain_rows WHERE split = 'train' ORDER BY row_number"


class Place(NamedTuple):
    """What is read, and how it was: `url` of the experience database."""

    settings: Settings
    task: Task
    url: str
    rows: LabelledRows
    snapshot: str


class Way(NamedTuple):
    """`read` returns what was read; by a system that was opened just now."""

    name: str
    read: Callable[[System, Place], Awaitable[LabelledRows]]


async def reference(system: System, place: Place) -> LabelledRows:
    return (await open_reference(system, place.task, Split.TRAIN)).rows


async def experience(system: System, place: Place) -> LabelledRows:
    return (await open_experience(system, place.task)).rows


async def retrain(system: System, place: Place) -> LabelledRows:
    return await reference(system, place) + await experience(system, place)


async def snapshot(system: System, place: Place) -> LabelledRows:
    """Rows of the data file and of experience, as the training step of the pipeline reads them."""
    bench = open_bench(system)
    ids, nobody = RowIds(bench.hash_key), OpenedRows(place.rows.at(np.array([], dtype=np.int64)), [], [], 0)
    read = await asyncio.to_thread(read_rows, bench.files, bench.folder, place.task, place.snapshot, ids)
    opened = await open_snapshot(system, place.task, read, ids)
    material = material_of(place.task, read.rows, opened, nobody, frozenset(), 0)
    return material.train.rows + material.experience.rows


async def plain(system: System, place: Place) -> LabelledRows:
    async with await psycopg.AsyncConnection.connect(place.url) as connection, connection.cursor(binary=True) as cursor:
        found = await (await cursor.execute(READ_PLAIN)).fetchall()
    decode = msgspec.msgpack.Decoder(SealedRow).decode
    rows = [decode(row[2]) for row in found]
    classes = np.array([row.label for row in rows], dtype=np.int64)
    return LabelledRows(features_matrix(rows, len(place.task.schema.features)), classes)


WAYS = tuple(Way(each.__name__, each) for each in (retrain, snapshot, reference, experience, plain))


async def prepared(running: RunningSystem, folder: Path, rows: int) -> Place:
    settings = Settings(data=str(folder / "data"))
    training = await asyncio.to_thread(census.write_training_file, folder, TRAINING_ROWS)
    await running.command(*census.create_arguments(training))
    async with open_system(settings) as system:
        like = await system.store.by_name(census.TASK)
        task = msgspec.structs.replace(like, task_id=system.randomness.token(16).hex(), name="sealed-reads")
        await system.store.create(task, Policy())
        labelled = _labelled(task, rows)
        people = [f"reference-{number}" for number in range(rows)]
        await store_reference(system, task, labelled, [Split.TRAIN] * rows, people, lambda share: None)
        await fill(system, task, "0a" * 32, rows, frozenset(range(rows)), lambda count: None)
        url = running.engines_ready["addresses"]["database_url"]
        await asyncio.to_thread(_write_plain, url, labelled)
        digest = await _write_snapshot(system, task)
    return Place(settings, task, url, labelled, digest)


def _labelled(task: Task, rows: int) -> LabelledRows:
    records, classes = census.traffic(min(rows, DIFFERENT_ROWS))
    features = RowEncoder(task.schema, (census.PERSON,)).encode(records)
    again = np.arange(rows) % len(features)
    return LabelledRows(features[again], np.array(classes, dtype=np.int64)[again])


def _write_plain(url: str, rows: LabelledRows) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(MAKE_PLAIN)
        with connection.cursor().copy("COPY plain_rows FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["bigint", "text", "bytea", "bytea"])
            for number, (features, label) in enumerate(zip(rows.features, rows.classes, strict=True)):
                row = msgspec.msgpack.encode(SealedRow(features=features.tobytes(), label=int(label)))
                copy.write_row((number, "train", os.urandom(16), row))


async def _write_snapshot(system: System, task: Task) -> str:
    bench = open_bench(system)
    ids = RowIds(bench.hash_key)
    collected = await collect(system, task, CLOCK.now_us(), ids)
    row_ids = [ids(*each) for each in zip(collected.rows, collected.plain, strict=True)]
    digest = digest_of_ids(task, row_ids)
    await asyncio.to_thread(write_snapshot, bench.files, path_of(bench.folder, digest), collected.rows, row_ids, ids)
    return digest


async def measured(place: Place, repetitions: int) -> tuple[dict[str, list[float]], int]:
    """Rows a second by way; how many readings held other rows than were written. The first turn warms up."""
    taken: dict[str, list[float]] = {way.name: [] for way in WAYS}
    digests: dict[str, str] = {}
    differ = 0
    for repetition in range(repetitions + 1):
        for way in WAYS:
            async with open_system(place.settings) as system:
                begun_s = time.perf_counter()
                found = await way.read(system, place)
                took_s = time.perf_counter() - begun_s
            differ += digest_of(found) != digests.setdefault(way.name, digest_of(found))
            if repetition:
                taken[way.name].append(len(found.classes) / took_s)
        sys.stderr.write(f"repetition {repetition} of {repetitions}\n")
    differ += sum(digests[name] != digest_of(place.rows) for name in ("reference", "plain"))
    return taken, differ


def record_of(taken: dict[str, list[float]], differ: int, rows: int, repetitions: int) -> Record:
    raw: dict[str, Raw] = {"rows": rows, "repetitions": repetitions, "load_average": os.getloadavg()[0]}
    for name, each in taken.items():
        raw |= {f"{name}_rows_per_s": statistics.median(each), f"{name}_each": list(each)}
    raw["readings_that_differ"] = differ
    raw["reference_to_plain"] = statistics.median(taken["reference"]) / statistics.median(taken["plain"])
    return make_record(
        name="bench-sealed-reads",
        what="rows a second that training reads from sealed storage, opened, as features and classes, each row about a "
        "person of its own: a retrain (data file and labelled experience, also each apart), and a snapshot; beside "
        "rows that were never sealed",
        command=f"python benchmarks/sealed_reads.py --rows {rows} --repetitions {repetitions}",
        now_us=CLOCK.now_us(),
        raw=raw,
        limits=[
            AtLeast("retrain_rows_per_s", LEAST_ROWS_PER_S),
            AtLeast("snapshot_rows_per_s", LEAST_ROWS_PER_S),
            Equals("readings_that_differ", 0),
        ],
    )


async def benchmark(folder: Path, rows: int, repetitions: int) -> Record:
    async with RunningSystem(folder / "data", folder / "logs", {}) as running:
        place = await prepared(running, folder, rows)
        return record_of(*await measured(place, repetitions), rows, repetitions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000, help="rows of each kind (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each way (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=Path("records"), help="where the record goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dissonance-bench-") as folder:
        record = asyncio.run(benchmark(Path(folder), given.rows, given.repetitions))
    return close(record, given.records)


if __name__ == "__main__":
    raise SystemExit(main())
