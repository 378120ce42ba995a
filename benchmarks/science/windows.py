"""Windows of traffic: rows drawn without replacement from the pool of shifted or of undisturbed rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from science.estimate import Traffic
from science.prepare import Prepared, Rows

SIZES = (100, 300, 1_000, 2_000)
KINDS = ("source", "target")
"""Undisturbed, shifted."""


class Window(NamedTuple):
    kind: str
    size: int
    number: int
    rows: Rows

    @property
    def traffic(self) -> Traffic:
        return Traffic(self.rows.features, self.rows.p)


def pool(prepared: Prepared, kind: str) -> Rows:
    return prepared.source if kind == "source" else prepared.target


def draw(prepared: Prepared, each: int, sizes: Sequence[int] = SIZES) -> list[Window]:
    """`each` windows of every kind and size that the pool can give. The same seed gives the same windows."""
    return [
        Window(kind, size, number, pool(prepared, kind).take(_rows(prepared, kind, size, number)))
        for kind in KINDS
        for size in sizes
        if size <= len(pool(prepared, kind))
        for number in range(each)
    ]


def _rows(prepared: Prepared, kind: str, size: int, number: int) -> np.ndarray:
    generator = np.random.default_rng([prepared.seed, size, number, 0 if kind == "source" else 1])
    return generator.permutation(len(pool(prepared, kind)))[:size]
