"""What a method is given, and what it says about one window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dissonance.science.arrays import Matrix
from dissonance.science.proposer import LightGBMProposer
from science.prepare import Prepared, Rows


class Estimate(NamedTuple):
    """All in [0, 1]. A `value` of None: the method cannot tell, and `note` says why. `low` and `high` are its interval,
    `bound` the lower bound of accuracy that it vouches for. `alarm` is None where the method has no alarm."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    alarm: bool | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Known:
    """All that is known before traffic comes: the model, the rows it learnt from, its labelled reference."""

    case: str
    group: str
    seed: int
    category_sizes: tuple[int, ...]
    names: tuple[str, ...]
    model: LightGBMProposer | None
    train: Rows
    reference: Rows

    @classmethod
    def of(cls, prepared: Prepared) -> Known:
        return cls(
            prepared.case,
            prepared.group,
            prepared.seed,
            prepared.category_sizes,
            prepared.names,
            prepared.model,
            prepared.train,
            prepared.reference,
        )


@dataclass(frozen=True, eq=False)
class Traffic:
    """A window as it is served: `features` (n, d), `p` (n, k), and no labels."""

    features: Matrix
    p: Matrix


Method = Callable[[Known, Sequence[Traffic]], Sequence[Estimate]]
"""One estimate a window, in their order."""


def one_by_one(tell: Callable[[Known, Traffic], Estimate]) -> Method:
    """A method that looks at one window at a time."""

    def method(known: Known, windows: Sequence[Traffic]) -> list[Estimate]:
        return [tell(known, window) for window in windows]

    return method
