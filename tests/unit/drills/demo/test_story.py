"""The demo's data: real rows, each used once, as many and when the story says; the same every time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dissonance.contracts.times import to_us
from dissonance.data import acs_employment_path
from dissonance.drills.demo.story import (
    CATEGORIES,
    FALL,
    FEATURES,
    LEAST_ROWS,
    MEDDLING_SPAN,
    PERIODS,
    PERSON,
    RETURN,
    STREAM,
    TARGET,
    TIME,
    Story,
    build_story,
    write_training_file,
)
from dissonance.errors import InputError


@cache
def story(rows: int = 40_000) -> Story:
    return build_story(acs_employment_path(), rows)


def test_no_person_is_used_twice_in_training_and_stream() -> None:
    assert pd.concat([part.frame[PERSON] for part in (story().train, story().stream)]).is_unique
    assert len(story().stream) == 40_000


def test_every_row_is_the_person_of_the_file_that_its_name_says() -> None:
    source = pd.read_parquet(acs_employment_path())
    for part in (story().train, story().stream):
        original = source.loc[part.frame[PERSON].str.rsplit("-", n=1).str[1].astype(int)]
        assert (original[list(FEATURES)].to_numpy() == part.frame[list(FEATURES)].astype(int).to_numpy()).all()
        assert (original[TARGET].to_numpy() == part.labels).all()
        assert (original["AGEP"] >= 16).all()


def test_rows_of_the_stream_come_evenly_in_the_year_of_their_survey() -> None:
    times_us = story().stream.times_us
    steps = np.diff(times_us)
    assert steps.min() > 0 and steps.max() - steps.min() <= 1
    assert STREAM.start_us <= times_us[0] and times_us[-1] < STREAM.end_us
    years = pd.to_datetime(times_us, unit="us").year
    assert (years.astype(str) == story().stream.frame[PERSON].str.split("-").str[1]).all()


def test_three_of_four_rows_are_from_group_quarters_in_the_stretches_and_almost_none_elsewhere() -> None:
    stream = story().stream
    fall, back = FALL.holds(stream.times_us), RETURN.holds(stream.times_us)
    assert abs(stream.group_quarters[fall].mean() - 0.75) < 0.02
    assert abs(stream.group_quarters[back].mean() - 0.75) < 0.02
    assert stream.group_quarters[~fall & ~back].mean() < 0.003
    assert (stream.group_quarters == stream.frame["RELP"].isin(["16", "17"])).all()


def test_training_reached_few_people_in_group_quarters_and_says_how_many_it_left_out() -> None:
    assert story().train.group_quarters.sum() == 20
    assert story().thinned_away + 20 == 1477 + 3585


def test_training_has_every_category_that_the_stream_sends() -> None:
    for column in CATEGORIES:
        known = set(story().train.frame[column])
        assert set(story().stream.frame[column]) <= known, column


def test_story_is_the_same_when_drawn_again_and_another_with_another_seed() -> None:
    again, other = (build_story(acs_employment_path(), LEAST_ROWS, seed=seed) for seed in (2015, 1))
    assert again.stream.frame.equals(story(LEAST_ROWS).stream.frame)
    assert not other.stream.frame.equals(again.stream.frame)


@pytest.mark.parametrize("rows", [100, 100_000])
def test_number_of_rows_that_shows_no_story_is_refused(rows: int) -> None:
    with pytest.raises(InputError, match=str(rows)):
        build_story(acs_employment_path(), rows)


def test_rows_for_the_api_hold_features_time_and_person_and_no_label() -> None:
    rows = story().stream.rows(10, 12)
    assert [set(row) for row in rows] == [{*FEATURES, TIME, PERSON}] * 2
    assert [to_us(row[TIME], TIME) for row in rows] == story().stream.times_us[10:12].tolist()
    assert (type(rows[0]["AGEP"]), type(rows[0]["RELP"])) == (int, str)


def test_every_row_of_the_stream_is_in_exactly_one_period() -> None:
    times_us = story().stream.times_us
    assert sum(span.holds(times_us).sum() for span in PERIODS.values()) == len(times_us)
    assert all(span.holds(times_us).any() for span in PERIODS.values())


def test_meddling_lies_between_the_stretches() -> None:
    assert FALL.end_us <= MEDDLING_SPAN.start_us < MEDDLING_SPAN.end_us <= RETURN.start_us


def test_training_file_writes_categories_as_text_and_keeps_time_and_person(tmp_path: Path) -> None:
    write_training_file(story(LEAST_ROWS).train, tmp_path / "train.parquet")
    frame = pd.read_parquet(tmp_path / "train.parquet")
    assert list(frame.columns) == [*FEATURES, PERSON, TARGET, TIME]
    assert all(isinstance(frame[column].iloc[0], str) for column in CATEGORIES)
    assert str(frame[TIME].dtype) == "datetime64[us, UTC]"
