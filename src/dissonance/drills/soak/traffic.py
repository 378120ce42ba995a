"""The rows of the soak: adults of 2016 to 2018, over and over, each time as another person at a later event time.

The answers, doubts and labels are those of real people; only who they are and when is new, so that no row is a
repetition to any part of the system.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dissonance.contracts.api import Row
from dissonance.contracts.times import to_text
from dissonance.drills import census

TIME = "event_time"
ROWS_PER_DAY = 10_000
"""Rows of one day of event time: a million rows are a hundred days, and a hundred windows of the default policy."""

DAY_US = 86_400_000_000
ALL_ADULTS = 1_000_000
"""More than there are."""

TRAINING_ROWS = 20_000


class Traffic:
    """`rows` rows that end a day before `now_us`. `times_us`, `labels`: (rows,)."""

    def __init__(self, rows: int, now_us: int) -> None:
        self._records, labels = census.traffic(min(rows, ALL_ADULTS))
        self._rows = rows
        self._start_us = start_us(rows, now_us)
        self.times_us: npt.NDArray[np.int64] = self._start_us + np.arange(rows, dtype=np.int64) * (
            DAY_US // ROWS_PER_DAY
        )
        self.labels: npt.NDArray[np.int64] = np.resize(np.array(labels, dtype=np.int64), rows)

    def __len__(self) -> int:
        return self._rows

    @property
    def people(self) -> int:
        """How many there are before the first comes again."""
        return len(self._records)

    def rows(self, start: int, end: int) -> list[Row]:
        return [self._row(position) for position in range(start, end)]

    def _row(self, position: int) -> Row:
        time_round, place = divmod(position, len(self._records))
        record = self._records[place]
        person = f"{record[census.PERSON]}-{time_round}"
        return {**record, census.PERSON: person, TIME: to_text(int(self.times_us[position]))}


def start_us(rows: int, now_us: int) -> int:
    """Event time of the first of `rows` rows; the last is at least a day ago, so that no event time is later than the
    clock."""
    days = -(-rows // ROWS_PER_DAY) + 1
    return now_us // DAY_US * DAY_US - days * DAY_US


def write_training_file(folder: Path, before_us: int, rows: int = TRAINING_ROWS) -> Path:
    """As `census` writes it, with event times in the year before `before_us`."""
    path = census.write_training_file(folder, rows)
    frame = pd.read_parquet(path)
    times_us = before_us - 365 * DAY_US + np.arange(len(frame)) * (365 * DAY_US // len(frame))
    frame.assign(**{TIME: pd.to_datetime(times_us, unit="us", utc=True)}).to_parquet(path, index=False)
    return path
