"""The one loop that every role runs: take what is queued, handle it in one go, publish, acknowledge.

At least once, exactly once in effect: events are published before the messages they came from are acknowledged, so a
crash between the two repeats the work, and the repetition is harmless since "same cause, same id" lets the broker and
the store drop it (design section 4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, TypeVar

from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind
from dissonance.errors import (
    ContractError,
    DissonanceError,
    EngineError,
    EngineUnavailable,
    MalformedEvent,
    NotFinite,
    UnknownClass,
    UnknownField,
    UnknownTask,
    UnseenCategory,
    WrongType,
)
from dissonance.ports.bus import Bus, Delivery, Subscription
from dissonance.ports.clock import Clock, Randomness
from dissonance.telemetry.logs import log, log_exception
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction

logger = logging.getLogger(__name__)

Handler = Callable[[Sequence[Event]], Awaitable[list[Event]]]
"""Events in, all that were queued; events to publish out. It may be called again with the same events."""

FETCH_WAIT_S = 1.0  # how long one fetch waits for a first message, and so the longest that `stop` waits for one
LAG_EVERY_S = 5.0
WAIT_FIRST_S = 0.1  # first pause while an engine is away; doubles, with jitter
WAIT_LONGEST_S = 5.0
REST_LONGEST_S = 30.0
REST_SHARE = 9  # a worker that rests does so at least this many times as long as it worked: a tenth of a core at most
GATHERED_FETCHES = 16  # fetches that a worker that rests puts into one batch, at most
RETRY_FIRST_S = 1.0  # first delay of a message that failed; four times as long each time
RETRY_GROWTH = 4.0
RETRY_LONGEST_S = 60.0

QUOTING_ERRORS = (WrongType, NotFinite, UnseenCategory, UnknownClass, UnknownField)
"""Their text may quote a value of a row, so it stays out of dead letters and logs."""

T = TypeVar("T")


class WorkerState(NamedTuple):
    """For readiness. `last_progress_us`: when the loop last came round or finished a batch; 0 = not yet.

    `waiting_for` says which engine is being waited for, empty when none is.
    """

    running: bool
    last_progress_us: int
    in_hand: int  # messages
    waiting_for: str


class _Task(NamedTuple):
    delivery: Delivery
    event: Event


class _Stopped(Exception):
    """`stop` was called while an engine was away."""


class Worker:
    """Runs `handle` for one durable consumer. One `run` at a time; any number of replicas share the work.

    `EngineUnavailable` is not a failure: the messages are kept and the same step is tried again, for ever, with
    growing pauses. Any other error of a batch is pinned down by handling each message alone; the one that fails is
    handed back with a growing delay, and after `max_deliver` deliveries it is a dead letter with the reason. What is
    not an event at all is a dead letter at once.

    With `rest_s` above 0 a batch is all that is queued, since what it costs does not grow with that: up to
    `GATHERED_FETCHES` fetches. After each it rests, so long or `REST_SHARE` times as long as the batch took, unless
    even more was queued.

    With `linger_s` above 0 it lets so many seconds go by after each batch that was less than one fetch may bring:
    what comes meanwhile shares the cost of one batch.

    Example: `worker = Worker(bus, "critic", [EventKind.PREDICTED], critic.handle, ...)`; `await worker.run()` in a task
    of its own; `worker.stop()` from the handler of a signal.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: str,
        kinds: Sequence[EventKind],
        handle: Handler,
        *,
        clock: Clock,
        randomness: Randomness,
        metrics: Metrics,
        ack_wait_s: float,
        max_deliver: int,
        fetch_messages: int,
        fetch_wait_s: float = FETCH_WAIT_S,
        retry_first_s: float = RETRY_FIRST_S,
        rest_s: float = 0.0,
        linger_s: float = 0.0,
    ) -> None:
        self._bus = bus
        self._consumer = consumer
        self._kinds = tuple(kinds)
        self._handle = handle
        self._clock = clock
        self._randomness = randomness
        self._metrics = metrics
        self._ack_wait_s = ack_wait_s
        self._max_deliver = max_deliver
        self._fetch_messages = fetch_messages
        self._fetch_wait_s = fetch_wait_s
        self._retry_first_s = retry_first_s
        self._rest_s = rest_s
        self._linger_s = linger_s
        self._handle_seconds = metrics.handle_seconds.labels(role=consumer).inc
        self._publish_seconds = metrics.publish_seconds.labels(role=consumer).inc
        self._stopping = asyncio.Event()
        self._running = False
        self._last_progress_us = 0
        self._in_hand = 0
        self._waiting_for = ""

    @property
    def state(self) -> WorkerState:
        return WorkerState(self._running, self._last_progress_us, self._in_hand, self._waiting_for)

    async def lag(self) -> int:
        """Messages not yet acknowledged by this consumer, all replicas together. Raises `EngineUnavailable`.

        The metrics get it, and how long ago the oldest of them was published.
        """
        lag = await self._bus.lag(self._consumer, self._kinds)
        oldest_us = await self._bus.oldest_us(self._consumer, self._kinds) if lag else None
        age_s = 0.0 if oldest_us is None else max(0, self._clock.now_us() - oldest_us) / 1e6
        self._metrics.lag.labels(role=self._consumer).set(lag)
        self._metrics.oldest_age.labels(role=self._consumer).set(age_s)
        return lag

    async def watch_lag(self, every_s: float = LAG_EVERY_S) -> None:
        """Keep the metrics of the lag and its age current, for ever; they stay as they are while the broker is away."""
        while True:
            with suppress(EngineError):
                await self.lag()
            await asyncio.sleep(every_s)

    def stop(self) -> None:
        """`run` finishes what is in hand, publishes, acknowledges, and returns. If an engine is away it hands back
        what is in hand instead of waiting."""
        self._stopping.set()

    async def run(self) -> None:
        """Returns after `stop`. Cancelling it is a crash: what is in hand comes back after the ack wait."""
        self._running = True
        try:
            async with self._bus.subscribe(self._consumer, self._kinds) as subscription:
                while not self._stopping.is_set():
                    await self._turn(subscription)
        finally:
            self._running = False

    async def _turn(self, subscription: Subscription) -> None:
        with suppress(_Stopped):
            batch = await self._patiently(lambda: subscription.fetch(self._fetch_messages, self._fetch_wait_s))
            self._progressed()
            if not batch:
                return
            is_all = await self._gather(subscription, batch) if self._rest_s else len(batch) < self._fetch_messages
            started_us = self._clock.now_us()
            await self._work(batch)
            if is_all:
                await self._idle(self._pause_after((self._clock.now_us() - started_us) / 1e6))

    async def _gather(self, subscription: Subscription, batch: list[Delivery]) -> bool:
        """Add to `batch` what else is queued; whether that is all, as far as the broker says."""
        more = len(batch)
        for _ in range(GATHERED_FETCHES - 1):
            if more < self._fetch_messages:
                return True
            try:
                added = await subscription.fetch(self._fetch_messages, 0.0)
            except EngineUnavailable:
                return True
            batch.extend(added)
            more = len(added)
        return more < self._fetch_messages

    def _pause_after(self, worked_s: float) -> float:
        if not self._rest_s:
            return self._linger_s
        return min(max(self._rest_s, REST_SHARE * worked_s), REST_LONGEST_S)

    async def _idle(self, pause_s: float) -> None:
        if pause_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _work(self, batch: list[Delivery]) -> None:
        async with self._keeping(batch):
            try:
                tasks = await self._read(batch)
                if tasks:
                    self._metrics.batch_size.labels(role=self._consumer).observe(sum(task.event.rows for task in tasks))
                    await self._answer(tasks)
            except _Stopped:
                with suppress(EngineUnavailable):  # then they come back after the ack wait
                    for delivery in batch:
                        await delivery.retry(0.0)
                raise
        self._progressed()

    async def _read(self, batch: list[Delivery]) -> list[_Task]:
        tasks = []
        for delivery in batch:
            try:
                tasks.append(_Task(delivery, _event_in(delivery)))
            except ContractError as error:
                await self._bury(delivery, error)
        return tasks

    async def _answer(self, tasks: list[_Task]) -> None:
        failure = await self._attempt(tasks)
        if failure is None:
            for delivery, _ in tasks:
                await self._patiently(delivery.ack)
                self._metrics.events_handled.labels(role=self._consumer, kind=delivery.kind.value).inc()
        elif len(tasks) == 1:
            await self._fail(tasks[0].delivery, failure)
        else:
            for task in tasks:
                await self._answer([task])

    async def _attempt(self, tasks: list[_Task]) -> Exception | None:
        """What kept these events from being handled and their consequences from being published; None when nothing."""
        try:
            events = [task.event for task in tasks]
            produced = await self._patiently(lambda: self._timed(self._handle_seconds, self._handle(events)))
            await self._patiently(lambda: self._timed(self._publish_seconds, self._bus.publish(produced)))
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - the process's outermost edge: logged, counted, never passed over
            return error
        return None

    async def _timed(self, count: Callable[[float], None], work: Awaitable[T]) -> T:
        """Its result; what it took is counted, also when it failed. A clock that was set back adds nothing."""
        started_us = self._clock.now_us()
        try:
            return await work
        finally:
            count(max(0, self._clock.now_us() - started_us) / 1e6)

    async def _fail(self, delivery: Delivery, failure: Exception) -> None:
        kind = delivery.kind.value
        self._metrics.handler_errors.labels(role=self._consumer, kind=kind, slug=_slug(failure)).inc()
        if not isinstance(failure, DissonanceError):
            self._metrics.unexpected_errors.labels(where=self._consumer).inc()
        log_exception(
            logger, LogAction.EVENT_FAILED, failure, consumer=self._consumer, kind=kind, attempt=delivery.attempt
        )
        # A task's id is never used again, so what is about a deleted one is not worth waiting for.
        if delivery.attempt >= self._max_deliver or isinstance(failure, UnknownTask):
            await self._bury(delivery, failure)
        else:
            delay_s = min(RETRY_LONGEST_S, self._retry_first_s * RETRY_GROWTH ** (delivery.attempt - 1))
            await self._patiently(lambda: delivery.retry(delay_s))

    async def _bury(self, delivery: Delivery, failure: Exception) -> None:
        reason = reason_of(failure)
        await self._patiently(lambda: delivery.dead_letter(reason))
        self._metrics.dead_letters.labels(role=self._consumer, kind=delivery.kind.value).inc()
        log(
            logger,
            LogAction.EVENT_DEAD_LETTERED,
            logging.ERROR,
            consumer=self._consumer,
            kind=delivery.kind.value,
            attempt=delivery.attempt,
            reason=reason,
        )

    @asynccontextmanager
    async def _keeping(self, batch: list[Delivery]) -> AsyncIterator[None]:
        """However long the work takes, the batch is not handed to another replica while this process lives."""
        keeper = asyncio.create_task(self._keep(batch))
        self._in_hand = len(batch)
        try:
            yield
        finally:
            self._in_hand = 0
            keeper.cancel()

    async def _keep(self, batch: list[Delivery]) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 2)
            with suppress(EngineUnavailable):  # no broker, so nobody it could be handed to either
                for delivery in batch:
                    await delivery.keep()

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """The step's result, however long its engine is away. Raises `_Stopped` when that is too long for `stop`."""
        pause_s = WAIT_FIRST_S
        while True:
            try:
                result = await step()
            except EngineUnavailable as error:
                await self._pause(error, pause_s)
                pause_s = min(WAIT_LONGEST_S, 2 * pause_s)
            else:
                self._waiting_for = ""
                return result

    async def _pause(self, error: EngineUnavailable, pause_s: float) -> None:
        if not self._waiting_for:
            log(logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, consumer=self._consumer, engine=error.where)
        self._waiting_for = error.where or error.slug
        jitter = int.from_bytes(self._randomness.token(2), "big") / 65_535  # replicas must not come back in step
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s * (0.5 + jitter / 2))
        if self._stopping.is_set():
            raise _Stopped

    def _progressed(self) -> None:
        self._last_progress_us = self._clock.now_us()


def _event_in(delivery: Delivery) -> Event:
    """Raises `ContractError`, also for an event of another kind than its topic's, which no handler would look at."""
    event = decode(delivery.data)
    if event.KIND is not delivery.kind:
        raise MalformedEvent(
            f"an event of the kind '{event.KIND}' on the topic of '{delivery.kind}'",
            where="topic",
            fix="publish it on its own topic",
        )
    return event


def _slug(failure: Exception) -> str:
    return failure.slug if isinstance(failure, DissonanceError) else type(failure).__name__


def reason_of(failure: Exception) -> str:
    """Why a message is a dead letter, without personal data: of an error that nobody foresaw only its type and place.

    >>> reason_of(UnseenCategory("'blue' was never seen", where="eyes"))
    'unseen-category (eyes)'
    """
    if isinstance(failure, QUOTING_ERRORS):
        return f"{failure.slug} ({failure.where})"
    if isinstance(failure, DissonanceError):
        return f"{failure.slug}: {failure.what} ({failure.where})"
    place, trace = "", failure.__traceback__
    while trace is not None:
        place, trace = f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}", trace.tb_next
    return f"unexpected {type(failure).__name__}{place}"
