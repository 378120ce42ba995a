"""The auditor keeps what it found: opened when first seen, resolved when gone, and told once each."""

from __future__ import annotations

import asyncio
import logging

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, FindingRaised, FindingResolved
from dissonance.errors import EngineError, UnknownTask
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock
from dissonance.ports.findings import Finding, FindingStore
from dissonance.roles.auditor.checks import CHECKS
from dissonance.roles.auditor.observe import Observer, Sight
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

PRODUCER = "auditor"
EVERY_S = 60.0
TOLD_KEPT = 10_000

_logger = logging.getLogger(__name__)
_Key = tuple[str, str, str]


class Auditor:
    """One per process; several replicas find the same and keep it once."""

    def __init__(
        self, observer: Observer, store: FindingStore, bus: Bus, clock: Clock, *, every_s: float = EVERY_S
    ) -> None:
        self._observer = observer
        self._store = store
        self._bus = bus
        self._clock = clock
        self._every_s = every_s
        self._told: dict[str, None] = {}

    async def run(self) -> None:
        """Audit now and every minute, for ever; while the database or the bus is away, the log tells."""
        while True:
            try:
                await self.audit()
            except EngineError as error:
                log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, why=error.what)
            await asyncio.sleep(self._every_s)

    async def audit(self) -> list[Finding]:
        """Look at everything once, keep what is wrong, resolve what is right again, say both; what is open now.

        Raises `EngineUnavailable` when findings cannot be kept or told: they are in the log then.
        """
        now_us = self._clock.now_us()
        sights = await self._observer.look()
        found = {key: finding for sight in sights for key, finding in self._findings(sight, now_us)}
        try:
            resolved = await self._keep(found, {(sight.task_id, sight.code) for sight in sights}, now_us)
        except EngineError:
            for finding in found.values():
                _log_raised(finding)
            raise
        lasting = [each for each in await self._store.findings() if _key(each) in found]
        await self._tell(lasting, resolved)
        return await self._store.findings()

    async def _keep(self, found: dict[_Key, Finding], looked_at: set[tuple[str, str]], now_us: int) -> list[Finding]:
        """The findings that are resolved by this."""
        before = await self._store.findings()
        for finding in found.values():
            try:
                if await self._store.keep_finding(finding):
                    _log_raised(finding)
            except UnknownTask:  # deleted since it was looked at
                continue
        resolved = []
        for finding in before:
            gone = _key(finding) not in found and (finding.task_id, finding.code) in looked_at
            if gone and await self._store.resolve_finding(finding.task_id, finding.code, finding.subject, now_us):
                resolved.append(finding)
        return resolved

    async def _tell(self, lasting: list[Finding], resolved: list[Finding]) -> None:
        """Each once a process; whoever hears it again knows the id."""
        raised = [event for finding in lasting if (event := self._raised(finding)).event_id not in self._told]
        events: list[Event] = [*raised, *(self._gone(finding) for finding in resolved)]
        if events:
            await self._bus.publish(events)
        self._told |= dict.fromkeys(event.event_id for event in raised)
        while len(self._told) > TOLD_KEPT:
            self._told.pop(next(iter(self._told)))

    @staticmethod
    def _findings(sight: Sight, now_us: int) -> list[tuple[_Key, Finding]]:
        check = CHECKS[sight.code]
        findings = [
            Finding(
                task_id=sight.task_id,
                code=sight.code,
                subject=fault.subject,
                severity=check.severity,
                what=fault.what,
                fix=check.fix,
                evidence=fault.evidence,
                first_seen_us=now_us,
                last_seen_us=now_us,
            )
            for fault in sight.faults
        ]
        return [(_key(finding), finding) for finding in findings]

    def _raised(self, finding: Finding) -> FindingRaised:
        return FindingRaised(
            event_id=derived_id("finding_raised", [*_key(finding), str(finding.first_seen_us)]),
            task_id=finding.task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            code=finding.code,
            severity=finding.severity.name.lower(),
            subject=finding.subject,
            what=finding.what,
            fix=finding.fix,
            evidence=finding.evidence,
            first_seen_us=finding.first_seen_us,
        )

    def _gone(self, finding: Finding) -> FindingResolved:
        log(_logger, LogAction.FINDING_RESOLVED, code=finding.code, subject=finding.subject)
        return FindingResolved(
            event_id=derived_id("finding_resolved", [*_key(finding), str(finding.first_seen_us)]),
            task_id=finding.task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            code=finding.code,
            subject=finding.subject,
            first_seen_us=finding.first_seen_us,
        )


def _key(finding: Finding) -> _Key:
    return finding.task_id, finding.code, finding.subject


def _log_raised(finding: Finding) -> None:
    log(
        _logger,
        LogAction.FINDING_RAISED,
        logging.WARNING,
        code=finding.code,
        subject=finding.subject,
        severity=finding.severity.name.lower(),
        why=finding.what,
    )
