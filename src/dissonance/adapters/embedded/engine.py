"""What the supervisor asks of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.process import Program

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
"""Variables of our environment that an engine may see; settings and secrets of others are not among them."""


class Engine(Protocol):
    """One engine started here. Its address never changes while its supervisor lives."""

    @property
    def name(self) -> EngineName: ...

    @property
    def ready_limit_s(self) -> float:
        """Seconds from its start until it must answer."""
        ...

    def program(self) -> Program:
        """What to start. Called before every start; raises `EngineError` when it cannot start, as when its port
        was taken by another program in between."""
        ...

    async def check_ready(self) -> None:
        """One attempt. Raises `EngineUnavailable` for "not yet", any other `EngineError` for "never"."""
        ...

    async def why_start_again(self) -> str:
        """What is wrong with it that a new start mends; "" when nothing is, or when it cannot be told now."""
        ...


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of our environment that engines get.

    >>> passed_on({"PATH": "/bin", "DISSONANCE_NATS_URL": "nats://u:secret@h"})
    {'PATH': '/bin'}
    """
    return {name: environment[name] for name in PASSED_ON if name in environment}
