"""The pair of models that answers and doubts for a task, and what they say of rows."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Task
from dissonance.science.dissonance import critic_distribution, dissonance

Matrix = NDArray[np.float64]


class ProposerModel(Protocol):
    def probabilities(self, features: Matrix) -> Matrix:
        """(n, d) to (n, k); rows sum to 1."""
        ...


class CriticModel(Protocol):
    def confidence(self, features: Matrix, p: Matrix) -> Matrix:
        """(n, d) and p (n, k) to c (n,), in [0, 1]: the probability that the proposer's answer is right."""
        ...


class Serving(NamedTuple):
    """One loaded, verified pair. `version` is the proposer's in the registry."""

    version: int
    proposer_digest: str
    critic_digest: str
    proposer: ProposerModel
    critic: CriticModel


class Arms(NamedTuple):
    """Who answers while an update is rolled out (ADR 28). `other` answers a `share` of requests, with `production` in
    its shadow; with a share of 0 it is only the shadow of production. None: production answers alone."""

    production: Serving
    other: Serving | None = None
    share: float = 0.0


class Opinion(NamedTuple):
    """`probabilities` p (n, k); `confidences` c (n,); `critic` q (n, k); `dissonances` D (n,)."""

    probabilities: Matrix
    confidences: Matrix
    critic: Matrix
    dissonances: Matrix


def doubt_of(serving: Serving, features: Matrix, probabilities: Matrix) -> Opinion:
    """What the critic says of answers already given."""
    c = serving.critic.confidence(features, probabilities)
    q = critic_distribution(probabilities, c)
    return Opinion(probabilities, c, q, dissonance(probabilities, q))


class ModelLoader(Protocol):
    """Fetches, verifies and opens models. Blocking: call it from a thread.

    Raises `ModelNotFound`, `ModelRefused` (signature, format, schema) or `EngineUnavailable`.
    """

    def production(self, task: Task) -> Serving: ...

    def fresh(self, task: Task) -> Serving:
        """As `production`, read and verified anew, past whatever is kept."""
        ...

    def by_digest(self, task: Task, proposer_digest: str) -> Serving:
        """The pair whose proposer has this digest."""
        ...
