"""How often the rule for a second look is right, with a share of the labels of the target turned to another class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dissonance.contracts.policy import Policy
from dissonance.science.arrays import Classes, Mask, Matrix, Vector
from dissonance.science.dissonance import critic_distribution
from dissonance.science.sceptic import fit_sceptic
from dissonance.science.second_look import suspected
from science.prepare import Prepared

TURNED = (0.05, 0.1)


def second_looks(prepared: Prepared) -> Iterator[dict[str, Any]]:
    """One row a share turned and a rule. `precision` is missing where a rule suspects nothing."""
    reference, pool = prepared.reference, prepared.target
    critic = fit_sceptic(reference.labelled, category_sizes=prepared.category_sizes, seed=prepared.seed)
    q = critic_distribution(pool.p, critic.confidence(pool.features, pool.p))
    own = _own_confidence(reference.p, reference.classes)
    generator = np.random.default_rng([prepared.seed, 3, *prepared.case.encode()])
    confidence = Policy().second_look_confidence
    for share in TURNED:
        turned = generator.random(len(pool)) < share
        k = prepared.classes_count
        labels = np.where(turned, (pool.classes + generator.integers(1, k, size=len(pool))) % k, pool.classes)
        rules = {
            "both models against": suspected(pool.p, q, labels, confidence),
            "proposer against": suspected(pool.p, pool.p, labels, confidence),
            "confident learning": _confident_learning(pool.p, labels, own),
        }
        for rule, found in rules.items():
            yield {
                "turned": share,
                "rule": rule,
                "asked": float(found.mean()),
                "precision": float(turned[found].mean()) if found.any() else None,
                "recall": float(found[turned].mean()) if turned.any() else None,
                "right_ones_asked": float(found[~turned].mean()),
            }


def _own_confidence(p: Matrix, classes: Classes) -> Vector:
    """Mean probability of a class over the rows that have it; 1 where none has."""
    return np.array([p[classes == k, k].mean() if (classes == k).any() else 1.0 for k in range(p.shape[1])])


def _confident_learning(p: Matrix, labels: Classes, own: Vector) -> Mask:
    """Northcutt et al. (2021): another class is above its own mean confidence, and the likeliest of those that are."""
    above = p >= own
    likeliest = np.where(above, p, -1.0).argmax(axis=1)
    return np.asarray(above.any(axis=1) & (likeliest != labels))
