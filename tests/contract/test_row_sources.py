"""Every source of labelled rows gives the same rows: files and folders, a real S3 store, databases, the bus."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
from psycopg.conninfo import conninfo_to_dict

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.s3.files import S3Address, S3Files
from dissonance.adapters.sql.rows import SqlRows
from dissonance.errors import DissonanceError, EngineUnavailable, InputError, InvalidDataFile
from dissonance.pipeline.flow.incoming import encode, wanted_columns
from dissonance.pipeline.flow.sources.file_rows import FileRows
from dissonance.ports.sources import RowSource
from support.database import fresh_database
from support.object_store import BUCKET, ObjectStore, object_store
from support.topics import TopicStand, jetstream_stand, memory_stand
from support.workshop import Workshop, frame, small_task

ROWS = 60
COLUMNS = ("first", "second", "kind", "person", "label")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture(scope="module")
def task_of() -> Any:
    return small_task(400)


def rows() -> pandas.DataFrame:
    """With a gap, and a column that nobody asks for."""
    return frame(ROWS, seed=4).assign(unasked=range(ROWS))


def write_as(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        make = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as file, make(file, table.schema) as writer:
            writer.write_table(table)


def one_file(folder: Path, ending: str) -> RowSource:
    write_as(pa.Table.from_pandas(rows(), preserve_index=False), folder / f"rows{ending}")
    return FileRows(LocalFiles(), str(folder / f"rows{ending}"), f"rows{ending}")


def folder_of_files(folder: Path) -> RowSource:
    """Of several kinds, with something beside that is none."""
    table = pa.Table.from_pandas(rows(), preserve_index=False)
    for number, name in enumerate(("b.parquet", "part=1/a.csv", "part=2/c.arrow")):
        write_as(table.slice(number * 20, 20), folder / "set" / name)
    (folder / "set" / "_SUCCESS").write_text("")
    (folder / "set" / "README.txt").write_text("")
    return FileRows(LocalFiles(), str(folder / "set"), "set")


def sqlite_rows(folder: Path) -> RowSource:
    with sqlite3.connect(folder / "rows.db") as connection:
        rows().to_sql("labelled", connection, index=False)
    connection.close()
    return SqlRows(f"sqlite:///{folder / 'rows.db'}", "SELECT * FROM labelled")


def postgres_rows(url: str) -> RowSource:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE labelled (first float8, second numeric(30, 17), kind text, person text, label text, x int)"
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO labelled VALUES (%s, %s, %s, %s, %s, %s)", rows().itertuples(index=False, name=None)
            )
    parts = conninfo_to_dict(url)
    address = f"postgresql+psycopg://{parts.get('user', '')}@/{parts['dbname']}?host={parts['host']}"
    return SqlRows(address, "SELECT * FROM labelled")


def s3_rows(store: ObjectStore, folder: Path) -> RowSource:
    local = folder / "rows.parquet"
    write_as(pa.Table.from_pandas(rows(), preserve_index=False), local)
    key = f"{BUCKET}/{folder.name}"
    for name in ("a/rows.parquet", "_temporary/rows.parquet"):
        with store.client().open_output_stream(f"{key}/{name}") as file:
            file.write(local.read_bytes())
    return FileRows(S3Files.at(S3Address(store.endpoint)), key, f"s3://{key}")


KINDS = (".parquet", ".csv", ".arrow", ".arrows", "folder", "sqlite", "postgres", "s3")


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RowSource]:
    kind = str(request.param)
    if kind == "s3":
        store: ObjectStore = request.getfixturevalue("store")
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        yield s3_rows(store, tmp_path)
    elif kind == "postgres":
        engines: EngineAddresses = request.getfixturevalue("engines")
        with fresh_database(engines.database_url) as url:
            yield postgres_rows(url)
    else:
        makers: dict[str, Callable[[Path], RowSource]] = {"folder": folder_of_files, "sqlite": sqlite_rows}
        yield makers[kind](tmp_path) if kind in makers else one_file(tmp_path, kind)


def read(source: RowSource, columns: Sequence[str]) -> pa.Table:
    return asyncio.run(source.read(columns))


def test_rows_are_those_that_were_written(source: RowSource, task_of: tuple[Workshop, Any]) -> None:
    work, task = task_of
    table = read(source, wanted_columns(task))
    expected = pa.Table.from_pandas(rows(), preserve_index=False)
    hashed = work.keys.data_subject_hash
    found, wanted = (encode(task, each, hashed) for each in (table, expected))
    assert found.rows.features == pytest.approx(wanted.rows.features, abs=1e-12, nan_ok=True)
    assert found.rows.classes.tolist() == wanted.rows.classes.tolist()
    assert found.data_subjects == wanted.data_subjects


def test_only_what_is_asked_for_is_read_and_what_is_not_there_is_left_out(source: RowSource) -> None:
    assert read(source, ("label", "nowhere", "first")).column_names == ["label", "first"]


def test_reading_again_gives_the_same_rows(source: RowSource) -> None:
    assert read(source, COLUMNS).to_pandas().equals(read(source, COLUMNS).to_pandas())


@pytest.mark.parametrize("make", [memory_stand, jetstream_stand])
def test_topic_gives_admitted_rows_with_their_latest_label_and_hashes_for_people(
    make: Callable[[pytest.FixtureRequest], TopicStand], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    stand = make(request)
    try:
        found = asyncio.run(stand.tell_and_read())
    finally:
        stand.close()
    assert found.table.num_rows == len(found.expected)
    encoded = encode(found.task, found.table, lambda task_id, person: b"")
    told = list(
        zip(encoded.data_subjects or (), encoded.rows.features.tolist(), encoded.rows.classes.tolist(), strict=True)
    )
    assert sorted(map(repr, told)) == sorted(map(repr, found.expected))  # NaN is not itself


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.arrow", "rows.arrows"])
def test_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe nothing\n\x00")
    with pytest.raises(DissonanceError):
        read(FileRows(LocalFiles(), str(tmp_path / name), name), COLUMNS)


def test_folder_without_a_known_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("")
    with pytest.raises(InvalidDataFile, match="none of 1 files is of a known kind"):
        read(FileRows(LocalFiles(), str(tmp_path), "folder"), COLUMNS)


def test_database_that_is_away_a_query_that_is_none_and_an_address_that_is_none_are_told(tmp_path: Path) -> None:
    away = SqlRows("postgresql+psycopg://me:hidden@127.0.0.1:9/x", "SELECT 1")
    assert "hidden" not in away.shown
    with pytest.raises(EngineUnavailable) as raised:
        read(away, COLUMNS)
    assert "hidden" not in str(raised.value)
    with pytest.raises(DissonanceError, match="no such table"):
        read(SqlRows(f"sqlite:///{tmp_path / 'x.db'}", "SELECT * FROM nowhere"), COLUMNS)
    for address in ("nonsense://x", "no address"):
        with pytest.raises(InputError, match="no address of a database"):
            SqlRows(address, "SELECT 1")


def test_of_a_query_its_digest_is_shown_which_tells_it_from_others() -> None:
    one, other = (SqlRows("sqlite:///rows.db", f"SELECT * FROM rows WHERE person = '{who}'") for who in ("Ada", "Bob"))
    assert "Ada" not in one.shown and one.shown != other.shown
    assert one.shown.startswith("sqlite:///rows.db query ")
