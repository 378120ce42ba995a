"""Models that were made elsewhere: registered with a critic, judged as every candidate, served; never a pickle."""

from __future__ import annotations

import asyncio
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from dissonance.contracts.events import RetrainRequested
from dissonance.contracts.schema import Task
from dissonance.decisions.models import TEXT_FILE
from dissonance.decisions.pairs import LoadedPair, find_version, load_pair, load_version
from dissonance.errors import (
    DissonanceError,
    InputError,
    ModelMisfit,
    ModelNotRenewable,
    ModelRefused,
    ModelUnsupported,
)
from dissonance.pipeline.adopting import Adopted, register_file
from dissonance.pipeline.model_card import CARD_FILE
from dissonance.pipeline.model_history import history
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.update import train
from dissonance.ports.registry import ModelRole
from dissonance.science.proposer import fit_lightgbm
from support.distributions import CATEGORY_SIZES, labelled_rows
from support.onnx_files import linear_classifier
from support.workshop import Workshop, add_experience, small_task

FEATURES, CLASSES = labelled_rows(2_000, 11)
WHATEVER: dict[str, Any] = {"KL_eps": 10.0, "golden_drop_max": 0.5, "slice_drop_max": 1.0, "calibration_rise_max": 1.0}


class Place(NamedTuple):
    work: Workshop
    task: Task
    folder: Path

    def register(self, name: str, content: bytes) -> Adopted:
        (self.folder / name).write_bytes(content)
        return asyncio.run(register_file(self.work, "small", self.folder / name))

    def opened(self, version: int) -> LoadedPair:
        found = find_version(self.work.registry, self.task, version)
        return load_pair(self.work.registry, self.work.artefact_keys, self.task, found)

    def allow(self, **values: Any) -> None:
        before = asyncio.run(self.work.store.policy(self.task.task_id))
        after = msgspec.structs.replace(before, version=before.version + 1, **values)
        asyncio.run(self.work.store.set_policy(self.task.task_id, after, reason="a test", by="a test"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(*small_task(), tmp_path)


def trees(**changed: Any) -> bytes:
    fitted = fit_lightgbm(
        FEATURES, CLASSES, **{"category_sizes": CATEGORY_SIZES, "classes_count": 2, "seed": 5, "threads": 1, **changed}
    )
    return fitted.text.encode()


def onnx() -> bytes:
    """The logistic regression of these rows as a graph."""
    fitted = LogisticRegression().fit(np.nan_to_num(FEATURES), CLASSES)
    half = fitted.coef_[0] / 2
    bias = float(fitted.intercept_[0]) / 2
    return linear_classifier(np.column_stack((-half, half)), [-bias, bias])


def scikit_learn() -> bytes:
    zeros = FunctionTransformer(np.nan_to_num)
    return skops.io.dumps(make_pipeline(zeros, StandardScaler(), LogisticRegression()).fit(FEATURES, CLASSES))


@pytest.mark.parametrize(
    ("name", "made", "stored_as"),
    [("m.txt", trees, "lightgbm-text"), ("m.onnx", onnx, "onnx"), ("m.skops", scikit_learn, "skops")],
)
def test_a_file_becomes_a_candidate_with_a_critic_of_its_own_and_is_served_once_the_gate_allows_it(
    place: Place, name: str, made: Any, stored_as: str
) -> None:
    adopted = place.register(name, made())
    assert (adopted.models.proposer.version, adopted.models.critic.parent) == (2, 2)
    assert place.work.registry.production(place.task.task_id, ModelRole.PROPOSER).version == 1
    pair = place.opened(2)
    assert pair.artefact.manifest.format == stored_as
    assert (pair.artefact.manifest.parent, pair.artefact.manifest.version) == ("", 2)
    p = pair.proposer.probabilities(FEATURES)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-9)
    assert (p.argmax(axis=1) == CLASSES).mean() > 0.75
    assert 0.6 < pair.critic.confidence(FEATURES, p).mean() < 0.95
    assert adopted.golden.accuracy == adopted.models.proposer.metrics["golden_accuracy"] > 0.7
    place.allow(**WHATEVER)
    moved = asyncio.run(promote(place.work, "small", 2, by="a test"))
    assert moved.judged is not None
    assert place.work.registry.production(place.task.task_id, ModelRole.PROPOSER).version == 2


def refused(place: Place, name: str, content: bytes) -> DissonanceError:
    with pytest.raises(DissonanceError) as raised:
        place.register(name, content)
    assert len(place.work.registry.versions(place.task.task_id, ModelRole.PROPOSER)) == 1
    return raised.value


def test_a_pickle_is_refused_whatever_it_calls_itself(place: Place) -> None:
    stored = pickle.dumps(LogisticRegression().fit(np.nan_to_num(FEATURES), CLASSES))
    for name in ("m.pkl", "m.txt", "m.onnx", "m.skops"):
        assert isinstance(refused(place, name, stored), ModelUnsupported)


def test_what_does_not_fit_the_task_is_refused_by_name(place: Place) -> None:
    fewer = fit_lightgbm(FEATURES[:, :2], CLASSES, category_sizes=(0, 0), classes_count=2, seed=1, threads=1)
    assert isinstance(refused(place, "m.txt", fewer.text.encode()), ModelMisfit)
    assert isinstance(refused(place, "m.txt", trees().replace(b"Column_1", b"age")), ModelMisfit)
    other = trees().replace(b"pandas_categorical:null", b'pandas_categorical:[["d", "c", "b", "a"]]')
    assert isinstance(refused(place, "m.txt", other), ModelMisfit)
    plain = lightgbm.train({"objective": "regression", "verbosity": -1}, lightgbm.Dataset(FEATURES, 3.0 * CLASSES), 5)
    assert "no probabilities" in refused(place, "m.txt", plain.model_to_string().encode()).what
    three = linear_classifier(np.ones((3, 3)), [0.0, 0.0, 0.0])
    assert isinstance(refused(place, "m.onnx", three), ModelUnsupported)
    wide = linear_classifier(np.ones((7, 2)), [0.0, 0.0])
    assert "columns" in refused(place, "m.onnx", wide).what
    words = LogisticRegression().fit(np.nan_to_num(FEATURES), np.array(["no", "yes"])[CLASSES])
    assert "place of each class" in refused(place, "m.skops", skops.io.dumps(words)).what
    assert isinstance(refused(place, "m.skops", b"PK\x03\x04 no archive"), ModelRefused)
    with pytest.raises(InputError):
        asyncio.run(register_file(place.work, "small", place.folder / "missing.onnx"))


def test_a_text_that_would_end_the_process_or_lead_out_of_its_trees_is_refused_before_lightgbm_reads_it(
    place: Place,
) -> None:
    sound = trees()
    for evil in (
        re.sub(rb"(?m)^left_child=\S+", b"left_child=99999999", sound),
        re.sub(rb"(?m)^left_child=\S+", b"left_child=0", sound),
        re.sub(rb"(?m)^num_class=.*$", b"num_class=1000000000", sound),
        re.sub(rb"(?m)^num_leaves=.*$", b"num_leaves=2000000000", sound),
    ):
        assert "not sound" in refused(place, "m.txt", evil).what
    deep = sound.replace(b"pandas_categorical:null", b"pandas_categorical:" + b"[" * 100_000)
    assert isinstance(refused(place, "m.txt", deep), ModelMisfit)
    resized = re.sub(rb"(?m)^tree_sizes=.*$", b"tree_sizes=1", sound)
    assert place.register("m.txt", resized).models.proposer.version == 2


def test_history_and_card_say_that_it_was_registered_and_not_that_it_was_trained(place: Place) -> None:
    place.register("m.onnx", onnx())
    asyncio.run(retrain(place.work, "small"))
    _, found = asyncio.run(history(place.work, "small"))
    why = [version.happened[0].why for version in found]
    assert why == [
        "trained after version 1",
        "made elsewhere, registered from a file while version 1 was in production",
        "the first version",
    ]
    card = place.work.registry._models[place.task.task_id, ModelRole.PROPOSER].documents[1][CARD_FILE].decode()
    assert "| trained after, digest | not known: made elsewhere |" in card
    assert "| registered beside version | 1 |" in card


def test_an_exported_model_that_is_registered_again_has_no_parent(place: Place) -> None:
    first = load_version(place.work.registry, place.work.artefact_keys, place.task, 1)
    place.register("m.txt", first.artefact.files[TEXT_FILE])
    again = place.work.registry.version(place.task.task_id, ModelRole.PROPOSER, 2)
    assert again.parent is None
    pair = load_version(place.work.registry, place.work.artefact_keys, place.task, 2)
    assert pair.artefact.manifest.parent == ""
    assert pair.critic_version.parent == 2


def test_a_model_that_nothing_here_can_make_again_is_not_retrained_and_the_loop_passes_over_it(place: Place) -> None:
    place.register("m.onnx", onnx())
    for role in ModelRole:
        place.work.registry.promote(place.work.registry.version(place.task.task_id, role, 2))
    with pytest.raises(ModelNotRenewable, match="registered from a file"):
        asyncio.run(retrain(place.work, "small"))
    features, classes = labelled_rows(60, 77)
    asyncio.run(add_experience(place.work, place.task, features, classes.tolist(), [f"new-{n}" for n in range(60)]))
    request = RetrainRequested(
        event_id="asked",
        task_id=place.task.task_id,
        produced_at_us=place.work.clock.now_us(),
        producer="a test",
        reason="a test",
        requested_by="a test",
    )
    assert asyncio.run(train(place.work, request)) == []
    assert len(place.work.registry.versions(place.task.task_id, ModelRole.PROPOSER)) == 2
