"""Labels in a file, and label requests into one: CSV, Parquet or JSON lines, the same columns both ways."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dissonance.contracts.api import Label
from dissonance.contracts.label_api import LeasedRequest
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.decisions.spreadsheets import harmless
from dissonance.errors import InvalidDataFile
from dissonance.pipeline.data_file import read_data_file
from dissonance.pipeline.file_limits import MOST_BYTES
from dissonance.ports.labels import AskedAs

COLUMNS = ("prediction_id", "label", "labelled_at", "data_subject", "event_time", "withdrawn")
"""What is read of a line; all else in it is passed over, so that an exported file can be filled in and imported."""

LINES = ".jsonl"
FRAMES = (".csv", ".parquet")


class NumberedLabel(NamedTuple):
    """`line` counts from 1, a CSV's header line included. `second_look`: an exported line says that it was one."""

    line: int
    label: Label
    second_look: bool


class LabelFile(NamedTuple):
    """`empty` lines have no label yet and withdraw none."""

    labels: list[NumberedLabel]
    empty: int


def read_label_file(path: Path, most_bytes: int = MOST_BYTES) -> LabelFile:
    """By the name's ending: `.jsonl`, `.csv` or `.parquet`, whose rows may take `most_bytes` of memory.

    Raises `InvalidDataFile` that names the line.
    """
    if path.suffix.lower() == LINES:
        lines = _read_lines(path)
    elif path.suffix.lower() not in FRAMES:
        raise InvalidDataFile(
            f"'{path.suffix}' is no known kind of file", where=str(path), fix="give a .csv, .parquet or .jsonl file"
        )
    else:
        frame = read_data_file(path, most_bytes).frame
        header = 1 if path.suffix.lower() == ".csv" else 0
        lines = [(number + header, record) for number, record in enumerate(frame.to_dict("records"), 1)]
    if lines and not {"prediction_id", "data_subject"} & {name for _, record in lines for name in record}:
        raise InvalidDataFile(
            "no line names a prediction or a data subject",
            where=str(path),
            fix="give a column prediction_id, or data_subject and event_time",
        )
    read = [(number, _label(number, record, path), record.get("asked_as")) for number, record in lines]
    labels = [
        NumberedLabel(number, label, asked_as == AskedAs.SECOND_LOOK)
        for number, label, asked_as in read
        if label is not None
    ]
    return LabelFile(labels, len(read) - len(labels))


def write_requests(requests: Sequence[LeasedRequest], kind: str) -> str:
    """As CSV (`.csv`) with a column for each field of the row, or as JSON lines; `label` is there to be filled in."""
    records = [
        {
            "prediction_id": each.prediction_id,
            "asked_as": each.asked_as,
            "event_time": each.event_time,
            "label": None,
            **each.row,
        }
        for each in requests
    ]
    if kind != ".csv":
        return "".join(msgspec.json.encode(record).decode() + "\n" for record in records)
    text = StringIO()
    names = list(dict.fromkeys(name for record in records for name in record)) or ["prediction_id", "label"]
    writer = csv.writer(text)
    # Only what is passed over when the file comes back can begin as a formula does.
    writer.writerow(map(harmless, names))
    writer.writerows([harmless(record.get(name)) for name in names] for record in records)
    return text.getvalue()


def _read_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidDataFile(
            f"the file cannot be read: {error.strerror}", where=str(path), fix="give the path of a readable file"
        ) from error
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            lines.append((number, msgspec.json.decode(line, type=dict[str, Any])))
        except UNREADABLE as error:
            raise InvalidDataFile(
                f"it is no JSON object: {error}", where=f"{path}, line {number}", fix="write one object a line"
            ) from error
    return lines


def _label(line: int, record: Mapping[str, Any], path: Path) -> Label | None:
    given = {name: _plain(record[name]) for name in COLUMNS if name in record}
    given = {name: value for name, value in given.items() if value is not None}
    if "label" not in given and not given.get("withdrawn"):
        return None
    if "prediction_id" in given:
        given.pop("data_subject", None)
        given.pop("event_time", None)
    try:
        return msgspec.convert(given, type=Label)
    except msgspec.ValidationError as error:
        raise InvalidDataFile(
            str(error), where=f"{path}, line {line}", fix=f"the columns are {', '.join(COLUMNS)}"
        ) from error


def _plain(value: Any) -> Any:
    """As JSON has it: numpy's scalars and pandas' times as Python's, gaps as None."""
    if hasattr(value, "isoformat"):
        return None if str(value) == "NaT" else value.isoformat()
    plain = value.item() if hasattr(value, "item") else value
    return None if (isinstance(plain, float) and math.isnan(plain)) or plain == "" else plain
