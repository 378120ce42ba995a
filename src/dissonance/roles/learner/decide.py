"""Pure rules of the learner."""

from __future__ import annotations

import numpy as np

from dissonance.contracts.sealed import SealedRow


def is_right(row: SealedRow, label: SealedRow) -> bool:
    """Whether the most probable class of the answer (the first one on a tie) is the label."""
    return int(np.argmax(np.frombuffer(row.probabilities))) == label.label
