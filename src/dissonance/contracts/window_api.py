"""Bodies of the HTTP API about windows. Times are RFC 3339; figures: see `ports.store.Window`."""

from __future__ import annotations

import msgspec

from dissonance.contracts.estimates import WindowEstimate


class SliceReply(msgspec.Struct, frozen=True):
    """The rows of a window in which `feature` is `value`. Shares in [0, 1]."""

    feature: str
    value: str
    rows: int
    labelled: int
    estimated_accuracy: float
    realised_accuracy: float | None
    mean_dissonance: float


class WindowReply(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals are `[low, high]` at 95 % (Wilson 1927); None while there is nothing to count. `coverage`: share of
    rows that have a label. `both_wrong_rate`: of the random check, where neither proposer nor critic was right.

    `estimate` is of windows that are over. Where it was told, `estimated_accuracy` is its accuracy; elsewhere it is the
    critic's mean belief in the answers, whose standard error is `estimated_error`, and which nothing vouches for where
    the estimate's verdict is `cannot_tell`."""

    window_id: str
    start: str
    end: str
    revision: int
    rows: int
    labelled: int
    mean_doubt: float
    mean_dissonance: float
    share_over_target: float
    estimated_accuracy: float
    realised_accuracy: float | None
    closed: bool
    estimated_error: float = 0.0
    coverage: float = 0.0
    mean_label_delay_s: float | None = None
    random_checked: int = 0
    random_right: int = 0
    random_accuracy: float | None = None
    random_interval: list[float] | None = None
    both_wrong_rate: float | None = None
    both_wrong_interval: list[float] | None = None
    estimate: WindowEstimate | None = None


class WindowsReply(msgspec.Struct, frozen=True):
    task: str
    windows: list[WindowReply]


class WindowDetailReply(msgspec.Struct, frozen=True):
    """One window with its slices, the least accurate first."""

    task: str
    window: WindowReply
    slices: list[SliceReply]


class RetrainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for an update by hand."""

    reason: str


class RetrainReply(msgspec.Struct, frozen=True):
    """The request is durable; the learner takes it up."""

    task: str
    request_id: str
