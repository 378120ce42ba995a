"""Ports whose calls are cut short, or between whose calls somebody else does something."""

from __future__ import annotations

import threading
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from dissonance.errors import EngineUnavailable
from dissonance.ports.registry import ModelRole
from support.workshop import Workshop

NEVER = 10_000


class Knife:
    """Cuts at the call of this number, before it does anything or after it did."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.calls = 0
        self._at = at
        self._after = after
        self._lock = threading.Lock()

    def begin(self) -> int:
        with self._lock:
            self.calls += 1
            number = self.calls
        self._cut(number, after=False)
        return number

    def end(self, number: int) -> None:
        self._cut(number, after=True)

    def _cut(self, number: int, *, after: bool) -> None:
        if number == self._at and after is self._after:
            raise EngineUnavailable("cut short", where="a test", fix="ask again")


class Cut:
    """A port each of whose calls the knife sees."""

    def __init__(self, port: Any, knife: Knife, names: tuple[str, ...]) -> None:
        self._port = port
        self._knife = knife
        self._names = names

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._port, name)
        if name not in self._names:
            return called
        return self._awaited(called) if iscoroutinefunction(called) else self._blocking(called)

    def _awaited(self, called: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            number = self._knife.begin()
            found = await called(*given, **named)
            self._knife.end(number)
            return found

        return call

    def _blocking(self, called: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            number = self._knife.begin()
            found = called(*given, **named)
            self._knife.end(number)
            return found

        return call


STORE = ("by_name", "rollouts", "rollout", "policy", "save_rollout", "rollouts_told", "decisions", "decision_of")
REGISTRY = ("production", "version", "versions", "artefact", "promote", "mark")


def under(knife: Knife, work: Workshop) -> Workshop:
    return work._replace(
        store=cast(Any, Cut(work.store, knife, STORE)),
        registry=cast(Any, Cut(work.registry, knife, REGISTRY)),
        bus=cast(Any, Cut(work.bus, knife, ("publish",))),
    )


class Between:
    """A registry at which, before the first call of this name and role, somebody else does something."""

    def __init__(self, registry: Any, name: str, role: ModelRole, action: Callable[[], object]) -> None:
        self._registry = registry
        self._name = name
        self._role = role
        self._action: Callable[[], object] | None = action

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._registry, name)
        if name != self._name:
            return called

        def call(*given: Any) -> Any:
            action = self._action
            if action is not None and (self._role in given or getattr(given[0], "role", None) is self._role):
                self._action = None
                action()
            return called(*given)

        return call
