"""Stores to hold to one contract: in memory, and on PostgreSQL through connections of their own."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from psycopg import sql

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.store import MemoryStore
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.contracts.events import PRODUCTION_ARM, Judged
from dissonance.contracts.ids import IdSource
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.labels import LabelRows
from dissonance.ports.store import LearnableRows, Store, VerdictRows, Window
from dissonance.security.text_seal import TextSeal
from support.database import execute

NO_TASK = "f" * 32  # an id that no task has
WEEK_S = 7 * 86_400

Story = Callable[[Store], Awaitable[None]]
StoryOfTwo = Callable[[Store, Store], Awaitable[None]]


class StoreCase(Protocol):
    """One kind of store, and what a test needs to fill it."""

    make: RowMaker

    def tell(self, story: Story) -> None:
        """Run a story on a store."""

    def tell_of_two(self, story: StoryOfTwo) -> None:
        """Run a story on two replicas of one store."""

    def tamper_with_evidence(self, task_id: str, link: int) -> None: ...

    def drop_last_link(self, task_id: str) -> None: ...


class RowMaker:
    """Rows of tasks, from a seed; `clock` gives ids and processing times."""

    def __init__(self, name: str) -> None:
        self.clock = FixedClock()
        self.randomness = SeededRandomness(zlib.crc32(name.encode()))
        self.ids = IdSource(self.clock, self.randomness)

    def task(self, **changes: object) -> Task:
        task_id = self.randomness.token(16).hex()
        task = Task(
            task_id=task_id,
            name=f"task-{task_id[:12]}",
            schema=FeatureSchema((Feature("age", FeatureKind.INTEGER, minimum=0.0, maximum=99.0),)),
            classes=(0, 1),
            target="employed",
            created_at_us=self.clock.now_us(),
            source_digest="ab" * 32,
        )
        return msgspec.structs.replace(task, **changes)

    def judged(
        self,
        task_id: str,
        rows: int = 3,
        *,
        event_times_us: Sequence[int] | None = None,
        verdict: Verdict = Verdict.ADMITTED,
        reason: Reason = Reason.AGREED,
        **changes: object,
    ) -> Judged:
        ids = self.ids.many(rows)
        event = Judged(
            event_id=ids[0].hex(),
            task_id=task_id,
            produced_at_us=self.clock.now_us(),
            producer="gate",
            prediction_ids=ids,
            data_subjects=[self.randomness.token(16) for _ in ids],
            event_times_us=list(event_times_us or [self.clock.now_us() + 1_000 * i for i in range(rows)]),
            processing_times_us=[self.clock.now_us()] * rows,
            sealed=[self.randomness.token(40) for _ in ids],
            model_digest="0a" * 32,
            policy_digest="0b" * 32,
            canary_arms=[PRODUCTION_ARM] * rows,
            propensities=[1.0] * rows,
            confidences=[0.75] * rows,
            dissonances=[0.125] * rows,
            critic_digest="0c" * 32,
            verdicts=[verdict] * rows,
            reasons=[reason] * rows,
            policy_version=1,
        )
        return msgspec.structs.replace(event, **changes)

    def verdict_rows(
        self, event: Judged, reason: Reason = Reason.WITHIN_BUDGET, evidence: bytes = b"numbers"
    ) -> VerdictRows:
        return VerdictRows(
            prediction_ids=event.prediction_ids,
            event_times_us=event.event_times_us,
            verdicts=event.verdicts,
            reasons=[reason] * event.rows,
            evidence=evidence,
            policy_version=event.policy_version,
        )

    def window(self, task_id: str, start_us: int = 0, **changes: object) -> Window:
        window = Window(
            window_id=f"{task_id}-{start_us}",
            task_id=task_id,
            start_us=start_us,
            end_us=start_us + 1_000,
            revision=0,
            rows=10,
            labelled=0,
            mean_doubt=0.25,
            mean_dissonance=0.1,
            share_over_target=0.3,
            estimated_accuracy=0.75,
            realised_accuracy=None,
            closed=False,
        )
        return msgspec.structs.replace(window, **changes)


def labels(
    ids: Sequence[bytes],
    sealed: Sequence[bytes],
    at_us: Sequence[int],
    right: Sequence[bool | None],
    *,
    critic_right: Sequence[bool | None] | None = None,
    shadow_right: Sequence[bool | None] | None = None,
    learnable: Sequence[bool] | None = None,
) -> LabelRows:
    """Labels that may be learnt from, of rows without a shadow, unless told otherwise."""
    nothing: list[bool | None] = [None] * len(ids)
    return LabelRows(
        prediction_ids=list(ids),
        sealed=list(sealed),
        labelled_at_us=list(at_us),
        right=list(right),
        critic_right=nothing if critic_right is None else list(critic_right),
        shadow_right=nothing if shadow_right is None else list(shadow_right),
        learnable=[True] * len(ids) if learnable is None else list(learnable),
        source="api",
    )


async def with_task(store: Store, make: RowMaker, policy: Policy | None = None) -> str:
    task = make.task()
    await store.create(task, policy or Policy())
    return task.task_id


class MemoryStoreCase:
    def __init__(self, make: RowMaker) -> None:
        self.make = make
        self.store = MemoryStore(make.clock)

    def tell(self, story: Story) -> None:
        asyncio.run(_await(story(self.store)))

    def tell_of_two(self, story: StoryOfTwo) -> None:
        asyncio.run(_await(story(self.store, self.store)))

    def tamper_with_evidence(self, task_id: str, link: int) -> None:
        chain = self.store.rows_of(task_id).chain
        chain[link - 1] = chain[link - 1]._replace(evidence=b"other numbers")

    def drop_last_link(self, task_id: str) -> None:
        self.store.rows_of(task_id).chain.pop()


class PostgresStoreCase:
    def __init__(self, make: RowMaker, url: str) -> None:
        self.make = make
        self.url = url

    def tell(self, story: Story) -> None:
        async def told() -> None:
            store = PostgresStore(self.url, texts=TextSeal(bytes(64)), clock=self.make.clock, connections=2)
            try:
                await story(store)
            finally:
                await store.close()

        asyncio.run(told())

    def tell_of_two(self, story: StoryOfTwo) -> None:
        async def told() -> None:
            one = PostgresStore(self.url, texts=TextSeal(bytes(64)), clock=self.make.clock, connections=2)
            two = PostgresStore(self.url, texts=TextSeal(bytes(64)), clock=self.make.clock, connections=2)
            try:
                await story(one, two)
            finally:
                await one.close()
                await two.close()

        asyncio.run(told())

    def tamper_with_evidence(self, task_id: str, link: int) -> None:
        statement = sql.SQL("UPDATE verdict_log SET evidence = 'other numbers' WHERE task_id = %s AND link = %s")
        execute(self.url, statement, (task_id, link))

    def drop_last_link(self, task_id: str) -> None:
        statement = sql.SQL(
            "DELETE FROM verdict_log l WHERE task_id = %s"
            " AND link = (SELECT max(link) FROM verdict_log WHERE task_id = l.task_id)"
        )
        execute(self.url, statement, (task_id,))


async def _await(story: Awaitable[None]) -> None:
    await story


async def learnable(store: Store, task_id: str) -> LearnableRows:
    """All parts in one."""
    parts = [part async for part in store.learnable(task_id)]
    return LearnableRows._make(
        [[each for part in parts for each in part[i]] for i in range(len(LearnableRows._fields))]
    )
