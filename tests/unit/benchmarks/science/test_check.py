"""Cases of others: what is refused, with what to mend, and what becomes arrays all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from dissonance.errors import InvalidDataFile
from science.case import Case
from science.prepare import prepare


def people(rows: int = 2_000) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    age = generator.integers(18, 90, rows).astype(np.float64)
    town = generator.choice(["north", "south"], rows)
    likes = 0.05 * (age - 50) + (town == "north") + generator.normal(size=rows)
    frame = pd.DataFrame({"age": age, "town": town, "member": age > 40, "label": np.where(likes > 0.5, "yes", "no")})
    frame["town"] = frame["town"].mask(generator.random(rows) < 0.1)
    frame["label"] = frame["label"].mask(generator.random(rows) < 0.1)
    frame.loc[3, "age"] = np.inf
    return frame


CASE = Case("people", people, "age < 60", "age >= 60", "label")

REFUSED = {
    "no frame": (replace(CASE, load=dict), "gave dict"),
    "absent label": (replace(CASE, label="liked"), "no column liked"),
    "absent column left out": (replace(CASE, without=("aeg",)), "no column aeg"),
    "no input": (replace(CASE, without=("age", "town", "member")), "no input"),
    "label of numbers": (replace(CASE, load=lambda: people().assign(label=range(2_000))), "2,000 different values"),
    "timestamps": (replace(CASE, load=lambda: people().assign(when=pd.Timestamp("2020-01-01"))), "when hold dates"),
    "dates": (
        replace(CASE, load=lambda: people().assign(when=pd.Series([date(2020, 1, 1)] * 2_000, dtype=object))),
        "when hold dates",
    ),
    "one value for all rows": (replace(CASE, source=lambda frame: 1.0), "shape"),
    "no probability": (replace(CASE, source=lambda frame: frame["age"]), "outside"),
    "few source rows": (replace(CASE, source="age < 20"), "its source has"),
    "few target rows": (replace(CASE, target="age >= 89"), "its target has"),
    "one class": (replace(CASE, load=lambda: people().assign(label="yes")), "one class only"),
}


@pytest.mark.parametrize(("case", "what"), REFUSED.values(), ids=REFUSED.keys())
def test_case_is_refused_with_its_name_and_what_to_mend(case: Case, what: str) -> None:
    with pytest.raises(InvalidDataFile, match=what) as refused:
        prepare(case, 1)

    assert refused.value.where == "case people"
    assert refused.value.fix


def test_text_truth_values_infinity_and_missing_values_become_arrays() -> None:
    prepared = prepare(CASE, 1)

    assert prepared.category_sizes == (0, 2, 2)
    features = np.concatenate([prepared.train.features, prepared.target.features])
    assert np.isnan(features[:, 1]).any()
    assert not np.isinf(features).any()
    assert set(prepared.reference.classes) == {0, 1}


def test_rows_without_a_label_are_on_no_side() -> None:
    labelled = people()["label"].notna().sum()
    prepared = prepare(CASE, 1)

    rows = (prepared.train, prepared.reference, prepared.source, prepared.target)
    assert sum(map(len, rows)) <= labelled
