"""Difference of confidences (Guillory et al. 2021, "Predicting with Confidence on Unseen Distributions").

The loss of accuracy is the loss of mean confidence. This is the form without the paper's regression over shifts whose
labels are known, since there are none before traffic comes; Garg et al. 2022 compare with the same form.
"""

from __future__ import annotations

from science.estimate import Estimate, Known, Traffic


def doc(known: Known, traffic: Traffic) -> Estimate:
    lost = known.reference.p.max(axis=1).mean() - traffic.p.max(axis=1).mean()
    return Estimate(float(min(1.0, max(0.0, known.reference.right.mean() - lost))))
