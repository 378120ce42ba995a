"""What replicas of the proposer say when they are asked which model they serve, and how their models behave.

A question and its answers travel by plain NATS, on `topics.ask_topic`: nothing is stored, whoever lives answers.
"""

from __future__ import annotations

import msgspec

CONFIRM_LIMIT_S = 10.0
"""Seconds after which a replica that does not follow a change of model is named."""

SERVING = "serving"
"""The question: which model answers for this task in your process now?"""

NAMELESS = "?"
"""In place of the name of a replica that listens and never spoke: the broker knows that it is there, not who it is."""

NOT_LOADED = 0
"""Version of a task whose model is not loaded: the replica reads which one is in production at its first request."""


class ServingQuestion(msgspec.Struct, frozen=True):
    task_id: str


class Behaviour(msgspec.Struct, frozen=True):
    """What one model did in one process since it started: `calls`, those of them that `failed`, and of the others the
    sum and the sum of squares of ln(microseconds)."""

    calls: int = 0
    failed: int = 0
    log_us: float = 0.0
    log_us_squared: float = 0.0


class Standing(msgspec.Struct, frozen=True):
    """The answer of one replica. `behaviour` by digest of the proposer."""

    replica: str
    task_id: str
    version: int
    model_digest: str
    behaviour: dict[str, Behaviour] = {}
