"""Bodies of the HTTP API about windows. Times are RFC 3339."""

from __future__ import annotations

import msgspec

from dissonance.contracts.windows import SliceFigures, Stated


class WindowReply(Stated, frozen=True, kw_only=True):
    """Intervals are `[low, high]` at 95 % (Wilson 1927); None while there is nothing to count. `coverage`: share of
    rows that have a label. `both_wrong_rate`: of the random check, where neither proposer nor critic was right.

    `estimate` is of windows that are over. Where it was told, `estimated_accuracy` is its accuracy; elsewhere it is the
    critic's mean belief in the answers, whose standard error is `estimated_error`, and which nothing vouches for where
    the estimate's verdict is `cannot_tell`."""

    start: str
    end: str
    coverage: float = 0.0
    random_accuracy: float | None = None
    random_interval: list[float] | None = None
    both_wrong_rate: float | None = None
    both_wrong_interval: list[float] | None = None


class AuditReply(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a window, audited by the labels that were asked for, each weighed by the chance that it was.

    Of `rows` (the newest ones, old enough for their labels to have come) `labels` are known, and `unanswered` were
    asked about and are silent, or wait for a second look: they widen the intervals by the most they could matter.
    `accuracy` with `interval` for one look and `interval_at_any_time` for any number of looks (None where labels count
    as they come), `[low, high]` at 95 %; `believed`: the critic's mean belief without labels. `both_wrong_rate`: of
    wrong answers among those that the critic too holds to be right (c ≥ ½); None while no label of these is known."""

    rows: int
    labels: int
    unanswered: int
    believed: float
    accuracy: float
    interval: list[float]
    interval_at_any_time: list[float] | None
    both_wrong_rate: float | None
    both_wrong_interval: list[float] | None


class WindowsReply(msgspec.Struct, frozen=True):
    task: str
    windows: list[WindowReply]


class WindowDetailReply(msgspec.Struct, frozen=True):
    """One window with its slices, the least accurate first. `audit`: None while no label that was asked for counts."""

    task: str
    window: WindowReply
    slices: list[SliceFigures]
    audit: AuditReply | None = None


class RetrainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for an update by hand."""

    reason: str


class RetrainReply(msgspec.Struct, frozen=True):
    """The request is durable; the learner takes it up."""

    task: str
    request_id: str
