"""The cases that ship: shifts within eight real data sets (`benchmarks/data`), natural slices where there are any.

In sets without a natural slice, source and target are drawn along a principal component of the inputs (logistic).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dissonance.data import acs_employment_path
from science.case import APART, COVARIATE, HIDDEN, Case, Rule

DATA = Path(__file__).parent.parent / "data"
ACS_NUMBERS = ("AGEP", "SCHL")
STEEPNESS = 2.0
"""Of the logistic draw, per standard deviation of the component."""
RARE = {"mostly": 0.1, "hardly": 0.03}
"""Share of a slice that is drawn to the other side, by what the case is called."""


@cache
def acs() -> pd.DataFrame:
    """Adults of all years; all but age and schooling are categories."""
    frame = pd.read_parquet(acs_employment_path())
    frame = frame[frame["AGEP"] >= 16]
    categories = [name for name in frame.columns if name not in (*ACS_NUMBERS, "year", "employed")]
    return frame.astype(dict.fromkeys(categories, "category"))


@cache
def adult() -> pd.DataFrame:
    frame = pd.read_parquet(DATA / "adult.parquet")
    return frame.mask(frame == "?")


@cache
def california() -> pd.DataFrame:
    return pd.read_parquet(DATA / "california_housing.parquet")


def plain(name: str) -> Callable[[], pd.DataFrame]:
    """A set of numbers with a column `label`."""

    @cache
    def load() -> pd.DataFrame:
        return pd.read_parquet(DATA / f"{name}.parquet")

    return load


def along(component: int, *, up: bool, label: str = "label") -> Rule:
    """Probability that grows (`up`) or falls along a principal component of the standardised inputs."""

    def rule(frame: pd.DataFrame) -> Any:
        numbers = frame.drop(columns=label).to_numpy(dtype=np.float64)
        spread = numbers.std(axis=0)
        standard = (numbers - numbers.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        _, _, axes = np.linalg.svd(standard, full_matrices=False)
        axis = axes[component] * np.sign(axes[component][np.argmax(np.abs(axes[component]))])
        score = standard @ axis
        score = (score - score.mean()) / score.std()
        return 1.0 / (1.0 + np.exp(-STEEPNESS * (score if up else -score)))

    return rule


def of_acs(name: str, source: Rule, target: Rule) -> Case:
    return Case(f"acs-{name}", acs, source, target, "employed", "acs", ("year",), APART)


def of_adult(name: str, source: Rule, target: Rule) -> Case:
    return Case(f"adult-{name}", adult, source, target, "income", "adult", ("fnlwgt",), APART)


def of_california(name: str, source: Rule, target: Rule) -> Case:
    return Case(f"california-{name}", california, source, target, "above_median_value", "california", family=APART)


def components(name: str, *numbers: int) -> list[Case]:
    """Both ways along each of these components."""
    return [
        Case(
            f"{name}-pc{number + 1}-{way}",
            plain(name),
            along(number, up=not up),
            along(number, up=up),
            "label",
            name,
        )
        for number in numbers
        for way, up in (("up", True), ("down", False))
    ]


def married(frame: pd.DataFrame) -> Any:
    return frame["marital_status"].str.startswith("Married")


def mixed(case: Case, name: str) -> Case:
    """The same slice with some of either side on the other: a group that the model hardly met becomes the many."""
    rule, rare = case.source, RARE[name]

    def source(frame: pd.DataFrame) -> Any:
        inside = frame.eval(rule) if isinstance(rule, str) else rule(frame)
        return np.where(np.asarray(inside, dtype=bool), 1.0 - rare, rare)

    return replace(
        case, name=f"{case.name}-{name}", source=source, target=lambda frame: np.ones(len(frame)), family=COVARIATE
    )


def hidden(case: Case, *columns: str) -> Case:
    """The same slice with the columns that tell it from the rest kept from the model and from whoever watches it."""
    return replace(case, name=f"{case.name}-hidden", without=(*case.without, *columns), family=HIDDEN)


SLICES = [
    of_acs("schooling", "SCHL >= 20", "SCHL < 20"),
    of_acs("foreign-born", lambda f: f["NATIVITY"] == 1, lambda f: f["NATIVITY"] == 2),
    replace(of_acs("years", "year == 2015", "year == 2018"), family=COVARIATE),
    of_acs("older", "AGEP < 50", "AGEP >= 50"),
    of_acs("disability", lambda f: f["DIS"] == 2, lambda f: f["DIS"] == 1),
    of_acs("women", lambda f: f["SEX"] == 1, lambda f: f["SEX"] == 2),
    of_acs("married", lambda f: f["MAR"] != 1, lambda f: f["MAR"] == 1),
    of_adult("married", lambda f: ~married(f), married),
    of_adult("hours", "hours_per_week <= 42", "hours_per_week > 42"),
    of_adult("schooling", "education_num < 11", "education_num >= 11"),
    of_adult("older", "age < 40", "age >= 40"),
    of_adult("women", lambda f: f["sex"] == "Male", lambda f: f["sex"] == "Female"),
    of_california("north", "Latitude < 36", "Latitude >= 36"),
    of_california("south", "Latitude >= 36", "Latitude < 36"),
    of_california("inland", "Longitude < -120", "Longitude >= -120"),
    of_california("old-houses", "HouseAge < 30", "HouseAge >= 30"),
]

TELLTALES = {
    "acs-schooling": ("SCHL",),
    "acs-women": ("SEX",),
    "adult-married": ("marital_status", "relationship"),
    "adult-schooling": ("education", "education_num"),
    "california-north": ("Latitude", "Longitude"),
}
"""Of some slices, the columns that tell them: the limit is shown, not measured to the digit."""

CASES = [
    *SLICES,
    *(mixed(case, name) for name in RARE for case in SLICES),
    *(hidden(case, *TELLTALES[case.name]) for case in SLICES if case.name in TELLTALES),
    *components("satimage", 0, 1),
    *components("penbased", 0, 1),
    *components("optdigits", 0),
    *components("phoneme", 0, 1),
    *components("spambase", 0),
]
