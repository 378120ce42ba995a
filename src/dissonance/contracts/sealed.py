"""What is inside the one sealed blob of a row: everything about the person (design section 4).

`SealedRow` is what is encrypted; nothing of it travels or rests in plain. Layout is msgpack arrays
(field order is the contract: only append, with a default).
"""

from __future__ import annotations

import msgspec


class SealedRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Inputs and answer of one row.

    `features`: little-endian float64 of length d in schema order, NaN = missing, category = code.
    `probabilities` p and `critic` q: little-endian float64 of length k in class order, summing to 1;
    `critic` is empty until the critic spoke. `label`: class index, or -1 while unknown (in a label: withdrawn).
    `shadow`: probabilities, likewise, of the model that would have answered but for a rollout; empty when there is
    none.
    """

    features: bytes
    probabilities: bytes = b""
    critic: bytes = b""
    label: int = -1
    shadow: bytes = b""
