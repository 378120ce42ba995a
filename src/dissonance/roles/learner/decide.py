"""What a label says of the models that answered its row, and whether it may teach. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.contracts.sealed import SealedRow
from dissonance.science.second_look import suspected

WITHDRAWN = -1


class Said(NamedTuple):
    """`right`, `critic_right`, `shadow_right`: whether the most probable class (the first one on a tie) of p, of q and
    of the shadow is the label; None where there is none, all None when the label is withdrawn. `surprising`: both p
    and q give the label next to nothing."""

    right: bool | None
    critic_right: bool | None
    shadow_right: bool | None
    surprising: bool


def said_by(row: SealedRow, label: SealedRow, second_look_confidence: float) -> Said:
    """`second_look_confidence`: a label that both models give at most one minus it is surprising, in [0, 1]."""
    if label.label == WITHDRAWN:
        return Said(None, None, None, False)
    p, q = np.frombuffer(row.probabilities), np.frombuffer(row.critic)
    return Said(
        right=int(p.argmax()) == label.label,
        critic_right=int(q.argmax()) == label.label if len(q) else None,
        shadow_right=int(np.frombuffer(row.shadow).argmax()) == label.label if row.shadow else None,
        surprising=bool(
            len(q) and suspected(p[None, :], q[None, :], np.array([label.label]), second_look_confidence)[0]
        ),
    )
