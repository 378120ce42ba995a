"""What is in a snapshot, what names it, and what becomes of it when somebody is erased or a byte is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest

from dissonance.contracts.schema import Task
from dissonance.errors import InputError, InvalidDataFile, RecordBroken, SealBroken
from dissonance.pipeline.create_task import Columns
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.lineage import trace
from dissonance.pipeline.flow.opening_snapshot import open_snapshot
from dissonance.pipeline.flow.records import Records
from dissonance.pipeline.flow.snapshot import PROOF, Origin, RowIds, path_of, read_rows, read_snapshot
from dissonance.pipeline.reference import kept_from_updates
from dissonance.ports.steps import Number, StepName, StepRecord
from dissonance.ports.store import Split
from support.flow import TableSource, bench, record, run, run_until, with_policy
from support.store import learnable
from support.workshop import Workshop, add_experience, create, frame, small_task, workshop, write


@pytest.fixture
def served() -> tuple[Workshop, Task]:
    return small_task(400)


def new_rows(n: int, seed: int = 5) -> pandas.DataFrame:
    return frame(n, seed=seed).assign(person=[f"new-{row // 2}" for row in range(n)])


def snapshot_of(at: Bench, task: Task, **wish: int) -> StepRecord:
    return record(run_until(at, task, StepName.SNAPSHOT, **wish), StepName.SNAPSHOT)


def numbers_of(at: Bench, task: Task) -> dict[str, Number]:
    return snapshot_of(at, task).numbers


def folder_of(at: Bench, task: Task) -> str:
    return at.task_folder(task.task_id)


def test_holdout_and_what_is_known_already_are_left_out_and_counted(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    golden = {f"person-{row // 2}" for row in range(400)} & _people(work, task, Split.GOLDEN)
    again = new_rows(50).assign(person=[next(iter(golden))] * 50)
    source = pandas.concat([frame(400), again, new_rows(60, 6)])
    numbers = numbers_of(bench(work, tmp_path, TableSource(source)), task)
    assert numbers["source_rows"] == 60
    assert numbers["source_golden"] == 60 + 50  # the holdout's own rows, and others about its people
    assert numbers["source_known"] == 340
    assert numbers["train_rows"] + numbers["critic_rows"] == 340  # type: ignore[operator]


def _people(work: Workshop, task: Task, split: Split) -> set[str]:
    stored = set(asyncio.run(work.store.reference(task.task_id, split)).data_subjects)
    names = {f"person-{number}" for number in range(200)}
    return {name for name in names if work.keys.data_subject_hash(task.task_id, name) in stored}


def test_where_nobody_is_named_the_file_of_the_task_brings_nothing_new(tmp_path: Path) -> None:
    work = workshop()
    rows = frame(400).drop(columns="person")
    task = create(work, write(tmp_path, rows), columns=Columns(target="label")).task
    numbers = numbers_of(bench(work, tmp_path, TableSource(pandas.concat([rows, rows.head(3)]))), task)
    assert (numbers["source_golden"], numbers["source_known"]) == (60, 340)
    assert numbers["source_rows"] == 3


def test_rows_are_sealed_and_neither_file_nor_ids_tell_what_they_hold(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    at = bench(work, tmp_path, TableSource(new_rows(30)))
    digest = snapshot_of(at, task).digest
    read = read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))
    opened, rows = asyncio.run(open_snapshot(work, task, read, RowIds(at.hash_key))), read.rows
    content = Path(path_of(folder_of(at, task), digest)).read_bytes()
    assert sum(len(each.positions) for each in opened) == len(rows.row_ids)
    assert not any(row.tobytes() in content for each in opened for row in each.features)
    assert not any(b"new-" in ident for ident in rows.idents)
    other = RowIds(b"another key, of 32 bytes exactly")
    for each in opened:
        features = [row.tobytes() for row in each.features]
        part = rows.at(each.positions)
        assert RowIds(at.hash_key).many(part, features, each.labels.tolist()) == part.row_ids
        assert not set(other.many(part, features, each.labels.tolist())) & set(part.row_ids)


def test_erasing_somebody_takes_them_out_of_the_snapshot_and_of_the_next_one(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    at = bench(work, tmp_path, TableSource(new_rows(30)))
    digest = snapshot_of(at, task).digest
    gone = [work.keys.data_subject_hash(task.task_id, name) for name in ("new-3", "person-3")]
    asyncio.run(work.keys.destroy(task.task_id, gone))
    read = read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))
    opened, rows = asyncio.run(open_snapshot(work, task, read, RowIds(at.hash_key))), read.rows
    left_out = set(range(len(rows.row_ids))) - {i for each in opened for i in each.positions}
    assert {rows.data_subjects[i] for i in left_out} <= set(gone)
    assert len(left_out) >= 2
    assert [len(each.features) for each in opened] == [len(each.positions) for each in opened]
    work.clock.advance(1.0)
    after = snapshot_of(at, task)
    assert after.digest != digest
    assert after.numbers["source_rows"] == 28


def test_sources_of_labels_are_in_the_snapshot_by_keyed_names(tmp_path: Path, served: tuple[Workshop, Task]) -> None:
    work, task = served
    features = frame(2)[["first", "second"]].assign(kind=0.0).to_numpy()
    asyncio.run(add_experience(work, task, features, [0, 1], ["a", "b"]))
    (source,) = set(asyncio.run(learnable(work.store, task.task_id)).label_sources)
    at = bench(work, tmp_path)
    read = read_rows(at.files, folder_of(at, task), task, snapshot_of(at, task).digest, RowIds(at.hash_key))
    sources = zip(read.rows.origins, read.rows.label_sources, strict=True)
    (named,) = {source for origin, source in sources if origin is Origin.EXPERIENCE}
    assert source and named == RowIds(at.hash_key).of(b"label source|" + source.encode()).hex()


@pytest.mark.parametrize("column", ["model_digest", "label_source", "event_time_us", "asked", "label_sealed"])
def test_what_lies_beside_a_seal_in_the_file_and_was_changed_is_noticed(
    tmp_path: Path, served: tuple[Workshop, Task], column: str
) -> None:
    work, task = served
    features = frame(2)[["first", "second"]].assign(kind=0.0).to_numpy()
    asyncio.run(add_experience(work, task, features, [0, 1], ["a", "a"]))
    at = bench(work, tmp_path)
    digest = snapshot_of(at, task).digest
    path = path_of(folder_of(at, task), digest)
    table = pyarrow.parquet.read_table(path)
    position, kind = table.column_names.index(column), table.column(column).type
    values = table.column(column).to_pylist()
    found = table.column("origin").to_pylist().index("experience")
    values[found] = {"event_time_us": 7, "label_sealed": values[found + 1]}.get(column, "another")
    changed = table.set_column(position, table.schema.field(position), pyarrow.array(values, kind))
    pyarrow.parquet.write_table(changed, path)
    read = read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))
    assert not read.proven
    with pytest.raises(SealBroken):
        asyncio.run(open_snapshot(work, task, read, RowIds(at.hash_key)))


def test_file_of_before_which_has_no_proof_is_held_against_the_ids_of_its_rows(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    at = bench(work, tmp_path)
    digest, ids = snapshot_of(at, task).digest, RowIds(at.hash_key)
    path = path_of(folder_of(at, task), digest)
    read = read_rows(at.files, folder_of(at, task), task, digest, ids)
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path), path)
    before = read_rows(at.files, folder_of(at, task), task, digest, ids)
    assert (read.proven, before.proven) == (True, False)
    proven, checked = (asyncio.run(open_snapshot(work, task, each, ids)) for each in (read, before))
    assert [each.labels.tolist() for each in proven] == [each.labels.tolist() for each in checked]
    with pytest.raises(SealBroken, match="its id says"):
        asyncio.run(open_snapshot(work, task, before, RowIds(b"another key, of 32 bytes exactly")))


@pytest.mark.parametrize("proof", ["no hex digits", "å", "00"])
def test_note_that_is_no_proof_proves_nothing(tmp_path: Path, served: tuple[Workshop, Task], proof: str) -> None:
    work, task = served
    at = bench(work, tmp_path)
    digest, ids = snapshot_of(at, task).digest, RowIds(at.hash_key)
    path = path_of(folder_of(at, task), digest)
    table = pyarrow.parquet.read_table(path)
    with pyarrow.parquet.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({PROOF: proof})
    assert not read_rows(at.files, folder_of(at, task), task, digest, ids).proven


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda rows: rows.drop(["asked"]), RecordBroken),
        (lambda rows: rows.append_column("asked", rows.column("asked")), RecordBroken),
        (lambda rows: changed(rows, "origin", pyarrow.array(["other"] * len(rows)).dictionary_encode()), RecordBroken),
        (lambda rows: changed(rows, "event_time_us", pyarrow.nulls(len(rows), pyarrow.int64())), InvalidDataFile),
        (lambda rows: changed(rows, "event_time_us", pyarrow.array([0.5] * len(rows))), RecordBroken),
        (lambda rows: changed(rows, "origin", rows.column("origin").cast(pyarrow.string())), RecordBroken),
    ],
)
def test_file_with_other_columns_is_refused_in_words(
    tmp_path: Path,
    served: tuple[Workshop, Task],
    change: Callable[[pyarrow.Table], pyarrow.Table],
    error: type[Exception],
) -> None:
    work, task = served
    at = bench(work, tmp_path)
    digest = snapshot_of(at, task).digest
    path = path_of(folder_of(at, task), digest)
    pyarrow.parquet.write_table(change(pyarrow.parquet.read_table(path)), path)
    with pytest.raises(error):
        read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))


def test_texts_that_became_bytes_are_refused_though_the_proof_fits(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    at = bench(work, tmp_path)
    digest = snapshot_of(at, task).digest
    path = path_of(folder_of(at, task), digest)
    table, notes = pyarrow.parquet.read_table(path), pyarrow.parquet.read_metadata(path).metadata
    texts = pyarrow.array([each.encode() for each in table.column("asked").to_pylist()]).dictionary_encode()
    other = changed(table, "asked", texts)
    with pyarrow.parquet.ParquetWriter(path, other.schema) as writer:
        writer.write_table(other)
        writer.add_key_value_metadata({PROOF: notes[PROOF.encode()].decode()})
    with pytest.raises(RecordBroken, match="not those of its digest"):
        read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))


def changed(rows: pyarrow.Table, name: str, values: pyarrow.Array) -> pyarrow.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


@pytest.mark.parametrize("change", ["drop", "swap"])
def test_file_that_was_changed_is_not_the_one_of_its_digest(
    tmp_path: Path, served: tuple[Workshop, Task], change: str
) -> None:
    work, task = served
    at = bench(work, tmp_path)
    digest = snapshot_of(at, task).digest
    path = path_of(folder_of(at, task), digest)
    table = pyarrow.parquet.read_table(path)
    if change == "drop":
        pyarrow.parquet.write_table(table.slice(1), path)
        with pytest.raises(RecordBroken, match="not those of its digest"):
            read_snapshot(at.files, folder_of(at, task), task, digest)
        return
    sealed = table.column("sealed").to_pylist()
    sealed[0], sealed[1] = sealed[1], sealed[0]
    position = table.column_names.index("sealed")
    pyarrow.parquet.write_table(table.set_column(position, "sealed", [sealed]), path)
    read = read_rows(at.files, folder_of(at, task), task, digest, RowIds(at.hash_key))
    with pytest.raises(SealBroken):
        asyncio.run(open_snapshot(work, task, read, RowIds(at.hash_key)))


def test_back_fill_from_rows_without_times_is_refused_and_with_times_takes_the_earlier_ones(tmp_path: Path) -> None:
    work = workshop()
    rows = frame(400).assign(at="2023-11-14T00:00:00Z")
    columns = Columns(target="label", time="at", data_subject="person")
    task = create(work, write(tmp_path, rows), columns=columns).task
    work.clock.advance(7_200.0)
    then_us = work.clock.now_us() - 3_600_000_000
    late = new_rows(10).assign(at=["2023-11-14T00:00:00Z"] * 6 + ["2023-11-15T23:00:00Z", None, None, None])
    made = snapshot_of(bench(work, tmp_path, TableSource(late)), task, as_of_us=then_us)
    assert (made.numbers["source_rows"], made.numbers["source_later"]) == (6, 4)
    with pytest.raises(InputError, match="do not say their time"):
        snapshot_of(bench(work, tmp_path, TableSource(new_rows(10))), task, as_of_us=then_us)


def test_lineage_leads_from_an_answer_to_every_snapshot_behind_it(
    tmp_path: Path, served: tuple[Workshop, Task]
) -> None:
    work, task = served
    with_policy(work, task, golden_drop_max=0.3, calibration_rise_max=0.3, slice_drop_max=0.5, canary_share=0.0)
    at = bench(work, tmp_path, TableSource(new_rows(40)))
    done = run(at, task)
    made = record(done, StepName.REGISTER)
    features = frame(2)[["first", "second"]].assign(kind=0.0).to_numpy()
    asyncio.run(add_experience(work, task, features, [0, 1], ["a", "b"], models=(made.digest, "")))
    prediction_id = asyncio.run(learnable(work.store, task.task_id)).prediction_ids[0]
    found = asyncio.run(trace(at, task.name, prediction_id))
    assert (found.answered.version, found.without_snapshot) == (2, [1])
    ((provenance, snapshot),) = found.models
    assert provenance.model_files_digest == record(done, StepName.TRAIN).digest
    assert snapshot.digest == record(done, StepName.SNAPSHOT).digest
    assert snapshot.counts[Origin.SOURCE] == 40
    assert len(snapshot.row_ids) == sum(snapshot.counts.values())
    assert Records(at.files, folder_of(at, task)).provenance("f" * 64) is None


def test_half_of_the_critics_rows_is_kept_from_every_candidate(tmp_path: Path, served: tuple[Workshop, Task]) -> None:
    work, task = served
    done = run_until(bench(work, tmp_path), task, StepName.TRAIN)
    critic = asyncio.run(work.store.reference(task.task_id, Split.CRITIC))
    kept = sum(kept_from_updates(person) for person in critic.data_subjects)
    assert kept
    learnt = record(done, StepName.SNAPSHOT).numbers["rows"]
    assert record(done, StepName.TRAIN).numbers["rows"] == int(learnt or 0) - kept
