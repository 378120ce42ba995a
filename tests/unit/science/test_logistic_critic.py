"""Critics of version 1, as earlier releases stored them, doubt as they did when they were made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from dissonance.errors import ModelRefused
from dissonance.science.logistic_critic import LogisticCritic

GOLDEN = Path(__file__).parent / "golden"
STORED = ("critic.v1", "critic.v1.four_classes")


class Said(msgspec.Struct):
    """What the critic of version 1 said of these rows when it was made; null where a value is missing."""

    features: list[list[float | None]]
    p: list[list[float]]
    confidence: list[float]


def stored(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def said(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    told = msgspec.json.decode((GOLDEN / f"{name}.said.json").read_bytes(), type=Said)
    return np.array(told.features, dtype=np.float64), np.array(told.p), np.array(told.confidence)


@pytest.mark.parametrize("name", STORED)
def test_it_says_what_it_said_when_it_was_stored(name: str) -> None:
    features, p, confidence = said(name)
    critic = LogisticCritic.from_json(stored(name))
    assert critic.classes_count == p.shape[1]
    np.testing.assert_allclose(critic.confidence(features, p), confidence, rtol=1e-12)


@pytest.mark.parametrize("name", STORED)
def test_its_distribution_has_its_confidence_on_the_answer_and_shares_the_rest_as_the_proposer_does(name: str) -> None:
    features, p, confidence = said(name)
    q = LogisticCritic.from_json(stored(name)).distribution(features, p)
    rows, answers = np.arange(len(p)), p.argmax(axis=1)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    np.testing.assert_allclose(q[rows, answers], confidence, rtol=1e-12)
    others = np.where(np.eye(p.shape[1], dtype=bool)[answers], np.nan, q / p)
    np.testing.assert_allclose(np.nanmax(others, axis=1), np.nanmin(others, axis=1))


@pytest.mark.parametrize("name", STORED)
def test_a_row_is_judged_alone_as_among_others(name: str) -> None:
    features, p, _ = said(name)
    critic = LogisticCritic.from_json(stored(name))
    alone = critic.confidence(features[3:4], p[3:4])
    np.testing.assert_allclose(alone, critic.confidence(features, p)[3:4], rtol=1e-12)


def test_missing_values_are_judged_too() -> None:
    critic = LogisticCritic.from_json(stored("critic.v1"))
    assert 0.0 < critic.confidence(np.full((1, 3), np.nan), np.array([[0.9, 0.1]]))[0] < 1.0


def test_bytes_that_are_no_critic_are_refused() -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        LogisticCritic.from_json(b"{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2"),
        ({"input_weights": ((0.0,),)}, "do not fit"),
        ({"means": ()}, "do not fit"),
        ({"intercepts": (0.0, 0.0, 0.0)}, "another number of answers"),
    ],
)
def test_a_critic_whose_parts_do_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    model = LogisticCritic.from_json(stored("critic.v1")).model
    with pytest.raises(ModelRefused, match=message):
        LogisticCritic.from_json(msgspec.json.encode(msgspec.structs.replace(model, **change)))
