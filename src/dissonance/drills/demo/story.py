"""The data of the demo, drawn from the packaged census file by a fixed seed. Nothing in it is made up but the times.

The census counts people in households and in group quarters (prisons, nursing homes, barracks, college dormitories:
RELP 16 and 17). The story: the sample of 2015 that the model learns from *reached few people in group quarters* (0.4 %
of those in the file are kept), as samples do. For five months of 2017 most of the traffic is such people, and what
is known about households does not hold for them. In autumn 2018 the group comes back. Between the two somebody puts a
model into production that learnt from wrong labels.

Every row is a real person of the survey year that its event time lies in, and no row is used twice: training and
stream share none. The survey tells the year only: within it, event times are spread evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from dissonance.contracts.api import Row
from dissonance.contracts.times import EPOCH, to_text
from dissonance.errors import InputError

TARGET = "employed"
TIME = "event_time"
PERSON = "person"
NUMBERS = ("AGEP", "SCHL")
CATEGORIES = (
    "MAR",
    "RELP",
    "DIS",
    "ESP",
    "CIT",
    "MIG",
    "MIL",
    "ANC",
    "NATIVITY",
    "DEAR",
    "DEYE",
    "DREM",
    "SEX",
    "RAC1P",
)
FEATURES = (*NUMBERS, *CATEGORIES)
FIRST_GROUP_QUARTERS = 16  # RELP: 16 institutional, 17 noninstitutional
ADULT = 16  # years of age
TRAIN_YEAR = 2015

SEED = 2015
DEFAULT_ROWS = 40_000
LEAST_ROWS, MOST_ROWS = 20_000, 45_000
"""Fewer rows show no clear fall; more would need more people in group quarters than the survey of 2017 has."""

THIN = 0.004  # share of the people in group quarters that the training sample reached
THIN_TRAFFIC = 0.001  # their share of the traffic outside the two stretches
STRETCH_SHARE = 0.75  # their share of the traffic in the two stretches


def _us(year: int, month: int, day: int) -> int:
    return int((datetime(year, month, day, tzinfo=UTC) - EPOCH).total_seconds()) * 1_000_000


class Span(NamedTuple):
    """Event time `[start_us, end_us)`, microseconds since 1970 UTC."""

    start_us: int
    end_us: int

    def holds(self, times_us: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return (times_us >= self.start_us) & (times_us < self.end_us)

    @property
    def length_us(self) -> int:
        return self.end_us - self.start_us


STREAM = Span(_us(2016, 1, 1), _us(2019, 1, 1))
FALL = Span(_us(2017, 4, 1), _us(2017, 9, 1))
RETURN = Span(_us(2018, 9, 1), _us(2018, 12, 1))
MEDDLING_SPAN = Span(_us(2018, 3, 1), _us(2018, 4, 1))
"""When somebody tries to put a bad model into production."""

WINDOW_US = 5 * 86_400 * 1_000_000
"""One evaluation window, counted from 1970 as the evaluator does; at 40,000 rows it holds 182."""

STRETCH, BACK = "the stretch of 2017", "when the group is back"
PERIODS: dict[str, Span] = {
    "before the stretch": Span(STREAM.start_us, FALL.start_us),
    STRETCH: FALL,
    "between the stretches": Span(FALL.end_us, RETURN.start_us),
    BACK: RETURN,
    "the last month": Span(RETURN.end_us, STREAM.end_us),
}


@dataclass(frozen=True)
class Part:
    """Rows in order of event time. `frame` has `FEATURES` and `PERSON`; the other columns are beside it.

    Shapes: all n. `labels` 0 or 1; `group_quarters` tells who lives there.
    """

    frame: pd.DataFrame
    times_us: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    group_quarters: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self, start: int, end: int) -> list[Row]:
        """Rows `[start, end)` as the HTTP API takes them: features, event time, data subject; no label."""
        records: list[Row] = self.frame.iloc[start:end].to_dict("records")
        for record, time_us in zip(records, self.times_us[start:end].tolist(), strict=True):
            record[TIME] = to_text(time_us)
        return records


class Story(NamedTuple):
    train: Part
    stream: Part
    thinned_away: int  # people in group quarters of the training year that the sample "did not reach"


def build_story(source: Path, rows: int = DEFAULT_ROWS, seed: int = SEED) -> Story:
    """Training and stream. The same `rows` and `seed` give the same story.

    Raises `InputError` when `rows` is not between `LEAST_ROWS` and `MOST_ROWS`.
    """
    if not LEAST_ROWS <= rows <= MOST_ROWS:
        raise InputError(
            f"a demo of {rows} rows cannot be drawn", where="--rows", fix=f"give {LEAST_ROWS} to {MOST_ROWS}"
        )
    random = np.random.default_rng(seed)
    people = pd.read_parquet(source)
    people[PERSON] = "acs-" + people["year"].astype(str) + "-" + people.index.astype(str)
    people = people[people["AGEP"] >= ADULT]
    pools = _Pools(people, random)
    train, thinned_away = _train(people, random)
    return Story(train, _stream(people, pools, rows, random), thinned_away)


def write_training_file(train: Part, path: Path) -> None:
    """Parquet as `dissonance task create` reads it: features, label, time, person."""
    times = pd.to_datetime(train.times_us, unit="us", utc=True)
    train.frame.assign(**{TARGET: train.labels, TIME: times}).to_parquet(path, index=False)


class _Pools:
    """People by year and by where they live, in random order; each is handed out once."""

    def __init__(self, people: pd.DataFrame, random: np.random.Generator) -> None:
        years, quarters = people["year"].to_numpy(), _in_group_quarters(people)
        self._left = {
            (year, lives_there): random.permutation(np.flatnonzero((years == year) & (quarters == lives_there)))
            for year in sorted(set(years.tolist()) - {TRAIN_YEAR})
            for lives_there in (False, True)
        }

    def take(self, year: int, group_quarters: bool, n: int) -> npt.NDArray[np.int64]:
        pool = self._left[year, group_quarters]
        if n > len(pool):
            raise InputError(
                f"{year} has {len(pool)} people left where {n} are needed", where="--rows", fix="give fewer rows"
            )
        taken, self._left[year, group_quarters] = pool[:n], pool[n:]
        return taken


def _train(people: pd.DataFrame, random: np.random.Generator) -> tuple[Part, int]:
    position = np.flatnonzero(people["year"].to_numpy() == TRAIN_YEAR)
    quarters = _in_group_quarters(people)[position]
    reached = ~quarters
    reached[random.choice(np.flatnonzero(quarters), size=round(THIN * int(quarters.sum())), replace=False)] = True
    span = Span(_us(TRAIN_YEAR, 1, 1), _us(TRAIN_YEAR + 1, 1, 1))
    chosen = random.permutation(position[reached])
    return _part(people, chosen, _even_times(span, len(chosen))), int((~reached).sum())


def _stream(people: pd.DataFrame, pools: _Pools, rows: int, random: np.random.Generator) -> Part:
    times_us = _even_times(STREAM, rows)
    years = times_us.astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
    share = np.where(FALL.holds(times_us) | RETURN.holds(times_us), STRETCH_SHARE, THIN_TRAFFIC)
    quarters = random.random(rows) < share
    chosen = np.empty(rows, dtype=np.int64)
    for year in np.unique(years).tolist():
        for lives_there in (False, True):
            here = (years == year) & (quarters == lives_there)
            chosen[here] = pools.take(year, lives_there, int(here.sum()))
    return _part(people, chosen, times_us)


def _part(people: pd.DataFrame, positions: npt.NDArray[np.int64], times_us: npt.NDArray[np.int64]) -> Part:
    chosen = people.iloc[positions]
    # Codes of categories are names, not numbers: as text nobody takes them for an amount.
    frame = chosen[[*FEATURES, PERSON]].astype(dict.fromkeys(CATEGORIES, str)).reset_index(drop=True)
    return Part(frame, times_us, chosen[TARGET].to_numpy(dtype=np.int64), _in_group_quarters(chosen))


def _in_group_quarters(people: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return np.asarray(people["RELP"].to_numpy() >= FIRST_GROUP_QUARTERS)


def _even_times(span: Span, n: int) -> npt.NDArray[np.int64]:
    """n moments in the middle of n equal parts of the span, in order."""
    return (span.start_us + (np.arange(n) + 0.5) * (span.length_us / n)).astype(np.int64)
