"""What the audit trail learns of requests: kept in memory, and taken from there by whoever writes it down (ADR 54).

What is answered pays for one count in a dictionary. Of what was let in, changes by people are kept one by one, and
everything else is counted by holder and minute; predictions and labels have records of their own. What was denied is
always kept: one entry for all attempts of a second that differ in nothing, and under a flood of different ones one for
the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Scope

from dissonance.contracts.accesses import Access, Outcome, plain
from dissonance.ports.clock import Clock
from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics

COUNTED = frozenset({Permission.PREDICT, Permission.CYCLE, Permission.LABEL, Permission.LABEL_REQUESTS})
"""What is written so often that it is counted: each prediction and each label has a record of its own."""

COUNTED_FOR_US = 60_000_000
MOST_SINGLE = 10_000
"""Entries of one kind that are kept until the next time they are taken; further ones share one."""

MOST_DENIED = 1_000
"""Different denied attempts of a minute with an entry of their own; further ones share one."""

REST = "(others)"
KEY = "dissonance.refused"
"""Member of a request's scope: the slug of the refusal."""

DENIED = frozenset({"unauthenticated", "forbidden", "locked-out", "rate-limited"})
UNKNOWN = "unknown"


class Seen(NamedTuple):
    """What an access is told apart by."""

    who: str
    source: str
    permission: str
    method: str
    path: str
    task: str
    reason: str
    status: int


class _Times:
    __slots__ = ("first_us", "last_us", "number", "request_id")

    def __init__(self, at_us: int, request_id: str) -> None:
        self.first_us = self.last_us = at_us
        self.number = 1
        self.request_id = request_id

    def add(self, at_us: int) -> None:
        self.last_us = at_us
        self.number += 1


class AccessTrail:
    """One a process; for one event loop."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._single: list[Access] = []
        self._counted: dict[Seen, _Times] = {}
        self._denied: dict[Seen, _Times] = {}
        self._minute_us = clock.now_us()
        self._denied_in_minute = 0

    def note(self, seen: Seen, at_us: int, request_id: str = "") -> None:
        """`seen.reason`: the slug of a refusal, empty for what was let in."""
        if seen.reason:
            self._deny(seen, at_us, request_id)
        elif _is_single(seen.permission) and len(self._single) < MOST_SINGLE:
            self._single.append(_access(seen, _Times(at_us, request_id)))
        else:
            self._add(self._counted, seen, at_us, request_id, MOST_SINGLE)

    def _deny(self, seen: Seen, at_us: int, request_id: str) -> None:
        self._metrics.accesses_denied.labels(seen.reason).inc()
        room = MOST_DENIED - self._denied_in_minute
        self._denied_in_minute += self._add(self._denied, seen, at_us, request_id, len(self._denied) + room)

    def _add(self, entries: dict[Seen, _Times], seen: Seen, at_us: int, request_id: str, most: int) -> bool:
        """Whether it is an entry more."""
        known = entries.get(seen)
        if known is None and len(entries) >= most:
            seen = Seen("", REST, "", "", REST, "", seen.reason, seen.status)
            known = entries.get(seen)
        if known is None:
            entries[seen] = _Times(at_us, request_id)
            return True
        known.add(at_us)
        return False

    def take(self, *, everything: bool = False) -> list[Access]:
        """What is to be written down by now; counts when their minute is over, or with `everything`."""
        taken = [*self._single, *(_access(*each) for each in self._denied.items())]
        self._single, self._denied = [], {}
        if everything or self._clock.now_us() - self._minute_us >= COUNTED_FOR_US:
            taken += [_access(*each) for each in self._counted.items()]
            self._counted, self._denied_in_minute, self._minute_us = {}, 0, self._clock.now_us()
        return taken


def request_seen(scope: Scope, status: int, who: str, permission: Permission | None, path: str) -> Seen | None:
    """None for what is public, and for what no route takes and nobody was refused."""
    refused: str = scope.get(KEY, "")
    reason = refused if refused in DENIED else ""
    if permission is Permission.PUBLIC or (permission is None and not reason):
        return None
    client = scope.get("client")
    task = scope.get("path_params", {}).get("task", "")
    return Seen(who, client[0] if client else "", permission or "", scope["method"], path, task, reason, status)


def _is_single(permission: str) -> bool:
    return permission.endswith(":write") and permission not in COUNTED


def _access(seen: Seen, times: _Times) -> Access:
    return Access(
        who=plain(seen.who),
        source=plain(seen.source),
        permission=seen.permission,
        what=plain(f"{seen.method} {seen.path}".strip()),
        task=plain(seen.task),
        outcome=Outcome.DENIED if seen.reason else Outcome.ALLOWED,
        first_us=times.first_us,
        last_us=times.last_us,
        count=times.number,
        reason=seen.reason,
        status=seen.status,
        request_id=plain(times.request_id),
    )
