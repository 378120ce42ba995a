"""What every part of the store in memory shares: the tasks it holds, and whether it plays dead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dissonance.adapters.memory.task_rows import Chain, TaskRows
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.errors import EngineUnavailable, UnknownTask
from dissonance.ports.accesses import KeptAccess
from dissonance.ports.clock import Clock
from dissonance.ports.erasures import Erasure
from dissonance.ports.findings import Finding
from dissonance.ports.logins import TakenCode
from dissonance.ports.store import Experience, IdempotentAnswer
from dissonance.security.api_keys import ApiKey
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import Person
from dissonance.security.refresh_tokens import PersonLogin, RefreshToken
from dissonance.security.revocations import Revocation, Revoked


class HeldRefresh(NamedTuple):
    token: RefreshToken
    login_id: str
    used: bool


class Held:
    """`available = False` plays a database that is away."""

    def __init__(self, clock: Clock) -> None:
        self.available = True
        self._clock = clock
        self._tasks: dict[str, TaskRows] = {}
        self._system = Chain()
        self._batches: dict[str, int] = {}
        self._accesses: list[KeptAccess] = []
        self._findings: dict[tuple[str, str, str, int], Finding] = {}
        self._idempotency: dict[tuple[str, bytes], tuple[IdempotentAnswer, int]] = {}
        self._revocations: dict[tuple[Revoked, str], Revocation] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._credential_changes = 0
        self._oauth_clients: dict[str, OAuthClient] = {}
        self._used_assertions: dict[bytes, int] = {}
        self._people: dict[str, Person] = {}
        self._login_codes: dict[bytes, TakenCode] = {}
        self._logins: dict[str, PersonLogin] = {}
        self._refresh_tokens: dict[bytes, HeldRefresh] = {}
        self._erasures: dict[tuple[str, bytes], Erasure] = {}

    def rows_of(self, task_id: str) -> TaskRows:
        """What is held of a task, for tests that look behind the port or tamper with it."""
        return self._of(task_id)

    def _require(self) -> None:
        if not self.available:
            raise EngineUnavailable("the store in memory plays dead", where="store", fix="set its `available`")

    def _of(self, task_id: str) -> TaskRows:
        self._require()
        if task_id not in self._tasks:
            raise UnknownTask(f"no task has the id '{task_id}'", where="task", fix="list them: dissonance task list")
        return self._tasks[task_id]

    def _chain(self, task_id: str) -> Chain:
        """Of a task, or of the `WHOLE_SYSTEM`."""
        self._require()
        return self._system if task_id == WHOLE_SYSTEM else self._of(task_id)

    def _known(self, task_id: str) -> TaskRows | None:
        self._require()
        return self._tasks.get(task_id)

    def _experience(self, task_id: str) -> Mapping[bytes, Experience]:
        known = self._known(task_id)
        return known.experience if known is not None else {}
