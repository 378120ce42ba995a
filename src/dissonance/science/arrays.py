"""Names of the arrays that this package takes and gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
"""Shape (n,)."""

Matrix = NDArray[np.float64]
"""Shape (n, d) of features, NaN = missing, a category is its code; or (n, k) of probabilities, rows sum to 1."""

Classes = NDArray[np.int64]
"""Shape (n,): index of a class, 0 to k - 1."""

Mask = NDArray[np.bool_]
"""Shape (n,)."""
