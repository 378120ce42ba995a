"""Batch scoring from and to a real S3 store, and by the workers of a real Dask cluster: the same answers to the bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pytest
from distributed import Client, LocalCluster

from dissonance.adapters.dask.crew import DaskCrew
from dissonance.adapters.s3.files import S3Address
from dissonance.bootstrap_scoring import crew_maker, open_place
from dissonance.decisions.scoring import Scorer, ScorerSpecification
from dissonance.decisions.tables import table_bytes
from dissonance.errors import ClusterError, InputError, ScoringConflict
from dissonance.pipeline.scoring.run import Model, OnBadRow, Request, Scoring
from dissonance.pipeline.scoring.source import parts
from dissonance.pipeline.scoring.threads import ThreadCrew
from dissonance.ports.scoring import Part
from support.object_store import BUCKET, ObjectStore, object_store
from support.scoring import local, request, rows_table, score, small_model, write_rows

PART_ROWS = 500
ROWS = 6_200


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as started:
        yield started


def source_parts(folder: Path, model: Model) -> tuple[ScorerSpecification, list[Part]]:
    """Of a CSV file with a bad row and a broken line."""
    path = write_rows(folder / "rows.csv", rows_table(ROWS))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:700], "broken\n", *lines[700:2_000], lines[3].replace('"', "?"), *lines[2_001:]]))
    scoring = Scoring(model, request(path, folder / "out.csv", keys=("id",), on_bad_row=OnBadRow.SKIP), PART_ROWS)
    return scoring.specification, list(parts(scoring.source, PART_ROWS, 0))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
def test_from_store_to_store_it_is_the_same_as_on_this_machine(
    tmp_path: Path, model: Model, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    rows = write_rows(tmp_path / f"rows{ending}", rows_table(ROWS))
    score(model, request(rows, tmp_path / f"scores{ending}"), part_rows=PART_ROWS)
    there, address = f"{BUCKET}/{ending[1:]}", S3Address(store.endpoint)
    with store.client().open_output_stream(f"{there}/rows{ending}") as file:
        file.write(rows.read_bytes())
    places = [open_place(f"s3://{there}/{name}{ending}", address) for name in ("rows", "scores")]
    asked = Request(*places, None)
    assert score(model, asked, part_rows=PART_ROWS).scored == ROWS
    with store.client().open_input_stream(f"{there}/scores{ending}") as file:
        assert file.read() == (tmp_path / f"scores{ending}").read_bytes()
    with pytest.raises(ScoringConflict, match="there already"):
        score(model, asked)
    left = store.client().get_file_info(pa.fs.FileSelector(there, recursive=True))
    assert sorted(each.base_name for each in left) == [f"rows{ending}", f"scores{ending}"]


def test_cluster_says_of_each_part_the_same_to_the_bit(tmp_path: Path, model: Model, cluster: LocalCluster) -> None:
    specification, all_parts = source_parts(tmp_path, model)
    here = list(ThreadCrew(Scorer(specification).score, 1).score(all_parts))
    there = list(DaskCrew(cluster.scheduler_address, specification).score(all_parts))
    assert [(each.number, each.read) for each in there] == [(each.number, each.read) for each in here]
    assert [table_bytes(each.answers) for each in there] == [table_bytes(each.answers) for each in here]
    assert [table_bytes(each.rejected) for each in there] == [table_bytes(each.rejected) for each in here]
    assert sum(each.rejected.num_rows for each in here) == 2


def test_file_by_the_cluster_is_the_file_by_this_machine(tmp_path: Path, model: Model, cluster: LocalCluster) -> None:
    rows = write_rows(tmp_path / "rows.parquet", rows_table(ROWS))
    score(model, request(rows, tmp_path / "here.parquet"), part_rows=PART_ROWS)
    scoring = Scoring(model, request(rows, tmp_path / "there.parquet"), PART_ROWS)
    assert scoring.run(crew_maker(cluster.scheduler_address, 1), lambda rows: None).scored == ROWS
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def test_parts_in_hand_of_a_worker_that_is_killed_are_done_by_another(
    tmp_path: Path, model: Model, cluster: LocalCluster
) -> None:
    specification, all_parts = source_parts(tmp_path, model)
    here = [table_bytes(each.answers) for each in ThreadCrew(Scorer(specification).score, 1).score(all_parts)]
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        victims = list(client.run(os.getpid).values())

    def killing() -> Iterable[Part]:
        for part in all_parts:
            if part.number == 4:
                os.kill(victims[0], signal.SIGKILL)
            yield part

    there = DaskCrew(cluster.scheduler_address, specification).score(killing())
    assert [table_bytes(each.answers) for each in there] == here
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert victims[0] not in client.run(os.getpid).values()


def test_model_goes_to_workers_opened_and_no_key_with_it(model: Model, tmp_path: Path) -> None:
    specification, _ = source_parts(tmp_path, model)
    assert set(type(specification).__struct_fields__) == {
        *("task", "proposer", "critic", "keys", "text_cells", "stop_at_first"),
    }
    assert set(model.proposer.files) <= {"model.txt", "components.json", "bom.cdx.json", "model-card.md"}


@pytest.mark.parametrize("address", ["nonsense", "foo://x:1", "tls://127.0.0.1:9"])
def test_an_address_that_cannot_be_one_is_told(model: Model, tmp_path: Path, address: str) -> None:
    specification, all_parts = source_parts(tmp_path, model)
    with pytest.raises(ClusterError, match="cannot be used"):
        list(DaskCrew(address, specification).score(all_parts))


def test_no_scheduler_at_the_address_is_told(model: Model, tmp_path: Path) -> None:
    specification, all_parts = source_parts(tmp_path, model)
    with pytest.raises(ClusterError, match="does not answer") as raised:
        list(DaskCrew("tcp://127.0.0.1:9", specification, timeout_s=1.0).score(all_parts))
    assert raised.value.where == "tcp://127.0.0.1:9"


def test_place_without_bucket_or_of_another_scheme_is_refused(tmp_path: Path) -> None:
    for shown in ("s3://bucket", "s3:///key", "gs://bucket/key"):
        with pytest.raises(InputError, match="no address"):
            open_place(shown, S3Address())
    assert open_place(str(tmp_path), S3Address()).path == local(tmp_path).path
