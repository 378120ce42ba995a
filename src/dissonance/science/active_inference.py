"""Accuracy, or the mean of any bounded loss, from labels that were asked for with known chances.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, Science 2023) with chances of one's
choice (Zrnic and Candès, "Active statistical inference", ICML 2024): the mean over all rows of f + (ξ / π)(y - f), f
what is believed of a row before its label (of accuracy: the critic's c), ξ whether its label is known, π the chance of
that. Whatever f is, it is unbiased; the better f, the narrower. f is tuned on the labels of earlier rows only
(Angelopoulos, Duchi and Zrnic, "PPI++", 2023), so that the sum stays a martingale and may be looked at at any time. Of
rows that were not drawn the chances need not have been kept.

For models and beliefs that were fixed before the rows were drawn, or cross-fitted.
"""

from __future__ import annotations

from enum import StrEnum
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from dissonance.errors import InputError
from dissonance.science.arrays import Mask, Vector
from dissonance.science.counted_labels import Counted
from dissonance.science.proportions import Interval
from dissonance.science.sequential import TIGHTEST, errors_at_any_time

PRIOR_LABELS = 10.0
"""Labels' worth of trust in the belief as it comes, against its tuning."""

IMAGINED = 2.0
"""Labels imagined at either bound before the spread is taken, so that few labels cannot look certain (Agresti and
Coull 1998 do so for a proportion)."""


class Estimand(StrEnum):
    """Whose mean: that of the traffic the rows are a sample of, or that of just these rows."""

    TRAFFIC = "traffic"
    ROWS = "rows"


class Audit(NamedTuple):
    """`once`: an interval for one look; `at_any_time`: one of a confidence sequence, None where later looks change more
    than they add. `rows` and `labels` that counted. `believed`: the mean without labels."""

    estimate: float
    standard_error: float
    once: Interval
    at_any_time: Interval | None
    rows: int
    labels: int
    unanswered: int
    believed: float


class Bounds(NamedTuple):
    """Least and most that a loss can be; of being right: 0 and 1."""

    low: float = 0.0
    high: float = 1.0


def audit(
    beliefs: Vector,
    losses: Vector,
    labels: Counted,
    *,
    level: float = 0.05,
    bounds: Bounds = Bounds(),  # noqa: B008  immutable
    estimand: Estimand = Estimand.TRAFFIC,
    tightest: float = TIGHTEST,
) -> Audit:
    """The mean loss over the rows that count, (n,) each, in the order in which they were drawn; accuracy where `losses`
    are 1 for right and 0 for wrong. Losses of labels that are not known are not looked at. What was asked and never
    answered widens the intervals by the most it could matter. Raises `InputError` for what lies outside the bounds.

    >>> from dissonance.science.counted_labels import Counted
    >>> every, none = np.ones(400, dtype=bool), np.zeros(400, dtype=bool)
    >>> known = np.arange(400) % 4 == 0
    >>> right = (np.arange(400) % 20 != 0).astype(float)
    >>> audit(np.full(400, 0.9), right, Counted(every, known, np.full(400, 0.25), none, True)).labels
    100
    """
    _check(beliefs, losses, labels, level, bounds)
    start, width = bounds.low, bounds.high - bounds.low
    rows = labels.rows
    f, pi = (beliefs[rows] - start) / width, labels.chances[rows]
    known, silent = labels.known[rows], labels.unanswered[rows]
    y = np.where(known, (losses[rows] - start) / width, 0.0)
    n = len(f)
    drawn = _Drawn.of(pi, known | silent)
    tuned = np.clip(f + tuning(f, y, known, pi), 0.0, 1.0)
    estimate = float((tuned + np.where(known, (y - tuned) / pi, 0.0)).mean())
    inside = min(1.0, max(0.0, estimate))
    spread = _spread(y, tuned, known, pi, drawn, inside, estimand)
    error = sqrt(spread.variance) / n
    # Imagined labels pull the middle as they widen the spread.
    middle = estimate + spread.pull * (1.0 - 2.0 * inside)
    at_worst, at_best = (float(np.where(silent, (end - tuned) / pi, 0.0).sum()) / n for end in (0.0, 1.0))

    def interval(errors: float) -> Interval:
        low = min(inside, max(0.0, middle - errors * error + at_worst))
        high = max(inside, min(1.0, middle + errors * error + at_best))
        return Interval(start + width * inside, start + width * low, start + width * high)

    return Audit(
        estimate=start + width * inside,
        standard_error=width * error,
        once=interval(float(ndtri(1.0 - level / 2.0))),
        at_any_time=interval(errors_at_any_time(drawn.expected, level, tightest)) if labels.in_order else None,
        rows=n,
        labels=int(known.sum()),
        unanswered=int(silent.sum()),
        believed=start + width * float(f.mean()),
    )


def tuning(f: Vector, y: Vector, known: Mask, chances: Vector) -> Vector:
    """What to add to each belief, (n,): a + b (f - its mean), the ridge fit of y - f on the labels of earlier rows that
    makes the variance least, drawn towards 0 by `PRIOR_LABELS`."""
    weights = np.where(known, (1.0 - chances) / chances**2, 0.0)
    count = np.arange(1, len(f) + 1)
    middle = np.cumsum(f) / count
    scatter = np.maximum(np.cumsum(f * f) / count - middle**2, 1e-12)
    rest = np.where(known, y - f, 0.0)
    w, wf, wff = (_before(weights * power) for power in (1.0, f, f * f))
    wr, wfr = _before(weights * rest), _before(weights * f * rest)
    ridge = PRIOR_LABELS * np.divide(_before(weights**2), w, out=np.ones_like(w), where=w > 0.0)
    wg, wgg = wf - middle * w, wff - 2.0 * middle * wf + middle**2 * w + ridge * scatter
    wgr, w = wfr - middle * wr, w + ridge
    determinant = w * wgg - wg**2
    # Labels that were asked for all but surely weigh so little that nothing is left of them but rounding.
    shift, slope = (
        np.divide(part, determinant, out=np.zeros_like(determinant), where=determinant > 0.0)
        for part in (wgg * wr - wg * wgr, w * wgr - wg * wr)
    )
    return np.asarray(shift + slope * (f - middle))


class _Drawn(NamedTuple):
    """Of the draw over all rows: `expected` labels, Σ π, and `noise`, Σ (1/π - 1). Where chances of rows that were not
    drawn were not kept, by those that were, each for 1/π rows (Hájek 1971)."""

    expected: float
    noise: float

    @classmethod
    def of(cls, chances: Vector, drawn: Mask) -> _Drawn:
        if not np.isnan(chances).any():
            return cls(float(chances.sum()), float((1.0 / chances - 1.0).sum()))
        if not drawn.any():
            raise _impossible("no label and chances that were not kept", "wait for the first label")
        stands_for = 1.0 / chances[drawn]
        rows_each = len(chances) / float(stands_for.sum())
        return cls(rows_each * int(drawn.sum()), rows_each * float((stands_for * (stands_for - 1.0)).sum()))


class _Spread(NamedTuple):
    """`variance` of the sum over rows; `pull`: the share that labels imagined at one bound have in the middle."""

    variance: float
    pull: float


def _spread(
    y: Vector, tuned: Vector, known: Mask, chances: Vector, drawn: _Drawn, mean: float, estimand: Estimand
) -> _Spread:
    """Σ (1/π - 1)(y - f)², which the draw adds, and for traffic n · Var y: each a known factor times a mean over the
    known rows, with labels imagined at the bounds."""
    imagined = IMAGINED * (mean**2 + (1.0 - mean) ** 2)
    draw = _Weighed.by(known, (1.0 - chances) / chances**2)
    spread = _Spread(drawn.noise * draw.mean_with((y - tuned) ** 2, imagined), draw.pull if drawn.noise else 0.0)
    if estimand is Estimand.ROWS:
        return spread
    rows = _Weighed.by(known, 1.0 / chances)
    of_rows = len(y) * rows.mean_with((y - mean) ** 2, imagined)
    return _Spread(spread.variance + of_rows, spread.pull if drawn.noise else rows.pull)


class _Weighed(NamedTuple):
    """`shares` sum to 1 over the known rows; `alike`: how many of equal weight say as much (Kish 1965)."""

    shares: Vector
    alike: float

    @classmethod
    def by(cls, known: Mask, weights: Vector) -> _Weighed:
        shares = np.where(known, weights, 0.0)
        if not shares.any():
            return cls(shares, 0.0)
        shares = shares / shares.sum()
        return cls(shares, 1.0 / float((shares**2).sum()))

    @property
    def pull(self) -> float:
        """Share of the mean that the labels imagined at one bound have."""
        return IMAGINED / (self.alike + 2.0 * IMAGINED)

    def mean_with(self, values: Vector, imagined: float) -> float:
        return (self.alike * float(self.shares @ values) + imagined) / (self.alike + 2.0 * IMAGINED)


def _before(values: Vector) -> Vector:
    """Sum over the rows before each."""
    return np.asarray(np.cumsum(values) - values)


def _check(beliefs: Vector, losses: Vector, labels: Counted, level: float, bounds: Bounds) -> None:
    n = len(labels.rows)
    if len(beliefs) != n or len(losses) != n:
        raise _impossible(f"{len(beliefs)} beliefs and {len(losses)} losses of {n} rows", "give one of each a row")
    if not labels.rows.any():
        raise _impossible("no row that counts", "wait until rows are mature")
    not_kept = np.isnan(labels.chances) & ~labels.known & ~labels.unanswered
    if not (((labels.chances > 0.0) & (labels.chances <= 1.0)) | not_kept)[labels.rows].all():
        raise _impossible("a chance outside (0, 1]", "give the chance that the label is known")
    if not bounds.low < bounds.high:
        raise _impossible(f"a loss within [{bounds.low:g}, {bounds.high:g}]", "give bounds that differ")
    if not 0.0 < level < 1.0:
        raise _impossible(f"a level of {level}", "give a number between 0 and 1")
    for name, values in (("belief", beliefs[labels.rows]), ("loss", losses[labels.known])):
        if not ((values >= bounds.low) & (values <= bounds.high)).all():
            raise _impossible(f"a {name} outside [{bounds.low:g}, {bounds.high:g}]", "give the bounds of the loss")


def _impossible(what: str, fix: str) -> InputError:
    return InputError(f"with {what} nothing can be audited", where="active_inference", fix=fix)
