"""The experience store within one process, for unit tests: the contract of PostgreSQL, nothing durable."""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from dissonance.adapters.memory.accesses import MemoryAccesses
from dissonance.adapters.memory.credentials import MemoryCredentials
from dissonance.adapters.memory.decisions import MemoryDecisions
from dissonance.adapters.memory.erasures import MemoryErasures
from dissonance.adapters.memory.findings import MemoryFindings
from dissonance.adapters.memory.idempotency import MemoryIdempotency
from dissonance.adapters.memory.labels import MemoryLabels
from dissonance.adapters.memory.learnable import MemoryLearnable, by_event_time
from dissonance.adapters.memory.logins import MemoryLogins
from dissonance.adapters.memory.reference import MemoryReference
from dissonance.adapters.memory.replays import MemoryReplays
from dissonance.adapters.memory.rollouts import MemoryRollouts
from dissonance.adapters.memory.task_rows import TaskRows
from dissonance.adapters.memory.windows import MemoryWindows
from dissonance.contracts.events import WHOLE_SYSTEM, Judged
from dissonance.contracts.ids import uuid7_floor, uuid7_time_us
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import MalformedEvent, PolicyInvalid, SealBroken, TaskExists, UnknownTask, WrongType
from dissonance.ports.clock import Clock
from dissonance.ports.labels import AskedAs
from dissonance.ports.store import (
    Counts,
    Experience,
    Outcome,
    PolicyRecord,
    Sureness,
    VerdictRows,
    WindowFigures,
)

logger = logging.getLogger(__name__)

CREATED, CREATED_BY = "task created", "task create"


class MemoryStore(
    MemoryReference,
    MemoryLearnable,
    MemoryAccesses,
    MemoryReplays,
    MemoryLabels,
    MemoryRollouts,
    MemoryDecisions,
    MemoryWindows,
    MemoryFindings,
    MemoryIdempotency,
    MemoryCredentials,
    MemoryLogins,
    MemoryErasures,
):
    """`ports.store.Store`. `available = False` plays a database that is away, `in_plain` one that holds old texts."""

    is_double = True

    def __init__(self, clock: Clock) -> None:
        logger.warning("an experience store in memory: its rows end with this process, production refuses it")
        super().__init__(clock)
        self._claimed: set[str] = set()
        self.in_plain: list[str] = []

    @asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[None]:
        self._require()
        if name in self._claimed:
            raise TaskExists(
                f"a task named '{name}' is being made", where="task.name", fix="wait, or choose another name"
            )
        self._claimed.add(name)
        try:
            yield
        finally:
            self._claimed.discard(name)

    async def create(self, task: Task, policy: Policy) -> None:
        self._require()
        if not _is_task_id(task.task_id):
            raise WrongType(f"'{task.task_id}' is no task id", where="task.task_id", fix="give 32 hex digits")
        if any(known.task.name == task.name or task_id == task.task_id for task_id, known in self._tasks.items()):
            raise TaskExists(
                f"a task is named '{task.name}' or has its id", where="task.name", fix="choose another name"
            )
        first = PolicyRecord(policy, CREATED, CREATED_BY, self._clock.now_us())
        self._tasks[task.task_id] = TaskRows(task, first)

    async def by_name(self, name: str) -> Task:
        self._require()
        for known in self._tasks.values():
            if known.task.name == name:
                return known.task
        raise UnknownTask(f"no task is named '{name}'", where="task", fix="list them: dissonance task list", name=name)

    async def by_id(self, task_id: str) -> Task:
        return self._of(task_id).task

    async def all(self) -> list[Task]:
        self._require()
        tasks = [known.task for known in self._tasks.values()]
        return sorted(tasks, key=lambda task: (task.created_at_us, task.name))

    async def delete(self, task_id: str) -> None:
        self._require()
        self._tasks.pop(task_id, None)
        for name in [name for name in self._idempotency if name[0] == task_id]:
            del self._idempotency[name]
        if task_id != WHOLE_SYSTEM:
            self._findings = {key: each for key, each in self._findings.items() if each.task_id != task_id}

    async def policy(self, task_id: str) -> Policy:
        return self._of(task_id).policies[-1].policy

    async def policy_history(self, task_id: str, limit: int = 1000) -> list[PolicyRecord]:
        return self._of(task_id).policies[::-1][:limit]

    async def set_policy(self, task_id: str, policy: Policy, *, reason: str, by: str) -> None:
        known = self._of(task_id)
        in_force = known.policies[-1].policy.version
        if policy.version != in_force + 1:
            raise PolicyInvalid(
                f"version {policy.version} does not follow version {in_force}, which is in force",
                where="policy.version",
                fix="read the policy in force, change it, and count its version up by 1",
            )
        known.policies.append(PolicyRecord(policy, reason, by, self._clock.now_us()))

    async def judged(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, tuple[Verdict, Reason, int]]:
        self._require()
        verdicts = self._tasks[task_id].verdicts if task_id in self._tasks else {}
        return {each: verdicts[each] for each in prediction_ids if each in verdicts}

    async def budget_spent(self, task_id: str, hours: Sequence[int]) -> dict[int, int]:
        self._require()
        spent = self._tasks[task_id].spent if task_id in self._tasks else {}
        return {hour: spent.get(hour, 0) for hour in hours}

    async def record_verdicts(self, task_id: str, rows: VerdictRows, expected_spent: Mapping[int, int]) -> bool:
        self._require()
        if not rows.prediction_ids:
            return True
        _require_uuid7(rows.prediction_ids)
        known = self._of(task_id)
        hours = [time_us // HOUR_US for time_us in rows.event_times_us]
        seen = dict.fromkeys(hours, 0) | dict(expected_spent)
        taken = any(each in other.verdicts for other in self._tasks.values() for each in rows.prediction_ids)
        if (
            taken
            or len(set(rows.prediction_ids)) < len(rows.prediction_ids)
            or any(known.spent[hour] != spent for hour, spent in seen.items())
        ):
            return False
        for each, verdict, reason in zip(rows.prediction_ids, rows.verdicts, rows.reasons, strict=True):
            known.verdicts[each] = (verdict, reason, rows.policy_version)
        known.spent += Counter(
            hour for hour, reason in zip(hours, rows.reasons, strict=True) if reason is Reason.WITHIN_BUDGET
        )
        known.add_link(rows.evidence)
        return True

    async def verify_chain(self, task_id: str) -> int:
        known = self._of(task_id)
        digest = bytes(32)
        for number in range(1, known.head.link + 1):
            link = known.chain[number - 1] if number <= len(known.chain) else None
            digest = hashlib.sha256(digest + link.evidence).digest() if link else b""
            if link is None or digest != link.digest:
                raise SealBroken(
                    f"link {number} of the verdict chain was changed or is missing",
                    where=f"verdict_log of task {task_id}",
                    fix="compare it with a backup; verdicts from that link on are not proven",
                )
        return known.head.link

    async def record(self, batches: Sequence[Judged]) -> int:
        self._require()
        for batch in batches:
            _require_uuid7(batch.prediction_ids)
            _require_hex(batch.model_digest, batch.critic_digest)
        return sum(self._record(batch) for batch in batches)

    def _record(self, batch: Judged) -> int:
        known = self._tasks.get(batch.task_id)
        if known is None:
            return 0
        new = 0
        for i, prediction_id in enumerate(batch.prediction_ids):
            if any(prediction_id in other.experience for other in self._tasks.values()):
                continue
            new += 1
            known.experience[prediction_id] = Experience(
                prediction_id=prediction_id,
                data_subject=batch.data_subjects[i],
                event_time_us=batch.event_times_us[i],
                processing_time_us=batch.processing_times_us[i],
                sealed=batch.sealed[i],
                model_digest=batch.model_digest.lower(),
                critic_digest=batch.critic_digest.lower(),
                policy_version=batch.policy_version,
                verdict=batch.verdicts[i],
                reason=batch.reasons[i],
                confidence=batch.confidences[i],
                dissonance=batch.dissonances[i],
                canary_arm=batch.canary_arms[i],
                shadow_digest=batch.shadow_digest.lower(),
            )
        return new

    async def outcomes(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Outcome]:
        found = await self.find(task_id, prediction_ids)
        return {each: Outcome(row.confidence, row.dissonance, row.verdict, row.reason) for each, row in found.items()}

    async def find(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Experience]:
        experience = self._experience(task_id)
        return {each: self._labelled(task_id, each) for each in prediction_ids if each in experience}

    async def figures(self, task_id: str, start_us: int, end_us: int, d_target: float) -> WindowFigures:
        rows = [row for row in self._experience(task_id).values() if start_us <= row.event_time_us < end_us]
        labels = {row.prediction_id: label for row in rows if (label := self._counted(task_id, row)) is not None}
        asked = {each.prediction_id for each in self._requests(task_id) if each.asked_as is AskedAs.RANDOM_CHECK}
        checked = [labels[each] for each in asked if each in labels]
        return WindowFigures(
            rows=len(rows),
            labelled=len(labels),
            right=sum(label.right is True for label in labels.values()),
            sum_confidence=float(sum(row.confidence for row in rows)),
            sum_dissonance=float(sum(row.dissonance for row in rows)),
            over_target=sum(row.dissonance > d_target for row in rows),
            sum_variance=float(sum(row.confidence * (1.0 - row.confidence) for row in rows)),
            sum_delay_us=float(
                sum(labels[each].labelled_at_us - self._experience(task_id)[each].event_time_us for each in labels)
            ),
            random_labelled=len(checked),
            random_right=sum(label.right is True for label in checked),
            random_both_wrong=sum(label.right is False and label.critic_right is False for label in checked),
        )

    async def between(self, task_id: str, start_us: int, end_us: int, newest: int | None = None) -> list[Experience]:
        rows = [row for row in self._experience(task_id).values() if start_us <= row.event_time_us < end_us]
        ordered = sorted(rows, key=by_event_time)
        wanted = ordered if newest is None else ordered[max(0, len(ordered) - newest) :]
        return [self._labelled(task_id, row.prediction_id) for row in wanted]

    async def counts(self, task_id: str) -> Counts:
        rows = self._experience(task_id).values()
        admitted = sum(row.verdict is Verdict.ADMITTED for row in rows)
        labelled = sum(self._counted(task_id, row) is not None for row in rows)
        return Counts(admitted, len(rows) - admitted, labelled)

    async def rows_per_hour(
        self, task_id: str, data_subjects: Sequence[bytes], hours: Sequence[int]
    ) -> dict[tuple[bytes, int], int]:
        wanted, times = set(data_subjects), set(hours)
        return dict(
            Counter(
                (row.data_subject, row.event_time_us // HOUR_US)
                for row in self._experience(task_id).values()
                if row.data_subject in wanted and row.event_time_us // HOUR_US in times
            )
        )

    async def nth_event_time_us(self, task_id: str, from_us: int, n: int) -> int | None:
        times = sorted(row.event_time_us for row in self._experience(task_id).values() if row.event_time_us >= from_us)
        return times[n - 1] if len(times) >= n else None

    async def least_sure(self, task_id: str, start_us: int, end_us: int, n: int) -> Sureness | None:
        rows = (row for row in self._experience(task_id).values() if start_us <= row.event_time_us < end_us)
        sure = sorted(abs(2.0 * row.confidence - 1.0) for row in rows)
        return Sureness(sure[n - 1], bisect_right(sure, sure[n - 1])) if len(sure) >= n else None

    async def latest_event_time_us(self, task_id: str) -> int | None:
        return max((row.event_time_us for row in self._experience(task_id).values()), default=None)

    async def retain(self, task_id: str, oldest_us: int) -> int:
        known = self._known(task_id)
        if known is None:
            return 0
        gone = [each for each, row in known.experience.items() if row.processing_time_us < oldest_us]
        for each in gone:
            del known.experience[each]
            known.verdicts.pop(each, None)
            known.labels.pop(each, None)
        known.requests = {key: each for key, each in known.requests.items() if each.prediction_id not in gone}
        below = uuid7_floor(oldest_us + 1_000)
        for verdicts in known.replayed.values():
            for each in [each for each in verdicts if each < below]:
                del verdicts[each]
        known.dropped += len(gone)
        return len(gone)

    async def dropped_by_retention(self, task_id: str) -> int:
        self._require()
        return self._tasks[task_id].dropped if task_id in self._tasks else 0

    async def evidence(self, task_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        known = self._known(task_id)
        links = known.chain[after : after + limit] if known is not None else []
        return [(number, link.evidence) for number, link in enumerate(links, start=after + 1)]

    async def database_time_us(self) -> int:
        self._require()
        return self._clock.now_us()

    async def texts_in_plain(self) -> list[str]:
        self._require()
        return list(self.in_plain)

    async def ready(self) -> None:
        self._require()

    async def close(self) -> None:
        """Nothing to let go of."""

    def _labelled(self, task_id: str, prediction_id: bytes) -> Experience:
        """The row with its label, unless that was withdrawn."""
        known = self._of(task_id)
        row, label = known.experience[prediction_id], known.labels.get(prediction_id)
        if label is None or label.right is None:
            return row
        return msgspec.structs.replace(
            row, label_sealed=label.sealed, labelled_at_us=label.labelled_at_us, right=label.right
        )


def _is_task_id(task_id: str) -> bool:
    try:
        return len(bytes.fromhex(task_id)) == 16 and bytes.fromhex(task_id) not in (bytes(16), b"\xff" * 16)
    except ValueError:
        return False


def _require_uuid7(prediction_ids: Sequence[bytes]) -> None:
    for prediction_id in prediction_ids:
        uuid7_time_us(prediction_id)


def _require_hex(*digests: str) -> None:
    try:
        for digest in digests:
            bytes.fromhex(digest)
    except ValueError as error:
        raise MalformedEvent("not a digest", where="digest", fix="give hex digits") from error
