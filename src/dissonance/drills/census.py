"""The small task that drills and benchmarks run on: employment of adults in Massachusetts, real census rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dissonance.contracts.api import Row
from dissonance.data import acs_employment_path

TASK = "census"
TARGET = "employed"
PERSON = "person"
TRAIN_YEAR = 2015
NUMBERS = ("AGEP", "SCHL")


def write_training_file(folder: Path, rows: int) -> Path:
    """The first `rows` adults of 2015, as the file that `dissonance task create` reads, and behind them the first
    person of each category that those do not have: a category that was never seen is not answered."""
    path = folder / f"census-{rows}.parquet"
    adults = _adults(TRAIN_YEAR)
    first = adults.head(rows)
    rest = adults.iloc[rows:]
    columns = [name for name in adults.columns if name not in (*NUMBERS, TARGET, PERSON, "year")]
    rare = [rest[~rest[name].isin(first[name])].drop_duplicates(name) for name in columns]
    pd.concat([first, *rare]).drop_duplicates(PERSON).drop(columns="year").to_parquet(path)
    return path


def create_arguments(training: Path) -> tuple[str, ...]:
    """What comes after `dissonance`."""
    return ("task", "create", TASK, "--data", str(training), "--target", TARGET, "--subject", PERSON)


def traffic(rows: int) -> tuple[list[Row], list[int]]:
    """`rows` adults of 2016 to 2018 as the API takes them, each a person of their own, and their labels."""
    frame = pd.concat([_adults(year) for year in (2016, 2017, 2018)]).head(rows)
    labels = [int(label) for label in frame.pop(TARGET)]
    records: list[Row] = frame.drop(columns="year").to_dict("records")
    return records, labels


def _adults(year: int) -> pd.DataFrame:
    frame = pd.read_parquet(acs_employment_path())
    adults = frame[(frame["year"] == year) & (frame["AGEP"] >= 16)]
    return adults.assign(**{PERSON: [f"acs-{year}-{row}" for row in adults.index]})
