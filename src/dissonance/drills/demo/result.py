"""What one run of the demo measured: the end table, `--json`, `result.json` and the report all show this."""

from __future__ import annotations

import msgspec

from dissonance.contracts.api import WindowReply
from dissonance.contracts.policy import Policy
from dissonance.drills.records import Machine
from dissonance.science.proportions import Interval


class StepTime(msgspec.Struct, frozen=True):
    name: str
    seconds: float


class Accounting(msgspec.Struct, frozen=True):
    """Rows. `acknowledged` is what the API answered; every one of them must be stored or in a dead letter.

    `missing`: acknowledged and nowhere. `unexpected`: stored though nobody asked for it, repeats included.
    """

    acknowledged: int
    admitted: int
    blocked: int
    dead_lettered: int
    missing: int
    unexpected: int
    labels_sent: int
    labels_joined: int
    requests: int
    retries: int  # HTTP requests that were sent again
    verdict_chain_links: int

    @property
    def balanced(self) -> bool:
        """Events in = admitted + blocked + dead-lettered, to the last one, and every label at its row."""
        accounted = self.admitted + self.blocked + self.dead_lettered
        nothing_else = self.missing == 0 and self.unexpected == 0
        return nothing_else and self.acknowledged == accounted and self.labels_sent == self.labels_joined


class ReasonCount(msgspec.Struct, frozen=True):
    """Verdicts of one reason among the rows of one window."""

    window_start_us: int
    reason: str
    verdict: str
    rows: int


class Compared(msgspec.Struct, frozen=True):
    """Both model versions on the same `rows`, which neither was trained on: shares of right answers, in [0, 1].

    `before`, `after`: Wilson intervals at 95 %; `change`: the paired difference, likewise.
    """

    name: str
    rows: int
    before: Interval
    after: Interval
    change: Interval


class Update(msgspec.Struct, frozen=True):
    """The one update. Times are event time, microseconds since 1970 UTC; accuracies in [0, 1].

    `reference` and `recent` are realised accuracies of the windows that asked for it; `labels_available` is how many
    labels had come by then.
    """

    reference: float
    recent: float
    asked_at_us: int
    promoted_at_us: int
    seconds: float
    old_version: int
    new_version: int
    labels_available: int
    labels_used: int
    golden_before: float
    golden_after: float


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """`windows` are those of the stream, in order of event time."""

    version: str
    commit: str | None
    started_at: str  # RFC 3339
    machine: Machine
    task: str
    rows: int
    seed: int
    training_rows: int
    training_group_quarters: int
    training_left_out: int
    stream_group_quarters: int
    steps: list[StepTime]
    seconds: float
    stream_seconds: float
    rows_per_request: int
    policy: Policy
    accounting: Accounting
    windows: list[WindowReply]
    reasons: list[ReasonCount]
    update: Update
    compared: list[Compared]
    memory_bytes: dict[str, int]
    report: str = ""
    data_folder: str = ""  # empty when it was a temporary one
