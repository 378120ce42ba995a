"""How often both models are wrong together where they agree: what no comparison of the two can see, and the reason for
the random check, whose labels alone tell it without an assumption."""

from __future__ import annotations

from dissonance.errors import InputError
from dissonance.science.arrays import Classes, Matrix
from dissonance.science.proportions import Interval, wilson_interval


def both_wrong_when_agreed(p: Matrix, q: Matrix, classes: Classes, confidence: float = 0.95) -> Interval:
    """Share of wrong answers among the rows of the random check on which p and q, (n, k) each, have the same most
    probable class; classes: (n,). Raises `InputError` where they agree on none.

    >>> import numpy as np
    >>> p, q = np.array([[0.9, 0.1]] * 20), np.array([[0.8, 0.2]] * 20)
    >>> [round(bound, 2) for bound in both_wrong_when_agreed(p, q, np.array([0] * 19 + [1]))]
    [0.05, 0.01, 0.24]
    """
    answers = p.argmax(axis=1)
    agreed = answers == q.argmax(axis=1)
    if not agreed.any():
        raise InputError("the models agree on none of the rows", where="blind_spot", fix="wait for more random checks")
    return wilson_interval(int((answers[agreed] != classes[agreed]).sum()), int(agreed.sum()), confidence)
