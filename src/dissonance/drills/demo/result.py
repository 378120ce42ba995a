"""What one run of the demo measured: the end table, `--json`, `result.json` and the report all show this."""

from __future__ import annotations

import msgspec

from dissonance.contracts.policy import Policy
from dissonance.contracts.topics import EventKind
from dissonance.contracts.window_api import WindowReply
from dissonance.drills.demo.compare import Compared, TrueWindow
from dissonance.drills.demo.follow import Happening
from dissonance.drills.demo.mischief import Mischief
from dissonance.drills.demo.story import BACK, STRETCH
from dissonance.drills.demo.updates import Update
from dissonance.drills.records import Machine
from dissonance.ports.labels import AskedAs


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


class LabelsUsed(msgspec.Struct, frozen=True):
    """Label requests by why they were asked, and what the policy would have allowed."""

    asked: dict[str, int]
    budget: int  # `label_budget_per_day` times the days of the stream
    rows: int  # inputs that could have been asked about

    @property
    def bought(self) -> int:
        """Requests under the budget."""
        return self.asked.get(AskedAs.RANDOM_CHECK, 0) + self.asked.get(AskedAs.CHOSEN, 0)


class Notice(msgspec.Struct, frozen=True):
    """Harm was noticed when the stream had come to `noticed_us`; `labels_of_window` labels of the window that showed it
    were known then. Event times in microseconds."""

    stretch_start_us: int
    noticed_us: int
    labels_of_window: int
    estimated_accuracy: float
    reference_accuracy: float


class PolicyStep(msgspec.Struct, frozen=True):
    """One version of the policy."""

    version: int
    by: str
    reason: str
    lambda_in_force: float


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """`windows` are those of the stream as the system states them, `truth` as it does not know them, both in order of
    event time; `happenings` in the order they happened."""

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
    policies: list[PolicyStep]
    accounting: Accounting
    windows: list[WindowReply]
    truth: list[TrueWindow]
    reasons: list[ReasonCount]
    happenings: list[Happening]
    harm: Notice | None
    labels: LabelsUsed
    compared: list[Compared]
    mischief: Mischief
    updates: list[Update]
    memory_bytes: dict[str, int]
    report: str = ""
    data_folder: str = ""  # empty when it was a temporary one

    @property
    def own_promotions(self) -> list[Happening]:
        """Updates that the loop itself put into production; the one that somebody forced there is none."""
        promoted = [each for each in self.happenings if each.kind == EventKind.MODEL_PROMOTED]
        return [each for each in promoted if each.version != self.mischief.version]

    @property
    def shown(self) -> bool:
        """Whether the run showed what it is for: the account balances, harm was noticed, an update of the loop's own
        went live, and on the stretch and after it the managed model was right more often than the frozen one."""
        gains = {each.name: each.gain for each in self.compared}
        better = all(gains[name].estimate > 0.0 for name in (STRETCH, BACK))
        return self.accounting.balanced and self.harm is not None and bool(self.own_promotions) and better
