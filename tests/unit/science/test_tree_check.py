"""Texts of LightGBM that would end or mislead its C++ are refused before it sees them; sound ones answer as before."""

from __future__ import annotations

import re

import lightgbm
import numpy as np
import pytest

from dissonance.errors import ModelRefused
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.tree_check import sound_text

CLASSES = 3


def trained(classes: int = CLASSES) -> tuple[str, np.ndarray]:
    """A model with splits by number and by category, and its rows."""
    random = np.random.default_rng(3)
    features = np.column_stack([random.random(400), random.integers(0, 40, 400)])
    target = (features[:, 1] + (features[:, 0] > 0.9)).astype(int) % classes
    data = lightgbm.Dataset(features, target, categorical_feature=[1])
    parameters = {"verbosity": -1, "num_threads": 1, "min_data_per_group": 5, "num_leaves": 8}
    parameters |= {"cat_smooth": 1, "min_data_in_leaf": 5}
    objective = {"objective": "multiclass", "num_class": classes} if classes > 2 else {"objective": "binary"}
    return lightgbm.train(parameters | objective, data, 4).model_to_string(), features


def with_values(text: str, name: str, value: str, count: int | None = None) -> str:
    """All values of a line of every tree replaced, as many as there were."""

    def replaced(line: re.Match[str]) -> str:
        wanted = len(line[1].split()) if count is None else count
        return f"{name}={' '.join([value] * wanted)}"

    return re.sub(rf"(?m)^{name}=(.*)$", replaced, text)


@pytest.mark.parametrize("classes", [2, CLASSES])
def test_a_sound_text_answers_as_it_did(classes: int) -> None:
    text, features = trained(classes)
    assert "num_cat=0" not in text
    checked = LightGBMProposer.from_text(sound_text(text), classes)
    assert np.array_equal(
        checked.probabilities(features), LightGBMProposer.from_text(text, classes).probabilities(features)
    )


def test_a_tree_of_one_leaf_is_sound() -> None:
    data = lightgbm.Dataset(np.zeros((50, 2)), np.arange(50) % 2)
    text = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 1).model_to_string()
    assert "num_leaves=1\n" in text
    sound_text(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left_child", "99999999"),
        ("left_child", "0"),
        ("right_child", "-99999999"),
        ("right_child", "-1"),
        ("split_feature", "123456789"),
        ("split_feature", "-1"),
        ("split_feature", "1.5"),
        ("num_leaves", "2000000000"),
        ("num_leaves", "0"),
        ("num_leaves", "9" * 5_000),
        ("num_cat", "-1"),
        ("num_cat", "0"),
        ("cat_boundaries", "7"),
        ("threshold", "1e300"),
        ("threshold", "words"),
        ("is_linear", "1"),
        ("num_class", "1000000000"),
        ("num_tree_per_iteration", "0"),
        ("max_feature_idx", "500000"),
    ],
)
def test_an_index_that_points_outside_is_refused(name: str, value: str) -> None:
    text, _ = trained()
    with pytest.raises(ModelRefused, match="not sound"):
        sound_text(with_values(text, name, value))


@pytest.mark.parametrize("name", ["leaf_value", "left_child", "decision_type", "cat_threshold"])
def test_a_line_with_fewer_values_than_the_tree_has_is_refused(name: str) -> None:
    text, _ = trained()
    with pytest.raises(ModelRefused, match="not sound"):
        sound_text(with_values(text, name, "1", count=1))


@pytest.mark.parametrize(
    ("before", "after"),
    [("leaf_value=", "leaf_features="), ("Tree=0", "tree"), ("num_leaves=", "num_cat=1\nnum_leaves=")],
)
def test_a_line_that_is_not_known_or_is_not_there_or_there_twice_is_refused(before: str, after: str) -> None:
    text, _ = trained()
    with pytest.raises(ModelRefused, match="not sound"):
        sound_text(text.replace(before, after))


def test_what_is_no_model_at_all_is_refused() -> None:
    for text in ("", "tree", "Tree=0\n", "\0" * 100):
        with pytest.raises(ModelRefused, match="not sound"):
            sound_text(text)
