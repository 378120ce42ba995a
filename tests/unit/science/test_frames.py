"""The science on data frames: five lines, columns as they come, errors that name the column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from dissonance.errors import InputError
from dissonance.science import CannotTell, Watch, WindowAccuracy

CLASSES = ("no", "yes")


def frame(rows: int, seed: int, odd: float = 0.2) -> pd.DataFrame:
    """`y` follows `x`, but where `kind` is "odd", it is a coin flip."""
    generator = np.random.default_rng(seed)
    x, kinds = generator.normal(size=rows), generator.choice(["a", "b", None], size=rows)
    kind = np.where(generator.uniform(size=rows) < odd, "odd", kinds)
    sure = (x > 0.0) ^ (generator.uniform(size=rows) < 0.05)
    y = np.where(kind == "odd", generator.uniform(size=rows) < 0.5, sure)
    flags = generator.uniform(size=rows) < 0.5
    return pd.DataFrame({"x": x, "kind": kind, "flag": flags, "y": np.where(y, "yes", "no")})


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    seen = frame(2000, 1)
    return LogisticRegression().fit(seen[["x"]], seen["y"])


@pytest.fixture(scope="module")
def watch(model: LogisticRegression) -> Watch:
    reference = frame(2000, 2)
    return Watch.fit(reference, label="y", probabilities=model.predict_proba(reference[["x"]]), classes=model.classes_)


def test_two_frames_in_a_few_lines_tell_how_good_the_model_is_today(watch: Watch, model: LogisticRegression) -> None:
    today = frame(1000, 3, odd=0.5)
    found = watch.judge(today.drop(columns="y"), model.predict_proba(today[["x"]]))
    truth = (model.predict(today[["x"]]) == today["y"]).mean()
    assert isinstance(found, WindowAccuracy)
    assert found.low <= truth <= found.high
    assert found.accuracy < found.reference_accuracy - 0.05
    assert found.harm.p_value < 0.01


def test_an_explanation_names_the_slice_that_carries_the_loss(watch: Watch, model: LogisticRegression) -> None:
    today = frame(1000, 3, odd=0.5)
    found = watch.judge(today, model.predict_proba(today[["x"]]))
    assert isinstance(found, WindowAccuracy)
    first = watch.explain(today, found).iloc[0]
    assert (first["column"], first["rows"]) == ("kind", "odd")
    assert first["window_share"] == pytest.approx(0.5, abs=0.05)
    assert first["carried"] > 0.05


def test_rows_that_are_like_nothing_before_cannot_be_told(watch: Watch, model: LogisticRegression) -> None:
    today = frame(300, 4)
    found = watch.judge(today.assign(x=today["x"] + 100.0), model.predict_proba(today[["x"]]))
    assert isinstance(found, CannotTell)
    assert watch.separating(found) == ("x",)


def test_columns_in_another_order_and_new_categories_change_nothing_but_that_they_are_missing(
    watch: Watch, model: LogisticRegression
) -> None:
    today = frame(400, 5)
    p = model.predict_proba(today[["x"]])
    turned = today[["flag", "y", "kind", "x"]].assign(kind=today["kind"].where(today["kind"] != "a", "never seen"))
    gone = today.assign(kind=today["kind"].where(today["kind"] != "a", None))
    one, other = watch.judge(turned, p), watch.judge(gone, p)
    assert isinstance(one, WindowAccuracy) and isinstance(other, WindowAccuracy)
    assert one.accuracy == other.accuracy


def test_what_is_wrong_is_named(watch: Watch, model: LogisticRegression) -> None:
    today = frame(100, 6)
    p = model.predict_proba(today[["x"]])
    with pytest.raises(InputError, match="not there"):
        watch.judge(today.drop(columns="kind"), p)
    with pytest.raises(InputError, match="something else"):
        watch.judge(today.assign(x="text"), p)
    with pytest.raises(InputError, match="no such column"):
        watch.judge(today, p, ignore=("z",))
    for wrong in (p[:50], p[:, :1], p * 2.0, p * np.nan):
        with pytest.raises(InputError):
            watch.judge(today, wrong)


def test_a_reference_that_cannot_be_used_is_refused(model: LogisticRegression) -> None:
    reference = frame(100, 7)
    p = model.predict_proba(reference[["x"]])
    with pytest.raises(InputError, match="label"):
        Watch.fit(reference, label="z", probabilities=p, classes=CLASSES)
    with pytest.raises(InputError, match="none of the classes"):
        Watch.fit(reference, label="y", probabilities=p, classes=("no", "maybe"))
    with pytest.raises(InputError, match="times"):
        dated = reference.assign(day=pd.Timestamp("2026-01-01"))
        Watch.fit(dated, label="y", probabilities=p, classes=CLASSES)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import dissonance.science

    with pytest.raises(AttributeError, match="nothing_here"):
        _ = dissonance.science.nothing_here
