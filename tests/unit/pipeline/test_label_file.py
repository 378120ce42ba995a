"""Files of labels as people make them, and requests that come back as labels."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from dissonance.contracts.api import Label
from dissonance.contracts.label_api import LeasedRequest
from dissonance.errors import InvalidDataFile
from dissonance.pipeline.label_file import read_label_file, write_requests

ID = "00000000-0000-7000-8000-000000000001"


def request(number: int, asked_as: str = "chosen") -> LeasedRequest:
    return LeasedRequest(
        request_id=f"r{number}",
        prediction_id=f"p{number}",
        asked_as=asked_as,
        event_time="2020-01-01T00:00:00Z",
        leased_until="2020-01-02T00:00:00Z",
        row={"age": 31, "work": "clerk, senior"},
    )


def test_csv_and_parquet_give_the_labels_of_their_lines(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "prediction_id": [ID, None, None],
            "data_subject": [None, "ann", "bob"],
            "event_time": [None, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"],
            "label": ["yes", "no", None],
            "remark": ["a", "b", "c"],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name, first in (("a.csv", 2), ("a.parquet", 1)):
        read = read_label_file(tmp_path / name)
        assert read.empty == 1
        assert [each.line for each in read.labels] == [first, first + 1]
        assert [each.label for each in read.labels] == [
            Label(prediction_id=ID, label="yes"),
            Label(data_subject="ann", event_time="2020-01-01T00:00:00Z", label="no"),
        ]


def test_numbers_and_withdrawals_come_as_what_they_are(tmp_path: Path) -> None:
    lines = [{"prediction_id": ID, "label": 1}, {"prediction_id": ID, "withdrawn": True}]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines) + b"\n\n")
    assert [each.label for each in read_label_file(tmp_path / "a.jsonl").labels] == [
        Label(prediction_id=ID, label=1),
        Label(prediction_id=ID, withdrawn=True),
    ]


@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_requests_that_were_filled_in_come_back_as_labels_and_know_second_looks(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"asked{kind}"
    path.write_text(write_requests([request(1), request(2, "second_look"), request(3)], kind))
    assert read_label_file(path).labels == []
    if kind == ".csv":
        frame = pd.read_csv(path)
        assert frame["work"].tolist() == ["clerk, senior"] * 3
        frame["label"] = ["yes", "no", None]
        frame.to_csv(path, index=False)
    else:
        records = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        for record, label in zip(records, ("yes", "no", None), strict=True):
            record["label"] = label
        path.write_bytes(b"\n".join(msgspec.json.encode(record) for record in records))
    read = read_label_file(path)
    assert [(each.label, each.second_look) for each in read.labels] == [
        (Label(prediction_id="p1", label="yes"), False),
        (Label(prediction_id="p2", label="no"), True),
    ]
    assert read.empty == 1


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl", b'{"prediction_id": "x", "label": 1}\nnonsense\n', "line 2"),
        ("a.jsonl", b'{"prediction_id": 5, "label": 1}\n', "line 1"),
        ("a.csv", b"label\nyes\n", "a.csv"),
        ("a.txt", b"label\nyes\n", "a.txt"),
        ("none.jsonl", None, "none.jsonl"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes | None, place: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidDataFile) as caught:
        read_label_file(tmp_path / name)
    assert place in caught.value.where


def test_no_request_is_a_file_with_its_heading() -> None:
    assert write_requests([], ".csv").strip() == "prediction_id,label"
    assert write_requests([], ".jsonl") == ""


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text_and_numbers_stay_numbers(first: str) -> None:
    asked = msgspec.structs.replace(
        request(1), row={"work": f"{first}cmd|' /C calc'!A0", "gain": -1.5, f"{first}x": "a"}
    )
    header, line = csv.reader(StringIO(write_requests([asked], ".csv")))
    cells = dict(zip(header, line, strict=True))
    assert cells["work"] == f"'{first}cmd|' /C calc'!A0"
    assert cells["gain"] == "-1.5"
    assert cells[f"'{first}x"] == "a"
    assert not [cell for cell in (*header, *line) if cell.startswith(("=", "+", "@", "\t", "\r", "\n"))]
