"""A step of the pipeline as whoever runs it sees it: a plain loop, or a scheduler with an interface of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec


class StepName(StrEnum):
    """Stored: never rename one."""

    INGEST = "ingest"
    VALIDATE = "validate"
    SNAPSHOT = "snapshot"
    TRAIN = "train"
    EVALUATE = "evaluate"
    REGISTER = "register"
    GATE = "gate"
    ROLLOUT = "rollout"


Number = float | int | str | None


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step left. `key` is a digest of all its inputs, `digest` of what it made, 64 hex digits each. `accepted`:
    whether the next step may begin; if not, `findings` say why."""

    step: StepName
    key: str
    digest: str
    numbers: dict[str, Number]
    findings: tuple[str, ...] = ()
    accepted: bool = True
    finished_at_us: int
    task_id: str


class Done(NamedTuple):
    """`reused`: it was done before, by an earlier run or whoever else. `passed_over`: it did nothing, the findings of
    its record say why, and what it would have worked on waits."""

    record: StepRecord
    reused: bool
    passed_over: bool = False

    @property
    def state(self) -> str:
        """In words."""
        if not self.record.accepted:
            return "refused"
        return "passed over" if self.passed_over else "done before" if self.reused else "done"


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a run depends on beside what is stored: so the same request again goes on where it was cut.

    `as_of_us`: only rows and labels that were known then; `back_fill`: somebody named that time, and rows that do not
    say their own are refused. `source`: an address without a password; empty: no rows but
    those of the system. `incumbent`: the version that the candidate starts from. `drift_max`: largest AUC of new inputs
    against the reference, 0.5 to 1; None: drift is told, and refuses nothing. `cluster`: address of a Dask scheduler.
    """

    task_id: str
    task_name: str
    as_of_us: int
    incumbent: int
    back_fill: bool = False
    source: str = ""
    seed: int = 0
    threads: int = 1
    drift_max: float | None = None
    cluster: str = ""
    reason: str = "asked for by hand"


class StepDescription(NamedTuple):
    """`what`: one sentence. `checks`: names of what must hold before the next step may begin; the record's numbers say
    of each that it fails, or the record as a whole is not accepted."""

    name: StepName
    what: str
    needs: tuple[StepName, ...]
    checks: tuple[str, ...] = ()

    def passed(self, record: StepRecord) -> dict[str, bool]:
        found = {check: record.numbers.get(check) != FAILS for check in self.checks}
        return found if record.accepted or not all(found.values()) else dict.fromkeys(self.checks, False)


HOLDS, FAILS = "holds", "fails"


class Order(NamedTuple):
    """What a scheduler was asked for: a task by its name, and as of when (RFC 3339; empty: now)."""

    task: str
    source: str = ""
    as_of: str = ""
    seed: int = 0
    reason: str = "asked for by a scheduler"


class Trigger(NamedTuple):
    """A request of the loop itself, from the bus. `at_us`: when it was published."""

    event_id: str
    task: str
    reason: str
    at_us: int


class Hands(Protocol):
    """Whoever does the steps for a scheduler. Methods block. `run`: the scheduler's own name of a run."""

    def do(self, step: StepName, run: str, order: Order) -> Done:
        """The first step of a run pins what `order` asks for; later ones go by that."""
        ...

    def tasks(self) -> list[str]: ...

    def triggers(self, after_us: int) -> list[Trigger]:
        """Oldest first."""
        ...
