"""The figure of the holdout, whatever comes: what is believed where nobody looks."""

from __future__ import annotations

from science.estimate import Estimate, Known, Traffic


def naive(known: Known, traffic: Traffic) -> Estimate:
    return Estimate(float(known.reference.right.mean()))
