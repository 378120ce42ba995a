"""Importance weighting (Sugiyama et al. 2007): accuracy of the reference, its rows weighted by the density ratio."""

from __future__ import annotations

import numpy as np

from science.estimate import Estimate, Known, Traffic
from science.peers.density import density_ratio


def importance_weighting(known: Known, traffic: Traffic) -> Estimate:
    return Estimate(float(np.average(known.reference.right, weights=density_ratio(known, traffic))))
