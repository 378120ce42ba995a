"""Verified bytes become a model only when they are of a kind that may do the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dissonance.decisions.models import CRITIC_FILE, SKOPS_FILE, TEXT_FILE, open_critic, open_proposer
from dissonance.errors import ModelRefused
from dissonance.science.estimators import fit_estimator
from dissonance.science.logistic_critic import LogisticCritic
from dissonance.science.proposer import fit_lightgbm
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic
from dissonance.security.artefacts import Artefact, ArtefactFormat, Manifest, file_digests
from support.distributions import CATEGORY_SIZES, labelled_rows

FEATURES, CLASSES = labelled_rows(300, 1)
TREES = fit_lightgbm(FEATURES, CLASSES, category_sizes=CATEGORY_SIZES, classes_count=2, seed=1, threads=1)
P = TREES.probabilities(FEATURES)
CRITIC = fit_sceptic(Labelled(FEATURES, P, CLASSES), category_sizes=CATEGORY_SIZES, seed=1)
OLDER = Path(__file__).parents[1] / "science" / "golden" / "critic.v1.json"


def artefact(kind: ArtefactFormat, files: dict[str, bytes], **changed: Any) -> Artefact:
    fields: dict[str, Any] = {
        "format": kind,
        "task_id": "a" * 32,
        "role": "proposer",
        "classes": ("no", "yes"),
        "schema_digest": "b" * 64,
        "files": file_digests(files),
        "libraries": {},
        "training_data_digest": "c" * 64,
        "parent": "",
        "created_at_us": 1,
    }
    return Artefact(Manifest(**{**fields, **changed}), files, "d" * 64)


def test_trees_are_opened_from_their_text() -> None:
    model = open_proposer(artefact(ArtefactFormat.LIGHTGBM_TEXT, {TEXT_FILE: TREES.text.encode()}))
    np.testing.assert_array_equal(model.probabilities(FEATURES), TREES.probabilities(FEATURES))


def test_a_classifier_is_opened_from_skops_with_the_types_that_were_signed() -> None:
    fitted = fit_estimator(
        LogisticRegression(), FEATURES, CLASSES, category_sizes=CATEGORY_SIZES, classes_count=2, seed=1
    )
    data, types = fitted.stored()
    model = open_proposer(artefact(ArtefactFormat.SKOPS, {SKOPS_FILE: data}, trusted_types=types))
    np.testing.assert_array_equal(model.probabilities(FEATURES), fitted.probabilities(FEATURES))
    assert types
    with pytest.raises(ModelRefused, match="does not name"):
        open_proposer(artefact(ArtefactFormat.SKOPS, {SKOPS_FILE: data}))


def test_a_critic_is_opened_from_its_json() -> None:
    opened = open_critic(artefact(ArtefactFormat.CRITIC_JSON, {CRITIC_FILE: CRITIC.to_json()}))
    assert isinstance(opened, Sceptic)
    np.testing.assert_array_equal(opened.distribution(FEATURES, P), CRITIC.distribution(FEATURES, P))


def test_a_critic_that_an_earlier_release_stored_is_opened_and_doubts() -> None:
    opened = open_critic(artefact(ArtefactFormat.CRITIC_JSON, {CRITIC_FILE: OLDER.read_bytes()}))
    assert isinstance(opened, LogisticCritic)
    right = P.argmax(axis=1) == CLASSES
    confidence = opened.confidence(FEATURES, P)
    assert confidence[right].mean() > confidence[~right].mean()


@pytest.mark.parametrize("stored", [b"", b"{}", b'{"version": 3}', b'{"version": "one"}'])
def test_a_critic_that_says_no_version_of_this_release_is_refused(stored: bytes) -> None:
    with pytest.raises(ModelRefused):
        open_critic(artefact(ArtefactFormat.CRITIC_JSON, {CRITIC_FILE: stored}))


def test_one_kind_of_model_cannot_stand_in_for_the_other() -> None:
    with pytest.raises(ModelRefused, match="cannot be a critic-json"):
        open_proposer(artefact(ArtefactFormat.CRITIC_JSON, {CRITIC_FILE: CRITIC.to_json()}))
    with pytest.raises(ModelRefused, match="cannot be a lightgbm-text"):
        open_critic(artefact(ArtefactFormat.LIGHTGBM_TEXT, {TEXT_FILE: TREES.text.encode()}))


def test_a_model_without_its_file_is_refused() -> None:
    with pytest.raises(ModelRefused, match="no file 'model"):
        open_proposer(artefact(ArtefactFormat.LIGHTGBM_TEXT, {}))


def test_a_critic_for_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ModelRefused, match="number of classes"):
        open_critic(artefact(ArtefactFormat.CRITIC_JSON, {CRITIC_FILE: CRITIC.to_json()}, classes=("a", "b", "c")))
