"""May these verified bytes answer, or doubt, for a task? Artefact in, model out, or `ModelRefused`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dissonance.errors import ModelRefused
from dissonance.science.critic import Critic
from dissonance.science.estimators import load_estimator
from dissonance.science.proposer import LightGBMProposer
from dissonance.security.artefacts import Artefact, ArtefactFormat

TEXT_FILE = "model.txt"
SKOPS_FILE = "model.skops"
CRITIC_FILE = "critic.json"


class Proposer(Protocol):
    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) to (n, k); rows sum to 1."""
        ...


def open_proposer(artefact: Artefact) -> Proposer:
    """One inference engine per format. Raises `ModelRefused`."""
    manifest, k = artefact.manifest, len(artefact.manifest.classes)
    if manifest.format is ArtefactFormat.LIGHTGBM_TEXT:
        return LightGBMProposer.from_text(_file(artefact, TEXT_FILE).decode("utf-8", "replace"), k)
    if manifest.format is ArtefactFormat.SKOPS:
        return load_estimator(_file(artefact, SKOPS_FILE), manifest.trusted_types, k)
    raise _refused(f"a proposer cannot be a {manifest.format}")


def open_critic(artefact: Artefact) -> Critic:
    """Raises `ModelRefused`."""
    if artefact.manifest.format is not ArtefactFormat.CRITIC_JSON:
        raise _refused(f"a critic cannot be a {artefact.manifest.format}")
    critic = Critic.from_json(_file(artefact, CRITIC_FILE))
    if critic.classes_count != len(artefact.manifest.classes):
        raise _refused("its number of classes is not that of its manifest")
    return critic


def _file(artefact: Artefact, name: str) -> bytes:
    if name not in artefact.files:
        raise _refused(f"it has no file '{name}'")
    return artefact.files[name]


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="model artefact", fix="retrain, or roll back")
