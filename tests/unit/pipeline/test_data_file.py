"""A data file is read whole, or refused with the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from dissonance.errors import InvalidDataFile
from dissonance.pipeline.data_file import (
    DataFile,
    check_times,
    read_data_file,
    read_data_subjects,
    read_target,
    require_columns,
)
from support.workshop import frame, write


@pytest.mark.parametrize("name", ["data.parquet", "data.csv"])
def test_both_formats_give_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, frame(300), name)
    data = read_data_file(path)
    assert data.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    pandas.testing.assert_frame_equal(data.frame, frame(300))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.parquet", b"not parquet", "not parquet"),
        ("data.csv", b"", "not csv"),
        ("data.csv", b"a,b\n\xff\xfe,1\n", "not csv"),
        ("data.xlsx", b"PK", "no known kind"),
        ("data.csv", b"a,b\n1,2,3\n4,5,6\n", "rows have 3 fields, the header line has 2"),
        ("data.csv", b"a,b,b\n1,2,3\n", "1 name stands for several columns, the first is 'b'"),
    ],
)
def test_content_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidDataFile, match=message) as caught:
        read_data_file(path)
    assert caught.value.where == str(path)


def test_repeated_names_in_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pyarrow.table([[1], [2]], names=["a", "a"]), path)
    with pytest.raises(InvalidDataFile, match="the first is 'a'"):
        read_data_file(path)


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "DATA.CSV"
    path.write_bytes(b'\xef\xbb\xbf\r\n"a, b",c.d,\r\n1,x,\r\n')
    assert list(read_data_file(path).frame.columns) == ["a, b", "c.d", "Unnamed: 2"]


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidDataFile, match="cannot be read"):
            read_data_file(path)


def test_a_column_that_is_not_there_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidDataFile) as caught:
        require_columns(frame(10), target="label", time_column="when")
    assert "'when'" in caught.value.what
    assert "first, second, kind" in caught.value.fix


def test_of_very_many_columns_the_one_that_was_meant_is_named_or_some() -> None:
    many = pandas.DataFrame(columns=[f"column-{number}" for number in range(3000)])
    with pytest.raises(InvalidDataFile) as caught:
        require_columns(many, target="colunm-2999")
    assert caught.value.fix == "did you mean 'column-2999'?"
    with pytest.raises(InvalidDataFile) as caught:
        require_columns(many, target="y")
    assert caught.value.fix.endswith("column-19 and 2980 more")


@pytest.mark.parametrize(
    "times",
    [
        pandas.date_range("2018-01-01", periods=2, tz="Europe/Berlin"),
        ["2018-01-01", "2018-01-31T12:00:00Z"],
        [pandas.Timestamp("2018-01-01").date(), None],
        [1_514_764_800, 1_514_764_800.5],
    ],
)
def test_times_may_be_stamps_days_texts_or_seconds(times: object) -> None:
    check_times(pandas.DataFrame({"when": times}), "when")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2018-01-01", "soon"], "row 1 holds no time"),
        ([1_514_764_800_000_000, 0], "row 0 holds no time"),
        ([None, None], "no time at all"),
    ],
)
def test_a_column_of_no_times_is_refused(times: list[object], message: str) -> None:
    with pytest.raises(InvalidDataFile, match=message) as caught:
        check_times(pandas.DataFrame({"when": times}, index=["a", "b"]), "when")
    assert caught.value.where == "when"


def test_one_column_cannot_be_two_things() -> None:
    with pytest.raises(InvalidDataFile, match="twice"):
        require_columns(frame(10), target="label", data_subject="label")


def labels(values: list[object]) -> pandas.DataFrame:
    return pandas.DataFrame({"label": values})


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["yes", "no"] * 100, ("no", "yes")),
        ([1, 0] * 100, (0, 1)),
        ([2.0, 1.0] * 100, (1, 2)),
        ([True, False] * 100, (False, True)),
        (["b", "c", "a"] * 100, ("a", "b", "c")),
    ],
)
def test_classes_are_the_sorted_values_as_json_has_them(values: list[object], classes: tuple[object, ...]) -> None:
    target = read_target(labels(values), "label")
    assert target.classes == classes
    assert [type(each) for each in target.classes] == [type(each) for each in classes]
    assert [target.classes[index] for index in target.indices[:3]] == values[:3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["yes"] * 300, "1 different values"),
        (list(range(300)), "300 different values"),
        ([0.0, float("inf")] * 150, "infinite"),
        (["yes", None] * 150, "missing in 150 rows, first in row 1"),
        ([1.0, float("nan")] * 150, "missing"),
        (["yes", "no"] * 50, "100 rows"),
        (["yes"] * 300 + ["no"] * 3, "3 of class 'no'"),
        ([pandas.Timestamp("2018-01-01"), pandas.Timestamp("2018-01-02")] * 150, "Timestamp"),
    ],
)
def test_a_target_that_makes_no_classification_is_refused(values: list[object], message: str) -> None:
    with pytest.raises(InvalidDataFile, match=message) as caught:
        read_target(labels(values), "label")
    assert caught.value.where == "label"


def test_the_same_person_is_the_same_text_as_number_or_text() -> None:
    numbers = DataFile(pandas.DataFrame({"id": [7.0, 8.0]}), "d")
    texts = DataFile(pandas.DataFrame({"id": ["7", "8"]}), "d")
    assert read_data_subjects(numbers, "id") == read_data_subjects(texts, "id") == ["7", "8"]


def test_rows_without_a_column_of_persons_are_each_their_own() -> None:
    assert read_data_subjects(DataFile(frame(3), "abc"), None) == ["row:abc:0", "row:abc:1", "row:abc:2"]


@pytest.mark.parametrize("values", [["a", None], ["a", ""], [1.5, 2.0], [True, False], [np.nan, 1.0]])
def test_a_row_without_a_person_is_refused(values: list[object]) -> None:
    with pytest.raises(InvalidDataFile):
        read_data_subjects(DataFile(pandas.DataFrame({"id": values}), "d"), "id")
