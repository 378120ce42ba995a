from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from dissonance.adapters.files.local import LocalFiles
from dissonance.decisions.scoring import ScorerSpecification
from dissonance.errors import (
    InputError,
    InvalidDataFile,
    MalformedRow,
    MissingField,
    RecordBroken,
    ScoringConflict,
    StorageError,
    UnseenCategory,
)
from dissonance.pipeline.scoring.ledger import Manifest
from dissonance.pipeline.scoring.run import Model, OnBadRow, Outcome, Place, Request, Scoring
from dissonance.ports.scoring import Crew
from support.scoring import read_rows_of, request, rows_table, score, small_model, write_rows


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def spoilt(table: pa.Table, rows: list[int]) -> pa.Table:
    kinds = table["kind"].to_pylist()
    for row in rows:
        kinds[row] = "never seen"
    return table.set_column(table.column_names.index("kind"), "kind", pa.array(kinds))


@pytest.mark.parametrize("out", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("source", [".parquet", ".csv", ".arrow", ".arrows"])
def test_answers_come_in_order_whatever_the_formats(tmp_path: Path, model: Model, source: str, out: str) -> None:
    table = rows_table(2_300)
    rows, written = write_rows(tmp_path / f"rows{source}", table), tmp_path / f"scores{out}"
    outcome = score(model, request(rows, written, keys=("id", "person")), jobs=2)
    assert outcome == Outcome(read=2_300, scored=2_300, rejected=0, resumed=0, parts=3)
    found = read_rows_of(written)
    assert found["row"].to_pylist() == list(range(2_300))
    assert [int(each) for each in found["id"].to_pylist()] == table["id"].to_pylist()
    plain = tmp_path / "plain.parquet"
    score(model, request(write_rows(tmp_path / "same.parquet", table), plain), part_rows=100)
    assert found["doubt"].to_pylist() == read_rows_of(plain)["doubt"].to_pylist()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {rows.name, written.name, "plain.parquet", "same.parquet"}
    )


def test_output_is_readable_by_its_owner_only(tmp_path: Path, model: Model) -> None:
    score(model, request(write_rows(tmp_path / "rows.parquet", rows_table(5)), tmp_path / "scores.csv"))
    assert (tmp_path / "scores.csv").stat().st_mode & 0o777 == 0o600


def test_output_says_by_which_model(tmp_path: Path, model: Model) -> None:
    score(model, request(write_rows(tmp_path / "rows.csv", rows_table(5)), tmp_path / "scores.parquet"))
    said = pyarrow.parquet.read_schema(tmp_path / "scores.parquet").metadata
    assert said[b"dissonance.model_digest"].decode() == model.proposer.digest


@pytest.mark.parametrize("out", [".parquet", ".csv", ".arrow", ".arrows"])
def test_no_rows_give_a_file_of_no_answers(tmp_path: Path, model: Model, out: str) -> None:
    rows = write_rows(tmp_path / "rows.parquet", rows_table(3).slice(0, 0))
    assert score(model, request(rows, tmp_path / f"scores{out}", keys=("id",))).read == 0
    assert read_rows_of(tmp_path / f"scores{out}").column_names[:3] == ["row", "id", "class"]


def test_first_bad_row_ends_it_by_default_and_is_named(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.parquet", spoilt(rows_table(500), [250, 400]))
    with pytest.raises(UnseenCategory, match="never seen") as raised:
        score(model, request(rows, tmp_path / "scores.parquet"), part_rows=100)
    assert raised.value.where == f"{rows}, row 250, column kind"
    assert "--on-bad-row skip" in raised.value.fix
    assert not (tmp_path / "scores.parquet").exists()


def test_what_was_scored_before_the_bad_row_is_kept_for_a_run_that_skips(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.csv", spoilt(rows_table(500), [250])), tmp_path / "scores.parquet")
    with pytest.raises(UnseenCategory):
        score(model, asked, part_rows=100)
    outcome = score(model, asked._replace(on_bad_row=OnBadRow.SKIP), part_rows=100)
    assert outcome == Outcome(read=500, scored=499, rejected=1, resumed=200, parts=5)
    assert 250 not in read_rows_of(tmp_path / "scores.parquet")["row"].to_pylist()


def test_a_run_that_stops_does_not_go_on_one_that_skipped(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.csv", spoilt(rows_table(500), [50])), tmp_path / "scores.parquet")
    with pytest.raises(Cut):
        cut_after(2, model, asked._replace(on_bad_row=OnBadRow.SKIP))
    with pytest.raises(ScoringConflict, match="left bad rows out"):
        score(model, asked, part_rows=100)


def test_bad_rows_are_reported_in_a_file_of_their_own(tmp_path: Path, model: Model) -> None:
    path = write_rows(tmp_path / "rows.csv", spoilt(rows_table(500), [7, 250]))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:300], "too,few\n", *lines[300:]]))
    asked = request(path, tmp_path / "scores.csv", tmp_path / "bad.csv", keys=("id",), on_bad_row=OnBadRow.REPORT)
    assert score(model, asked, part_rows=100) == Outcome(read=501, scored=498, rejected=3, resumed=0, parts=5)
    bad = pyarrow.csv.read_csv(tmp_path / "bad.csv").select(["row", "id", "column", "error"]).to_pylist()
    assert bad == [
        {"row": 7, "id": 1_007, "column": "kind", "error": "unseen-category"},
        {"row": 250, "id": 1_250, "column": "kind", "error": "unseen-category"},
        {"row": 299, "id": None, "column": "", "error": "malformed-row"},
    ]
    scored = read_rows_of(tmp_path / "scores.csv")
    assert scored["row"].to_pylist() == [row for row in range(501) if row not in (7, 250, 299)]
    assert scored["id"].to_pylist()[-1] == 1_499


def test_a_broken_line_ends_it_by_default(tmp_path: Path, model: Model) -> None:
    path = write_rows(tmp_path / "rows.csv", rows_table(5))
    path.write_text(path.read_text() + "1,2\n")
    with pytest.raises(MalformedRow, match="2 fields") as raised:
        score(model, request(path, tmp_path / "scores.csv"))
    assert raised.value.where == f"{path}, row 5"


def test_missing_columns_are_told_before_anything_is_written(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.parquet", rows_table(5).drop_columns(["first"]))
    with pytest.raises(MissingField, match="'first'"):
        score(model, request(rows, tmp_path / "scores.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_key_that_is_not_there_is_told(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.parquet", rows_table(5))
    with pytest.raises(InvalidDataFile, match="'nobody'"):
        score(model, request(rows, tmp_path / "scores.parquet", keys=("nobody",)))


def test_a_key_of_lists_is_refused(tmp_path: Path, model: Model) -> None:
    table = rows_table(2).append_column("many", pa.array([[1], [2]]))
    with pytest.raises(InputError, match="lists"):
        score(model, request(write_rows(tmp_path / "r.parquet", table), tmp_path / "s.csv", keys=("many",)))


def test_an_output_that_is_there_is_left_alone_unless_restarted(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.parquet", rows_table(5)), tmp_path / "scores.csv")
    (tmp_path / "scores.csv").write_text("mine")
    with pytest.raises(ScoringConflict, match="there already") as raised:
        score(model, asked)
    assert "--restart" in raised.value.fix
    assert (tmp_path / "scores.csv").read_text() == "mine"
    assert score(model, asked._replace(restart=True)).scored == 5
    assert (tmp_path / "scores.csv").read_text() != "mine"


def test_a_report_that_is_there_is_left_alone(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.parquet", rows_table(5))
    (tmp_path / "bad.csv").write_text("mine")
    with pytest.raises(ScoringConflict, match="there already"):
        score(model, request(rows, tmp_path / "scores.csv", tmp_path / "bad.csv", on_bad_row=OnBadRow.REPORT))
    assert (tmp_path / "bad.csv").read_text() == "mine"


def test_an_output_in_the_place_of_the_input_is_refused_also_when_restarted(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.csv", rows_table(5))
    with pytest.raises(InputError, match="named twice"):
        score(model, request(rows, rows, restart=True))
    with pytest.raises(InputError, match="named twice"):
        score(model, request(rows, tmp_path / "s.csv", tmp_path / "s.csv", on_bad_row=OnBadRow.REPORT))


def test_a_key_that_is_no_text_is_a_bad_row(tmp_path: Path, model: Model) -> None:
    path = write_rows(tmp_path / "rows.csv", rows_table(5))
    path.write_bytes(path.read_bytes().replace(b"1002", b"\xff002"))
    with pytest.raises(MalformedRow, match="UTF-8") as raised:
        score(model, request(path, tmp_path / "scores.csv", keys=("id",)))
    assert raised.value.where == f"{path}, row 2, column id"
    asked = request(path, tmp_path / "scores.csv", tmp_path / "bad.csv", keys=("id",), on_bad_row=OnBadRow.REPORT)
    assert score(model, asked).scored == 4
    assert read_rows_of(tmp_path / "bad.csv")["id"].to_pylist() == ["�002"]


class Cut(Exception):
    """The run is over, however far it came."""


class CutFiles(LocalFiles):
    """Files whose `left`-th write from now does not take place, and then all is over."""

    def __init__(self, left: int) -> None:
        self.left = left

    @contextmanager
    def writing(self, path: str) -> Iterator[pa.NativeFile]:
        self.left -= 1
        if self.left < 0:
            raise Cut
        with super().writing(path) as file:
            yield file

    def delete_folder(self, path: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut
        super().delete_folder(path)


def cut_after(writes: int, model: Model, asked: Request) -> Outcome:
    files = CutFiles(1 + 2 * writes)
    return score(model, asked._replace(out=Place(files, asked.out.path, asked.out.shown)), part_rows=100)


def test_cut_at_any_write_and_run_again_it_gives_the_same_file(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.csv", spoilt(rows_table(430), [77, 310]))
    whole = request(rows, tmp_path / "whole.arrow", on_bad_row=OnBadRow.SKIP)
    score(model, whole, part_rows=100)
    expected, cuts = (tmp_path / "whole.arrow").read_bytes(), 0
    while True:
        asked = request(rows, tmp_path / f"cut-{cuts}.arrow", on_bad_row=OnBadRow.SKIP)
        out = Place(CutFiles(cuts), asked.out.path, asked.out.shown)
        try:
            score(model, asked._replace(out=out), part_rows=100)
            break
        except Cut:
            outcome = score(model, asked, part_rows=100)
        assert Path(asked.out.path).read_bytes() == expected
        assert (outcome.read, outcome.rejected) == (430, 2)
        assert not Path(asked.out.path + ".parts").exists()
        cuts += 1
    assert cuts == 1 + 2 * 5 + 2 + 1 + 1  # manifest; parts, each with a manifest; rejected parts; output; clearing


@pytest.mark.parametrize("change", ["rows", "model", "keys", "critic"])
def test_it_does_not_go_on_when_something_else_is_scored(tmp_path: Path, model: Model, change: str) -> None:
    rows = write_rows(tmp_path / "rows.csv", rows_table(500))
    asked = request(rows, tmp_path / "scores.csv")
    with pytest.raises(Cut):
        cut_after(2, model, asked)
    if change == "rows":
        rows.write_text(rows.read_text().replace("1003", "1004"))
    elif change == "model":
        model = model._replace(proposer=msgspec.structs.replace(model.proposer, digest="0" * 64))
    elif change == "critic":
        model = model._replace(critic=None)
    else:
        asked = asked._replace(keys=("id",))
    said = {"rows": "content of the input", "model": "the model", "keys": "--key", "critic": "--contradict"}
    with pytest.raises(ScoringConflict, match=said[change]) as raised:
        score(model, asked, part_rows=100)
    assert "--restart" in raised.value.fix
    assert score(model, asked._replace(restart=True), part_rows=100).resumed == 0


def test_a_part_that_was_changed_is_found_when_it_is_put_together(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.csv", rows_table(500)), tmp_path / "scores.csv")
    with pytest.raises(Cut):
        cut_after(2, model, asked)
    part = tmp_path / "scores.csv.parts" / "part-000001.arrow"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(RecordBroken, match="not as it was written"):
        score(model, asked, part_rows=100)
    assert not (tmp_path / "scores.csv").exists()


def test_a_manifest_that_is_none_is_refused(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.csv", rows_table(5)), tmp_path / "scores.csv")
    (tmp_path / "scores.csv.parts").mkdir()
    (tmp_path / "scores.csv.parts" / "manifest.json").write_text("{}")
    with pytest.raises(ScoringConflict, match="cannot be read"):
        score(model, asked)


def test_input_that_changes_meanwhile_is_noticed(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.csv", rows_table(50))
    scoring = Scoring(model, request(rows, tmp_path / "scores.csv"))

    def crew(specification: ScorerSpecification) -> Crew:
        os.utime(rows, ns=(0, 0))
        return Nobody()

    with pytest.raises(ScoringConflict, match="changed while"):
        scoring.run(crew, lambda rows: None)


class Nobody:
    def score(self, parts: object) -> Iterator[object]:
        yield from ()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, model: Model) -> None:
    rows = write_rows(tmp_path / "rows.csv", rows_table(5))
    with pytest.raises(StorageError, match="cannot be written"):
        score(model, request(rows, rows / "scores.csv"))


def test_manifest_says_what_is_done(tmp_path: Path, model: Model) -> None:
    asked = request(write_rows(tmp_path / "rows.csv", rows_table(500)), tmp_path / "scores.csv")
    with pytest.raises(Cut):
        cut_after(3, model, asked)
    content = (tmp_path / "scores.csv.parts" / "manifest.json").read_bytes()
    manifest = msgspec.json.decode(content, type=Manifest)
    assert (manifest.read, manifest.scored, manifest.rejected) == (300, 300, 0)
    assert manifest.subject.model_digest == model.proposer.digest
