"""May these verified bytes answer, or doubt, for a task? Artefact in, model out, or `ModelRefused`."""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.decisions.onnx_proposer import OnnxProposer
from dissonance.errors import ModelRefused, ModelUnsupported
from dissonance.science.blend import BlendProposer, Weighted
from dissonance.science.estimators import load_estimator
from dissonance.science.logistic_critic import LogisticCritic
from dissonance.science.proposer import Component, LightGBMProposer
from dissonance.science.sceptic import Sceptic
from dissonance.security.artefacts import Artefact, ArtefactFormat

TEXT_FILE = "model.txt"
COMPONENTS_FILE = "components.json"
SKOPS_FILE = "model.skops"
ONNX_FILE = "model.onnx"
BLEND_FILE = "blend.json"
CRITIC_FILE = "critic.json"


class BlendParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `BLEND_FILE` holds: a weight for each of the files `model-<i>.skops`, from old to new, and offsets (k,)."""

    weights: tuple[float, ...]
    offsets: tuple[float, ...]


class Proposer(Protocol):
    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) to (n, k); rows sum to 1."""
        ...


class Critic(Protocol):
    @property
    def classes_count(self) -> int: ...

    def distribution(self, features: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) and the proposer's p (n, k) to how likely each class is, (n, k); rows sum to 1."""
        ...

    def confidence(self, features: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
        """c (n,): what that gives the proposer's answer."""
        ...


class _Versioned(msgspec.Struct):
    """What every stored critic says of itself."""

    version: int


def open_proposer(artefact: Artefact) -> Proposer:
    """One inference engine per format. Raises `ModelRefused`."""
    manifest, k = artefact.manifest, len(artefact.manifest.classes)
    if manifest.format is ArtefactFormat.LIGHTGBM_TEXT:
        text = _file(artefact, TEXT_FILE).decode("utf-8", "replace")
        return LightGBMProposer.from_text(text, k, _components(artefact))
    if manifest.format is ArtefactFormat.SKOPS:
        if BLEND_FILE in artefact.files:
            return _blend(artefact, k)
        return load_estimator(_file(artefact, SKOPS_FILE), manifest.trusted_types, k)
    if manifest.format is ArtefactFormat.ONNX:
        return OnnxProposer.from_bytes(_file(artefact, ONNX_FILE), k)
    raise _unsupported(f"a proposer cannot be a {manifest.format}")


def open_critic(artefact: Artefact) -> Critic:
    """One of this release, or of version 1, which an older data folder holds. Raises `ModelRefused`."""
    if artefact.manifest.format is not ArtefactFormat.CRITIC_JSON:
        raise _unsupported(f"a critic cannot be a {artefact.manifest.format}")
    stored = _file(artefact, CRITIC_FILE)
    try:
        version = msgspec.json.decode(stored, type=_Versioned).version
    except msgspec.MsgspecError as error:
        raise _refused(f"its critic cannot be read: {error}") from error
    critic: Critic = LogisticCritic.from_json(stored) if version == 1 else Sceptic.from_json(stored)
    if critic.classes_count != len(artefact.manifest.classes):
        raise _refused("its number of classes is not that of its manifest")
    return critic


def blend_part(number: int) -> str:
    """The name of the file that holds a model of a blend."""
    return f"model-{number}.skops"


def _components(artefact: Artefact) -> tuple[Component, ...]:
    """Which trees came from which fit; empty when all came from one."""
    try:
        return msgspec.json.decode(artefact.files.get(COMPONENTS_FILE, b"[]"), type=tuple[Component, ...])
    except msgspec.MsgspecError as error:
        raise _refused(f"its components cannot be read: {error}") from error


def _blend(artefact: Artefact, k: int) -> BlendProposer:
    try:
        parts = msgspec.json.decode(_file(artefact, BLEND_FILE), type=BlendParts)
    except msgspec.MsgspecError as error:
        raise _refused(f"its blend cannot be read: {error}") from error
    if not parts.weights or len(parts.offsets) != k:
        raise _refused("its blend is of other classes, or of no model")
    types = artefact.manifest.trusted_types
    models = [
        Weighted(weight, load_estimator(_file(artefact, blend_part(number)), types, k))
        for number, weight in enumerate(parts.weights)
    ]
    return BlendProposer(models, parts.offsets)


def _file(artefact: Artefact, name: str) -> bytes:
    if name not in artefact.files:
        raise _refused(f"it has no file '{name}'")
    return artefact.files[name]


def _unsupported(what: str) -> ModelUnsupported:
    return ModelUnsupported(f"the model was refused: {what}", where="model artefact", fix="retrain, or roll back")


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="model artefact", fix="retrain, or roll back")
