"""What a process knows of tasks: schema, policy and models, kept current by events of the bus.

Every role of a process shares one catalogue. A model swap replaces one reference, so a request is answered
by the old pair or the new one, never by a mixture; a model that is refused leaves the old one serving.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from dissonance.contracts.bus_needs import CHANGES
from dissonance.contracts.events import Event
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.decisions.json_rows import JsonRows
from dissonance.decisions.rows import RowEncoder
from dissonance.errors import DissonanceError, EngineUnavailable, ModelError, UnknownTask
from dissonance.ports.bus import Bus
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import TaskStore
from dissonance.roles.serving import Arms, ModelLoader, Serving
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

T = TypeVar("T")

_logger = logging.getLogger(__name__)

PAIRS_KEPT = 8
"""Loaded pairs kept for rows that an earlier version answered."""

RECONNECT_S = 0.5
RESYNC_S = 15.0
"""Watching is not durable: what was missed while the broker was away is read again this often."""


class TaskContext(NamedTuple):
    task: Task
    policy: Policy
    policy_digest: str
    encoder: RowEncoder
    json_rows: JsonRows


class ReadsTasks(TaskStore, Protocol):
    """What the catalogue reads: tasks, policies, and the rollout that is under way."""

    async def rollout(self, task_id: str) -> Rollout | None: ...


class Catalogue:
    """Tasks by name and id, their policy in force, and their models. Safe for one event loop."""

    def __init__(
        self,
        store: ReadsTasks,
        loader: ModelLoader,
        bus: Bus,
        *,
        reconnect_s: float = RECONNECT_S,
        resync_s: float = RESYNC_S,
    ) -> None:
        self._store = store
        self._loader = loader
        self._bus = bus
        self._reconnect_s = reconnect_s
        self._resync_s = resync_s
        self._names: dict[str, str] = {}
        self._contexts: dict[str, TaskContext] = {}
        self._production: dict[str, Serving] = {}
        self._arms: dict[str, Arms] = {}
        self._changes: dict[str, int] = {}
        self._pairs: OrderedDict[tuple[str, str], Serving] = OrderedDict()
        self._loading = asyncio.Lock()
        self._arming = asyncio.Lock()

    async def by_name(self, name: str) -> TaskContext:
        """Raises `UnknownTask`."""
        context = self.at_hand(name)
        return context if context is not None else await self._read(await self._store.by_name(name))

    def at_hand(self, name: str) -> TaskContext | None:
        """As `by_name`, of what is known here already."""
        task_id = self._names.get(name)
        return None if task_id is None else self._contexts[task_id]

    async def by_id(self, task_id: str) -> TaskContext:
        """Raises `UnknownTask`."""
        if task_id in self._contexts:
            return self._contexts[task_id]
        return await self._read(await self._store.by_id(task_id))

    async def production(self, task: Task) -> Serving:
        """The pair in production; loaded at first use."""
        serving = self._production.get(task.task_id)
        return serving if serving is not None else await self._load_production(task)

    async def arms(self, task: Task) -> Arms:
        """Who answers now; read at first use, and again when a model moves or a rollout changes."""
        arms = self._arms.get(task.task_id)
        return arms if arms is not None else await self._read_arms(task)

    def answering(self, task_id: str) -> Serving | None:
        """The pair that the next request is answered with; None where that is read at the first one."""
        arms = self._arms.get(task_id)
        return None if arms is None else arms.production

    async def serving(self, task: Task, proposer_digest: str) -> Serving:
        """The pair whose proposer gave an answer, also when production has moved on since."""
        current = await self.production(task)
        if current.proposer_digest == proposer_digest:
            return current
        pair = self._pairs.get((task.task_id, proposer_digest))
        if pair is None:
            async with self._loading:
                pair = await asyncio.to_thread(self._loader.by_digest, task, proposer_digest)
                self._keep(task, pair)
        return pair

    def serving_at_hand(self, task: Task, proposer_digest: str) -> Serving | None:
        """As `serving`, of the pairs that are loaded."""
        current = self._production.get(task.task_id)
        if current is not None and current.proposer_digest == proposer_digest:
            return current
        return self._pairs.get((task.task_id, proposer_digest))

    async def follow(self) -> None:
        """Apply changes for ever: from the bus at once, and by reading everything again now and then."""
        while True:
            try:
                async with self._bus.watch(CHANGES) as changes, asyncio.TaskGroup() as tasks:
                    await self.refresh_all()
                    resync = tasks.create_task(self._resync())
                    async for event in changes:
                        await self._apply(event)
                    resync.cancel()
            except* EngineUnavailable:
                log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, why="the bus cannot be watched now")
            await asyncio.sleep(self._reconnect_s)

    async def refresh_all(self) -> None:
        """Read again whatever is known here, so that nothing missed stays missed."""
        for context in list(self._contexts.values()):
            await self._refresh(context.task)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._resync_s)
            await self.refresh_all()

    async def _apply(self, event: Event) -> None:
        context = self._contexts.get(event.task_id)
        if context is None:
            return
        if event.KIND is EventKind.TASK_DELETED:
            self._forget(context.task)
        else:
            await self._refresh(context.task)

    async def _refresh(self, task: Task) -> None:
        self._changes[task.task_id] = self._changes.get(task.task_id, 0) + 1
        try:
            await self._read(await self._store.by_id(task.task_id))
            if task.task_id in self._production:
                await self._load_production(task)
            if task.task_id in self._arms:
                await self._read_arms(task)
        except UnknownTask:
            self._forget(task)
        except EngineUnavailable as error:
            log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, task=task.name, why=error.what)
        except DissonanceError as error:
            log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=task.name, why=str(error))

    async def _read(self, task: Task) -> TaskContext:
        policy = await self._store.policy(task.task_id)
        extra = tuple(column for column in (task.time_column, task.data_subject_column) if column is not None)
        known = self._contexts.get(task.task_id)
        encoder = known.encoder if known is not None else RowEncoder(task.schema, extra=extra)
        json_rows = known.json_rows if known is not None else JsonRows(task.schema, extra=extra)
        context = TaskContext(task, policy, policy_digest(policy), encoder, json_rows)
        self._contexts[task.task_id] = context
        self._names[task.name] = task.task_id
        return context

    async def _load_production(self, task: Task) -> Serving:
        async with self._loading:
            serving = await self._unchanged(task, lambda: asyncio.to_thread(self._loader.production, task))
            old = self._production.get(task.task_id)
            if old is not None and old.proposer_digest == serving.proposer_digest:
                return old
            self._production[task.task_id] = serving
            self._keep(task, serving)
        log(_logger, LogAction.MODEL_LOADED, task=task.name, version=serving.version, digest=serving.proposer_digest)
        return serving

    async def _read_arms(self, task: Task) -> Arms:
        """One at a time: what was read before a change must not replace what was read after it."""
        async with self._arming:
            self._arms[task.task_id] = arms = await self._unchanged(task, lambda: self._arms_now(task))
        return arms

    async def _unchanged(self, task: Task, read: Callable[[], Awaitable[T]]) -> T:
        """Read again when something changed meanwhile: the first time it may have been read before."""
        while True:
            seen = self._changes.get(task.task_id, 0)
            found = await read()
            if self._changes.get(task.task_id, 0) == seen:
                return found

    async def _arms_now(self, task: Task) -> Arms:
        """A model of the rollout that cannot be had leaves production to answer alone."""
        production = await self.production(task)
        arms = Arms(production)
        rollout = await self._store.rollout(task.task_id)
        if rollout is not None and rollout.phase in LIVE_PHASES:
            is_canary = rollout.phase is RolloutPhase.CANARY
            answers, other = rollout.previous_digest, rollout.model_digest
            if not is_canary:
                answers, other = other, answers
            # Between alias and rollout nobody is certain who is who: then production answers alone, until both agree.
            if production.proposer_digest == answers:
                arms = Arms(production, await self._other(task, other), rollout.share if is_canary else 0.0)
        return arms

    async def _other(self, task: Task, digest: str) -> Serving | None:
        try:
            return await self.serving(task, digest)
        except ModelError as error:
            log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=task.name, why=str(error))
            return None

    def _keep(self, task: Task, serving: Serving) -> None:
        self._pairs[task.task_id, serving.proposer_digest] = serving
        while len(self._pairs) > PAIRS_KEPT:
            self._pairs.popitem(last=False)

    def _forget(self, task: Task) -> None:
        self._contexts.pop(task.task_id, None)
        self._names.pop(task.name, None)
        self._production.pop(task.task_id, None)
        self._arms.pop(task.task_id, None)
        self._changes.pop(task.task_id, None)
